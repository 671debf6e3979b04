"""The text of a template: YAML as Compose reads it, with its variables filled in.

YAML 1.1, which PyYAML reads, takes ``22:22`` for a number and ``no`` for false, and lets the last
of two equal keys win. Compose does neither.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ecsmachine.compose.values import TemplateError

if TYPE_CHECKING:
    import yaml

_MOST_BYTES = 256 * 1024
_MOST_VALUES = 100_000
_MOST_CHARACTERS = 4 << 20
"""How long all texts and keys may be, each counted as often as aliases bring it in."""

_MOST_DEPTH = 20
_NAME = re.compile(r"[A-Za-z_]\w*")
_TOO_MUCH = "it has too many values"
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")


def load(text: str) -> dict[str, Any]:
    """Return the object that a template is. Raises :class:`TemplateError`."""
    import yaml

    if len(text.encode()) > _MOST_BYTES:
        raise TemplateError("it is longer than 256 KiB")
    try:
        data = yaml.load(text, _loader())  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" in line {mark.line + 1}" if mark is not None else ""
        raise TemplateError(f"it is not YAML: {error.problem}{place}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise TemplateError("it is not YAML") from None
    if not isinstance(data, dict):
        raise TemplateError("it is not an object with services")
    # a few aliases of aliases stand for billions of values
    pending: list[Any] = [data]
    size = 0
    for _ in range(_MOST_VALUES):
        if not pending:
            return data
        item = pending.pop()
        if isinstance(item, dict | list):
            pending += item.values() if isinstance(item, dict) else item
        if isinstance(item, dict | str):
            size += len(item) if isinstance(item, str) else sum(len(str(key)) for key in item)
        if size > _MOST_CHARACTERS:
            break
    raise TemplateError(_TOO_MUCH)


class Variables:
    """Fills in ``$NAME`` and ``${NAME}``, with Compose's operators; ``$$`` is a dollar sign.

    ``missing`` are those that were asked for and have no value; they are empty.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values
        self.missing: dict[str, None] = {}

    def fill(self, value: Any) -> Any:
        """Return a part of a template with its variables filled in. Raises ``TemplateError``."""
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        return self._fill(value, value, 0) if isinstance(value, str) else value

    def _fill(self, text: str, whole: str, depth: int) -> str:
        if depth > _MOST_DEPTH:
            raise TemplateError("its variables are nested too deeply")
        done, place = "", 0
        while (found := text.find("$", place)) >= 0:
            done += text[place:found]
            name = _NAME.match(text, found + 1)
            if text.startswith("$$", found):
                done, place = f"{done}$", found + 2
            elif name is not None:
                done, place = done + self._value(name[0], "", ""), name.end()
            elif text.startswith("${", found):
                end = _end_of(text, found + 2)
                name = _NAME.match(text, found + 2)
                if end < 0 or name is None or name.end() > end:
                    raise TemplateError(f'"{whole}" has a variable without a name or closing brace')
                rest = text[name.end() : end]
                operator = next((one for one in _OPERATORS if rest.startswith(one)), "")
                if rest and not operator:
                    raise TemplateError(f'"{whole}": {rest} after {name[0]} is not supported')
                other = self._fill(rest.removeprefix(operator), whole, depth + 1)
                done, place = done + self._value(name[0], operator, other), end + 1
            else:
                raise TemplateError(
                    f'a "$" in "{whole}" names no variable: a dollar sign is written $$'
                )
        return done + text[place:]

    def _value(self, name: str, operator: str, other: str) -> str:
        value = self.values.get(name)
        there = bool(value) if operator.startswith(":") else value is not None
        if operator.endswith("+"):
            return other if there else ""
        if there and value is not None:
            return value
        if operator.endswith("?"):
            raise TemplateError(f"the variable {name} has no value: {other or 'it needs one'}")
        if not operator:
            self.missing[name] = None
        return other


def _end_of(text: str, place: int) -> int:
    """Return where the brace that is open before ``place`` is closed; -1 if it is not."""
    depth = 1
    for number in range(place, len(text)):
        depth += {"{": 1, "}": -1}.get(text[number], 0)
        if not depth:
            return number
    return -1


def _loader() -> type[yaml.SafeLoader]:
    import yaml

    class Loader(yaml.SafeLoader):
        """Reads what Compose does."""

        merged = 0

        def flatten_mapping(self, node: yaml.MappingNode) -> None:
            """Bring in what ``<<`` names, within bounds: objects may double with each line."""
            before = len(node.value)
            super().flatten_mapping(node)
            self.merged += max(len(node.value) - before, 0)
            if self.merged > _MOST_VALUES:
                raise TemplateError(_TOO_MUCH)

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            """Refuse a key that stands there twice."""
            own: set[str] = set()
            for key, _ in node.value:
                if key.tag != "tag:yaml.org,2002:merge" and isinstance(key.value, str):
                    if key.value in own:
                        line = key.start_mark.line + 1
                        raise TemplateError(f"{key.value} appears twice (line {line})")
                    own.add(key.value)
            return super().construct_mapping(node, deep)

    Loader.yaml_implicit_resolvers = {
        first: [(tag, how) for tag, how in known if tag.rpartition(":")[2] in ("null", "merge")]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for tag, pattern, first in (
        ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
        ("int", r"[-+]?(?:0o?[0-7]+|0x[0-9a-fA-F]+|0|[1-9][0-9]*)", "-+0123456789"),
        ("float", r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?", "-+0123456789."),
    ):
        Loader.add_implicit_resolver(
            f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})\\Z"), list(first)
        )
    return Loader
