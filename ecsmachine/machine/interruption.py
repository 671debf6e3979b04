"""Ending work in other threads: at its next step, or at once where it waits for a host."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator


class WorkInterrupted(BaseException):
    """The work was asked to end before it was done."""


class Interruption:
    """Asks one piece of work to end. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = False
        self._shielded = False
        self._wake: list[Callable[[], None]] = []

    @property
    def asked(self) -> bool:
        """Whether the work was asked to end."""
        return self._asked

    @property
    def shielded(self) -> bool:
        """Whether what runs now goes to its end: it undoes the work."""
        return self._shielded

    def ask(self) -> None:
        """Ask the work to end, and break off what it waits for."""
        with self._lock:
            self._asked = True
            wake = list(self._wake)
        for callback in wake:
            with contextlib.suppress(Exception):
                callback()

    def check(self) -> None:
        """Raise :class:`WorkInterrupted` if the work was asked to end."""
        if self._asked and not self._shielded:
            raise WorkInterrupted

    def shield(self) -> None:
        """Let what comes now go to its end: it undoes the work."""
        self._shielded = True

    @contextlib.contextmanager
    def waking(self, callback: Callable[[], None]) -> Iterator[None]:
        """Within the block, :meth:`ask` also calls ``callback``, which makes a wait end."""
        with self._lock:
            self._wake.append(callback)
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._wake.remove(callback)
