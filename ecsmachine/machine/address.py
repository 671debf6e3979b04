"""Where a machine is now: found anew before it is used, and saved where it has moved."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ecsmachine.drivers.base import State
from ecsmachine.errors import MachineError
from ecsmachine.machine.model import Machine, to_config
from ecsmachine.machine.probe import NotRunningError
from ecsmachine.machine.store import Store
from ecsmachine.ssh import sharing
from ecsmachine.ssh.openssh import KnownHost
from ecsmachine.ssh.stream import answers
from ecsmachine.ssh.target import SSHTarget

_PATIENCE_S = 3.0


def refresh_address(machine: Machine) -> None:
    """Learn the machine's address before its host is worked on.

    Raises :class:`~ecsmachine.machine.probe.NotRunningError` if it does not run. A provider that
    cannot be asked is no obstacle: the address is then the one known before.
    """
    state = state_or_none(machine)
    if state not in (State.RUNNING, State.NONE):
        raise NotRunningError(
            machine, state, f'Host "{machine.name}" is not running: it is {state.value}'
        )


def login(machine: Machine, user: str = "") -> KnownHost:
    """Return the machine's login, as ``user`` if one is given.

    The provider is asked only if nothing answers where the store says that the machine is: it
    may have moved. Raises :class:`~ecsmachine.machine.probe.NotRunningError`.
    """
    target = machine.ssh_target() if machine.driver.address() else None
    if target is None or not _is_there(target):
        refresh_address(machine)
        target = machine.ssh_target()
    return KnownHost(replace(target, user=user or target.user), machine.known_hosts_path)


@contextlib.contextmanager
def saving_new_addresses(store: Store, machines: Iterable[Machine]) -> Iterator[None]:
    """Store the addresses of those machines that turn out to have moved within the block.

    A machine that another process works on, or has changed since it was loaded, is left to that.
    """
    seen = [(machine, machine.driver.address(), _stored_form(machine)) for machine in machines]
    try:
        yield
    finally:
        for machine, address, config in seen:
            if machine.driver.address() not in ("", address):
                with contextlib.suppress(MachineError), store.lock(machine.name, wait_s=0.0):
                    if _stored_form(store.load(machine.name)) == config:
                        store.save(machine)
                        sharing.close(machine.known_hosts_path)


def state_or_none(machine: Machine) -> State:
    """Return the state; NONE if the provider cannot be asked."""
    try:
        return machine.driver.state()
    except MachineError:
        if not machine.driver.address():
            raise
        return State.NONE


def _is_there(target: SSHTarget) -> bool:
    return answers(target.host, target.port, jump=target.jump, timeout_s=_PATIENCE_S)


def _stored_form(machine: Machine) -> str:
    """Return what would be stored of a machine, as text: a tenth of the time of a deep copy."""
    return json.dumps(to_config(machine), sort_keys=True)
