"""Classic load balancers (SLB): creation, listing, changes, and their default server group."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any

from ecsmachine.localcloud.actions import listing as by
from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.listing import Filter, Listing, Test
from ecsmachine.localcloud.actions.tags import tags_of_json
from ecsmachine.localcloud.protocol import clock, refusals
from ecsmachine.localcloud.protocol.errors import ApiError, invalid_parameter
from ecsmachine.localcloud.protocol.identifiers import new_id, new_order_id
from ecsmachine.localcloud.protocol.names import checked_description, checked_text
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.protocol.wire import parse_json
from ecsmachine.localcloud.state import tagging
from ecsmachine.localcloud.state.addresses import (
    pick_private,
    pick_public,
    private_is_free,
    unbind_eips,
    usable,
)
from ecsmachine.localcloud.state.balancers import (
    Backend,
    BalancerStatus,
    LoadBalancer,
    LoadBalancerCharge,
)
from ecsmachine.localcloud.state.interfaces import interfaces_in_region
from ecsmachine.localcloud.state.model import Instance, NetworkInterface, Switch
from ecsmachine.localcloud.state.records import api_fields
from ecsmachine.localcloud.state.servers import address_of

CHARGES: tuple[LoadBalancerCharge, ...] = ("paybytraffic", "paybybandwidth")
MAX_BACKENDS = 200
MAX_BACKENDS_OF_REQUEST = 20
_NO_SERVER = Refusal("InvalidServerId.NotFound")


def create_load_balancer(call: Call) -> Answer:
    """CreateLoadBalancer: with a public address, or one of a VSwitch."""
    parameters = call.parameters
    region = call.region
    zones = tuple(zone.id for zone in region.zones)
    name = checked_name(parameters, "LoadBalancerName")
    address_type = parameters.choice(
        "AddressType",
        ("internet", "intranet"),
        "intranet" if parameters.given("VSwitchId") else "internet",
    )
    vswitch = call.optional(call.state.vswitches, "VSwitchId")
    vpc = call.optional(call.state.vpcs, "VpcId")
    if vpc is not None and vswitch is not None and vswitch.vpc_id != vpc.id:
        raise refusals.VSWITCH_NOT_FOUND()
    charge = parameters.choice("InternetChargeType", CHARGES, spelled=str.lower)
    tags = tagging.tags_of_request(parameters)
    if len(call.state.load_balancers) >= call.state.offer.quota("load-balancers"):
        raise ApiError("QuotaLimitExceeds.Instance", "The quota of load balancers is exceeded.")
    pay_type, expires = _payment(parameters)
    wanted = parameters.text("Address")
    if address_type == "internet":
        if wanted:
            raise invalid_parameter("Address", "Only an address of a VSwitch can be requested.")
        vswitch = None
        address = pick_public(call.state)
    elif vswitch is not None:
        free = usable(vswitch, wanted) and private_is_free(call.state, vswitch, wanted)
        if wanted and not free:
            raise invalid_parameter("Address", "The VSwitch has no such free address.")
        address = wanted or pick_private(call.state, vswitch)
    else:
        raise refusals.of("MissingParam.VSwitchId")
    metering = parameters.choice("InstanceChargeType", ("PayBySpec", "PayByCLCU"))
    protection, reason = modification_protection(parameters)
    if pay_type == "PrePay" and not parameters.boolean("AutoPay"):
        # An order that nobody pays for: there is nobody here to do it later.
        return {"LoadBalancerId": "", "OrderId": int(new_order_id())}
    balancer = call.state.load_balancers.put(
        LoadBalancer(
            id=new_id("lb", region.id),
            region=region.id,
            name=name or f"auto_named_slb_{clock.timestamp()[:10]}",
            address=address,
            address_type=address_type,
            network_type="classic" if vswitch is None else "vpc",
            vpc_id="" if vswitch is None else vswitch.vpc_id,
            vswitch_id="" if vswitch is None else vswitch.id,
            status="active",
            created=clock.timestamp(),
            internet_charge_type=charge,
            bandwidth=parameters.integer("Bandwidth", 5120, least=1, most=5120),
            spec=parameters.text(
                "LoadBalancerSpec", "slb.s1.small" if metering == "PayBySpec" else "slb.lcu.elastic"
            ),
            charge_type=pay_type,
            metering=metering,
            expires=expires,
            master_zone=parameters.choice("MasterZoneId", zones),
            slave_zone=parameters.choice("SlaveZoneId", zones, zones[-1]),
            resource_group_id=call.resource_group_id,
            delete_protection=parameters.choice("DeleteProtection", ("off", "on")),
            modification_protection=protection,
            modification_protection_reason=reason,
        )
    )
    tagging.put_tags(call.state, "loadbalancer", balancer.id, region.id, tags)
    return {
        "LoadBalancerId": balancer.id,
        "LoadBalancerName": balancer.name,
        "Address": balancer.address,
        "AddressIPVersion": "ipv4",
        "NetworkType": balancer.network_type,
        "VpcId": balancer.vpc_id,
        "VSwitchId": balancer.vswitch_id,
        "ResourceGroupId": balancer.resource_group_id,
        "OrderId": int(new_order_id()) if expires else 0,
    }


def describe_load_balancer_attribute(call: Call) -> Answer:
    """DescribeLoadBalancerAttribute: one balancer with its backends."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    end = balancer.expires or "2999-09-08T16:00Z"
    return {
        **_balancer_view(call, balancer),
        "InternetChargeType": balancer.internet_charge_type,
        "EndTime": end,
        "EndTimeStamp": int(clock.parse(end) * 1000),
        "AutoReleaseTime": 0,
        # a subscription is renewed by hand
        "RenewalStatus": "Normal" if balancer.expires else "",
        "RenewalDuration": 0,
        "RenewalCycUnit": "Month" if balancer.expires else "",
        "BackendServers": {
            "BackendServer": [
                {**api_fields(backend), "ServerIp": backend.address}
                for backend in balancer.backends
            ]
        },
        **_listeners_view(balancer),
    }


