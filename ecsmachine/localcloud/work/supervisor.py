"""Background work: after an answer, and permanent loops.

A server has one :class:`Supervisor`. Use it in three ways:

- A *task* runs once, after the earlier tasks with the same key. If it raises, it ends in a state
  that is declared with it::

      self._supervisor.begin(
          image_id,                                    # the key: one copy of an image at a time
          f"the copy of image {image_id}",             # what a failure is called in the log
          lambda: self._copy(image_id),                # a coroutine; writes Available at its end
          lambda reason: self._change(image_id, status="CreateFailed"),
      )

  It may be called inside or outside of a transaction, and from any thread: the task begins after
  the transaction is written, and never if it is rolled back. Use :func:`unchanged` for work whose
  failure changes nothing.
- A *loop* runs repeatedly: ``repeat("the watch for …", 2.0, self._look)``. Errors of a round are
  logged, and the next round comes.
- *Threads* run blocking calls: ``threads = supervisor.threads("copies", 2)``, and in the task
  ``await threads.run(copy, source, target)``. There they wait with ``supervisor.pause(seconds)``,
  which ends with :class:`ClosingError` when the server stops.

When the server stops, it cancels tasks and loops where they wait, and waits for threads. A
cancelled task does not change the state. So the state must record work in progress (``Pending``,
``Creating``, a ``Removal``): ``recover`` of the next server starts it again.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from ecsmachine.localcloud.protocol.errors import ApiError, LocalCloudError
from ecsmachine.localcloud.state.state import State

LOG = logging.getLogger("ecsmachine.localcloud")

S = TypeVar("S")
T = TypeVar("T")
Work = Callable[[], Coroutine[Any, Any, None]]
Pause = Callable[[float], None]
"""Waits in a thread for this many seconds, or until the server stops."""

Failed = Callable[[str], object]
"""Writes the final state of a resource after its work has failed, with a reason."""

_PLAIN = (LocalCloudError, ApiError)
"""Errors with a clear message; for all others the log has a traceback."""


class ClosingError(LocalCloudError):
    """The server stops: work in progress is left as it is."""


def unchanged(reason: str) -> None:
    """Do nothing: the state is right without a change."""


class Threads:
    """Threads for what blocks; there are none until the first call."""

    def __init__(self, name: str, number: int) -> None:
        self._pool = ThreadPoolExecutor(number, thread_name_prefix=name)

    async def run(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Call a function in one of the threads."""
        work = partial(function, *arguments, **named)
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def map(self, function: Callable[[S], T], items: Iterable[S]) -> list[T]:
        """Call a function for each item side by side, from a thread that is none of these."""
        return list(self._pool.map(function, items))

    def close(self) -> None:
        """Drop work that has not begun, and wait for the rest."""
        self._pool.shutdown(wait=True, cancel_futures=True)


_BEGUN: ContextVar[list[Future[None]] | None] = ContextVar("begun", default=None)
"""The followed tasks; tasks that they begin are followed too."""


