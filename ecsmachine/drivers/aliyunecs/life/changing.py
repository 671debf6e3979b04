"""Bringing an instance that is there to other values of the driver's options.

Each change looks at what is so, asks for what is missing, and leaves the record for last: one that
was cut off is given again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecsmachine.aliyun import ecs_changes
from ecsmachine.aliyun.ecs_values import Disk, Instance, InstanceStatus
from ecsmachine.aliyun.error_codes import Meaning
from ecsmachine.aliyun.errors import ApiError, ConnectionLostError
from ecsmachine.aliyun.rpc import Parameter
from ecsmachine.drivers.aliyunecs.life import observing
from ecsmachine.drivers.aliyunecs.life.power import expire
from ecsmachine.drivers.aliyunecs.life.record import Record, as_stored
from ecsmachine.drivers.aliyunecs.life.shared_lookup import SharedLookup
from ecsmachine.drivers.aliyunecs.options.comparing import FIELDS_BY_OPTION, read_value
from ecsmachine.drivers.aliyunecs.options.settings import DECLARATIONS
from ecsmachine.drivers.aliyunecs.resources import security_group, tags
from ecsmachine.drivers.aliyunecs.resources.asking import when_not_busy
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.aliyunecs.resources.cost import Cost
from ecsmachine.drivers.aliyunecs.resources.instance import disks_as_parameters
from ecsmachine.drivers.aliyunecs.resources.ledger import stored_ledger
from ecsmachine.drivers.base import DriverContext, PortRange, Report
from ecsmachine.drivers.changes import HostWork
from ecsmachine.drivers.host_name import host_name_for
from ecsmachine.drivers.options import OptionValue
from ecsmachine.errors import MachineError
from ecsmachine.polling import polls

_RESIZED_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Changing:
    """A machine that is changed, as it was found; ``others`` may share its security group.

    ``disks`` returns those that it had then.
    """

    cloud: Cloud
    context: DriverContext
    record: Record
    found: Instance
    disks: Callable[[], Sequence[Disk]]
    report: Report
    others: Callable[[], Sequence[Record]]
    save: Callable[[], None]

    @property
    def name(self) -> str:
        """The machine's name."""
        return self.context.machine_name

    def refusal(self, reason: str, hint: str) -> MachineError:
        """Return the error for a change that cannot be made."""
        return MachineError(f'Machine "{self.name}" cannot be changed: {reason}', hint=hint)


def change(changing: Changing, option: str, value: OptionValue) -> HostWork:
    """Bring a machine to a value that was checked; see ``changes.Changeable``."""
    field, wanted = FIELDS_BY_OPTION[option], read_value(option, value)
    how, record = CHANGES[field], changing.record
    how.make(changing, wanted)
    if hasattr(record, field):
        if DECLARATIONS[field].option.priced:
            _note_price(changing)
        setattr(record, field, as_stored(wanted))
    return how.left


def check(changing: Changing, option: str, value: OptionValue) -> None:
    """Raise :class:`MachineError` for a change that would be refused, before anything is done."""
    field, wanted = FIELDS_BY_OPTION[option], read_value(option, value)
    if field not in CHANGES:
        raise changing.refusal(
            f"--{option} can only be given at create", "Make a new machine with the other value."
        )
    CHANGES[field].check(changing, wanted)


def _ask_once(ask: Callable[[], None], is_so: Callable[[], bool]) -> None:
    """Ask for a change that is refused where it is so already.

    After a connection that broke it was asked for again, and may have been made before.
    """
    try:
        when_not_busy(ask)
    except ApiError:
        if not is_so():
            raise


def _description(changing: Changing, wanted: str) -> None:
    if wanted and changing.found.description != wanted:
        _set(changing, "Description", wanted)


def _host_name(changing: Changing, wanted: str) -> None:
    name = wanted or host_name_for(changing.name)
    if changing.found.host_name != name:
        _set(changing, "HostName", name)


def _check_host_name(changing: Changing, wanted: str) -> None:
    if changing.found.status != InstanceStatus.RUNNING:
        raise changing.refusal(
            f"it is {changing.found.status}, and only a running host can be renamed",
            f'Start it first: "ecsmachine start {changing.name}".',
        )


def _deletion_protection(changing: Changing, wanted: bool) -> None:
    if changing.found.deletion_protection is not wanted:
        _set(changing, "DeletionProtection", wanted)


def _set(changing: Changing, attribute: str, value: str | bool) -> None:
    ecs_changes.set_attribute(changing.cloud.ecs, changing.found.id, attribute, value)


