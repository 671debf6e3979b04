"""Docker's Swarm mode on the wire: the engine's ``/swarm`` and ``/nodes``.

Source: Docker Engine API, sections Swarm and Node; works from API version 1.24 on.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from ecsmachine.documents.fields import Fields, read_object, read_objects
from ecsmachine.documents.rules import HOST_PORT, ID, KEY
from ecsmachine.documents.text import Fault
from ecsmachine.errors import MachineError
from ecsmachine.machine import engine_api
from ecsmachine.machine.engine_look import EngineConnectionError
from ecsmachine.machine.model import Machine
from ecsmachine.machine.probe import no_address

Role = Literal["manager", "worker"]
Availability = Literal["active", "pause", "drain"]

_TIMEOUT_S = 30.0
_RAFT = {"SnapshotInterval": 100, "LogEntriesForSlowFollowers": 20}
"""How soon a swarm's log gives way to a snapshot. A new manager is sent the log at 64 KB a second,
and until it has all of it a swarm of two managers changes nothing: by Docker's own numbers, 10,000
and 500, this soon took half a minute."""

_JOIN_TIMEOUT_S = 60.0  # the engine itself gives up after 20 s, and continues in the background


class SwarmRefusedError(MachineError):
    """An engine refuses a request; the message is the engine's own."""


@dataclass(frozen=True)
class Membership:
    """An engine's own state in a swarm.

    ``state`` is ``inactive``, ``pending``, ``active``, ``error`` or ``locked``; ``cluster_id`` is
    known only to managers. ``managers`` are the addresses of managers, with their ports.
    """

    state: str
    node_id: str = ""
    is_manager: bool = False
    cluster_id: str = ""
    error: str = ""
    managers: tuple[str, ...] = ()

    @property
    def is_member(self) -> bool:
        """Whether the engine is in a swarm, be it one that does not work at the moment."""
        return self.state not in ("", "inactive")


@dataclass(frozen=True)
class Node:
    """A node, as a manager sees it.

    ``state`` is ``ready``, ``down``, ``unknown`` or ``disconnected``. ``manager`` is "" for a
    worker, else ``leader``, ``reachable``, ``unreachable`` or ``unknown``.
    """

    id: str
    hostname: str
    role: Role
    availability: Availability
    state: str
    manager: str
    version: int
    spec: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class JoinTokens:
    """The secrets that let an engine into a swarm; never in a repr."""

    manager: str = field(repr=False)
    worker: str = field(repr=False)

    def of(self, role: Role) -> str:
        """Return the token for a role."""
        return self.manager if role == "manager" else self.worker


def membership(machine: Machine, *, timeout_s: float = _TIMEOUT_S) -> Membership:
    """Return the swarm state of the machine's engine (``GET /info``)."""
    swarm = _object(machine, "/info", timeout_s=timeout_s).object("Swarm")
    return Membership(
        state=swarm.text("LocalNodeState", ID, "inactive"),
        node_id=swarm.text("NodeID", ID),
        is_manager=swarm.flag("ControlAvailable"),
        cluster_id=swarm.object("Cluster").text("ID", ID),
        error=swarm.prose("Error"),
        managers=tuple(
            each.required("Addr", HOST_PORT) for each in swarm.objects("RemoteManagers")
        ),
    )


def nodes(machine: Machine, *, timeout_s: float = _TIMEOUT_S) -> list[Node]:
    """Return the nodes of the swarm that the machine manages (``GET /nodes``)."""
    return [_node(item) for item in _objects(machine, "/nodes", timeout_s=timeout_s)]


def init(machine: Machine, *, advertise: str, port: int) -> None:
    """Begin a swarm with the machine as its first manager (``POST /swarm/init``)."""
    addresses = {"ListenAddr": f"0.0.0.0:{port}", "AdvertiseAddr": f"{advertise}:{port}"}
    _ask(machine, "POST", "/swarm/init", body={**addresses, "Spec": {"Raft": _RAFT}})


def join(
    machine: Machine,
    *,
    advertise: str,
    port: int,
    managers: list[str],
    token: str,
    availability: Availability,
) -> None:
    """Let the machine join (``POST /swarm/join``); ``managers`` are addresses with ports."""
    body = {
        "ListenAddr": f"0.0.0.0:{port}",
        "AdvertiseAddr": f"{advertise}:{port}",
        "RemoteAddrs": managers,
        "JoinToken": token,
        "Availability": availability,
    }
    _ask(machine, "POST", "/swarm/join", body=body, timeout_s=_JOIN_TIMEOUT_S)


