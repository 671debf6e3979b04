"""The inverse of attaching: removes cluster resources from an instance that stays."""

from __future__ import annotations

from ecsmachine.localcloud.container_service.nodes import CallAction
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.state.clusters import Cluster
from ecsmachine.localcloud.state.state import State


def detach(call: CallAction, state: State, cluster: Cluster, instance_id: str) -> None:
    """Take an instance out of its cluster's load balancer, and out of the cluster's group.

    Without the group, its ports are closed. Every instance needs a group: without another one, it
    gets its own, with SSH open. Raises :class:`ApiError`.
    """
    if state.instances.get(instance_id) is None:
        return
    region = {"RegionId": cluster.region}
    if cluster.load_balancer_id:
        servers = f'[{{"ServerId":"{instance_id}"}}]'
        place = {**region, "LoadBalancerId": cluster.load_balancer_id}
        call("RemoveBackendServers", {**place, "BackendServers": servers})
    instance = state.instances.get(instance_id)
    groups = instance.security_group_ids if instance is not None else ()
    group = cluster.security_group_id
    if group not in groups:
        return
    member = {**region, "InstanceId": instance_id}
    if groups == (group,):
        made = call(
            "CreateSecurityGroup",
            {**region, "VpcId": cluster.vpc_id, "SecurityGroupName": _own_group_name(cluster)},
        )
        own = {"SecurityGroupId": str(made["SecurityGroupId"])}
        rule = {"IpProtocol": "tcp", "PortRange": "22/22", "SourceCidrIp": "0.0.0.0/0"}
        call("AuthorizeSecurityGroup", {**region, **own, **rule})
        call("JoinSecurityGroup", {**member, **own})
    call("LeaveSecurityGroup", {**member, "SecurityGroupId": group})


def attach_again(call: CallAction, state: State, cluster: Cluster, instance_id: str) -> None:
    """Remove the group that :func:`detach` gave to an instance which is in the cluster again.

    Raises :class:`ApiError`.
    """
    instance = state.instances.get(instance_id)
    for group_id in instance.security_group_ids if instance is not None else ():
        group = state.security_groups.get(group_id)
        if group is None or group_id == cluster.security_group_id:
            continue
        if group.name == _own_group_name(cluster):
            own = {"RegionId": cluster.region, "SecurityGroupId": group_id}
            call("LeaveSecurityGroup", {**own, "InstanceId": instance_id})
            call("DeleteSecurityGroup", own)


def _own_group_name(cluster: Cluster) -> str:
    return f"was-in-{cluster.name}"


def remove_group(call: CallAction, cluster: Cluster) -> None:
    """Remove a cluster's group, if its last node has not taken it along. Raises ``ApiError``."""
    if not cluster.security_group_id:
        return
    group = {"RegionId": cluster.region, "SecurityGroupId": cluster.security_group_id}
    try:
        call("DeleteSecurityGroup", group)
    except ApiError as error:
        if error.status != 404:
            raise
