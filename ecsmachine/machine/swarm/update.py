"""Changing the place of a machine in its swarm, and the swarm's join tokens."""

from __future__ import annotations

from ecsmachine.drivers.base import Report
from ecsmachine.errors import MachineError
from ecsmachine.machine.store import Store
from ecsmachine.machine.swarm import api, members
from ecsmachine.machine.swarm.api import Availability, Role
from ecsmachine.machine.swarm.nodes import set_node


def update(
    store: Store,
    name: str,
    report: Report,
    *,
    role: Role | None = None,
    availability: Availability | None = None,
) -> None:
    """Change the role or the availability of a machine in its swarm."""
    with store.lock(name):
        machine = store.load(name)
        there = members.membership_or_none(machine)
        if there is not None and not there.is_member:
            raise MachineError(
                f'Machine "{name}" is in no swarm',
                hint=f'Join it first: "ecsmachine swarm join --manager MANAGER {name}".',
            )
        manager, node = members.manager_of(store, machine, there, itself=True)
        if manager is None or node is None:
            raise members.no_manager(name)
        changed = set_node(manager, node, role, availability)
        report(
            f'Machine "{name}" is a {changed.role} of its swarm, '
            f"with availability {changed.availability}."
        )


def rotate(store: Store, name: str, report: Report) -> None:
    """Have new join tokens made by a manager; the old ones let nobody in any more."""
    machine = store.load(name)
    members.check_manager(machine)
    api.rotate_tokens(machine)
    report(f'The join tokens of the swarm of "{name}" are new.')
