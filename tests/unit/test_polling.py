"""How often something is looked at while it is waited for."""

from __future__ import annotations

import time

import pytest

from ecsmachine.polling import polls


class Clock:
    """Time that passes only when somebody sleeps or looks."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    return clock


def test_the_last_look_comes_when_the_time_is_up(clock: Clock) -> None:
    looks = list(polls(1.0, first_pause_s=0.25, longest_pause_s=0.5))
    assert looks == pytest.approx([0.0, 0.25, 0.625, 1.0])


@pytest.mark.parametrize("takes_s", [0.3, 0.9, 5.0])
def test_the_last_look_comes_also_where_each_takes_long(clock: Clock, takes_s: float) -> None:
    """A cloud that answers slowly: who raises at the last look has to be given one."""
    looks = []
    for spent_s in polls(1.0):
        looks.append(spent_s)
        clock.now += takes_s
    assert looks[-2] < 1.0 <= looks[-1]


def test_without_time_one_look_is_made(clock: Clock) -> None:
    assert list(polls(0.0)) == [0.0]
