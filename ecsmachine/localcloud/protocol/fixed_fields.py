"""Fields of answers that are the same for every resource of a kind here.

Most of them are for features that the local cloud lacks. They are in ``fixed_fields.txt`` beside
this module, one value per line: the kind, its fields (a dot leads into an object), ``=``, and the
value in JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any


def fixed(kind: str) -> Mapping[str, Any]:
    """Return the fields that are the same of all resources of a kind; they are not changed."""
    return _kinds()[kind]


@cache
def _kinds() -> Mapping[str, Mapping[str, Any]]:
    file = resources.files(__package__) / "fixed_fields.txt"
    kinds: dict[str, dict[str, Any]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        names, _, text = line.partition(" = ")
        kind, *paths = names.split()
        for path in paths:
            *objects, name = path.split(".")
            place = kinds.setdefault(kind, {})
            for each in objects:
                place = place.setdefault(each, {})
            place[name] = json.loads(text)
    return kinds
