"""Frozen dataclasses to JSON text and back, by their type hints."""

from __future__ import annotations

import dataclasses
import json
import types
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


def dump(value: Any) -> str:
    """Return a dataclass as JSON text."""
    return json.dumps(dataclasses.asdict(value), separators=(",", ":"), ensure_ascii=False)


def load(kind: type[T], text: str) -> T:
    """Return the ``kind`` that ``text`` holds; fields it lacks get their defaults."""
    value: T = _build(kind, json.loads(text))
    return value


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)


def _build(kind: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        return kind(**{k: _build(hints[k], v) for k, v in value.items() if k in hints})
    origin = get_origin(kind)
    if origin is tuple:
        return tuple(_build(get_args(kind)[0], item) for item in value)
    if origin is dict:
        return dict(value)
    if origin is types.UnionType:
        inner = next(a for a in get_args(kind) if a is not type(None))
        return None if value is None else _build(inner, value)
    return value
