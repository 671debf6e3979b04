"""Rules for names, passwords and devices, and patterns of names."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Container
from functools import partial

from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.parameters import Parameters

_NAME = re.compile(r"[^\W\d_][\w.:\-]*", re.UNICODE)
_SIGNS = "()`~!@#$%^&*-_+=|{}[]:;'<>,.?/"
_DEVICE = re.compile(r"/dev/x?vd[b-z]")
_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?")


def valid_name(name: str) -> bool:
    """Return whether a name has the right length, begins with a letter, and is no URL."""
    return (
        2 <= len(name) <= 128
        and not name.lower().startswith(("http://", "https://"))
        and _NAME.fullmatch(name) is not None
    )


def valid_description(text: str, *, least: int = 2, most: int = 256) -> bool:
    """Return whether a description has the right length and is no URL."""
    return least <= len(text) <= most and not text.lower().startswith(("http://", "https://"))


def valid_password(password: str) -> bool:
    """Return whether ECS would take the password of a Linux instance.

    8 to 30 characters, three of: upper case, lower case, digits, signs; no other characters.
    """
    kinds = (
        any("A" <= c <= "Z" for c in password),
        any("a" <= c <= "z" for c in password),
        any("0" <= c <= "9" for c in password),
        any(c in _SIGNS for c in password),
    )
    known = all((c.isascii() and c.isalnum()) or c in _SIGNS for c in password)
    return 8 <= len(password) <= 30 and known and sum(kinds) >= 3


def valid_host_name(name: str) -> bool:
    """Return whether a Linux host may be called so: 2 to 64 characters in dotted labels."""
    return (
        2 <= len(name) <= 64
        and _HOST_NAME.fullmatch(name) is not None
        and ".." not in name
        and "--" not in name
        and ".-" not in name
        and "-." not in name
    )


def valid_device(device: str) -> bool:
    """Return whether a data disk can be attached under this name."""
    return _DEVICE.fullmatch(device) is not None


def free_device(taken: Container[str]) -> str:
    """Return the first free name for a data disk; raises ``InstanceDiskNumber.LimitExceed``."""
    for letter in string.ascii_lowercase[1:]:
        device = f"/dev/xvd{letter}"
        if device not in taken:
            return device
    raise refusals.QUOTA_OF_DISKS_OF_INSTANCE()


def matches(pattern: str, name: str) -> bool:
    """Return whether a name matches a pattern in which ``*`` stands for any characters."""
    # no regular expression: it tries all that each of many "*" may stand for
    beginning, *parts = pattern.split("*")
    if not parts:
        return pattern == name
    place, end = len(beginning), len(name) - len(parts[-1])
    if place > end or not name.startswith(beginning) or not name.endswith(parts[-1]):
        return False
    for part in parts[:-1]:
        found = name.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


def checked_text(
    parameters: Parameters, name: str, valid: Callable[[str], bool], error: ApiError | None = None
) -> str:
    """Return a parameter's text, "" if it is not given.

    Raises ``error`` (or ``InvalidNAME.Malformed``) if it is not ``valid``.
    """
    text = parameters.text(name)
    if text and not valid(text):
        raise error or refusals.malformed(name)
    return text


def checked_description(
    parameters: Parameters,
    error: ApiError | None = None,
    *,
    name: str = "Description",
    least: int = 2,
    most: int = 256,
) -> str:
    """Return a description, or a name that has its rules; raises as :func:`checked_text`."""
    return checked_text(parameters, name, partial(valid_description, least=least, most=most), error)
