"""Reading answers: a value that is missing or of another kind is an error that names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecsmachine.errors import MachineError


def mapping(value: Any, what: str) -> Mapping[str, Any]:
    """Return an object of an answer. Raises :class:`MachineError` for anything else."""
    if not isinstance(value, Mapping):
        raise _unexpected(what)
    return value


def array(value: Any, what: str) -> list[Any]:
    """Return an array of an answer. Raises :class:`MachineError` for anything else."""
    if not isinstance(value, list):
        raise _unexpected(what)
    return value


def required(data: Mapping[str, Any], name: str, what: str) -> str:
    """Return a text that every answer of its kind has."""
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise _unexpected(f"{what} (its {name} is missing)")
    return value


def text(data: Mapping[str, Any], name: str) -> str:
    """Return a text, "" where there is none."""
    value = data.get(name)
    return "" if value is None else str(value)


def number(data: Mapping[str, Any], name: str, what: str) -> int:
    """Return a whole number, which may come as a text; 0 where there is none."""
    value = data.get(name)
    if value in (None, ""):
        return 0
    try:
        return int(value)
    except (TypeError, ValueError):
        raise _unexpected(f"{what} (its {name} is no number)") from None


def _unexpected(what: str) -> MachineError:
    return MachineError(
        f"The answer of Container Service is not {what}",
        hint="Check the endpoint: something else may answer there.",
    )
