"""Elastic IP addresses, on the ECS version of the API and on the VPC version."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.errors import ApiError, invalid_parameter
from ecsmachine.localcloud.protocol.identifiers import new_id
from ecsmachine.localcloud.protocol.names import check, valid_description, valid_name
from ecsmachine.localcloud.protocol.paging import page_by_number
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.state.addresses import pick_public, public_in_use
from ecsmachine.localcloud.state.filters import has_tags, tag_filter
from ecsmachine.localcloud.state.model import Eip, Instance
from ecsmachine.localcloud.state.resources import find_eip, forget_tags, resource_tags, status_now
from ecsmachine.localcloud.state.tagging import put_tags, tags_of_request

MAX_EIPS = 100
STATUSES = ("Associating", "Unassociating", "InUse", "Available")


def allocate_eip_address(call: Call) -> Answer:
    """AllocateEipAddress: an address of the public pool, bound to nothing yet."""
    parameters = call.parameters
    region = call.region
    charge = parameters.choice(
        "InternetChargeType",
        ("PayByBandwidth", "PayByTraffic"),
        "PayByBandwidth",
        error=ApiError(
            "InvalidInternetChargeType.ValueNotSupported",
            "The specified value of InternetChargeType is not supported.",
        ),
    )
    bandwidth = parameters.integer(
        "Bandwidth", 5, least=1, most=_most_bandwidth(charge), error=_bad_bandwidth()
    )
    name, description = _name_and_description(parameters)
    tags = tags_of_request(parameters)
    if len(call.state.eips) >= MAX_EIPS:
        raise ApiError("QuotaExceeded.Eip", "Elastic IP address quota exceeded.")
    wanted = parameters.text("IpAddress")
    if wanted and wanted in public_in_use(call.state):
        raise ApiError("InvalidIpAddress.InUse", "The specified address is in use.")
    eip = call.state.eips.put(
        Eip(
            id=new_id("eip", region.id),
            region=region.id,
            address=pick_public(call.state, wanted),
            status="Available",
            created=timestamp(),
            bandwidth=bandwidth,
            internet_charge_type=charge,
            charge_type=parameters.choice(
                "InstanceChargeType", ("PostPaid", "PrePaid"), "PostPaid"
            ),
            name=name,
            description=description,
            isp=parameters.choice("ISP", ("BGP", "BGP_PRO"), "BGP"),
            resource_group_id=call.resource_group_id,
        )
    )
    put_tags(call.state, "eip", eip.id, region.id, tags)
    return {
        "AllocationId": eip.id,
        "EipAddress": eip.address,
        "OrderId": 0,
        "ResourceGroupId": eip.resource_group_id,
    }


def describe_eip_addresses(call: Call) -> Answer:
    """DescribeEipAddresses: by id, address, status, what it is bound to, tags."""
    parameters = call.parameters
    region = call.region
    ids = [part.strip() for part in parameters.text("AllocationId").split(",") if part.strip()]
    addresses = [part.strip() for part in parameters.text("EipAddress").split(",") if part.strip()]
    status = parameters.text("Status")
    if status not in ("", *STATUSES):
        raise ApiError(
            "InvalidStatus.ValueNotSupported", "The specified value of Status is not supported."
        )
    wanted = tag_filter(parameters)
    found = [
        eip
        for eip in call.state.eips
        if eip.region == region.id
        and (not ids or eip.id in ids)
        and (not addresses or eip.address in addresses)
        and status in ("", _status(eip))
        and parameters.text("AssociatedInstanceId") in ("", eip.instance_id)
        and parameters.text("AssociatedInstanceType") in ("", eip.instance_type)
        and parameters.text("EipName") in ("", eip.name)
        and parameters.text("ChargeType") in ("", eip.charge_type)
        and parameters.text("ISP") in ("", eip.isp)
        and parameters.text("ResourceGroupId") in ("", eip.resource_group_id)
        and not parameters.given("LockReason")
        and has_tags(resource_tags(call.state, "eip", eip.id), wanted)
    ]
    part, fields = page_by_number(parameters, found[::-1])
    return {**fields, "EipAddresses": {"EipAddress": [_eip(call, eip) for eip in part]}}


def associate_eip_address(call: Call) -> Answer:
    """AssociateEipAddress: to an instance of the region that has no public address."""
    parameters = call.parameters
    eip = _eip_of_request(call)
    kind = parameters.text("InstanceType", "EcsInstance")
    if kind != "EcsInstance":
        raise ApiError(
            "InvalidInstanceType.ValueNotSupported",
            "The specified value of InstanceType is not supported.",
        )
    instance = _instance(call, parameters.require("InstanceId"))
    if instance.region != eip.region:
        raise ApiError(
            "InvalidParameter.Mismatch",
            "Specified elastic IP address and ECS instance are not in the same region.",
        )
    if _status(eip) != "Available":
        raise _wrong_status()
    if instance.eip_id or instance.public_ip:
        raise ApiError("InvalidAssociation.Duplicated", "Specified instance already is associated.")
    if instance.status not in ("Running", "Stopped"):
        raise ApiError(
            "IncorrectInstanceStatus",
            "Current instance status does not support this operation.",
        )
    call.state.eips.put(
        replace(
            eip,
            instance_id=instance.id,
            instance_type=kind,
            status="InUse",
            ready_at=time.time() + call.state.delays.network_s,
        )
    )
    call.state.instances.put(replace(instance, eip_id=eip.id))
    call.lifecycle.set_public_ip(instance.id)
    return {}


def unassociate_eip_address(call: Call) -> Answer:
    """UnassociateEipAddress: the address stays allocated."""
    eip = _eip_of_request(call)
    instance_id = call.parameters.text("InstanceId")
    if _status(eip) != "InUse":
        raise _wrong_status()
    if instance_id not in ("", eip.instance_id):
        raise ApiError(
            "InvalidParameter.NotFound", "The specified instance is not bound to the address."
        )
    instance = call.state.instances.get(eip.instance_id)
    if instance is not None:
        call.state.instances.put(replace(instance, eip_id=""))
        call.lifecycle.set_public_ip(instance.id)
    call.state.eips.put(
        replace(
            eip,
            instance_id="",
            instance_type="",
            status="Available",
            ready_at=time.time() + call.state.delays.network_s,
        )
    )
    return {}


def release_eip_address(call: Call) -> Answer:
    """ReleaseEipAddress: only one that is bound to nothing."""
    eip = _eip_of_request(call)
    if _status(eip) != "Available":
        raise _wrong_status()
    if eip.charge_type == "PrePaid":
        raise ApiError("Forbidden.ChargeTypeIsPrepaid", "It's forbidden to release a prepaid EIP")
    call.state.eips.remove(eip.id)
    forget_tags(call.state, "eip", eip.id)
    return {}


def modify_eip_address_attribute(call: Call) -> Answer:
    """ModifyEipAddressAttribute: bandwidth, name, description."""
    eip = _eip_of_request(call)
    name, description = _name_and_description(call.parameters)
    bandwidth = call.parameters.integer(
        "Bandwidth",
        eip.bandwidth,
        least=1,
        most=_most_bandwidth(eip.internet_charge_type),
        error=_bad_bandwidth(),
    )
    call.state.eips.put(
        replace(
            eip,
            bandwidth=bandwidth,
            name=name or eip.name,
            description=description or eip.description,
        )
    )
    return {}


def _eip_of_request(call: Call) -> Eip:
    eip = find_eip(call.state, call.parameters.require("AllocationId"))
    if not call.in_region(eip.region):
        raise ApiError("InvalidAllocationId.NotFound", "Specified allocation ID is not found", 404)
    return eip


def _instance(call: Call, instance_id: str) -> Instance:
    instance = call.state.instances.get(instance_id)
    if instance is None:
        # The reference spells it so.
        raise ApiError("InvalidInstanId.NotFound", "Specified instance does not exist.", 404)
    return instance


def _most_bandwidth(charge: str) -> int:
    return 200 if charge == "PayByTraffic" else 500


def _bad_bandwidth() -> ApiError:
    return ApiError(
        "InvalidBandwidth.ValueNotSupported", "The specified value of Bandwidth is not supported."
    )


def _wrong_status() -> ApiError:
    return ApiError(
        "IncorrectEipStatus", "Current elastic IP status does not support this operation."
    )


def _name_and_description(parameters: Parameters) -> tuple[str, str]:
    name, description = parameters.text("Name"), parameters.text("Description")
    if name and not valid_name(name, least=1):
        raise invalid_parameter("Name")
    check(
        not description or valid_description(description),
        "InvalidDescription.Malformed",
        'The specified parameter "Description" is not valid.',
    )
    return name, description


def _status(eip: Eip) -> str:
    moving = "Associating" if eip.status == "InUse" else "Unassociating"
    return status_now(eip.status, moving, eip.ready_at)


def _eip(call: Call, eip: Eip) -> dict[str, Any]:
    instance = call.state.instances.get(eip.instance_id) if eip.instance_id else None
    tags = resource_tags(call.state, "eip", eip.id)
    return {
        "AllocationId": eip.id,
        "IpAddress": eip.address,
        "RegionId": eip.region,
        "Status": _status(eip),
        "InstanceId": eip.instance_id,
        "InstanceType": eip.instance_type,
        "InstanceRegionId": eip.region if eip.instance_id else "",
        "PrivateIpAddress": instance.private_ip if instance else "",
        "VpcId": "",
        "Bandwidth": str(eip.bandwidth),
        "EipBandwidth": str(eip.bandwidth),
        "InternetChargeType": eip.internet_charge_type,
        "ChargeType": eip.charge_type,
        "AllocationTime": eip.created,
        "ExpiredTime": "",
        "Name": eip.name,
        "Description": eip.description,
        "ISP": eip.isp,
        "Netmode": "public",
        "Mode": "NAT",
        "BusinessStatus": "Normal",
        "BizType": "",
        "ResourceGroupId": eip.resource_group_id,
        "BandwidthPackageId": "",
        "BandwidthPackageType": "",
        "BandwidthPackageBandwidth": "",
        "HasReservationData": "false",
        "ReservationActiveTime": "",
        "ReservationBandwidth": "",
        "ReservationInternetChargeType": "",
        "ReservationOrderType": "",
        "SegmentInstanceId": "",
        "PublicIpAddressPoolId": "",
        "HDMonitorStatus": "OFF",
        "SecondLimited": False,
        "DeletionProtection": False,
        "ServiceManaged": 0,
        "ServiceID": 0,
        "Zone": "",
        "SecurityProtectionTypes": {"SecurityProtectionType": []},
        "OperationLocks": {"LockReason": []},
        "Tags": {"Tag": [{"Key": key, "Value": value} for key, value in tags.items()]},
    }
