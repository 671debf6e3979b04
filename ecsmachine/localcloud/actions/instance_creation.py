"""Making instances: RunInstances and CreateInstance."""

from __future__ import annotations

import base64
import re
import time
from dataclasses import asdict, replace

from ecsmachine.localcloud.actions import interface_requests
from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.images import image_of_request
from ecsmachine.localcloud.actions.instance_charge import (
    charge_of_request,
    only_ordered,
    order_of_request,
    price_of_order,
)
from ecsmachine.localcloud.actions.instance_disks import disks_of_request, put_disk
from ecsmachine.localcloud.actions.instance_options import (
    cpu_options_of_request,
    metadata_options_of_request,
)
from ecsmachine.localcloud.actions.instance_place import (
    interfaces_of_request,
    place_of_request,
    private_addresses_of_request,
    with_primary_interface,
)
from ecsmachine.localcloud.actions.interface_requests import put_interfaces, secondary_interfaces
from ecsmachine.localcloud.actions.launch_templates import with_template
from ecsmachine.localcloud.actions.security_groups import check_room
from ecsmachine.localcloud.actions.stock import amount_in_stock, check_host_capacity
from ecsmachine.localcloud.catalog.images import Image
from ecsmachine.localcloud.catalog.instance_types import InstanceType, find_instance_type
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import minutes
from ecsmachine.localcloud.protocol.errors import ApiError, invalid_parameter
from ecsmachine.localcloud.protocol.identifiers import mac_address, new_id
from ecsmachine.localcloud.protocol.names import (
    checked_description,
    checked_text,
    valid_host_name,
    valid_name,
    valid_password,
)
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.state.addresses import pick_private, pick_public
from ecsmachine.localcloud.state.model import Instance
from ecsmachine.localcloud.state.tagging import put_tags, tags_of_request

MAX_AMOUNT = 100
MAX_USER_DATA_BYTES = 32 * 1024
_NEVER_THERE = ("HpcClusterId", "DedicatedHostId")
"""Parameters for resources that the local cloud never has."""
_PLACEHOLDER = "${instance_id}"
"""What RunInstances replaces in host names by the id of each instance."""
_SEQUENCE = re.compile(r"\[([0-9]*)(?:,([0-9]*))?\]")


def run_instances(call: Call) -> Answer:
    """RunInstances: make several at once and start them; a launch template may say how."""
    call = with_template(call)
    parameters = call.parameters
    amount = parameters.integer(
        "Amount",
        1,
        least=1,
        most=MAX_AMOUNT,
        error=ApiError("InvalidParameter.Amount", "The specified Amount is invalid."),
    )
    instances, price = _create_instances(call, amount, start=True)
    return {
        "InstanceIdSets": {"InstanceIdSet": [instance.id for instance in instances]},
        "OrderId": order_of_request(parameters),
        "TradePrice": price,
    }


def create_instance(call: Call) -> Answer:
    """CreateInstance: make one; it is Stopped and has no public address yet."""
    (instance,), price = _create_instances(call, 1, start=False)
    order = order_of_request(call.parameters)
    return {"InstanceId": instance.id, "OrderId": order, "TradePrice": price}


