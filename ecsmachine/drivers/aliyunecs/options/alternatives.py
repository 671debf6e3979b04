"""Which options of the driver say the same in other ways, or cannot be together.

Each pair stands here once, with the option whose value counts where one of them wins. The flags
and variables are settled by it (:mod:`ecsmachine.cli.arguments.precedence`), and so are the
values that a driver is handed (:mod:`ecsmachine.drivers.aliyunecs.options.reading`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecsmachine.drivers.options import Alternative

_SPOT = ("SpotAsPriceGo", "SpotWithPriceLimit")
_PRIVATE = "a machine with only a private address has no elastic address"
_EARLY = "a PrePaid instance cannot be released early"


def _alternatives(*names: str, **what: Any) -> tuple[Alternative, ...]:
    return tuple(Alternative(f"aliyunecs-{name}", **what) for name in names)


ALTERNATIVES: Mapping[str, tuple[Alternative, ...]] = {
    "image-id": _alternatives("image-family", "image-os"),
    "image-family": _alternatives("image-os"),
    "instance-type": (
        *_alternatives("cpus", "memory", both="wins"),
        *_alternatives("architecture", both="count"),
    ),
    "vswitch-id": _alternatives("zone", "vpc-id", both="count"),
    "ssh-password": _alternatives(
        "ssh-keypair", why="ECS accepts a password or a key pair, not both"
    ),
    "access-key-id": _alternatives("profile", both="wins"),
    # a token belongs to its secret
    "access-key-secret": (
        *_alternatives("profile", both="wins"),
        *_alternatives("security-token", both="count", mutual=False),
    ),
    "eip": _alternatives("allocate-eip"),
    "private-address-only": (
        *_alternatives("eip", "allocate-eip", why=_PRIVATE),
        *_alternatives("internet-max-bandwidth", both="wins"),
    ),
    "internet-max-bandwidth": _alternatives(
        *("eip", "allocate-eip"), mine=(0,), why="0 is for no public address"
    ),
    "auto-release": (Alternative("aliyunecs-auto-release-time"),),
    "charge-type": (
        *_alternatives(
            "spot-strategy",
            mine=("PrePaid",),
            theirs=_SPOT,
            why="spot instances are always PostPaid",
        ),
        *_alternatives("auto-release-time", mine=("PrePaid",), why=_EARLY),
        Alternative("auto-release", mine=("PrePaid",), why=_EARLY),
        *_alternatives("period", "auto-renew", mine=("PostPaid",), both="count"),
    ),
    "spot-strategy": (
        *_alternatives("period", "auto-renew", mine=_SPOT, both="count"),
        *_alternatives("spot-price-limit", mine=("NoSpot", "SpotAsPriceGo"), both="count"),
    ),
}
"""By the name of an option without the driver's prefix."""
