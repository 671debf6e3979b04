"""What can go wrong on a host, with the command's own words."""

from __future__ import annotations

from ecsmachine.errors import MachineError
from ecsmachine.ssh.command_result import CommandResult


class ProvisionError(MachineError):
    """A step of provisioning failed; ``details`` has what the host printed."""

    def __init__(
        self, step: str, message: str, *, hint: str | None = None, details: str | None = None
    ):
        super().__init__(
            f"Error running provisioning: {step}: {message}", hint=hint, details=details
        )
        self.step = step


def output_of(result: CommandResult, *, lines: int = 40) -> str:
    """Return the end of what a command printed, its errors last."""
    text = "\n".join(part.rstrip() for part in (result.stdout, result.stderr) if part.strip())
    return "\n".join(text.splitlines()[-lines:])
