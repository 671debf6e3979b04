"""Dataclasses whose fields say where a document has their values."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from ecsmachine.documents.fields import Fields
from ecsmachine.documents.rules import LINE, PROSE, Rule

T = TypeVar("T")


@dataclass(frozen=True)
class At:
    """Where the value of a field is, and what is true of it: ``Annotated[str, At("VpcId", ID)]``.

    ``path`` is its name, after those of the objects that it lies in, with points between them. A
    text that has to be there is ``required``; of another, the default is that of the field. A
    value that is found in no single place has a function in the place of this.
    """

    path: str
    rule: Rule = LINE
    required: bool = False


Place = At | Callable[[Fields], Any]


def all_fields(fields: Fields) -> Mapping[str, Any]:
    """Return all that an object holds, also what is not known."""
    return fields.values


def read(kind: type[T], fields: Fields, **others: Any) -> T:
    """Return what an object of a document tells, as the dataclass ``kind``.

    ``others`` are the values of fields that do not say where they are. Raises the fault of
    ``fields``.
    """
    places = _places(kind)  # type: ignore[arg-type]  # every class can be hashed
    values = {n: _value(fields, *place) for n, place in places.items() if n not in others}
    return kind(**values, **others)


@cache
def _places(kind: type[Any]) -> dict[str, tuple[Place, Any, Any]]:
    """Return of each field that says so where it is, its type and its default."""
    hints = get_type_hints(kind, include_extras=True)
    defaults = {
        each.name: None if each.default is MISSING else each.default
        for each in dataclasses.fields(kind)
    }
    return {
        name: (hint.__metadata__[0], hint.__origin__, defaults[name])
        for name, hint in hints.items()
        if get_origin(hint) is Annotated
    }


def _value(fields: Fields, at: Place, kind: Any, default: Any) -> Any:
    if not isinstance(at, At):
        return at(fields)
    *objects, name = at.path.split(".")
    for each in objects:
        fields = fields.object(each)
    if kind is bool:
        return fields.flag(name)
    if kind is int:
        return fields.number(name, default or 0)
    if kind is float:
        return fields.decimal(name)
    if get_origin(kind) is tuple:
        return tuple(fields.texts(name, rule=at.rule))
    if get_origin(kind) is Mapping:
        texts = get_args(kind)[1] is str
        return fields.mapping(name, at.rule) if texts else fields.object(name).values
    if at.rule is PROSE:
        return fields.prose(name)
    if at.required:
        return fields.required(name, at.rule)
    return fields.text(name, at.rule, default or "")
