"""What is known of a machine without asking anybody, as the fields of JSON and of wide tables."""

from __future__ import annotations

import contextlib
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ecsmachine.drivers.capabilities import Priced
from ecsmachine.errors import MachineError
from ecsmachine.system.files import file_exists

if TYPE_CHECKING:
    from ecsmachine.machine.model import Machine
    from ecsmachine.machine.store import Store

_RECORDED = {
    "PrivateAddress": "PrivateIPAddress",
    "InstanceId": "InstanceId",
    "Region": "Region",
    "Zone": "Zone",
    "Type": "InstanceType",
    "Image": "ImageID",
    "Expires": "AutoReleaseTime",
}
"""The fields, and by which name the drivers' objects in ``config.json`` have each."""


_COSTS = ("Price", "Cost", "Currency")
"""What an hour costs now, and what the machine has cost, computed; in which currency."""


def facts(machine: Machine) -> dict[str, Any]:
    """Return what the store knows of a machine; what is not known is null.

    ``Created`` is when it came into this store.
    """
    config = machine.driver.config()
    return {
        "Name": machine.name,
        "DriverName": machine.driver.name,
        "Address": machine.driver.address() or None,
        **{field: config.get(name) or None for field, name in _RECORDED.items()},
        **_costs(machine),
        "Created": _created(machine),
        "Tags": config.get("Tags") or {},
    }


def _costs(machine: Machine) -> dict[str, Any]:
    driver = machine.driver
    cost = driver.running_cost() if isinstance(driver, Priced) else None
    if cost is None:
        return dict.fromkeys(_COSTS)
    return {
        "Price": round(cost.now, 6),
        "Cost": round(cost.spent, 4),
        "Currency": cost.currency,
    }


def no_facts(name: str) -> dict[str, Any]:
    """Return the same fields for a machine of which nothing is known, or no more."""
    return {
        "Name": name,
        **dict.fromkeys(("DriverName", "Address", *_RECORDED, *_COSTS, "Created")),
        "Tags": {},
    }


def stored_facts(store: Store, name: str) -> dict[str, Any]:
    """Return the facts of a machine of the store, whether or not it is there or can be read."""
    with contextlib.suppress(MachineError, OSError):
        if store.exists(name):
            return facts(store.load(name))
    return no_facts(name)


def _created(machine: Machine) -> str | None:
    """Return the time of the oldest file of a machine: its configuration is written anew often."""
    try:
        times = [file.stat().st_mtime for file in machine.directory.iterdir() if file_exists(file)]
    except OSError:
        return None
    if not times:
        return None
    return datetime.fromtimestamp(min(times), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
