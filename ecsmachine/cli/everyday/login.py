"""Logging into a machine: ssh."""

from __future__ import annotations

from ecsmachine.cli.arguments.context import Session, one_machine_name
from ecsmachine.errors import MachineError, UsageError

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Callable

    from ecsmachine.machine.model import Machine
    from ecsmachine.ssh.target import SSHTarget

_CONNECTION_FAILED = 255


def ssh(this: Session, *, name: str | None = None, command: list[str] | None = None) -> int:
    """Run a shell, or a command, on a machine (``USER@NAME``); return what to leave with."""
    words = command or []
    user, at, called = (name or "").rpartition("@")
    if at and (not user or user.startswith("-")):
        raise UsageError(f'"{name}" has no user before the @', hint="Write USER@NAME.")
    code = None if user else _over_the_kept_connection(this, called, words)
    if code is None or code == _CONNECTION_FAILED:
        if code is None:
            called = one_machine_name(this, None if name is None else [called])
        machine = this.store.load(called)
        code = at_its_address(
            this,
            machine,
            lambda target: _run(this, machine, target, words, user),
            tried=code is not None,
        )
    # a session that a signal ended leaves with what a shell would
    return code if code >= 0 else 128 - code


def at_its_address(
    this: Session, machine: Machine, run: Callable[[SSHTarget], int], *, tried: bool = False
) -> int:
    """Return the status of what logs in to a machine, done again if the machine has moved.

    ``tried`` says that a connection to where it was has failed already. Raises
    :class:`MachineError` as ``run`` does, and if the machine does not run.
    """
    target = machine.ssh_target() if machine.driver.address() else None
    code, failure = _CONNECTION_FAILED, None
    try:
        if target is not None and tried:
            failure = _reason(machine, target)
        elif target is not None:
            code = run(target)
    except MachineError as error:
        # another host may have the machine's former address by now
        if not _is_of_the_connection(error):
            raise
        failure = error
    if code == _CONNECTION_FAILED:
        from ecsmachine.machine.address import saving_new_addresses

        # a command that itself leaves with that code costs a question to the provider
        with saving_new_addresses(this.store, [machine]):
            _refresh_address(machine)
        moved = machine.ssh_target()
        if moved != target:
            code, failure = run(moved), None
    if failure:
        raise failure
    return code


def _over_the_kept_connection(this: Session, name: str, words: list[str]) -> int | None:
    """Return the status of a command over a connection that is there; None without one."""
    from ecsmachine.ssh import kept

    if not name or (words[:1] and words[0].startswith("-")) or this.native_ssh:
        return None
    try:
        seconds = kept.persist_s(this.environment)
    except UsageError:
        return None  # said when the machine is known
    if not seconds:
        return None
    import os

    code = kept.run(
        os.path.abspath(os.path.join(this.storage, "machines", name, "known_hosts")),
        words,
        this.environment,
        seconds=seconds,
    )
    if this.debug and code is not None:
        from ecsmachine.ssh.steps import log_step

        log_step("%s: ran over the connection that is kept", name)
    return code


def _run(this: Session, machine: Machine, target: SSHTarget, words: list[str], user: str) -> int:
    from ecsmachine.ssh.interactive import run_session
    from ecsmachine.ssh.sharing import persistence

    if user:
        from dataclasses import replace

        target = replace(target, user=user)
    return run_session(
        target,
        machine.known_hosts_path,
        words,
        native=this.native_ssh,
        keep=None if user else persistence(this.environment),
    )


def _reason(machine: Machine, target: SSHTarget) -> MachineError | None:
    """Return why a machine that is where it was cannot be connected to, where that can be told."""
    from ecsmachine.ssh.interactive import check_host_key
    from ecsmachine.ssh.route import check_route

    try:
        check_route(target.host)
        check_host_key(target, machine.known_hosts_path)
    except MachineError as error:
        if not _is_of_the_connection(error):
            raise
        return error
    return None


def _is_of_the_connection(error: MachineError) -> bool:
    from ecsmachine.ssh.connection import SSHError
    from ecsmachine.ssh.host_keys import HostKeyChangedError

    return isinstance(error, (SSHError, HostKeyChangedError))


def _refresh_address(machine: Machine) -> None:
    """Learn the address of a machine that did not answer.

    Raises :class:`MachineError` if it does not run. A provider that cannot be asked adds nothing
    to what was said about the connection.
    """
    from ecsmachine.drivers.base import State
    from ecsmachine.machine.probe import NotRunningError

    try:
        state = machine.driver.state()
    except MachineError:
        return
    if state is not State.RUNNING:
        message = f'Cannot run SSH command: Host "{machine.name}" is not running'
        raise NotRunningError(machine, state, message)
