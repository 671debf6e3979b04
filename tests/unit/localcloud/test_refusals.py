"""A refusal stands once in the local cloud: no code and message are written a second time."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

import ecsmachine
from ecsmachine.localcloud.protocol import refusals

LOCAL_CLOUD = Path(ecsmachine.__file__).parent / "localcloud"


@cache
def parsed() -> list[tuple[str, ast.Module]]:
    """Return the modules of the local cloud, each parsed once."""
    return [(path.name, ast.parse(path.read_text())) for path in LOCAL_CLOUD.rglob("*.py")]


def written_refusals() -> dict[tuple[str, str], list[str]]:
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path, tree in parsed():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("ApiError", "Refusal")
                and isinstance(node.args[0], ast.Constant | ast.JoinedStr)
                and len(node.args) > 1
            ):
                code, message = (ast.unparse(each) for each in node.args[:2])
                places[code, message].append(f"{path}:{node.lineno}")
    return places


def test_no_refusal_is_written_twice() -> None:
    written = written_refusals()
    assert len(written) > 50
    assert {pair: places for pair, places in written.items() if len(places) > 1} == {}


def named_codes() -> set[str]:
    """Return the codes whose message is that of the table."""
    codes = set()
    for _, tree in parsed():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and len(node.args) == 1:
                name = ast.unparse(node.func)
                if name in ("Refusal", "refusals.of") and isinstance(node.args[0], ast.Constant):
                    codes.add(str(node.args[0].value))
    return codes


def test_every_code_has_its_line_in_the_table_and_no_line_stands_alone() -> None:
    lines = (LOCAL_CLOUD / "protocol" / "refusals.txt").read_text().splitlines()
    assert lines == sorted(lines)
    assert len(lines) == len(refusals.known())
    named = named_codes()
    assert named <= refusals.known().keys()
    only_by_fault = refusals.known().keys() - named
    assert len(only_by_fault) < 12
    assert all(100 < status < 600 and text for status, text in refusals.known().values())
