"""The guide's rules for values, checked before a request is sent.

Every function raises :class:`FieldError`, which begins with the name of the field.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import fields
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from ecsmachine.errors import MachineError, UsageError
from ecsmachine.suggestions import instead_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

DATA_DISK_SIZES = {"cloud": (5, 2000), "cloud_efficiency": (20, 32768), "cloud_ssd": (20, 32768)}
"""Categories of data disks, and their smallest and largest size in GiB."""

IO_OPTIMIZED = ("none", "optimized")
NETWORK_MODES = ("vpc", "classic")

_CLUSTER_NAME = re.compile(r"[A-Za-z0-9\u4e00-\u9fff-]{1,63}")
_PROJECT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_CLUSTER_ID = re.compile(r"[Cc][0-9a-f]{32}")


class FieldError(UsageError):
    """The value of a field of a request is not allowed.

    ``reason`` goes on after the field's name; "{field}" in ``hint`` stands for that name.
    """

    def __init__(self, field: str, reason: str, hint: str) -> None:
        super().__init__(f"{field}{reason}", hint=hint.replace("{field}", field))
        self.field = field
        self._reason = reason
        self._hint = hint

    def called(self, name: str) -> UsageError:
        """Return the same error for somebody who knows the field by another name."""
        return FieldError(name, self._reason, self._hint)


class ClusterError(MachineError):
    """A cluster cannot be spoken to; ``code`` says why, ``name`` is the cluster's."""

    def __init__(self, code: str, message: str, name: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.name = name


def require(**fields: object) -> None:
    """Refuse the first of the fields that has no value."""
    for name, value in fields.items():
        if value is None or value == "" or value == ():
            raise FieldError(name, " is required", "Give {field}.")


def body_of(request: DataclassInstance, without_empty: Collection[str] = ()) -> dict[str, Any]:
    """Return the fields of a request by their names, but of ``without_empty`` those with a value.

    Tuples become lists, as JSON has them.
    """
    values = {field.name: getattr(request, field.name) for field in fields(request)}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value or name not in without_empty
    }


def check_cluster_name(name: str) -> None:
    """Refuse a cluster's name that has other than letters, Chinese characters, digits, hyphens."""
    if not _CLUSTER_NAME.fullmatch(name):
        raise FieldError(
            "name",
            f': "{name}" cannot be the name of a cluster',
            "Use 1 to 63 letters, Chinese characters, digits and hyphens.",
        )


def check_project_name(name: str) -> None:
    """Refuse the name of a project or volume that the guide does not allow."""
    if not _PROJECT_NAME.fullmatch(name):
        raise FieldError(
            "name",
            f': "{name}" cannot be a name',
            "Use 1 to 64 letters, digits and hyphens; not a hyphen first.",
        )


def is_cluster_id(text: str) -> bool:
    """Return whether the text has the form of a cluster's id: c and 32 hexadecimal digits."""
    return _CLUSTER_ID.fullmatch(text) is not None


def check_password(password: str, field: str = "password") -> None:
    """Refuse a password that ECS would: its text is never part of the error."""
    kinds = (r"[a-z]", r"[A-Z]", r"[0-9]", r"[^A-Za-z0-9]")
    if (
        not 8 <= len(password) <= 30
        or sum(bool(re.search(kind, password)) for kind in kinds) < 3
        or set(password) & {"\\", '"'}
    ):
        raise FieldError(
            field,
            ": this password is not allowed",
            "Use 8 to 30 characters of three kinds (upper case, lower case, digits, special "
            'ones), without \\ and ".',
        )


def check_choice(field: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuse a value that is not among those allowed."""
    if value not in allowed:
        raise FieldError(field, f': "{value}" is not allowed', instead_of(value, allowed))


def check_number(field: str, value: int, least: int, most: int) -> None:
    """Refuse a number out of its range."""
    if not least <= value <= most:
        raise FieldError(
            field, f": {value} is out of range", f"Use a number from {least} to {most}."
        )


def check_cidr(field: str, value: str) -> IPv4Network:
    """Return the network that a CIDR block names; refuse what is none."""
    try:
        return IPv4Network(value)
    except ValueError:
        raise FieldError(
            field,
            f': "{value}" is not a CIDR block',
            "Write it with its first address and its length, for example 172.28.1.0/24.",
        ) from None


def check_address(field: str, value: str) -> None:
    """Refuse what is not an IPv4 address."""
    try:
        IPv4Address(value)
    except ValueError:
        raise FieldError(field, f': "{value}" is not an address', "Give an IPv4 address.") from None
