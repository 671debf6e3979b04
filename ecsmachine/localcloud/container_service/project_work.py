"""The work on the applications of one cluster, done one after the other.

The state records work on a project (``moving``) until it is done: the next server finishes the work
of a killed one.
"""

from __future__ import annotations

from asyncio import Task
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from ecsmachine.compose.labels import Probe
from ecsmachine.compose.model import Network, Service
from ecsmachine.localcloud.container_service.application_views import services_of, template_of
from ecsmachine.localcloud.container_service.deployment import (
    Deployment,
    Placed,
    containers_of,
    wanted_number,
)
from ecsmachine.localcloud.container_service.engines import EngineError
from ecsmachine.localcloud.container_service.probes import INTERVAL_S, HealthWatch, Watched
from ecsmachine.localcloud.container_service.projects import Projects
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.state.clusters import Moving, Project, Release
from ecsmachine.localcloud.work.supervisor import (
    ClosingError,
    Failed,
    Supervisor,
    Threads,
    ended,
    unchanged,
)

Balance = Callable[[Iterable[tuple[Project, Release, Service]], Iterable[Placed]], dict[str, str]]


@dataclass(eq=False, repr=False)
class ProjectWork:
    """Brings a cluster's containers to the wanted state of its projects. Thread-safe.

    ``deployed`` returns the present nodes of the cluster; its argument is called for each healthy
    container. ``balance`` points load balancers to the existing containers, and returns the
    problems by project; it is called on the event loop.
    """

    cluster_id: str
    projects: Projects
    deployed: Callable[[Callable[[str], None]], Deployment]
    supervisor: Supervisor
    threads: Threads
    probes: Threads
    balance: Balance

    def __post_init__(self) -> None:
        self._health = HealthWatch(self._watched, self.probes)

    def recover(self, *, everything: bool) -> None:
        """Finish the work of the last server; ``everything``: the engines have forgotten
        everything."""
        for project in self.projects.all():
            if project.moving == "deleting":
                self.begin(project.name, "deleting", lambda p: self.delete(p, volumes=False))
            elif project.moving or everything:
                self.begin(project.name, project.moving or "starting", self.settle)

    async def settle_all(self, *, restart: bool) -> bool:
        """Bring all projects to their wanted containers.

        ``restart``: also start containers that have ended, because their nodes may have failed. A
        project that cannot get its containers has failed, with the reason; complete projects are
        not changed. The remains of deleted projects are removed first: they may use names and ports
        that others need. Return whether everything is as wanted; if not, try again.
        """
        try:
            unsettled = await self.threads.run(self._unsettled, restart)
        except EngineError:  # no node answers
            return False
        what = f"removing the remains of deleted projects of {self.cluster_id}"
        begun = [self._begin(what, self._remove_strays, unchanged)]
        for project in unsettled:
            with suppress(ApiError):  # it has been removed
                if not self.projects.find(project.name).moving:
                    begun.append(self.begin(project.name, "updating", self.settle))
        return await ended(*begun) and not any(project.moving for project in unsettled)

    # In a thread, one after the other.

    def begin(self, name: str, moving: Moving, work: Callable[[Project], None]) -> Future[None]:
        """Begin work on a project, which is ``moving`` until the work has ended or failed."""
        self.projects.change(name, moving=moving, failure="")

        def do() -> None:
            work(self.projects.find(name))

        what = f"{moving} project {name}"
        return self._begin(what, do, partial(self.projects.end_work, name), of=name)

    def run_in_turn(self, what: str, work: Callable[[], None]) -> None:
        """Do other work in its turn; returns when it is done. Raises as :func:`finish`."""
        finish(self._begin(what, work, unchanged))

    def _begin(
        self, what: str, work: Callable[[], None], failed: Failed, of: str = ""
    ) -> Future[None]:
        async def in_thread() -> None:
            try:
                await self.threads.run(work)
            finally:
                problems = await self._lead_to_services()
            if of in problems:
                raise EngineError(problems[of])
            if of:
                self.projects.end_work(of)

        return self.supervisor.begin(f"applications of {self.cluster_id}", what, in_thread, failed)

    async def _lead_to_services(self) -> dict[str, str]:
        """Let load balancers lead to the containers that there are now."""
        services = list(self.projects.services())
        placed = []
        if any(service.own.fronts for _, _, service in services):
            try:
                placed = await self.threads.run(self.deployment().look)
            except EngineError:  # no node answers: all stays as it was
                return {}
        return self.balance(services, placed)

    def settle(self, project: Project, *, fresh: bool = False) -> None:
        """Bring all services of a project to their wanted state; remove all others."""
        deployment = self.deployment()
        networks = networks_of(project)
        for network in networks.values():
            deployment.make_network(project, network)
        self.projects.declare_volumes(project)
        for volume in self.projects.volumes():
            if volume.project in ("", project.name):
                deployment.make_volume(volume)
        wanted = set()
        for release in project.releases:
            for service in services_of(project.name, release).values():
                wanted.add((release.version, service.name))
                if service.name not in release.stopped:
                    deployment.deploy(project, release, service, fresh=fresh)
                else:  # a restarted engine may have started it
                    there = deployment.look(project.name)
                    deployment.stop(containers_of(there, project, release, service), None)
        deployment.remove(
            project.name, lambda p: (p.version, p.service) not in wanted, volumes=False
        )
        deployment.remove_networks(project.name, networks)

    def replace(self, project: Project, before: Release) -> None:
        """Put the new release in place of the one before, which comes back if that fails."""
        try:
            self.settle(project)
        except ClosingError:
            raise
        except Exception:
            self.projects.change(project.name, releases=(before,))
            self.supervisor.attempt(
                f"going back to version {before.version} of project {project.name}",
                lambda: self.settle(self.projects.find(project.name)),
            )
            raise

    def delete(self, project: Project, *, volumes: bool) -> None:
        """Remove a project with its containers; ``volumes``: and with the volumes that are its."""
        deployment = self.deployment()
        deployment.remove(project.name, lambda _: True, volumes=volumes)
        deployment.remove_networks(project.name)
        for volume in self.projects.volumes() if volumes else ():
            if volume.project == project.name:
                deployment.remove_volume(volume.name)
                self.projects.forget_volume(volume)
        self.projects.remove(project)

    def _remove_strays(self) -> None:
        """Remove from the nodes what belongs to no project that there is."""
        projects = self.projects.all()
        self.deployment().remove_strays(
            {project.name for project in projects},
            {name for project in projects for name in networks_of(project)},
            {volume.name for volume in self.projects.volumes()},
        )

    # Looking at containers.

    def _unsettled(self, restart: bool) -> list[Project]:
        """Return the projects whose containers are others than they are to be, or do not run."""
        deployment = self.deployment()
        placed = deployment.look()
        return [p for p in self.projects.all() if not _is_settled(p, placed, deployment, restart)]

    def deployment(self) -> Deployment:
        """Return the nodes as they are now."""
        return self.deployed(lambda container_id: self._health.note(container_id, True))

    def look(self, project: str = "") -> list[Placed]:
        """Return the containers, with the health that probes by HTTP and TCP have found."""
        placed = self.deployment().look(project)
        if not placed:
            return placed
        probed = {
            (found.name, release.version, service.name)
            for found, release, service in self.projects.services()
            if service.own.probe is not None and not service.own.probe.command
        }
        return [
            replace(p, container=replace(p.container, health=self._health.health(p.container.id)))
            if (p.project, p.version, p.service) in probed and p.container.running
            else p
            for p in placed
        ]

    def watch_health(self) -> Task[None]:
        """Probe from now on, until the returned task is cancelled."""
        what = f"the probes of cluster {self.cluster_id}"
        look = partial(self.threads.run, self._health.look)
        return self.supervisor.repeat(what, INTERVAL_S, look)

    def _watched(self) -> list[Watched]:
        """Return the running containers that are probed by HTTP or TCP."""
        probed = [
            (project, release, service, service.own.probe)
            for project, release, service in self.projects.services()
            if service.own.probe is not None and not service.own.probe.command
        ]
        if not probed:
            return []
        deployment = self.deployment()
        placed = deployment.look()
        return [
            Watched(p.container.id, probe.delay_s, partial(_passes, deployment, p, probe))
            for project, release, service, probe in probed
            for p in containers_of(placed, project, release, service)
            if p.container.running
        ]