class Followed:
    """The tasks that a block began, and those that they began in their turn."""

    def __init__(self, begun: list[Future[None]]) -> None:
        self._begun = begun

    async def ended(self, timeout_s: float) -> bool:
        """Wait until all of them have ended, however; return False if the time did not do."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._all_ended(), timeout_s)
            return True
        return False

    async def _all_ended(self) -> None:
        while left := [task for task in self._begun if not task.done()]:
            await ended(*left)


@contextmanager
def following() -> Iterator[Followed]:
    """Follow the tasks that begin in the block, on the event loop."""
    begun: list[Future[None]] = []
    token = _BEGUN.set(begun)
    try:
        yield Followed(begun)
    finally:
        _BEGUN.reset(token)


@dataclass
class _Turn:
    """Those that wait for their turn at one key; the lock serves them in order."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class Supervisor:
    """Carries out the background work of one server. See the module."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._closing = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._turns: dict[str, _Turn] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._threads: list[Threads] = []
        self._logged: dict[str, str] = {}

    def start(self) -> None:
        """Work on the running event loop from now on."""
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()

    def threads(self, name: str, number: int) -> Threads:
        """Return separate threads, which are closed with the supervisor."""
        self._threads.append(Threads(name, number))
        return self._threads[-1]

    def begin(
        self, key: str, what: str, work: Work, failed: Failed, *, followed: bool = True
    ) -> Future[None]:
        """Begin a task. The returned future ends with it, and has its error; threads may wait for
        it.

        :func:`following` does not wait for a task that is not ``followed``. See the module.
        """
        done: Future[None] = Future()
        begun = _BEGUN.get()
        if followed and begun is not None:
            begun.append(done)

        def begin() -> None:
            self._run(lambda: self._in_turn(key, what, work, failed, done))

        def committed() -> None:
            if self._loop is None or self._closing.is_set():
                done.cancel()
            elif threading.get_ident() == self._loop_thread:
                begin()
            else:
                with suppress(RuntimeError):  # the loop has ended
                    self._loop.call_soon_threadsafe(begin)

        self._state.after_commit(committed)
        return done

    def repeat(self, what: str, interval_s: float, work: Work) -> asyncio.Task[None]:
        """Begin a loop, after a first pause; cancel the returned task to end it."""
        return self._run(lambda: self._again(what, interval_s, work))

    def attempt(self, what: str, work: Callable[..., object], *arguments: Any) -> None:
        """Do a part of some work at once; errors are logged, and the rest continues."""
        try:
            work(*arguments)
        except Exception as error:
            self._log_once(what, error)
        else:
            self._logged.pop(what, None)

    def pause(self, seconds: float) -> None:
        """Wait in a thread. Raises :class:`ClosingError` as soon as the server stops."""
        if self._closing.wait(seconds):
            raise ClosingError("the local cloud is stopping")

    async def close(self) -> None:
        """Stop all work; the next server finishes it."""
        self._closing.set()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        # Not here: one of them may be waiting for this loop.
        await asyncio.get_running_loop().run_in_executor(None, self._close_threads)

    def _close_threads(self) -> None:
        for threads in self._threads:
            threads.close()

    def _run(self, work: Work) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work())
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        if self._closing.is_set():
            task.cancel()
        return task

    async def _in_turn(
        self, key: str, what: str, work: Work, failed: Failed, done: Future[None]
    ) -> None:
        turn = self._turns.setdefault(key, _Turn())
        turn.waiting += 1
        try:
            async with turn.lock:
                await self._to_its_end(what, work, failed, done)
        finally:
            done.cancel()  # unless it has ended
            turn.waiting -= 1
            if not turn.waiting:
                del self._turns[key]

    async def _to_its_end(self, what: str, work: Work, failed: Failed, done: Future[None]) -> None:
        error: BaseException
        try:
            await work()
        except asyncio.CancelledError as cancelled:
            if self._closing.is_set():
                raise
            error = cancelled
        except Exception as raised:
            error = raised
        else:
            done.set_result(None)
            return
        reason = _log(what, error)
        self.attempt(f"the end of {what}", failed, reason)
        done.set_exception(error)

    async def _again(self, what: str, interval_s: float, work: Work) -> None:
        while True:
            await asyncio.sleep(interval_s)
            try:
                await work()
            except Exception as error:
                self._log_once(what, error)
            else:
                if self._logged.pop(what, None):
                    LOG.info("%s works again", what)

    def _log_once(self, what: str, error: Exception) -> None:
        """Log why a repeated attempt fails, unless the log already has it."""
        if self._logged.get(what) != repr(error):
            _log(what, error)
        self._logged[what] = repr(error)


def _log(what: str, error: BaseException) -> str:
    """Log a failure; return the reason for the caller."""
    if isinstance(error, _PLAIN):
        LOG.error("%s failed: %s", what, error)
        return error.message
    LOG.error("%s failed", what, exc_info=error)
    return "The work failed: see the local cloud's log."


async def finished(work: Future[None]) -> None:
    """Wait on the event loop for a task; raises its error."""
    await asyncio.shield(asyncio.wrap_future(work))


async def ended(*work: Future[None]) -> bool:
    """Wait on the event loop for tasks; return whether all succeeded."""
    errors = await asyncio.gather(*map(finished, work), return_exceptions=True)
    return not any(errors)
