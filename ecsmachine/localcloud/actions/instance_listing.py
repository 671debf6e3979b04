"""Looking at instances."""

from __future__ import annotations

import time

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.instance_view import attributes
from ecsmachine.localcloud.catalog.instance_types import find_instance_type
from ecsmachine.localcloud.protocol import clock
from ecsmachine.localcloud.protocol.errors import ApiError, invalid_parameter
from ecsmachine.localcloud.protocol.paging import page, page_by_number
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.state.filters import has_tags, matches, tag_filter
from ecsmachine.localcloud.state.model import Instance
from ecsmachine.localcloud.state.resources import (
    bound_eip,
    find_instance,
    resource_tags,
    visible_instances,
)

STATUSES = ("Pending", "Running", "Starting", "Stopping", "Stopped")
_SAME = {
    "VpcId": "vpc_id",
    "VSwitchId": "vswitch_id",
    "ZoneId": "zone",
    "Status": "status",
    "InstanceType": "instance_type",
    "ImageId": "image_id",
    "InstanceChargeType": "charge_type",
    "InternetChargeType": "internet_charge_type",
    "KeyPairName": "key_pair",
    "ResourceGroupId": "resource_group_id",
}
"""Parameters that one field of an instance must equal."""


def describe_instances(call: Call) -> Answer:
    """DescribeInstances: by all that it can be asked for by; newest first."""
    found = _select(call)
    part, fields = page(call.parameters, found)
    return {
        **fields,
        "Instances": {"Instance": [call.views.get(call.state, instance) for instance in part]},
    }


def describe_instance_status(call: Call) -> Answer:
    """DescribeInstanceStatus: ids and states."""
    parameters = call.parameters
    region = call.region
    ids = parameters.listed("InstanceId", most=100)
    found = [
        instance
        for instance in reversed(visible_instances(call.state))
        if instance.region == region.id
        and (not ids or instance.id in ids)
        and parameters.text("ZoneId") in ("", instance.zone)
    ]
    if ids:
        for instance_id in ids:
            find_instance(call.state, instance_id)
    part, fields = page_by_number(parameters, found, most=50)
    return {
        **fields,
        "InstanceStatuses": {
            "InstanceStatus": [
                {"InstanceId": instance.id, "Status": instance.status} for instance in part
            ]
        },
    }


def describe_instance_attribute(call: Call) -> Answer:
    """DescribeInstanceAttribute: one instance, in the older form."""
    instance = find_instance(call.state, call.parameters.require("InstanceId"))
    return attributes(call.state, instance)


def describe_user_data(call: Call) -> Answer:
    """DescribeUserData: as it was given, in base64."""
    instance = find_instance(call.state, call.parameters.require("InstanceId"))
    return {
        "RegionId": instance.region,
        "InstanceId": instance.id,
        "UserData": instance.user_data,
    }


def describe_instance_auto_renew_attribute(call: Call) -> Answer:
    """DescribeInstanceAutoRenewAttribute: which instances are renewed when they expire."""
    ids = [part for part in call.parameters.text("InstanceId").split(",") if part]
    found = [
        instance
        for instance in visible_instances(call.state)
        if call.in_region(instance.region)
        and instance.charge_type == "PrePaid"
        and (not ids or instance.id in ids)
    ]
    part, fields = page_by_number(call.parameters, found)
    return {
        **fields,
        "InstanceRenewAttributes": {
            "InstanceRenewAttribute": [
                {
                    "InstanceId": instance.id,
                    "AutoRenewEnabled": instance.auto_renew,
                    "EnableExpectedRenewDay": False,
                    "RenewalStatus": "AutoRenewal" if instance.auto_renew else "Normal",
                    "PeriodUnit": instance.period_unit,
                    "Duration": instance.period if instance.auto_renew else 0,
                }
                for instance in part
            ]
        },
    }


def _select(call: Call) -> list[Instance]:
    parameters = call.parameters
    region = call.region
    ids = parameters.json_list("InstanceIds")
    if parameters.given("Status") and parameters.text("Status") not in STATUSES:
        raise ApiError("InvalidStatus.ValueNotSupported", "The specified Status is not supported.")
    equal = [
        (field, parameters.text(name)) for name, field in _SAME.items() if parameters.given(name)
    ]
    private = _addresses(parameters, "PrivateIpAddresses")
    public = _addresses(parameters, "PublicIpAddresses")
    elastic = _addresses(parameters, "EipAddresses")
    name = parameters.text("InstanceName")
    family = parameters.text("InstanceTypeFamily")
    group_id = parameters.text("SecurityGroupId")
    wanted = tag_filter(parameters)
    created = _creation_filter(parameters)
    optimized = parameters.text("IoOptimized").lower()
    nothing = (
        parameters.text("InstanceNetworkType") not in ("", "vpc")
        or any(
            parameters.given(other)
            for other in ("InnerIpAddresses", "RdmaIpAddresses", "LockReason", "HpcClusterId")
        )
        or parameters.listed("Ipv6Address")
    )
    if nothing:
        return []

    def chosen(instance: Instance) -> bool:
        if instance.region != region.id or (ids is not None and instance.id not in ids):
            return False
        if any(getattr(instance, field) != value for field, value in equal):
            return False
        eip = bound_eip(call.state, instance) if elastic is not None else None
        kind = find_instance_type(instance.instance_type) if family else None
        return (
            (private is None or instance.private_ip in private)
            and (public is None or instance.public_ip in public)
            and (elastic is None or (eip is not None and eip.address in elastic))
            and (not name or matches(name, instance.name))
            and (not family or (kind is not None and kind.family == family))
            and (not group_id or group_id in instance.security_group_ids)
            and (not optimized or (optimized in ("true", "optimized")) == instance.io_optimized)
            and (created is None or created[0] <= clock.parse(instance.created) <= created[1])
            and (not wanted or has_tags(resource_tags(call.state, "instance", instance.id), wanted))
        )

    return [item for item in reversed(visible_instances(call.state)) if chosen(item)]


def _addresses(parameters: Parameters, name: str) -> frozenset[str] | None:
    values = parameters.json_list(name)
    return None if values is None else frozenset(values)


def _creation_filter(parameters: Parameters) -> tuple[float, float] | None:
    if not parameters.structs("Filter"):
        return None
    start, end = 0.0, time.time() + 366 * 86400
    for item in parameters.structs("Filter"):
        key = item.text("Key")
        at = item.time("Value")
        if key == "CreationStartTime" and at is not None:
            start = at
        elif key == "CreationEndTime" and at is not None:
            end = at
        elif key:
            raise invalid_parameter(item.name("Key"))
    return start, end
