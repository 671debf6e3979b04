"""Nodes that fall silent and come back, while what they are asked for does not work at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.aliyun.access_key import Credentials, FixedCredentials
from ecsmachine.aliyun.container_service.application_client import ApplicationClient
from ecsmachine.aliyun.container_service.applications import ProjectRequest, ProjectUpdate
from ecsmachine.aliyun.container_service.client import ClusterClient
from ecsmachine.aliyun.container_service.clusters import SwarmRequest
from ecsmachine.localcloud.container_service import serving
from ecsmachine.localcloud.container_service.engines import Container, EngineError, NoEngine
from ecsmachine.localcloud.container_service.nodes import GuestlessNodes
from ecsmachine.localcloud.service.embedded import embedded_cloud
from ecsmachine.localcloud.state.clusters import Node, Volume
from tests.api.localcloud.api_client import until


@dataclass(eq=False)
class Notes(NoEngine):
    """What a node has; it can be silent, and refuse the next requests of a kind."""

    silent: bool = False
    refused: Counter[str] = field(default_factory=Counter)
    kept: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def answers(self) -> bool:
        return not self.silent

    def containers(self, labels: Mapping[str, str]) -> Sequence[Container]:
        self._heard("containers")
        return super().containers(labels)

    def start(self, container_id: str) -> None:
        self._heard("start")
        super().start(container_id)

    def remove(self, container_id: str, *, volumes: bool) -> None:
        self._heard("remove")
        super().remove(container_id, volumes=volumes)

    def volumes(self, labels: Mapping[str, str]) -> Sequence[str]:
        kept = self.kept.copy()  # a volume may come or go meanwhile
        return [n for n, own in kept.items() if labels.items() <= own.items()]

    def create_volume(self, volume: Volume, labels: Mapping[str, str]) -> None:
        self.kept[volume.name] = labels

    def remove_volume(self, name: str) -> None:
        self._heard("remove_volume")
        self.kept.pop(name, None)

    def fails(self) -> None:
        """Be gone, with all that runs."""
        self.silent = True
        for container in super().containers({}):
            super().stop(container.id, None)

    def _heard(self, what: str) -> None:
        if self.silent:
            raise EngineError("it does not answer")
        if self.refused[what]:
            self.refused[what] -= 1
            raise EngineError("the swarm has no leader", 500)

    def names(self) -> list[str]:
        """Return what runs, and with a minus what does not."""
        return sorted(("" if c.running else "-") + c.name for c in super().containers({}))


@dataclass
class Ground:
    """A cluster of three nodes, the first one's first."""

    applications: ApplicationClient
    nodes: list[Notes]

    def create(self, name: str, template: str) -> None:
        self.applications.create_project(ProjectRequest(name, template))
        self.settled(name)

    def settled(self, name: str) -> None:
        until(lambda: self.applications.project(name).current_state == "running")

    def names(self) -> list[str]:
        return sorted(name for node in self.nodes for name in node.names())

    def moved(self, *names: str) -> None:
        """Wait until these run on the nodes that are left, and the work on them has ended."""
        others = self.nodes[1:]
        until(lambda: sorted(n for o in others for n in o.names()) == sorted(names))
        until(lambda: all(p.current_state != "updating" for p in self.applications.projects()))


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    engines: dict[str, Notes] = {}

    def engine(_: GuestlessNodes, folder: Path, node: Node) -> NoEngine:
        return engines.setdefault(node.name, Notes())

    watches: list[serving.NodeWatch] = []

    class Watch(serving.NodeWatch):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            watches.append(self)

    monkeypatch.setattr(serving, "NodeWatch", Watch)
    monkeypatch.setattr(GuestlessNodes, "engine", engine)
    monkeypatch.setattr(serving, "_WATCH_S", 0.02)
    with embedded_cloud(tmp_path / "cloud") as cloud:
        key = Credentials(cloud.access_key_id, cloud.access_key_secret)
        client = ClusterClient(
            cloud.region, FixedCredentials("flags", key), endpoint=cloud.endpoint
        )
        request = SwarmRequest(
            name="shop",
            size=3,
            instance_type="ecs.g6.large",
            password="TestPwd124",
            data_disk_category="cloud_ssd",
            data_disk_size=40,
            vpc_id=cloud.state.default_vpc_id,
            vswitch_id=cloud.state.default_vswitch_id,
            subnet_cidr="10.200.0.0/16",
            need_slb=False,
        )
        cluster_id = client.create(request).cluster_id
        client.wait(cluster_id)
        until(lambda: len(engines) == 3)
        found = client.certificates(cluster_id)
        for name in ("ca", "cert", "key"):
            (tmp_path / f"{name}.pem").write_text(getattr(found, name))
        applications = ApplicationClient(client.cluster(cluster_id).master_url, tmp_path)
        # the first time that all answer is past, after which all that has ended is begun again
        until(lambda: watches[-1]._answering is not None and not watches[-1].changed)
        yield Ground(applications, [engines[node.name] for node in client.nodes(cluster_id)])


