"""Waiting for a host that may have died meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from ecsmachine.drivers.base import State
from ecsmachine.errors import MachineError
from ecsmachine.machine import host


@dataclass
class CloudDriver:
    """A driver whose cloud tells the states in ``states``, one a time; None: it does not answer."""

    states: list[State | None]
    asked: int = field(default=0)

    def state(self) -> State:
        self.asked += 1
        state = self.states.pop(0)
        if state is None:
            raise MachineError("The cloud does not answer")
        return state

    def state_reason(self) -> str:
        return "locked: the account is in debt"


@dataclass
class FakeMachine:
    driver: Any
    name: str = "dev1"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_a_host_that_does_not_run_any_more_is_not_waited_for(clock: list[float]) -> None:
    driver = CloudDriver([State.RUNNING, None, State.STARTING, State.STOPPED])
    checked: list[float] = []
    check = host._while_it_runs(FakeMachine(driver), lambda: checked.append(clock[0]))  # type: ignore[arg-type]
    for _ in range(19):
        clock[0] += 1.0
        check()
    assert driver.asked == 3  # now and then, not at each try
    assert len(checked) == 19
    clock[0] += 1.0
    with pytest.raises(MachineError, match=r"does not run any more.*Stopped: locked"):
        check()


def test_what_interrupts_comes_first(clock: list[float]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    clock[0] = 0.0
    driver = CloudDriver([State.STOPPED])
    check = host._while_it_runs(FakeMachine(driver), interrupted)  # type: ignore[arg-type]
    clock[0] = 60.0
    with pytest.raises(KeyboardInterrupt):
        check()


def test_a_driver_without_a_cloud_is_not_asked(clock: list[float]) -> None:
    def check() -> None:
        """Stand for the check of an interruption."""

    assert host._while_it_runs(FakeMachine(object()), check) is check  # type: ignore[arg-type]
