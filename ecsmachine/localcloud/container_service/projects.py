"""The projects of one cluster in the state: found, checked and changed. Called by any thread."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

from ecsmachine.compose.model import Service
from ecsmachine.localcloud.container_service.application_views import (
    service_id,
    services_of,
    template_of,
)
from ecsmachine.localcloud.container_service.deployment import wanted_number
from ecsmachine.localcloud.container_service.fields import no_project
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.state.clusters import (
    Project,
    Release,
    Volume,
    precise_now,
    project_id,
)
from ecsmachine.localcloud.state.state import State

_OWN_ADDRESSES = 3
"""Of a network: its own, its broadcast and its gateway. Each node takes one, too."""

_SECRET_OPTIONS = frozenset(("ak_id", "ak_secret"))


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
                "ProjectBusy",
                f"The project {name} is still {project.moving}: wait until that ends.",
                409,
            )
        return project

    def in_blue_green(self, name: str) -> Project:
        """Return a project at rest that has two versions; raises ``ProjectNotUpdating``."""
        project = self.idle(name)
        if len(project.releases) < 2:
            raise ApiError("ProjectNotUpdating", f"The project {name} has only one version.", 409)
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
                raise ApiError("ProjectAlreadyExists", f"A project {name} already exists.", 409)
            now = precise_now()
            self._state.projects.put(
                Project(
                    id=project_id(self._cluster_id, name),
                    cluster_id=self._cluster_id,
                    name=name,
                    created=now,
                    updated=now,
                    **self._subnets(name, release, {}),
                    releases=(release,),
                    moving="launching",
                )
            )

    def begin_release(self, project: Project, releases: tuple[Release, ...]) -> None:
        """Give a project other releases, with addresses for the networks of the newest."""
        with self._state.transaction():
            own = self.find(project.name).subnets
            subnets = self._subnets(project.name, releases[-1], own)
            self.check_room(replace(project, releases=releases, **subnets))
            self.change(project.name, releases=releases, **subnets)

    def check_room(self, project: Project) -> None:
        """Raise ``SubnetExhausted`` if a network has fewer addresses than its containers need."""
        cluster = self._state.clusters.get(self._cluster_id)
        nodes = len(cluster.nodes) if cluster is not None else 0
        for name, subnet in project.subnets.items():
            number = sum(
                nodes if service.own.everywhere else wanted_number(release, service)
                for release in project.releases
                for service in services_of(project.name, release).values()
                if name in service.networks
            )
            room = IPv4Network(subnet).num_addresses - _OWN_ADDRESSES - nodes
            if number > room:
                raise ApiError(
                    "SubnetExhausted",
                    f"The network {name} ({subnet}) has room for {room} containers, not for "
                    f"{number}: create a new project with so many, and its network is larger.",
                    409,
                )

    def volumes(self) -> list[Volume]:
        """Return the volumes of the cluster."""
        with self._state.lock:
            return [v for v in self._state.volumes if v.cluster_id == self._cluster_id]

    def declare_volumes(self, project: Project) -> None:
        """Note the volumes that the releases of a project declare as its own."""
        declared = {
            one.name: one
            for release in project.releases
            for one in template_of(project.name, release).volumes.values()
            if not one.external
        }
        with self._state.transaction():
            for name, one in declared.items():
                key = project_id(self._cluster_id, name)
                if self._state.volumes.get(key) is None:
                    self._state.volumes.put(
                        Volume(
                            id=key,
                            cluster_id=self._cluster_id,
                            name=name,
                            driver=one.driver,
                            created=precise_now(),
                            options=without_secrets(one.options),
                            project=project.name,
                            labels=dict(one.labels),
                        )
                    )

    def forget_volume(self, volume: Volume) -> None:
        """Take a volume out."""
        with self._state.transaction():
            self._state.volumes.remove(volume.id)

    def change(self, name: str, **changes: Any) -> None:
        """Change fields of a project; raises ``ProjectNotFound``."""
        with self._state.transaction():
            self._state.projects.put(replace(self.find(name), **changes))

    def change_release(self, project: Project, release: Release, **changes: Any) -> None:
        """Change the release of that version; other concurrent changes stay."""
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
        """Record that work on a project has ended; a removed project stays removed."""
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

    def _subnets(self, name: str, release: Release, own: Mapping[str, str]) -> dict[str, Any]:
        """Return a project's fields for its networks' addresses, with new ones for a release.

        Each has a sixteenth of the cluster's container addresses, from 16 to 256, unless the
        services need more than that.
        """
        cluster = self._state.clusters.get(self._cluster_id)
        block = IPv4Network(cluster.subnet_cidr if cluster is not None else "172.28.0.0/16")
        nodes = len(cluster.nodes) if cluster is not None else 0
        template = template_of(name, release)
        containers = sum(
            nodes if one.own.everywhere else one.own.scale for one in template.services.values()
        )
        needed = 2 * containers + nodes + _OWN_ADDRESSES
        usual = max(24, min(28, block.prefixlen + 4))
        prefix = max(block.prefixlen, min(usual, 32 - (needed - 1).bit_length()))
        found = dict(own)
        taken = [IPv4Network(subnet) for p in self.all() for subnet in p.subnets.values()]
        for network in template.networks.values():
            if network.external or network.name in found:
                continue
            subnet = _free_part(block, prefix, taken)
            taken.append(subnet)
            found[network.name] = str(subnet)
        return {"subnet": found.pop(f"{name}_default", ""), "further_subnets": found}


def without_secrets(options: Mapping[str, str]) -> dict[str, str]:
    """Return the options of a volume's driver that may be kept."""
    return {name: value for name, value in options.items() if name not in _SECRET_OPTIONS}


def _free_part(block: IPv4Network, prefix: int, taken: Sequence[IPv4Network]) -> IPv4Network:
    for subnet in block.subnets(new_prefix=prefix):
        if not any(subnet.overlaps(other) for other in taken):
            return subnet
    raise ApiError(
        "SubnetExhausted",
        f"The projects use all of subnet_cidr {block}: no /{prefix} is free. "
        "Remove a project, or create a cluster with a larger subnet_cidr.",
        409,
    )
