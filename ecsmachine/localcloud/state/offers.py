"""What a cloud offers where its seed says it: stock, prices, quotas."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from ecsmachine.localcloud.catalog import prices
from ecsmachine.localcloud.catalog.instance_types import InstanceType

QUOTAS = {
    "instances": 1000,
    "disks": 2000,
    "images": 100,
    "key-pairs": 500,
    "security-groups": 100,
    "vpcs": 10,
    "vswitches": 150,
    "eips": 100,
    "load-balancers": 60,
}
"""How many there may be unless a seed says otherwise: vpcs, security groups and key pairs of a
region, VSwitches of a VPC, others in all."""


@dataclass(frozen=True)
class Stock:
    """So many instances of these types can there be in these zones, both patterns."""

    instance_type: str
    zone: str
    amount: int

    def matches(self, instance_type: str, zone: str) -> bool:
        """Return whether an instance of a type in a zone is of this stock."""
        return fnmatchcase(instance_type, self.instance_type) and fnmatchcase(zone, self.zone)


@dataclass(frozen=True)
class Offer:
    """What the cloud's seed has said; ``digest`` is that of the seed.

    ``prices`` are of an hour, by instance type, in CNY.
    """

    id: str = "offer"
    digest: str = ""
    stock: tuple[Stock, ...] = ()
    prices: dict[str, float] = field(default_factory=dict)
    quotas: dict[str, int] = field(default_factory=dict)

    def quota(self, name: str) -> int:
        """Return how many there may be of what ``name`` (in :data:`QUOTAS`) says."""
        return self.quotas.get(name, QUOTAS[name])

    def instance_hour(self, kind: InstanceType) -> float:
        """Return the price of an hour of an instance type, without disks."""
        return self.prices.get(kind.id, prices.instance_hour(kind))