def delete_load_balancer(call: Call) -> None:
    """DeleteLoadBalancer: unless it is protected."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    if balancer.delete_protection == "on":
        raise refusals.of("OperationDenied.DeleteProtectionIsOn")
    for group in list(call.state.server_groups):
        if group.balancer_id == balancer.id:
            call.state.server_groups.remove(group.id)
    for listener in balancer.listeners:
        tagging.drop_tags(call.state, "listener", balancer.id_of(listener), None)
    call.state.load_balancers.remove(balancer.id)
    unbind_eips(call.state, balancer.id)


def add_backend_servers(call: Call) -> Answer:
    """AddBackendServers: those that are there already get the new weight."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    backends = {backend.key: backend for backend in balancer.backends}
    for named in backends_of_request(call):
        backend = server_of_request(call, balancer, named)
        backends[backend.key] = backend
    if len(backends) > MAX_BACKENDS:
        raise refusals.QUOTA_OF_BACKENDS()
    return _keep_backends(call, balancer, tuple(backends.values()))


def set_backend_servers(call: Call) -> Answer:
    """SetBackendServers: weights of those that are there."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    backends = {backend.key: backend for backend in balancer.backends}
    for named in backends_of_request(call):
        meant = [backend for backend in balancer.backends if backend.is_named_by(named)]
        if not meant:
            raise refusals.BACKENDS()
        for old in meant:
            backends[old.key] = replace(named, kind=old.kind, address=old.address)
    return _keep_backends(call, balancer, tuple(backends.values()))


def remove_backend_servers(call: Call) -> Answer:
    """RemoveBackendServers: those that are not there are passed over."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    gone = backends_of_request(call)
    rest = tuple(each for each in balancer.backends if not any(map(each.is_named_by, gone)))
    return _keep_backends(call, balancer, rest, int)


def _payment(parameters: Parameters) -> tuple[str, str]:
    """Return how a balancer is paid for, and when a subscription ends."""
    pay_type = parameters.choice("PayType", ("PayOnDemand", "PrePay"))
    unit = parameters.choice("PricingCycle", ("month", "year"))
    duration = parameters.integer("Duration", least=1, most=9 if unit == "month" else 5)
    if pay_type == "PayOnDemand":
        return pay_type, ""
    parameters.require("Duration")
    return pay_type, clock.later(time.time(), duration, unit.capitalize())


def modification_protection(parameters: Parameters) -> tuple[str, str]:
    """Return the status of a request's protection, and the reason for it."""
    status = parameters.choice(
        "ModificationProtectionStatus", ("NonProtection", "ConsoleProtection")
    )
    reason = checked_text(
        parameters,
        "ModificationProtectionReason",
        lambda text: re.fullmatch(r"[^\W\d_][\w.-]{0,79}", text) is not None,
        invalid_parameter("ModificationProtectionReason"),
    )
    return status, reason if status == "ConsoleProtection" else ""


