"""The work on clusters after the answer to a request: nodes, masters, deletion.

Work on one cluster is done in the order of the requests. Passwords are only in memory. So if the
server is killed, an unfinished launch has failed, and of the nodes being added only the ready ones
stay.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ecsmachine.localcloud.container_service.balanced import ROUTING_PORT, lead_to_services
from ecsmachine.localcloud.container_service.certificates import make_certificates, make_login_key
from ecsmachine.localcloud.container_service.cluster_requests import NodeRequest
from ecsmachine.localcloud.container_service.detaching import attach_again, detach, remove_group
from ecsmachine.localcloud.container_service.engines import Container, EngineError
from ecsmachine.localcloud.container_service.nodes import (
    CallAction,
    NodeError,
    find_cluster,
)
from ecsmachine.localcloud.container_service.provisioned_nodes import Nodes, certificates_folder
from ecsmachine.localcloud.container_service.serving import ClusterServing
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.relays import ADDRESS
from ecsmachine.localcloud.state.clusters import Cluster, ClusterState, Node
from ecsmachine.localcloud.state.images import from_image, new_system_disk
from ecsmachine.localcloud.state.resources import attached_disks
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.state.tables import Table
from ecsmachine.localcloud.work.balancers import BalancerWork
from ecsmachine.localcloud.work.instances import InstanceWork
from ecsmachine.localcloud.work.supervisor import Supervisor, Work, ended, unchanged

LOG = logging.getLogger("ecsmachine.localcloud.container_service")

_NODES_AT_ONCE = 3
_RUNNING_TIMEOUT_S = 120.0
_KUBERNETES_S = 0.2
"""How long clusters without guests are seen on their way, in seconds."""


@dataclass(eq=False, repr=False)
class ClusterWork:
    """The work on clusters. Actions call it once the state has the cluster's new state.

    ``call`` carries out an action of the API of ECS or SLB in a transaction.
    """

    state: State
    supervisor: Supervisor
    instances: InstanceWork
    nodes: Nodes
    call: CallAction
    balancers: BalancerWork

    def __post_init__(self) -> None:
        self._folder = self.state.root / "clusters"
        self._threads = self.supervisor.threads("cluster", 8)
        self._serving = ClusterServing(
            self.state, self.supervisor, self.nodes, self._folder, self.call, self.balancers
        )
        self.applications = self._serving.applications

    def certificates(self, cluster_id: str) -> Path:
        """Return the folder with a cluster's certificates."""
        return certificates_folder(self._folder / cluster_id)

    # Actions call these after they have written the new state of the cluster.

    def launch(self, cluster_id: str, request: NodeRequest, *, balanced: bool) -> None:
        """Make a new Swarm cluster's nodes, and serve it; ``balanced``: behind a load balancer."""
        work = partial(self._launch, cluster_id, request, balanced)
        self._begin(cluster_id, "launching", work, "failed")

    def launch_without_guests(self, cluster_id: str) -> None:
        """Let a cluster of Kubernetes kind run."""
        self._begin(cluster_id, "launching", lambda: self._wait_as_kubernetes(cluster_id), "failed")

    def add_nodes(self, cluster_id: str, number: int, request: NodeRequest) -> None:
        """Make further nodes."""
        self._begin_change(cluster_id, "adding nodes to", self._grow, number, request)

    def attach(self, cluster_id: str, instance_ids: Sequence[str], request: NodeRequest) -> None:
        """Make nodes of instances, with new system disks."""
        what = "attaching instances to"
        self._begin_change(cluster_id, what, self._attach, instance_ids, request)

    def remove_node(self, cluster_id: str, node: Node, *, release: bool) -> None:
        """Take a node out; what ran on it runs on others then."""
        self._begin_change(cluster_id, "removing a node of", self._remove_node, node, release)

    def reset_node(self, cluster_id: str, node: Node, request: NodeRequest) -> None:
        """Replace a node's system disk, and make it a node again."""
        self._begin_change(cluster_id, "resetting a node of", self._reset_node, node, request)

    def delete(self, cluster_id: str) -> None:
        """Remove a cluster with all that it has."""
        self._begin(cluster_id, "deleting", lambda: self._delete(cluster_id), "failed")

    async def containers(self, cluster: Cluster) -> dict[str, Sequence[Container]]:
        """Return a cluster's containers by its nodes; those that do not answer are left out."""

        def listed(node: Node) -> Sequence[Container] | None:
            try:
                engine = self.nodes.engine(self._folder / cluster.id, node)
                return engine.containers({"aliyun.cluster": cluster.id})
            except (EngineError, OSError):
                return None

        asked = [(node.name, self._threads.run(listed, node)) for node in cluster.nodes]
        found = [(name, await answer) for name, answer in asked]
        return {name: containers for name, containers in found if containers is not None}

    # The server calls these.

    async def recover(self) -> None:
        """Serve the existing clusters, and finish the work of the last server."""
        begun = []
        for cluster in list(self.state.clusters):
            if cluster.state == "deleting":
                self.delete(cluster.id)
            elif cluster.state == "launching" and cluster.is_swarm:
                self._fail(
                    cluster.id, "The local cloud stopped while it was launching the cluster."
                )
            elif cluster.state != "failed":
                size = len(cluster.nodes) if cluster.is_swarm else cluster.size
                self._change(cluster.id, state="running", size=size)
                if cluster.is_swarm:
                    serve = partial(self._serving.serve, cluster.id)
                    begun.append(self._begin(cluster.id, "serving", serve, "failed"))
        await ended(*begun)  # whoever finds the server there finds its masters, too

    async def close(self) -> None:
        """Let clusters answer no more; their nodes go on."""
        await self._serving.close()

    # The work itself.

    async def _launch(self, cluster_id: str, request: NodeRequest, balanced: bool) -> None:
        cluster = self._cluster(cluster_id)
        folder = self._folder / cluster_id
        await self._threads.run(
            make_certificates, certificates_folder(folder), cluster.name, [ADDRESS]
        )
        if balanced:
            self._make_load_balancer(cluster)
        await self._grow(cluster_id, cluster.size, request)
        await self._serving.serve(cluster_id)
        self._change(cluster_id, state="running")

    async def _grow(self, cluster_id: str, number: int, request: NodeRequest) -> None:
        """Make nodes, several at a time, and let them join one after the other."""
        cluster = self._cluster(cluster_id)
        folder = self._folder / cluster_id
        names = self._new_names(cluster_id, number)
        turns = asyncio.Semaphore(_NODES_AT_ONCE)

        async def make(name: str) -> Node:
            async with turns:
                return await self._threads.run(self.nodes.create, cluster, folder, name, request)

        # The first node creates what the others share (the security group).
        made: list[Node | BaseException] = []
        if not cluster.nodes:
            made.append(await make(names[0]))
        made += await asyncio.gather(*map(make, names[len(made) :]), return_exceptions=True)
        for node in made:
            if isinstance(node, Node):
                await self._join(cluster_id, node)
        for error in made:
            if isinstance(error, BaseException):
                raise error

    async def _join(self, cluster_id: str, node: Node) -> None:
        folder = self._folder / cluster_id
        others = self._cluster(cluster_id).nodes
        try:
            await self._threads.run(self.nodes.join, folder, node, others)
        except Exception:
            # remove an unfinished node, and its instance unless it was attached
            await self._threads.run(self.nodes.forget, folder, node, release=not node.attached)
            self._detach(cluster_id, node)
            raise
        with self.state.transaction():
            cluster = self._cluster(cluster_id)
            nodes = (*cluster.nodes, node)
            instance = self.state.instances.get(node.instance_id)
            groups = instance.security_group_ids if instance is not None else ()
            self._change(
                cluster_id,
                nodes=nodes,
                size=max(cluster.size, len(nodes)),
                security_group_id=cluster.security_group_id or next(iter(groups), ""),
            )
        if cluster.load_balancer_id:
            self.call(
                "AddBackendServers",
                {
                    "RegionId": cluster.region,
                    "LoadBalancerId": cluster.load_balancer_id,
                    "BackendServers": f'[{{"ServerId":"{node.instance_id}","Weight":"100"}}]',
                },
            )

    async def _attach(
        self, cluster_id: str, instance_ids: Sequence[str], request: NodeRequest
    ) -> None:
        folder = self._folder / cluster_id
        key, public_key = await self._threads.run(make_login_key, folder)
        names = self._new_names(cluster_id, len(instance_ids))
        for name, instance_id in zip(names, instance_ids, strict=True):
            group = self._cluster(cluster_id).security_group_id
            instance = await self._remake(instance_id, request, public_key, group)
            node = Node(name, instance_id, instance, attached=True)
            try:
                node = await self._threads.run(self.nodes.adopt, folder, node, key)
            except Exception:
                self._detach(cluster_id, node)
                raise
            await self._join(cluster_id, node)
            self.supervisor.attempt(
                f"attaching {node.instance_id} to cluster {cluster_id} again",
                *(attach_again, self.call, self.state, self._cluster(cluster_id), instance_id),
            )

    async def _remove_node(self, cluster_id: str, node: Node, release: bool) -> None:
        folder = self._folder / cluster_id
        rest = tuple(other for other in self._cluster(cluster_id).nodes if other.name != node.name)
        await self._remove_containers(cluster_id, node)
        await self._threads.run(self.nodes.leave, folder, node, rest)
        self._change(cluster_id, nodes=rest, size=len(rest))
        await self._threads.run(self.nodes.forget, folder, node, release=release)
        there = self.state.instances.get(node.instance_id) is not None
        if release and node.attached and there:  # its machine did not take it along
            self.call("DeleteInstance", {"InstanceId": node.instance_id, "Force": "true"})
        self._detach(cluster_id, node)

    async def _reset_node(self, cluster_id: str, node: Node, request: NodeRequest) -> None:
        folder = self._folder / cluster_id
        rest = tuple(other for other in self._cluster(cluster_id).nodes if other.name != node.name)
        public_key = await self._threads.run(self.nodes.public_key, folder, node)
        await self._threads.run(self.nodes.leave, folder, node, rest, for_good=False)
        self._change(cluster_id, nodes=rest)
        await self._remake(node.instance_id, request, public_key, "")
        node = await self._threads.run(self.nodes.prepare, folder, node)
        # The data disk is the same: remove the data of a former engine now at the latest.
        await self._remove_containers(cluster_id, node)
        await self._join(cluster_id, node)

    async def _delete(self, cluster_id: str) -> None:
        cluster = self._cluster(cluster_id)
        folder = self._folder / cluster_id
        await self._serving.stop(cluster_id)
        lead_to_services(self.state, self.call, cluster, (), ())
        for node in cluster.nodes:
            if node.attached:
                await self._remove_containers(cluster_id, node)
                await self._threads.run(self.nodes.leave, folder, node, ())
                self._detach(cluster_id, node)
        await asyncio.gather(
            *(
                self._threads.run(self.nodes.forget, folder, node, release=not node.attached)
                for node in cluster.nodes
            )
        )
        if cluster.load_balancer_id:
            place = {"RegionId": cluster.region, "LoadBalancerId": cluster.load_balancer_id}
            self.call("DeleteLoadBalancer", place)
        self.supervisor.attempt(
            f"removing the group of cluster {cluster_id}", remove_group, self.call, cluster
        )
        await self._threads.run(shutil.rmtree, folder, True)
        with self.state.transaction():
            tables: tuple[Table[Any], ...] = (
                self.state.projects,
                self.state.volumes,
                self.state.triggers,
            )
            for table in tables:
                for item in list(table):
                    if item.cluster_id == cluster_id:
                        table.remove(item.id)
            self.state.clusters.remove(cluster_id)

    async def _wait_as_kubernetes(self, cluster_id: str) -> None:
        await asyncio.sleep(_KUBERNETES_S)
        self._change(cluster_id, state="running")

    # The parts that the work is made of.

    async def _remake(
        self, instance_id: str, request: NodeRequest, public_key: str, group: str
    ) -> str:
        """Replace an instance's system disk; return its private address once it runs."""
        with self.state.transaction():
            instance = self.state.instances.get(instance_id)
            if instance is None:
                raise NodeError(f"There is no instance {instance_id} any more.")
            groups = instance.security_group_ids
            if request.image is not None:
                instance = from_image(instance, request.image)
                (old, *_) = attached_disks(self.state, instance_id)
                new_system_disk(self.state, old, request.image)
            wanted = replace(
                instance,
                has_password=not public_key,
                public_key=public_key or instance.public_key,
                security_group_ids=groups if not group or group in groups else (*groups, group),
            )
            self.instances.remake(wanted, request.password)
        for _ in range(int(_RUNNING_TIMEOUT_S / 0.05)):
            await asyncio.sleep(0.05)
            instance = self.state.instances.get(instance_id)
            if instance is None or instance.status == "Stopped":
                break
            if instance.status == "Running":
                return instance.private_ip
        raise NodeError(f"The instance {instance_id} does not start again.")

    async def _remove_containers(self, cluster_id: str, node: Node) -> None:
        """Remove the cluster's containers from a node whose instance stays."""

        def remove() -> None:
            engine = self.nodes.engine(self._folder / cluster_id, node)
            try:
                for container in engine.containers({"aliyun.cluster": cluster_id}):
                    engine.remove(container.id, volumes=True)
            except EngineError as error:
                LOG.error(
                    "cluster %s: the containers of %s cannot be removed: %s",
                    cluster_id,
                    node.name,
                    error,
                )

        await self._threads.run(remove)

    def _detach(self, cluster_id: str, node: Node) -> None:
        """Let an instance that stays give back what attaching it did."""
        self.supervisor.attempt(
            f"detaching {node.instance_id} from cluster {cluster_id}",
            *(detach, self.call, self.state, self._cluster(cluster_id), node.instance_id),
        )

    def _make_load_balancer(self, cluster: Cluster) -> None:
        made = self.call(
            "CreateLoadBalancer",
            {
                "RegionId": cluster.region,
                "LoadBalancerName": f"cs-{cluster.id}",
                "AddressType": "internet",
            },
        )
        listener = {
            "RegionId": cluster.region,
            "LoadBalancerId": str(made["LoadBalancerId"]),
            "ListenerPort": "80",
        }
        settings = {"BackendServerPort": str(ROUTING_PORT), "Bandwidth": "-1"}
        off = {"StickySession": "off", "HealthCheck": "off"}
        self.call("CreateLoadBalancerHTTPListener", {**listener, **settings, **off})
        self.call("StartLoadBalancerListener", listener)
        self._change(cluster.id, load_balancer_id=str(made["LoadBalancerId"]))

    def _new_names(self, cluster_id: str, number: int) -> list[str]:
        """Return names for new nodes that none of the cluster ever had."""
        with self.state.transaction():
            given = self._cluster(cluster_id).names_given
            self._change(cluster_id, names_given=given + number)
        return [f"{cluster_id[:9]}-node{given + n}" for n in range(1, number + 1)]

    def _begin_change(
        self, cluster_id: str, what: str, work: Callable[..., Awaitable[None]], *arguments: Any
    ) -> None:
        """Begin to change the nodes of a running cluster, which is running again at the end."""

        async def change() -> None:
            await work(cluster_id, *arguments)
            await self._serving.settle(cluster_id)
            self._change(cluster_id, state="running")

        self._begin(cluster_id, what, change, "running")

    def _begin(
        self, cluster_id: str, what: str, work: Work, otherwise: ClusterState
    ) -> Future[None]:
        """Begin work; if it fails, the cluster is in the state ``otherwise``."""

        def failed(reason: str) -> None:
            self._fail(cluster_id, reason, otherwise)
            # There may be other nodes than before, and the applications are still wanted.
            settle = partial(self._serving.settle, cluster_id)
            self.supervisor.begin(cluster_id, f"settling cluster {cluster_id}", settle, unchanged)

        return self.supervisor.begin(cluster_id, f"{what} cluster {cluster_id}", work, failed)

    def _fail(self, cluster_id: str, reason: str, state: ClusterState = "failed") -> None:
        with self.state.transaction():
            cluster = self.state.clusters.get(cluster_id)
            if cluster is not None:
                log = (*cluster.log, f"{timestamp()} {reason}")
                size = len(cluster.nodes) if state == "running" else cluster.size
                self._change(cluster_id, state=state, log=log, size=size)

    def _cluster(self, cluster_id: str) -> Cluster:
        return find_cluster(self.state, cluster_id)

    def _change(self, cluster_id: str, **changes: Any) -> None:
        with self.state.transaction():
            cluster = self._cluster(cluster_id)
            self.state.clusters.put(replace(cluster, updated=timestamp(), **changes))
