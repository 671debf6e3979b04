"""Switches that are given a value, on the command line or in a variable."""

from __future__ import annotations

from ecsmachine.documents.truth import FALSE_WORDS, TRUE_WORDS
from ecsmachine.errors import UsageError


def is_true(text: str, what: str, hint: str) -> bool:
    """Read the value of a switch: ``what`` is its flag or variable.

    Raises :class:`UsageError`, with the hint, for one that is neither true nor false.
    """
    word = text.strip().lower()
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise UsageError(f'{what} is neither true nor false: "{text}"', hint=hint)
    return word in TRUE_WORDS
