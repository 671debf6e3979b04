"""Looking at machines without changing them: what ``ls`` shows, many at once."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from ecsmachine.drivers import registry
from ecsmachine.drivers.base import State
from ecsmachine.drivers.capabilities import StateReason
from ecsmachine.errors import MachineError, of_anything
from ecsmachine.machine import engine_look
from ecsmachine.machine.engine_api import EngineSilentError, ask_version
from ecsmachine.machine.engine_look import PATIENCE_S
from ecsmachine.machine.journal import FileJournal
from ecsmachine.machine.model import Machine
from ecsmachine.system.files import path_exists

_ENGINE, _PROVIDER = "engine", "provider"

_Answers = SimpleQueue[tuple[str, Any]]
"""Who has answered, and what: an engine's version, a provider's state, or an error."""


@dataclass(frozen=True)
class Probe:
    """What a machine looks like now.

    ``url`` is "" while there is none; ``docker_version`` is "Unknown" where the engine did not
    answer; ``error`` and ``hint`` say why. ``response_time_s`` is the time that the answer took.
    """

    state: State
    url: str = ""
    docker_version: str = "Unknown"
    error: str = ""
    hint: str | None = None
    response_time_s: float = 0.0


def probe(machine: Machine, *, timeout_s: float, is_silent: bool = False) -> Probe:
    """Look at one machine.

    The engine is asked first: if it answers over verified TLS the machine runs, and the cloud
    need not be asked. Beside an engine that is silent for a moment (or ``is_silent`` already), or
    refuses, the provider is asked, and the first good answer counts.
    """
    begun = time.monotonic()

    def spent() -> float:
        return time.monotonic() - begun

    if is_without_engine(machine):
        return _without_engine(machine, begun)
    url = machine.driver.url()
    answers: _Answers = SimpleQueue()
    answer: str | MachineError | None = None
    if url:
        _ask(answers, lambda: ask_version(url, machine.auth, timeout_s=timeout_s), _ENGINE)
        with contextlib.suppress(Empty):
            patience_s = 0.0 if is_silent else min(PATIENCE_S, timeout_s)
            answer = answers.get(timeout=patience_s)[1]
    state: State | None = None
    failure: MachineError | None = None
    if not isinstance(answer, str):
        _ask(answers, machine.driver.state, _PROVIDER)
    while not isinstance(answer, str):
        is_told = state is not None or failure is not None
        if is_told and (answer is not None or not url):
            break
        try:
            # the provider's answer ends by itself; an engine may say something, but too slowly
            who, found = answers.get(timeout=max(0.0, timeout_s - spent()) if is_told else None)
        except Empty:
            answer = EngineSilentError(url)
            break
        if who == _ENGINE:
            answer = found
        elif isinstance(found, MachineError):
            failure = found
        elif isinstance(found, Exception):
            raise found
        elif found is not State.RUNNING:
            return Probe(state=found, error=_reason(machine, found), response_time_s=spent())
        elif machine.driver.url() != url:
            # it runs, yet does not answer where we look: it has moved
            return probe(machine, timeout_s=max(PATIENCE_S, timeout_s - spent()))
        else:
            state = found
    if isinstance(answer, str):
        return Probe(
            state=State.RUNNING,
            url=url,
            docker_version=f"v{answer}",
            response_time_s=spent(),
        )
    errors = [error for error in (answer, failure) if error is not None]
    hint = errors[0].hint if errors else None
    return Probe(
        state=State.RUNNING if failure is None else State.ERROR,
        url=url if failure is None else "",
        error="; ".join(error.message for error in errors),
        hint=_how_to_look(machine) if isinstance(answer, EngineSilentError) else hint,
        response_time_s=spent(),
    )


def engine_answers(machine: Machine) -> bool:
    """Whether the machine's own engine answers at once where it was last: it runs, and is there.

    The provider is not asked.
    """
    url = machine.driver.url()
    return (
        machine.driver.provisions
        and bool(url)
        and engine_look.is_there(url, machine.auth, timeout_s=PATIENCE_S)
    )


class NotRunningError(MachineError):
    """The machine does not run, so that its host or engine cannot be used."""

    def __init__(self, machine: Machine, state: State, message: str):
        from ecsmachine.drivers.existing_host import ExistingHost

        name = machine.name
        hint: str | None = f'"ecsmachine start {name}" starts it.'
        if state is State.STOPPED and isinstance(machine.driver, ExistingHost):
            hint = machine.driver.unsupported("start").hint
        elif state is State.ERROR:
            hint = f"It is {_reason(machine)}." if _reason(machine) else None
        elif state is State.STARTING:
            hint = "It is starting: try again in a moment."
        elif state is State.RUNNING and not _reason(machine, state):
            hint = f'It runs, but has no address: "ecsmachine doctor {name}" says more.'
        elif state in (State.NOT_FOUND, State.RUNNING):  # one that runs is about to be reclaimed
            hint = f'"ecsmachine rm {name}" removes what is left of it.'
            if is_half_made(machine) and not is_half_removed(machine):
                hint = f'"ecsmachine create --resume {name}" continues its create.'
        super().__init__(message, hint=hint)
        self.state = state
        self.machine = name


def no_address(machine: Machine) -> MachineError:
    """Return the error for a machine without an address, as its provider sees it now."""
    message = f'Machine "{machine.name}" has no address'
    try:
        state = machine.driver.state()
    except MachineError as error:
        return MachineError(f"{message}: {error.message}", hint=error.hint)
    return NotRunningError(machine, state, f"{message}: it is {state.value}")


def is_half_made(machine: Machine) -> bool:
    """Whether the machine's create did not come to its end; False if that is not known."""
    journal = _journal(machine)
    return journal is not None and not journal.complete