def _ram_role(changing: Changing, wanted: str) -> None:
    ecs, found = changing.cloud.ecs, changing.found

    def give(role: str) -> None:
        _ask_once(
            lambda: ecs_changes.set_ram_role(ecs, found.id, role),
            lambda: ecs_changes.ram_role(ecs, found.id) == role,
        )

    former = ecs_changes.ram_role(ecs, found.id)
    if former != wanted:
        if former and wanted:
            give("")
        give(wanted)


def _auto_release_time(changing: Changing, wanted: str) -> None:
    expire(changing.cloud, changing.found.id, wanted)


def _tags(changing: Changing, wanted: Mapping[str, str]) -> None:
    ecs, found = changing.cloud.ecs, changing.found
    there = observing.user_tags(found.tags)
    unwanted = [key for key in there if key not in wanted]
    missing = {key: value for key, value in wanted.items() if there.get(key) != value}
    # a resource has 20 tags at most: the former go first
    for start in range(0, len(unwanted), 20):
        ecs_changes.untag(ecs, "instance", found.id, unwanted[start : start + 20])
    if missing:
        ecs.tag("instance", [found.id], missing)


def _change_rules(
    changing: Changing,
    *,
    ports: Sequence[PortRange] | None = None,
    sources: Sequence[str] | None = None,
) -> None:
    """Open what is missing, then close what only this machine had open."""
    cloud, record = changing.cloud, changing.record
    group_id = record.security_group_id
    with changing.context.shared_lock(f"security group {group_id}"):
        present = cloud.ecs.permissions(group_id)
        former_ports = observing.recorded_ports(record, present)
        former_sources = observing.recorded_sources(record, present) or [observing.EVERYBODY]
        ports = former_ports if ports is None else ports
        sources = former_sources if sources is None else sources
        former = observing.wanted_rules(record, former_ports, former_sources)
        wanted = observing.wanted_rules(record, ports, sources)
        stale = [rule for rule in former if rule not in wanted]
        # one that is closed afterwards may be all that lets in what is wanted
        staying = security_group.without(present, stale)
        security_group.open_ports(cloud, group_id, staying, wanted, changing.report)
        if stale:
            _close(changing, group_id, stale)
        record.open_ports = [str(each) for each in ports]
        record.source_cidrs = list(sources)
        changing.save()  # before another machine in the group looks at what this one needs


def _close(changing: Changing, group_id: str, stale: Sequence[Any]) -> None:
    """Close ports that no other machine in the group has open."""
    cloud = changing.cloud
    sharing = [one for one in changing.others() if one.security_group_id == group_id]
    known = {one.instance_id for one in sharing if one.open_ports is not None}
    unknown = [
        each
        for each in cloud.ecs.instances(security_group_id=group_id)
        if each.id not in known | {changing.found.id} and tags.STORE in each.tags
    ]
    if unknown:
        changing.report(
            f"The ports of security group {group_id} stay open: the group also holds instance "
            f"{unknown[0].id}, and this store does not know which ports it needs"
        )
        return
    needed = [
        rule
        for one in sharing
        for rule in observing.wanted_rules(
            one, observing.recorded_ports(one, ()), observing.recorded_sources(one, ())
        )
    ]
    unneeded = [rule for rule in stale if rule not in needed]
    security_group.close_ports(cloud, group_id, cloud.ecs.permissions(group_id), unneeded)


def _bandwidth(changing: Changing, wanted: int) -> None:
    found = changing.found
    if found.eip_allocation_id:
        if found.eip_bandwidth_mbps != wanted:
            vpc = changing.cloud.vpc
            when_not_busy(lambda: vpc.set_eip_bandwidth(found.eip_allocation_id, wanted))
    elif found.internet_max_bandwidth_mbps != wanted:
        ecs_changes.set_network(changing.cloud.ecs, found.id, bandwidth_mbps=wanted)


def _check_bandwidth(changing: Changing, wanted: int) -> None:
    found, record = changing.found, changing.record
    if record.private_only or not wanted:
        raise changing.refusal(
            "a machine gets its public address only at create", "Make a new machine."
        )
    if not found.eip_allocation_id:
        _check_not_prepaid(changing, "its bandwidth")
    elif found.eip_bandwidth_mbps != wanted and not observing.is_own_address(
        SharedLookup(lambda: changing.cloud, ()), found
    ):
        raise changing.refusal(
            f"its elastic address {found.eip_address} was not made with the machine",
            "Change the bandwidth where you made the address.",
        )


def _charge_type(changing: Changing, wanted: str) -> None:
    found = changing.found
    if found.internet_charge_type != wanted:
        ecs_changes.set_network(changing.cloud.ecs, found.id, charge_type=wanted)


def _check_charge_type(changing: Changing, wanted: str) -> None:
    if changing.record.private_only:
        return
    if changing.found.eip_allocation_id:
        raise changing.refusal("an elastic address keeps its charge type", "Make a new machine.")
    _check_not_prepaid(changing, "its bandwidth")


