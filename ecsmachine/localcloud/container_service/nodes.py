"""The nodes of Swarm clusters, and those without guests."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ecsmachine.localcloud.container_service.cluster_requests import NodeRequest
from ecsmachine.localcloud.container_service.engines import NoEngine
from ecsmachine.localcloud.protocol.errors import ApiError, LocalCloudError
from ecsmachine.localcloud.state.clusters import Cluster, Node
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.work.supervisor import Pause


class NodeError(LocalCloudError):
    """A node could not be made, joined or removed; the text says which and why."""


_TIMEOUT_S = 30.0

CallAction = Callable[[str, Mapping[str, str]], Mapping[str, Any]]


def find_cluster(state: State, cluster_id: str) -> Cluster:
    """Return a cluster that is worked on. Raises :class:`NodeError` if it is gone."""
    cluster = state.clusters.get(cluster_id)
    if cluster is None:
        raise NodeError(f"There is no cluster {cluster_id} any more.")
    return cluster


class GuestlessNodes:
    """Makes nodes by ``call``, which carries out an action of the ECS API; waits by ``pause``.

    It has the methods of
    :class:`~ecsmachine.localcloud.container_service.provisioned_nodes.ProvisionedNodes`.
    """

    lasting = False

    def __init__(self, call: CallAction, pause: Pause) -> None:
        self._call = call
        self._pause = pause
        self._engines: dict[str, NoEngine] = {}

    def create(self, cluster: Cluster, folder: Path, name: str, request: NodeRequest) -> Node:
        """Run an instance."""
        place = {"RegionId": cluster.region}
        try:
            images = self._call("DescribeImages", place)["Images"]["Image"]
            made = self._call(
                "RunInstances",
                {
                    **place,
                    "ImageId": request.image.id if request.image else images[0]["ImageId"],
                    "InstanceType": request.instance_type,
                    "SecurityGroupId": self._group(cluster),
                    "VSwitchId": cluster.vswitch_id,
                    "InstanceName": name,
                    "HostName": name,
                    "Password": request.password,
                },
            )
            (instance_id,) = made["InstanceIdSets"]["InstanceIdSet"]
            address = self._wait(place, instance_id)
        except ApiError as error:
            raise NodeError(f"{name}: {error.message}") from None
        return Node(name, instance_id, address)

    def adopt(self, folder: Path, node: Node, key: Path) -> Node:
        """Take the instance as it is."""
        return node

    def prepare(self, folder: Path, node: Node) -> Node:
        """Forget what its engine had."""
        self._engines.pop(node.instance_id, None)
        return node

    def _nothing(self, *given: Any, **more: Any) -> None:
        """Do nothing: there is no swarm."""

    join = leave = _nothing

    def add_managers(self, folder: Path, nodes: Sequence[Node]) -> bool:
        """Report success: there is no swarm."""
        return True

    def forget(self, folder: Path, node: Node, *, release: bool) -> None:
        """Delete the instance if it is to be released."""
        self._engines.pop(node.instance_id, None)
        if not release:
            return
        try:
            self._call("DeleteInstance", {"InstanceId": node.instance_id, "Force": "true"})
        except ApiError as error:
            if error.status != 404:
                raise NodeError(f"{node.name}: {error.message}") from None

    def engine(self, folder: Path, node: Node) -> NoEngine:
        """Return the notes of the node."""
        return self._engines.setdefault(node.instance_id, NoEngine())

    def public_key(self, folder: Path, node: Node) -> str:
        """Return "": nobody logs in."""
        return ""

    def _group(self, cluster: Cluster) -> str:
        name = f"cs-{cluster.id}"
        place = {"RegionId": cluster.region, "VpcId": cluster.vpc_id}
        found = self._call("DescribeSecurityGroups", {**place, "SecurityGroupName": name})
        groups = found["SecurityGroups"]["SecurityGroup"]
        if groups:
            return str(groups[0]["SecurityGroupId"])
        made = self._call("CreateSecurityGroup", {**place, "SecurityGroupName": name})
        return str(made["SecurityGroupId"])

    def _wait(self, place: Mapping[str, str], instance_id: str) -> str:
        deadline = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < deadline:
            found = self._call("DescribeInstances", {**place, "InstanceIds": f'["{instance_id}"]'})
            for instance in found["Instances"]["Instance"]:
                if instance["Status"] == "Running":
                    addresses = instance["VpcAttributes"]["PrivateIpAddress"]["IpAddress"]
                    return str(addresses[0])
            self._pause(0.02)
        raise NodeError(f"The instance {instance_id} does not start.")
