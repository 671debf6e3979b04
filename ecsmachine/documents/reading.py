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


Reader = Callable[[Fields], Any]
Place = At | Reader


def all_fields(fields: Fields) -> Mapping[str, Any]:
    """Return all that an object holds, also what is not known."""
    return fields.values


def read(kind: type[T], fields: Fields, **others: Any) -> T:
    """Return what an object of a document tells, as the dataclass ``kind``.

    ``others`` are the values of fields that do not say where they are. Raises the fault of
    ``fields``.
    """
    readers = _readers(kind)  # type: ignore[arg-type]  # every class can be hashed
    values = {name: reader(fields) for name, reader in readers.items() if name not in others}
    return kind(**values, **others)


@cache
def _readers(kind: type[Any]) -> dict[str, Reader]:
    """Return what reads each field that says where it is."""
    hints = get_type_hints(kind, include_extras=True)
    defaults = {
        each.name: None if each.default is MISSING else each.default
        for each in dataclasses.fields(kind)
    }
    return {
        name: _reader(hint.__metadata__[0], hint.__origin__, defaults[name])
        for name, hint in hints.items()
        if get_origin(hint) is Annotated
    }


def _reader(at: Place, kind: Any, default: Any) -> Reader:
    if not isinstance(at, At):
        return at
    *objects, name = at.path.split(".")
    read_it = _reader_of(name, at, kind, default)
    if not objects:
        return read_it

    def read_below(fields: Fields) -> Any:
        for each in objects:
            fields = fields.object(each)
        return read_it(fields)

    return read_below


def _reader_of(name: str, at: At, kind: Any, default: Any) -> Reader:
    rule = at.rule
    if kind is bool:
        return lambda fields: fields.flag(name)
    if kind is int:
        return lambda fields: fields.number(name, default or 0)
    if kind is float:
        return lambda fields: fields.decimal(name)
    if get_origin(kind) is tuple:
        return lambda fields: tuple(fields.texts(name, rule=rule))
    if get_origin(kind) is Mapping:
        if get_args(kind)[1] is str:
            return lambda fields: fields.mapping(name, rule)
        return lambda fields: fields.object(name).values
    if rule is PROSE:
        return lambda fields: fields.prose(name)
    if at.required:
        return lambda fields: fields.required(name, rule)
    return lambda fields: fields.text(name, rule, default or "")
