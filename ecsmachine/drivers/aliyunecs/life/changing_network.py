"""Changes in place of how an instance is reached: its ports and its bandwidth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ecsmachine.aliyun import ecs_changes
from ecsmachine.drivers.aliyunecs.life import observing
from ecsmachine.drivers.aliyunecs.life.in_place import Changing, Subject
from ecsmachine.drivers.aliyunecs.life.shared_lookup import SharedLookup
from ecsmachine.drivers.aliyunecs.resources import security_group, tags
from ecsmachine.drivers.aliyunecs.resources.asking import when_not_busy
from ecsmachine.drivers.base import PortRange


def change_ports(changing: Changing, wanted: Sequence[PortRange]) -> None:
    """Open other ports to the same networks."""
    _change_rules(changing, ports=wanted)


def change_sources(changing: Changing, wanted: Sequence[str]) -> None:
    """Open the same ports to other networks."""
    _change_rules(changing, sources=wanted)


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


def change_bandwidth(changing: Changing, wanted: int) -> None:
    """Give the address of the instance another bandwidth."""
    found = changing.found
    if found.eip_allocation_id:
        if found.eip_bandwidth_mbps != wanted:
            vpc = changing.cloud.vpc
            when_not_busy(lambda: vpc.set_eip_bandwidth(found.eip_allocation_id, wanted))
    elif found.internet_max_bandwidth_mbps != wanted:
        ecs_changes.set_network(changing.cloud.ecs, found.id, bandwidth_mbps=wanted)


def check_bandwidth(subject: Subject, wanted: int) -> None:
    """Raise :class:`MachineError` if its address cannot be given that bandwidth."""
    found, record = subject.found, subject.record
    if record.private_only or not wanted:
        raise subject.refusal(
            "a machine gets its public address only at create", "Make a new machine."
        )
    if not found.eip_allocation_id:
        subject.check_not_prepaid("its bandwidth")
    elif found.eip_bandwidth_mbps != wanted and not observing.is_own_address(
        SharedLookup(lambda: subject.cloud, ()), found
    ):
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
