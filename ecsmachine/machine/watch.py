"""Waiting for a host or its engine, with an eye on the provider: what has ended is not waited for.

A machine that stops, is released, locked or reclaimed while its host is waited for, or worked on,
ends that at once, with the provider's reason and the end of the machine's console.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from threading import Event, Thread

from ecsmachine.drivers.base import State
from ecsmachine.drivers.capabilities import ConsoleOutput, StateReason
from ecsmachine.errors import MachineError
from ecsmachine.machine.engine_look import EngineCertificateError, EngineConnectionError
from ecsmachine.machine.model import Machine
from ecsmachine.machine.probe import NotRunningError
from ecsmachine.polling import polls
from ecsmachine.ssh.connection import AuthenticationError, SSHError
from ecsmachine.ssh.stream import answers
from ecsmachine.ssh.wait import NeverAnsweredError

_EVERY_S = 5.0
"""How often the provider is asked, in seconds."""

_AGAIN_S = 1.0
"""After how long a bad answer is asked for again, in seconds: a cloud may be of two minds."""

_WAITED_FOR = (State.RUNNING, State.STARTING, State.STOPPING)
"""States that a machine which boots, or boots again, goes through."""


_LOST_S = 10.0
"""For how long the reason of a lost connection is looked for, in seconds: hosts stop slowly."""

_ON_ITS_WAY_DOWN_S = 3.0
"""A host that still takes connections for SSH so many seconds later is not being stopped."""

_WORDS = {
    State.STOPPED: "it has stopped",
    State.STOPPING: "it is being stopped",
    State.NOT_FOUND: "it no longer exists",
}


class EndedError(NotRunningError):
    """A machine has ended while it was waited for."""


class Watch:
    """Asks the provider of a machine now and then; see :func:`watching`."""

    def __init__(self, machine: Machine):
        self._machine = machine
        self._over = Event()
        self._found: EndedError | None = None
        self._wake: list[Callable[[], None]] = []

    def check(self) -> None:
        """Raise :class:`EndedError` if the machine has ended."""
        if self._found is not None:
            raise self._found

    @contextlib.contextmanager
    def waking(self, callback: Callable[[], None]) -> Iterator[None]:
        """Within the block, ``callback`` is called when the machine ends; it makes a wait end."""
        self._wake.append(callback)
        try:
            self.check()
            yield
        finally:
            self._wake.remove(callback)

    def look(self, *, comes_back: bool = True) -> EndedError | None:
        """Ask the provider whether the machine has ended; None also where it cannot be asked.

        One that is being stopped may only boot again: it has not ended if it ``comes_back``.
        """
        driver = self._machine.driver
        if not isinstance(driver, StateReason):
            return None
        try:
            state = driver.state()
        except MachineError:
            return None
        reason = driver.state_reason()
        is_waited_for = state in _WAITED_FOR and (comes_back or state is not State.STOPPING)
        if is_waited_for and not reason:
            return None
        return _ended(self._machine, state, reason)

    def run(self) -> None:
        """Look until the machine has ended, or :meth:`stop`."""
        with contextlib.suppress(BaseException):  # who waits has a time limit, and is interrupted
            while not self._over.wait(_EVERY_S):
                if self.look() is None or self._over.wait(_AGAIN_S):
                    continue
                self._found = self.look()
                if self._found is not None:
                    self._over.set()
                    for callback in list(self._wake):
                        callback()

    def stop(self) -> None:
        """Let :meth:`run` come to its end."""
        self._over.set()


@contextlib.contextmanager
def watching(machine: Machine) -> Iterator[Watch]:
    """Watch a machine for the length of a block which waits for its host, or works on it.

    An error of the block gives way to :class:`EndedError` if the machine has ended.
    """
    watch = Watch(machine)
    if isinstance(machine.driver, StateReason):
        Thread(target=watch.run, daemon=True).start()
    try:
        yield watch
    except MachineError as error:
        watch.stop()
        if isinstance(error, NotRunningError):
            raise
        watch.check()
        # a provider may know a little later than we do that a machine is stopped
        for spent_s in polls(_LOST_S if _is_lost(error) else 0.0):
            ended = watch.look(comes_back=False)
            if ended is not None:
                raise ended from error
            if spent_s >= _ON_ITS_WAY_DOWN_S and _takes_connections(machine):
                break
        raise
    finally:
        watch.stop()


def check_whether_ended(machines: Iterable[Machine], error: MachineError | None = None) -> None:
    """Raise :class:`EndedError`, from ``error``, if a machine that was worked with has ended."""
    for machine in machines:
        ended = Watch(machine).look(comes_back=False)
        if ended is not None:
            raise ended from error


def _is_lost(error: BaseException | None) -> bool:
    """Whether a connection was lost, or not made at once."""
    while error is not None and not isinstance(error, (SSHError, EngineConnectionError)):
        error = error.__cause__
    # those who refuse us are there, and of a host that was waited for nothing is to be expected
    there = (AuthenticationError, EngineCertificateError, NeverAnsweredError)
    return error is not None and not isinstance(error, there)


def _takes_connections(machine: Machine) -> bool:
    """Whether the host's SSH server is up."""
    with contextlib.suppress(MachineError):
        target = machine.ssh_target()
        return answers(target.host, target.port, jump=target.jump, timeout_s=1.0)
    return False


def _ended(machine: Machine, state: State, reason: str) -> EndedError:
    words = reason or _WORDS.get(state, f"it is {state.value}")
    message = f'Machine "{machine.name}" stopped: {words}'
    error = EndedError(machine, state, message)
    if state is State.ERROR:  # the reason says what to do
        error.hint = None
    if isinstance(machine.driver, ConsoleOutput) and state is not State.NOT_FOUND:
        with contextlib.suppress(MachineError):
            shown = machine.driver.console(only_end=True)
            error.details = f"The end of its console:\n{shown}" if shown else None
    return error