def networks_of(project: Project) -> dict[str, Network]:
    """Return the networks by name that are made for the releases of a project."""
    return {
        network.name: network
        for release in project.releases
        for network in template_of(project.name, release).networks.values()
        if not network.external
    }


def finish(work: Future[None]) -> None:
    """Wait in a thread for work. Raises its error, or :class:`ClosingError` on a stop."""
    try:
        work.result()
    except CancelledError:
        raise ClosingError("The local cloud is stopping.") from None
    except EngineError as error:
        raise ApiError("EngineError", error.message, 409) from None


def _passes(deployment: Deployment, placed: Placed, probe: Probe) -> bool:
    return deployment.engines[placed.node].passes(placed.container, probe) is not False


def _is_settled(
    project: Project, placed: list[Placed], deployment: Deployment, restart: bool
) -> bool:
    """Return whether a project has exactly its wanted containers, and they run.

    Containers that have ended by themselves may stay ended, unless their policy restarts them.
    """
    well = ("running",) if restart else ("running", "restarting", "exited")
    left = [p for p in placed if p.project == project.name]
    for release in project.releases:
        for service in services_of(project.name, release).values():
            own = containers_of(left, project, release, service)
            left = [p for p in left if p not in own]
            if service.name in release.stopped:
                if any(p.container.running for p in own):
                    return False
                continue
            if service.own.everywhere:
                try:
                    wanted = deployment.nodes_for(project, service)
                except EngineError:  # no node fits: that is a failure of the project
                    return False
                if not {p.node for p in own}.issuperset(wanted):
                    return False
            elif len(own) != wanted_number(release, service):
                return False
            if not all(p.container.status in well for p in own):
                return False
    return not left and not project.failure and not project.moving
