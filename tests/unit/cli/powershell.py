"""What PowerShell reads in a double-quoted string (about_Quoting_Rules)."""

from __future__ import annotations

import re

_QUOTES = '"\u201c\u201d\u201e'
_ESCAPES = {"0": "\0", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r"}
_ESCAPES |= {"t": "\t", "v": "\v"}


def assigned(line: str) -> tuple[str, str]:
    """Return the variable of the environment that a line sets, and to what.

    Raises :class:`ValueError` for a line that does anything else, or more.
    """
    head = re.match(r"\$Env:(\w+) = ", line)
    if head is None:
        raise ValueError(f"no assignment: {line}")
    return head[1], _string(line[head.end() :])


def _string(text: str) -> str:
    if text[:1] not in list(_QUOTES):
        raise ValueError(f"no string: {text}")
    value, place = "", 1
    while place < len(text):
        character, following = text[place], text[place + 1 : place + 2]
        if character == "`":
            if following == "u":
                raise ValueError("a character by its number")
            value += _ESCAPES.get(following, following)
            place += 2
        elif character in _QUOTES and following and following in _QUOTES:
            value += character
            place += 2
        elif character in _QUOTES:
            if place + 1 != len(text):
                raise ValueError(f"more after the string: {text[place + 1 :]}")
            return value
        elif character == "$" and re.match(r"[\w({?^$:]", following):
            raise ValueError(f"replaced: {text[place:]}")
        else:
            value += character
            place += 1
    raise ValueError("a string without an end")
