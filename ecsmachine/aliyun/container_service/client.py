"""The management API of Container Service: clusters, their nodes, certificates and images."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ecsmachine.aliyun.access_key import CredentialProvider
from ecsmachine.aliyun.container_service import rules
from ecsmachine.aliyun.container_service.clusters import (
    FAILED,
    MOVING,
    Attached,
    AttachRequest,
    Certificates,
    Cluster,
    Image,
    Node,
    ResetRequest,
    ScaleRequest,
    SwarmRequest,
    Task,
    read_task,
)
from ecsmachine.aliyun.container_service.kubernetes import KubernetesRequest, KubernetesScaleRequest
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.aliyun.roa import RoaAnswer, RoaClient
from ecsmachine.documents.reading import read
from ecsmachine.documents.rules import PROSE
from ecsmachine.errors import MachineError
from ecsmachine.polling import polls

VERSION = "2015-12-15"
ENDPOINT = "https://cs.aliyuncs.com"


class ClusterClient:
    """Container Service in a region.

    All methods raise :class:`ApiError` and :class:`ConnectionLostError`; those that are handed
    a request raise :class:`UsageError` for what the guide refuses, before anything is sent.
    ``check`` names the options that the endpoint comes from.
    """

    def __init__(
        self,
        region: str,
        credentials: CredentialProvider,
        *,
        endpoint: str = ENDPOINT,
        check: str = "the endpoint",
    ):
        self.roa = RoaClient(endpoint, VERSION, region, credentials, check=check)

    def clusters(self, name: str = "") -> list[Cluster]:
        """Return all clusters, or those of a name (GET /clusters)."""
        answer = self.roa.call("GET", "/clusters", query={"name": name or None})
        return [read(Cluster, item) for item in answer.objects()]

    def cluster(self, cluster_id: str) -> Cluster:
        """Return a cluster (GET /clusters/ID)."""
        return read(Cluster, self.roa.call("GET", f"/clusters/{cluster_id}").object())

    def find(self, name_or_id: str) -> Cluster:
        """Return the cluster of that name or id. Raises :class:`MachineError` if there is none."""
        if rules.is_cluster_id(name_or_id):
            return self.cluster(name_or_id)
        found = [cluster for cluster in self.clusters() if cluster.name == name_or_id]
        if not found:
            raise rules.ClusterError(
                "ErrorClusterNotFound", f'There is no cluster "{name_or_id}" in {self.roa.region}'
            )
        if len(found) > 1:
            raise MachineError(
                f'{len(found)} clusters have the name "{name_or_id}"',
                hint=f"Give one of these ids: {', '.join(cluster.id for cluster in found)}.",
            )
        return found[0]

    def create(self, request: SwarmRequest | KubernetesRequest) -> Task:
        """Begin to make a cluster (POST /clusters)."""
        return read_task(self._send("POST", "/clusters", request.body()).object())

    def scale(self, cluster_id: str, request: ScaleRequest | KubernetesScaleRequest) -> Task:
        """Begin to add nodes (PUT /clusters/ID)."""
        path = f"/clusters/{cluster_id}"
        return read_task(self._send("PUT", path, request.body()).object(), cluster_id)

    def attach(self, cluster_id: str, request: AttachRequest) -> tuple[list[Attached], Task]:
        """Begin to make nodes of instances; their system disks are replaced (POST …/attach)."""
        data = self._send("POST", f"/clusters/{cluster_id}/attach", request.body()).object()
        return [read(Attached, item) for item in data.objects("list")], read_task(data, cluster_id)

    def remove_node(self, cluster_id: str, address: str, *, release: bool = False) -> None:
        """Begin to take a node out, by its private address (DELETE …/ip/ADDRESS).

        ``release`` releases its instance too.
        """
        rules.check_address("ip", address)
        self.roa.call(
            "DELETE", f"/clusters/{cluster_id}/ip/{address}", query={"releaseInstance": release}
        )

    def reset_node(self, cluster_id: str, instance_id: str, request: ResetRequest) -> Task:
        """Begin to make a node anew; its disk is replaced (POST …/instances/ID/reset)."""
        path = f"/clusters/{cluster_id}/instances/{instance_id}/reset"
        return read_task(self._send("POST", path, request.body()).object(), cluster_id)

    def delete(self, cluster_id: str) -> None:
        """Begin to remove a cluster with its nodes (DELETE /clusters/ID)."""
        self.roa.call("DELETE", f"/clusters/{cluster_id}")

    def certificates(self, cluster_id: str) -> Certificates:
        """Return the certificates for the cluster's master (GET …/certs)."""
        return read(Certificates, self.roa.call("GET", f"/clusters/{cluster_id}/certs").object())

    def nodes(self, cluster_id: str) -> list[Node]:
        """Return the nodes of a cluster (GET …/nodes, of newer versions of the service)."""
        nodes = self.roa.call("GET", f"/clusters/{cluster_id}/nodes").object().objects("nodes")
        return [read(Node, item) for item in nodes]

    def log(self, cluster_id: str) -> list[str]:
        """Return what was noted of work on a cluster (GET …/logs, of newer versions)."""
        logs = self.roa.call("GET", f"/clusters/{cluster_id}/logs").objects()
        return [item.text("cluster_log", PROSE) for item in logs]

    def images(self) -> list[Image]:
        """Return the images that nodes can be made of (GET /images)."""
        regions = self.roa.call("GET", "/images").object()
        return [
            read(Image, item, region=region)
            for region in regions.values
            for item in regions.object(region).objects("items")
        ]

    def wait(
        self,
        cluster_id: str,
        *,
        timeout_s: float = 1800.0,
        report: Callable[[Cluster], None] = lambda _: None,
    ) -> Cluster:
        """Return the cluster once its state no longer changes by itself.

        ``report`` is told each new state. Raises :class:`MachineError` for a state of failure,
        and when the time is up.
        """
        seen = ""
        for _ in polls(timeout_s):
            cluster = self.cluster(cluster_id)
            if cluster.state != seen:
                seen = cluster.state
                report(cluster)
            if cluster.state in FAILED:
                raise MachineError(
                    f'The cluster "{cluster.name}" is in state {cluster.state}',
                    hint="Check it in the console, or remove it.",
                )
            if cluster.state not in MOVING:
                return cluster
        raise _time_is_up(cluster)

    def wait_gone(self, cluster_id: str, *, timeout_s: float = 1800.0) -> None:
        """Return once the cluster is deleted. Raises :class:`MachineError` if it stays."""
        for _ in polls(timeout_s):
            try:
                cluster = self.cluster(cluster_id)
            except ApiError as error:
                if error.status == 404:
                    return
                raise
            if cluster.state == "deleted":
                return
            if cluster.state in FAILED:
                raise MachineError(f'The cluster "{cluster.name}" is in state {cluster.state}')
        raise _time_is_up(cluster)

    def _send(self, method: str, path: str, body: Mapping[str, Any]) -> RoaAnswer:
        return self.roa.call(method, path, body=json.dumps(body, ensure_ascii=False).encode())


def _time_is_up(cluster: Cluster) -> MachineError:
    return MachineError(
        f'Timed out: the cluster "{cluster.name}" is still {cluster.state}',
        hint="Check again later.",
    )
