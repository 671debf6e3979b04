"""Waiting until a machine is in a state, whoever brings it there."""

from __future__ import annotations

from typing import Literal

from ecsmachine.drivers.base import Report, State
from ecsmachine.drivers.none import NoneDriver
from ecsmachine.errors import MachineError
from ecsmachine.machine.address import saving_new_addresses
from ecsmachine.machine.engine_look import host_of
from ecsmachine.machine.model import Machine
from ecsmachine.machine.probe import NotRunningError, is_without_engine, probe
from ecsmachine.machine.store import Store
from ecsmachine.polling import polls

Wanted = Literal["running", "ready", "stopped"]

_ANSWER_S = 10.0
"""How long an engine may take to answer, in seconds."""


class TimedOutError(MachineError):
    """A machine did not become what was waited for in time."""


def wait_for(store: Store, name: str, wanted: Wanted, timeout_s: float, report: Report) -> None:
    """Wait until a machine runs, is ready (its engine answers over TLS) or has stopped.

    Raises :class:`TimedOutError`, and :class:`NotRunningError` for a machine that is gone, or that
    its provider has locked.
    """
    report(f'Waiting for "{name}" to be {wanted}...')
    seen = ""
    for _ in polls(timeout_s):
        machine = store.load(name)
        _check_possible(machine, wanted)
        look = None
        try:
            with saving_new_addresses(store, [machine]):
                if wanted == "ready":
                    look = probe(machine, timeout_s=_ANSWER_S)
                # a look has an error for its state where the cloud does not answer, too
                if look is None or look.state is State.ERROR:
                    state = machine.driver.state()
                else:
                    state = look.state
            seen = (look.error if look else "") or state.value
        except MachineError as error:  # a cloud may refuse for a moment
            seen = error.message
            continue
        if state is State.NOT_FOUND:
            raise NotRunningError(machine, state, f'Machine "{name}" does not exist')
        if state is State.ERROR:
            raise NotRunningError(machine, state, f'Machine "{name}" cannot become {wanted}')
        if wanted == "stopped":
            if state is State.STOPPED:
                return
        elif state is State.RUNNING and not (look and look.error):
            return
    look_at = "doctor" if wanted == "ready" else "status"  # a silent engine's machine may well run
    raise TimedOutError(
        f'Machine "{name}" is not {wanted} after {timeout_s:g} s: {seen}',
        hint=f'Wait longer with --timeout, or see "ecsmachine {look_at} {name}".',
    )


def _check_possible(machine: Machine, wanted: Wanted) -> None:
    """Raise :class:`MachineError` if nothing that others do brings the machine there."""
    name, url = machine.name, machine.driver.url()
    if wanted == "ready" and is_without_engine(machine):
        raise MachineError(
            f'Machine "{name}" has no engine yet',
            hint=f'"ecsmachine provision {name}" installs it.',
        )
    if wanted == "ready" and url and not host_of(url):
        raise MachineError(f'Machine "{name}" is never ready: "{url}" is not an engine URL')
    if wanted == "stopped" and isinstance(machine.driver, NoneDriver):
        raise MachineError(f'Machine "{name}" is only an engine\'s URL: it is never stopped')
