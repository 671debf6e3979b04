from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ecsmachine.aliyun.access_key import Credentials, FixedCredentials
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.aliyun.rpc import RpcClient
from ecsmachine.aliyun.transport import Pace


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Quota:
    """A server that serves so many requests a second, of all clients together."""

    def __init__(self, clock: Clock, a_second: float):
        self._clock = clock
        self._a_second = a_second
        self._tokens = 1.0
        self._seen_at = clock()
        self.refused = 0

    def take(self) -> bool:
        passed_s = self._clock() - self._seen_at
        self._seen_at = self._clock()
        self._tokens = min(3.0, self._tokens + passed_s * self._a_second)
        if self._tokens < 1:
            self.refused += 1
            return False
        self._tokens -= 1
        return True


def test_without_throttling_nobody_waits() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    for _ in range(100):
        pace.wait(clock.sleep)
        pace.served()
    assert clock.slept == []


def test_what_is_throttled_slows_all_down_and_each_has_its_own_turn() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    turn = pace.wait(clock.sleep)
    pace.throttled(turn)
    waits: list[float] = []
    for _ in range(5):
        pace.wait(waits.append)  # five threads at the same moment
    assert waits == sorted(waits)
    assert all(later - earlier >= 0.08 for earlier, later in itertools.pairwise(waits))


def test_those_that_were_under_way_together_slow_it_down_once() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    turns = [pace.wait(clock.sleep) for _ in range(20)]
    for turn in turns:
        pace.throttled(turn)
    waits: list[float] = []
    for _ in range(3):
        pace.wait(waits.append)
    assert waits[2] - waits[0] < 0.5


def test_it_finds_the_pace_of_the_quota_and_few_are_refused() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    quota = Quota(clock, a_second=4.0)
    served = 0
    while served < 200:
        turn = pace.wait(clock.sleep)
        if quota.take():
            served += 1
            pace.served()
        else:
            pace.throttled(turn)
    assert quota.refused < 60
    assert clock.now - 100.0 < 2.5 * 200 / 4.0


def test_it_recovers() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    pace.throttled(pace.wait(clock.sleep))
    for _ in range(60):
        pace.wait(clock.sleep)
        pace.served()
    clock.slept.clear()
    pace.wait(clock.sleep)
    pace.wait(clock.sleep)
    assert clock.slept == []


def client_of(peer: Any, key_id: str, pauses: list[float]) -> RpcClient:
    credentials = FixedCredentials("flags", Credentials(key_id, "secret"))
    return RpcClient(peer.address, "2014-05-26", credentials, sleep=pauses.append)


def test_clients_of_one_account_share_the_pace_of_an_action(
    peer: Any, make_answer: Callable[..., Any], refusal: Callable[..., Any]
) -> None:
    pauses: dict[str, list[float]] = {n: [] for n in ("first", "second", "other", "action")}
    peer.answers[:] = [refusal("Throttling.User"), make_answer()]
    client_of(peer, "LTAI-a", pauses["first"]).call("StartInstance", {})
    assert len(pauses["first"]) == 1
    client_of(peer, "LTAI-a", pauses["second"]).call("StartInstance", {})
    client_of(peer, "LTAI-b", pauses["other"]).call("StartInstance", {})
    client_of(peer, "LTAI-a", pauses["action"]).call("StopInstance", {})
    assert len(pauses["second"]) == 1
    assert pauses["other"] == pauses["action"] == []


def test_threads_that_are_throttled_all_get_through(
    peer: Any, make_answer: Callable[..., Any], refusal: Callable[..., Any]
) -> None:
    peer.answers[:] = [*(refusal("Throttling") for _ in range(12)), make_answer()]
    failures: list[BaseException] = []

    def work() -> None:
        try:
            client_of(peer, "LTAI-c", []).call("DescribeInstances", {})
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(peer.asked) == 20


def test_throttling_without_end_is_told(
    peer: Any, refusal: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecsmachine.aliyun.transport._THROTTLED_TIMEOUT_S", 0.0)
    credentials = FixedCredentials("flags", Credentials("LTAI-d", "secret"))
    client = RpcClient(
        peer.address, "2014-05-26", credentials, total_timeout_s=0.0, sleep=lambda seconds: None
    )
    peer.answers[:] = [refusal("Throttling.User")]
    with pytest.raises(ApiError, match=r"Throttling\.User.*REQ-1") as caught:
        client.call("DescribeInstances", {})
    assert "try again" in (caught.value.hint or "")
