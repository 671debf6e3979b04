"""Names of images: ``[REGISTRY/]NAME[:TAG|@DIGEST]``, by the grammar of docker/distribution."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from ecsmachine.documents.rules import WEB_URL, Rule
from ecsmachine.errors import UsageError

_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"


def _rule(what: str, pattern: str) -> Rule:
    return Rule(what, lambda text: re.fullmatch(pattern, text) is not None, 255)


NAME = _rule("the name of a repository", rf"{_PART}(?:/{_PART})*")
TAG = _rule("a tag", r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
DIGEST = _rule("a digest", r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}")


@dataclass(frozen=True)
class Reference:
    """An image in a registry; ``version`` is a tag or a digest."""

    name: str
    version: str

    @property
    def is_digest(self) -> bool:
        """Whether the version is a digest."""
        return ":" in self.version

    def __str__(self) -> str:
        return f"{self.name}{'@' if self.is_digest else ':'}{self.version}"


def parse_name(text: str) -> str:
    """Return the name of a repository. Raises :class:`UsageError`."""
    if not NAME.fits(text):
        raise UsageError(
            f'"{text}" is not the name of a repository',
            hint="Write it in lower case, for example library/busybox.",
        )
    return text


def parse_reference(text: str) -> Reference:
    """Return the image that NAME:TAG or NAME@DIGEST names. Raises :class:`UsageError`."""
    name, at, digest = text.partition("@")
    if at:
        if not DIGEST.fits(digest):
            raise UsageError(f'"{digest}" is not a digest', hint="Write sha256: and 64 digits.")
        return Reference(parse_name(name), digest)
    name, colon, tag = text.rpartition(":")
    if not colon or not TAG.fits(tag):
        raise UsageError(
            f'"{text}" names no tag', hint="Write NAME:TAG, for example library/busybox:latest."
        )
    return Reference(parse_name(name), tag)


def registry_url(text: str) -> str:
    """Return a registry's address; ``https://`` where it names no scheme.

    Raises :class:`UsageError`.
    """
    url = text if "://" in text else f"https://{text}"
    parts = urlsplit(url) if WEB_URL.fits(url) else None
    if parts is None or parts.query or parts.fragment or parts.username or parts.path.strip("/"):
        raise UsageError(
            f'"{text}" is not the address of a registry',
            hint="Give host and port, for example registry.example.com or http://127.0.0.1:5000.",
        )
    return url.rstrip("/")
