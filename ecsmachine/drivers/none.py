"""The driver for an engine that is there already: it is known by its URL and nothing more."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from ecsmachine.documents.rules import LINE, URL
from ecsmachine.drivers.base import (
    DriverContext,
    Journal,
    Report,
    State,
    UnsupportedOperationError,
)
from ecsmachine.drivers.base_fields import BaseFields, fields_of, from_config
from ecsmachine.drivers.existing_host import PARTICIPLES, ExistingHost
from ecsmachine.drivers.options import Option, OptionValue
from ecsmachine.errors import UsageError
from ecsmachine.ssh.target import SSHTarget

_EXAMPLE = "Write it as tcp://192.0.2.7:2376."

OPTIONS = (
    Option(
        "url",
        "The URL of the engine, for example tcp://192.0.2.7:2376",
        default="",
        group="Machine",
        everyday=True,
    ),
)


def new(context: DriverContext, values: Mapping[str, OptionValue]) -> NoneDriver:
    """Return the driver of a new machine.

    As with Docker Machine, a URL may name anything: without a host, the machine has no address.
    Raises :class:`UsageError` without one, or for one that Docker Machine does not read.
    """
    url = str(values.get("url") or "")
    if not url:
        raise UsageError(
            "--url option is required when no driver is selected",
            hint=_EXAMPLE,
        )
    if not LINE.fits(url):
        raise UsageError(f"--url: {url!r} is not {LINE.what}", hint=_EXAMPLE)
    why = _why_no_url(url)
    if why:
        raise UsageError(f'--url: "{url}" is no URL: {why}', hint=_EXAMPLE)
    where = urlsplit(url).netloc.rpartition("@")[2] if URL.fits(url) else ""
    fields = BaseFields(context.machine_name, context.store_path, ip_address=where)
    return NoneDriver(fields, url)


def _why_no_url(text: str) -> str:
    """Return why Go reads a text as no URL, in its words; "" if it does.

    Source: ``url.Parse`` of Go's net/url.
    """
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text)
    rest = text[scheme.end() :] if scheme else text
    if text.startswith(":"):
        return "missing protocol scheme"
    if not scheme and ":" in rest.partition("/")[0]:
        return "first path segment in URL cannot contain colon"
    escape = re.search(r"%(?![0-9A-Fa-f]{2}).{0,2}", rest)
    if escape:
        return f'invalid URL escape "{escape[0]}"'
    if not rest.startswith("//"):
        return ""
    host = rest[2:].partition("/")[0].rpartition("@")[2]
    if host.startswith("[") and "]" not in host:
        return "missing ']' in host"
    port = host.rpartition("]")[2] if host.startswith("[") else "".join(host.rpartition(":")[1:])
    if ":" in host and not re.fullmatch(r"(:[0-9]*)?", port):
        return f'invalid port "{port}" after host'
    wrong = re.search(r'[ <>"]', host)
    return f'invalid character "{wrong[0]}" in host name' if wrong else ""


def load(context: DriverContext, config: Mapping[str, Any]) -> NoneDriver:
    """Return the driver of a machine in the store."""
    fields = fields_of(context, config)
    # as in Docker Machine, its IPAddress is what stands there in the URL; nobody connects to it
    base = from_config(context, config, LINE)
    return NoneDriver(base, fields.text("URL", LINE), found=config)


class NoneDriver(ExistingHost):
    """A machine that is an engine's URL."""

    name = "none"
    provisions = False

    def __init__(self, fields: BaseFields, url: str, *, found: Mapping[str, Any] | None = None):
        """``found`` is what the store holds: fields of other programs stay in it."""
        super().__init__(fields)
        self._url = url
        self._found = found or {}

    def config(self) -> dict[str, Any]:
        """Return the ``Driver`` object of ``config.json``."""
        return {**self._found, **self._fields.to_config(), "URL": self._url}

    def pre_create_check(self, report: Report) -> None:
        """Check nothing: the URL was looked at before."""

    def create(self, journal: Journal, report: Report, save: Callable[[], None]) -> None:
        """Make nothing."""

    def remove(self, journal: Journal, report: Report) -> None:
        """Remove nothing: the engine is not ours."""

    def unsupported(self, operation: str) -> UnsupportedOperationError:
        """Return the refusal, in Docker Machine's words."""
        done = PARTICIPLES[operation]
        return UnsupportedOperationError(f"hosts without a driver cannot be {done}")

    def state(self) -> State:
        """Return Running: nothing else is known."""
        return State.RUNNING

    def address(self) -> str:
        """Return the host of the URL."""
        return (urlsplit(self._url).hostname or "") if URL.fits(self._url) else ""

    def url(self) -> str:
        """Return the URL that was given."""
        return self._url

    def ssh_target(self) -> SSHTarget:
        """Refuse: no login is known."""
        raise UnsupportedOperationError(
            f'Machine "{self._fields.machine_name}" is only an engine\'s URL: '
            "its host cannot be logged in to"
        )
