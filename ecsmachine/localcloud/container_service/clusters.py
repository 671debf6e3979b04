"""The management API's calls: what each does to the state, and what it answers (chapter 4)."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ecsmachine.localcloud.catalog.images import Image
from ecsmachine.localcloud.catalog.regions import find_region, regions
from ecsmachine.localcloud.container_service.certificates import read_certificates
from ecsmachine.localcloud.container_service.cluster_requests import (
    MOST_NODES,
    NodeRequest,
    disk_request,
    kubernetes_cluster,
    node_request,
    swarm_cluster,
    workers_wanted,
)
from ecsmachine.localcloud.container_service.cluster_work import ClusterWork
from ecsmachine.localcloud.container_service.fields import Fields, check_cluster_name, invalid
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.state.clusters import Cluster, Node
from ecsmachine.localcloud.state.images import usable_images
from ecsmachine.localcloud.state.records import api_fields
from ecsmachine.localcloud.state.state import State

AGENT_VERSION = "0.9-local"
API_VERSION = "2015-12-15"


@dataclass(frozen=True)
class ClusterCall:
    """The input of a call. ``name`` and ``part`` are the variable parts of its path."""

    state: State
    work: ClusterWork
    images: tuple[Image, ...]
    region: str
    request_id: str
    query: Fields
    body: Fields
    endpoint: str
    name: str = ""
    part: str = ""

    def usable_images(self, region: str) -> Sequence[Image]:
        """Return the images that nodes in a region can be made of."""
        return usable_images(self.state, self.images, region)


def list_clusters(call: ClusterCall) -> list[dict[str, Any]]:
    """GetClusterList: all clusters, or those whose name has ``name`` in it, or of a kind."""
    wanted, kind = call.query.text("name"), call.query.text("clusterType")
    return [
        _view(cluster)
        for cluster in call.state.clusters
        if wanted in cluster.name and kind in ("", cluster.kind or "Swarm")
    ]


def get_cluster(call: ClusterCall) -> dict[str, Any]:
    """GetClusterById."""
    return _view(_find(call))


def create_cluster(call: ClusterCall) -> dict[str, Any]:
    """CreateCluster: Swarm without ``cluster_type``, else of Kubernetes kind."""
    body = call.body
    check_cluster_name(body.require("name"))
    region = body.text("region_id") or call.region
    if find_region(region) is None:
        raise ApiError("InvalidRegionId.NotFound", f"There is no region {region}.", 404)
    if any(cluster.name == body.text("name") for cluster in call.state.clusters):
        raise ApiError(
            "ErrorClusterNameAlreadyExists", f"A cluster {body.text('name')} already exists.", 409
        )
    now = timestamp()
    cluster = Cluster(f"c{secrets.token_hex(16)}", "", region, "launching", now, now)
    if "cluster_type" in body:
        call.state.clusters.put(kubernetes_cluster(body, call.state, cluster))
        call.work.launch_without_guests(cluster.id)
        return _accepted(call, cluster.id)
    cluster = swarm_cluster(body, call.state, cluster)
    balanced = body.boolean("need_slb", True)
    nodes = node_request(body, call.usable_images(region))
    call.state.clusters.put(cluster)
    call.work.launch(cluster.id, nodes, balanced=balanced)
    return _accepted(call, cluster.id)


def scale_cluster(call: ClusterCall) -> dict[str, Any]:
    """UpdateClusterSizeById: ``size`` is the number of nodes afterwards."""
    cluster = _running(call)
    if not cluster.is_swarm:
        masters = 0 if cluster.kind.startswith("Managed") else 3
        size = masters + workers_wanted(call.body)
        _change(call, cluster, state="scaling", size=size)
        call.work.launch_without_guests(cluster.id)
        return _accepted(call, cluster.id)
    size = call.body.integer("size", least=1, most=MOST_NODES)
    request = node_request(call.body, call.usable_images(cluster.region))
    number = size - len(cluster.nodes)
    if number < 1:
        raise invalid("size", f"it must be larger than the present {len(cluster.nodes)}")
    _change(call, cluster, state="scaling", size=size)
    call.work.add_nodes(cluster.id, number, request)
    return _accepted(call, cluster.id)


def attach_instances(call: ClusterCall) -> dict[str, Any]:
    """Attach existing instances; the answer has the outcome for each."""
    cluster = _of_swarm_kind(_running(call))
    request = disk_request(call.body, call.usable_images(cluster.region))
    ids = list(dict.fromkeys(call.body.texts("instances")))
    if not ids:
        raise ApiError("MissingParameter", "The field instances is required.")
    results, fitting = [], []
    for instance_id in ids:
        code, message = _attachable(call.state, cluster, instance_id, request)
        results.append({"code": code, "instanceId": instance_id, "message": message})
        if code == "200":
            fitting.append(instance_id)
    if fitting:
        _change(call, cluster, state="scaling", size=len(cluster.nodes) + len(fitting))
        call.work.attach(cluster.id, fitting, request)
    return {"list": results, "task_id": _task_id()}


def remove_node(call: ClusterCall) -> None:
    """Remove a node by its private address; ``releaseInstance`` releases its instance."""
    cluster = _of_swarm_kind(_running(call))
    try:
        ipaddress.IPv4Address(call.part)
    except ValueError:
        raise invalid("ip", f'"{call.part}" is not an IPv4 address') from None
    release = call.query.boolean("releaseInstance")
    node = _node(cluster, lambda n: n.address == call.part, call.part)
    if len(cluster.nodes) == 1:
        raise ApiError("ErrorLastNode", "The last node cannot be removed: delete the cluster.", 409)
    _change(call, cluster, state="scaling")
    call.work.remove_node(cluster.id, node, release=release)


def reset_node(call: ClusterCall) -> dict[str, Any]:
    """Reset a node; its system disk is replaced."""
    cluster = _of_swarm_kind(_running(call))
    request = disk_request(call.body, call.usable_images(cluster.region))
    node = _node(cluster, lambda n: n.instance_id == call.part, call.part)
    instance = call.state.instances.get(node.instance_id)
    if instance is not None and not request.fits(instance.instance_type):
        raise refusals.IMAGE_OF_TYPE()
    _change(call, cluster, state="updating")
    call.work.reset_node(cluster.id, node, request)
    return _accepted(call, cluster.id)


def delete_cluster(call: ClusterCall) -> None:
    """DeleteCluster, with its nodes; one that is being launched or changed is not deleted."""
    cluster = _find(call)
    if cluster.state not in ("running", "failed"):
        raise _busy(cluster)
    _change(call, cluster, state="deleting")
    call.work.delete(cluster.id)


def get_certificates(call: ClusterCall) -> dict[str, Any]:
    """GetClusterCerts."""
    cluster = _of_swarm_kind(_find(call))
    try:
        return read_certificates(call.work.certificates(cluster.id))
    except FileNotFoundError:
        raise refusals.of("ErrorCertsNotReady") from None


def get_nodes(call: ClusterCall) -> dict[str, Any]:
    """DescribeClusterNodes, as newer versions of the service have it."""
    cluster = _find(call)
    nodes = [
        {
            "instance_id": node.instance_id,
            "instance_name": node.name,
            "ip_address": [node.address],
            "instance_role": "Master" if number == 0 else "Worker",
            "state": _instance_status(call.state, node),
            "engine": node.engine,
        }
        for number, node in enumerate(cluster.nodes)
    ]
    page = {"page_number": 1, "page_size": max(10, len(nodes)), "total_count": len(nodes)}
    return {"nodes": nodes, "page": page}


def get_logs(call: ClusterCall) -> list[dict[str, Any]]:
    """DescribeClusterLogs, as newer versions of the service have it."""
    cluster = _find(call)
    return [
        {
            "ID": number,
            "cluster_id": cluster.id,
            "created": line.partition(" ")[0],
            "updated": line.partition(" ")[0],
            "cluster_log": line.partition(" ")[2],
        }
        for number, line in enumerate(cluster.log, start=1)
    ]


def list_images(call: ClusterCall) -> dict[str, Any]:
    """DescribeImages: those that nodes can be made of, for every region."""
    items = [{"text": image.os_name, "value": image.id} for image in call.images]
    return {region.id: {"items": items} for region in regions()}


def get_version(call: ClusterCall) -> dict[str, Any]:
    """DescribeApiVersion: the guide's SDK example calls it; the guide shows no answer."""
    return {"version": API_VERSION, "request_id": call.request_id}


