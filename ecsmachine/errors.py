"""The errors that a person gets to see: one line each, with what to do about it."""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Sequence


_SHORTEST_REPEATED = 8
"""What is shorter may stand in both by chance."""


class Interrupted(int):
    """The exit code of this program if it was interrupted, not another that leaves with 130."""


INTERRUPTED = Interrupted(130)
"""What a shell says of a program that was interrupted."""


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
    """The command line, or a value given on it or in the environment, is wrong (exit code 2).

    ``given_as`` is the option or variable of the value, where the message does not name it.
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None, given_as: str = ""):
        super().__init__(message, hint=hint)
        self.given_as = given_as


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
    text = f"{type(error).__name__}: {error}"
    told: MachineError
    refusal = _refusal(error)
    if refusal is None:
        hint = "This is a bug in ecsmachine: run it with --debug and report what it prints."
        told = FaultError(text, hint=hint)
    else:
        from pathlib import Path

        from ecsmachine.system.os_errors import sentence

        # to whom the system says no, and what to do about it, the code that asked does not know
        place, reason = getattr(refusal, "filename", None), getattr(refusal, "strerror", None)
        hint = sentence(refusal, place) if isinstance(refusal, OSError) else ""
        text = f"{place}: {reason}" if place and reason else reason or text
        try:
            Path.cwd()
        except OSError:
            text = f"The working directory no longer exists ({text})"
            hint = "Change to another directory."
        told = RefusedError(text, hint=hint or None)
    told.__cause__ = error
    return told


def _refusal(error: BaseException) -> OSError | ImportError | None:
    """Return what the system refused, as it says so to others; None for a fault of ours."""
    import errno

    if isinstance(error, MemoryError):
        return OSError(errno.ENOMEM, "Not enough memory")
    if "start new thread" in str(error):
        return OSError(errno.EAGAIN, "No more threads can be started")
    return error if isinstance(error, (OSError, ImportError)) else None
