"""TOML files (toml.io, 1.0): what they hold, and in which line each key stands."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from typing import Any

    from ecsmachine.documents.text import Fault


def parse_toml(content: bytes, fault: Fault) -> dict[str, Any]:
    """Return what a TOML text holds; a text that is none is the ``fault``."""
    try:
        found: dict[str, Any] = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise fault(f"it is not UTF-8: byte {error.start}") from error
    except RecursionError as error:
        raise fault("it is nested too deeply") from error
    except ValueError as error:
        raise fault(f"it is not TOML: {error}") from error
    return found


def lines_of(content: bytes) -> dict[tuple[str, ...], int]:
    """Return the line in which each key, and each table, of a TOML text begins, by its path."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    statement, begun = "", 0
    for number, line in enumerate(content.decode("utf-8-sig").splitlines(keepends=True), start=1):
        if not statement:
            begun = number
        statement += line
        try:
            found = tomllib.loads(statement)
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
