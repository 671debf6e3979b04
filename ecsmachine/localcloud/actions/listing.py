"""Listings declared as tables: the resources of a Describe action, its filters and its view.

A complete action is this, and ``"DescribeVpcs": networks.VPCS.answer`` in the table of actions::

    VPCS = Listing(
        Vpc,
        "Vpcs.Vpc",
        newest(lambda state: state.vpcs),
        _vpc,
        (
            one_of("VpcId", "id", Parameters.separated, most=20),
            equals("VpcName", "name"),
            is_true("IsDefault", "is_default"),
            tagged("vpc"),
        ),
        most=50,
    )

A filter names the parameters that it reads, and a field of the resource, or a function
``(call, resource) -> value`` if the value is not one of its fields. A filter without its parameter
passes everything. If no function here fits, write a separate :class:`Filter`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.protocol import clock, refusals
from ecsmachine.localcloud.protocol.errors import ApiError, invalid_parameter
from ecsmachine.localcloud.protocol.names import matches
from ecsmachine.localcloud.protocol.paging import page_by_number
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.state.tables import OfRegion, ResourceTable
from ecsmachine.localcloud.state.tagging import has_tags, resource_tags, tag_filter

T = TypeVar("T")
R = TypeVar("R", bound=OfRegion)

Field = str | Callable[[Call, T], Any]
"""A field of a resource, or a function that computes a value from it."""
Test = Callable[[T], bool]
Several = Callable[..., Sequence[str] | None]
"""How several values are given: ``Parameters.listed``, ``.json_list`` or ``.separated``."""


@dataclass(frozen=True)
class Filter(Generic[T]):
    """A filter by one or more parameters of a request.

    ``test`` reads them and returns the test of a resource, or None if they are not given; it raises
    refusals for invalid values. ``field`` is the tested field.
    """

    names: tuple[str, ...]
    test: Callable[[Call], Test[T] | None]
    field: Field[T] = ""


@dataclass(frozen=True)
class Listing(Generic[T]):
    """The listing of a Describe action.

    ``path`` is the place of the resources in the answer (``Vpcs.Vpc``), ``rows`` the resources in
    the region of the request, in order, and ``view`` the answer for one resource. ``size`` and
    ``most`` are the default and the largest page size.
    """

    kind: type[T]
    path: str
    rows: Callable[[Call], Iterable[T]]
    view: Callable[[Call, T], Mapping[str, Any]]
    filters: Sequence[Filter[T]]
    paging: Callable[..., tuple[Sequence[Any], dict[str, Any]]] = page_by_number
    size: int = 10
    most: int = 100

    def __post_init__(self) -> None:
        for each in self.filters:
            names = getattr(self.kind, "__dataclass_fields__", ())
            if isinstance(each.field, str) and each.field not in ("", *names):
                raise TypeError(f"{self.kind.__name__} has no field {each.field}")

    def choose(self, call: Call) -> list[T]:
        """Return the answer to the request; raises the refusals of its filters."""
        rows = self.rows(call)
        tests = [test for each in self.filters if (test := each.test(call)) is not None]
        return [row for row in rows if all(test(row) for test in tests)]

    def answer(self, call: Call) -> Answer:
        """Return the page of it that the request asks for."""
        found = self.choose(call)
        part, fields = self.paging(call.parameters, found, size=self.size, most=self.most)
        return {**fields, **_nested(self.path, [self.view(call, row) for row in part])}


def newest(table: Callable[[State], ResourceTable[R]]) -> Callable[[Call], list[R]]:
    """Return the rows of a table in the region of a request, newest first."""
    return lambda call: table(call.state).in_region(call.region_id)[::-1]


def oldest(table: Callable[[State], ResourceTable[R]]) -> Callable[[Call], list[R]]:
    """Return the rows of a table in the region of a request, oldest first."""
    return lambda call: table(call.state).in_region(call.region_id)


def equals(
    name: str,
    field: Field[T],
    among: tuple[str, ...] = (),
    error: Refusal | Callable[[str], ApiError] = invalid_parameter,
    *,
    everything: str = "",
    spelled: Callable[[str], str] = str,
) -> Filter[T]:
    """The value is this one; for none of ``among``, raises ``error``, which may be told the name.

    ``everything`` is a value that matches everything. ``spelled`` converts the requested value to
    the field's spelling.
    """

    def test(call: Call) -> Test[T] | None:
        value = spelled(call.parameters.text(name))
        if among and value not in ("", *among):
            raise error() if isinstance(error, Refusal) else error(name)
        return (
            None
            if value in ("", everything)
            else _field_test(call, field, lambda its: its == value)
        )

    return Filter((name,), test, field)


def one_of(name: str, field: Field[T], given_as: Several, *, most: int = 100) -> Filter[T]:
    """The value is one of several; more than ``most`` are refused."""

    def test(call: Call) -> Test[T] | None:
        values = given_as(call.parameters, name, most=most)
        # An empty JSON list is given and holds nothing; the other ways cannot say so.
        if values is None or (not values and given_as is not Parameters.json_list):
            return None
        return _field_test(call, field, frozenset(values).__contains__)

    return Filter((name,), test, field)


def like(name: str, field: Field[T]) -> Filter[T]:
    """The value is like this one, in which ``*`` stands for any characters."""
    return _compared(name, field, Parameters.text, matches)


def contains(name: str, field: Field[T]) -> Filter[T]:
    """The value is among those of the field."""
    return _compared(name, field, Parameters.text, lambda value, its: value in its)


def is_true(name: str, field: Field[T]) -> Filter[T]:
    """The field is true, or false, as the parameter is."""
    return _compared(name, field, Parameters.boolean, lambda wanted, its: bool(its) == wanted)


def at_least(name: str, field: Field[T]) -> Filter[T]:
    """The value is this number or more."""
    return _compared(name, field, Parameters.number, operator.le)


def at_most(name: str, field: Field[T]) -> Filter[T]:
    """The value is this number or less."""
    return _compared(name, field, Parameters.number, operator.ge)


def _compared(
    name: str,
    field: Field[T],
    read: Callable[[Parameters, str], Any],
    passes: Callable[[Any, Any], bool],
) -> Filter[T]:
    """The value of the parameter, as it is read, and the field pass together."""

    def test(call: Call) -> Test[T] | None:
        if not call.parameters.given(name):
            return None
        wanted = read(call.parameters, name)
        return _field_test(call, field, lambda its: passes(wanted, its))

    return Filter((name,), test, field)


def times_between(*, other_keys: tuple[str, ...] = (), **fields: str) -> Filter[Any]:
    """Times are between those of ``Filter.N``: ``CreationStartTime`` and ``CreationEndTime``.

    ``fields`` are the fields of the resource by the word that the keys begin with; ``other_keys``
    are those that another filter reads.
    """
    ends = {f"{word}StartTime": (field, math.inf) for word, field in fields.items()}
    ends |= {f"{word}EndTime": (field, -math.inf) for word, field in fields.items()}

    def test(call: Call) -> Test[Any] | None:
        between = []
        for item in call.parameters.structs("Filter"):
            key = item.text("Key")
            if key in other_keys:
                continue
            if key and key not in ends:
                raise refusals.of("InvalidFilterKey.NotFound")
            at = item.time("Value", error=refusals.of("InvalidFilterValue"))
            if key and at is not None:
                field, other = ends[key]
                between.append((field, min(at, other), max(at, other)))
        if not between:
            return None
        return lambda row: all(
            start <= clock.parse(getattr(row, field)) <= end for field, start, end in between
        )

    return Filter(("Filter",), test)


def always(name: str, value: str, *choices: Any, **how: Any) -> Filter[Any]:
    """Every resource has this value: any other value matches nothing. Else as :func:`equals`."""
    return equals(name, lambda call, row: value, *choices, **how)


def never(*names: str) -> Filter[Any]:
    """No resource has anything of the kind: asked for by it, none is found."""

    def test(call: Call) -> Test[Any] | None:
        given = any(call.parameters.given(n) or call.parameters.listed(n) for n in names)
        return (lambda row: False) if given else None

    return Filter(names, test)


def never_true(name: str) -> Filter[Any]:
    """No resource is so: asked for with ``true``, none is found."""
    return is_true(name, lambda call, row: False)


def tagged(kind: str, key: str = "id", *, name: str = "Tag") -> Filter[Any]:
    """It has all the tags of ``Tag.N.Key`` and ``Tag.N.Value``.

    ``kind`` is its name in TagResources, and ``key`` the field of the id that its tags are kept by.
    """

    def test(call: Call) -> Test[Any] | None:
        wanted = tag_filter(call.parameters, name)
        if not wanted:
            return None
        return lambda row: has_tags(resource_tags(call.state, kind, getattr(row, key)), wanted)

    return Filter((name,), test, key)


def _field_test(call: Call, field: Field[T], passes: Callable[[Any], bool]) -> Test[T]:
    if isinstance(field, str):
        return lambda row: passes(getattr(row, field))
    return lambda row: passes(field(call, row))


def _nested(path: str, value: Any) -> Answer:
    for name in reversed(path.split(".")):
        value = {name: value}
    answer: Answer = value
    return answer
