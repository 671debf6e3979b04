"""RAM roles of instances: kept by name; the local cloud has no RAM that could know them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.protocol.errors import ApiError, missing_parameter
from ecsmachine.localcloud.protocol.paging import page_by_number
from ecsmachine.localcloud.state.model import Instance
from ecsmachine.localcloud.state.resources import find_instance, visible_instances


def describe_instance_ram_role(call: Call) -> Answer:
    """DescribeInstanceRamRole: which instance has which role."""
    region = call.region
    ids = call.parameters.json_list("InstanceIds")
    name = call.parameters.text("RamRoleName")
    if ids is None and not name:
        raise missing_parameter("InstanceIds")
    found = [
        instance
        for instance in visible_instances(call.state)
        if instance.region == region.id
        and (ids is None or instance.id in ids)
        and name in ("", instance.ram_role)
    ]
    part, fields = page_by_number(call.parameters, found, most=50)
    return {
        "RegionId": region.id,
        "TotalCount": fields["TotalCount"],
        "InstanceRamRoleSets": {
            "InstanceRamRoleSet": [
                {"InstanceId": instance.id, "RamRoleName": instance.ram_role} for instance in part
            ]
        },
    }


def attach_instance_ram_role(call: Call) -> Answer:
    """AttachInstanceRamRole: to instances that have none."""
    name = call.parameters.require("RamRoleName")

    def attach(instance: Instance) -> None:
        if instance.ram_role:
            raise ApiError(
                "InvalidOperation.RamRole.Attached", "The instance already has a RAM role."
            )
        call.state.instances.put(replace(instance, ram_role=name))

    return _each(call, name, attach)


def detach_instance_ram_role(call: Call) -> Answer:
    """DetachInstanceRamRole: from instances."""
    name = call.parameters.text("RamRoleName")

    def detach(instance: Instance) -> None:
        if name and instance.ram_role != name:
            raise ApiError(
                "InvalidRamRole.NotAttached", "The RAM role is not attached to the instance."
            )
        call.state.instances.put(replace(instance, ram_role=""))

    return _each(call, name, detach)


def _each(call: Call, name: str, work: Callable[[Instance], None]) -> Answer:
    call.check_region()
    call.parameters.require("InstanceIds")
    try:
        ids = call.parameters.json_list("InstanceIds") or []
    except ApiError as error:
        raise ApiError(
            "InvalidInstanceIds.Malformed", "The specified instanceIds are not valid."
        ) from error
    results = []
    for instance_id in ids:
        result = {"InstanceId": instance_id, "Success": True, "Code": "200", "Message": "success"}
        try:
            work(find_instance(call.state, instance_id))
        except ApiError as error:
            result.update(Success=False, Code=error.code, Message=error.message)
        results.append(result)
    return {
        "RamRoleName": name,
        "TotalCount": len(results),
        "FailCount": sum(not result["Success"] for result in results),
        f"{call.action}Results": {f"{call.action}Result": results},
    }
