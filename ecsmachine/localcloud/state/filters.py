"""What Describe actions choose by: tags, and names with wildcards."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ecsmachine.localcloud.protocol.errors import ApiError, missing_parameter
from ecsmachine.localcloud.protocol.parameters import Parameters

MAX_TAGS = 20


def tag_filter(parameters: Parameters, name: str = "Tag") -> list[tuple[str, str | None]]:
    """Return the tags asked for (``Tag.N.Key`` and ``Tag.N.Value``); None is any value."""
    wanted = []
    for item in parameters.structs(name):
        key = item.text("Key") or item.text("key")
        value = item.text("Value") or item.text("value")
        if not key:
            if value:
                raise missing_parameter(item.name("Key"))
            continue
        wanted.append((key, value or None))
    if len(wanted) > MAX_TAGS:
        raise ApiError(
            "InvalidTagCount", f"The number of specified tags exceeds the limit of {MAX_TAGS}."
        )
    return wanted


def has_tags(tags: Mapping[str, str], wanted: list[tuple[str, str | None]]) -> bool:
    """Return whether all tags asked for are there."""
    return all(key in tags and value in (None, tags[key]) for key, value in wanted)


def matches(pattern: str, name: str) -> bool:
    """Return whether a name matches a pattern in which ``*`` stands for any characters."""
    if "*" not in pattern:
        return pattern == name
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(expression, name, re.DOTALL) is not None
