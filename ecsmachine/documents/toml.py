"""TOML files (toml.io, 1.0): what they hold, and in which line each key stands."""

from __future__ import annotations

import sys

from ecsmachine.documents.text import DEEPEST, is_deeper

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from typing import Any

    from ecsmachine.documents.text import Fault

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LONGEST_NUMBER = 19
_ENDS = ("]", '"""', "'''")
"""One of them is in the last line of a value of several lines."""
_MOST_EFFORT = 1 << 20
"""How many characters are parsed to find lines; a value is, again with each that may end it."""


def parse_toml(content: bytes, fault: Fault) -> dict[str, Any]:
    """Return what a TOML text holds.

    The ``fault`` is a text that is not TOML, or is nested more than :data:`DEEPEST` deep.
    """
    try:
        text = content.removeprefix(_BYTE_ORDER_MARK).decode()
        if _has_long_key(text):
            raise fault("it is nested too deeply")
        found = plain(text)
        if found is None:
            found = _loads(text)
    except UnicodeDecodeError as error:
        raise fault(f"it is not UTF-8: byte {error.start}") from error
    except RecursionError as error:
        raise fault("it is nested too deeply") from error
    except ValueError as error:
        raise fault(f"it is not TOML: {error}") from error
    if is_deeper(found, DEEPEST):
        raise fault("it is nested too deeply")
    return found


def _has_long_key(text: str) -> bool:
    """Whether a key has very many parts: the time that the library takes grows as their square."""
    for line in text.splitlines():
        parts = 0
        for part in line.split(".") if line.count(".") > DEEPEST else ():
            is_key = part.strip() and _is_bare(part.strip(" \t\"'") or "a")
            parts = parts + 1 if is_key else 0
            if parts > DEEPEST:
                return True
    return False


def plain(text: str) -> dict[str, Any] | None:
    """Return what a TOML text holds that is written as most are; None for another, or a wrong one.

    Its lines are headers of tables, and keys with a text, a whole number, true, false or a list of
    texts. The library of TOML takes longer to load than a short command takes.
    """
    found: dict[str, Any] = {}
    table, headers = found, set()
    for line in text.replace("\r\n", "\n").split("\n"):
        line = line.strip(" ")
        if not line.isprintable():
            return None
        if _is_end(line):
            continue
        if line.startswith("["):
            header, closed, rest = line[1:].partition("]")
            if not closed or header in headers:
                return None
            headers.add(header)
            table = found
            for key in header.split("."):
                inner = table.setdefault(key, {}) if _is_bare(key) else None
                if not isinstance(inner, dict):
                    return None
                table = inner
        else:
            key, _, rest = line.partition("=")
            key = key.rstrip(" ")
            value, rest = _value(rest.lstrip(" "))
            if value is None or key in table or not _is_bare(key):
                return None
            table[key] = value
        if not _is_end(rest):
            return None
    return found


def _value(text: str) -> tuple[str | int | list[str] | None, str]:
    """Return the value that a text begins with, None if it is not plain, and what follows it."""
    if text.startswith(('"', "'")):
        value, closed, rest = text[1:].partition(text[0])
        return (value if closed and "\\" not in value else None), rest
    if text.startswith("["):
        values, rest = [], text[1:].lstrip(" ")
        while not rest.startswith("]"):
            each, rest = _value(rest)
            rest = rest.lstrip(" ")
            if not isinstance(each, str) or not rest.startswith((",", "]")):
                return None, ""
            values.append(each)
            rest = rest.removeprefix(",").lstrip(" ")
        return values, rest[1:]
    word = text.partition("#")[0].rstrip(" ")
    if word in ("true", "false"):
        return word == "true", ""
    is_number = word.isascii() and word.isdigit() and (word == "0" or word[0] != "0")
    return (int(word) if is_number and len(word) < _LONGEST_NUMBER else None), ""


def _is_bare(key: str) -> bool:
    return key.isascii() and key.replace("-", "").replace("_", "").isalnum()


def _is_end(rest: str) -> bool:
    """Whether nothing but a comment follows."""
    return rest.lstrip(" ")[:1] in ("", "#")


def _loads(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    found: dict[str, Any] = tomllib.loads(text)
    return found


def lines_of(content: bytes) -> dict[tuple[str, ...], int]:
    """Return the line in which each key, and each table, of a TOML text begins, by its path.

    What stands below values of very many lines may be missing.
    """
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    statement, begun, effort = "", 0, _MOST_EFFORT
    for number, line in enumerate(content.decode("utf-8-sig").splitlines(keepends=True), start=1):
        if not statement:
            begun = number
        statement += line
        if begun < number and not any(end in line for end in _ENDS):
            continue
        effort -= len(statement)
        if effort < 0:
            return lines
        try:
            found = _loads(statement)
        except ValueError:
            continue  # it goes on in the next line
        is_header = statement.lstrip().startswith("[")
        paths = list(_paths(found))
        if is_header and paths:
            table = paths[-1]
        else:
            paths = [(*table, *path) for path in paths]
        for path in paths:
            lines.setdefault(path, begun)
        statement = ""
    return lines


def _paths(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the paths of all keys, an outer one before those in it."""
    if not isinstance(value, dict):
        return []
    return [each for key in value for each in ((*path, key), *_paths(value[key], (*path, key)))]
