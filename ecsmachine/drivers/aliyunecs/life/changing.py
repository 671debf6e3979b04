"""Bringing an instance that is there to other values of the driver's options.

Each change looks at what is so, asks for what is missing, and leaves the record for last: one that
was cut off is given again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ecsmachine.aliyun import ecs_changes
from ecsmachine.aliyun.ecs_values import Disk, InstanceStatus
from ecsmachine.aliyun.error_codes import Meaning
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.drivers.aliyunecs.life import changing_network as network
from ecsmachine.drivers.aliyunecs.life import observing
from ecsmachine.drivers.aliyunecs.life.in_place import Changing, Subject
from ecsmachine.drivers.aliyunecs.life.power import expire
from ecsmachine.drivers.aliyunecs.life.pricing import cost_of
from ecsmachine.drivers.aliyunecs.life.record import as_stored
from ecsmachine.drivers.aliyunecs.options.comparing import FIELDS_BY_OPTION, read_value
from ecsmachine.drivers.aliyunecs.options.settings import DECLARATIONS
from ecsmachine.drivers.aliyunecs.resources.asking import ask_once
from ecsmachine.drivers.aliyunecs.resources.ledger import stored_ledger
from ecsmachine.drivers.changes import HostWork
from ecsmachine.drivers.host_name import host_name_for
from ecsmachine.drivers.options import OptionValue
from ecsmachine.polling import polls

_RESIZED_TIMEOUT_S = 60.0


def change(changing: Changing, option: str, value: OptionValue) -> HostWork:
    """Bring a machine to a value that was checked; see ``changes.Changeable``."""
    field, wanted = FIELDS_BY_OPTION[option], read_value(option, value)
    how, record = CHANGES[field], changing.record
    how.make(changing, wanted)
    if DECLARATIONS[field].option.priced:
        _note_price(changing)
    if hasattr(record, field):
        setattr(record, field, as_stored(wanted))
    return how.left


def check(subject: Subject, option: str, value: OptionValue) -> None:
    """Raise :class:`MachineError` for a change that would be refused, before anything is done."""
    field, wanted = FIELDS_BY_OPTION[option], read_value(option, value)
    if field not in CHANGES:
        raise subject.refusal(
            f"--{option} can only be given at create", "Make a new machine with the other value."
        )
    CHANGES[field].check(subject, wanted)


def _description(changing: Changing, wanted: str) -> None:
    if wanted and changing.found.description != wanted:
        _set(changing, "Description", wanted)


def _host_name(changing: Changing, wanted: str) -> None:
    name = wanted or host_name_for(changing.name)
    if changing.found.host_name != name:
        _set(changing, "HostName", name)


def _check_host_name(subject: Subject, wanted: str) -> None:
    if subject.found.status != InstanceStatus.RUNNING:
        raise subject.refusal(
            f"it is {subject.found.status}, and only a running host can be renamed",
            f'Start it first: "ecsmachine start {subject.name}".',
        )


def _deletion_protection(changing: Changing, wanted: bool) -> None:
    if changing.found.deletion_protection is not wanted:
        _set(changing, "DeletionProtection", wanted)


def _set(changing: Changing, attribute: str, value: str | bool) -> None:
    ecs_changes.set_attribute(changing.cloud.ecs, changing.found.id, attribute, value)


def _ram_role(changing: Changing, wanted: str) -> None:
    ecs, found = changing.cloud.ecs, changing.found

    def give(role: str) -> None:
        ask_once(
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


def _instance_type(changing: Changing, wanted: str) -> None:
    ecs, found = changing.cloud.ecs, changing.found

    def is_so() -> bool:
        now = ecs.instance(found.id)
        return now is not None and now.instance_type == wanted

    if found.instance_type != wanted:
        ask_once(lambda: ecs_changes.set_instance_type(ecs, found.id, wanted), is_so)


def _check_instance_type(subject: Subject, wanted: str) -> None:
    ecs, found = subject.cloud.ecs, subject.found
    if found.instance_type == wanted:
        return
    subject.check_not_prepaid("its type")
    if found.spot_strategy not in ("", "NoSpot"):
        raise subject.refusal(
            "ECS cannot change the type of a spot instance", "Make a new machine."
        )
    kinds = {kind.id: kind for kind in ecs.instance_types([wanted, found.instance_type])}
    if wanted not in kinds:
        raise subject.refusal(
            f'there is no instance type "{wanted}" in {ecs.region}',
            "Choose another type (aliyunecs-instance-type).",
        )
    former = kinds.get(found.instance_type)
    if former is not None and former.architecture != kinds[wanted].architecture:
        raise subject.refusal(
            f"{wanted} is {kinds[wanted].architecture}, but the machine's system is "
            f"{former.architecture}",
            "Choose a type of the same architecture, or make a new machine.",
        )
    offers = ecs.offers("InstanceType", zone=found.zone, instance_type=wanted)
    if not any(each.value == wanted and each.available for each in offers):
        raise subject.refusal(
            f"{wanted} is not available in zone {found.zone}",
            "Choose another type (aliyunecs-instance-type).",
        )


def _grow(changing: Changing, kind: str, wanted: int) -> None:
    disk = _disk(changing, kind)
    if disk.size_gib < wanted:
        ecs, running = changing.cloud.ecs, changing.found.status == InstanceStatus.RUNNING
        token = f"{disk.id}-{disk.size_gib}-{wanted}-{int(time.time())}"
        changing.report(f"Growing disk {disk.id} from {disk.size_gib} to {wanted} GiB...")
        ask_once(
            lambda: ecs_changes.resize_disk(ecs, disk.id, wanted, online=running, token=token),
            lambda: _now(changing, disk).size_gib >= wanted,
        )
        for _ in polls(_RESIZED_TIMEOUT_S):
            if _now(changing, disk).size_gib >= wanted:
                break


def _check_growth(subject: Subject, kind: str, wanted: int) -> None:
    disk = _disk(subject, kind)
    if wanted < disk.size_gib:
        raise subject.refusal(
            f"disk {disk.id} has {disk.size_gib} GiB, and cannot shrink to {wanted}",
            f"Ask for at least {disk.size_gib}, or make a new machine.",
        )
    if subject.found.status != InstanceStatus.RUNNING:
        raise subject.refusal(
            f"it is {subject.found.status}, and only a running host can grow its file system",
            f'Start it first: "ecsmachine start {subject.name}".',
        )


def _category(changing: Changing, kind: str, wanted: str) -> None:
    ecs, disk = changing.cloud.ecs, _disk_of_another(changing, kind, wanted)
    if disk is not None:
        changing.report(f"Changing disk {disk.id} from {disk.category} to {wanted}...")
        ask_once(
            lambda: ecs_changes.set_disk_category(ecs, disk.id, wanted),
            lambda: _now(changing, disk).category == wanted,
        )


def _check_category(subject: Subject, kind: str, wanted: str) -> None:
    disk = _disk_of_another(subject, kind, wanted)
    if disk is None:
        return
    subject.check_not_prepaid("its disks")
    try:
        ecs_changes.check_disk_category(subject.cloud.ecs, disk.id, wanted)
    except ApiError as error:
        if error.meaning not in (Meaning.NO_DISK, Meaning.INVALID_VALUE, Meaning.OTHER):
            raise  # it says nothing of the category
        raise subject.refusal(
            f"ECS does not make {wanted} of disk {disk.id}, which is {disk.category}: "
            f"{error.reason}",
            "Choose another category, or make a new machine.",
        ) from error


def _disk_of_another(subject: Subject, kind: str, category: str) -> Disk | None:
    """Return the disk that is to change its category, or None if there is nothing to change."""
    if not category or (kind == "data" and not subject.record.disk_size_gib):
        return None
    disk = _disk(subject, kind)
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
    """Write down what the machine costs from now on, if the cloud tells it."""
    record, ecs = changing.record, changing.cloud.ecs
    ledger = stored_ledger(record.cost)
    if ledger is not None:
        found = ecs.instance(changing.found.id) or changing.found
        cost = cost_of(changing.cloud, found, io_optimized=record.io_optimized)
        if cost is not None:
            record.cost = ledger.at_price(cost.hour, cost.stopped_hour).as_texts()


def _disk(subject: Subject, kind: str) -> Disk:
    """Return the system disk, or the data disk that was made with the machine."""
    disks = subject.disks()
    own = observing.data_disk(disks, subject.record)
    disk = observing.system_disk(disks) if kind == "system" else own
    if disk is None:
        raise subject.refusal(f"it has no separate {kind} disk", "Make a new machine.")
    return disk


def _now(changing: Changing, disk: Disk) -> Disk:
    """Return a disk as it is now; as it was, where it is gone."""
    return next((each for each in _disks_now(changing) if each.id == disk.id), disk)


def _disks_now(changing: Changing) -> list[Disk]:
    return list(changing.cloud.ecs.disks(instance_id=changing.found.id))


def _nothing(subject: Subject, wanted: Any) -> None:
    """Do, or refuse, nothing."""


@dataclass(frozen=True)
class _Change:
    """How a machine comes to the value of an option, and what is looked at before that.

    ``left`` is what is then to be done on the host.
    """

    make: Callable[[Changing, Any], None]
    check: Callable[[Subject, Any], None] = _nothing
    left: HostWork = HostWork.NONE


def _growth(kind: str, left: HostWork) -> _Change:
    return _Change(
        lambda changing, wanted: _grow(changing, kind, wanted),
        lambda subject, wanted: _check_growth(subject, kind, wanted),
        left,
    )


def _other_category(kind: str) -> _Change:
    return _Change(
        lambda changing, wanted: _category(changing, kind, wanted),
        lambda subject, wanted: _check_category(subject, kind, wanted),
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
    "allocate_eip": _Change(network.change_own_eip, network.check_eip, HostWork.PROVISION),
    "eip": _Change(network.change_eip, network.check_eip, HostWork.PROVISION),
    "bandwidth_mbps": _Change(network.change_bandwidth, network.check_bandwidth),
    "internet_charge_type": _Change(network.change_charge_type, network.check_charge_type),
    "route_cidr": _Change(network.change_route, network.check_route),
    "slb_id": _Change(network.change_balancer, network.check_balancer),
    "security_group": _Change(network.change_group, network.check_group, HostWork.MEMBER_PORTS),
    "open_ports": _Change(lambda changing, wanted: network.change_rules(changing, ports=wanted)),
    "source_cidrs": _Change(
        lambda changing, wanted: network.change_rules(changing, sources=wanted)
    ),
    "resource_group_id": _Change(_resource_group),
    "system_disk_category": _other_category("system"),
    "disk_category": _other_category("data"),
    "system_disk_size_gib": _growth("system", HostWork.GROW_SYSTEM_DISK),
    "disk_size_gib": _growth("data", HostWork.GROW_DATA_DISK),
}
"""By the field of the settings."""
