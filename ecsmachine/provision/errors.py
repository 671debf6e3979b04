"""What can go wrong on a host, with the command's own words."""

from __future__ import annotations

import re

from ecsmachine.errors import MachineError
from ecsmachine.ssh.command_result import CommandResult, ending

_LONGEST_REASON = 200
_REASON = re.compile(
    r"\b(e|error|fatal|fail(ed|ure|s)?|cannot|can't|could not|unable|invalid|missing|"
    r"not (found|permitted|available|signed)|no (such|space|package|match)|"
    r"denied|refused|timed out)\b",
    re.IGNORECASE,
)
_AFTERMATH = re.compile(
    r"^(\+|w:|warning:|debconf:|e: sub-process .* returned|errors were encountered|"
    r"e: failed to fetch some|processing triggers|#|\s*$)",
    re.IGNORECASE,
)
"""Lines that follow from an error, or have nothing to do with it."""


class ProvisionError(MachineError):
    """A step of provisioning failed; ``details`` has what the host printed."""

    def __init__(
        self, step: str, message: str, *, hint: str | None = None, details: str | None = None
    ):
        super().__init__(
            f"Error running provisioning: {step}: {message}", hint=hint, details=details
        )
        self.step = step


class NoEngineError(ProvisionError):
    """No engine is installed on the host; who knows its machine says what installs one."""

    def __init__(self, step: str):
        super().__init__(step, "no engine is installed on the host")


def output_of(result: CommandResult) -> str:
    """Return the end of what a command printed, its errors last."""
    ends = (ending(part) for part in (result.stdout, result.stderr))
    return ending("\n".join(end for end in ends if end))


def reason_in(result: CommandResult) -> str:
    """Return the line that says best why a command failed: the last of its errors.

    Without one it is the last line of all; "" if it printed nothing.
    """
    errors, output = (
        [
            line.strip()
            for line in ending(text, lines=400).splitlines()
            if not _AFTERMATH.match(line.strip())
        ]
        for text in (result.stderr, result.stdout)
    )
    for lines in (errors, output):
        for line in reversed(lines):
            if _REASON.search(line):
                return line[:_LONGEST_REASON]
    return (errors or output or [""])[-1][:_LONGEST_REASON]


_NOT_THE_ENGINE = re.compile(
    r"docker\.(service|socket): |(Failed to start|Starting|Started|Stopping|Stopped) docker\.|"
    r"See 'dockerd|time=\"[^\"]*\" level=(debug|info|warning) "
)
"""Lines of its journal that are systemd's, or no reason to end (Docker writes logfmt)."""
_ENGINE_ERROR = re.compile(r'level=(?:error|fatal) msg="((?:[^"\\]|\\.)*)"')


def engine_reason(journal: str) -> str:
    """Return the last that the engine itself said in its journal; "" if there is nothing."""
    lines = [line.strip() for line in journal.splitlines()]
    said = [line for line in lines if line and not _NOT_THE_ENGINE.match(line)]
    last = said[-1] if said else ""
    found = _ENGINE_ERROR.search(last)
    return (found[1] if found else last.removeprefix("Status: "))[:_LONGEST_REASON]


def failure_line(what: str, result: CommandResult) -> str:
    """Return that ``what`` left with its status, and why, in one line."""
    reason = reason_in(result)
    return f"{what} exited with {result.exit_status}" + (f": {reason}" if reason else "")
