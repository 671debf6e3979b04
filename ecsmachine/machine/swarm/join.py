"""Beginning a swarm, and joining one."""

from __future__ import annotations

from ecsmachine.drivers.base import Report
from ecsmachine.errors import MachineError
from ecsmachine.machine.model import Machine
from ecsmachine.machine.store import Store
from ecsmachine.machine.swarm import api
from ecsmachine.machine.swarm.api import Availability, Role
from ecsmachine.machine.swarm.members import check_manager, machines_of, refuse_member
from ecsmachine.machine.swarm.nodes import ready_node, set_node
from ecsmachine.machine.swarm.ports import MANAGEMENT_PORT, inner_address, open_ports
from ecsmachine.machine.watch import watching


def init(store: Store, name: str, report: Report, *, advertise: str = "") -> None:
    """Begin a swarm with the machine as its first manager; one that manages already stays so."""
    with store.holding(name) as machine:
        _begin(machine, report, advertise)


def _begin(machine: Machine, report: Report, advertise: str = "") -> None:
    with watching(machine):
        there = api.membership(machine)
        if there.is_manager:
            report(f'Machine "{machine.name}" is already a manager of swarm {there.cluster_id}.')
            return
        refuse_member(machine.name, there)
        open_ports(machine, [], report)
        api.init(machine, advertise=advertise or inner_address(machine), port=MANAGEMENT_PORT)
        report(
            f'Machine "{machine.name}" is the first manager of swarm '
            f"{api.membership(machine).cluster_id}."
        )


def join_or_begin(
    store: Store, machine: Machine, report: Report, *, role: str, manager_name: str
) -> None:
    """Let a machine whose lock is held join a swarm, or start a swarm if no manager is given.

    ``role`` is ``manager`` or ``worker``. A member is a success. Raises :class:`MachineError`.
    """
    if manager_name:
        join_machine(
            store, machine, manager_name, report, role="manager" if role == "manager" else "worker"
        )
    else:
        _begin(machine, report)


def join(
    store: Store,
    name: str,
    manager_name: str,
    report: Report,
    *,
    role: Role = "worker",
    availability: Availability = "active",
    advertise: str = "",
) -> None:
    """Let a machine join the swarm of a manager, and wait until it is ready there.

    A machine that is in that swarm already keeps its place and gets the role and availability
    that are wanted now. Raises :class:`MachineError`.
    """
    if name == manager_name:
        raise MachineError(
            f'Machine "{name}" cannot join itself', hint=f'Use "ecsmachine swarm init {name}".'
        )
    with store.lock(name):
        join_machine(
            store,
            store.load(name),
            manager_name,
            report,
            role=role,
            availability=availability,
            advertise=advertise,
        )


def join_machine(
    store: Store,
    machine: Machine,
    manager_name: str,
    report: Report,
    *,
    role: Role,
    availability: Availability = "active",
    advertise: str = "",
) -> None:
    """As :func:`join`, for a machine whose lock is held."""
    manager = store.load(manager_name)
    with watching(manager), watching(machine):
        check_manager(manager)
        known = api.nodes(manager)
        there = api.membership(machine)
        node = next((each for each in known if there.node_id and each.id == there.node_id), None)
        if node is None:
            refuse_member(machine.name, there)
            open_ports(machine, machines_of(store, known, but=machine.name), report)
            report(f'Joining "{machine.name}" to the swarm of "{manager_name}" as {role}...')
            api.join(
                machine,
                advertise=advertise or inner_address(machine),
                port=MANAGEMENT_PORT,
                managers=_manager_addresses(manager),
                token=api.tokens(manager).of(role),
                availability=availability,
            )
            node = ready_node(machine, manager)
        set_node(manager, node, role, availability)
        report(f'Machine "{machine.name}" is a {role} of the swarm of "{manager_name}".')


def _manager_addresses(manager: Machine) -> list[str]:
    there = api.membership(manager)
    return list(there.managers) or [f"{inner_address(manager)}:{MANAGEMENT_PORT}"]
