"""Elastic IP addresses, on the ECS version of the API and on the VPC version."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Literal

from ecsmachine.localcloud.actions import listing as by
from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.listing import Listing
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import later, timestamp
from ecsmachine.localcloud.protocol.errors import ApiError, invalid_parameter
from ecsmachine.localcloud.protocol.identifiers import new_id, new_order_id
from ecsmachine.localcloud.protocol.names import checked_description
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.state.addresses import eips_of, pick_public, public_in_use
from ecsmachine.localcloud.state.balancers import LoadBalancer
from ecsmachine.localcloud.state.model import ChargeType, Eip, Instance, NetworkInterface
from ecsmachine.localcloud.state.records import api_fields
from ecsmachine.localcloud.state.resources import check_status, status_now
from ecsmachine.localcloud.state.tagging import put_tags, tags_of_request, vpc_tags

_NO_INSTANCE = Refusal("InvalidInstanId.NotFound")
_STATUS = Refusal("IncorrectEipStatus")
EipHolder = Literal["EcsInstance", "NetworkInterface", "SlbInstance"]
Holder = Instance | NetworkInterface | LoadBalancer
STATUSES = ("Associating", "Unassociating", "InUse", "Available")


def allocate_eip_address(call: Call) -> Answer:
    """AllocateEipAddress: an address of the public pool, bound to nothing yet."""
    parameters = call.parameters
    region = call.region
    charge = parameters.choice(
        "InternetChargeType", ("PayByBandwidth", "PayByTraffic"), error=refusals.not_supported
    )
    charge_type: ChargeType = parameters.choice("InstanceChargeType", ("PostPaid", "PrePaid"))
    bandwidth = parameters.integer(
        "Bandwidth",
        5,
        least=1,
        most=_most_bandwidth(charge_type, charge),
        error=refusals.not_supported,
    )
    parameters.choice("Netmode", ("public",))
    name, description = _name_and_description(parameters)
    tags = tags_of_request(parameters)
    expires, order = "", ""
    if charge_type == "PrePaid":
        if charge != "PayByBandwidth":
            raise refusals.not_supported("InternetChargeType")
        expires, order = _expires(parameters), new_order_id()
    if len(call.state.eips) >= call.state.offer.quota("eips"):
        raise refusals.QUOTA_OF_EIPS()
    wanted = parameters.text("IpAddress")
    if wanted and wanted in public_in_use(call.state):
        raise ApiError("Ip.Allocated", "The reserve ip has been allocated.")
    if order and not parameters.boolean("AutoPay"):
        # An order that nobody pays for: there is nobody here to do it later.
        return {"AllocationId": "", "EipAddress": "", "OrderId": int(order)}
    eip = call.state.eips.put(
        Eip(
            id=new_id("eip", region.id),
            region=region.id,
            address=pick_public(call.state, wanted),
            status="Available",
            created=timestamp(),
            bandwidth=bandwidth,
            internet_charge_type=charge,
            charge_type=charge_type,
            expires=expires,
            name=name,
            description=description,
            isp=parameters.choice("ISP", ("BGP", "BGP_PRO")),
            resource_group_id=call.resource_group_id,
        )
    )
    put_tags(call.state, "eip", eip.id, region.id, tags)
    return {
        "AllocationId": eip.id,
        "EipAddress": eip.address,
        "OrderId": int(order or 0),
        "ResourceGroupId": eip.resource_group_id,
    }


def associate_eip_address(call: Call) -> None:
    """AssociateEipAddress: to an instance, a secondary interface or a balancer of the region."""
    parameters = call.parameters
    eip = call.required(call.state.eips, "AllocationId")
    kind: EipHolder = parameters.choice(
        "InstanceType",
        ("EcsInstance", "NetworkInterface", "SlbInstance"),
        error=refusals.not_supported,
    )
    holder = _holder(call, parameters.require("InstanceId"), kind)
    parameters.choice("Mode", ("NAT",), error=refusals.not_supported)
    _check_private_address(call, holder)
    if parameters.text("VpcId") not in ("", holder.vpc_id):
        raise refusals.VPC_NOT_FOUND()
    if holder.region != eip.region or parameters.text("InstanceRegionId") not in ("", eip.region):
        raise refusals.of("InvalidParameter.Mismatch#address-and-instance")
    if _status_now(call, eip) != "Available":
        raise _STATUS()
    if eips_of(call.state, holder.id) or (isinstance(holder, Instance) and holder.public_ip):
        raise ApiError("InvalidAssociation.Duplicated", "Specified instance already is associated.")
    if isinstance(holder, Instance):
        check_status(holder, "Running", "Stopped", refusal=refusals.INSTANCE_STATUS_IN_VPC)
    if isinstance(holder, LoadBalancer) and holder.address_type != "intranet":
        raise ApiError("OperationDenied", "The load balancer has a public address of its own.")
    _bind(call, eip, holder, kind)


def unassociate_eip_address(call: Call) -> None:
    """UnassociateEipAddress: the address stays allocated."""
    eip = call.required(call.state.eips, "AllocationId")
    instance_id = call.parameters.text("InstanceId")
    kind = call.parameters.text("InstanceType")
    if _status_now(call, eip) != "InUse":
        raise _STATUS()
    if instance_id not in ("", eip.instance_id) or kind not in ("", eip.instance_type):
        raise refusals.of("InvalidParameter.NotFound")
    holder = _holder_of(call, eip)
    if holder is not None:
        _check_private_address(call, holder)
    _bind(call, eip, holder, "")


def _holder(call: Call, holder_id: str, kind: EipHolder) -> Holder:
    if kind == "NetworkInterface":
        return call.find(call.state.network_interfaces, holder_id)
    if kind == "SlbInstance":
        return call.find(call.state.load_balancers, holder_id)
    return call.state.instances.find(holder_id, region=None, missing=_NO_INSTANCE)


def _holder_of(call: Call, eip: Eip) -> Holder | None:
    state, holder_id = call.state, eip.instance_id
    return (
        state.instances.get(holder_id)
        or state.network_interfaces.get(holder_id)
        or state.load_balancers.get(holder_id)
    )


def _bind(call: Call, eip: Eip, holder: Holder | None, kind: EipHolder | Literal[""]) -> None:
    """Bind an address to its holder, or unbind it if ``kind`` is empty; also in the guest."""
    call.state.eips.put(
        replace(
            eip,
            instance_id=holder.id if holder and kind else "",
            instance_type=kind,
            status="InUse" if kind else "Available",
            ready_at=time.time() + call.state.delays.network_s,
        )
    )
    if isinstance(holder, Instance):
        call.state.instances.put(replace(holder, eip_id=eip.id if kind else ""))
        call.lifecycle.instances.set_public_ip(holder.id)
    elif isinstance(holder, NetworkInterface) and holder.instance_id:
        call.lifecycle.interfaces.readdress(holder.instance_id)


def release_eip_address(call: Call) -> None:
    """ReleaseEipAddress: only one that is bound to nothing."""
    eip = call.required(call.state.eips, "AllocationId")
    if _status_now(call, eip) != "Available":
        raise _STATUS()
    if eip.charge_type == "PrePaid":
        raise ApiError("Forbidden.ChargeTypeIsPrepaid", "It's forbidden to release a prepaid EIP")
    call.state.eips.remove(eip.id)


def modify_eip_address_attribute(call: Call) -> None:
    """ModifyEipAddressAttribute: bandwidth, name, description."""
    eip = call.required(call.state.eips, "AllocationId")
    name, description = _name_and_description(call.parameters)
    bandwidth = call.parameters.integer(
        "Bandwidth",
        eip.bandwidth,
        least=1,
        most=_most_bandwidth(eip.charge_type, eip.internet_charge_type),
        error=refusals.not_supported,
    )
    call.state.eips.put(
        replace(
            eip,
            bandwidth=bandwidth,
            name=name or eip.name,
            description=description or eip.description,
        )
    )


def _expires(parameters: Parameters) -> str:
    unit = parameters.choice("PricingCycle", ("Month", "Year"))
    parameters.require("Period")
    period = parameters.integer("Period", least=1, most=9 if unit == "Month" else 5)
    return later(time.time(), period, unit)


def _check_private_address(call: Call, holder: Holder) -> None:
    if call.parameters.text("PrivateIpAddress") not in ("", _private_address(holder)):
        raise invalid_parameter("PrivateIpAddress", "The instance has a different private address.")


def _private_address(holder: Holder) -> str:
    return holder.address if isinstance(holder, LoadBalancer) else holder.private_ip


def _most_bandwidth(charge_type: ChargeType, charge: str) -> int:
    if charge_type == "PrePaid":
        return 1000
    return 200 if charge == "PayByTraffic" else 500


def _name_and_description(parameters: Parameters) -> tuple[str, str]:
    wrong = invalid_parameter("Name")
    name = checked_description(parameters, wrong, name="Name", least=1, most=128)
    return name, checked_description(parameters, least=1)


def _status_now(call: Call, eip: Eip) -> str:
    moving = "Associating" if eip.status == "InUse" else "Unassociating"
    return status_now(eip.ready_at, eip.status, moving)


def _eip_view(call: Call, eip: Eip) -> dict[str, Any]:
    holder = _holder_of(call, eip)
    return {
        **api_fields(eip, "Eip"),
        "Status": _status_now(call, eip),
        "InstanceRegionId": eip.region if eip.instance_id else "",
        "PrivateIpAddress": _private_address(holder) if holder else "",
        # Of older models; without it Terraform's provider crashes.
        "AvailableRegions": {"AvailableRegion": [eip.region]},
        "Bandwidth": str(eip.bandwidth),
        "EipBandwidth": str(eip.bandwidth),
        "Tags": vpc_tags(call.state.eips.tags(eip.id)),
    }


EIPS = Listing(
    Eip,
    "EipAddresses.EipAddress",
    by.newest(lambda state: state.eips),
    _eip_view,
    (
        by.one_of("AllocationId", "id", Parameters.separated, most=50),
        by.one_of("EipAddress", "address", Parameters.separated, most=50),
        by.equals("Status", _status_now, STATUSES, refusals.not_supported),
        by.equals("AssociatedInstanceId", "instance_id"),
        by.equals("AssociatedInstanceType", "instance_type"),
        by.equals("EipName", "name"),
        by.equals("ChargeType", "charge_type"),
        by.equals("ISP", "isp"),
        by.equals("ResourceGroupId", "resource_group_id"),
        by.never("LockReason", "PublicIpAddressPoolId", "SegmentInstanceId"),
        by.never_true("SecurityProtectionEnabled"),
        by.never_true("ServiceManaged"),
        by.times_between(Creation="created"),
        by.tagged("eip"),
    ),
)
