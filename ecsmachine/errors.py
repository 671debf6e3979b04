"""The errors that a person gets to see: one line each, with what to do about it."""

from __future__ import annotations


class MachineError(Exception):
    """Something went wrong that the user can act on.

    ``message`` is one line: what is wrong and where. ``hint`` is one line: what to do.
    ``details`` is text of any length (a command's output, the end of a journal) shown
    below the line. ``exit_code`` is what the process leaves with.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None, details: str | None = None):
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details


class UsageError(MachineError):
    """The command line, or a value given on it or in the environment, is wrong (exit code 2)."""

    exit_code = 2


class PreCreateCheckError(MachineError):
    """A check made before anything is created or paid for failed (exit code 3)."""

    exit_code = 3
