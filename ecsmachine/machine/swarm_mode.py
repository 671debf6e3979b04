"""Machines in Docker's Swarm mode: which are in which swarm, and how they come and go.

Nothing of it is stored: the engines are asked. A node is a machine's if the engine says so, or,
while the engine does not answer, if it is the only one of the machine's host name.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from ecsmachine.drivers.base import MemberPorts, PortRange, Report
from ecsmachine.errors import MachineError
from ecsmachine.machine import swarm_api
from ecsmachine.machine.driver_report import driver_report
from ecsmachine.machine.engine_api import EngineConnectionError
from ecsmachine.machine.model import Machine, MachineNotFoundError
from ecsmachine.machine.store import Store
from ecsmachine.machine.swarm_api import Availability, Membership, Node, Role

MANAGEMENT_PORT = 2377
PORTS = (
    PortRange("tcp", MANAGEMENT_PORT, MANAGEMENT_PORT),
    PortRange("tcp", 7946, 7946),
    PortRange("udp", 7946, 7946),
    PortRange("udp", 4789, 4789),
)
"""What nodes of a swarm need of each other: management, gossip, and overlay networks."""

_LOOK_TIMEOUT_S = 10.0
_LAST_LOOK_TIMEOUT_S = 1.5
"""How long a machine that is to be removed may take to say whether it is in a swarm."""

_READY_TIMEOUT_S = 60.0
_DRAIN_TIMEOUT_S = 60.0
_POLL_S = 0.3
_CHANGE_TRIES = 5

T = TypeVar("T")


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


def init(store: Store, name: str, report: Report, *, advertise: str = "") -> None:
    """Begin a swarm with the machine as its first manager; one that manages already stays so."""
    with store.lock(name):
        _begin(store.load(name), report, advertise)


def _begin(machine: Machine, report: Report, advertise: str = "") -> None:
    there = swarm_api.membership(machine)
    if there.is_manager:
        report(f'Machine "{machine.name}" is a manager of swarm {there.cluster_id} already.')
        return
    _refuse_member(machine.name, there)
    _open_ports(machine, [], report)
    swarm_api.init(machine, advertise=advertise or _inner_address(machine), port=MANAGEMENT_PORT)
    report(
        f'Machine "{machine.name}" is the first manager of swarm '
        f"{swarm_api.membership(machine).cluster_id}."
    )


def take_part(
    store: Store, machine: Machine, report: Report, *, role: str, manager_name: str
) -> None:
    """Let a machine whose lock is held join a swarm, or begin one if no manager is named.

    ``role`` is ``manager`` or ``worker``. Done already is success. Raises :class:`MachineError`.
    """
    if manager_name:
        join_machine(
            store,
            machine,
            manager_name,
            report,
            role="manager" if role == "manager" else "worker",
        )
    else:
        _begin(machine, report)


def leave_for_good(store: Store, machine: Machine, report: Report) -> None:
    """Take a machine that is about to be removed out of its swarm, if it is in one.

    Its removal does not wait for that: what does not work is told, and no error.
    """
    try:
        there = swarm_api.membership(machine, timeout_s=_LAST_LOOK_TIMEOUT_S)
        if not there.is_member:
            return
        manager, node = _manager_of(store, machine, there)
        if manager is None or node is None:
            return  # the last of its swarm: there is nobody to tell
        report(f'Taking "{machine.name}" out of the swarm of "{manager.name}"...')
        if node.role == "manager":
            _set(manager, node, "worker", None)
        swarm_api.leave(machine, force=True)
        _strike_off(manager, node.id)
        _close_ports(store, machine, manager, report)
    except EngineConnectionError:
        return  # it does not answer: a manager notices by itself
    except MachineError as error:
        report(
            f'The swarm of "{machine.name}" may still list it: {error.message}. '
            f'"ecsmachine swarm leave --force {machine.name}" strikes it off.'
        )


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
    check_manager(manager)
    known = swarm_api.nodes(manager)
    there = swarm_api.membership(machine)
    node = next((each for each in known if there.node_id and each.id == there.node_id), None)
    if node is None:
        _refuse_member(machine.name, there)
        _open_ports(machine, _machines_of(store, known, but=machine.name), report)
        report(f'Joining "{machine.name}" to the swarm of "{manager_name}" as {role}...')
        swarm_api.join(
            machine,
            advertise=advertise or _inner_address(machine),
            port=MANAGEMENT_PORT,
            managers=_manager_addresses(manager),
            token=swarm_api.tokens(manager).of(role),
            availability=availability,
        )
        node = _ready_node(machine, manager)
    _set(manager, node, role, availability)
    report(f'Machine "{machine.name}" is a {role} of the swarm of "{manager_name}".')


def leave(store: Store, name: str, report: Report, *, force: bool = False) -> None:
    """Take a machine out of its swarm: its tasks move first, and the join tokens are renewed.

    The last manager leaves only with ``force``, and the swarm ends with it. A machine that does
    not answer is struck off by a manager, with ``force``. Raises :class:`MachineError`.
    """
    if force and not store.exists(name):
        _strike_off_removed(store, name, report)
        return
    with store.lock(name):
        machine = store.load(name)
        there = _membership_or_none(machine)
        if there is not None and not there.is_member:
            report(f'Machine "{name}" is in no swarm.')
            return
        manager, node = _manager_of(store, machine, there)
        if there is None and not force:
            raise MachineError(
                f'The engine of machine "{name}" does not answer',
                hint=f'Start it, or strike it off: "ecsmachine swarm leave --force {name}".',
            )
        if manager is None or node is None:
            _leave_alone(machine, there, force=force)
            report(f'Machine "{name}" has left its swarm.')
            return
        if node.role == "manager":
            node = _set(manager, node, "worker", None)
        if there is not None:
            node = _set(manager, node, None, "drain")
            _wait_until_drained(manager, node)
            swarm_api.leave(machine, force=True)
        _strike_off(manager, node.id)
        swarm_api.rotate_tokens(manager)
        _close_ports(store, machine, manager, report)
        report(f'Machine "{name}" has left the swarm of "{manager.name}".')


def _strike_off_removed(store: Store, name: str, report: Report) -> None:
    """Strike off the node of a machine that is not in the store any more."""
    for other, look in _look_at_all(store):
        if not isinstance(look, Membership) or not look.is_manager:
            continue
        node = _only_one_called(name, swarm_api.nodes(other))
        if node is None:
            continue
        if node.state == "ready" and node.manager != "unreachable":
            raise MachineError(
                f'There is no machine "{name}" here, but a node of that name answers in the swarm '
                f'of "{other.name}"',
                hint="It is another store's: let it leave from there.",
            )
        if node.role == "manager":
            node = _set(other, node, "worker", None)
        _strike_off(other, node.id)
        swarm_api.rotate_tokens(other)
        report(f'Node "{name}" is struck off the swarm of "{other.name}".')
        return
    raise MachineNotFoundError(name)


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
        there = _membership_or_none(machine)
        if there is not None and not there.is_member:
            raise MachineError(
                f'Machine "{name}" is in no swarm',
                hint=f'Join it first: "ecsmachine swarm join --manager MANAGER {name}".',
            )
        manager, node = _manager_of(store, machine, there, itself=True)
        if manager is None or node is None:
            raise _no_manager(name)
        changed = _set(manager, node, role, availability)
        report(
            f'Machine "{name}" is a {changed.role} of its swarm, '
            f"with availability {changed.availability}."
        )


def rotate(store: Store, name: str, report: Report) -> None:
    """Have new join tokens made by a manager; the old ones let nobody in any more."""
    machine = store.load(name)
    check_manager(machine)
    swarm_api.rotate_tokens(machine)
    report(f'The join tokens of the swarm of "{name}" are new.')


def members(store: Store) -> list[Member]:
    """Return the machines that are in a swarm, and the nodes of their swarms that are none."""
    looks = _look_at_all(store)
    clusters: dict[str, tuple[str, dict[str, Node]]] = {}
    for machine, there in looks:
        if isinstance(there, Membership) and there.is_manager and there.cluster_id not in clusters:
            try:
                known = swarm_api.nodes(machine, timeout_s=_LOOK_TIMEOUT_S)
            except MachineError:
                continue  # a manager without a quorum knows nothing
            clusters[there.cluster_id] = (machine.name, {node.id: node for node in known})
    rows = []
    claimed: set[str] = set()
    for machine, there in looks:
        row = _member(machine, there, clusters)
        if row is not None:
            rows.append(row)
            claimed |= {row.node.id} if row.node else set()
    for cluster_id, (_, known_nodes) in clusters.items():
        rows += [
            Member("", cluster_id, node.hostname, node.role, node)
            for node in known_nodes.values()
            if node.id not in claimed
        ]
    return sorted(rows, key=lambda row: row.cluster_id)


def _member(
    machine: Machine,
    there: Membership | MachineError,
    clusters: dict[str, tuple[str, dict[str, Node]]],
) -> Member | None:
    if isinstance(there, MachineError):
        for cluster_id, (_, known) in clusters.items():
            node = _only_one_called(machine.name, known.values())
            if node is not None:
                return Member(
                    machine.name, cluster_id, node.hostname, node.role, node, there.message
                )
        return None
    if not there.is_member:
        return None
    for cluster_id, (_, known) in clusters.items():
        if there.node_id in known:
            node = known[there.node_id]
            return Member(machine.name, cluster_id, node.hostname, node.role, node, there.error)
    role = "manager" if there.is_manager else "worker"
    error = there.error or "no manager of its swarm answers"
    return Member(machine.name, there.cluster_id, machine.name, role, None, error)


def _look_at_all(store: Store) -> list[tuple[Machine, Membership | MachineError]]:
    machines = [
        machine
        for _, machine in store.machines()
        if isinstance(machine, Machine) and machine.driver.url()
    ]

    def look(machine: Machine) -> Membership | MachineError:
        try:
            return swarm_api.membership(machine, timeout_s=_LOOK_TIMEOUT_S)
        except MachineError as error:
            return error

    if not machines:
        return []
    with ThreadPoolExecutor(max_workers=min(32, len(machines))) as pool:
        return list(zip(machines, pool.map(look, machines), strict=True))


def _membership_or_none(machine: Machine) -> Membership | None:
    """Return what the engine says; None if it does not answer."""
    try:
        return swarm_api.membership(machine, timeout_s=_LOOK_TIMEOUT_S)
    except EngineConnectionError:
        return None


def _manager_of(
    store: Store, machine: Machine, there: Membership | None, *, itself: bool = False
) -> tuple[Machine | None, Node | None]:
    """Return a manager of the machine's swarm, and the machine's node there.

    Another machine than the machine itself is preferred; ``itself`` allows that as well.
    """
    for other, look in _look_at_all(store):
        if other.name == machine.name or not isinstance(look, Membership) or not look.is_manager:
            continue
        known = swarm_api.nodes(other)
        if there is None:
            node = _only_one_called(machine.name, known)
        else:
            node = next((each for each in known if each.id == there.node_id), None)
        if node is not None:
            return other, node
    if itself and there is not None and there.is_manager:
        for node in swarm_api.nodes(machine):
            if node.id == there.node_id:
                return machine, node
    return None, None


def _only_one_called(hostname: str, nodes: Iterable[Node]) -> Node | None:
    """Return the node of that host name, unless there are several."""
    called = [node for node in nodes if node.hostname == hostname]
    return called[0] if len(called) == 1 else None


def _leave_alone(machine: Machine, there: Membership | None, *, force: bool) -> None:
    """Leave a swarm of which no other manager answers."""
    if there is None:
        raise _no_manager(machine.name)
    if there.is_manager and not force:
        raise MachineError(
            f'Machine "{machine.name}" is the last manager of its swarm that answers: '
            "without it the swarm ends",
            hint=f'End it with "ecsmachine swarm leave --force {machine.name}".',
        )
    swarm_api.leave(machine, force=there.is_manager or force)


def _no_manager(name: str) -> MachineError:
    return MachineError(
        f'No machine of this store that answers is a manager of the swarm of "{name}"',
        hint='"ecsmachine swarm ls" shows who is where.',
    )


def check_manager(machine: Machine) -> None:
    """Raise :class:`MachineError` unless the machine manages a swarm."""
    there = swarm_api.membership(machine)
    if there.is_manager:
        return
    raise MachineError(
        f'Machine "{machine.name}" is no manager of a swarm',
        hint=f'Promote it: "ecsmachine swarm update --role manager {machine.name}".'
        if there.is_member
        else f'Begin one: "ecsmachine swarm init {machine.name}".',
    )


def _refuse_member(name: str, there: Membership) -> None:
    if there.is_member:
        raise MachineError(
            f'Machine "{name}" is in another swarm ({there.state})',
            hint=f'Let it leave first: "ecsmachine swarm leave {name}".',
        )


def _ready_node(machine: Machine, manager: Machine) -> Node:
    """Return the machine's node once the manager sees it ready."""

    def look() -> Node | None:
        there = swarm_api.membership(machine)
        if there.state == "error":
            raise MachineError(
                f'Machine "{machine.name}" cannot join: {there.error}',
                hint=f'"ecsmachine swarm leave -f {machine.name}" undoes what there is of it.',
            )
        for node in swarm_api.nodes(manager):
            if node.id == there.node_id and node.state == "ready":
                return node
        return None

    node = _wait_for(look, _READY_TIMEOUT_S)
    if node is None:
        raise MachineError(
            f'Machine "{machine.name}" has joined, but the manager "{manager.name}" does not '
            f"see it ready after {_READY_TIMEOUT_S:.0f} seconds",
            hint="Ports 2377/tcp, 7946/tcp+udp and 4789/udp must be open between the two.",
        )
    return node


