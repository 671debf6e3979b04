from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.names import matches
from ecsmachine.localcloud.protocol.paging import page, page_by_number, page_by_token
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.state.tagging import has_tags, tag_filter


def code_of(function: Callable[[], Any]) -> str:
    with pytest.raises(ApiError) as caught:
        function()
    return caught.value.code


def test_an_empty_value_is_not_given() -> None:
    parameters = Parameters({"A": "", "B": "x"})
    assert not parameters.given("A")
    assert parameters.text("A", "default") == "default"
    assert code_of(lambda: parameters.require("A")) == "MissingParameter"
    assert parameters.require("B") == "x"


@pytest.mark.parametrize("text", ["1.5", "x", "1e3", "٣", "9" * 30, "+1", " 1"])
def test_what_is_no_whole_number(text: str) -> None:
    assert code_of(lambda: Parameters({"N": text}).integer("N")) == "InvalidParameter"


def test_ranges_of_numbers() -> None:
    parameters = Parameters({"N": "101"})
    assert parameters.integer("N", most=101) == 101
    assert code_of(lambda: parameters.integer("N", most=100)) == "InvalidParameter"
    error = ApiError("Mine", "text")
    assert code_of(lambda: parameters.integer("N", least=102, error=error)) == "Mine"
    assert parameters.integer("M", 7) == 7


@pytest.mark.parametrize(("text", "value"), [("true", True), ("True", True), ("FALSE", False)])
def test_truth(text: str, value: bool) -> None:
    assert Parameters({"B": text}).boolean("B") is value
    assert code_of(lambda: Parameters({"B": "yes"}).boolean("B")) == "InvalidParameter"


def test_lists_are_in_the_order_of_their_numbers() -> None:
    parameters = Parameters({"Id.10": "c", "Id.2": "b", "Id.1": "a", "Id.x": "no", "Id.3": ""})
    assert parameters.listed("Id") == ["a", "b", "c"]
    assert code_of(lambda: parameters.listed("Id", most=2)) == "InvalidParameter"


def test_structures() -> None:
    parameters = Parameters({"Disk.1.Size": "20", "Disk.2.Size": "30", "System.Size": "40"})
    assert [disk.integer("Size") for disk in parameters.structs("Disk")] == [20, 30]
    assert parameters.struct("System").integer("Size") == 40
    with pytest.raises(ApiError, match=r"Disk\.1\.Category"):
        parameters.structs("Disk")[0].require("Category")


@pytest.mark.parametrize("text", ["i-1", "{}", "[1]", '["a"', '"a"'])
def test_what_is_no_list_in_json(text: str) -> None:
    assert code_of(lambda: Parameters({"Ids": text}).json_list("Ids")) == "InvalidParameter"


def test_json_lists() -> None:
    assert Parameters({}).json_list("Ids") is None
    assert Parameters({"Ids": "[]"}).json_list("Ids") == []
    assert Parameters({"Ids": '["a", "b"]'}).json_list("Ids") == ["a", "b"]


def test_pages_by_number() -> None:
    items = list(range(25))
    part, fields = page_by_number(Parameters({"PageNumber": "3"}), items)
    assert list(part) == [20, 21, 22, 23, 24]
    assert fields == {"TotalCount": 25, "PageNumber": 3, "PageSize": 10}
    part, _ = page_by_number(Parameters({"PageNumber": "4"}), items)
    assert list(part) == []


@pytest.mark.parametrize("bad", [{"PageNumber": "0"}, {"PageSize": "0"}, {"PageSize": "101"}])
def test_pages_that_cannot_be(bad: dict[str, str]) -> None:
    assert code_of(lambda: page_by_number(Parameters(bad), [1])) == "InvalidParameter"


def test_pages_by_token_reach_every_item_once() -> None:
    items = list(range(25))
    seen: list[int] = []
    token = ""
    while True:
        part, fields = page(Parameters({"MaxResults": "10", "NextToken": token}), items)
        seen += part
        token = fields["NextToken"]
        if not token:
            break
    assert seen == items


@pytest.mark.parametrize("token", ["%%%", "é", "b2Zmc2V0Og==", "b2Zmc2V0OsKy", "Zm9vOjE="])
def test_a_token_of_somebody_else(token: str) -> None:
    parameters = Parameters({"NextToken": token})
    assert code_of(lambda: page_by_token(parameters, [1, 2])) == "InvalidParameter"


def test_tag_filters() -> None:
    wanted = tag_filter(Parameters({"Tag.1.Key": "a", "Tag.1.Value": "1", "Tag.2.Key": "b"}))
    assert has_tags({"a": "1", "b": "anything"}, wanted)
    assert not has_tags({"a": "2", "b": "anything"}, wanted)
    assert not has_tags({"a": "1"}, wanted)


@pytest.mark.parametrize(
    ("pattern", "name", "result"),
    [
        ("web", "web", True),
        ("web", "web1", False),
        ("web*", "web1", True),
        ("*eb*", "web1", True),
        ("w.b", "web", False),
        ("*", "", True),
        ("ab*ba", "aba", False),
        ("a*b*c", "a-b-b-c", True),
        ("a*bb*bc", "a-bb-c", False),
        ("**\n", "a\n", True),
        ("*a" * 60 + "*b", "a" * 128, False),  # not all that each star may stand for is tried
    ],
)
def test_names_with_stars(pattern: str, name: str, result: bool) -> None:
    assert matches(pattern, name) is result
