"""What faults can strike in clouds of this version: one that can never strike is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import closing
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from ecsmachine.localcloud.actions import PRODUCTS
from ecsmachine.localcloud.catalog.instance_types import instance_types
from ecsmachine.localcloud.catalog.regions import regions
from ecsmachine.localcloud.faults.fault import CREATING, Fault, FaultError, check
from ecsmachine.localcloud.protocol.official import official_actions
from ecsmachine.localcloud.state import FILE_NAME
from ecsmachine.localcloud.state.state import open_state
from ecsmachine.suggestions import did_you_mean, instead_of
from ecsmachine.system.files import file_exists

_INSTANCE_ID = re.compile(r"i-[a-z0-9]{20}")


def reach_of(root: Path, *, guests: bool) -> Callable[[Fault], None]:
    """Return what checks faults of the cloud in a folder, which has guests or has none.

    It raises :class:`FaultError` for a fault that can never strike, and says what may be meant.
    """

    def check_reach(fault: Fault) -> None:
        _check_known(fault)
        if fault.target != "request" and not guests:
            raise FaultError(
                f"The fault {fault.kind} needs guests, but this local cloud has none.",
                hint="Use a local cloud that was started with --guests nspawn",
            )
        # names may be of instances to come; ids are made up
        if _INSTANCE_ID.fullmatch(fault.instance):
            _check("instance", fault.instance, _instance_ids(root))

    return check_reach


def check_names(fault: Fault, spelled: Callable[[str], str] = str) -> None:
    """Raise :class:`FaultError` for a fault that can strike in no cloud of this version."""
    check(fault, spelled)
    _check_known(fault)


def _instance_ids(root: Path) -> list[str]:
    if not file_exists(root / FILE_NAME):
        return []
    with closing(open_state(root)) as state:
        return [instance.id for instance in state.instances]


@cache
def _actions() -> tuple[frozenset[str], frozenset[str]]:
    """Return the actions that are there, with their dry runs, and those that are not."""
    actions: set[str] = set()
    official: set[str] = set()
    for version, product in PRODUCTS.items():
        known = official_actions(version)
        official |= known.keys()
        actions |= product.keys()
        actions |= {
            f"{name}/DryRun" for name in product if name in known if known[name].takes("DryRun")
        }
    return frozenset(actions), frozenset(official - actions)


def _check_known(fault: Fault) -> None:
    """Raise :class:`FaultError` for a fault that names what no cloud of this version has."""
    _check("action", fault.action, _actions()[0], _of_action(fault.action))
    if fault.kind == "eventual-consistency":
        _check("resource-creating action", fault.action, CREATING)
    _check("region", fault.region, [region.id for region in regions()])
    _check("instance type", fault.instance_type, [kind.id for kind in instance_types()])
    _check("zone", fault.zone, [zone.id for region in regions() for zone in region.zones])
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


def _of_action(action: str) -> str:
    actions, missing = _actions()
    plain = action.removesuffix("/DryRun")
    if plain in missing:
        return (
            f"Alibaba Cloud has {plain}, but the local cloud does not (docs/emulator.md lists both)"
        )
    if plain != action and plain in actions:
        return f"{plain} has no dry run"
    near = did_you_mean(action, actions)
    return near or "Use an action of ECS, VPC, SLB or STS (docs/emulator.md lists them)"