def is_half_removed(machine: Machine) -> bool:
    """Whether the removal of the machine was begun; False if that is not known."""
    journal = _journal(machine)
    return journal is not None and journal.removing


def _journal(machine: Machine) -> FileJournal | None:
    path = machine.directory / "journal.json"
    with contextlib.suppress(MachineError):
        return FileJournal(path) if path_exists(path) else None
    return None


def _reason(machine: Machine, state: State = State.ERROR) -> str:
    """Return why the machine is in the state that the provider last told; "" without a reason."""
    if state is State.NOT_FOUND and is_half_removed(machine):
        return f'half removed: "ecsmachine rm {machine.name}" removes the rest'
    if state is State.NOT_FOUND and is_half_made(machine):
        return f'half made: "ecsmachine create --resume {machine.name}" continues its create'
    return machine.driver.state_reason() if isinstance(machine.driver, StateReason) else ""


def is_without_engine(machine: Machine) -> bool:
    """Whether the machine was never provisioned: it has no certificate for an engine.

    One of Docker Machine, handed on with the client's files alone, has an engine all the same.
    """
    if not machine.driver.provisions or path_exists(machine.auth.server_cert_path):
        return False
    return path_exists(machine.directory / "journal.json") or not path_exists(
        machine.auth.machine_key_path
    )


def _without_engine(machine: Machine, begun: float) -> Probe:
    failure: MachineError | None = None
    try:
        state = machine.driver.state()
    except MachineError as refusal:
        state, failure = State.ERROR, refusal
    hint = f'"ecsmachine provision {machine.name}" installs it.'
    if is_half_made(machine):
        hint = f'"ecsmachine create --resume {machine.name}" continues its create.'
    running = state is State.RUNNING
    if failure is not None:
        reason = failure.message
    elif running:
        reason = f"There is no engine yet: {hint}"
    else:
        reason = _reason(machine, state)
    return Probe(
        state=state,
        url=machine.driver.url() if running else "",  # the provider has told where it is
        error=reason,
        hint=failure.hint if failure else None,
        response_time_s=time.monotonic() - begun,
    )


def _how_to_look(machine: Machine) -> str | None:
    """Return how to find out whether a silent engine's host answers; None without a login."""
    try:
        machine.ssh_target()
    except MachineError:
        return None
    return f'"ecsmachine ssh {machine.name}" shows whether the host answers.'


def _ask(answers: _Answers, question: Callable[[], Any], who: str) -> None:
    """Ask in a thread of its own; the answer, or the error in its place, comes with ``who``."""

    def ask() -> None:
        try:
            answers.put((who, question()))
        except MachineError as error:
            answers.put((who, error))
        except Exception as error:  # whatever it is, the asking side must not wait for ever
            answers.put((who, of_anything(error) if who == _ENGINE else error))

    threading.Thread(target=ask, daemon=True).start()


def probe_all(machines: Iterable[Machine], *, timeout_s: float) -> dict[str, Probe]:
    """Look at many machines at once; one that is not done in ``timeout_s`` is in state Timeout.

    Takes no longer than ``timeout_s`` however many machines do not answer: what is still
    under way then is left behind in daemon threads.
    """
    pending = {machine.name: machine for machine in machines}
    registry.share_lookups([machine.driver for machine in pending.values()])
    answers: SimpleQueue[tuple[str, Probe]] = SimpleQueue()
    deadline = time.monotonic() + timeout_s

    def look(machine: Machine) -> None:
        try:
            # a little longer, so that it is always the deadline below that ends a slow one
            answers.put((machine.name, probe(machine, timeout_s=timeout_s + 5.0)))
        except Exception as error:  # one machine's trouble is shown in its row alone
            answers.put((machine.name, Probe(state=State.ERROR, error=of_anything(error).message)))

    for machine in pending.values():
        threading.Thread(target=look, args=(machine,), daemon=True).start()
    probes: dict[str, Probe] = {}
    while len(probes) < len(pending):
        try:
            name, result = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            break
        probes[name] = result
    for name in pending:
        probes.setdefault(name, Probe(state=State.TIMEOUT, response_time_s=timeout_s))
    return probes