def _create_instances(call: Call, amount: int, *, start: bool) -> tuple[list[Instance], float]:
    """Make instances; return them, and the price of their subscription, or 0."""
    parameters = call.parameters
    region = call.region
    for name in _NEVER_THERE:
        if parameters.given(name):
            raise refusals.not_found(name)
    parameters.choice("SecurityEnhancementStrategy", ("Active", "Deactive"))
    metadata_options = metadata_options_of_request(parameters)
    image = image_of_request(call)
    kind = _instance_type(call, image)
    credit_specification = parameters.choice("CreditSpecification", ("Standard", "Unlimited"))
    primary, others = interfaces_of_request(parameters)
    networking = replace(call, parameters=with_primary_interface(parameters, primary))
    place = place_of_request(networking)
    names = _names(parameters, "InstanceName", amount)
    ids = [new_id("i", region.id) for _ in range(amount)]
    host_names = _host_names(parameters, amount)
    if start:
        host_names = [
            name.replace(_PLACEHOLDER, its_id) for name, its_id in zip(host_names, ids, strict=True)
        ]
    _check_names(parameters, names, host_names)
    password = password_of_request(parameters)
    public_key = public_key_of_request(call, region.id)
    bandwidth = _bandwidth(parameters)
    disks = disks_of_request(call, kind, image)
    user_data = user_data_of_request(parameters)
    tags = tags_of_request(parameters)
    charge = charge_of_request(parameters)
    cpu_options = cpu_options_of_request(parameters, kind)
    interface = primary or Parameters({})
    secondary = secondary_interfaces(call, others, place, kind, amount)
    _, more_ips = interface_requests.secondary_addresses(interface)
    interface_requests.check_number_of_addresses(1 + more_ips, kind)
    unpaid = start and only_ordered(parameters, charge.charge_type)
    addresses = private_addresses_of_request(networking, place.vswitch, amount)
    if addresses and secondary and amount > 1:
        raise refusals.conflicting("PrivateIpAddress", "NetworkInterface")
    if len(call.state.instances) + amount > call.state.offer.quota("instances"):
        raise refusals.QUOTA_OF_INSTANCES()
    for group in place.groups:
        check_room(call, group, amount)
    least = parameters.integer("MinAmount", amount, least=1, most=amount, error=refusals.malformed)
    amount = amount_in_stock(call, place.vswitch.zone, kind.id, amount, least)
    made: list[Instance] = []
    price = price_of_order(call.state.offer, charge, kind, disks) * amount
    if unpaid:
        return made, price
    check_host_capacity(call, amount)
    for number, instance_id in enumerate(ids[:amount]):
        instance = Instance(
            id=instance_id,
            region=region.id,
            zone=place.vswitch.zone,
            name=names[number] or instance_id,
            description=parameters.text("Description"),
            host_name=host_names[number] or f"iZ{instance_id[2:]}Z",
            image_id=image.id,
            instance_type=kind.id,
            vpc_id=place.vswitch.vpc_id,
            vswitch_id=place.vswitch.id,
            private_ip=addresses[number] if addresses else pick_private(call.state, place.vswitch),
            security_group_ids=tuple(group.id for group in place.groups),
            status="Pending",
            created=minutes(),
            key_pair=parameters.text("KeyPairName"),
            public_key=public_key,
            public_ip=pick_public(call.state) if start and bandwidth > 0 else "",
            internet_charge_type=parameters.text("InternetChargeType", "PayByTraffic"),
            bandwidth_out=bandwidth,
            bandwidth_in=parameters.integer(
                "InternetMaxBandwidthIn", default_bandwidth_in(bandwidth), least=1, most=200
            ),
            **asdict(charge),
            auto_renew=parameters.boolean("AutoRenew"),
            auto_renew_unit=charge.period_unit,
            io_optimized=parameters.choice(
                "IoOptimized",
                ("optimized", "none"),
                error=refusals.not_supported("IoOptimizedValue"),
            )
            == "optimized",
            serial_number=f"{instance_id[2:10]}-{mac_address().replace(':', '')}",
            network_interface_id=new_id("eni", region.id),
            mac=mac_address(),
            user_data=user_data,
            ram_role=parameters.text("RamRoleName"),
            resource_group_id=parameters.text("ResourceGroupId"),
            deletion_protection=parameters.boolean("DeletionProtection"),
            credit_specification=(credit_specification if kind.baseline_credit else ""),
            deployment_set_id=parameters.text("DeploymentSetId"),
            deployment_set_group=parameters.integer("DeploymentSetGroupNo", least=1, most=7),
            cpu_options=cpu_options,
            interface_name=checked_text(interface, "NetworkInterfaceName", valid_name),
            interface_description=checked_description(interface),
            has_password=password is not None,
            login_as_non_root=parameters.boolean("ImageOptions.LoginAsNonRoot"),
            metadata_options=metadata_options,
            base_image_id=image.base_id,
            root_snapshot_id=image.snapshot_id,
            start_next=start,
            visible_at=time.time() + call.state.delays.invisible_s
            if call.state.delays.invisible_s
            else 0.0,
        )
        call.state.instances.put(instance)
        if more_ips:
            picked = interface_requests.free_addresses_for(call, place.vswitch, more_ips, addresses)
            call.state.instances.put(replace(instance, secondary_ips=tuple(picked)))
        put_tags(call.state, "instance", instance.id, region.id, tags)
        made_with_it = put_interfaces(call, instance, secondary)
        for interface_id in (instance.network_interface_id, *made_with_it):
            put_tags(call.state, "eni", interface_id, region.id, tags)
        for request in disks:
            disk = put_disk(call, instance, request, image)
            put_tags(call.state, "disk", disk.id, region.id, tags)
        call.lifecycle.instances.make(instance.id, password)
        made.append(instance)
    return made, price


