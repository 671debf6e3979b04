from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.wire import (
    Rendered,
    answer_format,
    encode,
    parse_body,
    parse_query,
)

ANSWER = {
    "RequestId": "R",
    "Count": 2,
    "Flag": True,
    "Empty": "",
    "Ids": {"Id": ["a", "b"]},
    "Things": {"Thing": [{"Name": "<x> & y"}, Rendered({"Name": "杭州"})]},
}


def test_json() -> None:
    assert json.loads(encode(ANSWER, "JSON", "XResponse")) == ANSWER


def test_xml() -> None:
    root = ElementTree.fromstring(encode(ANSWER, "XML", "XResponse"))
    assert root.tag == "XResponse"
    assert root.findtext("Count") == "2"
    assert root.findtext("Flag") == "true"
    assert root.findtext("Empty") == ""
    assert [item.text for item in root.findall("Ids/Id")] == ["a", "b"]
    assert [item.text for item in root.findall("Things/Thing/Name")] == ["<x> & y", "杭州"]


def test_xml_leaves_out_what_it_cannot_hold() -> None:
    root = ElementTree.fromstring(encode({"A": "x\x00\x1by\nz"}, "XML", "R"))
    assert root.findtext("A") == "xy\nz"


@pytest.mark.parametrize(
    ("asked", "form"), [("", "XML"), ("JSON", "JSON"), ("json", "JSON"), ("XML", "XML")]
)
def test_format(asked: str, form: str) -> None:
    assert answer_format(asked) == form


def test_a_query_is_decoded() -> None:
    assert parse_query("A=a%20b&B=&C=%E6%9D%AD") == [("A", "a b"), ("B", ""), ("C", "杭")]
    with pytest.raises(ApiError, match="UTF-8"):
        parse_query("A=%ff")


def test_a_request_has_few_parameters_with_short_names() -> None:
    assert len(parse_query("&".join(f"A.{number}=" for number in range(2000)))) == 2000
    for query in ("&" * 46_000, f"{'A' * 201}=x", f"A{'.1' * 8}=x"):
        with pytest.raises(ApiError, match="InvalidParameter"):
            parse_query(query)


def test_only_a_form_is_read_as_parameters() -> None:
    form = "application/x-www-form-urlencoded; charset=utf-8"
    assert parse_body(b"A=1", form) == [("A", "1")]
    assert parse_body(b'{"A": 1}', "application/json") == []
