"""The functions that a ``--format`` template may call.

Those of Go's text/template that make sense on plain data, and those that Docker's templates
add: ``json``, ``prettyjson``, ``upper``, ``lower``, ``title``, ``join``, ``split``.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from ecsmachine.suggestions import did_you_mean

_VERB = re.compile(
    r"%([-+# 0]*)(\*|\d{0,6})((?:\.(?:\*|\d{0,6}))?)(?:\[(\d{1,4})\])?(.?)", re.DOTALL
)
_TYPE_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "bool"),
    (int, "int"),
    (float, "float64"),
    (str, "string"),
    (list, "[]interface {}"),
    (Mapping, "map[string]interface {}"),
)
_GO_NAMES = {"DNS": "Dns", "TLSVerify": "TlsVerify"}
"""The fields of Docker Machine's structs that its JSON calls otherwise."""

_PYTHON_VERBS = {"string": "s", "int": "dxXoeEfFgG", "float64": "eEfFgG"}
"""The verbs that mean the same in Python's ``%``, by the type that they fit.

A whole number fits those of a float, too: all numbers of JSON are floats in Docker Machine's
``inspect``, whose users write ``printf "%.0f"`` for them.
"""


def value_text(value: Any) -> str:
    """Return a value as Go's ``%v`` shows it."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, Record):
        fields = ("[]" if each is None else value_text(each) for each in value.values())
        return f"{{{' '.join(fields)}}}"
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
    at, reordered = 0, False

    def star(text: str, mistake: str) -> tuple[str, str]:
        """Return a width or precision, ``*`` being the next value, and what is wrong with it."""
        nonlocal at
        if "*" not in text:
            return text, ""
        at += 1
        value: Any = values[at - 1] if at <= len(values) else None
        if type_name(value) != "int" or not 0 <= value < 10**6:
            return "", f"%!({mistake})"
        return text.replace("*", str(value)), ""

    def show(match: re.Match[str]) -> str:
        nonlocal at, reordered
        flags, width, precision, index, verb = match.groups()
        if verb in ("%", ""):
            return "%" if verb else "%!(NOVERB)"
        width, bad_width = star(width, "BADWIDTH")
        precision, bad_precision = star(precision, "BADPREC")
        mistakes = bad_width + bad_precision
        if index:
            at, reordered = int(index) - 1, True
            if not 0 <= at < len(values):
                return f"{mistakes}%!{verb}(BADINDEX)"
        if at >= len(values):
            return f"{mistakes}%!{verb}(MISSING)"
        at += 1
        return mistakes + _formatted(flags, f"{width}{precision}", verb, values[at - 1])

    text = _VERB.sub(show, form)
    rest = () if reordered else values[at:]
    return text + (f"%!(EXTRA {', '.join(map(_typed, rest))})" if rest else "")


def _formatted(flags: str, size: str, verb: str, value: Any) -> str:
    kind = type_name(value)
    if isinstance(value, list) and verb != "T":
        return f"[{' '.join(_formatted(flags, size, verb, each) for each in value)}]"
    if verb == "v" and "#" in flags and kind == "string":
        flags, verb = flags.replace("#", ""), "q"
    if verb in "vT":
        value, verb = value_text(value) if verb == "v" else kind, "s"
    elif verb == "q" and kind == "string":
        value, verb = json.dumps(value, ensure_ascii=False), "s"
    elif verb == "t" and kind == "bool":
        value, verb = value_text(value), "s"
    elif verb in "xX" and kind == "string":
        digits = value.encode().hex()
        value, verb = digits.upper() if verb == "X" else digits, "s"
    elif verb in "cqU" and kind == "int" and 0 <= value <= 0x10FFFF:
        character = chr(value)
        shown = {"c": character, "q": f"'{character}'", "U": f"U+{value:04X}"}
        value, verb = shown[verb], "s"
    elif verb not in _PYTHON_VERBS.get(kind, ""):
        return f"%!{verb}({_typed(value)})"
    return str(f"%{flags}{size}{verb}" % value)


def _typed(value: Any) -> str:
    return "<nil>" if value is None else f"{type_name(value)}={value_text(value)}"


def _float_text(value: float) -> str:
    """Return the shortest form of a float; from 1e+21 on it has an exponent, as in Go."""
    text = repr(value)
    exponent = text.partition("e")[2]
    if exponent and 0 < int(exponent) < 21:
        return f"{value:.0f}"
    return text.replace("inf", "+Inf").replace("-+", "-").replace("nan", "NaN").removesuffix(".0")


class TemplateError(Exception):
    """A template that is well-formed does not fit its data."""


class Record(dict[str, Any]):
    """A mapping whose fields are known, as of a struct in Go: any other is an error."""


def call(name: str, arguments: list[Any]) -> Any:
    """Call a function. Raises :class:`TemplateError` if the arguments do not fit."""
    function = FUNCTIONS[name]
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        raise TemplateError(f"wrong number of args for {name}: got {len(arguments)}") from None
    try:
        return function(*arguments)
    except TemplateError as error:
        raise TemplateError(f"error calling {name}: {error}") from None


def field(value: Any, name: str) -> Any:
    """Return ``value.name``; None if a mapping does not have it."""
    if value is None:
        return None
    if name == "String" and isinstance(value, str):  # Docker Machine's states have this method
        return str(value)
    methods = getattr(value, "methods", {})
    if name in methods:
        return methods[name]
    if isinstance(value, Record) and name not in value:
        name = _GO_NAMES.get(name, name)
    if not isinstance(value, Mapping) or (isinstance(value, Record) and name not in value):
        if not isinstance(value, Record):
            raise TemplateError(f"can't evaluate field {name} in type {type_name(value)}")
        meant = did_you_mean(name, value)
        known = f". {meant}" if meant else f"; it has {', '.join(value)}"
        raise TemplateError(f"can't evaluate field {name} in this record{known}")
    return value.get(name)


def json_text(value: Any) -> str:
    """Return compact JSON; the keys of mappings are sorted, those of a record are not."""
    return json.dumps(
        value, separators=(",", ":"), ensure_ascii=False, sort_keys=not isinstance(value, Record)
    )


def _pretty_json(value: Any) -> str:
    return json.dumps(value, indent=4, ensure_ascii=False, sort_keys=not isinstance(value, Record))


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, (list, Mapping)):
        return len(value)
    raise TemplateError(f"len of type {type_name(value)}")


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(_text(key))
        elif isinstance(value, list):
            if not isinstance(key, int) or isinstance(key, bool):
                raise TemplateError(f"cannot index slice with type {type_name(key)}")
            if not 0 <= key < len(value):
                raise TemplateError(f"index out of range: {key}")
            value = value[key]
        else:
            raise TemplateError(f"can't index item of type {type_name(value)}")
    return value


def _slice(value: Any, *bounds: Any) -> Any:
    if not isinstance(value, (str, list)):
        raise TemplateError(f"can't slice item of type {type_name(value)}")
    whole: Any = value.encode() if isinstance(value, str) else value
    if len(bounds) > 2:
        raise TemplateError(f"too many slice indexes: {len(bounds)}")
    low, high = (*bounds, 0, len(whole))[:2] if len(bounds) != 1 else (bounds[0], len(whole))
    for bound in (low, high):
        if not isinstance(bound, int) or isinstance(bound, bool):
            raise TemplateError(f"cannot index slice/array with type {type_name(bound)}")
        if not 0 <= bound <= len(whole):
            raise TemplateError(f"index out of range: {bound}")
    if low > high:
        raise TemplateError(f"invalid slice index: {low} > {high}")
    part = whole[low:high]
    return part.decode(errors="replace") if isinstance(value, str) else part


def _html(*values: Any) -> str:
    return _printed(values).translate(_HTML)


def _js(*values: Any) -> str:
    return "".join(
        _JS.get(one, f"\\u{ord(one):04X}" if one < " " else one) for one in _printed(values)
    )


def _url_query(*values: Any) -> str:
    from urllib.parse import quote_plus

    return quote_plus(_printed(values))


def _printed(values: tuple[Any, ...]) -> str:
    return "<no value>" if values == (None,) else print_text(*values)


def _kind(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "number"
    return type_name(value)


def _equal(first: Any, second: Any, *others: Any) -> bool:
    for other in (second, *others):
        if None not in (first, other) and _kind(first) != _kind(other):
            raise TemplateError("incompatible types for comparison")
        if first == other:
            return True
    return False


def _less(first: Any, second: Any) -> bool:
    if _kind(first) != _kind(second):
        raise TemplateError("incompatible types for comparison")
    if _kind(first) not in ("number", "string"):
        raise TemplateError("invalid type for comparison")
    return bool(first < second)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TemplateError(f"wrong type for value; expected string; got {type_name(value)}")
    return value


def _join(values: Any, separator: str) -> str:
    if not isinstance(values, list):
        raise TemplateError(f"wrong type for value; expected list; got {type_name(values)}")
    return _text(separator).join(map(value_text, values))


def _split(text: str, separator: str) -> list[str]:
    return _text(text).split(_text(separator)) if separator else list(_text(text))


def _title(text: str) -> str:
    return re.sub(r"(?<!\w)\w", lambda match: match.group().upper(), _text(text))


_HTML = str.maketrans(
    {'"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;", "\0": "\ufffd"}
)
_JS = {
    "\\": "\\\\",
    "'": "\\'",
    '"': '\\"',
    **{one: f"\\u{ord(one):04X}" for one in "<>&="},
}

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "and": lambda first, *others: (first, *others)[-1],
    "or": lambda first, *others: (first, *others)[-1],
    "not": lambda value: not value,
    "eq": _equal,
    "ne": lambda first, second: not _equal(first, second),
    "lt": _less,
    "le": lambda first, second: not _less(second, first),
    "gt": lambda first, second: _less(second, first),
    "ge": lambda first, second: not _less(first, second),
    "index": _index,
    "slice": _slice,
    "html": _html,
    "js": _js,
    "urlquery": _url_query,
    "len": _length,
    "print": print_text,
    "println": println_text,
    "printf": lambda form, *values: printf_text(_text(form), *values),
    "json": json_text,
    "prettyjson": _pretty_json,
    "upper": lambda text: _text(text).upper(),
    "lower": lambda text: _text(text).lower(),
    "title": _title,
    "join": _join,
    "split": _split,
}
"""The functions by name. ``and`` and ``or`` are called only if none but the last can decide."""
