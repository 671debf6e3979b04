"""A process that dies, played in this one."""

from __future__ import annotations

import threading


class Crash(BaseException):
    """Stands for the end of the process: no thread of it does anything after it."""


class Death:
    """A checkpoint at which the process dies: the n-th point, in whichever thread that is."""

    def __init__(self, number: int):
        self._remaining = number
        self._lock = threading.Lock()
        self.at = ""

    def __call__(self, point: str) -> None:
        with self._lock:
            self._remaining -= 1
            if self._remaining < 0:
                self.at = self.at or point
        if self.at:
            raise Crash(point)
