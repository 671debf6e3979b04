"""Regular expressions in Go's syntax (RE2), as ``ls --filter name=`` takes them.

Python's differ in what is rewritten here: classes such as ``[[:digit:]]`` and ``\\pL``, ``\\z``,
``\\Q…\\E`` and ``\\x{41}``. Names of machines are ASCII, so classes hold ASCII alone.
Source: the package documentation of Go's regexp/syntax.
"""

from __future__ import annotations

import re
import warnings

_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t-\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_PROPERTIES = {
    "L": "alpha",
    "Latin": "alpha",
    "Ll": "lower",
    "Lu": "upper",
    "N": "digit",
    "Nd": "digit",
}
_TOKEN = re.compile(
    r"""
      \\Q(?P<quoted>.*?)(?:\\E|\Z)
    | \\(?P<property>[pP])(?:(?P<letter>\w)|\{(?P<not>\^?)(?P<name>\w+)\})
    | \\x\{(?P<code>[0-9a-fA-F]{1,6})\}
    | (?P<end>\\z)
    | (?P<plain>\\.)
    | \[:(?P<negated>\^?)(?P<class>\w+):\]
    | (?P<opening>\[\^?\]?)
    | (?P<closing>\])
    """,
    re.VERBOSE | re.DOTALL,
)


def compiled(pattern: str) -> re.Pattern[str]:
    """Return a regular expression of Go. Raises :class:`re.error` if it is none."""
    inside = False

    def rewrite(match: re.Match[str]) -> str:
        nonlocal inside
        if match["quoted"] is not None:
            return re.escape(match["quoted"])
        if match["property"]:
            name = match["letter"] or match["name"]
            if name not in _PROPERTIES:
                raise re.error(f"unknown class {match.group()}", pattern, match.start())
            text = _class(_PROPERTIES[name], (match["property"] == "P") != bool(match["not"]))
            return text if inside else f"[{text}]"
        if match["code"]:
            if int(match["code"], 16) > 0x10FFFF:
                raise re.error(f"no character {match.group()}", pattern, match.start())
            return re.escape(chr(int(match["code"], 16)))
        if match["end"]:
            return r"\Z"
        if match["class"] and inside:
            if match["class"] not in _CLASSES:
                raise re.error(f"unknown class {match.group()}", pattern, match.start())
            return _class(match["class"], bool(match["negated"]))
        if match["opening"] and not inside:
            inside = True
        elif match["closing"]:
            inside = False
        return match.group()

    python = _TOKEN.sub(rewrite, pattern)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's plans for [[ and && are not Go's
        return re.compile(python)


def _class(name: str, negated: bool) -> str:
    """Return what stands for a class between brackets."""
    text = _CLASSES[name]
    if not negated:
        return text
    return "".join(f"\\x{code:02x}" for code in range(128) if not re.match(f"[{text}]", chr(code)))
