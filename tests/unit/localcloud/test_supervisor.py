"""Background work: it ends in a declared state whatever happens in it, and stops at once."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import closing
from pathlib import Path

import pytest

from ecsmachine.localcloud.host.guests.base import GuestError
from ecsmachine.localcloud.state.model import TagSet
from ecsmachine.localcloud.state.state import State, open_state
from ecsmachine.localcloud.work.supervisor import (
    ClosingError,
    Supervisor,
    Work,
    finished,
    unchanged,
)

SEE_LOG = "The work failed: see the local cloud's log."


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with closing(open_state(tmp_path)) as state:
        yield state


def supervised(state: State, work: Callable[[Supervisor], Awaitable[None]]) -> None:
    """Do something with a supervisor that is closed at the end."""

    async def main() -> None:
        supervisor = Supervisor(state)
        supervisor.start()
        try:
            await asyncio.wait_for(work(supervisor), 20)
        finally:
            await supervisor.close()

    asyncio.run(main())


def raising(error: BaseException) -> Work:
    async def work() -> None:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (GuestError("no disk"), "no disk"),
        (KeyError("disk_ids"), SEE_LOG),
        (asyncio.CancelledError(), SEE_LOG),
    ],
)
def test_whatever_a_task_raises_it_ends_as_declared(
    state: State, caplog: pytest.LogCaptureFixture, error: BaseException, reason: str
) -> None:
    done: list[str] = []

    async def next_one() -> None:
        done.append("next")

    def also_fails(reason: str) -> None:
        done.append(f"declared: {reason}")
        raise RuntimeError("cannot be written")

    async def work(supervisor: Supervisor) -> None:
        first = supervisor.begin("i-1", "starting i-1", raising(error), also_fails)
        await finished(supervisor.begin("i-1", "the next", next_one, unchanged))
        assert first.exception() is error

    supervised(state, work)
    assert done == [f"declared: {reason}", "next"]
    said = [record.getMessage() for record in caplog.records]
    assert said[0].startswith("starting i-1 failed")
    assert said[1] == "the end of starting i-1 failed"
    assert caplog.records[1].exc_info is not None


def test_tasks_of_one_key_take_turns_and_others_do_not_wait(state: State) -> None:
    order: list[str] = []
    gate = asyncio.Event()

    def named(name: str, wait: bool = False) -> Work:
        async def work() -> None:
            if wait:
                await gate.wait()
            order.append(name)

        return work

    async def work(supervisor: Supervisor) -> None:
        held = supervisor.begin("a", "first of a", named("a1", wait=True), unchanged)
        last = supervisor.begin("a", "second of a", named("a2"), unchanged)
        await finished(supervisor.begin("b", "first of b", named("b1"), unchanged))
        gate.set()
        await finished(held)
        await finished(last)

    supervised(state, work)
    assert order == ["b1", "a1", "a2"]


def test_a_task_begins_when_its_transaction_is_written_from_any_thread(state: State) -> None:
    seen: list[bool] = []

    async def look() -> None:
        seen.append("x/y" in state.tag_sets)

    async def work(supervisor: Supervisor) -> None:
        def in_thread(fails: bool) -> Future[None]:
            with state.transaction():
                begun = supervisor.begin("x", "looking", look, unchanged)
                state.tag_sets.put(TagSet("x/y", "r"))
                if fails:
                    raise ValueError("taken back")
            return begun

        with pytest.raises(ValueError, match="taken back"):
            await asyncio.to_thread(in_thread, True)
        await finished(await asyncio.to_thread(in_thread, False))

    supervised(state, work)
    assert seen == [True]


def test_a_loop_goes_on_whatever_happens_in_it_and_says_it_once(
    state: State, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    rounds: list[int] = []
    enough = asyncio.Event()

    async def look() -> None:
        rounds.append(len(rounds))
        if len(rounds) < 4:
            raise KeyError("disk_ids")
        enough.set()

    async def work(supervisor: Supervisor) -> None:
        supervisor.repeat("the watch", 0.001, look)
        await enough.wait()
        await asyncio.sleep(0.01)

    supervised(state, work)
    said = [record.getMessage() for record in caplog.records]
    assert said == ["the watch failed", "the watch works again"]


def test_what_is_under_way_when_the_server_stops_is_left_as_it_is(state: State) -> None:
    declared: list[str] = []
    ended: list[type[BaseException]] = []
    begun = threading.Event()
    left: list[Future[None]] = []

    async def work(supervisor: Supervisor) -> None:
        threads = supervisor.threads("copies", 1)

        def copy() -> None:
            begun.set()
            try:
                supervisor.pause(60)
            except ClosingError as error:
                ended.append(type(error))
                raise

        async def copying() -> None:
            await threads.run(copy)

        left.append(supervisor.begin("m-1", "the copy", copying, declared.append))
        left.append(supervisor.begin("m-1", "the next copy", copying, declared.append))
        await asyncio.to_thread(begun.wait, 10)

    supervised(state, work)
    assert (declared, ended) == ([], [ClosingError])
    for future in left:
        with pytest.raises(CancelledError):
            future.result(timeout=0)
