"""The applications of one cluster, and the requests for them.

Long work (creating, updating, redeploying) is answered at once, and ``current_state`` shows its
progress. Other requests are answered when they are done.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ecsmachine.compose.labels import MOST_CONTAINERS
from ecsmachine.localcloud.container_service.application_views import (
    project_view,
    service_id,
    service_view,
    services_of,
    warnings_of,
)
from ecsmachine.localcloud.container_service.deployment import (
    Deployment,
    Placed,
    containers_of,
    wanted_number,
)
from ecsmachine.localcloud.container_service.fields import Fields, check_project_name, invalid
from ecsmachine.localcloud.container_service.project_work import ProjectWork, finish
from ecsmachine.localcloud.container_service.routing import Destination, routes_of
from ecsmachine.localcloud.container_service.volumes import Volumes
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.state.clusters import Project, Release
from ecsmachine.localcloud.state.state import State

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ENDING = frozenset(("KILL", "TERM", "INT", "QUIT", "ABRT", "9", "15", "2", "3", "6"))


class Applications:
    """The projects of a cluster, and its volumes. Safe to use from several threads.

    ``domain`` is the cluster's own, which names without a dot are routed below.
    """

    def __init__(self, state: State, work: ProjectWork, domain: str) -> None:
        self._domain = domain
        self._projects = work.projects
        self._work = work
        self.volumes = Volumes(state, work)

    # Projects

    def list_projects(self, query: str, *, services: bool, containers: bool) -> list[Any]:
        """Return the projects whose names have ``query`` in them."""
        placed = self._work.look()
        return [
            project_view(project, placed, services=services, containers=containers)
            for project in self._projects.all()
            if query in project.name
        ]

    def get_project(self, name: str) -> dict[str, Any]:
        """Return a project."""
        project = self._projects.find(name)
        return project_view(project, self._work.look(name))

    def create_project(self, fields: Fields) -> tuple[str, list[str]]:
        """Begin an application; return its name, and what of its template has no effect."""
        name = check_project_name(fields.require("name"))
        release = _release(fields, name, fields.text("version", "1.0"))
        self._projects.add(name, release)
        self._work.begin(name, "launching", self._work.settle)
        return name, warnings_of(name, release)

    def update_project(self, name: str, fields: Fields) -> list[str]:
        """Begin to put a new version in place of the old one, or beside it.

        Returns what of its template has no effect.
        """
        project = self._projects.idle(name)
        version = fields.require("version")
        if len(project.releases) > 1:
            raise ApiError(
                "ProjectUpdating",
                f"The project {name} has two versions: confirm or roll back the update first.",
                409,
            )
        if version == project.release.version:
            raise ApiError(
                "ProjectVersionConflict",
                f"The project {name} already has a version {version}.",
                409,
            )
        release = _release(fields, name, version)
        if fields.text("update_method"):
            fields.choice("update_method", ("blue-green",))
            for service in services_of(name, release).values():
                if service.fixed_ports:
                    raise invalid(
                        "template",
                        f"{service.name}.ports: two versions cannot share a port of the node",
                    )
                if service.container_name:
                    raise invalid(
                        "template",
                        f"{service.name}.container_name: two versions cannot share a name",
                    )
            self._projects.begin_release(project, (project.release, replace(release, weight=0)))
            self._work.begin(name, "updating", self._work.settle)
            return warnings_of(name, release)
        self._projects.begin_release(project, (release,))
        self._work.begin(name, "updating", lambda p: self._work.replace(p, project.release))
        return warnings_of(name, release)

    def confirm_update(self, name: str, *, force: bool) -> None:
        """Begin to end a blue-green update with the new version."""
        project = self._projects.in_blue_green(name)
        if not force and project.release.weight != 100:
            raise ApiError(
                "ProjectWeightConflict",
                f"The new version gets only {project.release.weight} % of the traffic: "
                "set its weight, or confirm with force=true.",
                409,
            )
        self._projects.change(name, releases=(replace(project.release, weight=100),))
        self._work.begin(name, "updating", self._work.settle)

    def rollback_update(self, name: str) -> None:
        """Begin to end a blue-green update with the old version."""
        project = self._projects.in_blue_green(name)
        self._projects.change(name, releases=(replace(project.releases[0], weight=100),))
        self._work.begin(name, "updating", self._work.settle)

    def redeploy_project(self, name: str) -> None:
        """Begin to replace all containers, with the newest images."""
        self._projects.idle(name)
        self._work.begin(name, "updating", lambda project: self._work.settle(project, fresh=True))

    def start_project(self, name: str) -> None:
        """Start what does not run."""
        project = self._projects.idle(name)
        releases = tuple(replace(release, stopped=()) for release in project.releases)
        self._projects.change(name, releases=releases)
        finish(self._work.begin(name, "starting", self._work.settle))

    def stop_project(self, name: str, wait_s: int | None) -> None:
        """Stop what runs."""
        self._projects.stop_all_services(self._projects.idle(name))
        self._end_containers(name, lambda deployment, placed: deployment.stop(placed, wait_s))

    def kill_project(self, name: str, signal_name: str) -> None:
        """Send a signal to what runs."""
        plain = _signal(signal_name)
        project = self._projects.idle(name)
        if plain in _ENDING:
            self._projects.stop_all_services(project)
        self._end_containers(name, lambda deployment, placed: deployment.kill(placed, plain))

    def delete_project(self, name: str, *, force: bool, volumes: bool) -> None:
        """Remove a project with its containers; one that runs only with ``force``."""
        project = self._projects.find(name) if force else self._projects.idle(name)
        if not force and project_view(project, self._work.deployment().look(name))[
            "current_state"
        ] not in ("stopped", "failed"):
            raise ApiError(
                "ProjectRunning", f"The project {name} is running: stop it, or use force=true.", 409
            )
        finish(self._work.begin(name, "deleting", lambda p: self._work.delete(p, volumes=volumes)))

    # Services

    def list_services(self, query: str, *, containers: bool) -> list[Any]:
        """Return the services of all projects whose ids have ``query`` in them."""
        placed = self._work.look()
        return [
            service_view(project, release, service, placed, containers=containers)
            for project in self._projects.all()
            for release in project.releases
            for service in services_of(project.name, release).values()
            if query in service_id(project, release, service.name)
        ]

    def get_service(self, service: str) -> dict[str, Any]:
        """Return a service."""
        project, release, found = self._projects.find_service(service)
        return service_view(project, release, found, self._work.look(project.name))

    def start_service(self, service: str) -> None:
        """Start its containers."""
        project, release, found = self._projects.find_service(service)
        self._projects.idle(project.name)
        self._projects.change_release(
            project, release, stopped=tuple(n for n in release.stopped if n != found.name)
        )
        finish(self._work.begin(project.name, "starting", self._work.settle))

    def stop_service(self, service: str, wait_s: int | None) -> None:
        """Stop its containers."""
        self._end_service(service, lambda deployment, placed: deployment.stop(placed, wait_s))

    def kill_service(self, service: str, signal_name: str) -> None:
        """Send its containers a signal."""
        plain = _signal(signal_name)
        self._end_service(
            service,
            lambda deployment, placed: deployment.kill(placed, plain),
            stays_stopped=plain in _ENDING,
        )

    def _end_service(
        self,
        service: str,
        end: Callable[[Deployment, list[Placed]], None],
        *,
        stays_stopped: bool = True,
    ) -> None:
        """Do something that ends containers of a service, and wait for it."""
        project, release, found = self._projects.find_service(service)
        self._projects.idle(project.name)
        if stays_stopped and found.name not in release.stopped:
            stopped = (*release.stopped, found.name)
            self._projects.change_release(project, release, stopped=stopped)
        self._end_containers(
            project.name,
            lambda deployment, placed: end(
                deployment, containers_of(placed, project, release, found)
            ),
        )

    def scale_service(self, service: str, fields: Fields) -> list[str]:
        """Bring a service to a number of containers; return what else is to be known of it."""
        fields.choice("type", ("scale_to",))
        value = fields.integer("value", least=0, most=MOST_CONTAINERS)
        return self.warnings_of_scale(service, self.scale_to(service, lambda _: value))

    def warnings_of_scale(self, service: str, wanted: int) -> list[str]:
        """Return what else is to be known after a service was scaled, a line each."""
        _, release, found = self._projects.find_service(service)
        if found.name not in release.stopped:
            return []
        return [f"{service} is stopped: its next start creates {wanted} containers"]

    def scale_to(self, service: str, number: Callable[[int], int]) -> int:
        """Bring a service to the number that ``number`` makes of the present one; return it."""
        project, release, found = self._projects.find_service(service)
        self._projects.idle(project.name)
        if found.own.everywhere:
            raise invalid(
                "type", f"{service} always has one container on every node (aliyun.global)"
            )
        before = wanted_number(release, found)
        wanted = min(MOST_CONTAINERS, max(0, number(before)))
        if found.container_name and wanted > 1:
            raise invalid(
                "value", f"{service} has a container_name, so it can have only one container"
            )
        scales = {**release.scales, found.name: wanted}
        releases = (replace(r, scales=scales) if r == release else r for r in project.releases)
        self._projects.check_room(replace(project, releases=tuple(releases)))
        self._projects.change_release(project, release, scales=scales)
        try:
            finish(self._work.begin(project.name, "scaling", self._work.settle))
        except ApiError:
            # undo the surplus: the service has its former number
            scales = {**release.scales, found.name: before}
            self._projects.change_release(project, release, scales=scales)
            finish(self._work.begin(project.name, "scaling", self._work.settle))
            raise
        return wanted

    def set_weight(self, service: str, fields: Fields) -> None:
        """Set the share of the traffic for a version of a service, in percent.

        The rest goes to the other version. The guide's service has this only in its console.
        """
        project, release, _ = self._projects.find_service(service)
        self._projects.in_blue_green(project.name)
        weight = fields.integer("value", least=0, most=100)
        self._projects.change(
            project.name,
            releases=tuple(
                replace(other, weight=weight if other == release else 100 - weight)
                for other in project.releases
            ),
        )

    def _end_containers(self, project: str, do: Callable[[Deployment, list[Placed]], None]) -> None:
        """Do something that ends containers of a project, and wait for it."""

        def work(_: Project) -> None:
            deployment = self._work.deployment()
            do(deployment, deployment.look(project))

        finish(self._work.begin(project, "stopping", work))

    # Traffic

    def routes(self) -> dict[str, list[Destination]]:
        """Return where requests go, by host name."""
        return routes_of(self._projects.services(), self._work.look(), self._domain)


def _release(fields: Fields, project: str, version: str) -> Release:
    if not _VERSION.fullmatch(version):
        raise invalid("version", "use 1 to 64 letters, digits, dots, hyphens and underscores")
    release = Release(
        version=version,
        template=fields.require("template"),
        description=fields.text("description"),
        environment=fields.mapping("environment"),
        latest_image=fields.boolean("latest_image"),
    )
    services_of(project, release)
    return release


def _signal(text: str) -> str:
    name = text.upper().removeprefix("SIG")
    known = {one.name.removeprefix("SIG") for one in signal.Signals} | set(map(str, range(1, 65)))
    if name not in known:
        raise invalid("signal", f'"{text}" is not a signal such as KILL or HUP')
    return name
