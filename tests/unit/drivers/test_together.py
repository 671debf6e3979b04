"""What several threads want done, done once for all of them."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ecsmachine.drivers.aliyunecs.resources.together import Once, _Tried
from ecsmachine.errors import MachineError


def test_what_is_not_done_yet_is_tried_again_for_who_comes_later() -> None:
    """A network is in use until the last machine has removed what it has in it."""
    once, ends = Once(), [False, True]
    for _ in range(4):
        once.do("network", lambda: ends.pop(0))
    assert ends == []


def test_a_try_that_began_before_does_not_count() -> None:
    once, tries = Once(), 0
    begun, may_end = threading.Event(), threading.Event()

    def remove() -> bool:
        nonlocal tries
        tries += 1
        begun.set()
        assert may_end.wait(60)
        return False

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(once.do, "network", remove)
        assert begun.wait(60)
        second = pool.submit(once.do, "network", remove)
        may_end.set()
        first.result(60)
        second.result(60)
    assert tries == 2


def test_nobody_counts_on_a_try_that_broke_off() -> None:
    once, tries = Once(), 0

    def remove() -> bool:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ValueError
        return True

    once._tried["network"] = tried = _Tried()
    with ThreadPoolExecutor(2) as pool:
        with tried.turn:  # both have come before the first try begins
            both = [pool.submit(once.do, "network", remove) for _ in range(2)]
            time.sleep(0.05)
        ends = [type(each.exception(60)) for each in both]
    assert sorted(ends, key=str) == [type(None), ValueError]
    assert tries == 2


def test_an_error_is_that_of_all() -> None:
    once, tries = Once(), 0

    def refused() -> bool:
        nonlocal tries
        tries += 1
        raise MachineError("refused")

    for _ in range(3):
        with pytest.raises(MachineError, match="refused"):
            once.do("network", refused)
    assert tries == 1