def _view(cluster: Cluster) -> dict[str, Any]:
    served = (
        cluster.is_swarm and cluster.master_port and cluster.state not in ("failed", "deleting")
    )
    view: dict[str, Any] = {
        "agent_version": AGENT_VERSION if cluster.is_swarm else "",
        **api_fields(cluster),
        "master_url": f"https://127.0.0.1:{cluster.master_port}" if served else "",
    }
    if served:
        view["routing_url"] = f"http://127.0.0.1:{cluster.routing_port}"
    if cluster.kind:
        view |= {"cluster_type": cluster.kind, **cluster.settings}
    return view


def _find(call: ClusterCall) -> Cluster:
    cluster = call.state.clusters.get(call.name.lower())
    if cluster is None:
        raise ApiError("ErrorClusterNotFound", f"There is no cluster {call.name}.", 404)
    return cluster


def _running(call: ClusterCall) -> Cluster:
    cluster = _find(call)
    if cluster.state != "running":
        raise _busy(cluster)
    return cluster


def _busy(cluster: Cluster) -> ApiError:
    return ApiError(
        "ErrorClusterState",
        f"The cluster {cluster.name} does not allow this while it is {cluster.state}.",
        409,
    )


def _of_swarm_kind(cluster: Cluster) -> Cluster:
    if not cluster.is_swarm:
        raise ApiError("ErrorClusterType", f"{cluster.name} is not a Swarm cluster.", 400)
    return cluster


def _node(cluster: Cluster, chosen: Any, named: str) -> Node:
    for node in cluster.nodes:
        if chosen(node):
            return node
    raise ApiError("ErrorNodeNotFound", f"{cluster.name} has no node {named}.", 404)


def _attachable(
    state: State, cluster: Cluster, instance_id: str, request: NodeRequest
) -> tuple[str, str]:
    """Return "200" if the instance can become a node, else another code, and why."""
    instance = state.instances.get(instance_id)
    if instance is None:
        return "404", "there is no such instance"
    if any(node.instance_id == instance_id for one in state.clusters for node in one.nodes):
        return "409", "it is already a node of a cluster"
    if instance.vpc_id != cluster.vpc_id:
        return "400", "it is not in the cluster's VPC"
    if instance.status not in ("Running", "Stopped"):
        return "409", f"it is {instance.status}"
    if not request.fits(instance.instance_type):
        return "400", "the image is of another architecture"
    return "200", "successful"


def _instance_status(state: State, node: Node) -> str:
    instance = state.instances.get(node.instance_id)
    return "gone" if instance is None else instance.status.lower()


def _change(call: ClusterCall, cluster: Cluster, **changes: Any) -> None:
    call.state.clusters.put(replace(cluster, updated=timestamp(), **changes))


def _accepted(call: ClusterCall, cluster_id: str) -> dict[str, Any]:
    return {"cluster_id": cluster_id, "request_id": call.request_id, "task_id": _task_id()}


def _task_id() -> str:
    return f"T-{secrets.token_hex(12)}"
