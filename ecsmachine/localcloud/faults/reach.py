"""The possible targets of faults: a fault that can never strike is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

from ecsmachine.localcloud.catalog.instance_types import instance_types
from ecsmachine.localcloud.catalog.regions import regions
from ecsmachine.localcloud.faults.fault import CREATING, Fault, FaultError
from ecsmachine.suggestions import did_you_mean, instead_of

_INSTANCE_ID = re.compile(r"i-[a-z0-9]{20}")


@dataclass(frozen=True)
class Reach:
    """The targets of a cloud: its actions (and their dry runs), and whether it has guests.

    ``missing`` are actions of Alibaba Cloud that the local cloud lacks. ``instance_ids`` returns
    the ids of the existing instances.
    """

    actions: frozenset[str]
    missing: frozenset[str]
    guests: bool
    instance_ids: Callable[[], Iterable[str]]


@cache
def _places() -> tuple[tuple[str, ...], tuple[str, ...]]:
    return (
        tuple(region.id for region in regions()),
        tuple(zone.id for region in regions() for zone in region.zones),
    )


def check_reach(fault: Fault, reach: Reach) -> None:
    """Raise :class:`FaultError` for a fault that can never strike; it says what may be meant."""
    check_known(fault, reach.actions, reach.missing)
    if fault.target != "request" and not reach.guests:
        raise FaultError(
            f"The fault {fault.kind} needs guests, but this local cloud has none.",
            hint="Use a local cloud that was started with --guests nspawn",
        )
    if _INSTANCE_ID.fullmatch(fault.instance):  # names may be of instances to come; ids are made up
        _check("instance", fault.instance, reach.instance_ids())


def check_known(fault: Fault, actions: frozenset[str], missing: frozenset[str]) -> None:
    """Raise :class:`FaultError` for a fault that names what no cloud of this version has.

    ``actions`` and ``missing`` are as in :class:`Reach`.
    """
    region_ids, zone_ids = _places()
    _check("action", fault.action, actions, _of_action(fault.action, actions, missing))
    if fault.kind == "eventual-consistency":
        _check("resource-creating action", fault.action, CREATING)
    _check("region", fault.region, region_ids)
    _check("instance type", fault.instance_type, [kind.id for kind in instance_types()])
    _check("zone", fault.zone, zone_ids)
    if fault.path and fault.path[0] not in "/*?[":
        raise FaultError(
            f"The path {fault.path} can never match: paths begin with a slash.",
            hint=f"Did you mean */{fault.path}?",
        )


def _check(what: str, pattern: str, known: Iterable[str], hint: str = "") -> None:
    names = sorted(known)
    if not pattern or any(fnmatchcase(name, pattern) for name in names):
        return
    raise FaultError(
        f"There is no {what} {pattern}: the fault can never strike.",
        hint=hint or instead_of(pattern, names),
    )


def _of_action(action: str, actions: frozenset[str], missing: frozenset[str]) -> str:
    plain = action.removesuffix("/DryRun")
    if plain in missing:
        return (
            f"Alibaba Cloud has {plain}, but the local cloud does not (docs/emulator.md lists both)"
        )
    if plain != action and plain in actions:
        return f"{plain} has no dry run"
    near = did_you_mean(action, actions)
    return near or "Use an action of ECS, VPC, SLB or STS (docs/emulator.md lists them)"
