"""Whoever called the program wrongly is told what to do."""

from __future__ import annotations

import ast
from pathlib import Path

import ecsmachine

PACKAGE = Path(ecsmachine.__file__).parent

SAID_BY_THE_LINE = {"cli/display/go_template_syntax.py"}
"""Files whose errors say where in the text something is wrong: that is what to correct."""


def test_every_usage_error_has_a_hint() -> None:
    without = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "UsageError"
        and not any(keyword.arg == "hint" for keyword in node.keywords)
        and str(path.relative_to(PACKAGE)) not in SAID_BY_THE_LINE
    ]
    assert without == []
