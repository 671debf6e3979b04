"""Ending work in other threads: at its next step, or at once where it waits for a host.

A signal handler that raises may do so anywhere in the main thread: while a thread is begun, which
then goes on unseen, or while a module is imported, whose lock is then held for ever. So work that
is undone when it is interrupted is done apart, and asked to end.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")

_AWAKE_S = 0.2
"""How often the main thread wakes up: a signal may have been delivered to another thread."""


class WorkInterrupted(BaseException):
    """The work was asked to end before it was done; ``left`` is a sentence about what is left."""

    def __init__(self, left: str = ""):
        super().__init__(left)
        self.left = left


class Interruption:
    """Asks one piece of work to end. Safe to use from several threads, and signal handlers."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may come into its own thread's way
        self.asked = False
        """Whether the work was asked to end."""
        self.shielded = False
        """Whether what runs now goes to its end: it undoes the work."""
        self._wake: list[Callable[[], None]] = []

    def ask(self) -> None:
        """Ask the work to end, and break off what it waits for."""
        with self._lock:
            self.asked = True
            wake = list(self._wake)
        for callback in wake:
            with contextlib.suppress(Exception):
                callback()

    def check(self) -> None:
        """Raise :class:`WorkInterrupted` if the work was asked to end."""
        if self.asked and not self.shielded:
            raise WorkInterrupted

    def checking_at(self, checkpoint: Callable[[str], None]) -> Callable[[str], None]:
        """Return a checkpoint that checks as well where a request or a command can be left out."""

        def check_too(point: str) -> None:
            checkpoint(point)
            if point.startswith(("before api", "before ssh")):
                self.check()

        return check_too

    def shield(self) -> None:
        """Let what comes now go to its end: it undoes the work."""
        self.shielded = True

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


def in_own_thread(work: Callable[[], T]) -> T:
    """Return what ``work`` returns; it is done in a thread where no signal breaks into it."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        (done,) = first_done([pool.submit(work)])[0]
        return done.result()


def first_done(work: Collection[Future[T]]) -> tuple[set[Future[T]], set[Future[T]]]:
    """Wait until some of the work is done; return that, and the rest. Signals are handled."""
    while True:
        done, rest = wait(work, timeout=_AWAKE_S, return_when=FIRST_COMPLETED)
        if done:
            return done, rest
