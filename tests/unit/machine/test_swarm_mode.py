"""Swarm mode as the engines tell it: their answers are those of Docker Engine 20.10."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from ecsmachine.drivers.base import Report, State
from ecsmachine.drivers.changes import Observed
from ecsmachine.errors import MachineError
from ecsmachine.machine import engine_api
from ecsmachine.machine.engine_api import EngineAnswer
from ecsmachine.machine.engine_look import EngineConnectionError
from ecsmachine.machine.model import Machine
from ecsmachine.machine.store import Store
from ecsmachine.machine.swarm import api, join, leave, members, nodes
from ecsmachine.ssh import route
from tests.unit.stand_ins import ToldDriver, add_machine

CLUSTER = "ll5o2j2uohthvjy56u4ga3h5p"


def info(node_id: str, *, manager: bool = False) -> dict[str, Any]:
    swarm: dict[str, Any] = {
        "NodeID": node_id,
        "LocalNodeState": "active" if node_id else "inactive",
        "ControlAvailable": manager,
        "Error": "",
        "RemoteManagers": [{"NodeID": "node1", "Addr": "10.0.0.1:2377"}] if node_id else None,
    }
    if manager:
        swarm["Cluster"] = {"ID": CLUSTER}
    return {"Swarm": swarm}


def node(node_id: str, hostname: str, *, state: str = "ready", role: str = "worker") -> Any:
    return {
        "ID": node_id,
        "Version": {"Index": 7},
        "Spec": {"Labels": {"a": "b"}, "Role": role, "Availability": "active"},
        "Description": {"Hostname": hostname},
        "Status": {"State": state, "Addr": "10.0.0.1"},
        **(
            {"ManagerStatus": {"Leader": True, "Reachability": "reachable"}}
            if role == "manager"
            else {}
        ),
    }


class Engines:
    """Engines by the address of their machine, each with answers by path; absent: silent."""

    def __init__(self) -> None:
        self.answers: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str, str, Any]] = []

    def exchange(
        self, url: str, auth: Any, method: str, path: str, *, body: Any = None, timeout_s: float
    ) -> EngineAnswer:
        host = urlsplit(url).hostname or ""
        self.asked.append((host, method, path, body))
        if host not in self.answers:
            raise EngineConnectionError(f"The Docker engine does not answer at {host}")
        answer = self.answers[host].get(path.partition("?")[0], {})
        if isinstance(answer, EngineAnswer):
            return answer
        return EngineAnswer(200, json.dumps(answer).encode())


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Engines:
    engines = Engines()
    monkeypatch.setattr(engine_api, "exchange", engines.exchange)
    monkeypatch.setattr(nodes, "_READY_TIMEOUT_S", 0.05)
    return engines


@pytest.fixture
def swarm(store: Store, engines: Engines) -> Engines:
    """A manager ``m``, a worker ``w`` that answers, ``dead`` that does not, and a stranger."""
    for number, name in enumerate(("m", "w", "dead", "free"), start=1):
        add_machine(store, name, URL=f"tcp://10.0.0.{number}:2376")
    nodes = [
        node("node1", "m", role="manager"),
        node("node2", "w"),
        node("node3", "dead", state="down"),
        node("node9", "stranger"),
    ]
    engines.answers = {
        "10.0.0.1": {
            "/info": info("node1", manager=True),
            "/nodes": nodes,
            "/tasks": [],
            "/swarm": {
                "Version": {"Index": 3},
                "Spec": {"Name": "default"},
                "JoinTokens": {"Manager": "SWMTKN-M", "Worker": "SWMTKN-W"},
            },
        },
        "10.0.0.2": {"/info": info("node2")},
        "10.0.0.4": {"/info": info("")},
    }
    return engines


def said() -> tuple[list[str], Callable[[str], None]]:
    lines: list[str] = []
    return lines, lines.append


@pytest.mark.usefixtures("swarm")
def test_members_are_machines_and_other_nodes(store: Store) -> None:
    rows = {(row.machine, row.hostname): row for row in members.members(store)}
    assert set(rows) == {("m", "m"), ("w", "w"), ("dead", "dead"), ("", "stranger")}
    assert {row.cluster_id for row in rows.values()} == {CLUSTER}
    assert "does not answer" in rows["dead", "dead"].error
    assert rows["m", "m"].node is not None
    assert rows["m", "m"].node.manager == "leader"


def test_a_worker_whose_managers_are_silent_is_listed_all_the_same(
    store: Store, swarm: Engines
) -> None:
    del swarm.answers["10.0.0.1"]
    (row,) = members.members(store)
    assert (row.machine, row.role, row.node) == ("w", "worker", None)
    assert row.error == "no manager of its swarm answers"


@pytest.mark.usefixtures("swarm")
def test_who_is_in_another_security_group_opens_ports_to_the_other_members(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[str, list[str]]] = []

    def open_ports(machine: Machine, others: list[Machine], report: Report) -> None:
        opened.append((machine.name, [each.name for each in others]))

    monkeypatch.setattr(members, "open_ports", open_ports)
    for name in ("w", "m", "dead", "free"):
        members.open_to_members(store, store.load(name), lambda line: None)
    assert opened == [("w", ["dead", "m"]), ("m", ["dead", "w"])]


def test_a_silent_machine_is_struck_off_only_by_force(store: Store, swarm: Engines) -> None:
    lines, report = said()
    with pytest.raises(MachineError) as caught:
        leave.leave(store, "dead", report)
    assert "leave --force dead" in (caught.value.hint or "")
    leave.leave(store, "dead", report, force=True)
    changes = [(host, method, path) for host, method, path, _ in swarm.asked if method != "GET"]
    assert ("10.0.0.1", "DELETE", "/nodes/node3?force=true") in changes
    assert (
        *("10.0.0.1", "POST"),
        "/swarm/update?version=3&rotateWorkerToken=true&rotateManagerToken=true",
    ) in changes
    assert lines == ['Machine "dead" has left the swarm of "m".']


def test_a_silent_machine_is_known_by_the_name_of_its_host(store: Store, swarm: Engines) -> None:
    add_machine(store, "other", URL="tcp://10.0.0.5:2376", HostName="dead")
    (store.path / "machines" / "dead" / "config.json").unlink()
    rows = {row.machine: row for row in members.members(store)}
    assert rows["other"].hostname == "dead"
    known = api.nodes(store.load("m"))
    assert [each.name for each in members.machines_of(store, known, but="m")] == ["other", "w"]
    leave.leave(store, "other", lambda line: None, force=True)
    assert ("10.0.0.1", "DELETE", "/nodes/node3?force=true", None) in swarm.asked


def test_two_nodes_of_one_name_are_nobodys(store: Store, swarm: Engines) -> None:
    swarm.answers["10.0.0.1"]["/nodes"].append(node("node4", "dead", state="down"))
    with pytest.raises(MachineError, match="No machine of this store"):
        leave.leave(store, "dead", lambda line: None, force=True)


def test_a_worker_is_drained_before_it_leaves(store: Store, swarm: Engines) -> None:
    leave.leave(store, "w", lambda line: None)
    changes = [each for each in swarm.asked if each[1] != "GET"]
    drained = {"Labels": {"a": "b"}, "Role": "worker", "Availability": "drain"}
    assert changes[0] == ("10.0.0.1", "POST", "/nodes/node2/update?version=7", drained)
    assert changes[1][:3] == ("10.0.0.2", "POST", "/swarm/leave?force=true")
    assert changes[2][:3] == ("10.0.0.1", "DELETE", "/nodes/node2?force=true")


def test_the_last_manager_ends_the_swarm_only_by_force(store: Store, swarm: Engines) -> None:
    with pytest.raises(MachineError, match="last manager"):
        leave.leave(store, "m", lambda line: None)
    assert all(method == "GET" for _, method, _, _ in swarm.asked)


def test_joining_uses_the_token_of_the_role_and_waits(store: Store, swarm: Engines) -> None:
    with pytest.raises(MachineError, match="does not see it ready") as caught:
        join.join(store, "free", "m", lambda line: None, role="manager")
    assert "2377/tcp" in (caught.value.hint or "")
    (body,) = [body for _, _, path, body in swarm.asked if path == "/swarm/join"]
    assert body["JoinToken"] == "SWMTKN-M"
    assert body["RemoteAddrs"] == ["10.0.0.1:2377"]
    assert body["AdvertiseAddr"] == "10.0.0.4:2377"


@pytest.mark.usefixtures("swarm")
def test_only_a_manager_takes_machines_in(store: Store) -> None:
    with pytest.raises(MachineError, match='"w" is not a swarm manager') as caught:
        join.join(store, "free", "w", lambda line: None)
    assert "swarm update --role manager w" in (caught.value.hint or "")
    with pytest.raises(MachineError, match='"free" is not a swarm manager') as caught:
        join.join(store, "w", "free", lambda line: None)
    assert "swarm init free" in (caught.value.hint or "")
    with pytest.raises(MachineError, match="cannot join itself"):
        join.join(store, "m", "m", lambda line: None)


def test_a_node_that_the_swarm_cannot_change_at_the_moment_is_changed_all_the_same(
    store: Store, swarm: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = ["rpc error: code = DeadlineExceeded desc = context deadline exceeded"]
    failures += ["update out of sequence"] * 2
    change = api.change_node

    def out_of_sequence(*arguments: Any, **values: Any) -> None:
        if failures:
            raise MachineError(f"The engine refuses: {failures.pop()}")
        change(*arguments, **values)

    monkeypatch.setattr(api, "change_node", out_of_sequence)
    nodes.update(store, "w", lambda _: None, availability="drain")
    assert not failures
    failures += ["no such node"]
    with pytest.raises(MachineError, match="no such node"):
        nodes.update(store, "w", lambda _: None, availability="pause")


def test_what_an_engine_refuses_is_one_line(store: Store, swarm: Engines) -> None:
    words = "rpc error: this would result in a\nloss of quorum"
    swarm.answers["10.0.0.1"]["/swarm"] = EngineAnswer(503, json.dumps({"message": words}).encode())
    with pytest.raises(api.SwarmRefusedError) as caught:
        nodes.rotate(store, "m", lambda line: None)
    assert "\n" not in caught.value.message
    assert "loss of quorum" in caught.value.message
    assert "swarm leave --force" in (caught.value.hint or "")


def test_tokens_do_not_show_themselves(store: Store, swarm: Engines) -> None:
    assert "SWMTKN" not in repr(api.tokens(store.load("m")))


def test_a_machine_that_is_removed_leaves_first(store: Store, swarm: Engines) -> None:
    lines, report = said()
    leave.leave_for_good(store, store.load("w"), report)
    changes = [each[:3] for each in swarm.asked if each[1] != "GET"]
    assert changes == [
        ("10.0.0.2", "POST", "/swarm/leave?force=true"),
        ("10.0.0.1", "DELETE", "/nodes/node2?force=true"),
    ]
    assert lines == ['Removing "w" from the swarm of "m"...']


@pytest.mark.parametrize("protection", ["", "deletion-protection"])
def test_a_machine_that_its_provider_keeps_stays_in_its_swarm(
    store: Store, swarm: Engines, protection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Observed(gone=False, state=State.RUNNING, protection=protection)
    monkeypatch.setattr(ToldDriver, "observed", lambda self: seen, raising=False)
    monkeypatch.setattr(leave, "Changeable", ToldDriver)
    store.journal("w").finish()
    leave.leave_for_good(store, store.load("w"), lambda line: None)
    assert any(each[1] != "GET" for each in swarm.asked) is not bool(protection)


@pytest.mark.parametrize("name", ["dead", "free", "m"])
def test_nobody_is_told_of_a_machine_that_is_silent_or_alone(
    store: Store, swarm: Engines, name: str
) -> None:
    lines, report = said()
    leave.leave_for_good(store, store.load(name), report)
    assert lines == []
    assert all(method == "GET" for _, method, _, _ in swarm.asked)


def test_a_machine_of_a_cloud_that_is_down_is_in_no_swarm_that_is_known(
    store: Store, swarm: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = "198.18.0.9"
    monkeypatch.setattr(api, "membership", lambda machine, timeout_s: route.check_route(away))
    monkeypatch.setattr(route, "source_towards", lambda host: None)
    lines, report = said()
    leave.leave_for_good(store, store.load("w"), report)
    assert lines == []


def test_what_a_swarm_refuses_does_not_keep_a_machine_from_being_removed(
    store: Store, swarm: Engines
) -> None:
    swarm.answers["10.0.0.2"]["/swarm/leave"] = EngineAnswer(500, b'{"message": "no"}')
    lines, report = said()
    leave.leave_for_good(store, store.load("w"), report)
    assert "may still list it" in lines[-1]
    assert "swarm leave --force w" in lines[-1]


def test_the_node_of_a_removed_machine_is_struck_off(store: Store, swarm: Engines) -> None:
    store.remove("dead")
    leave.leave(store, "dead", lambda line: None, force=True)
    assert ("10.0.0.1", "DELETE", "/nodes/node3?force=true", None) in swarm.asked
    with pytest.raises(MachineError, match="a node of that name answers"):
        leave.leave(store, "stranger", lambda line: None, force=True)
    with pytest.raises(MachineError, match="does not exist"):
        leave.leave(store, "nobody", lambda line: None, force=True)


def test_to_take_part_is_to_join_or_to_begin(store: Store, swarm: Engines) -> None:
    join.join_or_begin(
        store, store.load("free"), lambda line: None, role="manager", manager_name=""
    )
    (body,) = [body for _, _, path, body in swarm.asked if path == "/swarm/init"]
    assert body["AdvertiseAddr"] == "10.0.0.4:2377"
    # or a second manager is sent a log without end
    assert body["Spec"]["Raft"]["SnapshotInterval"] <= 100
    with pytest.raises(MachineError, match="does not see it ready"):
        join.join_or_begin(
            store, store.load("free"), lambda line: None, role="worker", manager_name="m"
        )
    (body,) = [body for _, _, path, body in swarm.asked if path == "/swarm/join"]
    assert body["JoinToken"] == "SWMTKN-W"
