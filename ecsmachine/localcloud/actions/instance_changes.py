"""Changing instances: names, passwords, protection, public addresses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.instance_charge import auto_release, only_ordered
from ecsmachine.localcloud.actions.instance_creation import (
    default_bandwidth_in,
    user_data_of_request,
)
from ecsmachine.localcloud.actions.instance_options import cpu_options_of_request
from ecsmachine.localcloud.actions.instance_place import (
    groups_of_request,
    private_addresses_of_request,
)
from ecsmachine.localcloud.actions.interface_requests import check_interfaces_of
from ecsmachine.localcloud.actions.security_groups import MAX_GROUPS_OF_INSTANCE, check_membership
from ecsmachine.localcloud.catalog.disk_categories import supported_categories
from ecsmachine.localcloud.catalog.instance_types import find_instance_type, known_instance_type
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.errors import invalid_parameter, missing_parameter
from ecsmachine.localcloud.protocol.identifiers import new_order_id
from ecsmachine.localcloud.protocol.names import (
    checked_text,
    valid_description,
    valid_host_name,
    valid_name,
    valid_password,
)
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.state.addresses import pick_private, pick_public
from ecsmachine.localcloud.state.interfaces import attached_interfaces
from ecsmachine.localcloud.state.model import Instance
from ecsmachine.localcloud.state.resources import attached_disks, check_status
from ecsmachine.localcloud.work.instances import Credentials

_OUTSIDE = Refusal("InvalidPrivateIpAddress.Mismatch")
_TYPES_DIFFER = Refusal("EnterpriseGroupLimited.MutliGroupType")


def modify_instance_attribute(call: Call) -> None:
    """ModifyInstanceAttribute: a new password holds from the next start by the API on."""
    parameters = call.parameters
    instance = call.required(call.state.instances, "InstanceId")
    check_status(instance, "Running", "Stopped")
    changes: dict[str, Any] = {}
    for field, name, valid in (
        ("name", "InstanceName", valid_name),
        ("description", "Description", valid_description),
        ("host_name", "HostName", valid_host_name),
    ):
        if parameters.given(name):
            changes[field] = checked_text(parameters, name, valid)
    if parameters.given("UserData"):
        changes["user_data"] = user_data_of_request(parameters)
    if parameters.given("DeletionProtection"):
        changes["deletion_protection"] = parameters.boolean("DeletionProtection")
    kind = known_instance_type(instance.instance_type)
    changes["cpu_options"] = cpu_options_of_request(parameters, kind, instance.cpu_options)
    if changes["cpu_options"].topology != instance.cpu_options.topology:
        check_status(instance, "Stopped")
    if parameters.given("CreditSpecification"):
        if not kind.baseline_credit:
            raise refusals.not_supported("CreditSpecification")
        changes["credit_specification"] = parameters.choice(
            "CreditSpecification", ("Standard", "Unlimited")
        )
    group_ids = parameters.listed("SecurityGroupIds", most=MAX_GROUPS_OF_INSTANCE)
    if len(set(group_ids)) < len(group_ids):
        raise refusals.of("InvalidParameter.SecurityGroupIdRepeated")
    if group_ids:
        groups = [call.find(call.state.security_groups, group_id) for group_id in group_ids]
        if any(group.vpc_id != instance.vpc_id for group in groups):
            raise refusals.of("InvalidParameter.Mismatch#group-and-instance")
        its = instance.security_group_ids
        check_membership(call, groups, its, types_differ=_TYPES_DIFFER)
        changes["security_group_ids"] = tuple(group_ids)
    password = checked_text(parameters, "Password", valid_password)
    if password:
        changes["has_password"] = True
        call.lifecycle.instances.set_credentials(instance.id, Credentials(password, None))
    call.state.instances.put(replace(instance, **changes))


def modify_instance_auto_release_time(call: Call) -> None:
    """ModifyInstanceAutoReleaseTime: set it, or take it away."""
    instance = call.required(call.state.instances, "InstanceId")
    call.state.instances.put(replace(instance, auto_release=auto_release(call.parameters)))


def modify_instance_spec(call: Call) -> Answer:
    """ModifyInstanceSpec: another type, for a Stopped instance; or another bandwidth.

    ModifyPrepayInstanceSpec is the same for subscriptions.
    """
    parameters = call.parameters
    instance = call.required(call.state.instances, "InstanceId")
    changes = _bandwidths(call)
    disks = attached_disks(call.state, instance.id)
    category = parameters.choice("SystemDisk.Category", ("", "cloud_efficiency", "cloud_ssd"))
    if category:
        disks = [replace(disk, category=category) for disk in disks[:1]] + disks[1:]
    direction = parameters.choice("OperatorType", ("", "upgrade", "downgrade"))
    if parameters.given("InstanceType"):
        kind = find_instance_type(parameters.text("InstanceType"))
        if kind is None:
            raise refusals.INSTANCE_TYPE()
        check_status(instance, "Stopped")
        before = known_instance_type(instance.instance_type)
        fits = all(disk.category in supported_categories(kind) for disk in disks)
        if kind.image_architecture != before.image_architecture or not fits:
            raise refusals.of("InvalidInstanceType.NotSupported")
        check_interfaces_of(call, instance, kind)
        hour = call.state.offer.instance_hour
        cheaper = hour(kind) < hour(before)
        if direction and (direction == "downgrade") != cheaper:
            raise invalid_parameter("OperatorType")
        changes["instance_type"] = kind.id
    elif category:
        raise refusals.conflicting("SystemDisk.Category", "InstanceType")
    prepaid = call.action == "ModifyPrepayInstanceSpec"
    if prepaid != (instance.charge_type == "PrePaid"):
        raise refusals.CHARGE_TYPE()
    if prepaid and only_ordered(parameters, "PrePaid"):
        return {"OrderId": new_order_id()}
    call.state.instances.put(replace(instance, **changes))
    call.state.disks.put(disks[0])
    return {"OrderId": new_order_id()} if prepaid else {}


def modify_instance_network_spec(call: Call) -> Answer:
    """ModifyInstanceNetworkSpec: bandwidth, charge type, and with it a public address.

    Without bandwidth the address is taken back.
    """
    parameters = call.parameters
    instance = call.required(call.state.instances, "InstanceId")
    changes = _bandwidths(call)
    if parameters.given("NetworkChargeType"):
        changes["internet_charge_type"] = parameters.choice(
            "NetworkChargeType", ("PayByTraffic", "PayByBandwidth")
        )
    prepaid = instance.charge_type == "PrePaid"
    if not parameters.boolean("AutoPay", True) and prepaid:
        return {"OrderId": new_order_id()}
    if instance.public_ip and changes.get("bandwidth_out") == 0:
        changes["public_ip"] = ""
        call.lifecycle.instances.set_public_ip(instance.id)
    instance = call.state.instances.put(replace(instance, **changes))
    if parameters.boolean("AllocatePublicIp") and not instance.public_ip:
        if not instance.bandwidth_out:
            raise refusals.not_supported("InternetMaxBandwidthOut")
        _check_no_eip(instance)
        call.state.instances.put(replace(instance, public_ip=pick_public(call.state)))
        call.lifecycle.instances.set_public_ip(instance.id)
    return {"OrderId": new_order_id() if prepaid else ""}


def modify_instance_vpc_attribute(call: Call) -> None:
    """ModifyInstanceVpcAttribute: another VSwitch, private address or VPC, when it next starts."""
    parameters = call.parameters
    instance = call.required(call.state.instances, "InstanceId")
    vswitch = call.required(call.state.vswitches, "VSwitchId")
    check_status(instance, "Stopped", refusal=refusals.INSTANCE_STATUS_IN_VPC)
    if instance.secondary_ips:
        raise refusals.of("PrimaryEniHasSubIp")
    vpc = call.optional(call.state.vpcs, "VpcId")
    group_ids = parameters.listed("SecurityGroupId", most=MAX_GROUPS_OF_INSTANCE)
    moves = vpc is not None and vpc.id != instance.vpc_id
    if moves and not group_ids:
        raise missing_parameter("SecurityGroupId.1")
    if group_ids and not moves:
        raise invalid_parameter("SecurityGroupId", "It is allowed only with a different VpcId.")
    if vswitch.vpc_id != (vpc.id if vpc else instance.vpc_id):
        raise refusals.of("InvalidVSwitch.NotBelongToVpc")
    if vswitch.zone != instance.zone:
        raise refusals.of("InvalidVSwitchId.Mismatch")
    groups = groups_of_request(call, group_ids, vswitch)
    routes = (entry.next_hop_id == instance.id for entry in call.state.route_entries)
    if moves and any(routes):
        raise refusals.of("InvalidDependence.NextHopOfCustomRouter")
    if moves and attached_interfaces(call.state, instance.id):
        raise refusals.of("InvalidInstance.AttachedEni")
    wanted = parameters.text("PrivateIpAddress")
    if vswitch.id == instance.vswitch_id and wanted in ("", instance.private_ip):
        address = instance.private_ip
    else:
        (address,) = private_addresses_of_request(call, vswitch, outside=_OUTSIDE) or [
            pick_private(call.state, vswitch)
        ]
    call.state.instances.put(
        replace(
            instance,
            vpc_id=vswitch.vpc_id,
            vswitch_id=vswitch.id,
            private_ip=address,
            security_group_ids=tuple(group.id for group in groups) or instance.security_group_ids,
        )
    )


def allocate_public_ip_address(call: Call) -> Answer:
    """AllocatePublicIpAddress: one address, to an instance that has none."""
    instance = call.required(call.state.instances, "InstanceId")
    wanted = call.parameters.text("IpAddress")
    check_status(instance, "Running", "Stopped")
    if instance.public_ip:
        raise refusals.of("AllocatedAlready")
    _check_no_eip(instance)
    if not instance.bandwidth_out:
        raise refusals.of("AllocateIpInvalidInstanceBandwidth")
    address = pick_public(call.state, wanted)
    call.state.instances.put(replace(instance, public_ip=address))
    call.lifecycle.instances.set_public_ip(instance.id)
    return {"IpAddress": address}


def _check_no_eip(instance: Instance) -> None:
    if instance.eip_id:
        raise refusals.of("OperationDenied#elastic-address")


def _bandwidths(call: Call) -> dict[str, Any]:
    """Return the bandwidth of a request, in the fields of :class:`Instance`."""
    changes: dict[str, Any] = {}
    if call.parameters.given("InternetMaxBandwidthOut"):
        changes["bandwidth_out"] = call.parameters.integer(
            "InternetMaxBandwidthOut", least=0, most=100, error=refusals.not_supported
        )
        changes["bandwidth_in"] = default_bandwidth_in(changes["bandwidth_out"])
    if call.parameters.given("InternetMaxBandwidthIn"):
        changes["bandwidth_in"] = call.parameters.integer(
            "InternetMaxBandwidthIn", least=1, most=200
        )
    return changes
