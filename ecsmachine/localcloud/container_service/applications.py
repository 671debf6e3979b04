"""The applications of one cluster: what is asked of them, and the work that follows.

Work is done in the order in which it was asked for, by one thread. What takes long (creating,
updating, redeploying) is answered at once, and followed in ``current_state``; the rest is
answered when it is done. What a killed server leaves undone is done by the next.
"""

from __future__ import annotations

import logging
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Network
from typing import Any

from ecsmachine.localcloud.container_service.application_views import (
    project_view,
    service_id,
    service_view,
    services_of,
    warnings_of,
)
from ecsmachine.localcloud.container_service.deployment import Deployment, Placed, wanted_number
from ecsmachine.localcloud.container_service.destinations import Destination
from ecsmachine.localcloud.container_service.engines import EngineError
from ecsmachine.localcloud.container_service.fields import (
    Fields,
    check_project_name,
    invalid,
    no_project,
)
from ecsmachine.localcloud.container_service.labels import MOST_CONTAINERS, Probe
from ecsmachine.localcloud.container_service.probes import HealthWatch, Watched
from ecsmachine.localcloud.container_service.templates import Service
from ecsmachine.localcloud.container_service.traffic import routes_of
from ecsmachine.localcloud.container_service.volumes import Volumes
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.state.clusters import (
    Project,
    Release,
    precise_now,
    project_id,
)
from ecsmachine.localcloud.state.state import State

LOG = logging.getLogger("ecsmachine.localcloud.container_service")

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ENDING = frozenset(("KILL", "TERM", "INT", "QUIT", "ABRT", "9", "15", "2", "3", "6"))