def _set(
    manager: Machine, node: Node, role: Role | None, availability: Availability | None
) -> Node:
    """Give the node a role and an availability, and return it as it is then."""
    if role in (None, node.role) and availability in (None, node.availability):
        return node
    _change(manager, node, role, availability)

    def look() -> Node | None:
        for each in swarm_api.nodes(manager):
            # a role is taken up a moment after it was given
            taken_up = each.role == role and bool(each.manager) == (role == "manager")
            if each.id == node.id and (role is None or taken_up):
                return each
        return None

    changed = _wait_for(look, _READY_TIMEOUT_S)
    if changed is None:
        raise MachineError(
            f"Node {node.hostname} has not become a {role}",
            hint='"ecsmachine swarm ls" shows what it is.',
        )
    return changed


def _change(
    manager: Machine, node: Node, role: Role | None, availability: Availability | None
) -> None:
    """Change a node, again if the swarm itself has changed it since it was looked at."""
    for remaining in reversed(range(_CHANGE_TRIES)):
        try:
            swarm_api.change_node(manager, node, role=role, availability=availability)
            return
        except MachineError as error:
            if "out of sequence" not in error.message or not remaining:
                raise
        time.sleep(_POLL_S)
        node = next((each for each in swarm_api.nodes(manager) if each.id == node.id), node)


