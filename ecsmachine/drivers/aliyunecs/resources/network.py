"""The network of a machine: the VPC and VSwitch that are named, the region's own, or ours."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from ecsmachine.aliyun.error_codes import Meaning
from ecsmachine.aliyun.vpc import AVAILABLE, Vpc, VSwitch
from ecsmachine.drivers.aliyunecs.options.settings import Settings
from ecsmachine.drivers.aliyunecs.options.suggestions import nearest
from ecsmachine.drivers.aliyunecs.resources import asking
from ecsmachine.drivers.aliyunecs.resources.asking import Making
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.aliyunecs.resources.tags import is_shared_by, shared_tags
from ecsmachine.drivers.base import DriverContext, Resource
from ecsmachine.errors import MachineError, PreCreateCheckError

VPC_KIND = "vpc"
VSWITCH_KIND = "vswitch"

CIDR = "192.168.0.0/16"
"""The addresses of a VPC that we make."""

_VSWITCH_PREFIX = 20


@dataclass(frozen=True)
class Network:
    """A VPC ("" if one is yet to be made) and the VSwitches in it that may be used.

    ``named`` is whether the one VSwitch was named by the user; ``extensible`` whether we may
    make VSwitches in the VPC; ``shared_name`` is the name of what the machines of this store
    share, ``shared`` whether the VPC is that.
    """

    vpc_id: str
    vswitches: tuple[VSwitch, ...] = ()
    named: bool = False
    extensible: bool = False
    shared: bool = False
    shared_name: str = ""

    def is_shared(self, vswitch: VSwitch) -> bool:
        """Whether a VSwitch is one that we made for the machines of this store."""
        return bool(self.shared_name) and vswitch.name == self.shared_name

    def is_usable(self, zone: str) -> bool:
        """Whether an instance can be in a zone: there is a VSwitch, or one can be made."""
        return any(found == zone for found, _ in self.candidates([zone], ""))

    def candidates(self, zones: Sequence[str], zone: str) -> Iterator[tuple[str, VSwitch | None]]:
        """Yield zones with a VSwitch each (None if one is yet to be made), best first.

        ``zones`` are those that offer the instance type; ``zone`` is the one that was named, or
        "". A VSwitch that the user named comes whatever its zone offers.
        """
        if self.named:
            yield self.vswitches[0].zone, self.vswitches[0]
            return
        served = set()
        for vswitch in sorted(
            self.vswitches, key=lambda each: (not each.is_default, -each.free_addresses, each.id)
        ):
            if vswitch.zone in zones and zone in ("", vswitch.zone) and vswitch.free_addresses:
                served.add(vswitch.zone)
                yield vswitch.zone, vswitch
        if self.extensible:
            for other in zones:
                if other not in served and zone in ("", other):
                    yield other, None


Ask = Callable[[Callable[[], Vpc | None]], Future[Vpc | None]]
"""Asks a question beside others."""


def look(cloud: Cloud, settings: Settings, store_id: str, ask: Ask) -> Network:
    """Return the network that the settings name, else the region's default one, else ours.

    Raises :class:`PreCreateCheckError` if what is named is not there or does not fit together.
    """
    if settings.vswitch_id:
        return _of_vswitch(cloud, settings, ask)
    if settings.vpc_id:
        _check_vpc(cloud, settings.vpc_id, _vpc(cloud, settings.vpc_id))
        return Network(settings.vpc_id, _vswitches(cloud, settings.vpc_id, settings.zone))
    name = shared_name(store_id)
    vpcs = list(cloud.vpc.vpcs())
    found = next((vpc for vpc in vpcs if vpc.is_default), None) or _shared_vpc(vpcs, store_id)
    if found is None:
        return Network("", extensible=True, shared=True, shared_name=name)
    return Network(
        found.id,
        _vswitches(cloud, found.id, settings.zone),
        extensible=True,
        shared=found.name == name,
        shared_name=name,
    )


def ensure_vpc(making: Making) -> str:
    """Return the VPC that the machines of this store share, made if need be.

    It is in the journal of every machine in it: the last one removes it.
    """
    with making.context.shared_lock("VPC"):
        return _ensure_vpc(making)


def _ensure_vpc(making: Making) -> str:
    cloud, journal, context = making.cloud, making.journal, making.context
    known = journal.find(VPC_KIND, region=cloud.region)
    if known is not None and known.id is not None and _vpc(cloud, known.id) is None:
        # another create made one as well, and settled on that one
        journal.removed(known)
        known = None
    name = shared_name(context.store_id)
    resource = known or journal.intend(VPC_KIND, region=cloud.region, name=name)
    found = _shared_vpc(cloud.vpc.vpcs(), context.store_id)
    if found is not None:
        if resource.id is None:
            journal.made(resource, found.id)
        if not is_shared_by(found.tags, context.store_id):
            _tag(cloud, "VPC", found.id, context)
    else:
        making.report("Creating a VPC...")
        with asking.forget_if_refused(journal, resource, asked_before=known is not None):
            own = cloud.vpc.create_vpc(
                name=name, cidr=CIDR, description="Docker hosts", token=resource.token
            )
        journal.made(resource, own)
        _tag(cloud, "VPC", own, context)
        # one on another computer may have made one at the same moment: all take the oldest
        found = _shared_vpc(cloud.vpc.vpcs(), context.store_id)
        if found is not None and found.id != own:
            cloud.vpc.delete_vpc(own)
            journal.made(resource, found.id)
    chosen = resource.id or ""
    asking.wait_for(f"VPC {chosen} is available", lambda: _available_vpc(cloud, chosen))
    return chosen


def ensure_vswitch(making: Making, vpc_id: str, zone: str) -> str:
    """Return the VSwitch in a zone that the machines of this store share, made if need be.

    It is in the journal of every machine in it: the last one removes it.
    """
    name = shared_name(making.context.store_id)
    details = {"region": making.cloud.region, "vpc": vpc_id, "zone": zone, "name": name}
    with making.context.shared_lock(f"VSwitch in {zone}"):
        return _ensure_vswitch(making, details)


def _ensure_vswitch(making: Making, details: dict[str, str]) -> str:
    cloud, journal, context = making.cloud, making.journal, making.context
    zone = details["zone"]
    known = journal.find(VSWITCH_KIND, **details)
    if known is not None and known.id is not None and _vswitch(cloud, known.id) is None:
        journal.removed(known)
        known = None
    resource = known or journal.intend(VSWITCH_KIND, **details)
    found = _shared_vswitch(cloud, details["vpc"], zone, details["name"])
    if found is None:
        making.report(f"Creating a VSwitch in zone {zone}...")
        with asking.forget_if_refused(journal, resource, asked_before=known is not None):
            made = _make_vswitch(cloud, resource)
        journal.made(resource, made)
    elif resource.id is None:
        journal.made(resource, found.id)
    if found is None or not is_shared_by(found.tags, context.store_id):
        _tag(cloud, "VSWITCH", resource.id or "", context)
    chosen = resource.id or ""
    asking.wait_for(f"VSwitch {chosen} is available", lambda: _available_vswitch(cloud, chosen))
    return chosen


def remove_network(cloud: Cloud, resource: Resource, *, patience_s: float) -> bool:
    """Remove our VPC or VSwitch if nothing is in it any more; else another's journal has it.

    Returns whether it is gone.
    """
    details, is_vpc = resource.details, resource.kind == VPC_KIND

    def look() -> list[str]:
        there = cloud.vpc.vpcs() if is_vpc else _vswitches(cloud, details["vpc"], details["zone"])
        return [each.id for each in there if each.name == details["name"]]

    ids = asking.ids_of(resource, look)
    gone = [_delete_unused(cloud, each, is_vpc=is_vpc, patience_s=patience_s) for each in ids]
    return all(gone)


def shared_name(store_id: str) -> str:
    """Return the name of the VPC and VSwitches that the machines of a store share."""
    return f"ecsmachine-{store_id}" if store_id else "ecsmachine"


def free_cidr(within: str, taken: Iterable[str]) -> str:
    """Return a network inside ``within`` that meets none of ``taken``.

    Raises :class:`MachineError` if there is no room.
    """
    whole = ipaddress.IPv4Network(within)
    others = [ipaddress.IPv4Network(each) for each in taken]
    for candidate in whole.subnets(new_prefix=max(_VSWITCH_PREFIX, whole.prefixlen)):
        if not any(candidate.overlaps(other) for other in others):
            return str(candidate)
    raise MachineError(
        f"No address range is free for another VSwitch in {within}",
        hint="Name a VSwitch with --aliyunecs-vswitch-id (ECS_VSWITCH_ID).",
    )


def _make_vswitch(cloud: Cloud, resource: Resource) -> str:
    """Return the new VSwitch, or the one that another create made in the zone meanwhile."""
    vpc_id, zone, name = (resource.details[key] for key in ("vpc", "zone", "name"))

    def ask() -> str:
        other = _shared_vswitch(cloud, vpc_id, zone, name)
        if other is not None:
            return other.id
        vpc = _vpc(cloud, vpc_id)
        within = vpc.cidr if vpc else CIDR  # that it is gone is said by the request
        cidr = free_cidr(within, [each.cidr for each in cloud.vpc.vswitches(vpc_id=vpc_id)])
        return cloud.vpc.create_vswitch(
            vpc_id=vpc_id,
            zone=zone,
            cidr=cidr,
            name=name,
            description="Docker hosts",
            token=resource.token,
        )

    taken = (Meaning.OVERLAP, Meaning.TOKEN_MISMATCH)
    return asking.until_accepted(20.0, ask, lambda error, _: error.meaning in taken)


def _shared_vswitch(cloud: Cloud, vpc_id: str, zone: str, name: str) -> VSwitch | None:
    return next((each for each in _vswitches(cloud, vpc_id, zone) if each.name == name), None)


def _of_vswitch(cloud: Cloud, settings: Settings, ask: Ask) -> Network:
    vpc = ask(lambda: _vpc(cloud, settings.vpc_id)) if settings.vpc_id else None
    vswitch = next(cloud.vpc.vswitches(vswitch_id=settings.vswitch_id), None)
    if vpc is not None:
        _check_vpc(cloud, settings.vpc_id, vpc.result())
    if vswitch is None:
        within = settings.vpc_id
        raise PreCreateCheckError(
            f'There is no VSwitch "{settings.vswitch_id}" in region {cloud.region} '
            "(--aliyunecs-vswitch-id, ECS_VSWITCH_ID)",
            hint=nearest(
                settings.vswitch_id,
                (each.id for each in cloud.vpc.vswitches(vpc_id=within)),
                what="VSwitches in that VPC" if within else "VSwitches in the region",
            ),
        )
    if settings.vpc_id and vswitch.vpc_id != settings.vpc_id:
        raise PreCreateCheckError(
            f"The VSwitch {vswitch.id} belongs to VPC {vswitch.vpc_id}, not to {settings.vpc_id}",
            hint="Correct --aliyunecs-vpc-id or --aliyunecs-vswitch-id.",
        )
    if settings.zone and vswitch.zone != settings.zone:
        raise PreCreateCheckError(
            f"The VSwitch {vswitch.id} is in zone {vswitch.zone}, not in {settings.zone}",
            hint="Correct --aliyunecs-zone or --aliyunecs-vswitch-id, or leave the zone out.",
        )
    if not vswitch.free_addresses:
        raise PreCreateCheckError(
            f"The VSwitch {vswitch.id} has no free address left", hint="Use another VSwitch."
        )
    return Network(vswitch.vpc_id, (vswitch,), named=True)


def _check_vpc(cloud: Cloud, vpc_id: str, found: Vpc | None) -> None:
    if found is None:
        raise PreCreateCheckError(
            f'There is no VPC "{vpc_id}" in region {cloud.region} (--aliyunecs-vpc-id, ECS_VPC_ID)',
            hint=nearest(vpc_id, (vpc.id for vpc in cloud.vpc.vpcs()), what="VPCs in the region"),
        )


def _vswitches(cloud: Cloud, vpc_id: str, zone: str) -> tuple[VSwitch, ...]:
    return tuple(cloud.vpc.vswitches(vpc_id=vpc_id, zone=zone))


def _shared_vpc(vpcs: Iterable[Vpc], store_id: str) -> Vpc | None:
    """Return the VPC that the machines of a store share; of several, the oldest."""
    name = shared_name(store_id)
    return min(
        (vpc for vpc in vpcs if vpc.name == name),
        key=lambda vpc: (vpc.created, vpc.id),
        default=None,
    )


def _available_vpc(cloud: Cloud, vpc_id: str) -> Vpc | None:
    vpc = _vpc(cloud, vpc_id)
    return vpc if vpc is not None and vpc.status == AVAILABLE else None


def _vpc(cloud: Cloud, vpc_id: str) -> Vpc | None:
    return next(cloud.vpc.vpcs(vpc_id=vpc_id), None)


def _vswitch(cloud: Cloud, vswitch_id: str) -> VSwitch | None:
    return next(cloud.vpc.vswitches(vswitch_id=vswitch_id), None)


def _available_vswitch(cloud: Cloud, vswitch_id: str) -> VSwitch | None:
    vswitch = _vswitch(cloud, vswitch_id)
    return vswitch if vswitch is not None and vswitch.status == AVAILABLE else None


def _tag(cloud: Cloud, kind: str, resource_id: str, context: DriverContext) -> None:
    cloud.vpc.tag(kind, resource_id, shared_tags(context))


def _delete_unused(cloud: Cloud, resource_id: str, *, is_vpc: bool, patience_s: float) -> bool:
    """Remove a VPC or VSwitch unless it is in use; return whether it is gone."""

    def is_used(spent_s: float) -> bool:
        used = (
            next(cloud.vpc.vswitches(vpc_id=resource_id), None)
            or next(cloud.ecs.security_groups(vpc_id=resource_id), None)
            if is_vpc
            else next(cloud.ecs.instances(vswitch_id=resource_id), None)
        )
        # what has just gone from it counts for a moment
        return used is not None and spent_s > 1

    delete = cloud.vpc.delete_vpc if is_vpc else cloud.vpc.delete_vswitch
    return asking.delete_unused(lambda: delete(resource_id), is_used, patience_s)
