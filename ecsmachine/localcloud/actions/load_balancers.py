"""Classic load balancers (SLB): their addresses and their default server group.

The local cloud keeps them and tells of them; nothing is forwarded.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.listing import Listing, contains, equals, newest, one_of, tagged
from ecsmachine.localcloud.protocol import clock, refusals
from ecsmachine.localcloud.protocol.errors import ApiError, invalid_parameter
from ecsmachine.localcloud.protocol.identifiers import new_id
from ecsmachine.localcloud.protocol.names import valid_description
from ecsmachine.localcloud.protocol.paging import page_by_number
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.protocol.wire import parse_json
from ecsmachine.localcloud.state.addresses import pick_private, pick_public
from ecsmachine.localcloud.state.model import (
    Backend,
    BalancerStatus,
    LoadBalancer,
    LoadBalancerCharge,
    Switch,
)
from ecsmachine.localcloud.state.tagging import drop_tags, ecs_tags, put_tags, tags_of_request

CHARGES: tuple[LoadBalancerCharge, ...] = ("paybytraffic", "paybybandwidth")
MAX_BALANCERS = 60
MAX_BACKENDS = 200
MAX_BACKENDS_OF_REQUEST = 20
_NO_SERVER = Refusal("InvalidServerId.NotFound", "The specified ServerId does not exist.", 404)


def create_load_balancer(call: Call) -> Answer:
    """CreateLoadBalancer: with a public address, or one of a VSwitch."""
    parameters = call.parameters
    region = call.region
    name = parameters.text("LoadBalancerName")
    if name and not valid_description(name, least=1, most=80):
        raise invalid_parameter("LoadBalancerName")
    address_type = parameters.choice("AddressType", ("internet", "intranet"), "internet")
    vswitch = call.optional(call.state.vswitches, "VSwitchId")
    charge = parameters.choice("InternetChargeType", CHARGES, "paybytraffic", spelled=str.lower)
    tags = tags_of_request(parameters)
    if len(call.state.load_balancers) >= MAX_BALANCERS:
        raise ApiError("QuotaLimitExceeds.Instance", "The quota of load balancers is exceeded.")
    if address_type == "internet":
        vswitch = None
        address = pick_public(call.state)
    elif vswitch is not None:
        address = pick_private(call.state, vswitch)
    else:
        raise ApiError(
            "MissingParam.VSwitchId", "The parameter VSwitchId is required for this operation."
        )
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
            created=clock.minutes(),
            internet_charge_type=charge,
            bandwidth=parameters.integer("Bandwidth", 5120, least=-1, most=5120),
            spec=parameters.text("LoadBalancerSpec", "slb.s1.small"),
            charge_type=parameters.text("PayType", "PayOnDemand"),
            master_zone=parameters.text("MasterZoneId", region.zones[0].id),
            slave_zone=parameters.text("SlaveZoneId", region.zones[-1].id),
            resource_group_id=call.resource_group_id,
            delete_protection=parameters.choice("DeleteProtection", ("on", "off"), "off"),
            modification_protection=parameters.choice(
                "ModificationProtectionStatus",
                ("NonProtection", "ConsoleProtection"),
                "NonProtection",
            ),
        )
    )
    put_tags(call.state, "loadbalancer", balancer.id, region.id, tags)
    return {
        "LoadBalancerId": balancer.id,
        "LoadBalancerName": balancer.name,
        "Address": balancer.address,
        "AddressIPVersion": "ipv4",
        "NetworkType": balancer.network_type,
        "VpcId": balancer.vpc_id,
        "VSwitchId": balancer.vswitch_id,
        "ResourceGroupId": balancer.resource_group_id,
        "OrderId": 0,
    }


def describe_load_balancers(call: Call) -> Answer:
    """DescribeLoadBalancers: by id, name, address, backend, tags."""
    return _BALANCERS.answer(call)


def describe_load_balancer_attribute(call: Call) -> Answer:
    """DescribeLoadBalancerAttribute: one balancer with its backends."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    end = "2999-09-08T16:00Z"
    return {
        **_balancer_view(call, balancer),
        "EndTime": end,
        "EndTimeStamp": int(clock.parse(end) * 1000),
        "AutoReleaseTime": 0,
        "RenewalStatus": "",
        "RenewalDuration": 0,
        "RenewalCycUnit": "",
        "BackendServers": {
            "BackendServer": [
                {**backend_view(backend), "ServerIp": server_ip(call, backend)}
                for backend in balancer.backends
            ]
        },
        **_listeners_view(balancer),
    }


def set_load_balancer_name(call: Call) -> Answer:
    """SetLoadBalancerName."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    name = call.parameters.require("LoadBalancerName")
    if not valid_description(name, least=1, most=80):
        raise invalid_parameter("LoadBalancerName")
    call.state.load_balancers.put(replace(balancer, name=name))
    return {}


def set_load_balancer_status(call: Call) -> Answer:
    """SetLoadBalancerStatus: active or inactive."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    status: BalancerStatus = call.parameters.require_choice(
        "LoadBalancerStatus", ("active", "inactive")
    )
    call.state.load_balancers.put(replace(balancer, status=status))
    return {}


