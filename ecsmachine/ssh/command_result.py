"""What a command on a host gave."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CommandResult:
    """Exit status, standard output and standard error of a command, the latter as text."""

    exit_status: int
    stdout: str
    stderr: str
