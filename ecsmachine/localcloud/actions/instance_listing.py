"""Looking at instances, their health and their events: here none is planned and none has been."""

from __future__ import annotations

import base64
from functools import partial
from typing import Any, get_args

from ecsmachine.localcloud.actions import listing as by
from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.instance_view import attributes
from ecsmachine.localcloud.actions.listing import Filter, Listing, Test
from ecsmachine.localcloud.catalog.instance_types import known_instance_type
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.fixed_fields import fixed
from ecsmachine.localcloud.protocol.paging import page
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.state.model import Instance, InstanceStatus

STATUSES = get_args(InstanceStatus)
_OPTIMIZED = {"true": "optimized", "false": "none"}
"""``IoOptimized`` in the form of today and in the older one."""
_LOCKS = ("", "financial", "security", "recycling", "dedicatedhostfinancial", "refunded")


def describe_instance_status(call: Call) -> Answer:
    """DescribeInstanceStatus: ids and states."""
    for instance_id in call.parameters.listed("InstanceId", most=100):
        call.find(call.state.instances, instance_id)
    return _STATUSES_OF_INSTANCES.answer(call)


def describe_instance_attribute(call: Call) -> Answer:
    """DescribeInstanceAttribute: one instance, in the older form."""
    instance = call.required(call.state.instances, "InstanceId")
    return attributes(call.state, instance)


def describe_user_data(call: Call) -> Answer:
    """DescribeUserData: as it was given, in base64."""
    instance = call.required(call.state.instances, "InstanceId")
    return {"RegionId": instance.region, "InstanceId": instance.id, "UserData": instance.user_data}


def get_instance_console_output(call: Call) -> Answer:
    """GetInstanceConsoleOutput: the last 64 KiB since the instance booted, in base64."""
    instance = call.required(call.state.instances, "InstanceId")
    output = call.lifecycle.guests.console_output(instance.id) if instance.made else b""
    if call.parameters.boolean("RemoveSymbols"):
        output = bytes(byte for byte in output if byte >= 0x20 or byte in b"\t\n\r")
    return {
        "InstanceId": instance.id,
        "ConsoleOutput": base64.b64encode(output).decode(),
        "LastUpdateTime": timestamp(),
    }


def _renewal_view(call: Call, instance: Instance) -> dict[str, Any]:
    return {
        "InstanceId": instance.id,
        "AutoRenewEnabled": instance.auto_renew,
        "EnableExpectedRenewDay": False,
        "RenewalStatus": _renewal_status(call, instance),
        "PeriodUnit": instance.auto_renew_unit or instance.period_unit,
        "Duration": instance.auto_renew_period,
    }


def _renewal_status(call: Call, instance: Instance) -> str:
    if instance.auto_renew:
        return "AutoRenewal"
    return "NotRenewal" if instance.never_renewed else "Normal"


def _elastic_address(call: Call, instance: Instance) -> str:
    eip = call.state.eips.get(instance.eip_id)
    return eip.address if eip else ""


def _by_lock(call: Call) -> Test[Instance] | None:
    reason = call.parameters.choice(
        "LockReason", _LOCKS, error=refusals.not_found, spelled=str.lower
    )
    return (lambda instance: reason in instance.locks) if reason else None


