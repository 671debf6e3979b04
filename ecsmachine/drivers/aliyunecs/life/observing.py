"""What an instance is now, by the options of the driver, beside what its record says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ecsmachine.aliyun.ecs import RULE_DESCRIPTION
from ecsmachine.aliyun.ecs_values import Disk, Instance, Permission
from ecsmachine.drivers.aliyunecs.life.record import Record
from ecsmachine.drivers.aliyunecs.options.comparing import as_option, option_of
from ecsmachine.drivers.aliyunecs.options.settings import DECLARATIONS
from ecsmachine.drivers.aliyunecs.options.values import PORTS
from ecsmachine.drivers.aliyunecs.resources import security_group, tags
from ecsmachine.drivers.aliyunecs.resources.state import is_expired, state_of
from ecsmachine.drivers.base import PortRange, State
from ecsmachine.drivers.changes import Observed
from ecsmachine.drivers.host_name import host_name_for
from ecsmachine.drivers.options import OptionValue

if TYPE_CHECKING:
    from ecsmachine.drivers.aliyunecs.life.shared_lookup import SharedLookup
    from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud

_NOT_OURS = (tags.PREFIX, "acs:", "aliyun")
"""How keys of tags begin that users do not give."""

EVERYBODY = "0.0.0.0/0"


def recorded(record: Record) -> dict[str, OptionValue]:
    """Return what the record says of the options, in the form in which values are compared."""
    values: dict[str, Any] = {
        field: getattr(record, field) for field, each in DECLARATIONS.items() if each.stored
    }
    values |= {"ssh_user": record.base.ssh_user, "ssh_port": record.base.ssh_port}
    values["tags"] = values["tags"] or {}
    known = {field: value for field, value in values.items() if value is not None}
    return {option_of(field): as_option(value) for field, value in known.items()}


def observed(record: Record, lookup: SharedLookup) -> Observed:
    """Return what the cloud says of a machine now. Raises as its requests do."""
    found = lookup.instance(record.instance_id) if record.instance_id else None
    if found is None:
        return Observed(gone=True, state=State.NOT_FOUND)
    rules: list[Permission] = []
    for group_id in found.security_group_ids:
        rules += lookup.permissions(group_id)
    values = {
        **_of_instance(record, found),
        **_of_address(record, found, lookup),
        **_of_surroundings(record, found, lookup),
        **_of_disks(lookup.disks(found.id), record),
        **_of_rules(record, rules),
    }
    return Observed(
        gone=False,
        state=state_of(found),
        address=found.private_address if record.private_only else found.public_address,
        values={option_of(field): as_option(value) for field, value in values.items()},
        protection=option_of("deletion_protection") if found.deletion_protection else "",
        paid_until=found.expires
        if found.charge_type == "PrePaid" and not is_expired(found)
        else "",
    )


def user_tags(found: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that are neither ours nor Alibaba Cloud's own."""
    return {key: value for key, value in found.items() if not key.startswith(_NOT_OURS)}


def recorded_ports(record: Record, rules: Iterable[Permission]) -> list[PortRange]:
    """Return the ports that were opened for a machine beside those that every machine has.

    Of a machine whose record does not say it, those of the rules that we made: they may be of
    other machines in its group.
    """
    if record.open_ports is not None:
        return list(PORTS.read(record.open_ports))
    every = security_group.every_port(record.base.ssh_port)
    return [ports for rule in _ours(rules) if (ports := _port_range(rule)) not in every]


def recorded_sources(record: Record, rules: Iterable[Permission]) -> list[str]:
    """Return the networks that may connect to a machine, as :func:`recorded_ports` does."""
    if record.source_cidrs is not None:
        return record.source_cidrs
    ssh, _ = security_group.every_port(record.base.ssh_port)
    return sorted({rule.source_cidr for rule in _ours(rules) if _port_range(rule) == ssh})


def wanted_rules(
    record: Record, ports: Iterable[PortRange], sources: Sequence[str]
) -> list[Permission]:
    """Return the rules of a machine with those further ports open to those networks."""
    every = security_group.every_port(record.base.ssh_port)
    return security_group.rules_of((*every, *ports), sources)


def _of_instance(record: Record, found: Instance) -> dict[str, Any]:
    values: dict[str, Any] = {
        "instance_type": found.instance_type,
        "image_id": found.image_id,
        "description": found.description,
        "deletion_protection": found.deletion_protection,
        "tags": user_tags(found.tags),
        "auto_release_time": whole_minutes(found.auto_release),
        "private_ip": found.private_address,
        "zone": found.zone,
        "vpc_id": found.vpc_id,
        "vswitch_id": found.vswitch_id,
        "charge_type": found.charge_type or "PostPaid",
        "spot_strategy": found.spot_strategy or "NoSpot",
    }
    if record.resource_group_id:  # else it is the account's default one, whatever that is
        values["resource_group_id"] = found.resource_group_id
    if found.host_name:
        is_default = found.host_name == host_name_for(record.base.machine_name)
        values["host_name"] = found.host_name if record.host_name or not is_default else ""
    groups = found.security_group_ids
    if record.security_group_id in groups:
        values["security_group"] = record.security_group
    elif groups:
        values["security_group"] = groups[0]
    return values


