"""Machines whose address has changed outside: where that is noticed, it is also written down."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator

from ecsmachine.errors import MachineError
from ecsmachine.machine.model import Machine, to_config
from ecsmachine.machine.store import Store


@contextlib.contextmanager
def saving_new_addresses(store: Store, machines: Iterable[Machine]) -> Iterator[None]:
    """Store the addresses of those machines that turn out to have moved within the block.

    A machine that another process works on, or has changed since it was loaded, is left to that.
    """
    seen = [(machine, machine.driver.address(), _stored_form(machine)) for machine in machines]
    try:
        yield
    finally:
        for machine, address, config in seen:
            if machine.driver.address() not in ("", address):
                with contextlib.suppress(MachineError), store.lock(machine.name, wait_s=0.0):
                    if _stored_form(store.load(machine.name)) == config:
                        store.save(machine)


def _stored_form(machine: Machine) -> str:
    """Return what would be stored of a machine, as text: a tenth of the time of a deep copy."""
    return json.dumps(to_config(machine), sort_keys=True)
