"""Serves the running Swarm clusters: their masters, routers and applications."""

from __future__ import annotations

import logging
from asyncio import Task
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ecsmachine.localcloud.container_service.applications import Applications
from ecsmachine.localcloud.container_service.balanced import ROUTING_PORT, lead_to_services
from ecsmachine.localcloud.container_service.deployment import Deployment
from ecsmachine.localcloud.container_service.docker import Engine
from ecsmachine.localcloud.container_service.master import Master
from ecsmachine.localcloud.container_service.nodes import CallAction, find_cluster
from ecsmachine.localcloud.container_service.project_work import ProjectWork
from ecsmachine.localcloud.container_service.projects import Projects
from ecsmachine.localcloud.container_service.provisioned_nodes import Nodes, certificates_folder
from ecsmachine.localcloud.container_service.routing import Router
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.state.clusters import Cluster, Node
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.work.balancers import BalancerWork
from ecsmachine.localcloud.work.supervisor import Supervisor, Threads, ended

LOG = logging.getLogger("ecsmachine.localcloud.container_service")

_WATCH_S = 5.0
_MISSES = 3
"""The number of successive silent looks after which a node counts as gone."""

_LONGEST = 12
"""After how many looks at the latest what could not be done is tried again."""


class NodeWatch:
    """Remembers what nodes, by name, have answered, and whether there is something left to be done
    on them. ``threads`` ask them. ``changed``: others answer than when all was done last.
    """

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self.silent: frozenset[str] = frozenset()
        self._misses: Counter[str] = Counter()
        self._answering: frozenset[str] | None = None
        self.changed = False
        self._unsettled = False
        self._pause = self._next_pause = 0

    def look(self, engines: Mapping[str, Engine]) -> bool:
        """Ask the engines of the nodes; blocks. Return whether to settle the nodes now.

        That is so if other nodes answer than before, or if all answer for the first time (their
        state is unknown). While :meth:`again` is called it is so again, less and less often. It is
        never so while a node may be gone, because its containers would be created elsewhere.
        """
        answered = self._threads.map(lambda engine: engine.answers(), engines.values())
        answers = dict(zip(engines, answered, strict=True))
        for name, there in answers.items():
            self._misses[name] = 0 if there else self._misses[name] + 1
        self.silent = frozenset(name for name in answers if self._misses[name] >= _MISSES)
        answering = frozenset(answers.keys() - self.silent)
        known = self._answering is not None or self.silent or all(answers.values())
        if known and answering != self._answering:
            self._answering, self.changed = answering, True
            self._unsettled, self._pause, self._next_pause = True, 0, 1
        if self._unsettled and self._pause:
            self._pause -= 1
            return False
        if any(0 < self._misses[name] < _MISSES for name in answers):
            return False
        unsettled, self._unsettled = self._unsettled, False
        if unsettled:
            self._pause, self._next_pause = self._next_pause, min(_LONGEST, self._next_pause * 2)
        else:
            self._pause, self._next_pause, self.changed = 0, 1, False
        return unsettled

    def again(self) -> None:
        """Note that something could not be done, on a node that was silent or refused it."""
        self._unsettled = True


@dataclass(frozen=True)
class Served:
    """The servers of one cluster, and their loops."""

    applications: Applications
    work: ProjectWork
    master: Master
    router: Router
    watch: NodeWatch
    loops: tuple[Task[None], ...]