SHOP = """
services: {web: {image: i, volumes: ["data:/data"], deploy: {replicas: 3}}}
volumes: {data: {}}
"""
THREE = "a: {image: i, labels: {aliyun.scale: '3'}}"
EACH = (
    f"{THREE}\nb: {{image: i, environment: ['reschedule:off'], labels: {{aliyun.global: 'true'}}}}"
)


@pytest.mark.parametrize("kind", ["containers", "start", "remove", "remove_volume"])
def test_a_node_that_is_back_is_settled_until_nothing_is_left(ground: Ground, kind: str) -> None:
    ground.create("moving", EACH)
    ground.create("shop", SHOP)
    first = ground.nodes[0]
    first.fails()
    ground.moved(
        *("moving_a_1", "moving_a_2", "moving_a_3", "moving_b_2", "moving_b_3"),
        *("shop_web_1", "shop_web_2", "shop_web_3"),
    )
    ground.applications.delete_project("shop", force=True, volumes=True)
    assert "shop_data" in first.kept
    first.refused[kind] = 4
    first.silent = False
    wanted = [f"moving_{service}_{number}" for service in "ab" for number in (1, 2, 3)]
    until(lambda: ground.names() == wanted and not first.kept)
    assert first.refused[kind] == 0
    ground.settled("moving")


Asked = Callable[[ApplicationClient], Any]


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        (lambda a: a.update_project("p", ProjectUpdate(THREE, "2")), ["p_a_1", "p_a_2", "p_a_3"]),
        (lambda a: a.scale_service("p_a", 1), ["p_a_1"]),
        (lambda a: a.stop_service("p_a"), ["-p_a_1", "-p_a_1", "-p_a_2", "-p_a_3"]),
    ],
)
def test_what_is_asked_for_while_a_node_is_away_holds_for_it(
    ground: Ground, asked: Asked, wanted: list[str]
) -> None:
    ground.create("p", THREE)
    first = ground.nodes[0]
    first.fails()
    ground.moved("p_a_1", "p_a_2", "p_a_3")
    asked(ground.applications)
    until(lambda: not ground.applications.project("p").raw.get("message") and _at_rest(ground))
    for container in NoEngine.containers(first, {}):
        NoEngine.start(first, container.id)  # as with restart: always
    first.silent = False
    until(lambda: ground.names() == wanted)
    assert {c.labels["aliyun.version"] for n in ground.nodes for c in n.containers({})} <= {
        ground.applications.project("p").version
    }


def test_a_node_that_is_silent_for_a_moment_only_has_what_was_asked_for(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is too short to count: nothing moves, but what was asked of it in vain is done."""
    monkeypatch.setattr(serving, "_MISSES", 10_000)
    ground.create("p", EACH)
    ground.create("shop", SHOP)
    first = ground.nodes[0]
    first.silent = True
    for name in ("p", "shop"):
        ground.applications.delete_project(name, force=True, volumes=True)
    assert first.kept
    first.silent = False
    until(lambda: ground.names() == [] and not first.kept)


def test_what_has_ended_by_itself_is_not_begun_again_for_a_look_in_vain(ground: Ground) -> None:
    ground.create("p", THREE)
    first = ground.nodes[0]
    (ended,) = first.containers({})
    first.stop(ended.id, None)
    gone = {**ended.labels, "aliyun.project": "gone"}
    body = {"Image": "i", "Labels": gone, "HostConfig": {}}
    first.create("stray", {**body, "NetworkingConfig": {"EndpointsConfig": {}}})
    first.refused["containers"] = 1
    until(lambda: ground.applications.project("p") and not first.refused["containers"])
    until(lambda: "-stray" not in first.names())
    assert first.names() == ["-p_a_1"]


def _at_rest(ground: Ground) -> bool:
    return ground.applications.project("p").current_state in ("running", "stopped")