def leave(machine: Machine, *, force: bool) -> None:
    """Let the machine leave (``POST /swarm/leave``); a manager only leaves by force."""
    _ask(machine, "POST", f"/swarm/leave?force={'true' if force else 'false'}")


def tokens(manager: Machine) -> JoinTokens:
    """Return the tokens of the manager's swarm (``GET /swarm``)."""
    tokens = _object(manager, "/swarm").object("JoinTokens")
    return JoinTokens(tokens.required("Manager", KEY), tokens.required("Worker", KEY))


def rotate_tokens(manager: Machine) -> None:
    """Have new tokens made; the old ones let nobody in any more (``POST /swarm/update``)."""
    answer = _object(manager, "/swarm")
    version = _version(answer)
    _ask(
        manager,
        "POST",
        f"/swarm/update?version={version}&rotateWorkerToken=true&rotateManagerToken=true",
        body=answer.object("Spec").values,
    )


def change_node(
    manager: Machine,
    node: Node,
    *,
    role: Role | None = None,
    availability: Availability | None = None,
) -> None:
    """Change a node's role or availability (``POST /nodes/{id}/update``)."""
    spec = dict(node.spec)
    if role is not None:
        spec["Role"] = role
    if availability is not None:
        spec["Availability"] = availability
    _ask(manager, "POST", f"/nodes/{quote(node.id)}/update?version={node.version}", body=spec)


def running_tasks(manager: Machine, node_id: str) -> int:
    """Return how many tasks run on a node (``GET /tasks``)."""
    filters = quote(json.dumps({"node": [node_id]}))
    tasks = _objects(manager, f"/tasks?filters={filters}")
    return sum(task.object("Status").text("State") == "running" for task in tasks)


def remove_node(manager: Machine, node_id: str) -> None:
    """Strike a node off the swarm, be it one that answers (``DELETE /nodes/{id}``)."""
    _ask(manager, "DELETE", f"/nodes/{quote(node_id)}?force=true")


def _node(item: Fields) -> Node:
    spec, manager = item.object("Spec"), item.object("ManagerStatus")
    role: tuple[Role, ...] = ("worker", "manager")
    availability: tuple[Availability, ...] = ("active", "pause", "drain")
    return Node(
        id=item.required("ID", ID),
        hostname=item.object("Description").text("Hostname"),
        role=spec.choice("Role", role),
        availability=spec.choice("Availability", availability),
        state=item.object("Status").text("State", ID, "unknown"),
        manager="leader" if manager.flag("Leader") else manager.text("Reachability", ID),
        version=_version(item),
        spec=spec.values,
    )


def _version(item: Fields) -> int:
    """Return the number that a change of a node, or of a swarm, has to name."""
    return item.object("Version").number("Index", most=(1 << 64) - 1)


def _object(machine: Machine, path: str, *, timeout_s: float = _TIMEOUT_S) -> Fields:
    return read_object(_ask(machine, "GET", path, timeout_s=timeout_s), _fault(machine, path))


def _objects(machine: Machine, path: str, *, timeout_s: float = _TIMEOUT_S) -> list[Fields]:
    return read_objects(_ask(machine, "GET", path, timeout_s=timeout_s), _fault(machine, path))


def _fault(machine: Machine, path: str) -> Fault:
    where = path.partition("?")[0]
    return lambda reason: EngineConnectionError(
        f'The answer of the engine of machine "{machine.name}" to {where} cannot be used: {reason}'
    )


def _ask(
    machine: Machine, method: str, path: str, *, body: object = None, timeout_s: float = _TIMEOUT_S
) -> bytes:
    """Return the answer of the engine. Raises :class:`SwarmRefusedError` if it refuses."""
    url = machine.driver.url()
    if not url:
        raise no_address(machine)
    answer = engine_api.exchange(url, machine.auth, method, path, body=body, timeout_s=timeout_s)
    if answer.status >= 400:
        reason = f"status {answer.status}"
        with contextlib.suppress(MachineError):
            reason = read_object(answer.body, MachineError).prose("message") or reason
        raise SwarmRefusedError(
            f'The engine of machine "{machine.name}" refuses: {reason}', hint=_hint(reason)
        )
    return answer.body


def _hint(reason: str) -> str | None:
    if "quorum" in reason:
        return (
            "More than half of the managers must answer: start those that do not, or first "
            'remove them with "ecsmachine swarm leave --force NAME".'
        )
    return None