def set_load_balancer_delete_protection(call: Call) -> Answer:
    """SetLoadBalancerDeleteProtection: on or off."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    protection: Switch = call.parameters.require_choice("DeleteProtection", ("on", "off"))
    call.state.load_balancers.put(replace(balancer, delete_protection=protection))
    return {}


def set_load_balancer_modification_protection(call: Call) -> Answer:
    """SetLoadBalancerModificationProtection: on (ConsoleProtection) or off."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    protection = call.parameters.require_choice(
        "ModificationProtectionStatus", ("NonProtection", "ConsoleProtection")
    )
    call.state.load_balancers.put(replace(balancer, modification_protection=protection))
    return {}


def modify_load_balancer_internet_spec(call: Call) -> Answer:
    """ModifyLoadBalancerInternetSpec: charge type and bandwidth."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    charge = call.parameters.choice(
        "InternetChargeType", CHARGES, balancer.internet_charge_type, spelled=str.lower
    )
    bandwidth = call.parameters.integer("Bandwidth", balancer.bandwidth, least=-1, most=5120)
    call.state.load_balancers.put(
        replace(balancer, internet_charge_type=charge, bandwidth=bandwidth)
    )
    return {"OrderId": 0}


def modify_load_balancer_instance_spec(call: Call) -> Answer:
    """ModifyLoadBalancerInstanceSpec: its size."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    spec = call.parameters.require("LoadBalancerSpec")
    if not spec.startswith("slb."):
        raise invalid_parameter("LoadBalancerSpec")
    call.state.load_balancers.put(replace(balancer, spec=spec))
    return {"OrderId": 0}


def delete_load_balancer(call: Call) -> Answer:
    """DeleteLoadBalancer: unless it is protected."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    if balancer.delete_protection == "on":
        raise ApiError(
            "OperationDenied.DeleteProtectionIsOn",
            "The operation is not allowed because of DeleteProtection.",
        )
    for group in list(call.state.server_groups):
        if group.balancer_id == balancer.id:
            call.state.server_groups.remove(group.id)
    call.state.load_balancers.remove(balancer.id)
    return {}


def add_backend_servers(call: Call) -> Answer:
    """AddBackendServers: those that are there already get the new weight."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    backends = {backend.server_id: backend for backend in balancer.backends}
    for backend in backends_of_request(call):
        check_server(call, balancer, backend)
        backends[backend.server_id] = backend
    if len(backends) > MAX_BACKENDS:
        raise refusals.QUOTA_OF_BACKENDS()
    return _keep_backends(call, balancer, tuple(backends.values()))


def set_backend_servers(call: Call) -> Answer:
    """SetBackendServers: weights of those that are there."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    backends = {backend.server_id: backend for backend in balancer.backends}
    for backend in backends_of_request(call):
        if backend.server_id not in backends:
            raise refusals.BACKENDS()
        backends[backend.server_id] = backend
    return _keep_backends(call, balancer, tuple(backends.values()))


def remove_backend_servers(call: Call) -> Answer:
    """RemoveBackendServers: those that are not there are passed over."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    gone = {backend.server_id for backend in backends_of_request(call)}
    rest = tuple(backend for backend in balancer.backends if backend.server_id not in gone)
    return _keep_backends(call, balancer, rest)


def add_tags(call: Call) -> Answer:
    """AddTags: the older form, with the tags in JSON."""
    region = call.region
    tags = _tags_of_json(call)
    for balancer in _balancers_of_request(call):
        put_tags(call.state, "loadbalancer", balancer.id, region.id, tags)
    return {}


def remove_tags(call: Call) -> Answer:
    """RemoveTags: those of these keys; a value that is given has to be the tag's."""
    tags = _tags_of_json(call)
    for balancer in _balancers_of_request(call):
        there = call.state.load_balancers.tags(balancer.id)
        gone = [k for k, v in tags.items() if k in there and v in ("", there[k])]
        drop_tags(call.state, "loadbalancer", balancer.id, gone)
    return {}


def describe_tags(call: Call) -> Answer:
    """DescribeTags: tags, and how many balancers have them."""
    region = call.region
    one = call.parameters.text("LoadBalancerId")
    wanted = _tags_of_json(call) if call.parameters.given("Tags") else {}
    counts: dict[tuple[str, str], int] = {}
    for balancer in call.state.load_balancers.in_region(region.id):
        if one not in ("", balancer.id):
            continue
        for key, value in call.state.load_balancers.tags(balancer.id).items():
            if not wanted or (key in wanted and wanted[key] in ("", value)):
                counts[key, value] = counts.get((key, value), 0) + 1
    part, fields = page_by_number(call.parameters, sorted(counts), size=50)
    return {
        **fields,
        "TagSets": {
            "TagSet": [
                {"TagKey": tag[0], "TagValue": tag[1], "InstanceCount": counts[tag]} for tag in part
            ]
        },
    }


