"""How fast requests of one kind follow each other, once Alibaba Cloud has said: too fast.

Alibaba Cloud limits how often an account may call each action. The threads of a process share
one :class:`Pace` for each account and action: when one request is throttled, all of them slow
down together, and none tries again on its own beside the others.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from functools import lru_cache

_FIRST_INTERVAL_S = 0.1
_LONGEST_INTERVAL_S = 4.0
_NO_INTERVAL_S = 0.01
"""An interval that is shorter counts as none."""

_RECOVERY = 0.93
"""What each request that is served makes of the interval."""


class Pace:
    """The pace of the requests of one kind. Safe to use from several threads.

    At first there is none: requests go out as they come. A throttled request makes them go out
    one by one, at an interval that doubles each time that it is still too short, and shrinks
    with every request that is served.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._interval_s = 0.0
        self._next_at = 0.0
        self._slowings = 0

    def wait(self, sleep: Callable[[float], None] = time.sleep) -> int:
        """Wait for one's turn. Returns a number to be given to :meth:`throttled`."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next_at)
            if self._interval_s:
                # the processes of one account do not know of each other: none keeps time exactly
                self._next_at = turn + self._interval_s * random.uniform(0.9, 1.2)  # noqa: S311
            slowings = self._slowings
        if turn > now:
            sleep(turn - now)
        return slowings

    def throttled(self, turn: int) -> None:
        """Slow down, unless that was done since the request of that turn went out."""
        with self._lock:
            if turn == self._slowings:
                self._slowings += 1
                self._interval_s = min(
                    max(2 * self._interval_s, _FIRST_INTERVAL_S), _LONGEST_INTERVAL_S
                )
            pause_s = max(self._interval_s, 2 * _FIRST_INTERVAL_S)
            self._next_at = max(self._next_at, self._clock() + pause_s)

    def served(self) -> None:
        """Go a little faster again."""
        with self._lock:
            self._interval_s *= _RECOVERY
            if self._interval_s < _NO_INTERVAL_S:
                self._interval_s = 0.0


@lru_cache(maxsize=4096)
def shared_pace(endpoint: str, access_key_id: str, action: str) -> Pace:
    """Return the pace that all requests of this process have for an action of an account."""
    return Pace()
