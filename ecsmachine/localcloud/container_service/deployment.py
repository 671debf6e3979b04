"""Containers of applications on the nodes of one cluster: placed, replaced, scaled, stopped."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from ecsmachine.compose.model import Network, Service
from ecsmachine.compose.placement import Candidate, fitting
from ecsmachine.localcloud.container_service.container_body import (
    CLUSTER,
    NUMBER,
    PROJECT,
    SERVICE,
    VERSION,
    container_body,
)
from ecsmachine.localcloud.container_service.docker import Engine
from ecsmachine.localcloud.container_service.engines import Container, EngineError
from ecsmachine.localcloud.state.clusters import Project, Release, Volume
from ecsmachine.localcloud.work.supervisor import Pause, Threads

_HEALTHY_TIMEOUT_S = 60.0
"""How long a container may take, after the delay of its probe, until that passes."""

_HEALTH_POLL_S = 0.3

NodeValues = Mapping[str, Collection[str]]
"""How constraints identify a node: its names, its number."""


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


@dataclass(eq=False, repr=False)
class Deployment:
    """The engines of a cluster's nodes by address.

    ``values`` are the values of each node for constraints. ``threads`` ask engines in parallel.
    ``silent``: there are more nodes, which do not answer; ``missed`` is called when one of these
    nodes does not answer. ``healthy`` is called for containers that pass their probes; ``pause``
    waits until the next look.
    """

    cluster_id: str
    engines: Mapping[str, Engine]
    values: Mapping[str, NodeValues]
    threads: Threads
    silent: bool = False
    healthy: Callable[[str], None] = lambda _: None
    missed: Callable[[], None] = lambda: None
    pause: Pause = time.sleep

    def look(self, project: str = "") -> list[Placed]:
        """Return the containers on all nodes that answer, by service and number."""
        return self._look(project)[0]

    def deploy(self, project: Project, release: Release, service: Service, *, fresh: bool) -> None:
        """Bring a service to its number of containers, all of the release, and start them.

        Containers of other releases stay if the project has these releases; otherwise they are
        replaced: a few at a time (one, unless labels set another number), the next ones when these
        are healthy. ``fresh`` replaces all containers, with the newest image. A node that does not
        answer counts as missing, unless the service must stay on its nodes: when the node is back,
        its surplus containers are removed. Raises :class:`EngineError`.
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
        newest = fresh or release.latest_image or service.own.latest_image
        if service.own.everywhere:
            fit = self._fitting(project, service, self.look(), answering)
            wanted = [n for n in fit if n not in {p.node for p in current}]
            surplus: list[Placed] = []
        else:
            number = wanted_number(release, service)
            surplus = _last_first(current)[: max(0, len(current) - number)]
            wanted = [""] * max(0, number - len(current))
            if service.placement.stays and self.silent:
                wanted = []
        self._remove(surplus, volumes=False)
        still = [p for p in current if p not in surplus and not p.container.running]
        for placed in still:
            self.engines[placed.node].start(placed.container.id)
        self._wait_healthy(project, service, [placed.container.id for placed in still])
        at_once = service.own.parallelism
        for nodes in (wanted[n : n + at_once] for n in range(0, len(wanted), at_once)):
            begun = []
            for node in nodes:
                replaced, outdated = outdated[:1], outdated[1:]
                begun.append(self._add(project, release, service, node, newest, replaced))
            self._wait_healthy(project, service, begun)
        self._remove(outdated, volumes=False)

    def stop(self, placed: Iterable[Placed], wait_s: int | None) -> None:
        """Stop containers that run, side by side."""
        running = [p for p in placed if p.container.status in ("running", "restarting", "paused")]
        self.threads.map(lambda p: self.engines[p.node].stop(p.container.id, wait_s), running)

    def kill(self, placed: Iterable[Placed], signal: str) -> None:
        """Send a signal to containers that run."""
        running = [p for p in placed if p.container.running]
        self.threads.map(lambda p: self.engines[p.node].kill(p.container.id, signal), running)

    def remove(self, project: str, chosen: Callable[[Placed], bool], *, volumes: bool) -> None:
        """Remove a project's containers that are chosen."""
        self._remove([p for p in self.look(project) if chosen(p)], volumes=volumes)

    def remove_strays(
        self, projects: Collection[str], networks: Collection[str], volumes: Collection[str]
    ) -> None:
        """Remove containers of other projects than these, other networks and other volumes: nodes
        were silent when their projects went. One that is refused is not in the way of the rest.
        """
        own = {CLUSTER: self.cluster_id}
        removals = [
            partial(self.engines[placed.node].remove, placed.container.id, volumes=False)
            for placed in self.look()
            if placed.project not in projects
        ]
        failures = self.threads.map(_failure, removals)
        removals = [
            partial(engine.remove_volume, name)
            for engine in self.engines.values()
            for name in engine.volumes(own)
            if name not in volumes
        ]
        manager = self._manager
        removals += [
            partial(manager.remove_network, name, silent=self.silent)
            for name in manager.networks(own)
            if name not in networks
        ]
        failures += map(_failure, removals)
        for failure in failures:
            if failure is not None:
                raise failure

    def nodes_for(self, project: Project, service: Service) -> list[str]:
        """Return the nodes that answer and that the service's filters admit; raises if none is."""
        there, answering = self._look("")
        return self._fitting(project, service, there, answering)

    def make_network(self, project: Project, network: Network) -> None:
        """Make a network of a project."""
        labels = {**network.labels, **self._labels(project.name)}
        self._manager.create_network(network, project.subnets[network.name], labels)

    def remove_networks(self, project: str, kept: Collection[str] = ()) -> None:
        """Remove a project's other networks; later, if a silent node may still be using one."""
        try:
            for name in self._manager.networks(self._labels(project)):
                if name not in kept:
                    self._manager.remove_network(name, silent=self.silent)
        except EngineError:
            if not self.silent:
                raise

    def make_volume(self, volume: Volume) -> None:
        """Make a volume on every node that has it not."""
        labels = self._labels(volume.project) if volume.project else {CLUSTER: self.cluster_id}
        labels = {**volume.labels, **labels}
        self._on_each(lambda engine: engine.create_volume(volume, labels))

    def remove_volume(self, name: str) -> None:
        """Remove a volume from every node."""
        self._on_each(lambda engine: engine.remove_volume(name))

    @property
    def _manager(self) -> Engine:
        for engine in self.engines.values():
            with suppress(EngineError):
                if engine.manages():
                    return engine
        raise EngineError("No manager of the cluster's swarm answers.")

    def _look(self, project: str) -> tuple[list[Placed], list[str]]:
        """Return the containers, and the nodes that answer. Raises if none does."""
        labels = self._labels(project) if project else {CLUSTER: self.cluster_id}
        failures: list[EngineError] = []

        def ask(node: str) -> list[Placed] | None:
            try:
                return [Placed(node, c) for c in self.engines[node].containers(labels)]
            except EngineError as error:
                failures.append(error)
                self._note_miss()
                return None

        parts = list(zip(self.engines, self.threads.map(ask, self.engines), strict=True))
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
    ) -> str:
        """Start one more container and return its id. It may replace another container, which is
        removed when the image of the new one is there.
        """
        there, answering = self._look("")
        free = [p for p in there if p not in replaced]
        node = node or self._choose(project, service, free, answering)
        engine = self.engines[node]
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
        body = container_body(service, labels, project.name)
        name = service.container_name or f"{project.name}_{service.name}_{number}"
        container_id = engine.create(name, body)
        try:
            engine.start(container_id)
        except EngineError:
            engine.remove(container_id, volumes=True)
            raise
        return container_id

    def _wait_healthy(self, project: Project, service: Service, begun: Sequence[str]) -> None:
        """Return once these containers pass the probe of their service, if it has one."""
        probe = service.own.probe
        if probe is None:
            return
        waiting = set(begun)
        deadline = time.monotonic() + probe.delay_s + _HEALTHY_TIMEOUT_S
        while waiting:
            there = {p.container.id: p for p in self.look(project.name)}
            for container_id in sorted(waiting):
                placed = there.get(container_id)
                if placed is None or placed.container.status in ("exited", "dead"):
                    code = "" if placed is None else f" (exit code {placed.container.exit_code})"
                    raise EngineError(f"A container of {service.name} does not keep running{code}.")
                passed = self.engines[placed.node].passes(placed.container, probe)
                if passed:
                    self.healthy(container_id)
                    waiting.remove(container_id)
                elif time.monotonic() > deadline or (probe.command and passed is False):
                    raise EngineError(
                        f"{placed.container.name} is not healthy: its probe {probe} fails."
                    )
            if waiting:
                self.pause(_HEALTH_POLL_S)

    def _fitting(
        self, project: Project, service: Service, there: Sequence[Placed], answering: Sequence[str]
    ) -> list[str]:
        """Return the nodes that the service's filters admit. Raises if there are none."""
        filters = service.placement.filters
        if not filters:
            return list(answering)
        by_image = any((f.kind, f.key) == ("affinity", "image") for f in filters)
        candidates = []
        for node in answering:
            own = [p for p in there if p.node == node]
            labels: defaultdict[str, set[str]] = defaultdict(set)
            for placed in own:
                for name, value in placed.container.labels.items():
                    labels[name].add(value)
            candidates.append(
                Candidate(
                    node,
                    self.values.get(node, {}),
                    services={p.service for p in own if p.project == project.name},
                    containers={name for p in own for name in (p.container.name, p.container.id)},
                    images=self.engines[node].images() if by_image else (),
                    labels=labels,
                )
            )
        fit = fitting(service.placement, candidates)
        if not fit:
            wanted = ", ".join(str(one) for one in filters if not one.wished)
            raise EngineError(f"No node fits {service.name}: {wanted}.")
        return fit

    def _choose(
        self, project: Project, service: Service, there: Sequence[Placed], answering: Sequence[str]
    ) -> str:
        """Return the node with the fewest containers of the service, then of all.

        Left out are nodes that its filters do not admit, and those whose ports are taken that it
        needs.
        """
        own = Counter(
            p.node for p in there if (p.project, p.service) == (project.name, service.name)
        )
        all_of = Counter(p.node for p in there)
        taken = {(p.node, (port.host, port.protocol)) for p in there for port in p.container.ports}
        needed = sorted(service.fixed_ports)
        admitted = self._fitting(project, service, there, answering)
        free = [n for n in admitted if not any((n, port) in taken for port in needed)]
        if not free:
            named = ", ".join(f"{number}/{protocol}" for number, protocol in needed)
            raise EngineError(f"Port {named}, which {service.name} needs, is not free on any node.")
        return min(free, key=lambda n: (own[n], all_of[n]))

    def _on_each(self, work: Callable[[Engine], None]) -> None:
        """Do something on every node, later on one that does not answer."""
        for engine in self.engines.values():
            try:
                work(engine)
            except EngineError as error:
                if error.status:
                    raise
                self._note_miss()

    def _note_miss(self) -> None:
        """Note that a node does not answer."""
        self.silent = True
        self.missed()

    def _remove(self, placed: Iterable[Placed], *, volumes: bool) -> None:
        self.threads.map(
            lambda p: self.engines[p.node].remove(p.container.id, volumes=volumes), placed
        )

    def _labels(self, project: str) -> dict[str, str]:
        return {CLUSTER: self.cluster_id, PROJECT: project}


def _last_first(placed: Sequence[Placed]) -> list[Placed]:
    """Return containers of a service in the order in which those too many go.

    First are those whose number another has, which runs: a node that was silent is back with them.
    """
    counts: Counter[int] = Counter()
    order = []
    placed = sorted(placed, key=lambda p: not p.container.running)
    for one in placed:
        counts[one.number] += 1
        order.append((counts[one.number], one.number))
    ranked = sorted(zip(order, placed, strict=True), key=lambda pair: pair[0], reverse=True)
    return [one for _, one in ranked]


def _failure(work: Callable[[], None]) -> EngineError | None:
    """Do something; return why it did not work."""
    try:
        work()
    except EngineError as error:
        return error
    return None


def containers_of(
    placed: Iterable[Placed], project: Project, release: Release, service: Service
) -> list[Placed]:
    """Return those that belong to a service of a release of a project."""
    wanted = (project.name, release.version, service.name)
    return [p for p in placed if (p.project, p.version, p.service) == wanted]


def wanted_number(release: Release, service: Service) -> int:
    """Return how many containers a service of a release is to have."""
    return release.scales.get(service.name, service.own.scale)
