"""YAML texts, within bounds: their nodes with lines, so that what is wrong can be pointed at.

YAML 1.1, which PyYAML reads, takes ``on`` for true and ``080`` for text, and lets the last of two
equal keys win. Here a scalar is its text; who asks for it says what it must be.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ecsmachine.documents.rules import CONTROLS
from ecsmachine.errors import MachineError

if TYPE_CHECKING:
    import yaml
    from yaml import Node as Node

LONGEST_YAML = 256 << 10
"""How long a text may be, in bytes."""

_STANDARD = "tag:yaml.org,2002:"
_TAGS = ("null", "bool", "int", "float", "str", "timestamp", "merge", "value", "seq", "map")
_MOST_MERGED = 20
"""How deep ``<<`` may lead from one object to the next."""


class Problems:
    """What is wrong with a file, each with the line (from 1); several are found in one reading."""

    def __init__(self, path: str):
        self.path = path
        self.found: dict[tuple[int, str], str] = {}

    def add(self, line: int, message: str, hint: str = "") -> None:
        """Note what is wrong in a line, once."""
        self.found.setdefault((line, message), hint)

    def check(self) -> None:
        """Raise one :class:`MachineError` for all that was found, if anything was."""
        errors = [
            MachineError(f"{self.path}:{line}: {message}", hint=hint or None)
            for (line, message), hint in sorted(self.found.items())
        ]
        if len(errors) == 1:
            raise errors[0]
        if errors:
            summary = MachineError(
                f"{self.path} has {len(errors)} mistakes",
                hint="Nothing was made.",
                details="\n".join(
                    f"{each.message}. {each.hint}" if each.hint else each.message for each in errors
                ),
            )
            summary.parts = errors
            raise summary


def parse_yaml(content: bytes, problems: Problems) -> yaml.Node | None:
    """Return the one document that a text is; None if it is empty, or after a problem."""
    import re

    import yaml

    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problems.add(line, "it is not UTF-8", "Save the file as UTF-8.")
        return None
    unfit = re.search(f"(?![\t\n\r\x85\u2028\u2029])[{CONTROLS}]", text)
    if unfit:
        line = text.count("\n", 0, unfit.start()) + 1
        problems.add(line, f"it has a control character (U+{ord(unfit[0]):04X})", "Remove it.")
        return None
    try:
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        unclosed = re.search("end of stream|stream end", error.problem or "")
        mark = (unclosed and error.context_mark) or error.problem_mark or error.context_mark
        what = " ".join(filter(None, (error.context, error.problem)))
        line = mark.line if mark else 0
        hint = "Indent YAML with spaces." if "\\t" in what else ""
        if "flow" in what and "${" in "".join(text.splitlines()[line : line + 1]):
            hint = "Between braces, put ${…} into quotes."
        problems.add(line + 1, f"it is not YAML: {what}", hint)
        return None
    except (yaml.YAMLError, ValueError, RecursionError):
        problems.add(1, "it is not YAML that can be read", "It may be nested too deeply.")
        return None
    return node


def line_of(node: yaml.Node) -> int:
    """Return the line in which a node begins, from 1."""
    line: int = node.start_mark.line
    return line + 1


def is_null(node: yaml.Node) -> bool:
    """Whether a node is no value: nothing, ``null`` or ``~`` without quotes."""
    return node.tag == f"{_STANDARD}null" and node.style is None  # type: ignore[attr-defined]


def text_in(node: yaml.Node) -> str | None:
    """Return the text of a scalar as it is written; None for a list, an object, or no value."""
    import yaml

    if not isinstance(node, yaml.ScalarNode) or is_null(node):
        return None
    text: str = node.value
    return text


def items_in(node: yaml.Node) -> list[yaml.Node] | None:
    """Return the items of a list; None if it is none."""
    import yaml

    return list(node.value) if isinstance(node, yaml.SequenceNode) else None


def entries_in(
    node: yaml.Node,
    problems: Problems,
    above: tuple[yaml.Node, ...] = (),
    merged_before: set[int] | None = None,
) -> dict[str, tuple[int, yaml.Node]] | None:
    """Return an object: of each key the line and the value; None if it is none.

    A key that stands there twice, or is no text, is a problem. ``<<`` brings in what another
    object has, and the object itself has not. ``above`` are those that this one is brought into by
    that; one that was ``merged_before`` brings in nothing more.
    """
    import yaml

    if not isinstance(node, yaml.MappingNode):
        return None
    own: dict[str, tuple[int, yaml.Node]] = {}
    merged: list[yaml.Node] = []
    for key, value in node.value:
        line = line_of(key)
        if key.tag == f"{_STANDARD}merge":
            merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
        elif not isinstance(key, yaml.ScalarNode):
            problems.add(line, "a key is not a string", "Write NAME: before the value.")
        elif key.value in own:
            problems.add(line, f"{key.value} appears twice (also in line {own[key.value][0]})")
        else:
            own[key.value] = (line, value)
    above = (*above, node)
    seen = set() if merged_before is None else merged_before
    for other in merged:
        if other in above or len(above) > _MOST_MERGED:
            problems.add(line_of(node), "<< forms an endless chain of objects")
            break
        if id(other) in seen:
            continue
        seen.add(id(other))
        found = entries_in(other, problems, above, seen)
        if found is None:
            problems.add(line_of(other), "<< does not name an object", "Write an alias: <<: *NAME.")
        own = {**(found or {}), **own}
    return own


def nodes_in(node: yaml.Node) -> Iterator[yaml.Node]:
    """Yield a node and all that are in it, keys as well, each once."""
    import yaml

    pending, seen = [node], set()
    while pending:
        each = pending.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, yaml.MappingNode):
            pending += [part for pair in each.value for part in pair]
        elif isinstance(each, yaml.SequenceNode):
            pending += each.value


def check_tags(node: yaml.Node, problems: Problems) -> None:
    """Note tags such as ``!!python/object`` and ``!secret``, which are not known here."""
    for each in nodes_in(node):
        if each.tag.removeprefix(_STANDARD) not in _TAGS:
            shown = each.tag.replace(_STANDARD, "!!")
            problems.add(line_of(each), f"the tag {shown} is unknown", "Leave it out.")
