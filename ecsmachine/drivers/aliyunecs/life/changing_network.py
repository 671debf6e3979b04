"""Changes in place of how an instance is reached: its security group, ports and address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ecsmachine.aliyun import ecs_changes
from ecsmachine.aliyun.ecs_values import Instance, Permission
from ecsmachine.aliyun.vpc import Eip
from ecsmachine.drivers.aliyunecs.life import observing
from ecsmachine.drivers.aliyunecs.life.in_place import Changing, Subject
from ecsmachine.drivers.aliyunecs.life.record import Record
from ecsmachine.drivers.aliyunecs.life.remove import remove_resource
from ecsmachine.drivers.aliyunecs.options.comparing import option_of
from ecsmachine.drivers.aliyunecs.options.reading import settings_of
from ecsmachine.drivers.aliyunecs.resources import eip, load_balancer, route, security_group, tags
from ecsmachine.drivers.aliyunecs.resources.asking import Making, ask_once, delete, wait_for
from ecsmachine.drivers.aliyunecs.resources.batch import Batch
from ecsmachine.drivers.base import PortRange

_MADE_WITH = (
    *("tags", "resource_group_id", "bandwidth_mbps", "internet_charge_type"),
    *("security_group", "open_ports", "source_cidrs"),
)
"""The fields of the record that say how what is made anew for a machine shall be."""

_NO_ADDRESS = ("a machine gets its public address only at create", "Make a new machine.")


def change_group(changing: Changing, wanted: str) -> None:
    """Put the instance into another security group in place of the former, and its rules too."""
    cloud, record, found = changing.cloud, changing.record, changing.found
    former = record.security_group_id
    making = _making(changing)
    making = replace(making, settings=replace(making.settings, security_group=wanted))
    group_id = security_group.ensure_group(making, record.vpc_id, found=None)
    others = [each for each in found.security_group_ids if each not in (former, group_id)]
    groups = [group_id, *others]
    if set(groups) != set(found.security_group_ids):
        changing.report(f"Putting the instance into security group {wanted}...")
        security_group.once_visible(
            lambda: ecs_changes.set_security_groups(cloud.ecs, found.id, groups)
        )
        wait_for(
            f"Instance {found.id} is in security group {group_id}",
            lambda: True if set(groups) == set(_now(changing).security_group_ids) else None,
        )
    if group_id != former:
        with changing.context.shared_lock(f"security group {former}"):
            delete(lambda: _close(changing, former, _rules_of(record)))
            record.security_group, record.security_group_id = wanted, group_id
            changing.save()  # before another machine of the former group looks for its rules
    _drop(changing, security_group.KIND, keep=group_id)


def check_group(subject: Subject, wanted: str) -> None:
    """Raise :class:`MachineError` if there is no such group, and none would be made."""
    there = security_group.groups_named(subject.cloud, wanted, subject.record.vpc_id)
    security_group.check_there(wanted, there)


def change_rules(
    changing: Changing,
    *,
    ports: Sequence[PortRange] | None = None,
    sources: Sequence[str] | None = None,
) -> None:
    """Open other ports, or the same ones to other networks; close what only this machine had open.

    What is missing is opened first.
    """
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
    needed = [rule for one in sharing for rule in _rules_of(one)]
    unneeded = [rule for rule in stale if rule not in needed]
    security_group.close_ports(cloud, group_id, cloud.ecs.permissions(group_id), unneeded)


def _rules_of(record: Record) -> list[Permission]:
    """Return the rules that a machine needs, as far as its record says it."""
    ports, sources = observing.recorded_ports(record, ()), observing.recorded_sources(record, ())
    return observing.wanted_rules(record, ports, sources)


def change_own_eip(changing: Changing, wanted: bool) -> None:
    """Let the instance have an elastic address that goes with the machine, or no such one."""
    if wanted:
        _bind(changing, None)
    else:
        _unbind(changing, eip.KIND)


def change_eip(changing: Changing, wanted: str) -> None:
    """Let the instance have an elastic address that its user has, or no such one."""
    if wanted:
        _bind(changing, eip.find_eip(changing.cloud, wanted, changing.found.id))
    else:
        _unbind(changing, eip.BINDING_KIND)


def check_eip(subject: Subject, wanted: bool | str) -> None:
    """Raise :class:`MachineError` if the instance cannot have that address, or a fixed one."""
    if subject.record.private_only:
        raise subject.refusal(*_NO_ADDRESS)
    if isinstance(wanted, str) and wanted:
        eip.find_eip(subject.cloud, wanted, subject.found.id)
    if not wanted or subject.found.public_addresses:
        subject.check_not_prepaid("its fixed address")


def _bind(changing: Changing, existing: Eip | None) -> None:
    """Bind an elastic address, a new one unless it is ``existing``, in place of any other."""
    cloud, found = changing.cloud, changing.found

    def make_room(allocation_id: str) -> None:
        _drop(changing, eip.KIND, eip.BINDING_KIND, keep=allocation_id)
        now = _now(changing)
        if now.eip_allocation_id not in ("", allocation_id):  # somebody else has bound it
            eip.unbind(cloud, now.eip_allocation_id, found.id)
        if now.public_addresses:
            ecs_changes.set_network(cloud.ecs, found.id, bandwidth_mbps=0)
            wait_for(
                f"Instance {found.id} has given its fixed address back",
                lambda: None if _now(changing).public_addresses else True,
            )

    making = _making(changing)
    changing.record.base.ip_address = eip.ensure_eip(making, found.id, existing, make_room)


def _unbind(changing: Changing, kind: str) -> None:
    """Take elastic addresses of a kind from the instance; without any address it gets a fixed."""
    _drop(changing, kind, keep="")
    now, record = _now(changing), changing.record
    if now.public_address:
        record.base.ip_address = now.public_address
    else:
        _fix_address(changing, record.bandwidth_mbps)


def _fix_address(changing: Changing, bandwidth_mbps: int) -> None:
    """Give the instance, which has no public address, a fixed one."""
    cloud, record, found = changing.cloud, changing.record, changing.found
    changing.report("Allocating a fixed public address...")
    ask_once(
        lambda: ecs_changes.set_network(
            cloud.ecs,
            found.id,
            bandwidth_mbps=bandwidth_mbps,
            charge_type=record.internet_charge_type,
            allocate=True,
        ),
        lambda: bool(_now(changing).public_address),
    )
    what = f"Instance {found.id} has a public address"
    record.base.ip_address = wait_for(what, lambda: _now(changing).public_address or None)


def change_route(changing: Changing, wanted: str) -> None:
    """Have the VPC send the traffic of another network to the instance, or of none."""
    cloud, journal = changing.cloud, changing.journal
    if wanted:
        machine = (changing.record.vpc_id, wanted, changing.found.id)
        route.ensure_route(cloud, journal, *machine, changing.report)
    _drop(changing, route.KIND, keep=wanted)


def check_route(subject: Subject, wanted: str) -> None:
    """Raise :class:`MachineError` if the VPC sends that network elsewhere."""
    if wanted:
        route.find_route(subject.cloud, subject.record.vpc_id, wanted, subject.found.id)


def change_balancer(changing: Changing, wanted: str) -> None:
    """Put the instance behind another load balancer, or behind none."""
    cloud, journal, address = changing.cloud, changing.journal, ""
    if wanted:
        machine = (wanted, changing.found.id)
        load_balancer.ensure_backend(cloud, journal, *machine, changing.report)
        address = load_balancer.find_load_balancer(cloud, wanted).address
    _drop(changing, load_balancer.KIND, keep=wanted)
    changing.record.slb_ip_address = address


def check_balancer(subject: Subject, wanted: str) -> None:
    """Raise :class:`MachineError` if there is no such load balancer."""
    if wanted:
        load_balancer.find_load_balancer(subject.cloud, wanted)


def change_bandwidth(changing: Changing, wanted: int) -> None:
    """Give the address of the instance another bandwidth."""
    check_bandwidth(changing, wanted)  # it may have come to another address since
    found = changing.found
    if found.eip_allocation_id:
        if found.eip_bandwidth_mbps != wanted:
            changing.cloud.vpc.set_eip_bandwidth(found.eip_allocation_id, wanted)
    elif not found.internet_max_bandwidth_mbps:
        _fix_address(changing, wanted)
    elif found.internet_max_bandwidth_mbps != wanted:
        ecs_changes.set_network(changing.cloud.ecs, found.id, bandwidth_mbps=wanted)


def check_bandwidth(subject: Subject, wanted: int) -> None:
    """Raise :class:`MachineError` if its address cannot be given that bandwidth."""
    found, record = subject.found, subject.record
    if record.private_only or not wanted:
        raise subject.refusal(*_NO_ADDRESS)
    if not found.eip_allocation_id:
        subject.check_not_prepaid("its bandwidth")
    elif found.eip_bandwidth_mbps != wanted and not observing.is_own_address(subject.cloud, found):
        raise subject.refusal(
            f"its elastic address {found.eip_address} was not made with the machine",
            "Change the bandwidth where you made the address.",
        )


def change_charge_type(changing: Changing, wanted: str) -> None:
    """Have the traffic of a fixed address charged in another way."""
    found = changing.found
    if found.internet_charge_type != wanted:
        ecs_changes.set_network(changing.cloud.ecs, found.id, charge_type=wanted)


def check_charge_type(subject: Subject, wanted: str) -> None:
    """Raise :class:`MachineError` if the traffic cannot be charged in another way."""
    if subject.record.private_only:
        return
    if subject.found.eip_allocation_id:
        raise subject.refusal("an elastic address keeps its charge type", "Make a new machine.")
    subject.check_not_prepaid("its bandwidth")


def _making(changing: Changing) -> Making:
    """Return what something new for the machine is made with: as its record has it."""
    record, known = changing.record, observing.recorded(changing.record)
    names = (option_of(field) for field in _MADE_WITH)
    settings = settings_of({name: known[name] for name in names if name in known})
    settings = replace(settings, ssh_port=record.base.ssh_port)
    made_with = (changing.cloud, changing.journal, changing.context, settings, changing.report)
    return Making(*made_with, Batch())


def _drop(changing: Changing, *kinds: str, keep: str) -> None:
    """Remove what the journal lists of some kinds, but for one, and what others use as well."""
    cloud, journal, context = changing.cloud, changing.journal, changing.context
    for each in journal.resources():
        if each.kind in kinds and not (keep and keep in (each.id, *each.details.values())):
            machine = (context, changing.record, each, changing.found.id)
            remove_resource(cloud, journal, *machine, changing.report)
            journal.removed(each)


def _now(changing: Changing) -> Instance:
    return changing.cloud.ecs.instance(changing.found.id) or changing.found