def _of_address(record: Record, found: Instance, lookup: SharedLookup) -> dict[str, Any]:
    """Return what is seen of the public address, and of the bandwidth of the one that it is."""
    bound = found.eip_allocation_id
    if record.private_only:
        return {}
    if not bound and not (record.allocate_eip or record.eip):
        return {
            "bandwidth_mbps": found.internet_max_bandwidth_mbps,
            "internet_charge_type": found.internet_charge_type,
        }
    values: dict[str, Any] = {}
    if record.eip:
        values["eip"] = record.eip if record.eip in (bound, found.eip_address) else bound
    if record.allocate_eip:
        is_known = found.eip_address == record.base.ip_address
        values["allocate_eip"] = bool(bound) and (is_known or is_own_address(lookup.cloud, found))
    if bound and (
        found.eip_bandwidth_mbps == record.bandwidth_mbps
        or (values["allocate_eip"] if record.allocate_eip else is_own_address(lookup.cloud, found))
    ):
        values["bandwidth_mbps"] = found.eip_bandwidth_mbps
    return values


def _of_surroundings(record: Record, found: Instance, lookup: SharedLookup) -> dict[str, Any]:
    """Return what is seen of the instance in what others have as well, as far as it was asked for.

    That is its role, its place behind a load balancer, and its route.
    """
    values: dict[str, Any] = {}
    if record.ram_role:
        has_role = found.id in lookup.with_ram_role(record.ram_role)
        values["ram_role"] = record.ram_role if has_role else ""
    if record.slb_id:
        is_behind = found.id in lookup.server_ids(record.slb_id)
        values["slb_id"] = record.slb_id if is_behind else ""
    if record.route_cidr:
        way = (record.route_cidr, found.id)
        there = ((each.cidr, each.next_hop_id) for each in lookup.routes(record.vpc_id))
        values["route_cidr"] = record.route_cidr if way in there else ""
    return values


def is_own_address(cloud: Cloud, found: Instance) -> bool:
    """Whether the elastic address of an instance was taken for it, and is not its user's."""
    eip = next(cloud.vpc.eips(allocation_id=found.eip_allocation_id), None)
    return eip is not None and tags.STORE in eip.tags


def _of_disks(disks: Sequence[Disk], record: Record) -> dict[str, Any]:
    """Return what is seen of the system disk, and of the data disk if the machine has one."""
    values: dict[str, Any] = {}
    system, data = system_disk(disks), data_disk(disks, record)
    if system is not None:
        values |= {
            "system_disk_size_gib": system.size_gib,
            "system_disk_category": system.category,
        }
    if data is not None:
        values |= {"disk_size_gib": data.size_gib, "disk_category": data.category}
    elif record.disk_size_gib:
        values["disk_size_gib"] = 0
    return values


def system_disk(disks: Iterable[Disk]) -> Disk | None:
    """Return the system disk among the disks of an instance."""
    return next((disk for disk in disks if disk.kind == "system"), None)


def data_disk(disks: Iterable[Disk], record: Record) -> Disk | None:
    """Return the data disk that was made with a machine, among the disks of its instance."""
    if not record.disk_size_gib:
        return None
    data = [disk for disk in disks if disk.kind == "data"]
    known = [disk for disk in data if disk.serial and disk.serial == record.data_disk_serial]
    return next(iter(known or ([] if record.data_disk_serial else data)), None)


def _of_rules(record: Record, rules: Sequence[Permission]) -> dict[str, Any]:
    """Return which of the ports that shall be open are so, and to whom."""
    ports, sources = recorded_ports(record, rules), recorded_sources(record, rules)

    def is_open(each: PortRange, cidr: str) -> bool:
        wanted = security_group.rules_of([each], [cidr])
        return not security_group.missing_permissions(rules, wanted)

    every = security_group.every_port(record.base.ssh_port)
    admitted = [c for c in sources if all(is_open(each, c) for each in every)]
    return {
        "open_ports": tuple(each for each in ports if all(is_open(each, c) for c in sources)),
        "source_cidrs": tuple(admitted),
    }


def _ours(rules: Iterable[Permission]) -> list[Permission]:
    """Return the rules that we made for machines, and not for members of a Swarm."""
    return [
        rule
        for rule in rules
        if rule.description == RULE_DESCRIPTION
        and rule.direction == "ingress"
        and rule.source_cidr
        and not rule.source_cidr.endswith("/32")
    ]


def _port_range(rule: Permission) -> PortRange:
    first, last = security_group.ports_of(rule)
    return PortRange(rule.protocol, max(first, 1), last)


def whole_minutes(time: str) -> str:
    """Return a time as it is asked for, of one that DescribeInstances tells without seconds."""
    return time if time.count(":") != 1 else f"{time.removesuffix('Z')}:00Z"
