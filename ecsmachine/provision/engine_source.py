"""Where Docker's packages come from, and whose signature on them is accepted.

All sources have the layout of download.docker.com (https://docs.docker.com/engine/install/).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from ecsmachine.errors import UsageError
from ecsmachine.provision.base import AUTO

MIRROR, DOCKER = "mirror", "docker"

VPC_MIRROR = "http://mirrors.cloud.aliyuncs.com/docker-ce"
"""Alibaba Cloud's mirror as hosts on ECS reach it, in every region, without the internet."""
PUBLIC_MIRROR = "https://mirrors.aliyun.com/docker-ce"
DOCKER_PACKAGES = "https://download.docker.com"

APT_KEY = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"
RPM_KEY = "060A61C51B558A7F742B77AAC52FEB6B621E9F35"

LATEST = "latest"


def addresses(sources: Sequence[str], *, on_ecs: bool) -> list[str]:
    """Return the addresses that sources stand for, each once, in the order of trying."""
    mirrors = [VPC_MIRROR, PUBLIC_MIRROR] if on_ecs else [PUBLIC_MIRROR]
    known = {
        AUTO: [*mirrors, DOCKER_PACKAGES] if on_ecs else [DOCKER_PACKAGES, *mirrors],
        MIRROR: mirrors,
        DOCKER: [DOCKER_PACKAGES],
    }
    found = [address for source in sources for address in known.get(source, [source.rstrip("/")])]
    return list(dict.fromkeys(found))


def validate_sources(sources: Sequence[str]) -> None:
    """Raise :class:`UsageError` for a source that is none of the names and no address."""
    for source in sources:
        try:
            parts = urlsplit(source)
            complete = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            complete = False
        if complete and parts.password:
            raise UsageError(
                f'--engine-source (ENGINE_SOURCE): "{source}" has a password, which every user of '
                "the host could read",
                hint="Name a mirror without one, or an install script with --engine-install-url.",
            )
        plain = re.fullmatch(r"[A-Za-z0-9:/.@_~%+=,\[\]-]+", source)
        if source not in (AUTO, MIRROR, DOCKER) and not (complete and plain):
            raise UsageError(
                f'--engine-source (ENGINE_SOURCE): "{source}" is not a source of packages',
                hint=f"Give {AUTO}, {MIRROR}, {DOCKER}, or the http or https address of a mirror "
                f"of {DOCKER_PACKAGES}.",
            )


def validate_key(fingerprint: str) -> None:
    """Raise :class:`UsageError` unless it is "" or a fingerprint of 40 hexadecimal digits."""
    if fingerprint and not re.fullmatch(r"[0-9A-Fa-f]{40}", fingerprint):
        raise UsageError(
            f'--engine-source-key (ENGINE_SOURCE_KEY): "{fingerprint}" is not a fingerprint',
            hint="Give the 40 hexadecimal digits of an OpenPGP key, without spaces.",
        )


def validate_version(version: str) -> None:
    """Raise :class:`UsageError` unless it is "", or a version such as 27.5 or 27.5.1."""
    if version and not re.fullmatch(r"[0-9][0-9A-Za-z.+~-]*", version):
        raise UsageError(
            f'--engine-version: "{version}" is not a version',
            hint=f"Give the beginning of one, such as 27 or 27.5.1, or {LATEST}.",
        )
