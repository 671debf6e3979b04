from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ecsmachine.localcloud.actions.call import Call
from ecsmachine.localcloud.actions.listing import (
    Filter,
    Listing,
    at_least,
    at_most,
    contains,
    equals,
    is_true,
    like,
    never,
    one_of,
    times_between,
)
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.parameters import Parameters


@dataclass(frozen=True)
class Row:
    id: str
    size: int
    big: bool
    parts: tuple[str, ...]
    created: str


ROWS = (
    Row("web-1", 1, False, ("a",), "2024-05-01T08:00:00Z"),
    Row("web-2", 2, True, ("a", "b"), "2024-06-01T08:00:00Z"),
)


def listing(*filters: Filter[Row]) -> Listing[Row]:
    return Listing(Row, "Rows.Row", lambda call: ROWS, lambda call, row: {"Id": row.id}, filters)


def call(**values: str) -> Call:
    named = {name.replace("_", "."): value for name, value in values.items()}
    return cast(Call, SimpleNamespace(parameters=Parameters(named)))


def chosen(one: Filter[Any], **values: str) -> list[str]:
    return [row.id for row in listing(one).choose(call(**values))]


@pytest.mark.parametrize(
    ("one", "values", "found"),
    [
        (equals("Id", "id"), {"Id": "web-1"}, ["web-1"]),
        (equals("Id", "id", everything="all"), {"Id": "all"}, ["web-1", "web-2"]),
        (equals("Id", "id", spelled=str.lower), {"Id": "WEB-2"}, ["web-2"]),
        (equals("Size", lambda call, row: str(row.size)), {"Size": "2"}, ["web-2"]),
        (one_of("Ids", "id", Parameters.json_list), {"Ids": '["web-2"]'}, ["web-2"]),
        (one_of("Ids", "id", Parameters.json_list), {"Ids": "[]"}, []),
        (one_of("Id", "id", Parameters.listed), {"Id_2": "web-1"}, ["web-1"]),
        (one_of("Id", "id", Parameters.separated), {"Id": "web-1, x"}, ["web-1"]),
        (like("Id", "id"), {"Id": "*-1"}, ["web-1"]),
        (contains("Part", "parts"), {"Part": "b"}, ["web-2"]),
        (is_true("Big", "big"), {"Big": "false"}, ["web-1"]),
        (at_least("Least", "size"), {"Least": "2"}, ["web-2"]),
        (at_most("Most", "size"), {"Most": "1"}, ["web-1"]),
        (never("LockReason"), {"LockReason": "x"}, []),
        (
            times_between(Creation="created"),
            {"Filter_1_Key": "CreationEndTime", "Filter_1_Value": "2024-05-02T00:00Z"},
            ["web-1"],
        ),
    ],
)
def test_a_filter(one: Filter[Row], values: dict[str, str], found: list[str]) -> None:
    assert chosen(one, **values) == found
    assert chosen(one) == ["web-1", "web-2"]


def test_a_value_that_there_is_not_is_refused() -> None:
    one: Filter[Row] = equals(
        "Id", "id", among=("web-1",), error=lambda name: ApiError(f"Invalid{name}", "No such id.")
    )
    with pytest.raises(ApiError, match="InvalidId"):
        chosen(one, Id="web-3")


def test_an_answer_is_a_page() -> None:
    answer = listing(equals("Id", "id")).answer(call(PageSize="1", PageNumber="2"))
    assert answer["TotalCount"] == 2
    assert answer["Rows"] == {"Row": [{"Id": "web-2"}]}


def test_a_field_that_there_is_not_is_found_out_at_once() -> None:
    with pytest.raises(TypeError, match="Row has no field nmae"):
        listing(equals("Name", "nmae"))
