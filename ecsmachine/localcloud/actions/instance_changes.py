"""Changing instances: names, passwords, protection, public addresses."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.images import MACHINE_OF
from ecsmachine.localcloud.actions.instance_creation import user_data_of_request
from ecsmachine.localcloud.catalog.disk_categories import supported_categories
from ecsmachine.localcloud.catalog.instance_types import find_instance_type, known_instance_type
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import minutes
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.names import (
    checked_text,
    valid_description,
    valid_host_name,
    valid_name,
    valid_password,
)
from ecsmachine.localcloud.state.addresses import pick_public
from ecsmachine.localcloud.state.model import Instance
from ecsmachine.localcloud.state.resources import (
    attached_disks,
    check_status,
)
from ecsmachine.localcloud.work.instances import Credentials


def modify_instance_attribute(call: Call) -> Answer:
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
        check_status(instance, "Stopped")
        changes["user_data"] = user_data_of_request(parameters)
    if parameters.given("DeletionProtection"):
        changes["deletion_protection"] = parameters.boolean("DeletionProtection")
    groups = parameters.listed("SecurityGroupIds", most=5)
    if groups:
        for group_id in groups:
            if call.find(call.state.security_groups, group_id).vpc_id != instance.vpc_id:
                raise ApiError(
                    "InvalidParameter.Mismatch",
                    "Specified security group and instance are not in the same VPC.",
                )
        changes["security_group_ids"] = tuple(dict.fromkeys(groups))
    password = checked_text(parameters, "Password", valid_password)
    if password:
        changes["has_password"] = True
        call.lifecycle.instances.set_credentials(instance.id, Credentials(password, None))
    call.state.instances.put(replace(instance, **changes))
    return {}


def modify_instance_auto_release_time(call: Call) -> Answer:
    """ModifyInstanceAutoReleaseTime: set it, or take it away."""
    instance = call.required(call.state.instances, "InstanceId")
    at = call.parameters.time("AutoReleaseTime")
    if at is not None and at - time.time() < 30 * 60:
        raise refusals.malformed("AutoReleaseTime")
    call.state.instances.put(replace(instance, auto_release=minutes(at) if at is not None else ""))
    return {}


def modify_instance_spec(call: Call) -> Answer:
    """ModifyInstanceSpec: another type, for a Stopped instance; or another bandwidth.

    ModifyPrepayInstanceSpec is the same for subscriptions.
    """
    parameters = call.parameters
    instance = call.required(call.state.instances, "InstanceId")
    changes: dict[str, Any] = {}
    if parameters.given("InstanceType"):
        kind = find_instance_type(parameters.text("InstanceType"))
        if kind is None:
            raise refusals.INSTANCE_TYPE()
        check_status(instance, "Stopped")
        before = known_instance_type(instance.instance_type)
        fits = all(
            disk.category in supported_categories(kind)
            for disk in attached_disks(call.state, instance.id)
        )
        if MACHINE_OF[kind.architecture] != MACHINE_OF[before.architecture] or not fits:
            raise ApiError(
                "InvalidInstanceType.NotSupported",
                "The specified InstanceType does not support the image or the disks of the "
                "instance.",
            )
        changes["instance_type"] = kind.id
    if parameters.given("InternetMaxBandwidthOut"):
        changes["bandwidth_out"] = _bandwidth(call)
    prepaid = call.action == "ModifyPrepayInstanceSpec"
    if prepaid != (instance.charge_type == "PrePaid"):
        raise refusals.CHARGE_TYPE()
    call.state.instances.put(replace(instance, **changes))
    return {"OrderId": ""} if prepaid else {}


def modify_instance_network_spec(call: Call) -> Answer:
    """ModifyInstanceNetworkSpec: bandwidth, charge type, and with it a public address."""
    parameters = call.parameters
    instance = call.required(call.state.instances, "InstanceId")
    changes: dict[str, Any] = {}
    if parameters.given("InternetMaxBandwidthOut"):
        changes["bandwidth_out"] = _bandwidth(call)
    if parameters.given("NetworkChargeType"):
        changes["internet_charge_type"] = parameters.choice(
            "NetworkChargeType", ("PayByTraffic", "PayByBandwidth")
        )
    instance = call.state.instances.put(replace(instance, **changes))
    if parameters.boolean("AllocatePublicIp") and not instance.public_ip:
        if not instance.bandwidth_out:
            raise refusals.not_supported("InternetMaxBandwidthOut")
        _check_no_eip(instance)
        call.state.instances.put(replace(instance, public_ip=pick_public(call.state)))
        call.lifecycle.instances.set_public_ip(instance.id)
    return {"OrderId": ""}


def allocate_public_ip_address(call: Call) -> Answer:
    """AllocatePublicIpAddress: one address; asked for again, the same one."""
    instance = call.required(call.state.instances, "InstanceId")
    check_status(instance, "Running", "Stopped")
    if instance.public_ip:
        return {"IpAddress": instance.public_ip}
    _check_no_eip(instance)
    if not instance.bandwidth_out:
        raise ApiError(
            "InvalidInternetMaxBandwidthOut.ValueNotSupported",
            "The specified instance has no bandwidth for the internet: "
            "InternetMaxBandwidthOut is 0.",
            403,
        )
    address = pick_public(call.state)
    call.state.instances.put(replace(instance, public_ip=address))
    call.lifecycle.instances.set_public_ip(instance.id)
    return {"IpAddress": address}


def _check_no_eip(instance: Instance) -> None:
    if instance.eip_id:
        raise ApiError(
            "OperationDenied",
            "Specified operation is denied: an elastic IP address is bound to the instance.",
        )


def _bandwidth(call: Call) -> int:
    return call.parameters.integer(
        "InternetMaxBandwidthOut",
        least=0,
        most=100,
        error=refusals.not_supported("InternetMaxBandwidthOut"),
    )