def _instance_type(call: Call, image: Image) -> InstanceType:
    kind = find_instance_type(call.parameters.require("InstanceType"))
    if kind is None:
        raise refusals.INSTANCE_TYPE()
    if kind.image_architecture != image.architecture:
        raise refusals.IMAGE_OF_TYPE()
    return kind


def _names(parameters: Parameters, key: str, amount: int) -> list[str]:
    name = parameters.text(key)
    if not name:
        return [""] * amount
    match = _SEQUENCE.search(name)
    if match is None:
        if amount > 1 and parameters.boolean("UniqueSuffix"):
            return [f"{name}{number:03d}" for number in range(1, amount + 1)]
        return [name] * amount
    start, digits = int(match[1] or 0), int(match[2] or 6)
    if (match[1] and match[2] is None) or start > 999999 or not 1 <= digits <= 6:
        raise refusals.of("InvalidInstanceName.CustomMalformed")
    return [
        f"{name[: match.start()]}{start + number:0{digits}d}{name[match.end() :]}"
        for number in range(amount)
    ]


def _host_names(parameters: Parameters, amount: int) -> list[str]:
    parameters.only_one("HostName", "HostNames")
    several = parameters.listed("HostNames")
    if not several:
        return _names(parameters, "HostName", amount)
    if len(several) != amount:
        raise invalid_parameter("HostNames", f"It needs {amount} names, one for each instance.")
    return several


def _check_names(parameters: Parameters, names: list[str], host_names: list[str]) -> None:
    for name in filter(None, names):
        if not valid_name(name):
            raise refusals.malformed("InstanceName")
    for name in filter(None, host_names):
        if not valid_host_name(name):
            raise refusals.malformed("HostName")
    checked_description(parameters)


def password_of_request(parameters: Parameters) -> str | None:
    """Return ``Password``, or None; raises its refusals."""
    password = parameters.text("Password")
    inherit = parameters.boolean("PasswordInherit")
    if password and inherit:
        raise refusals.of("InvalidPasswordParam.Mismatch")
    return checked_text(parameters, "Password", valid_password) or None


def public_key_of_request(call: Call, region_id: str) -> str:
    """Return the public key of ``KeyPairName``, or ""; raises its refusals."""
    name = call.parameters.text("KeyPairName")
    if not name:
        return ""
    pair = call.state.key_pairs.find(
        name, region=region_id, missing=refusals.KEY_PAIR_NAME_NOT_FOUND
    )
    return pair.public_key


def _bandwidth(parameters: Parameters) -> int:
    parameters.choice(
        "InternetChargeType", ("PayByTraffic", "PayByBandwidth"), error=refusals.not_supported
    )
    return parameters.integer(
        "InternetMaxBandwidthOut", least=0, most=100, error=refusals.malformed
    )


def default_bandwidth_in(bandwidth_out: int) -> int:
    """Return the ``InternetMaxBandwidthIn`` of a request that has none, in Mbit/s."""
    return max(10, bandwidth_out)


def user_data_of_request(parameters: Parameters) -> str:
    """Return ``UserData`` (base64); raises ``InvalidUserData`` refusals."""
    text = parameters.text("UserData")
    if not text:
        return ""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise refusals.of("InvalidUserData.Base64FormatInvalid") from error
    if len(data) > MAX_USER_DATA_BYTES:
        raise refusals.of("InvalidUserData.SizeExceeded")
    return text
