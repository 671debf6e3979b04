"""The errors that a person gets to see: one line each, with what to do about it."""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Sequence


_SHORTEST_REPEATED = 8
"""What is shorter may stand in both by chance."""


class MachineError(Exception):
    """Something went wrong that the user can act on.

    ``message`` is one line: what is wrong and where. ``hint`` is one line: what to do.
    ``details`` is text of any length (a command's output, the end of a journal) shown
    below the line. ``exit_code`` is what the process leaves with. ``machine`` is the name of the
    machine that it is about, if it is one. ``parts`` are the errors that this one sums up.
    """

    exit_code = 1
    machine = ""
    parts: Sequence[MachineError] = ()

    def __init__(self, message: str, *, hint: str | None = None, details: str | None = None):
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details

    @property
    def shown_details(self) -> str:
        """The details without what the message says already: a reason is told once."""
        lines = (self.details or "").rstrip().splitlines()
        return "\n".join(line for line in lines if not self._repeats(line.strip())).strip("\n")

    def _repeats(self, line: str) -> bool:
        return len(line) >= _SHORTEST_REPEATED and line in self.message

    @property
    def is_refusal(self) -> bool:
        """Whether what was asked for was turned down for good: certainly nothing was done."""
        return False


class UsageError(MachineError):
    """The command line, or a value given on it or in the environment, is wrong (exit code 2)."""

    exit_code = 2


class PreCreateCheckError(MachineError):
    """A check made before anything is created or paid for failed (exit code 3)."""

    exit_code = 3


class ReaderGoneError(MachineError):
    """Whoever read standard output has left (``ls | head -1``): nobody is told of it.

    The exit code is what a shell says of a program that SIGPIPE has ended.
    """

    exit_code = 141


class RefusedError(MachineError):
    """The system said no where nobody expected it: a file, memory, a thread, a library."""


class FaultError(MachineError):
    """Our own code failed."""


def of_anything(error: BaseException) -> MachineError:
    """Return what was raised as an error for a person, with what was raised as its cause."""
    if isinstance(error, MachineError):
        return error
    text, hint = f"{type(error).__name__}: {error}", ""
    told: MachineError
    if not (isinstance(error, (OSError, MemoryError, ImportError)) or "start new thread" in text):
        hint = "This is a bug in ecsmachine: run it with --debug and report what it prints."
        told = FaultError(text, hint=hint)
    else:
        from pathlib import Path

        # to whom the system says no, and what to do about it, the code that asked does not know
        if isinstance(error, OSError) and error.strerror:
            from ecsmachine.system.os_errors import sentence

            text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
            hint = sentence(error, error.filename)
        try:
            Path.cwd()
        except OSError:
            text = f"The working directory no longer exists ({text})"
            hint = "Change to another directory."
        told = RefusedError(text, hint=hint or None)
    told.__cause__ = error
    return told
