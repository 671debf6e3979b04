"""Changes one node through a manager, and waits for the result."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import TypeVar

from ecsmachine.drivers.base import Report
from ecsmachine.errors import MachineError
from ecsmachine.machine.model import Machine
from ecsmachine.machine.store import Store
from ecsmachine.machine.swarm import api, members
from ecsmachine.machine.swarm.api import Availability, Node, Role
from ecsmachine.machine.watch import watching
from ecsmachine.polling import polls

_READY_TIMEOUT_S = 60.0
_DRAIN_TIMEOUT_S = 60.0
_CHANGE_TRIES = 5
_CHANGE_PAUSE_S = 0.3

_PASSING = ("out of sequence", "DeadlineExceeded", "does not have a leader")
"""Reasons for which a manager refuses a change that may work later: another change, an election."""

T = TypeVar("T")


def ready_node(machine: Machine, manager: Machine) -> Node:
    """Return the machine's node once the manager sees it ready."""

    def look() -> Node | None:
        there = api.membership(machine)
        if there.state == "error":
            raise MachineError(
                f'Machine "{machine.name}" cannot join: {there.error}',
                hint=f'"ecsmachine swarm leave -f {machine.name}" undoes the attempt.',
            )
        for node in api.nodes(manager):
            if node.id == there.node_id and node.state == "ready":
                return node
        return None

    node = _wait_for(look, _READY_TIMEOUT_S, machine, manager)
    if node is None:
        raise MachineError(
            f'Machine "{machine.name}" has joined, but the manager "{manager.name}" does not '
            f"see it ready after {_READY_TIMEOUT_S:.0f} seconds",
            hint="Ports 2377/tcp, 7946/tcp+udp and 4789/udp must be open between the two machines.",
        )
    return node


def set_node(
    manager: Machine, node: Node, role: Role | None, availability: Availability | None
) -> Node:
    """Give the node a role and an availability, and return it as it is then."""
    if role in (None, node.role) and availability in (None, node.availability):
        return node
    _change(manager, node, role, availability)

    def look() -> Node | None:
        for each in api.nodes(manager):
            # a role is taken up a moment after it was given
            taken_up = each.role == role and bool(each.manager) == (role == "manager")
            if each.id == node.id and (role is None or taken_up):
                return each
        return None

    changed = _wait_for(look, _READY_TIMEOUT_S, manager)
    if changed is None:
        raise MachineError(
            f"Node {node.hostname} has not become a {role}",
            hint='"ecsmachine swarm ls" shows its role.',
        )
    return changed


def _change(
    manager: Machine, node: Node, role: Role | None, availability: Availability | None
) -> None:
    """Change a node; retry if the swarm has changed it, or was electing."""
    for tried in range(_CHANGE_TRIES):
        try:
            api.change_node(manager, node, role=role, availability=availability)
            return
        except MachineError as error:
            if tried + 1 == _CHANGE_TRIES or not any(one in error.message for one in _PASSING):
                raise
        time.sleep(_CHANGE_PAUSE_S * 2**tried)
        with suppress(MachineError):
            node = next((each for each in api.nodes(manager) if each.id == node.id), node)


def wait_until_drained(manager: Machine, node: Node) -> None:
    """Wait until no task runs on the node; one that does not end keeps nobody for ever."""
    _wait_for(
        lambda: True if not api.running_tasks(manager, node.id) else None, _DRAIN_TIMEOUT_S, manager
    )


def strike_off(manager: Machine, node_id: str) -> None:
    """Remove the node from the manager's list; it may count as there for a moment."""

    def remove() -> bool | None:
        try:
            api.remove_node(manager, node_id)
        except api.SwarmRefusedError:
            known = [node.id for node in api.nodes(manager)]
            return None if node_id in known else True
        return True

    if not _wait_for(remove, _READY_TIMEOUT_S, manager):
        raise MachineError(
            f'The manager "{manager.name}" does not remove node {node_id}',
            hint=f"Try again later: docker node rm --force {node_id}.",
        )


def _wait_for(look: Callable[[], T | None], timeout_s: float, *machines: Machine) -> T | None:
    """Return the result if it comes in time; ends at once if one of the machines ends."""
    with ExitStack() as stack:
        watches = [stack.enter_context(watching(machine)) for machine in machines]
        for _ in polls(timeout_s, longest_pause_s=1.0):
            for watch in watches:
                watch.check()
            found = look()
            if found is not None:
                return found
    return None


def update(
    store: Store,
    name: str,
    report: Report,
    *,
    role: Role | None = None,
    availability: Availability | None = None,
) -> None:
    """Change the role or the availability of a machine in its swarm."""
    with store.holding(name) as machine:
        there = members.membership_or_none(machine)
        if there is not None and not there.is_member:
            raise MachineError(
                f'Machine "{name}" is not in a swarm',
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
    report(f'The join tokens of the swarm of "{name}" were renewed.')
