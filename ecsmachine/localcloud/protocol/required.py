"""What each action requires, as Alibaba Cloud publishes it, and the region that every one needs.

The server looks before it carries an action out, so that no action has to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ecsmachine.localcloud.catalog.regions import find_region
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.errors import missing_parameter
from ecsmachine.localcloud.protocol.official import official_actions

_REGIONAL = ("2014-05-26", "2014-05-15", "2016-04-28")
"""The versions of ECS, SLB and VPC: they are asked in a region."""


_NOT_ENFORCED = frozenset(
    (f"CreateLoadBalancer{protocol}Listener", "Bandwidth") for protocol in ("TCP", "UDP", "HTTPS")
)
"""Required by the published metadata, and left out by Terraform's provider, which SLB takes."""


def check_required(version: str, action: str, values: Mapping[str, str]) -> None:
    """Raise ``MissingParameter``, or ``InvalidRegionId.NotFound`` for a region that is not there.

    The part of a list's item may be empty (the value of a tag), but has to be there.
    """
    official = official_actions(version).get(action)
    names = official.required if official else ()
    names = frozenset(name for name in names if (action, name) not in _NOT_ENFORCED)
    for name in sorted(names, key=lambda name: (name != "RegionId", name)):
        for missing in _missing(name, values):
            raise missing_parameter(missing)
    region_id = values.get("RegionId")
    if region_id and version in _REGIONAL and find_region(region_id) is None:
        raise refusals.REGION_NOT_FOUND()


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
