"""Logging into a machine: ssh."""

from __future__ import annotations

from ecsmachine.cli.arguments.context import Session, one_machine_name
from ecsmachine.errors import MachineError, UsageError

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from ecsmachine.machine.model import Machine
    from ecsmachine.ssh.target import SSHTarget

_CONNECTION_FAILED = 255


def ssh(this: Session, *, name: str = "", command: list[str] | None = None) -> int:
    """Run a shell, or a command, on a machine; return what to leave with."""
    words = command or []
    code = _over_the_kept_connection(this, name, words)
    machine: Machine | None = None
    target: SSHTarget | None = None
    failure: MachineError | None = None
    if code is None:
        machine = this.store.load(one_machine_name(this, [name] if name else None))
        target = machine.ssh_target() if machine.driver.address() else None
        code = _CONNECTION_FAILED
        try:
            code = _run(this, machine, target, words) if target else code
        except MachineError as error:
            # another host may have the machine's former address by now
            if not _is_of_the_connection(error):
                raise
            failure = error
    if code == _CONNECTION_FAILED:
        from ecsmachine.machine.address import saving_new_addresses

        if machine is None:
            machine = this.store.load(name)
            target = machine.ssh_target() if machine.driver.address() else None
            failure = _reason(machine, target) if target else None
        # a command that itself leaves with that code costs a question to the provider
        with saving_new_addresses(this.store, [machine]):
            _refresh_address(machine)
        moved = machine.ssh_target()
        if moved != target:
            code, failure = _run(this, machine, moved, words), None
    if failure:
        raise failure
    # a session that a signal ended leaves with what a shell would
    return code if code >= 0 else 128 - code


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

    return kept.run(
        os.path.abspath(os.path.join(this.storage, "machines", name, "known_hosts")),
        words,
        this.environment,
        seconds=seconds,
    )


def _run(this: Session, machine: Machine, target: SSHTarget, words: list[str]) -> int:
    from ecsmachine.ssh.interactive import run_session
    from ecsmachine.ssh.sharing import persistence

    return run_session(
        target,
        machine.known_hosts_path,
        words,
        native=this.native_ssh,
        keep=persistence(this.environment),
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
