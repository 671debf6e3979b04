"""The settings of a local cloud: its delays, and the offer of its seed."""

from __future__ import annotations

import ipaddress
import math
import re
import secrets
import string
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any

from ecsmachine.localcloud.catalog import prices
from ecsmachine.localcloud.catalog.instance_types import InstanceType
from ecsmachine.localcloud.catalog.regions import known_region, regions
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.suggestions import did_you_mean, instead_of

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
    """The offer of the seed; ``digest`` is the digest of the seed.

    ``prices`` are per hour, by instance type, in CNY.
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


_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_KEY_SECRET = re.compile(r"[!-~]{1,128}")


class StateError(LocalCloudError):
    """The state cannot be opened; the text says why."""


@dataclass(frozen=True)
class Delays:
    """How long things take, in seconds; the defaults are as fast as the guests are.

    ``pending_s``: an instance stays Pending at least so long. ``stopped_s``: one that is to start
    by itself (RunInstances) is seen Stopped for so long in between. ``starting_s``,
    ``stopping_s``: at least so long in those states. ``network_s``: a VPC or VSwitch is Pending
    for so long, an EIP Associating or Unassociating. ``invisible_s``: a new instance is not found
    for so long (eventual consistency).
    """

    pending_s: float = 0.0
    stopped_s: float = 0.0
    starting_s: float = 0.0
    stopping_s: float = 0.0
    network_s: float = 0.0
    invisible_s: float = 0.0


# The public addresses of clouds without guests: no cloud with guests takes them, so a connection to
# one of them never meets the guest of another cloud.
NOBODYS_POOL = "198.18.0.0/24"


@dataclass(frozen=True)
class Settings:
    """The settings of a new local cloud.

    ``public_pool`` is the network (inside 198.18.0.0/15) that public addresses come from; its first
    two and its last address are never assigned, nor are ``reserved`` ones.
    ``vpc_cidr`` and ``vswitch_cidr`` are those of the default VPC and VSwitch; the first address
    and the last three of a VSwitch are never given to an instance, as in ECS. Without an access
    key, a new one is generated; a given key also replaces the key of an existing cloud.
    """

    region: str = "cn-hangzhou"
    public_pool: str = NOBODYS_POOL
    vpc_cidr: str = "172.16.0.0/12"
    vswitch_cidr: str = "172.16.0.0/20"
    reserved: tuple[str, ...] = ()
    access_key_id: str = ""
    access_key_secret: str = field(default="", repr=False)
    delays: Delays = field(default_factory=Delays)


def access_key_of(settings: Settings) -> dict[str, str]:
    """Return the access key that settings ask for, or one that is made up."""
    alphabet = string.ascii_letters + string.digits
    made_up = "LTAI5t" + "".join(secrets.choice(alphabet) for _ in range(18))
    secret = "".join(secrets.choice(alphabet) for _ in range(30))
    return {
        "access_key_id": settings.access_key_id or made_up,
        "access_key_secret": settings.access_key_secret or secret,
    }


def check_access_key(key_id: str, secret: str) -> None:
    """Raise :class:`StateError` unless both make an access key, or both are empty."""
    if bool(key_id) != bool(secret):
        raise StateError("An access key needs both an id and a secret: one of them is missing.")
    if key_id and not _KEY_ID.fullmatch(key_id):
        raise StateError(
            f"{key_id!r} is not an access key id: use letters, digits, '.', '_' and '-'"
        )
    if secret and not _KEY_SECRET.fullmatch(secret):
        raise StateError("An access key secret has 1 to 128 visible ASCII characters.")


def delays_of(given: Mapping[str, Any] | Iterable[str]) -> Delays:
    """Return the delays (seconds) by their names, with the end ``_s`` or without.

    They may be texts: ``pending=2``. Raises :class:`StateError`.
    """
    known = [item.name for item in fields(Delays)]
    if not isinstance(given, Mapping):
        given = dict(one.partition("=")[::2] for one in given)
    values: dict[str, float] = {}
    for name, text in given.items():
        full = name if name.endswith("_s") else f"{name}_s"
        if full not in known:
            written = [one if full == name else one.removesuffix("_s") for one in known]
            raise StateError(f"There is no delay {name}.", hint=instead_of(name, written))
        try:
            values[full] = float(text)
        except (TypeError, ValueError):
            values[full] = math.nan
        if not 0 <= values[full] < math.inf:
            raise StateError(f"The delay {name} must be a number of seconds, not {text!r}.")
    return Delays(**values)


def check_settings(settings: Settings) -> None:
    """Raise :class:`StateError` where settings make no sense."""
    try:
        vpc = ipaddress.IPv4Network(settings.vpc_cidr)
        vswitch = ipaddress.IPv4Network(settings.vswitch_cidr)
        pool = ipaddress.IPv4Network(settings.public_pool)
        known_region(settings.region)
    except LookupError as error:
        hint = did_you_mean(settings.region, [region.id for region in regions()])
        raise StateError(str(error), hint=hint) from error
    except ValueError as error:
        raise StateError(str(error)) from error
    if not vswitch.subnet_of(vpc):
        raise StateError(f"VSwitch {vswitch} is not inside VPC {vpc}")
    if pool.num_addresses < 8:
        raise StateError(f"public pool {pool} is too small: use /29 or larger")
    check_access_key(settings.access_key_id, settings.access_key_secret)
    delays_of(asdict(settings.delays))