def _wait_until_drained(manager: Machine, node: Node) -> None:
    """Wait until no task runs on the node; one that does not end keeps nobody for ever."""
    _wait_for(
        lambda: True if not swarm_api.running_tasks(manager, node.id) else None,
        _DRAIN_TIMEOUT_S,
    )


def _strike_off(manager: Machine, node_id: str) -> None:
    """Remove the node from the manager's list; it may count as there for a moment."""

    def remove() -> bool | None:
        try:
            swarm_api.remove_node(manager, node_id, force=True)
        except swarm_api.SwarmRefusedError:
            known = [node.id for node in swarm_api.nodes(manager)]
            return None if node_id in known else True
        return True

    if not _wait_for(remove, _READY_TIMEOUT_S):
        raise MachineError(
            f'The manager "{manager.name}" does not strike off node {node_id}',
            hint=f"Try again later: docker node rm --force {node_id}.",
        )


def _wait_for(look: Callable[[], T | None], timeout_s: float) -> T | None:
    deadline = time.monotonic() + timeout_s
    while (found := look()) is None and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return found


def _inner_address(machine: Machine) -> str:
    """Return the address that other machines of the same network reach it at."""
    addresses = machine.driver.addresses()
    if not addresses:
        raise MachineError(
            f'Machine "{machine.name}" has no address',
            hint=f'"ecsmachine start {machine.name}" starts it.',
        )
    return addresses[-1]


def _manager_addresses(manager: Machine) -> list[str]:
    there = swarm_api.membership(manager)
    return list(there.managers) or [f"{_inner_address(manager)}:{MANAGEMENT_PORT}"]


def _machines_of(store: Store, nodes: Sequence[Node], *, but: str) -> list[Machine]:
    """Return the machines of the store that are nodes of a swarm."""
    names = {node.hostname for node in nodes} - {but}
    found = []
    for name in sorted(names):
        try:
            found.append(store.load(name))
        except MachineNotFoundError:
            continue
    return found


def _open_ports(machine: Machine, others: Sequence[Machine], report: Report) -> None:
    """Let the members of a swarm, and nobody else, reach each other at its ports."""
    if isinstance(machine.driver, MemberPorts):
        machine.driver.open_between(
            [other.driver for other in others], PORTS, driver_report(machine.name, report)
        )


def _close_ports(store: Store, machine: Machine, manager: Machine, report: Report) -> None:
    if isinstance(machine.driver, MemberPorts):
        remaining = _machines_of(store, swarm_api.nodes(manager), but=machine.name)
        machine.driver.close_between(
            [other.driver for other in remaining], PORTS, driver_report(machine.name, report)
        )
