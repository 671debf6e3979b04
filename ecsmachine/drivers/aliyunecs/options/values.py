"""How the value of an option is read: its type, what it may be, and what to say if it is not."""

from __future__ import annotations

import ipaddress
import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal

from ecsmachine.documents import FALSE_WORDS, TRUE_WORDS
from ecsmachine.documents.text import read_file
from ecsmachine.drivers.base import PortRange
from ecsmachine.drivers.options import OptionValue
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.suggestions import instead_of
from ecsmachine.system.folders import with_home

_MAX_USER_TAGS = 17
"""A resource may have 20 tags, and three are ours."""

_MAX_USER_DATA = 32 * 1024


class UnfitValueError(Exception):
    """The value of an option cannot be; ``hint`` says what could."""

    def __init__(self, reason: str, hint: str = "Correct it."):
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


@dataclass(frozen=True)
class Reader:
    """How an option is read from its value; ``read`` raises :class:`UnfitValueError`.

    ``kind`` is the type that its flag takes; ``choices`` are all the values that there are, if
    they can be listed.
    """

    read: Callable[[Any], Any]
    kind: Literal["string", "int", "bool", "list"] = "string"
    choices: tuple[str, ...] = ()


def _text(value: OptionValue) -> str:
    text = "" if value is None else str(value)
    if "\0" in text or "\n" in text:
        raise UnfitValueError("it has a line break in it", "Write it in one line.")
    return text.strip()


def _of_text(read: Callable[[str], Any]) -> Reader:
    """Return the reader of an option whose text means something; it may be left out."""
    return Reader(lambda value: read(_text(value)))


def matching(pattern: str, what: str, *, optional: bool = False) -> Reader:
    """Return the reader of a text that has to match ``pattern``; ``what`` says it in words.

    With ``optional`` it may be left out.
    """

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text) and (text or not optional):
            raise UnfitValueError(f'"{text}" is not {what}')
        return text

    return _of_text(read)


def whole_number(least: int, most: int) -> Reader:
    """Return the reader of a whole number in a range."""

    def read(value: OptionValue) -> int:
        if not isinstance(value, int) or not least <= value <= most:
            raise UnfitValueError(f"{value} is out of range", f"Use {least} to {most}.")
        return value

    return Reader(read, "int")


def choice(*choices: str, optional: bool = False) -> Reader:
    """Return the reader of one of some texts; with ``optional`` it may be left out."""

    def read(value: OptionValue) -> str:
        text = _text(value)
        if text not in choices and (text or not optional):
            raise UnfitValueError(f'"{text}" is not known', instead_of(text, choices))
        return text

    return Reader(read, choices=choices)


def _identifier(text: str) -> str:
    if text and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:-]*", text):
        raise UnfitValueError(f'"{text}" has characters that ids cannot have')
    return text


def _endpoint(text: str) -> str:
    from ecsmachine.aliyun.endpoints import validate_endpoint

    return validate_endpoint(text, "--aliyunecs-api-endpoint or ECS_API_ENDPOINT") if text else ""


def _lines(value: OptionValue) -> list[str]:
    items = value if isinstance(value, list) else []
    return [item.strip() for item in items if item.strip()]


def _tags(value: OptionValue) -> dict[str, str]:
    tags: dict[str, str] = {}
    for text in _lines(value):
        key, equals, content = (part.strip() for part in text.partition("="))
        if not equals:
            raise UnfitValueError(f'"{text}" is not key=value', "Write it as key=value.")
        if not key:
            raise UnfitValueError(f'"{text}" has no key', "Write it as key=value.")
        if len(key) > 128 or len(content) > 128:
            raise UnfitValueError(
                f'"{key[:40]}…" is too long', "Keys and values have at most 128 characters."
            )
        if key.startswith(("aliyun", "acs:", "ecsmachine:")) or "://" in key or "://" in content:
            raise UnfitValueError(
                f'"{text}" is not allowed',
                "Keys cannot begin with aliyun, acs: or ecsmachine:. Keys and values cannot "
                "contain http://.",
            )
        tags[key] = content
    if len(tags) > _MAX_USER_TAGS:
        raise UnfitValueError(f"{len(tags)} are too many", f"At most {_MAX_USER_TAGS} are allowed.")
    return tags


def _description(text: str) -> str:
    if text and (not 2 <= len(text) <= 256 or text.startswith(("http://", "https://"))):
        raise UnfitValueError("ECS refuses it", "Use 2 to 256 characters, and no URL.")
    return text


def is_host_name(text: str) -> bool:
    """Whether ECS takes ``text`` as the host name of a Linux instance."""
    return (
        2 <= len(text) <= 64
        and re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", text) is not None
        and not re.search(r"[.-]{2}", text)
    )


def _host_name(text: str) -> str:
    if text and not is_host_name(text):
        raise UnfitValueError(
            f'"{text}" is not a host name',
            "Use 2 to 64 letters, digits, dots and hyphens, ending in a letter or digit.",
        )
    return text


def _io_optimized(text: str) -> bool:
    value = text.lower()
    if value in TRUE_WORDS | {"optimized"}:
        return True
    if value in FALSE_WORDS | {"none", ""}:
        return False
    raise UnfitValueError(f'"{text}" is not known', "Use true or false.")


def _path(text: str) -> Path | None:
    return Path(with_home(text)).absolute() if text else None


