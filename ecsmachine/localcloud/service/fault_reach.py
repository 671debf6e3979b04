"""The possible targets of faults in clouds of this version."""

from __future__ import annotations

from contextlib import closing
from functools import cache
from pathlib import Path

from ecsmachine.localcloud.actions import PRODUCTS
from ecsmachine.localcloud.faults.fault import Fault, check
from ecsmachine.localcloud.faults.reach import Reach, check_known
from ecsmachine.localcloud.protocol.official import official_actions
from ecsmachine.localcloud.state import FILE_NAME
from ecsmachine.localcloud.state.state import open_state


def reach_of(root: Path, *, guests: bool) -> Reach:
    """Return what there is to strike in the cloud in a folder, which has guests or has none."""

    def instance_ids() -> list[str]:
        if not (root / FILE_NAME).is_file():
            return []
        with closing(open_state(root)) as state:
            return [instance.id for instance in state.instances]

    return Reach(*_actions(), guests, instance_ids)


def check_names(fault: Fault) -> None:
    """Raise :class:`FaultError` for a fault that can strike in no cloud of this version."""
    check(fault)
    check_known(fault, *_actions())


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
