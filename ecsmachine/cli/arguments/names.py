"""Names of machines as they are typed: one by one, in braces, or as patterns of the shell."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from ecsmachine.errors import MachineError, UsageError

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d{1,9})\.\.(\d{1,9})")
_MOST = 1000
"""How many names braces may stand for."""


def expand(words: Iterable[str]) -> list[str]:
    """Return the names that words stand for, each once: ``web-{1..3}``, ``{a,b}-1``.

    As in a shell, which does it by itself where the words are not quoted. Raises
    :class:`UsageError` if they are too many.
    """
    names: dict[str, None] = {}
    for word in words:
        for name in _expanded(word):
            names[name] = None
            if len(names) > _MOST:
                raise UsageError(
                    f'"{word}" stands for more than {_MOST} machines', hint="Name fewer."
                )
    return list(names)


def is_pattern(word: str) -> bool:
    """Whether a word is a pattern; no name of a machine has such characters."""
    return any(character in word for character in "*?[")


def matching(word: str, existing: Iterable[str]) -> list[str]:
    """Return the machines that a pattern of the shell fits (``*``, ``?``, ``[…]``).

    Raises :class:`MachineError` if there is none.
    """
    found = [name for name in existing if fnmatchcase(name, word)]
    if not found:
        raise MachineError(
            f'No machine matches "{word}"', hint='"ecsmachine ls -q" lists all machines.'
        )
    return found


def _expanded(word: str) -> Iterable[str]:
    found = _BRACES.search(word)
    if found is None:
        yield word
        return
    before, after = word[: found.start()], word[found.end() :]
    for part in _parts(found[1]):
        for rest in _expanded(after):
            yield f"{before}{part}{rest}"


def _parts(inside: str) -> Iterable[str]:
    numbers = _RANGE.fullmatch(inside)
    if numbers is None:
        # braces around a single word are no list: they stay, and no name has them
        yield from inside.split(",") if "," in inside else [f"{{{inside}}}"]
        return
    first, last = int(numbers[1]), int(numbers[2])
    padded = any(len(each) > 1 and each[0] == "0" for each in numbers.groups())
    width = max(map(len, numbers.groups())) if padded else 0
    step = 1 if last >= first else -1
    for number in range(first, last + step, step):
        yield str(number).zfill(width)
