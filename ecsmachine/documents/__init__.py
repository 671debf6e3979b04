"""Documents that came from outside, read once into values of declared types and rules.

Files that other programs or people may have written, and answers over a network: a value is
checked where it enters. :mod:`text` parses, :mod:`fields` reads an object's values by name and
type, :mod:`rules` says what a text may be. Whatever is wrong ends in one error, which the caller
makes of the reason that it is given; the reason begins with the field.
"""

from __future__ import annotations

from ecsmachine.errors import UsageError

TRUE_WORDS = frozenset(("1", "t", "true", "y", "yes", "on"))
FALSE_WORDS = frozenset(("0", "f", "false", "n", "no", "off"))
"""The words for true and false. They stand here as every command needs them, and little else."""


def is_true(text: str, what: str, hint: str) -> bool:
    """Read the value of a switch: ``what`` is its flag or variable.

    Raises :class:`UsageError`, with the hint, for one that is neither true nor false.
    """
    word = text.strip().lower()
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise UsageError(f'{what} is neither true nor false: "{text}"', hint=hint)
    return word in TRUE_WORDS
