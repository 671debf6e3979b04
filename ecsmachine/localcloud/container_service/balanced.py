"""Load balancers of services, for the labels ``aliyun.lb.port_80: tcp://NAME:8080``.

Nodes that run a container of the service become servers of the load balancer. A listener at the
port in the label leads to the node's port that publishes the container's port. An existing listener
stays unchanged. Everything created here names its cluster in its description, so it can be removed
when no label needs it any more. Resources of others are never changed.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ecsmachine.compose.labels import Front
from ecsmachine.compose.model import Service
from ecsmachine.localcloud.container_service.deployment import Placed, containers_of
from ecsmachine.localcloud.container_service.nodes import CallAction
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.state.balancers import Listener, LoadBalancer
from ecsmachine.localcloud.state.clusters import Cluster, Project, Release
from ecsmachine.localcloud.state.state import State

ROUTING_PORT = 9080
"""The port of nodes that a cluster's own load balancer leads to: the routing of its services."""

Services = Iterable[tuple[Project, Release, Service]]


@dataclass(frozen=True)
class _Wanted:
    """A listener that a label asks for, and where it leads; ``nodes`` are ids of instances."""

    project: str
    label: str
    front: Front
    node_port: int
    nodes: frozenset[str]


def lead_to_services(
    state: State, call: CallAction, cluster: Cluster, services: Services, placed: Iterable[Placed]
) -> dict[str, str]:
    """Let load balancers lead to the services that are there; return what cannot be, by project.

    ``call`` carries out an action of SLB.
    """
    placed, problems = list(placed), {}
    by_balancer: dict[str, list[_Wanted]] = defaultdict(list)
    for wanted in _wanted(cluster, services, placed):
        balancer = _balancer(state, cluster.region, wanted.front.balancer)
        if balancer is None:
            problems[wanted.project] = (
                f"{wanted.label}: there is no load balancer {wanted.front.balancer} in "
                f"{cluster.region}."
            )
        else:
            by_balancer[balancer.id].append(wanted)
    for balancer in list(state.load_balancers):
        try:
            _lead(call, cluster, balancer, by_balancer[balancer.id])
        except ApiError as error:
            for wanted in by_balancer[balancer.id]:
                problems[wanted.project] = f"{wanted.label}: {error.code}: {error.message}"
    return problems


def _wanted(cluster: Cluster, services: Services, placed: Iterable[Placed]) -> Iterable[_Wanted]:
    instances = {node.address: node.instance_id for node in cluster.nodes}
    for project, release, service in services:
        nodes = frozenset(
            instances[p.node]
            for p in containers_of(placed, project, release, service)
            if p.container.running and p.node in instances
        )
        for port, front in service.own.fronts.items():
            node_port = service.fixed_port(port, front.transport)
            label = f"{service.name}: aliyun.lb.port_{port}"
            yield _Wanted(project.name, label, front, node_port, nodes)


def _balancer(state: State, region: str, wanted: str) -> LoadBalancer | None:
    here = [one for one in state.load_balancers if one.region == region]
    return next((one for one in here if wanted in (one.id, one.name)), None)


def _lead(
    call: CallAction, cluster: Cluster, balancer: LoadBalancer, wanted: list[_Wanted]
) -> None:
    place = {"RegionId": balancer.region, "LoadBalancerId": balancer.id}
    mark = f"cluster {cluster.id}"
    nodes = frozenset[str]().union(*(one.nodes for one in wanted))
    there = {backend.server_id: backend.description for backend in balancer.backends}
    gone = {server for server, told in there.items() if told == mark} - nodes
    if gone:
        servers = [{"ServerId": server} for server in sorted(gone)]
        call("RemoveBackendServers", {**place, "BackendServers": json.dumps(servers)})
    if nodes - there.keys():
        servers = [
            {"ServerId": server, "Weight": "100", "Description": mark}
            for server in sorted(nodes - there.keys())
        ]
        call("AddBackendServers", {**place, "BackendServers": json.dumps(servers)})
    asked: dict[tuple[str, int], _Wanted] = {
        (one.front.transport, one.front.port): one for one in wanted
    }
    kept = set()
    for listener in balancer.listeners:
        at = ("udp" if listener.protocol == "udp" else "tcp", listener.port)
        one = asked.get(at)
        if listener.settings.get("Description") == mark and not (one and _fits(listener, one)):
            listening = {"ListenerPort": str(listener.port), "ListenerProtocol": listener.protocol}
            call("DeleteLoadBalancerListener", {**place, **listening})
        else:
            kept.add(at)
    for at, one in asked.items():
        if at not in kept:
            _listen(call, place, mark, one)


def _fits(listener: Listener, wanted: _Wanted) -> bool:
    its = (listener.protocol, listener.backend_port)
    return its == (wanted.front.protocol, wanted.node_port)


def _listen(call: CallAction, place: Mapping[str, str], mark: str, wanted: _Wanted) -> None:
    protocol = wanted.front.protocol
    settings = {"ListenerPort": str(wanted.front.port), "BackendServerPort": str(wanted.node_port)}
    settings |= {"Bandwidth": "-1", "Description": mark}
    if protocol == "http":
        # Whatever a service answers: only nodes with a running container of it are servers.
        settings |= {"StickySession": "off", "HealthCheck": "off"}
    call(f"CreateLoadBalancer{protocol.upper()}Listener", {**place, **settings})
    listening = {"ListenerPort": str(wanted.front.port), "ListenerProtocol": protocol}
    call("StartLoadBalancerListener", {**place, **listening})
