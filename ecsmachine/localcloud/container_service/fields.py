"""The fields of a request's JSON body, read by name and kind; refusals name the field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.wire import parse_json

_CLUSTER_NAME = re.compile(r"[A-Za-z0-9\u4e00-\u9fff-]{1,63}")
C = TypeVar("C", bound=str)

_PROJECT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")


@dataclass(frozen=True, eq=False, repr=False)
class Fields:
    """An object of a request's body; ``values`` is all of it, as it came."""

    values: Mapping[str, Any]

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) not in (None, "")

    def text(self, name: str, default: str = "") -> str:
        """Return a text; numbers and truth values are taken as texts."""
        value = self.values.get(name)
        if value in (None, ""):
            return default
        if isinstance(value, bool):
            return "true" if value else "false"
        if not isinstance(value, str | int | float):
            raise invalid(name, "it must be a string")
        return str(value)

    def require(self, name: str) -> str:
        """Return a text that has to be there."""
        value = self.text(name)
        if not value:
            raise ApiError("MissingParameter", f"The field {name} is required.")
        return value

    def integer(self, name: str, default: int | None = None, *, least: int, most: int) -> int:
        """Return a whole number in a range; it may come as a text."""
        value = self.values.get(name)
        if value in (None, ""):
            if default is None:
                self.require(name)
            return default or 0
        try:
            number = int(value) if not isinstance(value, bool | float) else None
        except (TypeError, ValueError):
            number = None
        if number is None or not least <= number <= most:
            raise invalid(name, f"it must be a whole number from {least} to {most}")
        return number

    def boolean(self, name: str, default: bool = False) -> bool:
        """Return a truth value, which may come as a text."""
        value = self.values.get(name)
        if value in (None, ""):
            return default
        if str(value).lower() not in ("true", "false", "1", "0"):
            raise invalid(name, "it must be true or false")
        return str(value).lower() in ("true", "1")

    def choice(self, name: str, allowed: tuple[C, ...], default: C | None = None) -> C:
        """Return one of the allowed texts; required if there is no default."""
        value = self.require(name) if default is None else self.text(name, default)
        for choice in allowed:
            if choice == value:
                return choice
        raise invalid(name, f"it must be one of {', '.join(allowed)}")

    def texts(self, name: str) -> list[str]:
        """Return an array of texts."""
        value = self.values.get(name)
        if value is None:
            return []
        if isinstance(value, str):
            try:
                value = parse_json(value)
            except ValueError:
                raise invalid(name, "it must be an array of strings") from None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise invalid(name, "it must be an array of strings")
        return list(value)

    def mapping(self, name: str) -> dict[str, str]:
        """Return an object whose values are texts."""
        value = self.values.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(
            isinstance(item, str | int | float) for item in value.values()
        ):
            raise invalid(name, "it must be an object of strings")
        return {key: Fields({"v": item}).text("v") for key, item in value.items()}

    def network(self, name: str) -> IPv4Network:
        """Return a CIDR block that has to be there."""
        try:
            return IPv4Network(self.require(name))
        except ValueError:
            raise invalid(name, "it is not a CIDR block such as 172.28.1.0/24") from None


def read_fields(body: bytes, content_type: str = "") -> Fields:
    """Return the body's fields; an empty body has none. Raises ``ApiError``.

    Alibaba Cloud's own SDK sends a form instead of JSON, with arrays as JSON.
    """
    if not body.strip():
        return Fields({})
    if content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        return Fields(dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True)))
    try:
        values = parse_json(body)
    except ValueError:
        raise ApiError("InvalidJson", "The request body is not JSON.") from None
    if not isinstance(values, dict):
        raise ApiError("InvalidJson", "The request body is not a JSON object.")
    return Fields(values)


def no_project(name: str) -> ApiError:
    """Return the refusal of a project that is not there."""
    return ApiError("ProjectNotFound", f"There is no project {name}.", 404)


def invalid(name: str, reason: str) -> ApiError:
    """Return the refusal of a field's value."""
    return ApiError("InvalidParameter", f"The field {name} is not valid: {reason}.")


def check_cluster_name(name: str) -> str:
    """Return a cluster's name; refuse what cannot be one."""
    if not _CLUSTER_NAME.fullmatch(name):
        raise invalid("name", "1 to 63 letters, Chinese characters, digits and hyphens")
    return name


def check_project_name(name: str) -> str:
    """Return the name of a project or volume; refuse what cannot be one."""
    if not _PROJECT_NAME.fullmatch(name):
        raise invalid("name", "1 to 64 letters, digits and hyphens, not a hyphen first")
    return name
