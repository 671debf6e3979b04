"""What errors tell people to do next: found in the sources, and taken out of a text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import ecsmachine

PACKAGE = Path(ecsmachine.__file__).parent

_WORD = r"(?:[^\".,;)\s]|[.](?=\S))+"
_COMMAND = re.compile(rf'"ecsmachine ([^"\0][^"]*)"|(?<!Error): ecsmachine ({_WORD}(?: {_WORD})*)')
_HOLE = "\0"


@dataclass(frozen=True)
class Advice:
    """A text in the sources that names a command; what is worked out at run time is a hole."""

    place: str
    text: str
    in_error: bool

    def covers(self, said: str) -> bool:
        """Whether what was said of dev1, in part or whole, may have come from here."""
        text, said = self.text.replace(_HOLE, "dev1"), said.rstrip(".")
        return said in text or text.rstrip(".") in said

    def __str__(self) -> str:
        return f"{self.place}: {self.text.replace(_HOLE, '…')}"


def commands_in(text: str) -> list[str]:
    """Return the commands of ours that a text names, without the program's name."""
    found = ((quoted or bare).strip() for quoted, bare in _COMMAND.findall(text))
    return [re.split(r" (?:&&|[|<>]) ", command)[0].replace(_HOLE, "dev1") for command in found]


def advice() -> Iterator[Advice]:
    """Yield every text of the package that names a command of ours."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        hints = {
            id(part)
            for call in ast.walk(tree)
            if isinstance(call, ast.Call)
            for keyword in call.keywords
            if keyword.arg == "hint"
            for part in ast.walk(keyword.value)
        }
        within = {
            id(part)
            for joined in ast.walk(tree)
            if isinstance(joined, ast.JoinedStr)
            for part in joined.values
        }
        for node in ast.walk(tree):
            text = _text(node)
            if id(node) not in within and commands_in(text):
                place = f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}"
                yield Advice(place, text, id(node) in hints)


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or _HOLE for part in node.values)
    return ""
