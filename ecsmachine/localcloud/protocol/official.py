"""Alibaba Cloud's published metadata: actions, their parameters, and which are required.

They are kept in ``official_names.txt`` beside this module, which
``scripts/measure_api/write_names.py`` writes.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources

from ecsmachine.localcloud.catalog.regions import find_region
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.errors import missing_parameter

COMMON = frozenset(
    (
        *("Action", "Version", "Format", "RegionId", "AccessKeyId", "SecurityToken", "Timestamp"),
        *("TimeStamp", "Signature", "SignatureMethod", "SignatureNonce", "SignatureVersion"),
        *("SignatureType", "BearerToken"),
    )
)
"""The parameters of every action."""
OF_OTHER_OWNERS = frozenset(("OwnerId", "OwnerAccount", "ResourceOwnerId", "ResourceOwnerAccount"))
"""Official for almost every action, and without a meaning for any."""

_NUMBER = re.compile(r"\.[0-9]+(?=\.|$)")


@dataclass(frozen=True)
class OfficialAction:
    """Names of parameters, lists as ``NAME.N``; ``idle`` are those that ECS does nothing with.

    Those are called deprecated, or not yet open to all, by their official description.
    """

    parameters: frozenset[str]
    required: frozenset[str]
    idle: frozenset[str]

    def takes(self, name: str) -> bool:
        """Return whether a parameter is of the action: in any spelling, or a list or part whole."""
        return name in COMMON or plain_name(name).lower() in self._spellings

    @functools.cached_property
    def _spellings(self) -> frozenset[str]:
        names = [name.lower().split(".") for name in self.parameters]
        return frozenset(".".join(name[:end]) for name in names for end in range(1, len(name) + 1))


def official_actions(version: str) -> Mapping[str, OfficialAction]:
    """Return the actions of a product by name; empty where nothing is known of it."""
    return _products().get(version, {})


@functools.lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """Return the name as it is written officially: ``DataDisk.2.Size`` is ``DataDisk.N.Size``."""
    return _NUMBER.sub(".N", name)


@functools.cache
def _products() -> Mapping[str, Mapping[str, OfficialAction]]:
    file = resources.files(__package__) / "official_names.txt"
    products: dict[str, dict[str, OfficialAction]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        first, *names = line.split()
        if first == "version":
            actions = products.setdefault(names[0], {})
            continue
        actions[first] = OfficialAction(
            parameters=frozenset(name.lstrip("-!") for name in names),
            required=frozenset(name[1:] for name in names if name[0] == "!"),
            idle=frozenset(name[1:] for name in names if name[0] == "-"),
        )
    return products


_REGIONAL = ("2014-05-26", "2014-05-15", "2016-04-28")
"""The versions of ECS, SLB and VPC: their requests have a region."""


_NOT_ENFORCED = frozenset(
    (f"CreateLoadBalancer{protocol}Listener", "Bandwidth") for protocol in ("TCP", "UDP", "HTTPS")
)
"""Required by the published metadata, and left out by Terraform's provider, which SLB takes."""


def check_required(version: str, action: str, values: Mapping[str, str]) -> None:
    """Raise ``MissingParameter``, or ``InvalidRegionId.NotFound`` for a region that is not there.

    The part of a list's item may be empty (the value of a tag), but has to be there.
    """
    if action in official_actions(version):
        for name in _required(version, action):
            for missing in _missing(name, values):
                raise missing_parameter(missing)
    region_id = values.get("RegionId")
    if region_id and version in _REGIONAL and find_region(region_id) is None:
        raise refusals.REGION_NOT_FOUND()


@functools.cache
def _required(version: str, action: str) -> tuple[str, ...]:
    """Return what a request must have, in the order in which it is told of."""
    names = official_actions(version)[action].required
    enforced = [name for name in names if (action, name) not in _NOT_ENFORCED]
    return tuple(sorted(enforced, key=lambda name: (name != "RegionId", name)))


def _missing(name: str, values: Mapping[str, str]) -> Iterator[str]:
    whole, listed, part = name.partition(".N")
    if not listed:
        if not values.get(name):
            yield name
        return
    items = {key.split(".")[1] for key in values if key.startswith(f"{whole}.")}
    if not part:
        if not items:
            yield whole
        return
    parts = (f"{whole}.{item}{part}" for item in sorted(items))
    yield from (each for each in parts if each not in values)