INSTANCES = Listing(
    Instance,
    "Instances.Instance",
    by.newest(lambda state: state.instances),
    lambda call, instance: call.views.get(call.state, instance),
    (
        by.one_of("InstanceIds", "id", Parameters.json_list),
        by.equals("Status", "status", STATUSES, refusals.not_found),
        by.equals("VpcId", "vpc_id"),
        by.equals("VSwitchId", "vswitch_id"),
        by.equals("ZoneId", "zone"),
        by.equals("InstanceType", "instance_type"),
        by.equals(
            "InstanceTypeFamily",
            lambda call, instance: known_instance_type(instance.instance_type).family,
        ),
        by.equals("ImageId", "image_id"),
        by.equals(
            "InstanceChargeType",
            "charge_type",
            ("PrePaid", "PostPaid"),
            refusals.INSTANCE_CHARGE_TYPE,
        ),
        by.equals(
            "InternetChargeType",
            "internet_charge_type",
            ("PayByBandwidth", "PayByTraffic"),
            Refusal("InvalidInternetChargeType.ValueNotSupported"),
        ),
        by.equals("KeyPairName", "key_pair"),
        by.equals("ResourceGroupId", "resource_group_id"),
        by.always(
            "InstanceNetworkType",
            "vpc",
            ("classic", "vpc"),
            lambda _: refusals.not_found("NetworkType"),
        ),
        by.one_of("PrivateIpAddresses", "private_ip", Parameters.json_list),
        by.one_of("PublicIpAddresses", "public_ip", Parameters.json_list),
        by.one_of("EipAddresses", _elastic_address, Parameters.json_list),
        by.like("InstanceName", "name"),
        by.contains("SecurityGroupId", "security_group_ids"),
        by.equals(
            "IoOptimized",
            lambda call, instance: "optimized" if instance.io_optimized else "none",
            ("optimized", "none"),
            spelled=lambda text: _OPTIMIZED.get(text.lower(), text),
        ),
        by.times_between(Creation="created", Expired="expires"),
        by.equals(
            "HttpEndpoint",
            lambda call, instance: instance.metadata_options.endpoint,
            ("enabled", "disabled"),
            Refusal("InvalidHttpEndpoint.NotSupported"),
        ),
        by.equals(
            "HttpTokens",
            lambda call, instance: instance.metadata_options.tokens,
            ("optional", "required"),
            Refusal("InvalidHttpTokens.NotSupported"),
        ),
        Filter(("LockReason",), _by_lock),
        by.never("InnerIpAddresses", "RdmaIpAddresses", "Ipv6Address", "HpcClusterId"),
        by.tagged("instance"),
    ),
    paging=partial(page, results=(10, 100)),
)
_STATUSES_OF_INSTANCES = Listing(
    Instance,
    "InstanceStatuses.InstanceStatus",
    by.newest(lambda state: state.instances),
    lambda call, instance: {"InstanceId": instance.id, "Status": instance.status},
    (
        by.one_of("InstanceId", "id", Parameters.listed),
        by.equals("ZoneId", "zone"),
        by.always("ClusterId", ""),
    ),
    most=50,
)
ATTACHMENTS = Listing(
    Instance,
    "Instances.Instance",
    by.newest(lambda state: state.instances),
    lambda call, instance: {**fixed("InstanceAttachment"), "InstanceId": instance.id},
    (by.one_of("InstanceIds", "id", Parameters.json_list),),
)
RENEWALS = Listing(
    Instance,
    "InstanceRenewAttributes.InstanceRenewAttribute",
    lambda call: [
        instance
        for instance in call.state.instances.in_region(call.region_id)
        if instance.charge_type == "PrePaid"
    ],
    _renewal_view,
    (
        by.one_of("InstanceId", "id", Parameters.separated),
        by.equals("RenewalStatus", _renewal_status, ("AutoRenewal", "Normal", "NotRenewal")),
    ),
)


_STATUS_CODES = {"Pending": 0, "Starting": 8, "Running": 1, "Stopping": 2, "Stopped": 3}


def describe_instance_history_events(call: Call) -> Answer:
    """DescribeInstanceHistoryEvents: there have been none."""
    call.optional(call.state.instances, "InstanceId")
    nothing: list[Instance] = []
    _, fields = page(call.parameters, nothing, results=(10, 100))
    return {**fields, "InstanceSystemEventSet": {"InstanceSystemEventType": []}}


def _full_status_view(call: Call, instance: Instance) -> dict[str, Any]:
    return {
        "InstanceId": instance.id,
        "Status": {"Code": _STATUS_CODES[instance.status], "Name": instance.status},
        **fixed("InstanceFullStatus"),
    }


FULL_STATUSES = Listing(
    Instance,
    "InstanceFullStatusSet.InstanceFullStatusType",
    by.newest(lambda state: state.instances),
    _full_status_view,
    (
        by.one_of("InstanceId", "id", Parameters.listed),
        by.equals("Status", "status"),
        by.always("HealthStatus", "Ok"),
        by.never("EventId", "EventType", "InstanceEventType"),
        by.never(
            "EventPublishTime.Start", "EventPublishTime.End", "NotBefore.Start", "NotBefore.End"
        ),
    ),
)
MAINTENANCE = Listing(
    Instance,
    "MaintenanceAttributes.MaintenanceAttribute",
    by.newest(lambda state: state.instances),
    lambda call, instance: {**fixed("InstanceMaintenance"), "InstanceId": instance.id},
    (by.one_of("InstanceId", "id", Parameters.listed),),
)
