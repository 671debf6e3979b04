"""What can go wrong on the local cloud's own side, in words for the person who runs it."""

from __future__ import annotations


class LocalCloudError(Exception):
    """The local cloud cannot do what was asked.

    ``message`` is one line, ``hint`` one line on what to do about it, ``details`` text of
    any length (what a program wrote, the end of a log).
    """

    def __init__(self, message: str, *, hint: str | None = None, details: str | None = None):
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details

    def __str__(self) -> str:
        return f"{self.message} {self.hint or ''}".rstrip()