def _check_not_prepaid(changing: Changing, what: str) -> None:
    if changing.found.charge_type == "PrePaid":
        raise changing.refusal(
            f"it is a subscription, and {what} with it", "Change it in the ECS console."
        )


def _instance_type(changing: Changing, wanted: str) -> None:
    ecs, found = changing.cloud.ecs, changing.found

    def is_so() -> bool:
        now = ecs.instance(found.id)
        return now is not None and now.instance_type == wanted

    if found.instance_type != wanted:
        _ask_once(lambda: ecs_changes.set_instance_type(ecs, found.id, wanted), is_so)


def _check_instance_type(changing: Changing, wanted: str) -> None:
    ecs, found = changing.cloud.ecs, changing.found
    if found.instance_type == wanted:
        return
    _check_not_prepaid(changing, "its type")
    if found.spot_strategy not in ("", "NoSpot"):
        raise changing.refusal(
            "ECS cannot change the type of a spot instance", "Make a new machine."
        )
    kinds = {kind.id: kind for kind in ecs.instance_types([wanted, found.instance_type])}
    if wanted not in kinds:
        raise changing.refusal(
            f'there is no instance type "{wanted}" in {ecs.region}',
            "Choose another type (aliyunecs-instance-type).",
        )
    former = kinds.get(found.instance_type)
    if former is not None and former.architecture != kinds[wanted].architecture:
        raise changing.refusal(
            f"{wanted} is {kinds[wanted].architecture}, but the machine's system is "
            f"{former.architecture}",
            "Choose a type of the same architecture, or make a new machine.",
        )
    offers = ecs.offers("InstanceType", zone=found.zone, instance_type=wanted)
    if not any(each.value == wanted and each.available for each in offers):
        raise changing.refusal(
            f"{wanted} is not available in zone {found.zone}",
            "Choose another type (aliyunecs-instance-type).",
        )


def _grow(changing: Changing, kind: str, wanted: int) -> None:
    disk = _disk(changing, kind)
    if disk.size_gib < wanted:
        ecs, running = changing.cloud.ecs, changing.found.status == InstanceStatus.RUNNING
        token = f"{disk.id}-{disk.size_gib}-{wanted}-{int(time.time())}"
        changing.report(f"Growing disk {disk.id} from {disk.size_gib} to {wanted} GiB...")
        _ask_once(
            lambda: ecs_changes.resize_disk(ecs, disk.id, wanted, online=running, token=token),
            lambda: _now(changing, disk).size_gib >= wanted,
        )
        for _ in polls(_RESIZED_TIMEOUT_S):
            if _now(changing, disk).size_gib >= wanted:
                break


def _check_growth(changing: Changing, kind: str, wanted: int) -> None:
    disk = _disk(changing, kind)
    if wanted < disk.size_gib:
        raise changing.refusal(
            f"disk {disk.id} has {disk.size_gib} GiB, and cannot shrink to {wanted}",
            f"Ask for at least {disk.size_gib}, or make a new machine.",
        )
    if changing.found.status != InstanceStatus.RUNNING:
        raise changing.refusal(
            f"it is {changing.found.status}, and only a running host can grow its file system",
            f'Start it first: "ecsmachine start {changing.name}".',
        )


def _category(changing: Changing, kind: str, wanted: str) -> None:
    ecs, disk = changing.cloud.ecs, _disk_of_another(changing, kind, wanted)
    if disk is not None:
        changing.report(f"Changing disk {disk.id} from {disk.category} to {wanted}...")
        _ask_once(
            lambda: ecs_changes.set_disk_category(ecs, disk.id, wanted),
            lambda: _now(changing, disk).category == wanted,
        )


def _check_category(changing: Changing, kind: str, wanted: str) -> None:
    disk = _disk_of_another(changing, kind, wanted)
    if disk is None:
        return
    _check_not_prepaid(changing, "its disks")
    try:
        ecs_changes.check_disk_category(changing.cloud.ecs, disk.id, wanted)
    except ApiError as error:
        if error.meaning not in (Meaning.NO_DISK, Meaning.INVALID_VALUE, Meaning.OTHER):
            raise  # it says nothing of the category
        raise changing.refusal(
            f"ECS does not make {wanted} of disk {disk.id}, which is {disk.category}: "
            f"{error.reason}",
            "Choose another category, or make a new machine.",
        ) from error


def _disk_of_another(changing: Changing, kind: str, category: str) -> Disk | None:
    """Return the disk that is to change its category, or None if there is nothing to change."""
    if not category or (kind == "data" and not changing.record.disk_size_gib):
        return None
    disk = _disk(changing, kind)
    return None if disk.category == category else disk


