"""An object of a document: its values by name, each of the type and rule that is asked for."""

from __future__ import annotations

import json
import math
import re

from ecsmachine.documents.rules import BASE64, CONTROLS, LINE, PROSE, Rule
from ecsmachine.documents.text import Fault, parse_json
from ecsmachine.errors import MachineError

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from typing import Any, TypeVar

    T = TypeVar("T", bound=str)

LARGEST = (1 << 63) - 1
"""The largest whole number that a document may hold."""

_LONGEST_SHOWN = 60
_LONGEST_PLACE = 200


class Fields:
    """The values of an object by their names.

    What is absent or null has the default; what is there and of another type, or against the
    rule, raises what ``fault`` makes of the reason. ``place`` is where the object is in the
    document, for that reason. ``loose`` takes numbers, and true and false, that are written as
    texts, a number for a text, and an empty text for none: clouds write them either way.
    """

    __slots__ = ("_fault", "_loose", "_place", "values")

    def __init__(
        self, values: Mapping[str, Any], fault: Fault, place: str = "", *, loose: bool = False
    ):
        self.values = values
        """The values as they came, for what is kept though it is not known."""
        self._fault = fault
        self._place = place
        self._loose = loose

    def error(self, name: str, reason: str) -> MachineError:
        """Return the error for a value of this object."""
        place = ".".join(part for part in (self._place, name) if part)
        # the names in it may be data
        return self._fault(f"{json.dumps(place)[1:-1][:_LONGEST_PLACE]}{reason}")

    def has(self, name: str) -> bool:
        """Whether there is a value of that name, and it is not null."""
        return self.values.get(name) is not None

    def text(self, name: str, rule: Rule = LINE, default: str = "") -> str:
        """Return a text; an empty one counts as absent."""
        value = self.values.get(name)
        if value is None or value == "":
            return default
        if self._loose and isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        return self._checked_text(name, value, rule)

    def required(self, name: str, rule: Rule = LINE) -> str:
        """Return a text that must be there."""
        found = self.text(name, rule)
        if not found:
            raise self.error(name, " is missing")
        return found

    def optional(self, name: str, rule: Rule = LINE) -> str | None:
        """Return a text, or None where it is absent or empty."""
        return self.text(name, rule) or None

    def base64(self, name: str) -> bytes:
        """Return the bytes that a text has in base64 (RFC 4648)."""
        text = self.text(name, BASE64)
        try:
            import base64

            return base64.b64decode(text, validate=True)
        except ValueError:
            raise self._wrong(name, text, BASE64.what, secret=True) from None

    def prose(self, name: str) -> str:
        """Return a text of any form on one line: what people or programs wrote for people."""
        text = re.sub(f"[{CONTROLS}]", " ", self.text(name, PROSE))
        return " ".join(text.split())

    def time(self, name: str) -> datetime:
        """Return a moment in UTC that must be there, like ``2030-01-31T12:00:00Z``."""
        text = self.required(name)
        from datetime import datetime, timezone

        try:
            moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
        except ValueError:
            raise self._wrong(name, text, "a time such as 2030-01-31T12:00:00Z") from None
        return moment.replace(tzinfo=timezone.utc)

    def choice(self, name: str, values: Iterable[T], default: T | None = None) -> T:
        """Return one of the texts ``values``; it must be there if there is no default."""
        known = tuple(values)
        value = self.values.get(name)
        if value is None or value == "":
            if default is None:
                raise self.error(name, " is missing")
            return default
        for each in known:
            if each == value:
                return each
        raise self._wrong(name, value, f"one of {', '.join(known)}")

    def number(
        self, name: str, default: int = 0, *, least: int = 0, most: int = LARGEST, what: str = ""
    ) -> int:
        """Return a whole number."""
        value = self._given(name)
        if value is None:
            return default
        number = value
        if self._loose and isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
            number = int(value)
        if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
            limits = "" if most == LARGEST else f" from {least} to {most}"
            raise self._wrong(name, value, what or f"a whole number{limits}")
        return number

    def port(self, name: str, default: int) -> int:
        """Return a port; 0 counts as absent."""
        return self.number(name, least=0, most=65535, what="a port (1 to 65535)") or default

    def decimal(self, name: str, default: float = 0.0) -> float:
        """Return a number that need not be whole, and is not negative."""
        value = self._given(name)
        if value is None:
            return default
        number = value
        if (
            self._loose
            and isinstance(value, str)
            and re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,18})?", value)
        ):
            number = float(value)
        if isinstance(number, bool) or not (
            isinstance(number, int | float) and 0 <= number < math.inf
        ):
            raise self._wrong(name, value, "a number")
        return float(number)

    def flag(self, name: str, default: bool = False) -> bool:
        """Return true or false."""
        value = self._given(name)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        if self._loose and isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        raise self._wrong(name, value, "true or false")

    def object(self, name: str) -> Fields:
        """Return an object within this one; an absent one has no values."""
        value = self._given(name)
        if value is not None and not isinstance(value, dict):
            raise self._wrong(name, value, "an object")
        return self._inner(value or {}, name)

    def objects(self, name: str, *names: str) -> list[Fields]:
        """Return the objects of an array, which may lie within objects of the other names.

        ``fields.objects("Instances", "Instance")`` are those of ``Instances.Instance``.
        """
        if names:
            return self.object(name).objects(*names)
        return [
            self._inner(self._checked(f"{name}[{number}]", item), f"{name}[{number}]")
            for number, item in enumerate(self._array(name))
        ]

    def objects_by_name(self, name: str) -> dict[str, Fields]:
        """Return the objects of an object whose names are data, such as the name of a registry."""
        inner = self.object(name)
        return {key: inner.object(key) for key in inner.values}

    def texts(self, name: str, *names: str, rule: Rule = LINE) -> list[str]:
        """Return the texts of an array, which may lie within objects of the other names."""
        if names:
            return self.object(name).texts(*names, rule=rule)
        return [
            self._checked_text(f"{name}[{number}]", item, rule)
            for number, item in enumerate(self._array(name))
        ]

    def mapping(self, name: str, rule: Rule = LINE) -> dict[str, str]:
        """Return an object of texts."""
        inner = self.object(name)
        for key in inner.values:
            if not LINE.fits(key):
                raise self.error(name, f": {_shown(key)} is not a name")
        return {key: inner.text(key, rule) for key in inner.values}

    def _array(self, name: str) -> list[Any]:
        value = self._given(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(name, value, "an array")
        return value

    def _checked(self, name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._wrong(name, value, "an object")
        return value

    def _checked_text(self, name: str, value: Any, rule: Rule) -> str:
        if not isinstance(value, str) or not rule.fits(value):
            raise self._wrong(name, value, rule.what, secret=rule.secret)
        return value

    def _wrong(self, name: str, value: Any, what: str, *, secret: bool = False) -> MachineError:
        return self.error(name, f": {'its value' if secret else _shown(value)} is not {what}")

    def _given(self, name: str) -> Any:
        value = self.values.get(name)
        return None if self._loose and value == "" else value

    def _inner(self, values: Mapping[str, Any], name: str) -> Fields:
        place = f"{self._place}.{name}" if self._place else name
        return Fields(values, self._fault, place, loose=self._loose)


def read_object(content: bytes, fault: Fault, *, loose: bool = False) -> Fields:
    """Return the object that a JSON text holds; the ``fault`` if it holds something else."""
    value = parse_json(content, fault)
    if not isinstance(value, dict):
        raise fault(f"it holds {_shown(value)}, not an object")
    return Fields(value, fault, loose=loose)


def read_objects(content: bytes, fault: Fault, *, loose: bool = False) -> list[Fields]:
    """Return the objects of the array that a JSON text holds."""
    value = parse_json(content, fault)
    if not isinstance(value, list):
        raise fault(f"it holds {_shown(value)}, not an array")
    return Fields({"": value}, fault, loose=loose).objects("")


def _shown(value: Any) -> str:
    """Return a value for an error: on one line, escaped, not long, and nothing from within it."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    text = json.dumps(value[:_LONGEST_SHOWN] if isinstance(value, str) else value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
