"""The place of an instance: its VSwitch, security groups and private address."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from ecsmachine.localcloud.actions.call import Call
from ecsmachine.localcloud.actions.security_groups import MAX_GROUPS_OF_INSTANCE
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.errors import invalid_parameter, missing_parameter
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.state.addresses import private_is_free, usable
from ecsmachine.localcloud.state.model import SecurityGroup, VSwitch
from ecsmachine.localcloud.state.resources import status_now

_OUTSIDE = Refusal("InvalidPrivateIpAddress")


@dataclass(frozen=True)
class Place:
    """The place of an instance."""

    vswitch: VSwitch
    groups: tuple[SecurityGroup, ...]


def interfaces_of_request(parameters: Parameters) -> tuple[Parameters | None, list[Parameters]]:
    """Return what ``NetworkInterface.N`` says of the primary interface, and of secondary ones.

    Raises ``InvalidParameter.Conflict`` for what is said in two ways.
    """
    primary: Parameters | None = None
    secondary = []
    group_ids_of_request(parameters)
    for said in parameters.structs("NetworkInterface"):
        group_ids_of_request(said)
        if said.choice("InstanceType", ("Secondary", "Primary")) == "Secondary":
            secondary.append(said)
        elif primary is not None:
            raise invalid_parameter(
                said.name("InstanceType"), "An instance can have only one primary interface."
            )
        else:
            primary = said
    for name in ("VSwitchId", "PrivateIpAddress", "SecurityGroupId", "SecurityGroupIds.1"):
        if primary is not None and parameters.given(name):
            raise refusals.conflicting(name, "NetworkInterface")
    return primary, secondary


def with_primary_interface(parameters: Parameters, primary: Parameters | None) -> Parameters:
    """Return the parameters with what ``NetworkInterface.N`` says of the primary interface."""
    if primary is None:
        return parameters
    groups = group_ids_of_request(primary) or [primary.require("SecurityGroupId")]
    values = {
        "VSwitchId": primary.require("VSwitchId"),
        "PrivateIpAddress": primary.text("PrimaryIpAddress"),
        **{f"SecurityGroupIds.{number}": group for number, group in enumerate(groups, 1)},
    }
    return parameters.with_values({**parameters.values, **values})


def place_of_request(call: Call) -> Place:
    """Return where the instances of a request go; raises the refusals of groups and VSwitch."""
    parameters = call.parameters
    ids = group_ids_of_request(parameters)
    if not ids:
        raise missing_parameter("SecurityGroupId")
    if len(ids) > MAX_GROUPS_OF_INSTANCE:
        raise invalid_parameter(
            "SecurityGroupIds", f"At most {MAX_GROUPS_OF_INSTANCE} security groups are allowed."
        )
    zone_id = parameters.text("ZoneId")
    if zone_id and all(zone.id != zone_id for zone in call.region.zones):
        raise refusals.ZONE_NOT_FOUND()
    vpc_id = call.find(call.state.security_groups, ids[0]).vpc_id
    vswitch = _vswitch(call, vpc_id, zone_id)
    if status_now(vswitch.ready_at) != "Available":
        raise refusals.VSWITCH_STATUS()
    return Place(vswitch, groups_of_request(call, ids, vswitch))


def group_ids_of_request(parameters: Parameters) -> list[str]:
    """Return ``SecurityGroupIds.N``, or ``SecurityGroupId``, or none; raises if both are given."""
    parameters.only_one("SecurityGroupId", "SecurityGroupIds")
    one = parameters.text("SecurityGroupId")
    return [one] if one else parameters.listed("SecurityGroupIds")


def groups_of_request(
    call: Call, ids: Sequence[str], vswitch: VSwitch
) -> tuple[SecurityGroup, ...]:
    """Return the groups of a request; raises if they do not fit this VSwitch."""
    groups = tuple(
        call.find(call.state.security_groups, group_id) for group_id in dict.fromkeys(ids)
    )
    if any(group.vpc_id != vswitch.vpc_id for group in groups):
        raise refusals.of("InvalidParameter.Mismatch#vswitch-and-group")
    if len({group.kind for group in groups}) > 1:
        raise refusals.of("InvalidSecurityGroupId.NotSame")
    return groups


def _vswitch(call: Call, vpc_id: str, zone_id: str) -> VSwitch:
    vswitch = call.optional(call.state.vswitches, "VSwitchId")
    if vswitch is not None:
        if zone_id not in ("", vswitch.zone):
            raise refusals.of("InvalidParameter.Mismatch#vswitch-and-zone")
        return vswitch
    # As in ECS: without a VSwitch the default one is taken, if the group is of that VPC.
    for vswitch in call.state.vswitches:
        if vswitch.is_default and vswitch.vpc_id == vpc_id and zone_id in ("", vswitch.zone):
            return vswitch
    raise missing_parameter("VSwitchId")


def private_addresses_of_request(
    call: Call, vswitch: VSwitch, amount: int = 1, *, outside: Refusal = _OUTSIDE
) -> list[str]:
    """Return ``PrivateIpAddress`` and those that follow it, or none.

    Raises its refusals, and ``outside`` for one that is none of the VSwitch's.
    """
    text = call.parameters.text("PrivateIpAddress")
    if not text:
        return []
    try:
        first = ipaddress.IPv4Address(text)
        addresses = [str(first + number) for number in range(amount)]
    except ValueError as error:
        raise refusals.malformed("PrivateIpAddress") from error
    if not all(usable(vswitch, address) for address in addresses):
        raise outside()
    if not all(private_is_free(call.state, vswitch, address) for address in addresses):
        raise refusals.of("InvalidPrivateIpAddress.Duplicated")
    return addresses
