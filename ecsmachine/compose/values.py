"""The values of a template by kind; every refusal names the place."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from ecsmachine.suggestions import did_you_mean


class TemplateError(Exception):
    """A template cannot be used; ``reason`` says where and why, on one line of bounded length."""

    def __init__(self, reason: str) -> None:
        line = " ".join(reason.splitlines())
        # what is wrong with a value stands behind it
        self.reason = line if len(line) <= _LONGEST else f"{line[:300]} … {line[-200:]}"
        super().__init__(self.reason)


_LONGEST = 600
"""How long a reason may be, in characters."""

Kind = Literal["flag", "text", "texts", "number", "decimal", "size", "duration", "pairs", "any"]

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?(?:(\d+)us)?")
_TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class Values:
    """An object of a template, at a place such as ``web.deploy``."""

    def __init__(self, place: str, values: object) -> None:
        if not isinstance(values, dict):
            raise TemplateError(f"{place}: it must be an object")
        self.place = place
        self.values: Mapping[str, Any] = {str(key): value for key, value in values.items()}

    def __contains__(self, key: str) -> bool:
        return self.values.get(key) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def refused(self, key: str, reason: str) -> TemplateError:
        """Return the refusal of the value of a key."""
        return TemplateError(f"{self.place}.{key}: {reason}")

    def unknown(self, key: str, known: Iterable[str]) -> TemplateError:
        """Return the refusal of a key that is none of those known."""
        return self.refused(key, f"it is not known. {did_you_mean(key, known)}".rstrip(". "))

    def only(self, *keys: str) -> None:
        """Refuse the first key that is none of these, nor an extension (``x-…``)."""
        for key in self.values:
            if key not in keys and not key.startswith("x-"):
                raise self.unknown(key, keys)

    def part(self, key: str) -> Values:
        """Return an object in this one; one that is missing is empty."""
        value = self.values.get(key)
        return Values(f"{self.place}.{key}", {} if value is None else value)

    def items(self, key: str) -> list[Any]:
        """Return a list as it is written; one value is a list of one."""
        value = self.values.get(key)
        return value if isinstance(value, list) else [] if value is None else [value]

    def parts(self, key: str) -> list[Values]:
        """Return a list of objects."""
        value = self.values.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.refused(key, "it must be a list")
        return [Values(f"{self.place}.{key}", item) for item in value]

    def read(self, key: str, kind: Kind) -> Any:
        """Return the value of a key by its kind, which is called like the method that reads it."""
        return self.values.get(key) if kind == "any" else getattr(self, kind)(key)

    def text(self, key: str, default: str = "") -> str:
        """Return a text; numbers and truth values are taken as texts."""
        value = self.values.get(key)
        if value is None:
            return default
        if isinstance(value, dict | list):
            raise self.refused(key, "it must be a string")
        return plain(value)

    def flag(self, key: str, default: bool = False) -> bool:
        """Return a truth value."""
        text = self.text(key, str(default)).lower()
        if text not in _TRUTHS:
            raise self.refused(key, "true or false")
        return _TRUTHS[text]

    def number(self, key: str, default: int = 0, least: int = -(2**63), most: int = 2**63) -> int:
        """Return a whole number."""
        text = self.text(key, str(default))
        if not re.fullmatch(r"-?\d{1,19}", text) or not least <= int(text) <= most:
            limits = "" if least < -1 else f" from {least}" + (f" to {most}" if most < 1e9 else "")
            raise self.refused(key, f'"{text}" is not a whole number{limits}')
        return int(text)

    def decimal(self, key: str) -> float:
        """Return a number that is not negative."""
        text = self.text(key, "0")
        if not re.fullmatch(r"\d{1,9}(\.\d+)?|\.\d+", text):
            raise self.refused(key, f'"{text}" is not a number such as 0.5')
        return float(text)

    def size(self, key: str) -> int:
        """Return a number of bytes, which is written as ``256m``; 0 if it is missing."""
        if key not in self:
            return 0
        text = self.text(key)
        match = _SIZE.fullmatch(text)
        if match is None:
            raise self.refused(key, f'"{text}" is not a size such as 256m')
        return int(float(match[1]) * (1 << (10 * " kmgt".index(match[2].lower() or " "))))

    def duration(self, key: str, default: float = 0) -> float:
        """Return a number of seconds, which is written as ``1m30s``."""
        if key not in self:
            return default
        text = self.text(key)
        match = _DURATION.fullmatch(text)
        if match is None or not text:
            raise self.refused(key, f'"{text}" is not a time such as 1m30s')
        parts = [float(part or 0) for part in match.groups()]
        return sum(n * each for n, each in zip(parts, (3600, 60, 1, 1e-3, 1e-6), strict=True))

    def texts(self, key: str) -> list[str]:
        """Return a list of texts; one text is a list of one."""
        value = self.values.get(key)
        if value is None:
            return []
        if isinstance(value, dict) or (
            isinstance(value, list) and any(isinstance(item, dict | list) for item in value)
        ):
            raise self.refused(key, "it must be a list of strings")
        return [plain(item) for item in self.items(key)]

    def words(self, key: str) -> tuple[str, ...] | None:
        """Return a command: a list of texts, or a text as a shell would split it."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, list):
            return tuple(self.texts(key))
        try:
            return tuple(shlex.split(self.text(key)))
        except ValueError as error:
            raise self.refused(key, str(error)) from None

    def pairs(self, key: str) -> dict[str, str]:
        """Return what is written as ``NAME: value`` or as a list of ``NAME=value``."""
        found: dict[str, str] = {}
        for name, value in self.pairs_in_order(key):
            if name in found:
                raise self.refused(key, f"{name} appears twice")
            found[name] = value or ""
        return found

    def pairs_in_order(self, key: str) -> list[tuple[str, str | None]]:
        """Return the same, as it is written; None stands for a name without a value."""
        value = self.values.get(key)
        if isinstance(value, dict):
            for name, item in value.items():
                if isinstance(item, dict | list):
                    raise self.refused(key, f"the value of {name} is not a string")
            return [(str(n), None if item is None else plain(item)) for n, item in value.items()]
        halves = (text.partition("=") for text in self.texts(key))
        return [(name, rest if equals else None) for name, equals, rest in halves]


def plain(value: object) -> str:
    """Return a value as a text, as YAML has it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
