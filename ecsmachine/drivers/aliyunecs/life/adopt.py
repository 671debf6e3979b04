"""Taking over an instance that carries our tags: its record and its journal, from the cloud."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ecsmachine.aliyun.ecs_values import Instance
from ecsmachine.drivers.aliyunecs.life import tagged
from ecsmachine.drivers.aliyunecs.life.create import note
from ecsmachine.drivers.aliyunecs.life.driver import AliyunEcsDriver
from ecsmachine.drivers.aliyunecs.life.observing import user_tags, whole_minutes
from ecsmachine.drivers.aliyunecs.life.pricing import cost_of
from ecsmachine.drivers.aliyunecs.life.record import new_record
from ecsmachine.drivers.aliyunecs.life.remove import SHARED_KINDS
from ecsmachine.drivers.aliyunecs.options.reading import settings_of
from ecsmachine.drivers.aliyunecs.resources import (
    eip,
    instance,
    key_pair,
    network,
    security_group,
    tags,
)
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.aliyunecs.resources.ledger import begun_ledger
from ecsmachine.drivers.base import DriverContext, Journal
from ecsmachine.drivers.host_name import host_name_for
from ecsmachine.drivers.options import OptionValue
from ecsmachine.drivers.tagged import TaggedResource
from ecsmachine.errors import MachineError

if TYPE_CHECKING:
    from ecsmachine.drivers.aliyunecs.life.record import Record

_PASSWORD = "aliyunecs-ssh-password"  # noqa: S105  (the name of the option)


def adopt(
    cloud: Cloud,
    owner: TaggedResource,
    others: Iterable[TaggedResource],
    context: DriverContext,
    values: Mapping[str, OptionValue],
    journal: Journal,
) -> AliyunEcsDriver:
    """Return the driver of a machine whose computer is the instance ``owner``.

    ``others`` is all that carries our tags. What belongs to the instance is written into the
    journal, in the order in which a create would have made it.
    """
    found = cloud.ecs.instance(owner.id)
    if found is None:
        raise MachineError(
            f"Instance {owner.id} no longer exists",
            hint='"ecsmachine adopt" without a name lists those that exist.',
        )
    password = str(values.get(_PASSWORD) or "")
    # the password need not be one that ECS would take: it may have been changed on the host
    settings = settings_of({**values, _PASSWORD: ""})
    record = new_record(context, settings, cloud.credentials.reference)
    record.region = cloud.region
    record.account_id = cloud.sts.account_id()
    _describe(cloud, record, found)
    names = (owner.machine_name, context.machine_name)
    if found.host_name not in map(host_name_for, names):  # it was chosen
        record.host_name = found.host_name
    if settings.ssh_keypath is not None:
        from ecsmachine.drivers.login_key import check_login_key, copy_login_key

        record.public_key = check_login_key(settings.ssh_keypath, "--ssh-key", context.passphrases)
        copy_login_key(
            settings.ssh_keypath, record.public_key, context.directory, context.passphrases
        )
    else:
        from ecsmachine.ssh.keys import ensure_key_pair

        record.public_key = ensure_key_pair(
            context.directory / "id_rsa", f"ecsmachine-{context.machine_name}"
        )
    _record_all(cloud, record, owner, found, list(others), journal)
    return AliyunEcsDriver(context, record, cloud=cloud, password=password)


def mark(cloud: Cloud, context: DriverContext, journal: Journal, *, shared: bool) -> None:
    """Tag what the journal lists as the machine's; with ``shared`` also what several use."""
    own = tags.machine_tags(context, journal.create_id)
    for resource in journal.resources():
        wanted = tags.shared_tags(context) if resource.kind in SHARED_KINDS else own
        if resource.id is None or (resource.kind in SHARED_KINDS and not shared):
            continue
        if resource.kind in _ECS_TYPES:
            cloud.ecs.tag(_ECS_TYPES[resource.kind], [resource.id], wanted)
        elif resource.kind in _VPC_TYPES:
            cloud.vpc.tag(_VPC_TYPES[resource.kind], resource.id, wanted)


_ECS_TYPES = {
    instance.KIND: "instance",
    key_pair.KIND: "keypair",
    key_pair.SHARED_KIND: "keypair",
    security_group.KIND: "securitygroup",
}
_VPC_TYPES = {eip.KIND: "EIP", network.VPC_KIND: "VPC", network.VSWITCH_KIND: "VSWITCH"}
"""What TagResources of ECS and of VPC call the kinds."""


def _describe(cloud: Cloud, record: Record, found: Instance) -> None:
    """Fill in the record what the cloud knows of the instance."""
    record.instance_id = found.id
    record.instance_type = found.instance_type
    record.ssh_keypair = found.key_pair_name
    record.internet_charge_type = found.internet_charge_type or record.internet_charge_type
    record.bandwidth_mbps = found.eip_bandwidth_mbps or found.internet_max_bandwidth_mbps
    record.description = found.description
    record.auto_release_time = whole_minutes(found.auto_release)
    record.resource_group_id = found.resource_group_id
    # one that was stopped without charge has given its address back, and gets another
    is_public = bool(found.public_address or found.internet_max_bandwidth_mbps)
    record.private_only = record.private_only or not is_public
    record.tags = user_tags(found.tags) or None
    # whose the rules of its group are is not known, nor who has asked for its address and role
    record.open_ports = record.source_cidrs = None
    record.allocate_eip = record.eip = record.ram_role = None
    groups = found.security_group_ids
    if groups:
        record.security_group_id = groups[0]
        group = next(cloud.ecs.security_groups(group_id=groups[0]), None)
        record.security_group = group.name if group else ""
    for disk in cloud.ecs.disks(instance_id=found.id):
        if disk.kind == "data" and not record.disk_size_gib:
            record.disk_size_gib = disk.size_gib
            record.disk_category = disk.category
            record.data_disk_serial = disk.serial
        elif disk.kind == "system":
            record.system_disk_size_gib = disk.size_gib
            record.system_disk_category = disk.category
    cost = cost_of(cloud, found, io_optimized=record.io_optimized)
    record.cost = begun_ledger(cost).as_texts() if cost else None
    note(record, found)


def _record_all(
    cloud: Cloud,
    record: Record,
    owner: TaggedResource,
    found: Instance,
    others: list[TaggedResource],
    journal: Journal,
) -> None:
    used = {record.vpc_id, record.vswitch_id, *found.security_group_ids}
    for kind in (network.VPC_KIND, security_group.KIND):
        _record(journal, (each for each in others if each.kind == kind and each.id in used))
    own = [each for each in others if each.create_id and each.create_id == owner.create_id]
    _record(journal, (each for each in own if each.kind == key_pair.KIND))
    pairs = (each for each in others if each.kind == key_pair.SHARED_KIND)
    _record(journal, (each for each in pairs if each.id == found.key_pair_name))
    _record(
        journal, (each for each in others if each.kind == network.VSWITCH_KIND and each.id in used)
    )
    _record(journal, [owner])
    _record(journal, (each for each in own if each.kind == eip.KIND))
    attached = list(tagged.attached_to(cloud, owner))
    _record(journal, attached)
    for each in attached:
        record.route_cidr = each.details.get("cidr", record.route_cidr)
        record.slb_id = each.details.get("slb", record.slb_id)


def _record(journal: Journal, found: Iterable[TaggedResource]) -> None:
    for each in found:
        details = {"region": each.region, **each.details}
        known = next((one for one in journal.resources() if (one.kind, one.id) == each.key), None)
        if known is None:
            journal.made(journal.intend(each.kind, **details), each.id)
