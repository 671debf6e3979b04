"""The parameters of a request, read by name, number and kind.

Lists come flattened (``InstanceId.1``, ``DataDisk.2.Size``); the numbers may have gaps; their order
counts. An empty value counts as missing. Every read is recorded: see
:mod:`ecsmachine.localcloud.actions.unsupported`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from ecsmachine.localcloud.protocol import clock, refusals
from ecsmachine.localcloud.protocol.errors import ApiError, invalid_parameter, missing_parameter
from ecsmachine.localcloud.protocol.wire import parse_json

C = TypeVar("C", bound=str)
_INTEGER = re.compile(r"-?[0-9]{1,18}")
Error = ApiError | Callable[[str], ApiError]
"""A refusal, or what makes one of the name of a parameter."""


class _Numbers:
    """The numbers that stand below each prefix: found once, in one pass over all names."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._below: dict[str, set[int]] | None = None

    def below(self, prefix: str) -> list[int]:
        """Return those below a prefix, which ends in a dot, in order."""
        if self._below is None:
            self._below = {}
            for name in self._values:
                parts = name.split(".")
                for place, part in enumerate(parts[1:], 1):
                    if part.isascii() and part.isdigit():
                        before = ".".join(parts[:place])
                        self._below.setdefault(f"{before}.", set()).add(int(part))
        return sorted(self._below.get(prefix, ()))


class Parameters:
    """A request's parameters, or those below one prefix of it."""

    def __init__(
        self,
        values: Mapping[str, str],
        prefix: str = "",
        numbers: _Numbers | None = None,
        read: set[str] | None = None,
    ) -> None:
        self.values = values
        """All of the request as they came; to look at them here is not to read them."""
        self._prefix = prefix
        self._numbers = numbers or _Numbers(values)
        self.read = set() if read is None else read
        """The full names that were asked for until now."""

    def with_values(self, values: Mapping[str, str]) -> Parameters:
        """Return others in place of these, for the same request."""
        return Parameters(values, read=self.read)

    def name(self, name: str) -> str:
        """Return the full name of a parameter, as errors call it."""
        return f"{self._prefix}{name}"

    def given(self, name: str) -> bool:
        """Return whether the parameter has a value."""
        return bool(self.text(name))

    def text(self, name: str, default: str = "") -> str:
        """Return the value, or ``default``."""
        full = self._prefix + name
        self.read.add(full)
        return self.values.get(full) or default

    def only_one(self, name: str, other: str) -> None:
        """Raise ``InvalidParameter.Conflict`` if both are given, each as a value or as a list."""
        if all(self.given(each) or self.listed(each) for each in (name, other)):
            raise refusals.conflicting(self.name(name), self.name(other))

    def require(self, name: str) -> str:
        """Return the value; without one, raise ``MissingParameter``."""
        value = self.text(name)
        if not value:
            raise missing_parameter(self.name(name))
        return value

    def integer(
        self,
        name: str,
        default: int = 0,
        *,
        least: int | None = None,
        most: int | None = None,
        error: Error | None = None,
    ) -> int:
        """Return a whole number in a range; raises ``error`` (or ``InvalidParameter``)."""
        text = self.text(name)
        if not text:
            return default
        value = int(text) if _INTEGER.fullmatch(text) else None
        if (
            value is None
            or (least is not None and value < least)
            or (most is not None and value > most)
        ):
            raise self._refusal(name, error)
        return value

    def number(self, name: str, default: float = 0.0) -> float:
        """Return a decimal number that is not negative."""
        text = self.text(name)
        if not text:
            return default
        if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]+)?", text):
            raise invalid_parameter(self.name(name))
        return float(text)

    def boolean(self, name: str, default: bool = False) -> bool:
        """Return ``true`` or ``false``, in any case of letters."""
        text = self.text(name).lower()
        if not text:
            return default
        if text not in ("true", "false"):
            raise invalid_parameter(self.name(name))
        return text == "true"

    def choice(
        self,
        name: str,
        choices: tuple[C, ...],
        default: C | None = None,
        *,
        error: Error | None = None,
        spelled: Callable[[str], str] = str,
    ) -> C:
        """Return one of ``choices``, whose case of letters counts.

        Without a value it is ``default``, or the first of them. ``spelled`` gives the value the
        spelling of the choices. Raises ``error`` (or ``InvalidParameter``) for another value.
        """
        if not self.given(name):
            return choices[0] if default is None else default
        for choice in choices:
            if choice == spelled(self.text(name)):
                return choice
        raise self._refusal(name, error)

    def require_choice(
        self,
        name: str,
        choices: tuple[C, ...],
        *,
        error: Error | None = None,
        spelled: Callable[[str], str] = str,
    ) -> C:
        """Return one of ``choices``; without a value, raise ``MissingParameter``."""
        self.require(name)
        return self.choice(name, choices, error=error, spelled=spelled)

    def time(self, name: str, *, error: Error | None = None) -> float | None:
        """Return the seconds since 1970, or None; raises ``error`` (or ``InvalidParameter``)."""
        text = self.text(name)
        if not text:
            return None
        try:
            return clock.parse(text)
        except ValueError as reason:
            raise self._refusal(name, error) from reason

    def listed(self, name: str, *, most: int | None = None) -> list[str]:
        """Return the values of ``NAME.1``, ``NAME.2``, … in order."""
        values = [
            self.text(f"{name}.{number}")
            for number in self._numbers.below(f"{self._prefix}{name}.")
            if self.given(f"{name}.{number}")
        ]
        return self._at_most(most, name, values)

    def separated(self, name: str, *, most: int | None = None) -> list[str]:
        """Return the values of one parameter that are separated by commas."""
        values = [value.strip() for value in self.text(name).split(",") if value.strip()]
        return self._at_most(most, name, values)

    def json_list(
        self, name: str, *, most: int = 100, error: Error | None = None
    ) -> list[str] | None:
        """Return the strings of a JSON array, or None if there is no such parameter.

        Raises ``error`` (or ``InvalidParameter``) for other JSON, and for more than ``most``.
        """
        text = self.text(name)
        if not text:
            return None
        try:
            values = parse_json(text)
        except ValueError as reason:
            raise self._refusal(name, error) from reason
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self._refusal(name, error)
        return self._at_most(most, name, values, error)

    def _at_most(
        self, most: int | None, name: str, values: list[str], error: Error | None = None
    ) -> list[str]:
        if most is not None and len(values) > most:
            many = invalid_parameter(self.name(name), f"At most {most} values are allowed.")
            raise self._refusal(name, error or many)
        return values

    def struct(self, name: str) -> Parameters:
        """Return the parameters below ``NAME.``."""
        return Parameters(self.values, f"{self._prefix}{name}.", self._numbers, self.read)

    def structs(self, name: str) -> list[Parameters]:
        """Return the parameters below ``NAME.1.``, ``NAME.2.``, … in order."""
        return [
            Parameters(self.values, f"{self._prefix}{name}.{number}.", self._numbers, self.read)
            for number in self._numbers.below(f"{self._prefix}{name}.")
        ]

    def _refusal(self, name: str, error: Error | None) -> ApiError:
        if callable(error):
            return error(name)
        return error or invalid_parameter(self.name(name))

    def any_given(self) -> bool:
        """Return whether anything is given below this prefix."""
        return any(key.startswith(self._prefix) and value for key, value in self.values.items())
