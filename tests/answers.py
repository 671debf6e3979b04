"""Lists in the raw answers of a cloud, for tests that look at it by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def items_at(answer: Mapping[str, Any], *path: str) -> list[Any]:
    """Return the list at ``path`` of an answer; an absent one is empty."""
    value: Any = answer
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, list) else []
