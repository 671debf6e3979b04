"""Shell commands for a host: quoting, root's rights, and failing loudly."""

from __future__ import annotations

import shlex

from ecsmachine.errors import MachineError
from ecsmachine.provision.base import HostConnection
from ecsmachine.provision.errors import ProvisionError, failure_line, output_of
from ecsmachine.ssh.command_result import CommandResult

# a login without a shell of its own may lack what is for root
PATH = "$PATH:/usr/local/sbin:/usr/sbin:/sbin"

# the last words of an engine that has just ended may be on their way into the journal
ENGINE_JOURNAL = """\
timeout 10 journalctl --sync 2>/dev/null || :
journalctl -u docker.service --no-pager -q -n 30 -o cat"""
"""Shows the end of the engine's journal; options may follow."""


def root_shell(user: str) -> str:
    """Return the ``sh`` that has root's rights, and is yet to get its options.

    Another user than root needs sudo without a password.
    """
    return "sh" if user == "root" else "sudo -n sh"


def as_root(script: str, user: str) -> str:
    """Return a command line that runs a ``sh`` script with root's rights."""
    return f"{root_shell(user)} -c {shlex.quote(script)}"


def run(host: HostConnection, step: str, command: str, *, timeout_s: float) -> CommandResult:
    """Run a command line; a lost connection and a time that is up name the step."""
    try:
        return host.run(command, timeout_s=timeout_s)
    except MachineError as error:
        raise ProvisionError(step, error.message, hint=error.hint, details=error.details) from error


def run_as_root(
    host: HostConnection, step: str, script: str, *, timeout_s: float = 120.0
) -> CommandResult:
    """Run a ``sh`` script as root; raise :class:`ProvisionError` unless it leaves with 0."""
    result = run(host, step, as_root(script, host.user), timeout_s=timeout_s)
    if result.exit_status:
        raise command_failed(step, host.user, result)
    return result


def command_failed(step: str, user: str, result: CommandResult) -> ProvisionError:
    """Return the error for a command that left with another status than 0."""
    return ProvisionError(
        step,
        failure_line("a command", result),
        hint=sudo_hint(user, result),
        details=output_of(result),
    )


def sudo_hint(user: str, result: CommandResult) -> str | None:
    """Return what to do if it was sudo that did not do what it was asked for."""
    said = [line for line in result.stderr.splitlines() if "sudo:" in line]
    said = [line for line in said if "unable to resolve host" not in line]  # it goes on then
    if user == "root" or not said:
        return None
    if any("must have a tty" in line for line in said):
        return (
            "Remove requiretty from /etc/sudoers on the host: it has a command without a terminal."
        )
    return f'"{user}" needs sudo without a password on the host.'


def engine_journal(host: HostConnection) -> str:
    """Return the end of the engine's journal; "" if there is none."""
    try:
        return host.run(as_root(ENGINE_JOURNAL, host.user), timeout_s=60).stdout.strip()
    except MachineError:
        return ""  # the error that brought us here says more


def with_journal(result: CommandResult, journal: str) -> str:
    """Return what a command printed, and the engine's journal under a heading."""
    headed = f"The engine's journal:\n{journal}" if journal else ""
    return "\n".join(part for part in (output_of(result), headed) if part)
