"""What others wrote (hosts, engines, clouds, files), made fit to be shown.

A terminal obeys control characters: it moves, erases, recolours, retitles, and turns the order of
letters round. Here they become what JSON writes in their place (``\\u001b``), so that they are seen
and do nothing, and JSON stays the same JSON.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from typing import Any

_OBEYED = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""The categories of Unicode whose characters are not seen but do something: controls (C0, C1 and
DEL), formats (bidirectional ones, joiners, tags), lone surrogates, separators of lines."""


def clean(text: str) -> str:
    """Return a text of any number of lines, in which line breaks and tabs alone are obeyed."""
    if text.isprintable():
        return text
    if "\n" in text:
        return "\n".join(clean(line.removesuffix("\r")) for line in text.split("\n"))
    from unicodedata import category

    return "".join(
        as_json(character) if category(character) in _OBEYED and character != "\t" else character
        for character in text
    )


def one_line(text: str) -> str:
    """Return a text made one line of, without tabs: it cannot begin a line or a column."""
    return clean(" ".join(text.splitlines()).replace("\t", " "))


def without_passwords(value: Any) -> Any:
    """Return a text, or all in lists and dictionaries, with ``***`` for the passwords in URLs."""
    if isinstance(value, str):
        if "://" not in value or "@" not in value:
            return value
        import re  # takes longer to load than a short command takes

        return re.sub(r"(://[^/?#\s:@]*):[^/?#\s]*@", r"\1:***@", value)
    if isinstance(value, list):
        return [without_passwords(each) for each in value]
    if isinstance(value, dict):
        return {key: without_passwords(each) for key, each in value.items()}
    return value


def is_plain(word: str) -> bool:
    """Whether a word can be suggested in a shell: a cloud's may hold what that would run."""
    return all(character.isalnum() or character in "_.,:=/@%+-" for character in word)


def as_json(text: str) -> str:
    """Return a text as it stands in JSON that is all ASCII, without the quotes."""
    import json

    return json.dumps(text)[1:-1]