def _resource_group(changing: Changing, wanted: str) -> None:
    ecs, found = changing.cloud.ecs, changing.found
    if not wanted:
        return
    for disk in changing.disks():
        if disk.resource_group_id == found.resource_group_id != wanted:
            ecs_changes.set_resource_group(ecs, "disk", disk.id, wanted)
    if found.resource_group_id != wanted:
        ecs_changes.set_resource_group(ecs, "instance", found.id, wanted)


def _note_price(changing: Changing) -> None:
    """Write down what the machine costs from now on, if the cloud tells it (DescribePrice)."""
    cloud, record = changing.cloud, changing.record
    ledger = stored_ledger(record.cost)
    if ledger is None or changing.found.charge_type == "PrePaid":
        return
    try:
        found = cloud.ecs.instance(changing.found.id) or changing.found
        price = cloud.ecs.price("instance", _priced(changing, found))
    except (ApiError, ConnectionLostError):
        return
    if price is not None:
        cost = Cost(price, elastic=bool(found.eip_allocation_id))
        record.cost = ledger.at_price(cost.hour, cost.stopped_hour).as_texts()


def _priced(changing: Changing, found: Instance) -> dict[str, Parameter]:
    """Return an instance with its disks and address as parameters of DescribePrice."""
    parameters: dict[str, Parameter] = {
        "ImageId": found.image_id,
        "InstanceType": found.instance_type,
        "IoOptimized": "optimized" if changing.record.io_optimized else "none",
        "ZoneId": found.zone,
        "InternetChargeType": found.internet_charge_type,
        # that of an elastic address costs what that of a fixed one does
        "InternetMaxBandwidthOut": found.eip_bandwidth_mbps or found.internet_max_bandwidth_mbps,
    }
    if found.spot_strategy not in ("", "NoSpot"):
        parameters["SpotStrategy"] = found.spot_strategy
    return parameters | disks_as_parameters(_disks_now(changing))


def _disk(changing: Changing, kind: str) -> Disk:
    """Return the system disk, or the data disk that was made with the machine."""
    disks = changing.disks()
    own = observing.data_disk(disks, changing.record)
    disk = observing.system_disk(disks) if kind == "system" else own
    if disk is None:
        raise changing.refusal(f"it has no separate {kind} disk", "Make a new machine.")
    return disk


def _now(changing: Changing, disk: Disk) -> Disk:
    """Return a disk as it is now; as it was, where it is gone."""
    return next((each for each in _disks_now(changing) if each.id == disk.id), disk)


def _disks_now(changing: Changing) -> list[Disk]:
    return list(changing.cloud.ecs.disks(instance_id=changing.found.id))


def _nothing(changing: Changing, wanted: Any) -> None:
    """Do, or refuse, nothing."""


@dataclass(frozen=True)
class _Change:
    """How a machine comes to the value of an option, and what is looked at before that.

    ``left`` is what is then to be done on the host.
    """

    make: Callable[[Changing, Any], None]
    check: Callable[[Changing, Any], None] = _nothing
    left: HostWork = HostWork.NONE


def _growth(kind: str, left: HostWork) -> _Change:
    return _Change(
        lambda changing, wanted: _grow(changing, kind, wanted),
        lambda changing, wanted: _check_growth(changing, kind, wanted),
        left,
    )


def _other_category(kind: str) -> _Change:
    return _Change(
        lambda changing, wanted: _category(changing, kind, wanted),
        lambda changing, wanted: _check_category(changing, kind, wanted),
    )


CHANGES: dict[str, _Change] = {
    "vpc_internal": _Change(_nothing),  # how the API is reached is in the record alone
    "instance_type": _Change(_instance_type, _check_instance_type),
    "host_name": _Change(_host_name, _check_host_name, HostWork.PROVISION),
    "description": _Change(_description),
    "auto_release_time": _Change(_auto_release_time),
    "deletion_protection": _Change(_deletion_protection),
    "tags": _Change(_tags),
    "ram_role": _Change(_ram_role),
    "bandwidth_mbps": _Change(_bandwidth, _check_bandwidth),
    "internet_charge_type": _Change(_charge_type, _check_charge_type),
    "open_ports": _Change(lambda changing, wanted: _change_rules(changing, ports=wanted)),
    "source_cidrs": _Change(lambda changing, wanted: _change_rules(changing, sources=wanted)),
    "resource_group_id": _Change(_resource_group),
    "system_disk_category": _other_category("system"),
    "disk_category": _other_category("data"),
    "system_disk_size_gib": _growth("system", HostWork.GROW_SYSTEM_DISK),
    "disk_size_gib": _growth("data", HostWork.GROW_DATA_DISK),
}
"""By the field of the settings."""
