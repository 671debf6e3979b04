"""Words as texts, numbers and paths, as typer reads them.

Typer reads them with pydantic, which takes longer to import than all the rest of a
short command.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from ecsmachine.system.files import folder_exists

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,9}", re.ASCII)


def value_of(parameter: Any, word: Any) -> Any:
    """Return the value of what was given for a parameter.

    None if typer has to say: it refuses the word, or the parameter is of another type.
    """
    annotation = parameter.type_descriptor.annotation
    rules = parameter.type_descriptor.parameter_info
    if annotation == list[str]:
        return list(word) if isinstance(word, (list, tuple)) and word else None
    if not isinstance(word, str):
        return None
    if annotation is str:
        return word
    if annotation is int:
        return _number(rules, word)
    if annotation is Path:
        return _path(rules, word)
    return None


def _number(rules: Any, word: str) -> int | None:
    if not _WHOLE_NUMBER.fullmatch(word):
        return None
    number, least, most = int(word), rules.min, rules.max
    fits = (least is None or number >= least) and (most is None or number <= most)
    return number if fits else None


def _path(rules: Any, word: str) -> Path | None:
    if rules.exists or rules.writable or rules.resolve_path or rules.allow_dash:
        return None
    if not word.isprintable():  # nor are bytes that no text has
        return None
    path = Path(word)
    if not os.path.lexists(path):
        return path
    kind_fits = rules.dir_okay if folder_exists(path) else rules.file_okay
    return path if kind_fits and os.access(path, os.R_OK) else None