class Applications:
    """The projects of a cluster, and its volumes. Safe to use from several threads.

    ``deployment`` returns the cluster's nodes as they are now, given who is to be told of
    containers that are healthy. ``domain`` is the cluster's own, which names without a dot are
    routed below.
    """

    def __init__(
        self,
        state: State,
        cluster_id: str,
        deployment: Callable[[Callable[[str], None]], Deployment],
        domain: str,
    ) -> None:
        self._state = state
        self._cluster_id = cluster_id
        self._domain = domain
        self._health = HealthWatch(self._watched)
        self._deployed = deployment
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="applications")
        self.volumes = Volumes(state, cluster_id, self._deployment, self._worker)

    def recover(self, *, everything: bool) -> None:
        """Do what the last server left undone; ``everything``: the engines have forgotten all."""
        self._watch_health()
        for project in self._projects():
            if project.moving == "deleting":
                self._begin(project.name, "deleting", lambda p: self._delete(p, False))
            elif project.moving or everything:
                self._begin(project.name, project.moving or "starting", self._settle)

    def settle_all(self) -> None:
        """Let all projects have the containers that they are to have, after nodes have changed.

        One that cannot have them has failed then, and says why. Those that have them are left
        alone.
        """
        placed: list[Placed] = []
        with suppress(EngineError):  # no node answers: none is settled
            placed = self._deployment().look()
        unsettled = [p.name for p in self._projects() if not _is_settled(p, placed)]
        for work in [self._begin(name, "updating", self._settle) for name in unsettled]:
            work.exception()
        names = {project.name for project in self._projects()}
        with suppress(EngineError):
            self._deployment().remove_strays(names)

    def close(self) -> None:
        """End, without what has not begun."""
        self._health.close()
        self._worker.shutdown(wait=False, cancel_futures=True)

    # Projects

    def list_projects(self, query: str, *, services: bool, containers: bool) -> list[Any]:
        """Return the projects whose names have ``query`` in them."""
        placed = self._look()
        return [
            project_view(project, placed, services=services, containers=containers)
            for project in self._projects()
            if query in project.name
        ]

    def get_project(self, name: str) -> dict[str, Any]:
        """Return a project."""
        project = self._find(name)
        return project_view(project, self._look(name))

    def create_project(self, fields: Fields) -> tuple[str, list[str]]:
        """Begin an application; return its name, and what of its template has no effect."""
        name = check_project_name(fields.require("name"))
        release = _release(fields, name, fields.text("version", "1.0"))
        with self._state.transaction():
            if self._state.projects.get(project_id(self._cluster_id, name)) is not None:
                raise ApiError("ProjectAlreadyExists", f"There is a project {name} already.", 409)
            now = precise_now()
            project = Project(
                id=project_id(self._cluster_id, name),
                cluster_id=self._cluster_id,
                name=name,
                created=now,
                updated=now,
                subnet=self._free_subnet(),
                releases=(release,),
                moving="launching",
            )
            self._state.projects.put(project)
        self._begin(name, "launching", self._settle)
        return name, warnings_of(name, release)

    def update_project(self, name: str, fields: Fields) -> list[str]:
        """Begin to put a new version in place of the old one, or beside it.

        Returns what of its template has no effect.
        """
        project = self._at_rest(name)
        version = fields.require("version")
        if len(project.releases) > 1:
            raise ApiError(
                "ProjectUpdating",
                f"The project {name} has two versions: confirm or roll back the update first.",
                409,
            )
        if version == project.release.version:
            raise ApiError(
                "ProjectVersionConflict", f"The project {name} has version {version} already.", 409
            )
        release = _release(fields, name, version)
        if fields.text("update_method"):
            fields.choice("update_method", ("blue-green",))
            for service in services_of(name, release).values():
                if service.fixed_ports:
                    raise invalid(
                        "template",
                        f"{service.name}.ports: a port of the node cannot be had by two versions",
                    )
                if service.container_name:
                    raise invalid(
                        "template",
                        f"{service.name}.container_name: two versions cannot have one name",
                    )
            self._change(name, releases=(project.release, replace(release, weight=0)))
            self._begin(name, "updating", self._settle)
            return warnings_of(name, release)
        self._change(name, releases=(release,))
        self._begin(name, "updating", lambda _: self._replace(name, project.release))
        return warnings_of(name, release)

    def confirm_update(self, name: str, *, force: bool) -> None:
        """Begin to end a blue-green update with the new version."""
        project = self._in_blue_green(name)
        if not force and project.release.weight != 100:
            raise ApiError(
                "ProjectWeightConflict",
                f"The new version has {project.release.weight} % of the traffic, not all: "
                "set its weight, or confirm with force=true.",
                409,
            )
        self._change(name, releases=(replace(project.release, weight=100),))
        self._begin(name, "updating", self._settle)

    def rollback_update(self, name: str) -> None:
        """Begin to end a blue-green update with the old version."""
        project = self._in_blue_green(name)
        self._change(name, releases=(replace(project.releases[0], weight=100),))
        self._begin(name, "updating", self._settle)

    def redeploy_project(self, name: str) -> None:
        """Begin to make all containers anew, of the newest images."""
        self._at_rest(name)
        self._begin(name, "updating", lambda project: self._settle(project, fresh=True))

    def start_project(self, name: str) -> None:
        """Start what does not run."""
        project = self._at_rest(name)
        self._change(name, releases=tuple(replace(r, stopped=()) for r in project.releases))
        self._finish(self._begin(name, "starting", self._settle))

    def stop_project(self, name: str, wait_s: int) -> None:
        """Stop what runs."""
        self._still(self._at_rest(name))
        self._finish(
            self._begin(
                name,
                "stopping",
                lambda p: self._deployment().stop(self._deployment().look(p.name), wait_s),
            )
        )

    def kill_project(self, name: str, signal_name: str) -> None:
        """Send a signal to what runs."""
        plain = _signal(signal_name)
        project = self._at_rest(name)
        if plain in _ENDING:
            self._still(project)
        self._finish(
            self._begin(
                name,
                "stopping",
                lambda p: self._deployment().kill(self._deployment().look(p.name), plain),
            )
        )

    def delete_project(self, name: str, *, force: bool, volumes: bool) -> None:
        """Remove a project with its containers; one that runs only with ``force``."""
        project = self._find(name) if force else self._at_rest(name)
        if not force and project_view(project, self._deployment().look(name))[
            "current_state"
        ] not in ("stopped", "failed"):
            raise ApiError(
                "ProjectRunning", f"The project {name} runs: stop it, or use force=true.", 409
            )
        self._finish(self._begin(name, "deleting", lambda p: self._delete(p, volumes)))

    # Services

    def list_services(self, query: str, *, containers: bool) -> list[Any]:
        """Return the services of all projects whose ids have ``query`` in them."""
        placed = self._look()
        return [
            service_view(project, release, service, placed, containers=containers)
            for project in self._projects()
            for release in project.releases
            for service in services_of(project.name, release).values()
            if query in service_id(project, release, service.name)
        ]

    def get_service(self, service: str) -> dict[str, Any]:
        """Return a service."""
        project, release, found = self._find_service(service)
        return service_view(project, release, found, self._look(project.name))

    def start_service(self, service: str) -> None:
        """Start its containers."""
        project, release, found = self._find_service(service)
        self._at_rest(project.name)
        self._put_release(
            project, release, stopped=tuple(n for n in release.stopped if n != found.name)
        )
        self._finish(self._begin(project.name, "starting", self._settle))

    def stop_service(self, service: str, wait_s: int) -> None:
        """Stop its containers."""
        project, release, found = self._find_service(service)
        self._at_rest(project.name)
        self._put_release(project, release, stopped=_with(release.stopped, found.name))

        def work(_: Project) -> None:
            deployment = self._deployment()
            deployment.stop(_of(deployment.look(project.name), release, found), wait_s)

        self._finish(self._begin(project.name, "stopping", work))

    def kill_service(self, service: str, signal_name: str) -> None:
        """Send its containers a signal."""
        plain = _signal(signal_name)
        project, release, found = self._find_service(service)
        self._at_rest(project.name)
        if plain in _ENDING:
            self._put_release(project, release, stopped=_with(release.stopped, found.name))

        def work(_: Project) -> None:
            deployment = self._deployment()
            deployment.kill(_of(deployment.look(project.name), release, found), plain)

        self._finish(self._begin(project.name, "stopping", work))

    def scale_service(self, service: str, fields: Fields) -> None:
        """Bring a service to a number of containers."""
        fields.choice("type", ("scale_to",))
        self.scale_to(service, lambda _: fields.integer("value", least=0, most=MOST_CONTAINERS))

    def scale_to(self, service: str, number: Callable[[int], int]) -> int:
        """Bring a service to the number that ``number`` makes of the present one; return it."""
        project, release, found = self._find_service(service)
        self._at_rest(project.name)
        if found.own.everywhere:
            raise invalid("type", f"{service} has one container on every node (aliyun.global)")
        before = wanted_number(release, found)
        wanted = min(MOST_CONTAINERS, max(0, number(before)))
        if found.container_name and wanted > 1:
            raise invalid("value", f"{service} has a container_name, and so one container at most")
        self._put_release(project, release, scales={**release.scales, found.name: wanted})
        try:
            self._finish(self._begin(project.name, "scaling", self._settle))
        except ApiError:
            # what was too much is taken back: the service has as many as it had
            self._put_release(project, release, scales={**release.scales, found.name: before})
            self._finish(self._begin(project.name, "scaling", self._settle))
            raise
        return wanted

    def set_weight(self, service: str, fields: Fields) -> None:
        """Set what part of the traffic goes to the version of a service, in percent.

        The rest goes to the other version. The guide's service has this in its console alone.
        """
        project, release, _ = self._find_service(service)
        self._in_blue_green(project.name)
        weight = fields.integer("value", least=0, most=100)
        self._change(
            project.name,
            releases=tuple(
                replace(other, weight=weight if other == release else 100 - weight)
                for other in project.releases
            ),
        )

    # Traffic

    def routes(self) -> dict[str, list[Destination]]:
        """Return where requests go, by host name."""
        return routes_of(self._all_services(), self._look(), self._domain)

    # Health

    def _look(self, project: str = "") -> list[Placed]:
        """Return the containers, with the health that probes by HTTP and TCP have found."""
        placed = self._deployment().look(project)
        if not placed:
            return placed
        probed = {
            (found.name, release.version, service.name)
            for found, release, service in self._all_services()
            if service.own.probe is not None and not service.own.probe.command
        }
        return [
            replace(p, container=replace(p.container, health=self._health.health(p.container.id)))
            if (p.project, p.version, p.service) in probed and p.container.running
            else p
            for p in placed
        ]

    def _watch_health(self) -> None:
        if any(service.own.probe is not None for _, _, service in self._all_services()):
            self._health.start()

    def _watched(self) -> list[Watched]:
        """Return the running containers that are probed by HTTP or TCP."""
        deployment = self._deployment()
        placed = deployment.look()
        return [
            Watched(p.container.id, probe.delay_s, partial(_passes, deployment, p, probe))
            for project, release, service in self._all_services()
            if (probe := service.own.probe) is not None and not probe.command
            for p in _of(placed, release, service)
            if p.project == project.name and p.container.running
        ]

    # The work itself, in the worker's thread.

    def _settle(self, project: Project, *, fresh: bool = False) -> None:
        """Bring all services of a project to what is wanted of them; remove all others."""
        self._watch_health()
        deployment = self._deployment()
        deployment.make_network(project)
        wanted = set()
        for release in project.releases:
            for service in services_of(project.name, release).values():
                wanted.add((release.version, service.name))
                if service.name not in release.stopped:
                    deployment.deploy(project, release, service, fresh=fresh)
        deployment.remove(
            project.name, lambda p: (p.version, p.service) not in wanted, volumes=False
        )

    def _replace(self, name: str, before: Release) -> None:
        """Put the new release in place of the one before, which comes back if that fails."""
        try:
            self._settle(self._find(name))
        except EngineError:
            self._change(name, releases=(before,))
            with suppress(EngineError):
                self._settle(self._find(name))
            raise

    def _delete(self, project: Project, volumes: bool) -> None:
        deployment = self._deployment()
        deployment.remove(project.name, lambda _: True, volumes=volumes)
        deployment.remove_network(project.name)
        with self._state.transaction():
            self._state.projects.remove(project.id)

    def _begin(self, name: str, moving: str, work: Callable[[Project], None]) -> Future[None]:
        """Queue work on a project, which is ``moving`` until it is done."""
        self._change(name, moving=moving, failure="")
        return self._worker.submit(self._work, name, work)

    def _work(self, name: str, work: Callable[[Project], None]) -> None:
        failure = ""
        try:
            work(self._find(name))
        except EngineError as error:
            failure = str(error)
            LOG.error("project %s: %s", name, error)
            raise ApiError("EngineError", failure, 409) from None
        except ApiError as error:
            failure = error.message
            raise
        except Exception:
            failure = "The work failed: see the local cloud's log."
            LOG.exception("project %s", name)
            raise
        finally:
            with self._state.transaction():
                project = self._state.projects.get(project_id(self._cluster_id, name))
                if project is not None:
                    self._state.projects.put(
                        replace(project, moving="", failure=failure, updated=precise_now())
                    )

    def _finish(self, work: Future[None]) -> None:
        work.result()

    # What there is

    def _deployment(self) -> Deployment:
        return self._deployed(lambda container_id: self._health.note(container_id, True))

    def _projects(self) -> list[Project]:
        with self._state.lock:
            return [p for p in self._state.projects if p.cluster_id == self._cluster_id]

    def _find(self, name: str) -> Project:
        with self._state.lock:
            project = self._state.projects.get(project_id(self._cluster_id, name))
        if project is None:
            raise no_project(name)
        return project

    def _at_rest(self, name: str) -> Project:
        project = self._find(name)
        if project.moving:
            raise ApiError(
                "ProjectBusy", f"The project {name} is {project.moving}: wait until it is not.", 409
            )
        return project

    def _in_blue_green(self, name: str) -> Project:
        project = self._at_rest(name)
        if len(project.releases) < 2:
            raise ApiError("ProjectNotUpdating", f"The project {name} has one version only.", 409)
        return project

    def _all_services(self) -> Iterator[tuple[Project, Release, Service]]:
        for project in self._projects():
            for release in project.releases:
                for service in services_of(project.name, release).values():
                    yield project, release, service

    def _find_service(self, wanted: str) -> tuple[Project, Release, Service]:
        for project, release, service in self._all_services():
            if service_id(project, release, service.name) == wanted:
                return project, release, service
        raise ApiError("ServiceNotFound", f"There is no service {wanted}.", 404)

    def _change(self, name: str, **changes: Any) -> None:
        with self._state.transaction():
            self._state.projects.put(replace(self._find(name), **changes))

    def _put_release(self, project: Project, release: Release, **changes: Any) -> None:
        """Change the release of that version, whatever else was changed meanwhile."""
        with self._state.transaction():
            now = self._find(project.name)
            self._change(
                project.name,
                releases=tuple(
                    replace(other, **changes) if other.version == release.version else other
                    for other in now.releases
                ),
            )

    def _still(self, project: Project) -> None:
        """Note that all services of a project are to stand still."""
        self._change(
            project.name,
            releases=tuple(
                replace(r, stopped=tuple(services_of(project.name, r))) for r in project.releases
            ),
        )

    def _free_subnet(self) -> str:
        """Return a part of the cluster's container addresses that no project has."""
        cluster = self._state.clusters.get(self._cluster_id)
        taken = {project.subnet for project in self._projects()}
        block = IPv4Network(cluster.subnet_cidr if cluster is not None else "172.28.0.0/16")
        for subnet in block.subnets(new_prefix=max(24, block.prefixlen)):
            if str(subnet) not in taken:
                return str(subnet)
        raise ApiError(
            "SubnetExhausted", f"All of subnet_cidr {block} is taken by projects (/24 each).", 409
        )


def _release(fields: Fields, project: str, version: str) -> Release:
    if not _VERSION.fullmatch(version):
        raise invalid("version", "1 to 64 letters, digits, dots, hyphens and underscores")
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


def _of(placed: list[Placed], release: Release, service: Service) -> list[Placed]:
    return [p for p in placed if (p.service, p.version) == (service.name, release.version)]


def _passes(deployment: Deployment, placed: Placed, probe: Probe) -> bool:
    return deployment.engine(placed.node).passes(placed.container, probe) is not False


def _is_settled(project: Project, placed: list[Placed]) -> bool:
    """Return whether the containers of a project are as many as they are to be, and run.

    It is not known of services that have one on every node.
    """
    for release in project.releases:
        for service in services_of(project.name, release).values():
            if service.name in release.stopped:
                continue
            own = [p for p in _of(placed, release, service) if p.project == project.name]
            number = wanted_number(release, service)
            if service.own.everywhere or len(own) != number:
                return False
            if not all(p.container.running for p in own):
                return False
    return not project.failure


def _with(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return names if name in names else (*names, name)