def _user_data(text: str) -> bytes:
    path = _path(text)
    if path is None:
        return b""
    try:
        return read_file(path, MachineError, longest=_MAX_USER_DATA, pipes=True)
    except (FileNotFoundError, MachineError) as error:
        reason = error.message if isinstance(error, MachineError) else error.strerror
        raise UnfitValueError(
            f"{path} cannot be read: {reason}", "Name a file of at most 32 KiB."
        ) from error


def _security_group(text: str) -> str:
    is_url = text.startswith(("http://", "https://"))
    if is_url or not re.fullmatch(r"[^\W\d_][\w.:-]{1,127}", text):
        raise UnfitValueError(
            f'"{text}" is not a name of a security group',
            "Use 2 to 128 letters, digits and . _ : - with a letter first.",
        )
    return text


def _private_ip(text: str) -> str:
    if not text:
        return ""
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise UnfitValueError(f'"{text}" is not an IPv4 address') from None


def _cidr(text: str) -> str:
    try:
        return str(ipaddress.IPv4Network(text, strict=False))
    except ValueError:
        raise UnfitValueError(
            f'"{text}" is not an IPv4 network', "Write it as 203.0.113.0/24."
        ) from None


def _route_cidr(text: str) -> str:
    if text and "/" not in text:
        raise UnfitValueError(f'"{text}" is not a network', f"Write it as {text}/24.")
    return _cidr(text) if text else ""


def _source_cidrs(value: OptionValue) -> tuple[str, ...]:
    return tuple(_cidr(text) for text in _lines(value)) or ("0.0.0.0/0",)


def _ports(value: OptionValue) -> tuple[PortRange, ...]:
    return tuple(_port_range(text) for text in _lines(value))


def _port_range(text: str) -> PortRange:
    match = re.fullmatch(r"(\d{1,5})(?:[-/:](\d{1,5}))?(?:/(tcp|udp))?", text.lower())
    first = int(match[1]) if match else 0
    last = int(match[2]) if match and match[2] else first
    if match is None or not 1 <= first <= last <= 65535:
        raise UnfitValueError(f'"{text}" is not a port', "Write it as 80, 8000-8100 or 53/udp.")
    return PortRange(match[3] or "tcp", first, last)


def _price(text: str) -> float:
    if not text:
        return 0.0
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text) or float(text) <= 0:
        raise UnfitValueError(f'"{text}" is not a price', "Write it as 0.125, per hour.")
    return float(text)


def _spot_price(text: str) -> float:
    """Return a price as RunInstances takes it: SpotPriceLimit has three decimals at most."""
    price = _price(text)
    if round(price, 3) != price:
        raise UnfitValueError(
            f'"{text}" has more than three decimals', f"Use {max(price, 0.001):.3f}."
        )
    return price


def _auto_release_time(text: str) -> str:
    """Return when an instance shall be released as the API wants it, in whole minutes of UTC."""
    if not text:
        return ""
    now = datetime.now(timezone.utc)
    ahead = re.fullmatch(r"(\d{1,5})([hd])", text)
    if ahead:
        unit = timedelta(hours=1) if ahead[2] == "h" else timedelta(days=1)
        when = now + int(ahead[1]) * unit
    else:
        try:
            when = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        except ValueError:
            raise UnfitValueError(
                f'"{text}" is not a time',
                "Write it as 2030-01-31T12:00:00Z, or as 8h or 3d from now.",
            ) from None
    if not now + timedelta(minutes=30) <= when <= now + timedelta(days=3 * 365):
        raise UnfitValueError(
            f'"{text}" is out of range', "Use a time from 30 minutes to three years ahead."
        )
    return when.strftime("%Y-%m-%dT%H:%M:00Z")


TEXT = _of_text(str)
SECRET = Reader(lambda value: _text(value) and str(value))
"""A text whose blanks count."""
IDENTIFIER = _of_text(_identifier)
FLAG = Reader(bool, "bool")
ENDPOINT = _of_text(_endpoint)
TAGS = Reader(_tags, "list")
DESCRIPTION = _of_text(_description)
HOST_NAME = _of_text(_host_name)
IO_OPTIMIZED = _of_text(_io_optimized)
FILE_PATH = _of_text(_path)
USER_DATA = _of_text(_user_data)
SECURITY_GROUP = _of_text(_security_group)
PRIVATE_IP = _of_text(_private_ip)
ROUTE_CIDR = _of_text(_route_cidr)
SOURCE_CIDRS = Reader(_source_cidrs, "list")
PORTS = Reader(_ports, "list")
PRICE = _of_text(_price)
SPOT_PRICE = _of_text(_spot_price)
AUTO_RELEASE_TIME = _of_text(_auto_release_time)


_SPECIAL = "()`~!@#$%^&*-_+=|{}[]:;'<>,.?/"


def check_password(password: str) -> None:
    """Raise :class:`UsageError` unless ECS and a shell on the host take the password.

    Eight to 30 characters of at least three kinds: lower case, upper case, digits, special
    characters; no backslash and no double quote. The error never shows it.
    """
    kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits, _SPECIAL)
    problem = ""
    if not 8 <= len(password) <= 30:
        problem = f"it has {len(password)} characters"
    elif any(character not in "".join(kinds) for character in password):
        problem = "it has a character that ECS does not accept"
    elif sum(any(character in kind for character in password) for kind in kinds) < 3:
        problem = "it is too simple"
    if problem:
        raise UsageError(
            f"--aliyunecs-ssh-password (ECS_SSH_PASSWORD): {problem}",
            hint="Use 8 to 30 characters of at least three kinds: lower case, upper case, "
            f"digits, and {_SPECIAL}",
        )
