"""Shell commands for a host: quoting, root's rights, and failing loudly."""

from __future__ import annotations

import shlex

from ecsmachine.provision.base import HostConnection
from ecsmachine.provision.errors import ProvisionError, output_of
from ecsmachine.ssh.command_result import CommandResult


def as_root(script: str, user: str) -> str:
    """Return a command line that runs a ``sh`` script with root's rights.

    Another user than root needs sudo without a password.
    """
    command = f"sh -c {shlex.quote(script)}"
    return command if user == "root" else f"sudo -n {command}"


def run_as_root(
    host: HostConnection, step: str, script: str, *, timeout_s: float = 120.0
) -> CommandResult:
    """Run a ``sh`` script as root; raise :class:`ProvisionError` unless it leaves with 0."""
    result = host.run(as_root(script, host.user), timeout_s=timeout_s)
    if result.exit_status == 0:
        return result
    hint = None
    if host.user != "root" and "sudo" in result.stderr:
        hint = f'"{host.user}" needs sudo without a password on the host.'
    raise ProvisionError(
        step, f"a command left with {result.exit_status}", hint=hint, details=output_of(result)
    )