def _balancers_of_request(call: Call) -> list[LoadBalancer]:
    ids = call.parameters.require("LoadBalancerId").split(",")
    return [
        call.find(call.state.load_balancers, balancer_id.strip())
        for balancer_id in ids
        if balancer_id.strip()
    ]


def _tags_of_json(call: Call) -> dict[str, str]:
    """Return the tags of ``Tags``: ``[{"TagKey": …, "TagValue": …}]``."""
    error = invalid_parameter("Tags")
    try:
        items = parse_json(call.parameters.require("Tags"))
    except ValueError:
        raise error from None
    if not isinstance(items, list) or not items:
        raise error
    values: dict[str, str] = {}
    for number, item in enumerate(items, 1):
        if not isinstance(item, dict) or not isinstance(item.get("TagKey"), str):
            raise error
        values[f"Tag.{number}.Key"] = item["TagKey"]
        values[f"Tag.{number}.Value"] = str(item.get("TagValue") or "")
    return tags_of_request(Parameters(values), values_needed=True)


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
        backends.append(
            Backend(
                server_id=item["ServerId"],
                weight=weight,
                kind=str(item.get("Type") or "ecs"),
                port=port,
                description=str(item.get("Description") or ""),
            )
        )
    return backends


def check_server(call: Call, balancer: LoadBalancer, backend: Backend) -> None:
    """Refuse a server that is not there, or not in the balancer's VPC."""
    instance = call.state.instances.find(
        backend.server_id, region=balancer.region, missing=_NO_SERVER
    )
    if balancer.vpc_id not in ("", instance.vpc_id):
        raise ApiError(
            "VpcNotMatched",
            "The backend server and the load balancer are not in the same VPC.",
        )


def _keep_backends(call: Call, balancer: LoadBalancer, backends: tuple[Backend, ...]) -> Answer:
    call.state.load_balancers.put(replace(balancer, backends=backends))
    return {
        "LoadBalancerId": balancer.id,
        "BackendServers": {"BackendServer": [backend_view(backend) for backend in backends]},
    }


def backend_view(backend: Backend) -> dict[str, Any]:
    """Return a server as answers tell of it."""
    return {
        "ServerId": backend.server_id,
        "Weight": backend.weight,
        "Type": backend.kind,
        "Description": backend.description,
    }


def server_ip(call: Call, backend: Backend) -> str:
    """Return the private address of a server, or ""."""
    instance = call.state.instances.get(backend.server_id)
    return instance.private_ip if instance else ""


def _listeners_view(balancer: LoadBalancer) -> dict[str, Any]:
    listeners = sorted(balancer.listeners, key=lambda item: (item.port, item.protocol))
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
        "LoadBalancerId": balancer.id,
        "LoadBalancerName": balancer.name,
        "LoadBalancerStatus": balancer.status,
        "LoadBalancerSpec": balancer.spec,
        "Address": balancer.address,
        "AddressType": balancer.address_type,
        "AddressIPVersion": "ipv4",
        "NetworkType": balancer.network_type,
        "VpcId": balancer.vpc_id,
        "VSwitchId": balancer.vswitch_id,
        "RegionId": balancer.region,
        "RegionIdAlias": balancer.region,
        "MasterZoneId": balancer.master_zone,
        "SlaveZoneId": balancer.slave_zone,
        "Bandwidth": balancer.bandwidth,
        "InternetChargeType": short,
        "InternetChargeTypeAlias": balancer.internet_charge_type,
        "PayType": balancer.charge_type,
        "InstanceChargeType": "PayBySpec",
        "CreateTime": balancer.created,
        "CreateTimeStamp": int(clock.parse(balancer.created) * 1000),
        "ResourceGroupId": balancer.resource_group_id,
        "DeleteProtection": balancer.delete_protection,
        "ModificationProtectionStatus": balancer.modification_protection,
        "ModificationProtectionReason": "",
        "Tags": ecs_tags(call.state.load_balancers.tags(balancer.id)),
    }


def _server_ids(call: Call, balancer: LoadBalancer) -> set[str]:
    return {backend.server_id for backend in balancer.backends}


_BALANCERS = Listing(
    LoadBalancer,
    "LoadBalancers.LoadBalancer",
    newest(lambda state: state.load_balancers),
    _balancer_view,
    (
        one_of("LoadBalancerId", "id", Parameters.separated),
        one_of("LoadBalancerName", "name", Parameters.separated),
        contains("ServerId", _server_ids),
        equals("LoadBalancerStatus", "status"),
        equals("Address", "address"),
        equals("AddressType", "address_type"),
        equals("NetworkType", "network_type"),
        equals("VpcId", "vpc_id"),
        equals("VSwitchId", "vswitch_id"),
        equals("MasterZoneId", "master_zone"),
        equals("SlaveZoneId", "slave_zone"),
        equals("PayType", "charge_type"),
        equals("ResourceGroupId", "resource_group_id"),
        tagged(lambda state: state.load_balancers),
    ),
    size=100,
)
