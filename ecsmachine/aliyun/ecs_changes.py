"""Elastic Compute Service: the actions that change what is there, typed and thin.

Asking for the same twice does as asking once; what can be read only from a status is the caller's.
Every function may raise as those of :mod:`ecsmachine.aliyun.ecs` do.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from ecsmachine.aliyun.ecs import EcsClient
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.aliyun.rpc import Parameter, numbered
from ecsmachine.documents.rules import ID


def untag(ecs: EcsClient, resource_type: str, resource_id: str, keys: Sequence[str]) -> None:
    """Take tags from a resource; those that it has not are passed over (UntagResources)."""
    ecs.call(
        "UntagResources",
        ResourceType=resource_type,
        **numbered("TagKey", tuple(keys)),
        **{"ResourceId.1": resource_id},
    )


def set_attribute(ecs: EcsClient, instance_id: str, name: str, value: Parameter) -> None:
    """Set one attribute of an instance (ModifyInstanceAttribute); a host name from its next start.

    ``name`` is that of the parameter: Description, HostName, DeletionProtection.
    """
    ecs.call("ModifyInstanceAttribute", InstanceId=instance_id, **{name: value})


def set_security_groups(ecs: EcsClient, instance_id: str, group_ids: Sequence[str]) -> None:
    """Take an instance out of all its security groups but these, and put it into these.

    Source: ModifyInstanceAttribute.
    """
    groups = numbered("SecurityGroupIds", tuple(group_ids))
    ecs.call("ModifyInstanceAttribute", InstanceId=instance_id, **groups)


def set_network(
    ecs: EcsClient,
    instance_id: str,
    *,
    bandwidth_mbps: int | None = None,
    charge_type: str = "",
    allocate: bool | None = None,
) -> None:
    """Set outbound bandwidth, or how it is charged, of a fixed address, or ``allocate`` one.

    Without bandwidth ECS takes the address back. Source: ModifyInstanceNetworkSpec.
    """
    ecs.call(
        "ModifyInstanceNetworkSpec",
        InstanceId=instance_id,
        InternetMaxBandwidthOut=bandwidth_mbps,
        NetworkChargeType=charge_type,
        AllocatePublicIp=allocate,
    )


def set_instance_type(ecs: EcsClient, instance_id: str, instance_type: str) -> None:
    """Give a stopped instance that is paid by the hour another type (ModifyInstanceSpec)."""
    ecs.call("ModifyInstanceSpec", InstanceId=instance_id, InstanceType=instance_type)


def resize_disk(ecs: EcsClient, disk_id: str, size_gib: int, *, online: bool, token: str) -> None:
    """Make a disk larger, ``online`` while its instance runs (ResizeDisk).

    With the same token, asking twice does as asking once.
    """
    ecs.call(
        "ResizeDisk",
        DiskId=disk_id,
        NewSize=size_gib,
        Type="online" if online else "offline",
        ClientToken=token,
    )


def set_disk_category(ecs: EcsClient, disk_id: str, category: str) -> None:
    """Give a disk another category; it keeps what is on it (ModifyDiskSpec)."""
    ecs.call("ModifyDiskSpec", DiskId=disk_id, DiskCategory=category)


def check_disk_category(ecs: EcsClient, disk_id: str, category: str) -> None:
    """Let ECS check whether a disk can be given another category (ModifyDiskSpec, DryRun)."""
    ecs.dry_run("ModifyDiskSpec", DiskId=disk_id, DiskCategory=category)


def set_resource_group(ecs: EcsClient, resource_type: str, resource_id: str, group_id: str) -> None:
    """Move an instance or a disk to a resource group (JoinResourceGroup)."""
    ecs.call(
        "JoinResourceGroup",
        ResourceType=resource_type,
        ResourceId=resource_id,
        ResourceGroupId=group_id,
    )


def ram_role(ecs: EcsClient, instance_id: str) -> str:
    """Return the name of an instance's RAM role, or "" (DescribeInstanceRamRole)."""
    answer = ecs.call("DescribeInstanceRamRole", InstanceIds=json.dumps([instance_id]))
    for each in answer.objects("InstanceRamRoleSets", "InstanceRamRoleSet"):
        if each.text("InstanceId", ID) == instance_id:
            return each.text("RamRoleName", ID)
    return ""


def set_ram_role(ecs: EcsClient, instance_id: str, role: str) -> None:
    """Give an instance without a RAM role one, or with "" take it away.

    Source: AttachInstanceRamRole, DetachInstanceRamRole; their answer holds a refusal by instance.
    """
    action = "AttachInstanceRamRole" if role else "DetachInstanceRamRole"
    answer = ecs.call(action, InstanceIds=json.dumps([instance_id]), RamRoleName=role)
    for each in answer.objects(f"{action}Results", f"{action}Result"):
        if not each.flag("Success", True):
            raise ApiError(
                action=action,
                code=each.prose("Code"),
                reason=each.prose("Message"),
                request_id=answer.prose("RequestId"),
            )
