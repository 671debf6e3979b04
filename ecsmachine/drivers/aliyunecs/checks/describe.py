"""What a create would make, in words and as plain data: for a dry run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ecsmachine.aliyun.ecs_values import Permission
from ecsmachine.drivers.aliyunecs.options.settings import DECLARATIONS, Settings
from ecsmachine.drivers.aliyunecs.resources.network import CIDR
from ecsmachine.drivers.aliyunecs.resources.placement import Place, Plan
from ecsmachine.drivers.aliyunecs.resources.security_group import (
    missing_permissions,
    wanted_permissions,
)
from ecsmachine.drivers.base import DriverContext
from ecsmachine.drivers.capabilities import CreatePlan
from ecsmachine.drivers.host_name import host_name_for


def describe(context: DriverContext, settings: Settings, plan: Plan) -> CreatePlan:
    """Return what would be made, without any secret; the price where ECS tells it."""
    data = _data(context, settings, plan)
    cost = plan.places[0].cost
    if cost is not None:
        subscription = settings.charge_type == "PrePaid"
        data["Price"] = {
            "Amount": cost.price.amount,
            "Currency": cost.price.currency,
            "Period": settings.period if subscription else 1,
            "Unit": settings.period_unit if subscription else "Hour",
            "Hour": round(cost.hour, 6),
            "Parts": dict(cost.price.parts),
        }
    return CreatePlan(tuple(_lines(data, cost.words() if cost else "")), data)


def _data(context: DriverContext, settings: Settings, plan: Plan) -> dict[str, Any]:
    place = plan.places[0]
    group = plan.group
    wanted = wanted_permissions(settings)
    missing = wanted if group is None else missing_permissions(group.permissions, wanted)
    return {
        "Name": context.machine_name,
        "Region": settings.region,
        "Account": plan.account_id or None,
        "Instance": {
            "Action": "create",
            "Zone": place.zone,
            "OtherZones": _others(plan.places, "zone"),
            "InstanceType": place.instance_type,
            "OtherInstanceTypes": _others(plan.places, "instance_type"),
            "Image": {"Id": plan.image.id, "System": plan.image.os_name},
            "ChargeType": settings.charge_type,
            "Period": f"{settings.period} {settings.period_unit}"
            if settings.charge_type == "PrePaid"
            else None,
            "AutoRenew": settings.auto_renew if settings.charge_type == "PrePaid" else None,
            "SpotStrategy": settings.spot_strategy,
            "SpotPriceLimit": settings.spot_price_limit or None,
            **_planned(settings),
            "HostName": settings.host_name or host_name_for(context.machine_name),
        },
        "SystemDisk": {
            "Action": "create",
            "Category": place.system_disk_category,
            "SizeGiB": settings.system_disk_size_gib or plan.image.size_gib,
        },
        "DataDisk": {
            "Action": "create",
            "Category": place.data_disk_category,
            "SizeGiB": settings.disk_size_gib,
            "FileSystem": settings.disk_file_system,
        }
        if settings.disk_size_gib
        else None,
        "Vpc": _existing_or_new(plan.vpc_id, CidrBlock=CIDR),
        "VSwitch": _existing_or_new(place.vswitch_id, Zone=place.zone),
        "SecurityGroup": {
            **_existing_or_new(
                group.group.id if group else "",
                Name=group.group.name if group else settings.security_group,
            ),
            "RulesToAdd": [_rule(rule) for rule in missing],
            "RulesThere": [_rule(rule) for rule in wanted if rule not in missing],
        },
        "KeyPair": _key_pair(settings),
        "Login": {"User": settings.ssh_user, "Port": settings.ssh_port, "By": _login(settings)},
        "Address": _address(settings, plan),
        "Route": {"Action": "create", "DestinationCidrBlock": settings.route_cidr}
        if settings.route_cidr
        else None,
        "LoadBalancer": {"Action": "use", "Id": settings.slb_id, "Address": plan.balancer_address}
        if settings.slb_id
        else None,
        "TriedByEcs": plan.tried,
    }


def _others(places: Sequence[Place], name: str) -> list[str]:
    """Return what places after the first have of a field that the first has not."""
    values = (str(getattr(place, name)) for place in places)
    return list(dict.fromkeys(value for value in values if value != getattr(places[0], name)))


def _planned(settings: Settings) -> dict[str, Any]:
    """Return the options of the instance that are shown as they were given."""
    values = {
        each.planned[0]: getattr(settings, name)
        for name, each in DECLARATIONS.items()
        if each.planned
    }
    return {
        key: len(value) or None
        if isinstance(value, bytes)
        else value
        if isinstance(value, bool | dict)
        else value or None
        for key, value in values.items()
    }


def _existing_or_new(resource_id: str, **of_new: str) -> dict[str, str]:
    if resource_id:
        return {"Action": "use", "Id": resource_id}
    return {"Action": "create", **of_new}


def _key_pair(settings: Settings) -> dict[str, str] | None:
    if settings.ssh_password:
        return None
    if settings.ssh_keypair:
        return {"Action": "use", "Name": settings.ssh_keypair}
    return {"Action": "create"}


def _login(settings: Settings) -> str:
    if settings.ssh_password:
        own = settings.ssh_keypath
        return f"password at first, then the key {own}" if own else "password at first, then a key"
    return f"the key {settings.ssh_keypath}" if settings.ssh_keypath else "a new key"


def _address(settings: Settings, plan: Plan) -> dict[str, Any]:
    address: dict[str, Any] = {"Private": settings.private_ip or None, "Public": None}
    traffic = {
        "BandwidthMbps": max(1, settings.bandwidth_mbps),
        "InternetChargeType": settings.internet_charge_type,
    }
    if plan.eip is not None:
        address["Public"] = {
            "Action": "use",
            "Kind": "elastic",
            "Id": plan.eip.id,
            "Address": plan.eip.address,
        }
    elif settings.allocate_eip:
        address["Public"] = {"Action": "create", "Kind": "elastic", **traffic}
    elif settings.has_fixed_public_address:
        address["Public"] = {"Action": "create", "Kind": "fixed", **traffic}
    return address


def _rule(rule: Permission) -> str:
    ports = rule.port_range.partition("/")
    span = ports[0] if ports[0] == ports[2] else f"{ports[0]}-{ports[2]}"
    return f"{rule.protocol} {span} from {rule.source_cidr}"


def _lines(data: dict[str, Any], price: str) -> list[tuple[str, str]]:
    """Say in words what ``data`` says."""
    instance, disk, group = data["Instance"], data["SystemDisk"], data["SecurityGroup"]
    account = f", account {data['Account']}" if data["Account"] else ""
    zones, types = ", ".join(instance["OtherZones"]), ", ".join(instance["OtherInstanceTypes"])
    others = (f", in {zones}" if zones else "") + (f", then as {types}" if types else "")
    lines = [
        (
            "instance",
            f"new, {instance['InstanceType']} in zone {instance['Zone']}"
            + (f" (without stock there{others})" if others else "")
            + account,
        ),
        ("image", f"{instance['Image']['Id']} ({instance['Image']['System']})"),
        ("payment", _payment(instance)),
        ("system disk", f"new, {disk['SizeGiB']} GiB {disk['Category']}"),
    ]
    if data["DataDisk"]:
        data_disk = data["DataDisk"]
        lines.append(
            (
                "data disk",
                f"new, {data_disk['SizeGiB']} GiB {data_disk['Category']}, "
                f"{data_disk['FileSystem']} for /var/lib/docker",
            )
        )
    lines += [
        ("VPC", _id_or(data["Vpc"], f"new, {CIDR}, shared with the other machines of this store")),
        ("VSwitch", _id_or(data["VSwitch"], "new, shared with the other machines of this store")),
        ("security group", _group_words(group)),
    ]
    if data["KeyPair"]:
        pair = data["KeyPair"]
        lines.append(("key pair", pair.get("Name", "new, removed with the machine")))
    login = data["Login"]
    lines.append(("login", f"{login['User']} at port {login['Port']}, with {login['By']}"))
    lines += _address_lines(data["Address"])
    if data["Route"]:
        lines.append(("route", f"new, {data['Route']['DestinationCidrBlock']} to the instance"))
    if data["LoadBalancer"]:
        balancer = data["LoadBalancer"]
        lines.append(("load balancer", f"{balancer['Id']} ({balancer['Address']}) forwards to it"))
    lines += _extras(instance)
    if price:
        lines.append(("price", price))
    lines.append(
        (
            "tried",
            "ECS has checked the request (RunInstances with DryRun)"
            if data["TriedByEcs"]
            else "ECS can check the request only once there are a VSwitch and a security group",
        )
    )
    return lines


def _payment(instance: dict[str, Any]) -> str:
    if instance["ChargeType"] == "PrePaid":
        renewed = ", renewed automatically" if instance["AutoRenew"] else ""
        return f"PrePaid for {instance['Period']}{renewed}"
    spot = "" if instance["SpotStrategy"] == "NoSpot" else f", {instance['SpotStrategy']}"
    limit = f" up to {instance['SpotPriceLimit']:g} an hour" if instance["SpotPriceLimit"] else ""
    return f"PostPaid{spot}{limit}"


def _id_or(resource: dict[str, str], new: str) -> str:
    return resource.get("Id", new)


def _group_words(group: dict[str, Any]) -> str:
    named = f"{group['Id']}" if group["Action"] == "use" else f"new, {group['Name']}"
    to_add = f"; opens {', '.join(group['RulesToAdd'])}" if group["RulesToAdd"] else ""
    there = f"; open already: {', '.join(group['RulesThere'])}" if group["RulesThere"] else ""
    return named + to_add + there


def _address_lines(address: dict[str, Any]) -> list[tuple[str, str]]:
    public = address["Public"]
    if public is None:
        words = "none: the machine is reached at its private address"
    elif public["Action"] == "use":
        words = f"{public['Address']} ({public['Id']}), which is not released"
    else:
        kind = (
            "new elastic address, released with the machine"
            if public["Kind"] == "elastic"
            else "new"
        )
        words = f"{kind}, {public['BandwidthMbps']} Mbps, {public['InternetChargeType']}"
    lines = [("public address", words)]
    if address["Private"]:
        lines.insert(0, ("private address", address["Private"]))
    return lines


def _extras(instance: dict[str, Any]) -> list[tuple[str, str]]:
    """Say what the instance has beside the usual."""
    words = {
        **instance,
        "UserDataBytes": f"{instance['UserDataBytes']} bytes" if instance["UserDataBytes"] else "",
        "DeletionProtection": instance["DeletionProtection"]
        and "from being released, by rm as well",
        "Tags": ", ".join(f"{key}={value}" for key, value in instance["Tags"].items()),
    }
    shown = (each.planned for each in DECLARATIONS.values() if each.planned)
    return [(label, str(words[key])) for key, label in shown if words[key]]
