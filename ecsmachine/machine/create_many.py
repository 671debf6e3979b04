"""Making several machines at once; one that fails does not touch the others."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from ecsmachine.drivers.base import Driver, Report
from ecsmachine.drivers.capabilities import ManyAtOnce
from ecsmachine.errors import MachineError, of_anything
from ecsmachine.machine import create as single
from ecsmachine.machine.create_request import (
    CreateRequest,
    alike,
    differences,
    engine_differences,
)
from ecsmachine.machine.interruption import Interruption, WorkInterrupted, first_done
from ecsmachine.machine.store import Store


@dataclass(frozen=True)
class Outcome:
    """What came of one of the machines, after so many seconds.

    ``existed`` is whether it was there, and whole, before. ``error`` is why it failed.
    """

    name: str
    seconds: float
    existed: bool = False
    error: MachineError | None = None


def create_many(
    store: Store,
    requests: Sequence[CreateRequest],
    report_for: Callable[[str], Report],
    done: Callable[[Outcome], None],
    *,
    parallel: int,
    interruption: Interruption | None = None,
) -> list[Outcome]:
    """Make machines, ``parallel`` of them at a time; those that are there already stay.

    What is the same for several is checked once, before any is made. One whose ``swarm_join`` is
    another of them is made after that one. ``report_for`` gives what takes
    a machine's lines, ``done`` is told of each that is through. ``interruption`` undoes all that
    are not complete, and :class:`WorkInterrupted` is raised when that is done.

    Raises :class:`MachineError` if the checks fail; what fails later is in the outcomes.
    """
    for request in requests:
        single.validate(request)
    new = [request for request in requests if not store.exists(request.name)]
    interruption = interruption or Interruption()
    sets: dict[tuple[object, ...], list[CreateRequest]] = {}
    for request in new:
        sets.setdefault(alike(request), []).append(request)
    checked = {
        key: _check_once(store, those, report_for, interruption) for key, those in sets.items()
    }
    parts = {request.name: Interruption() for request in requests}

    def make(request: CreateRequest) -> Outcome:
        begun = time.monotonic()
        existed, failure = False, None
        try:
            single.create(
                store,
                request,
                report_for(request.name),
                interruption=parts[request.name],
                # what was begun before may have other options
                checked=checked[alike(request)] if request in new else None,
            )
        except single.MachineExistsError as error:
            existed, failure = True, _difference(store, request, error)
        except Exception as error:  # a fault of ours in one machine is not the others' end
            failure = of_anything(error)
        return Outcome(request.name, time.monotonic() - begun, existed, failure)

    def end_all() -> None:
        for part in parts.values():
            part.ask()

    work: list[Future[Outcome]] = []
    outcomes: dict[str, Outcome] = {}
    with ThreadPoolExecutor(parallel) as pool:
        try:
            with interruption.waking(end_all):
                waiting = list(requests)
                pending: set[Future[Outcome]] = set()
                while waiting or pending:
                    ready = [
                        each for each in waiting if each.swarm_join not in parts.keys() - outcomes
                    ]
                    waiting = [each for each in waiting if each not in ready]
                    failed = [each for each in ready if _failed(outcomes.get(each.swarm_join))]
                    begun = [pool.submit(make, each) for each in ready if each not in failed]
                    work += begun
                    pending |= {*begun}
                    ended, pending = first_done(pending) if pending else (set(), pending)
                    for outcome in (*map(_not_made, failed), *(each.result() for each in ended)):
                        outcomes[outcome.name] = outcome
                        done(outcome)
        except BaseException as error:
            end_all()
            pool.shutdown(cancel_futures=True)
            if isinstance(error, WorkInterrupted):
                raise WorkInterrupted(" ".join(filter(None, map(_left, work)))) from error
            raise
    return [outcomes[request.name] for request in requests]


def _failed(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.error is not None


def _not_made(request: CreateRequest) -> Outcome:
    """Return what came of a machine that was not begun."""
    error = MachineError(
        f'"{request.name}" was not started: "{request.swarm_join}", whose swarm it joins, failed'
    )
    return Outcome(request.name, 0.0, error=error)


def _left(work: Future[Outcome]) -> str:
    """Return a sentence about what work that was ended has left, or ""."""
    error = None if work.cancelled() else work.exception()
    return error.left if isinstance(error, WorkInterrupted) else ""


def _check_once(
    store: Store,
    requests: Sequence[CreateRequest],
    report_for: Callable[[str], Report],
    interruption: Interruption,
) -> Driver | None:
    """Run the checks for the first of the machines; return its driver, for the others."""
    first = requests[0]
    machine = single.new_machine(store, first, interruption.checking_at(store.checkpoint))
    if not isinstance(machine.driver, ManyAtOnce):
        return None
    if len(requests) > 1:
        machine.driver.check_several()
    report = report_for(first.name)
    report("Running pre-create checks...")
    single.check(machine, report, installs=first.provision)
    return machine.driver


def _difference(store: Store, request: CreateRequest, error: MachineError) -> MachineError | None:
    """Return the error if the machine that is there was made with other options."""
    journal = None
    with contextlib.suppress(MachineError):
        journal = store.journal(request.name)
    differing = differences(journal.request, request) if journal and journal.request else []
    with contextlib.suppress(MachineError):
        differing += engine_differences(store.load(request.name).engine, request.engine)
    if not differing:
        return None
    return MachineError(
        f"{error.message}, with other options: {', '.join(differing)}", hint=error.hint
    )
