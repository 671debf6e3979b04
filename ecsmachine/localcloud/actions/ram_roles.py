"""RAM roles of instances: kept by name; the local cloud has no RAM that could know them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.listing import Listing, equals, oldest, one_of
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.state.model import Instance


def describe_instance_ram_role(call: Call) -> Answer:
    """DescribeInstanceRamRole: which instance has which role."""
    region = call.region
    if not call.parameters.given("RamRoleName"):
        call.parameters.require("InstanceIds")
    answer = _ROLES.answer(call)
    return {
        "RegionId": region.id,
        "TotalCount": answer["TotalCount"],
        "InstanceRamRoleSets": answer["InstanceRamRoleSets"],
    }


def attach_instance_ram_role(call: Call) -> Answer:
    """AttachInstanceRamRole: to instances that have none."""
    name = call.parameters.require("RamRoleName")

    def attach(instance: Instance) -> None:
        if instance.ram_role:
            raise refusals.of("InvalidOperation.RamRole.Attached")
        call.state.instances.put(replace(instance, ram_role=name))

    return _each_instance(call, name, attach)


def detach_instance_ram_role(call: Call) -> Answer:
    """DetachInstanceRamRole: from instances."""
    name = call.parameters.text("RamRoleName")

    def detach(instance: Instance) -> None:
        if name and instance.ram_role != name:
            raise refusals.of("InvalidRamRole.NotAttached")
        call.state.instances.put(replace(instance, ram_role=""))

    return _each_instance(call, name, detach)


def _each_instance(call: Call, name: str, work: Callable[[Instance], None]) -> Answer:
    results = []
    for instance_id in call.parameters.json_list("InstanceIds", error=refusals.malformed) or []:
        result: dict[str, Any] = {
            "InstanceId": instance_id,
            "Success": True,
            "Code": "200",
            "Message": "success",
        }
        try:
            instance = call.find(call.state.instances, instance_id)
            role = {"InstanceId": instance_id, "RamRoleName": name or instance.ram_role}
            result["InstanceRamRoleSets"] = {"InstanceRamRoleSet": [role]}
            work(instance)
        except ApiError as error:
            result.update(Success=False, Code=error.code, Message=error.message)
        results.append(result)
    return {
        "RamRoleName": name,
        "TotalCount": len(results),
        "FailCount": sum(not result["Success"] for result in results),
        f"{call.action}Results": {f"{call.action}Result": results},
    }


_ROLES = Listing(
    Instance,
    "InstanceRamRoleSets.InstanceRamRoleSet",
    oldest(lambda state: state.instances),
    lambda call, instance: {"InstanceId": instance.id, "RamRoleName": instance.ram_role},
    (
        one_of("InstanceIds", "id", Parameters.json_list, most=50),
        equals("RamRoleName", "ram_role"),
    ),
    most=50,
)
