"""The text of a template: YAML as Compose reads it, and variables."""

from __future__ import annotations

import time

import pytest

from ecsmachine.compose.loading import Variables, load
from ecsmachine.compose.values import TemplateError


def test_numbers_and_truth_are_those_of_compose() -> None:
    text = "{ports: [22:22, 80], restart: no, on: yes, day: 2020-01-01, flag: true, size: 1.5, x: }"
    assert load(text) == {
        "ports": ["22:22", 80],
        "restart": "no",
        "on": "yes",
        "day": "2020-01-01",
        "flag": True,
        "size": 1.5,
        "x": None,
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: {image: x}\na: {image: y}", r"a appears twice \(line 2\)"),
        ("a:\n  ports: ['1']\n  ports: ['2']", r"ports appears twice \(line 3\)"),
        ("a: [", "it is not YAML: .* in line 1"),
        ("- a", "it is not an object"),
    ],
)
def test_nothing_is_lost_between_two_of_a_name(text: str, said: str) -> None:
    with pytest.raises(TemplateError, match=said):
        load(text)


@pytest.mark.parametrize(
    "text",
    [
        f"a: &a {{{', '.join(f'k{n}: 1' for n in range(6000))}}}\n"
        + "\n".join(f"b{n}: {{<<: *a}}" for n in range(6000)),
        f"a: &a '{'$$' * 50_000}'\nb: [{'*a,' * 35_000}]",
        f"a: &a {{? '{'k' * 100_000}' : 1}}\nb: [{'*a,' * 20_000}]",
    ],
    ids=["merged often", "texts", "keys"],
)
def test_aliases_do_not_stand_for_gigabytes(text: str) -> None:
    begun = time.process_time()
    with pytest.raises(TemplateError, match="it has too many values"):
        Variables({}).fill(load(text))
    assert time.process_time() - begun < 10


def test_a_merge_may_be_written_over() -> None:
    assert load("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}")["y"] == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("$A-${A}", "1-1"),
        ("$$A", "$A"),
        ("${E-d} ${E:-d} ${NONE-d} ${NONE:-d}", " d d d"),
        ("${A+alt} ${E+alt} ${E:+alt} ${NONE+alt}", "alt alt  "),
        ("${NONE:-${A}-${E:-x}}", "1-x"),
        ("${A:?needed}", "1"),
    ],
)
def test_variables(text: str, filled: str) -> None:
    variables = Variables({"A": "1", "E": ""})
    assert variables.fill({"k": [text]}) == {"k": [filled]}
    assert not variables.missing


@pytest.mark.parametrize(
    "text",
    ["$", "a $ b", "${A", "${}", "${A*b}", "${NONE:?}", "${E:?why}", "${A:-" * 40_000],
    ids=lambda text: text[:20],
)
def test_what_is_no_variable_is_refused(text: str) -> None:
    with pytest.raises(TemplateError, match=r"^.{,600}$"):
        Variables({"A": "1", "E": ""}).fill(text)


def test_a_variable_without_a_value_is_told() -> None:
    variables = Variables({})
    assert variables.fill("a$TAG") == "a"
    assert list(variables.missing) == ["TAG"]