def backends_of_request(call: Call, name: str = "BackendServers") -> list[Backend]:
    """Return the servers of a request: JSON, an array of objects or of their ids."""
    text = call.parameters.require(name)
    error = ApiError("InvalidParameter", f"The specified {name} is not valid.")
    try:
        items = parse_json(text)
    except ValueError:
        raise error from None
    if not isinstance(items, list) or not items or len(items) > MAX_BACKENDS_OF_REQUEST:
        raise error
    backends = []
    for item in items:
        if isinstance(item, str):
            item = {"ServerId": item}
        if not isinstance(item, dict) or not isinstance(item.get("ServerId"), str):
            raise error
        try:
            weight = int(item.get("Weight", 100))
            port = int(item.get("Port", 0))
        except (TypeError, ValueError):
            raise error from None
        if not 0 <= weight <= 100:
            raise error
        kind = str(item.get("Type") or "ecs")
        if kind not in ("ecs", "eni"):
            raise error
        backends.append(
            Backend(
                server_id=item["ServerId"],
                weight=weight,
                kind=kind,
                port=port,
                description=str(item.get("Description") or ""),
                # that of an instance is known
                address=str(item.get("ServerIp") or "") if kind == "eni" else "",
            )
        )
    return backends


def server_of_request(call: Call, balancer: LoadBalancer, named: Backend) -> Backend:
    """Return a server with its address; raises if it is not there, or not in the VPC."""
    place: Instance | NetworkInterface
    if named.kind == "ecs":
        place = call.state.instances.find(
            named.server_id, region=balancer.region, missing=_NO_SERVER
        )
    else:
        known = {one.id: one for one in interfaces_in_region(call.state, balancer.region)}
        if named.server_id not in known:
            raise _NO_SERVER()
        place = known[named.server_id]
        named = replace(named, address=named.address or place.private_ip)
        if named.address not in place.addresses:
            raise invalid_parameter("BackendServers", "The interface has no such ServerIp.")
    if balancer.vpc_id not in ("", place.vpc_id):
        raise refusals.of("VpcNotMatched")
    return named


def _keep_backends(
    call: Call,
    balancer: LoadBalancer,
    backends: tuple[Backend, ...],
    weight: type[str] | type[int] = str,
) -> Answer:
    call.state.load_balancers.put(replace(balancer, backends=backends))
    return {
        "LoadBalancerId": balancer.id,
        "BackendServers": {
            # weights are texts, but numbers in RemoveBackendServers and what is described
            "BackendServer": [
                {**api_fields(backend), "Weight": weight(backend.weight)} for backend in backends
            ]
        },
    }


def checked_name(parameters: Parameters, name: str) -> str:
    """Return the name of a balancer or a group, or ""; raises ``InvalidParameter``."""
    return checked_description(parameters, invalid_parameter(name), name=name, least=1, most=80)


def _listeners_view(balancer: LoadBalancer) -> dict[str, Any]:
    listeners = balancer.in_order()
    return {
        "ListenerPorts": {"ListenerPort": [item.port for item in listeners]},
        "ListenerPortsAndProtocal": {
            "ListenerPortAndProtocal": [
                {"ListenerPort": item.port, "ListenerProtocal": item.protocol} for item in listeners
            ]
        },
        "ListenerPortsAndProtocol": {
            "ListenerPortAndProtocol": [
                {
                    "ListenerPort": item.port,
                    "ListenerProtocol": item.protocol,
                    "Description": item.settings.get("Description", ""),
                    "ListenerForward": item.settings.get("ListenerForward", "off"),
                    "ForwardPort": item.settings.get("ForwardPort", 0),
                }
                for item in listeners
            ]
        },
    }


def _balancer_view(call: Call, balancer: LoadBalancer) -> dict[str, Any]:
    short = "3" if balancer.internet_charge_type == "paybytraffic" else "4"
    return {
        **api_fields(balancer),
        "AddressIPVersion": "ipv4",
        "RegionIdAlias": balancer.region,
        "InternetChargeType": short,
        "CreateTimeStamp": int(clock.parse(balancer.created) * 1000),
        "Tags": tagging.ecs_tags(call.state.load_balancers.tags(balancer.id)),
    }


def _with_address(call: Call) -> Test[LoadBalancer] | None:
    wanted = set(call.parameters.separated("ServerIntranetAddress"))
    if not wanted:
        return None
    return lambda balancer: any(
        address_of(call.state, each) in wanted for each in balancer.backends
    )


def _with_tags(call: Call) -> Test[LoadBalancer] | None:
    if not call.parameters.given("Tags"):
        return None
    wanted = [(key, value or None) for key, value in tags_of_json(call).items()]
    return lambda balancer: tagging.has_tags(call.state.load_balancers.tags(balancer.id), wanted)


