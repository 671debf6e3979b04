"""How Go's fmt package shows values: ``map[a:1 b:[x y]]``, ``<nil>``, and ``printf``'s verbs.

Source: the package documentation of Go's fmt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_VERB = re.compile(r"%([-+# 0]*)(\d{0,6})((?:\.\d{0,6})?)(.?)", re.DOTALL)
_TYPE_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "bool"),
    (int, "int"),
    (float, "float64"),
    (str, "string"),
    (list, "[]interface {}"),
    (Mapping, "map[string]interface {}"),
)
_PYTHON_VERBS = {"string": "s", "int": "dxXo", "float64": "eEfFgG"}
"""The verbs that mean the same in Python's ``%``, by the type that they fit."""


def value_text(value: Any) -> str:
    """Return a value as Go's ``%v`` shows it."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{key}:{value_text(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(value_text, value))}]"
    return str(value)


def type_name(value: Any) -> str:
    """Return what Go calls the type of a value."""
    return next((name for kind, name in _TYPE_NAMES if isinstance(value, kind)), "<nil>")


def print_text(*values: Any) -> str:
    """Return what Go's ``Sprint`` does: a blank between two values that are both no strings."""
    text = ""
    for position, value in enumerate(values):
        if position and not isinstance(value, str) and not isinstance(values[position - 1], str):
            text += " "
        text += value_text(value)
    return text


def println_text(*values: Any) -> str:
    """Return what Go's ``Sprintln`` does: blanks between, and a newline."""
    return " ".join(map(value_text, values)) + "\n"


def printf_text(form: str, *values: Any) -> str:
    """Return what Go's ``Sprintf`` does; mistakes are shown in the text, as Go shows them."""
    rest = list(values)

    def show(match: re.Match[str]) -> str:
        flags, width, precision, verb = match.groups()
        if verb in ("%", ""):
            return "%" if verb else "%!(NOVERB)"
        if not rest:
            return f"%!{verb}(MISSING)"
        value = rest.pop(0)
        if verb in "vT":
            value, verb = value_text(value) if verb == "v" else type_name(value), "s"
        elif verb == "q" and isinstance(value, str):
            value, verb = json.dumps(value, ensure_ascii=False), "s"
        elif verb == "t" and isinstance(value, bool):
            value, verb = value_text(value), "s"
        elif verb not in _PYTHON_VERBS.get(type_name(value), ""):
            return f"%!{verb}({_typed(value)})"
        return str(f"%{flags}{width}{precision}{verb}" % value)

    text = _VERB.sub(show, form)
    return text + (f"%!(EXTRA {', '.join(map(_typed, rest))})" if rest else "")


def _typed(value: Any) -> str:
    return "<nil>" if value is None else f"{type_name(value)}={value_text(value)}"


def _float_text(value: float) -> str:
    """Return the shortest form of a float; from 1e+21 on it has an exponent, as in Go."""
    text = repr(value)
    exponent = text.partition("e")[2]
    if exponent and 0 < int(exponent) < 21:
        return f"{value:.0f}"
    return text.replace("inf", "+Inf").replace("-+", "-").replace("nan", "NaN").removesuffix(".0")
