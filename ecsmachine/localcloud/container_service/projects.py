"""The projects of one cluster in the state: found, checked and changed. Called by any thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

from ecsmachine.compose.templates import Service
from ecsmachine.localcloud.container_service.application_views import service_id, services_of
from ecsmachine.localcloud.container_service.fields import no_project
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.state.clusters import Project, Release, precise_now, project_id
from ecsmachine.localcloud.state.state import State


class Projects:
    """The projects of a cluster."""

    def __init__(self, state: State, cluster_id: str) -> None:
        self._state = state
        self._cluster_id = cluster_id

    def all(self) -> list[Project]:
        """Return the projects."""
        with self._state.lock:
            return [p for p in self._state.projects if p.cluster_id == self._cluster_id]

    def services(self) -> Iterator[tuple[Project, Release, Service]]:
        """Give the services of all releases of all projects."""
        for project in self.all():
            for release in project.releases:
                for service in services_of(project.name, release).values():
                    yield project, release, service

    def find(self, name: str) -> Project:
        """Return a project; raises ``ProjectNotFound``."""
        with self._state.lock:
            project = self._state.projects.get(project_id(self._cluster_id, name))
        if project is None:
            raise no_project(name)
        return project

    def idle(self, name: str) -> Project:
        """Return a project; raises ``ProjectBusy`` while work on it is under way."""
        project = self.find(name)
        if project.moving:
            raise ApiError(
                "ProjectBusy", f"The project {name} is {project.moving}: wait until it is not.", 409
            )
        return project

    def in_blue_green(self, name: str) -> Project:
        """Return a project at rest that has two versions; raises ``ProjectNotUpdating``."""
        project = self.idle(name)
        if len(project.releases) < 2:
            raise ApiError("ProjectNotUpdating", f"The project {name} has one version only.", 409)
        return project

    def find_service(self, wanted: str) -> tuple[Project, Release, Service]:
        """Return the service with an id; raises ``ServiceNotFound``."""
        for project, release, service in self.services():
            if service_id(project, release, service.name) == wanted:
                return project, release, service
        raise ApiError("ServiceNotFound", f"There is no service {wanted}.", 404)

    def add(self, name: str, release: Release) -> None:
        """Put in a project that is being launched; raises ``ProjectAlreadyExists``."""
        with self._state.transaction():
            if self._state.projects.get(project_id(self._cluster_id, name)) is not None:
                raise ApiError("ProjectAlreadyExists", f"There is a project {name} already.", 409)
            now = precise_now()
            self._state.projects.put(
                Project(
                    id=project_id(self._cluster_id, name),
                    cluster_id=self._cluster_id,
                    name=name,
                    created=now,
                    updated=now,
                    subnet=self._free_subnet(services_of(name, release).values()),
                    releases=(release,),
                    moving="launching",
                )
            )

    def change(self, name: str, **changes: Any) -> None:
        """Change fields of a project; raises ``ProjectNotFound``."""
        with self._state.transaction():
            self._state.projects.put(replace(self.find(name), **changes))

    def change_release(self, project: Project, release: Release, **changes: Any) -> None:
        """Change the release of that version, whatever else was changed meanwhile."""
        with self._state.transaction():
            releases = tuple(
                replace(other, **changes) if other.version == release.version else other
                for other in self.find(project.name).releases
            )
            self.change(project.name, releases=releases)

    def stop_all_services(self, project: Project) -> None:
        """Note that no service of a project is to run."""
        releases = tuple(
            replace(r, stopped=tuple(services_of(project.name, r))) for r in project.releases
        )
        self.change(project.name, releases=releases)

    def end_work(self, name: str, failure: str = "") -> None:
        """Note that work on a project has ended; one that is gone stays so."""
        with self._state.transaction():
            project = self._state.projects.get(project_id(self._cluster_id, name))
            if project is not None:
                self._state.projects.put(
                    replace(project, moving="", failure=failure, updated=precise_now())
                )

    def remove(self, project: Project) -> None:
        """Take a project out."""
        with self._state.transaction():
            self._state.projects.remove(project.id)

    def _free_subnet(self, services: Iterable[Service]) -> str:
        """Return a part of the cluster's container addresses that no project has.

        It is a sixteenth of them, from 16 to 256, unless the services need more than that.
        """
        cluster = self._state.clusters.get(self._cluster_id)
        block = IPv4Network(cluster.subnet_cidr if cluster is not None else "172.28.0.0/16")
        nodes = len(cluster.nodes) if cluster is not None else 0
        # the network, its gateway and its broadcast have an address each, and every node one
        containers = sum(nodes if one.own.everywhere else one.own.scale for one in services)
        needed = 2 * containers + nodes + 3
        usual = max(24, min(28, block.prefixlen + 4))
        prefix = max(block.prefixlen, min(usual, 32 - (needed - 1).bit_length()))
        taken = [IPv4Network(project.subnet) for project in self.all()]
        for subnet in block.subnets(new_prefix=prefix):
            if not any(subnet.overlaps(other) for other in taken):
                return str(subnet)
        raise ApiError(
            "SubnetExhausted",
            f"Projects have taken all of subnet_cidr {block}: it has no /{prefix} left. "
            "Remove one, or make a cluster with a larger one.",
            409,
        )
