"""What faults can strike in the clouds of this version."""

from __future__ import annotations

from functools import cache

from ecsmachine.localcloud.actions import PRODUCTS
from ecsmachine.localcloud.faults.reach import Reach
from ecsmachine.localcloud.protocol.official import official_actions


@cache
def reach_of(*, guests: bool) -> Reach:
    """Return what there is to strike in a cloud with guests, or without."""
    actions: set[str] = set()
    official: set[str] = set()
    for version, product in PRODUCTS.items():
        known = official_actions(version)
        official |= known.keys()
        actions |= product.keys()
        actions |= {
            f"{name}/DryRun" for name in product if name in known if known[name].takes("DryRun")
        }
    return Reach(frozenset(actions), frozenset(official - actions), guests)
