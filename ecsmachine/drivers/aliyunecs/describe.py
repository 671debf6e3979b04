"""What a create would make, as plain data: for a dry run."""

from __future__ import annotations

from typing import Any

from ecsmachine.drivers.aliyunecs.placement import Plan
from ecsmachine.drivers.aliyunecs.security_group import wanted_permissions
from ecsmachine.drivers.aliyunecs.settings import Settings
from ecsmachine.drivers.base import DriverContext


def describe(context: DriverContext, settings: Settings, plan: Plan) -> dict[str, Any]:
    """Return what would be made, without any secret."""
    place = plan.places[0]
    return {
        "Instance": {
            "Name": context.machine_name,
            "Region": settings.region,
            "Zone": place.zone,
            "OtherZones": list(dict.fromkeys(other.zone for other in plan.places[1:])),
            "InstanceType": settings.instance_type,
            "Image": {"Id": plan.image.id, "System": plan.image.os_name},
            "ChargeType": settings.charge_type,
            "SpotStrategy": settings.spot_strategy,
            "Tags": dict(settings.tags),
        },
        "SystemDisk": {
            "Category": place.system_disk_category,
            "SizeGiB": settings.system_disk_size_gib or plan.image.size_gib,
        },
        "DataDisk": {
            "Category": place.data_disk_category,
            "SizeGiB": settings.disk_size_gib,
            "FileSystem": settings.disk_file_system,
        }
        if settings.disk_size_gib
        else None,
        "Network": {
            "Vpc": plan.vpc_id or "new",
            "VSwitch": place.vswitch_id or "new",
            "PrivateIp": settings.private_ip or "chosen by ECS",
            "PublicAddress": _public_address(settings, plan),
            "Route": settings.route_cidr or None,
            "LoadBalancer": settings.slb_id or None,
        },
        "SecurityGroup": {
            "Name": settings.security_group,
            "Id": plan.group.group.id if plan.group else "new",
            "Open": [
                f"{rule.protocol} {rule.port_range} from {rule.source_cidr}"
                for rule in wanted_permissions(settings)
            ],
        },
        "Login": {"User": settings.ssh_user, "By": _login(settings)},
    }


def _public_address(settings: Settings, plan: Plan) -> str | None:
    if plan.eip is not None:
        return f"elastic address {plan.eip.address}"
    if settings.allocate_eip:
        return "a new elastic address"
    if settings.has_fixed_public_address:
        return f"given by ECS, {settings.bandwidth_mbps} Mbps, {settings.internet_charge_type}"
    return None


def _login(settings: Settings) -> str:
    if settings.ssh_keypair:
        return f"key pair {settings.ssh_keypair}"
    if settings.ssh_password:
        return "password, then a new key"
    return f"key {settings.ssh_keypath}" if settings.ssh_keypath else "a new key"