@dataclass(eq=False, repr=False)
class ClusterServing:
    """Serves clusters. ``folder`` has a folder for each. Called on the event loop.

    ``call`` carries out an action of SLB; ``balancers`` forward the traffic of load balancers.
    """

    state: State
    supervisor: Supervisor
    nodes: Nodes
    folder: Path
    call: CallAction
    balancers: BalancerWork
    _served: dict[str, Served] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Requests may wait for work, work asks engines, and routes are looked up beside both.
        self._requests = self.supervisor.threads("master", 8)
        self._work = self.supervisor.threads("applications", 8)
        self._lookups = self.supervisor.threads("routes", 4)
        self._engine_calls = self.supervisor.threads("engines", 16)
        self._probes = self.supervisor.threads("probes", 8)

    def applications(self, cluster_id: str) -> Applications | None:
        """Return the applications of a cluster that is served; None for any other."""
        served = self._served.get(cluster_id)
        return None if served is None else served.applications

    async def serve(self, cluster_id: str) -> None:
        """Let a cluster's master answer, at the port that it had before if that is free."""
        cluster = self._cluster(cluster_id)
        watch = NodeWatch(self._engine_calls)
        work = ProjectWork(
            cluster_id,
            Projects(self.state, cluster_id),
            lambda healthy: self._deployment(cluster_id, watch, healthy),
            self.supervisor,
            self._work,
            self._probes,
            lambda services, placed: lead_to_services(
                self.state, self.call, self._cluster(cluster_id), services, placed
            ),
        )
        domain = f"{cluster_id}.{cluster.region}.alicontainer.com"
        applications = Applications(self.state, work, domain)
        master = Master(
            cluster.master_port,
            certificates_folder(self.folder / cluster_id),
            applications,
            lambda: [node.engine for node in self._answering(cluster_id, watch) if node.engine],
            self._requests,
            self._engine_calls,
        )
        router = Router(cluster.routing_port, applications.routes, self._lookups)
        await master.start()
        await router.start()
        self.balancers.lead(cluster.load_balancer_id, ROUTING_PORT, router.port)
        loops = (
            self.supervisor.repeat(
                f"the watch over the nodes of cluster {cluster_id}",
                _WATCH_S,
                lambda: self._look(cluster_id, watch),
            ),
            work.watch_health(),
        )
        self._served[cluster_id] = Served(applications, work, master, router, watch, loops)
        with self.state.transaction():
            self.state.clusters.put(
                replace(
                    self._cluster(cluster_id),
                    updated=timestamp(),
                    master_port=master.port,
                    routing_port=router.port,
                )
            )
        work.recover(everything=not self.nodes.lasting)

    async def settle(self, cluster_id: str, *, changed: bool = True) -> None:
        """Bring the applications to all their containers, on the present nodes.

        The watch over the nodes retries what fails. ``changed``: the nodes are others than before.
        """
        served = self._served.get(cluster_id)
        if served is None:
            return
        settled = await served.work.settle_all(restart=changed)
        if not served.watch.silent:
            nodes, folder = self._cluster(cluster_id).nodes, self.folder / cluster_id
            settled &= await self._work.run(self.nodes.add_managers, folder, nodes)
        if not settled:
            served.watch.again()

    async def stop(self, cluster_id: str) -> None:
        """Let a cluster answer no more; its nodes go on."""
        served = self._served.pop(cluster_id, None)
        if served is not None:
            for loop in served.loops:
                loop.cancel()
            self.balancers.lead(self._cluster(cluster_id).load_balancer_id, ROUTING_PORT, None)
            await served.master.stop()
            await served.router.stop()

    async def close(self) -> None:
        """Stop all."""
        for cluster_id in list(self._served):
            await self.stop(cluster_id)

    async def _look(self, cluster_id: str, watch: NodeWatch) -> None:
        """Let applications move off nodes that fall silent, and settle until nothing is left."""
        cluster = self.state.clusters.get(cluster_id)
        if cluster is None or cluster.state != "running":
            return  # what works on it settles the applications itself
        folder = self.folder / cluster_id
        engines = {node.name: self.nodes.engine(folder, node) for node in cluster.nodes}
        before = watch.silent
        if not await self._lookups.run(watch.look, engines):
            return
        if watch.silent != before:
            names = ", ".join(sorted(watch.silent)) or "none"
            LOG.info("cluster %s: nodes that do not answer: %s", cluster_id, names)
        await ended(
            self.supervisor.begin(
                cluster_id,
                f"settling cluster {cluster_id}",
                lambda: self.settle(cluster_id, changed=watch.changed),
                lambda _: watch.again(),
            )
        )

    def _deployment(
        self, cluster_id: str, watch: NodeWatch, healthy: Callable[[str], None]
    ) -> Deployment:
        folder = self.folder / cluster_id
        with self.state.lock:
            nodes = self._cluster(cluster_id).nodes
            answering = self._answering(cluster_id, watch)
        return Deployment(
            cluster_id,
            {node.address: self.nodes.engine(folder, node) for node in answering},
            {
                node.address: {
                    "node": (node.name, node.address, node.instance_id),
                    "aliyun.node_index": (node.name.rpartition("-node")[2],),
                }
                for node in answering
            },
            self._engine_calls,
            silent=len(answering) < len(nodes),
            healthy=healthy,
            missed=watch.again,
            pause=self.supervisor.pause,
        )

    def _answering(self, cluster_id: str, watch: NodeWatch) -> Sequence[Node]:
        """Return the nodes that answer, as far as that is known; all of them if none does."""
        nodes = self._cluster(cluster_id).nodes
        return [node for node in nodes if node.name not in watch.silent] or nodes

    def _cluster(self, cluster_id: str) -> Cluster:
        return find_cluster(self.state, cluster_id)
