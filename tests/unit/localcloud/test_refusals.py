"""A refusal stands once in the local cloud: no code and message are written a second time."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import ecsmachine

LOCAL_CLOUD = Path(ecsmachine.__file__).parent / "localcloud"


def written_refusals() -> dict[tuple[str, str], list[str]]:
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in LOCAL_CLOUD.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("ApiError", "Refusal")
                and isinstance(node.args[0], ast.Constant | ast.JoinedStr)
            ):
                code, message = (ast.unparse(each) for each in node.args[:2])
                places[code, message].append(f"{path.name}:{node.lineno}")
    return places


def test_no_refusal_is_written_twice() -> None:
    written = written_refusals()
    assert len(written) > 100
    assert {pair: places for pair, places in written.items() if len(places) > 1} == {}
