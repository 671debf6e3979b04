"""Server groups of classic load balancers (VServerGroup): servers with a port each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.load_balancers import (
    MAX_BACKENDS,
    backends_of_request,
    checked_name,
    server_of_request,
)
from ecsmachine.localcloud.protocol import clock, refusals
from ecsmachine.localcloud.protocol.errors import ApiError, invalid_parameter
from ecsmachine.localcloud.protocol.identifiers import new_id
from ecsmachine.localcloud.state import tagging
from ecsmachine.localcloud.state.balancers import Backend, ServerGroup
from ecsmachine.localcloud.state.records import api_fields

MAX_GROUPS = 50
Key = tuple[str, int]


def create_server_group(call: Call) -> Answer:
    """CreateVServerGroup: with the servers that are named, or empty."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    name = (
        checked_name(call.parameters, "VServerGroupName") or f"auto_named_{clock.timestamp()[:10]}"
    )
    group = ServerGroup(
        id=new_id("rsp", balancer.region),
        region=balancer.region,
        balancer_id=balancer.id,
        name=name,
        created=clock.timestamp(),
    )
    if len(_groups_of(call, balancer.id)) >= MAX_GROUPS:
        raise ApiError("VServerGroupQuotaExceeded", "The quota of server groups is exceeded.")
    servers = _servers_of_request(call, group) if call.parameters.given("BackendServers") else {}
    tagging.put_tags(
        call.state, "vservergroup", group.id, group.region, tagging.tags_of_request(call.parameters)
    )
    return _keep_servers(call, group, servers)


def describe_server_groups(call: Call) -> Answer:
    """DescribeVServerGroups: those of a balancer."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    wanted = call.parameters.text("Description")
    tags = tagging.tag_filter(call.parameters)
    listeners = call.parameters.boolean("IncludeListener")
    return {
        "VServerGroups": {
            "VServerGroup": [
                {
                    **api_fields(group),
                    "ServerCount": len(group.backends),
                    "AssociatedObjects": {
                        "Listeners": {
                            "Listener": [
                                {"Port": item.port, "Protocol": item.protocol}
                                for item in balancer.listeners
                                if listeners and item.server_group_id == group.id
                            ]
                        },
                        "Rules": {"Rule": []},
                    },
                    "Tags": tagging.ecs_tags(call.state.server_groups.tags(group.id)),
                }
                for group in _groups_of(call, balancer.id)
                if wanted in ("", group.name)
                and tagging.has_tags(call.state.server_groups.tags(group.id), tags)
            ]
        }
    }


def describe_server_group_attribute(call: Call) -> Answer:
    """DescribeVServerGroupAttribute: one group with its servers."""
    group = call.required(call.state.server_groups, "VServerGroupId")
    return {
        **api_fields(group),
        "LoadBalancerId": group.balancer_id,
        "BackendServers": {
            "BackendServer": [
                # an instance (ecs) is told by its id alone
                {**_server_view(backend), "ServerIp": backend.address}
                for backend in group.backends
            ]
        },
        "Tags": tagging.ecs_tags(call.state.server_groups.tags(group.id)),
    }


def set_server_group_attribute(call: Call) -> Answer:
    """SetVServerGroupAttribute: its name, and weights of servers that are in it."""
    group = call.required(call.state.server_groups, "VServerGroupId")
    group = replace(group, name=checked_name(call.parameters, "VServerGroupName") or group.name)
    servers = _by_key(group.backends)
    if call.parameters.given("BackendServers"):
        changes = _servers_of_request(call, group)
        if not changes.keys() <= servers.keys():
            raise refusals.BACKENDS()
        servers |= changes
    return {**_keep_servers(call, group, servers), "VServerGroupName": group.name}


def add_server_group_backends(call: Call) -> Answer:
    """AddVServerGroupBackendServers: those that are there already get the new weight."""
    group = call.required(call.state.server_groups, "VServerGroupId")
    return _keep_servers(call, group, _by_key(group.backends) | _servers_of_request(call, group))


def remove_server_group_backends(call: Call) -> Answer:
    """RemoveVServerGroupBackendServers: those that are not there are passed over."""
    group = call.required(call.state.server_groups, "VServerGroupId")
    gone = _named(_by_key(group.backends), backends_of_request(call))
    rest = {key: item for key, item in _by_key(group.backends).items() if key not in gone}
    return _keep_servers(call, group, rest)


def modify_server_group_backends(call: Call) -> Answer:
    """ModifyVServerGroupBackendServers: replace some servers by others."""
    group = call.required(call.state.server_groups, "VServerGroupId")
    servers = _by_key(group.backends)
    named = _servers_with_ports(call, "OldBackendServers")
    old = _named(servers, named)
    if any(not _named(servers, [each]) for each in named):
        raise refusals.BACKENDS()
    rest = {key: item for key, item in servers.items() if key not in old}
    return _keep_servers(call, group, rest | _servers_of_request(call, group, "NewBackendServers"))


def delete_server_group(call: Call) -> None:
    """DeleteVServerGroup: one that no listener uses."""
    group = call.required(call.state.server_groups, "VServerGroupId")
    balancer = call.state.load_balancers.get(group.balancer_id)
    if balancer and any(item.server_group_id == group.id for item in balancer.listeners):
        raise refusals.of("RspoolVipExist")
    call.state.server_groups.remove(group.id)


def _groups_of(call: Call, balancer_id: str) -> list[ServerGroup]:
    return [group for group in call.state.server_groups if group.balancer_id == balancer_id]


def _servers_with_ports(call: Call, name: str) -> list[Backend]:
    backends = backends_of_request(call, name)
    if any(not 1 <= backend.port <= 65535 for backend in backends):
        raise invalid_parameter(name, "Each server needs a Port.")
    return backends


def _servers_of_request(
    call: Call, group: ServerGroup, name: str = "BackendServers"
) -> dict[Key, Backend]:
    balancer = call.find(call.state.load_balancers, group.balancer_id)
    named = _servers_with_ports(call, name)
    return _by_key(server_of_request(call, balancer, each) for each in named)


def _by_key(servers: Iterable[Backend]) -> dict[Key, Backend]:
    return {(item.key, item.port): item for item in servers}


def _named(servers: dict[Key, Backend], named: Iterable[Backend]) -> set[Key]:
    """Return which servers are meant by those that a request names."""
    return {
        key
        for key, item in servers.items()
        if any(item.is_named_by(each) and item.port == each.port for each in named)
    }


def _keep_servers(call: Call, group: ServerGroup, servers: dict[Key, Backend]) -> Answer:
    if len(servers) > MAX_BACKENDS:
        raise refusals.QUOTA_OF_BACKENDS()
    call.state.server_groups.put(replace(group, backends=tuple(servers.values())))
    return {
        "VServerGroupId": group.id,
        "BackendServers": {"BackendServer": [_server_view(item) for item in servers.values()]},
    }


def _server_view(backend: Backend) -> dict[str, Any]:
    return {**api_fields(backend), "Port": backend.port}
