"""Members of swarms, as the engines of the store's machines report them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ecsmachine.drivers.base import Report
from ecsmachine.errors import MachineError
from ecsmachine.machine.engine_look import EngineConnectionError
from ecsmachine.machine.host import host_name_of
from ecsmachine.machine.model import Machine
from ecsmachine.machine.store import Store
from ecsmachine.machine.swarm import api
from ecsmachine.machine.swarm.api import Membership, Node
from ecsmachine.machine.swarm.ports import open_ports

_LOOK_TIMEOUT_S = 10.0
_AT_ONCE = 32


@dataclass(frozen=True)
class Member:
    """One line of ``swarm ls``: a machine in a swarm, or a node that is no machine of the store.

    ``machine`` is "" for the latter. ``node`` is None where no manager answers.
    """

    machine: str
    cluster_id: str
    hostname: str
    role: str
    node: Node | None
    error: str = ""


def members(store: Store) -> list[Member]:
    """Return the machines that are in a swarm, and the nodes of their swarms that are none."""
    looks = look_at_all(store)
    clusters: dict[str, dict[str, Node]] = {}
    for machine, there in looks:
        if isinstance(there, Membership) and there.is_manager and there.cluster_id not in clusters:
            try:
                known = api.nodes(machine, timeout_s=_LOOK_TIMEOUT_S)
            except MachineError:
                continue  # a manager without a quorum knows nothing
            clusters[there.cluster_id] = {node.id: node for node in known}
    rows = []
    claimed: set[str] = set()
    for machine, there in looks:
        row = _member(machine, there, clusters)
        if row is not None:
            rows.append(row)
            claimed |= {row.node.id} if row.node else set()
    for cluster_id, nodes in clusters.items():
        rows += [
            Member("", cluster_id, node.hostname, node.role, node)
            for node in nodes.values()
            if node.id not in claimed
        ]
    return sorted(rows, key=lambda row: row.cluster_id)


def _member(
    machine: Machine, there: Membership | MachineError, clusters: dict[str, dict[str, Node]]
) -> Member | None:
    if isinstance(there, Membership) and not there.is_member:
        return None
    for cluster_id, known in clusters.items():
        if isinstance(there, Membership):
            node, error = known.get(there.node_id), there.error
        else:
            node, error = only_one_called(host_name_of(machine), known.values()), there.message
        if node is not None:
            return Member(machine.name, cluster_id, node.hostname, node.role, node, error)
    if isinstance(there, MachineError):
        return None
    role = "manager" if there.is_manager else "worker"
    error = there.error or "no manager of its swarm answers"
    return Member(machine.name, there.cluster_id, host_name_of(machine), role, None, error)


def look_at_all(store: Store) -> list[tuple[Machine, Membership | MachineError]]:
    """Return the answer of the engine of every machine with an address; all are asked at once."""
    machines = [
        machine
        for _, machine in store.machines()
        if isinstance(machine, Machine) and machine.driver.url()
    ]

    def look(machine: Machine) -> Membership | MachineError:
        try:
            return api.membership(machine, timeout_s=_LOOK_TIMEOUT_S)
        except MachineError as error:
            return error

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(zip(machines, pool.map(look, machines), strict=True))


def membership_or_none(machine: Machine) -> Membership | None:
    """Return the answer of the engine; None if there is none."""
    try:
        return api.membership(machine, timeout_s=_LOOK_TIMEOUT_S)
    except EngineConnectionError:
        return None


def manager_of(
    store: Store, machine: Machine, there: Membership | None, *, itself: bool = False
) -> tuple[Machine | None, Node | None]:
    """Return a manager of the machine's swarm, and the machine's node there.

    Prefers another machine; ``itself`` also allows the machine itself.
    """
    for other, look in look_at_all(store):
        if other.name == machine.name or not isinstance(look, Membership) or not look.is_manager:
            continue
        known = api.nodes(other)
        if there is None:
            node = only_one_called(host_name_of(machine), known)
        else:
            node = next((each for each in known if each.id == there.node_id), None)
        if node is not None:
            return other, node
    if itself and there is not None and there.is_manager:
        for node in api.nodes(machine):
            if node.id == there.node_id:
                return machine, node
    return None, None


def open_to_members(store: Store, machine: Machine, report: Report) -> None:
    """Let a machine that is in a swarm, and the others in it, reach each other at its ports."""
    there = membership_or_none(machine)
    if there is not None and there.is_member:
        manager, _ = manager_of(store, machine, there, itself=True)
        known = api.nodes(manager) if manager else []
        open_ports(machine, machines_of(store, known, but=machine.name), report)


def only_one_called(hostname: str, nodes: Iterable[Node]) -> Node | None:
    """Return the node of that host name, unless there are several."""
    called = [node for node in nodes if node.hostname == hostname]
    return called[0] if len(called) == 1 else None


def machines_of(store: Store, nodes: Sequence[Node], *, but: str) -> list[Machine]:
    """Return the machines of the store that are nodes of a swarm, except the named one."""
    names = {node.hostname for node in nodes}
    return [
        machine
        for name, machine in store.machines()
        if isinstance(machine, Machine) and name != but and host_name_of(machine) in names
    ]


def check_manager(machine: Machine) -> None:
    """Raise :class:`MachineError` unless the machine manages a swarm."""
    there = api.membership(machine)
    if there.is_manager:
        return
    raise MachineError(
        f'Machine "{machine.name}" is not a swarm manager',
        hint=f'Promote it: "ecsmachine swarm update --role manager {machine.name}".'
        if there.is_member
        else f'Start one: "ecsmachine swarm init {machine.name}".',
    )


def refuse_member(name: str, there: Membership) -> None:
    """Raise :class:`MachineError` for a machine that is in a swarm."""
    if there.is_member:
        raise MachineError(
            f'Machine "{name}" is in another swarm ({there.state})',
            hint=f'Make it leave first: "ecsmachine swarm leave {name}".',
        )


def no_manager(name: str) -> MachineError:
    """Return the error for a swarm of which no manager can be asked."""
    return MachineError(
        f'No machine of this store that answers is a manager of the swarm of "{name}"',
        hint='"ecsmachine swarm ls" lists the swarms and their nodes.',
    )
