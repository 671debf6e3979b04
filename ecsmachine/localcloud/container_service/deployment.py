"""Containers of applications on the nodes of one cluster: placed, replaced, scaled, stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ecsmachine.localcloud.container_service.container_body import (
    CLUSTER,
    NUMBER,
    PROJECT,
    SERVICE,
    VERSION,
    container_body,
)
from ecsmachine.localcloud.container_service.engines import Container, Engine, EngineError
from ecsmachine.localcloud.container_service.model import Project, Release
from ecsmachine.localcloud.container_service.templates import Service

_SIDE_BY_SIDE = 8


@dataclass(frozen=True)
class Placed:
    """A container and the node, by its address, that it is on."""

    node: str
    container: Container

    @property
    def project(self) -> str:
        """The project's name."""
        return self.container.labels.get(PROJECT, "")

    @property
    def service(self) -> str:
        """The service's name, without the project's."""
        return self.container.labels.get(SERVICE, "")

    @property
    def version(self) -> str:
        """The version of the release that it belongs to."""
        return self.container.labels.get(VERSION, "")

    @property
    def number(self) -> int:
        """Its number among the containers of its service."""
        text = self.container.labels.get(NUMBER, "")
        return int(text) if text.isdecimal() else 0


class Deployment:
    """The engines of a cluster's nodes by address; the first one manages the networks."""

    def __init__(self, cluster_id: str, engines: Mapping[str, Engine]) -> None:
        self._cluster_id = cluster_id
        self._engines = dict(engines)

    def look(self, project: str = "") -> list[Placed]:
        """Return the containers on all nodes that answer, by service and number."""
        return self._look(project)[0]

    def deploy(self, project: Project, release: Release, service: Service, *, fresh: bool) -> None:
        """Bring a service to its number of containers, all of the release, and start them.

        Containers of the project's other releases are left alone if the project has these, and
        replaced, one after the other, if not. ``fresh`` replaces all, by the newest image. A node
        that does not answer counts as if it were not there: once it is back, what it has too
        much is removed. Raises :class:`EngineError`.
        """
        found, answering = self._look(project.name)
        kept = {other.version for other in project.releases if other is not release}
        there = [
            placed
            for placed in found
            if placed.service == service.name and placed.version not in kept
        ]
        current = [p for p in there if p.version == release.version and not fresh]
        outdated = [p for p in there if p not in current]
        newest = fresh or release.latest_image
        if service.everywhere:
            wanted = [n for n in answering if n not in {p.node for p in current}]
            surplus: list[Placed] = []
        else:
            number = wanted_number(release, service)
            surplus = sorted(current, key=lambda p: -p.number)[: max(0, len(current) - number)]
            wanted = [""] * max(0, number - len(current))
        self._remove(surplus, volumes=False)
        running = [p for p in current if p not in surplus]
        for node in wanted:
            replaced = outdated[:1]
            self._add(project, release, service, node, newest, replaced)
            outdated = outdated[1:]
        self._remove(outdated, volumes=False)
        for placed in running:
            if not placed.container.running:
                self._engines[placed.node].start(placed.container.id)

    def stop(self, placed: Iterable[Placed], wait_s: int) -> None:
        """Stop containers that run, side by side."""
        running = [p for p in placed if p.container.status in ("running", "restarting", "paused")]
        self._each(running, lambda p: self._engines[p.node].stop(p.container.id, wait_s))

    def kill(self, placed: Iterable[Placed], signal: str) -> None:
        """Send a signal to containers that run."""
        running = [p for p in placed if p.container.running]
        self._each(running, lambda p: self._engines[p.node].kill(p.container.id, signal))

    def remove(self, project: str, chosen: Callable[[Placed], bool], *, volumes: bool) -> None:
        """Remove a project's containers that are chosen."""
        self._remove([p for p in self.look(project) if chosen(p)], volumes=volumes)

    def make_network(self, project: Project) -> None:
        """Make the network of a project."""
        self._manager.create_network(
            network_of(project.name), project.subnet, self._labels(project.name)
        )

    def remove_network(self, project: str) -> None:
        """Remove the network of a project."""
        self._manager.remove_network(network_of(project))

    def make_volume(self, name: str) -> None:
        """Make a volume on every node."""
        for engine in self._engines.values():
            engine.create_volume(name, {CLUSTER: self._cluster_id})

    def remove_volume(self, name: str) -> None:
        """Remove a volume from every node."""
        for engine in self._engines.values():
            engine.remove_volume(name)

    @property
    def _manager(self) -> Engine:
        if not self._engines:
            raise EngineError("The cluster has no nodes.")
        return next(iter(self._engines.values()))

    def _look(self, project: str) -> tuple[list[Placed], list[str]]:
        """Return the containers, and the nodes that answer. Raises if none does."""
        labels = self._labels(project) if project else {CLUSTER: self._cluster_id}
        failures: list[EngineError] = []

        def ask(node: str) -> list[Placed] | None:
            try:
                return [Placed(node, c) for c in self._engines[node].containers(labels)]
            except EngineError as error:
                failures.append(error)
                return None

        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            parts = list(zip(self._engines, pool.map(ask, self._engines), strict=True))
        answering = [node for node, part in parts if part is not None]
        if failures and not answering:
            raise failures[0]
        found = [placed for _, part in parts for placed in part or ()]
        return sorted(found, key=lambda p: (p.project, p.service, p.number)), answering

    def _add(
        self,
        project: Project,
        release: Release,
        service: Service,
        node: str,
        newest: bool,
        replaced: Sequence[Placed],
    ) -> None:
        """Start one more container, in the place of another perhaps: that goes once the image
        of the new one is there.
        """
        there, answering = self._look("")
        free = [p for p in there if p not in replaced]
        node = node or self._choose(service, free, answering)
        engine = self._engines[node]
        engine.pull(service.image, newest=newest)
        numbers = {
            p.number for p in free if p.project == project.name and p.service == service.name
        }
        number = next(n for n in range(1, len(numbers) + 2) if n not in numbers)
        self._remove(replaced, volumes=False)
        labels = {
            **self._labels(project.name),
            SERVICE: service.name,
            VERSION: release.version,
            NUMBER: str(number),
            "aliyun.service.id": f"{project.name}_{service.name}",
        }
        body = container_body(service, labels, network_of(project.name), project.name)
        container_id = engine.create(f"{project.name}_{service.name}_{number}", body)
        try:
            engine.start(container_id)
        except EngineError:
            engine.remove(container_id, volumes=True)
            raise

    def _choose(self, service: Service, there: Sequence[Placed], answering: Sequence[str]) -> str:
        """Return the node with the fewest containers of the service, then of all.

        A node whose ports are taken that the service needs is left out.
        """
        own = Counter(p.node for p in there if p.service == service.name)
        all_of = Counter(p.node for p in there)
        taken = {(p.node, port) for p in there for port in p.container.ports.values()}
        needed = [port for port, protocol in service.fixed_ports if protocol == "tcp"]
        fitting = [n for n in answering if not any((n, port) in taken for port in needed)]
        if not fitting:
            raise EngineError(
                f"No node has port {', '.join(map(str, needed))} free for {service.name}."
            )
        return min(fitting, key=lambda n: (own[n], all_of[n]))

    def _remove(self, placed: Iterable[Placed], *, volumes: bool) -> None:
        self._each(placed, lambda p: self._engines[p.node].remove(p.container.id, volumes=volumes))

    def _each(self, placed: Iterable[Placed], work: Callable[[Placed], None]) -> None:
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            list(pool.map(work, placed))

    def _labels(self, project: str) -> dict[str, str]:
        return {CLUSTER: self._cluster_id, PROJECT: project}


def wanted_number(release: Release, service: Service) -> int:
    """Return how many containers a service of a release is to have."""
    return release.scales.get(service.name, service.scale)


def network_of(project: str) -> str:
    """Return the name of a project's network."""
    return f"{project}_default"