BALANCERS = Listing(
    LoadBalancer,
    "LoadBalancers.LoadBalancer",
    by.newest(lambda state: state.load_balancers),
    _balancer_view,
    (
        by.one_of("LoadBalancerId", "id", Parameters.separated, most=10),
        by.one_of("LoadBalancerName", "name", Parameters.separated, most=10),
        by.contains("ServerId", lambda call, balancer: {b.server_id for b in balancer.backends}),
        by.equals("LoadBalancerStatus", "status"),
        by.equals("Address", "address"),
        by.equals("AddressType", "address_type"),
        by.equals("NetworkType", "network_type", spelled=str.lower),
        by.equals("VpcId", "vpc_id"),
        by.equals("VSwitchId", "vswitch_id"),
        by.equals("MasterZoneId", "master_zone"),
        by.equals("SlaveZoneId", "slave_zone"),
        by.equals("PayType", "charge_type"),
        by.equals("InternetChargeType", "internet_charge_type", spelled=str.lower),
        by.always("AddressIPVersion", "ipv4"),
        Filter(("ServerIntranetAddress",), _with_address),
        Filter(("Tags",), _with_tags),
        by.equals("ResourceGroupId", "resource_group_id"),
        by.tagged("loadbalancer"),
    ),
    size=100,
)


def set_load_balancer_name(call: Call) -> None:
    """SetLoadBalancerName."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    name = checked_name(call.parameters, "LoadBalancerName")
    call.state.load_balancers.put(replace(balancer, name=name))


def set_load_balancer_status(call: Call) -> None:
    """SetLoadBalancerStatus: active or inactive."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    status: BalancerStatus = call.parameters.require_choice(
        "LoadBalancerStatus", ("active", "inactive")
    )
    call.state.load_balancers.put(replace(balancer, status=status))


def set_load_balancer_delete_protection(call: Call) -> None:
    """SetLoadBalancerDeleteProtection: on or off."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    protection: Switch = call.parameters.require_choice("DeleteProtection", ("on", "off"))
    call.state.load_balancers.put(replace(balancer, delete_protection=protection))


def set_load_balancer_modification_protection(call: Call) -> None:
    """SetLoadBalancerModificationProtection: on (ConsoleProtection) or off."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    protection, reason = modification_protection(call.parameters)
    call.state.load_balancers.put(
        replace(balancer, modification_protection=protection, modification_protection_reason=reason)
    )


def modify_load_balancer_internet_spec(call: Call) -> Answer:
    """ModifyLoadBalancerInternetSpec: charge type and bandwidth."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    charge = call.parameters.choice(
        "InternetChargeType", CHARGES, balancer.internet_charge_type, spelled=str.lower
    )
    bandwidth = call.parameters.integer("Bandwidth", balancer.bandwidth, least=1, most=5120)
    changed = replace(balancer, internet_charge_type=charge, bandwidth=bandwidth)
    return _keep_if_paid(call, changed, pays=True)


def modify_load_balancer_instance_spec(call: Call) -> Answer:
    """ModifyLoadBalancerInstanceSpec: its size."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    spec = call.parameters.require("LoadBalancerSpec")
    if not spec.startswith("slb."):
        raise invalid_parameter("LoadBalancerSpec")
    return _keep_if_paid(call, replace(balancer, spec=spec), pays=False)


def modify_load_balancer_instance_charge_type(call: Call) -> None:
    """ModifyLoadBalancerInstanceChargeType: by what a pay-as-you-go balancer is paid for."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    parameters = call.parameters
    metering = parameters.require_choice("InstanceChargeType", ("PayByCLCU", "PayBySpec"))
    spec = parameters.text("LoadBalancerSpec", "slb.s1.small")
    if balancer.charge_type != "PayOnDemand":
        raise invalid_parameter("LoadBalancerId", "It is a subscription.")
    call.state.load_balancers.put(
        replace(
            balancer,
            metering=metering,
            spec=spec if metering == "PayBySpec" else "slb.lcu.elastic",
            internet_charge_type=parameters.choice(
                "InternetChargeType", CHARGES, balancer.internet_charge_type, spelled=str.lower
            ),
            bandwidth=parameters.integer("Bandwidth", balancer.bandwidth, least=1, most=5120),
        )
    )


def _keep_if_paid(call: Call, changed: LoadBalancer, *, pays: bool) -> Answer:
    """Keep a change; one of a subscription is an order, and only kept if that is paid for."""
    if changed.charge_type == "PayOnDemand":
        call.state.load_balancers.put(changed)
        return {"OrderId": 0}
    if call.parameters.boolean("AutoPay", pays):
        call.state.load_balancers.put(changed)
    return {"OrderId": int(new_order_id())}
