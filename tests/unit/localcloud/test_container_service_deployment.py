"""Containers on nodes: where they go, in which order, and what a node that is silent changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from ecsmachine.compose.labels import Probe
from ecsmachine.localcloud.container_service import deployment as module
from ecsmachine.localcloud.container_service.application_views import services_of
from ecsmachine.localcloud.container_service.deployment import Deployment, Placed
from ecsmachine.localcloud.container_service.engines import Container, EngineError, NoEngine
from ecsmachine.localcloud.container_service.serving import NodeWatch
from ecsmachine.localcloud.state.clusters import Project, Release
from ecsmachine.localcloud.work.supervisor import Threads


class Node(NoEngine):
    """A node whose containers are notes; it can be silent, and say what is healthy."""

    def __init__(self, name: str, done: list[str]) -> None:
        super().__init__()
        self._name = name
        self._done = done
        self.is_silent = False
        self.manager = True
        self.verdict: bool | None = True
        self.there: list[str] = []

    def answers(self) -> bool:
        return not self.is_silent

    def manages(self) -> bool:
        return self.manager

    def containers(self, labels: Mapping[str, str]) -> Sequence[Container]:
        if self.is_silent:
            raise EngineError(f"{self._name} does not answer")
        return super().containers(labels)

    def create(self, name: str, body: Mapping[str, Any]) -> str:
        self._done.append(f"+{name}")
        return super().create(name, body)

    def remove(self, container_id: str, *, volumes: bool) -> None:
        self._done.append(
            "-" + next(c.name for c in super().containers({}) if c.id == container_id)
        )
        super().remove(container_id, volumes=volumes)

    def networks(self, labels: Mapping[str, str]) -> Sequence[str]:
        return self.there

    def remove_network(self, name: str, *, silent: bool = False) -> None:
        self._done.append(f"-{name}")

    def passes(self, container: Container, probe: Probe) -> bool | None:
        return self.verdict


@dataclass
class Cluster:
    """Three nodes, and what was done on them."""

    done: list[str] = field(default_factory=list)
    nodes: dict[str, Node] = field(default_factory=dict)

    def deployment(self, *, silent: bool = False) -> Deployment:
        values = {name: {"aliyun.node_index": [name.removeprefix("n")]} for name in self.nodes}
        return Deployment("c1", self.nodes, values, Threads("engines", 4), silent=silent)

    def deploy(self, template: str, version: str = "1", *, silent: bool = False) -> list[Placed]:
        release = Release(version, template)
        project = Project("c1/shop", "c1", "shop", "", "", "10.0.0.0/24", (release,))
        for service in services_of("shop", release).values():
            self.deployment(silent=silent).deploy(project, release, service, fresh=False)
        return self.deployment().look()


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(module, "_HEALTHY_TIMEOUT_S", 0.0)
    cluster = Cluster()
    cluster.nodes = {name: Node(name, cluster.done) for name in ("n1", "n2", "n3")}
    return cluster


def nodes_of(placed: Sequence[Placed], service: str = "web") -> list[str]:
    return sorted(p.node for p in placed if p.service == service)


def test_containers_are_spread_and_filters_bind(cluster: Cluster) -> None:
    assert nodes_of(cluster.deploy("web: {image: i, labels: {aliyun.scale: 3}}")) == [
        *("n1", "n2", "n3"),
    ]
    text = (
        "web: {image: i, environment: ['constraint:aliyun.node_index!=2'], "
        "labels: {aliyun.scale: 4}}\n"
        "db: {image: i, environment: ['affinity:service!=web']}\n"
        "each: {image: i, environment: ['affinity:service==web'], labels: {aliyun.global: 'true'}}"
    )
    placed = cluster.deploy(text, "2")
    assert nodes_of(placed) == ["n1", "n1", "n3", "n3"]
    assert nodes_of(placed, "db") == ["n2"]
    assert nodes_of(placed, "each") == ["n1", "n3"]


def test_no_node_fits(cluster: Cluster) -> None:
    text = "a: {image: i, labels: {aliyun.global: 'true'}}\n" + (
        "b: {image: i, environment: ['affinity:service!=a', 'affinity:image==~x']}"
    )
    with pytest.raises(EngineError, match=r"No node fits b: affinity:service!=a\."):
        cluster.deploy(text)


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        ("aliyun.scale: 3", "-1 +1 -2 +2 -3 +3"),
        ("aliyun.scale: 3, aliyun.probe.cmd: x", "-1 +1 -2 +2 -3 +3"),
    ],
)
def test_an_update_replaces_one_after_the_other(cluster: Cluster, labels: str, order: str) -> None:
    text = f"web: {{image: i, labels: {{{labels}}}}}"
    cluster.deploy(text)
    cluster.done.clear()
    cluster.deploy(text, "2")
    assert [word.replace("shop_web_", "") for word in cluster.done] == order.split()


@pytest.mark.parametrize(("parallelism", "replaced"), [(1, 1), (2, 2), (5, 3)])
def test_an_update_waits_for_the_health_of_those_that_it_replaced(
    cluster: Cluster, parallelism: int, replaced: int
) -> None:
    labels = (
        "aliyun.scale: 3, aliyun.rolling_updates: 'true', "
        f"aliyun.rolling_updates.parallelism: {parallelism}, "
        "aliyun.probe.url: 'http://container/'"
    )
    text = f"web: {{image: i, labels: {{{labels}}}}}"
    cluster.deploy(text)
    for node in cluster.nodes.values():
        node.verdict = False
    cluster.done.clear()
    with pytest.raises(EngineError, match="is not healthy: its probe http://container:80/ fails"):
        cluster.deploy(text, "2")
    assert len([word for word in cluster.done if word.startswith("+")]) == replaced
    assert len(cluster.deployment().look()) == 3


def test_a_command_that_fails_is_not_waited_for(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_HEALTHY_TIMEOUT_S", 1e6)
    for node in cluster.nodes.values():
        node.verdict = False
    with pytest.raises(EngineError, match=r"its probe /check\.sh fails"):
        cluster.deploy("web: {image: i, labels: {aliyun.probe.cmd: /check.sh}}")


def test_a_silent_node_is_made_up_for_and_gives_back(cluster: Cluster) -> None:
    text = "web: {image: i, labels: {aliyun.scale: 3}}"
    cluster.deploy(text)
    cluster.nodes["n1"].is_silent = True
    assert nodes_of(cluster.deploy(text)) in (["n2", "n2", "n3"], ["n2", "n3", "n3"])
    cluster.nodes["n1"].is_silent = False
    assert len(cluster.deploy(text)) == 3


def test_what_stays_is_not_made_up_for(cluster: Cluster) -> None:
    text = "web: {image: i, environment: ['reschedule:off'], labels: {aliyun.scale: 3}}"
    cluster.deploy(text)
    silent = cluster.nodes.pop("n1")
    assert nodes_of(cluster.deploy(text, silent=True)) == ["n2", "n3"]
    cluster.nodes["n1"] = silent
    assert nodes_of(cluster.deploy(text)) == ["n1", "n2", "n3"]


@pytest.mark.parametrize("name", ["n1", "n2", "n3"])
def test_a_node_that_is_back_has_nothing_twice(cluster: Cluster, name: str) -> None:
    text = "web: {image: i, labels: {aliyun.scale: 3}}"
    cluster.deploy(text)
    silent = cluster.nodes.pop(name)
    assert len(cluster.deploy(text, silent=True)) == 3
    cluster.nodes[name] = silent
    assert sorted(placed.number for placed in cluster.deploy(text)) == [1, 2, 3]


def test_the_strays_of_a_node_that_was_silent_go(cluster: Cluster) -> None:
    cluster.deploy("web: {image: i}")
    cluster.nodes["n2"].there = ["shop_default", "own_default"]
    cluster.nodes["n1"].manager = False
    cluster.deployment().remove_strays({"shop"}, {"shop_default"}, ())
    assert len(cluster.deployment().look()) == 1
    assert cluster.done[-1] == "-own_default"
    cluster.deployment().remove_strays((), (), ())
    assert cluster.deployment().look() == []
    assert cluster.done[-2:] == ["-shop_default", "-own_default"]


def test_networks_are_asked_of_a_node_that_manages(cluster: Cluster) -> None:
    for node in cluster.nodes.values():
        node.manager = False
    with pytest.raises(EngineError, match="No manager of the cluster's swarm answers"):
        cluster.deployment().remove_networks("shop")


def test_a_node_is_silent_after_three_looks(cluster: Cluster) -> None:
    watch = NodeWatch(Threads("engines", 4))
    assert watch.look(cluster.nodes)  # the first time: it is not known what has happened before
    assert not watch.look(cluster.nodes)
    cluster.nodes["n3"].is_silent = True
    assert [watch.look(cluster.nodes) for _ in range(4)] == [False, False, True, False]
    assert watch.silent == {"n3"}
    cluster.nodes["n3"].is_silent = False
    assert [watch.look(cluster.nodes) for _ in range(2)] == [True, False]
    assert watch.silent == frozenset()
    cluster.nodes["n1"].is_silent = True
    assert not watch.look(cluster.nodes)
    cluster.nodes["n1"].is_silent = False  # too short to count
    assert [watch.look(cluster.nodes) for _ in range(4)] == [False] * 4
    cluster.nodes["n1"].is_silent = True
    for _ in range(3):
        watch.look(cluster.nodes)
    del cluster.nodes["n1"]  # it was removed from the cluster
    assert not watch.look(cluster.nodes)


def test_what_could_not_be_done_is_tried_again_less_and_less_often(cluster: Cluster) -> None:
    watch = NodeWatch(Threads("engines", 4))
    looks = []
    for number in range(60):
        if watch.look(cluster.nodes):
            looks.append(number)
            watch.again()
    assert looks == [0, 2, 5, 10, 19, 32, 45, 58]
    cluster.nodes["n4"] = Node("n4", [])  # a change is not kept waiting
    assert watch.look(cluster.nodes)
    assert not watch.look(cluster.nodes)
    watch.again()  # somebody has asked a node in vain
    cluster.nodes["n4"].is_silent = True
    assert [watch.look(cluster.nodes) for _ in range(3)] == [False, False, True]  # it is gone
