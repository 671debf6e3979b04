"""All in a region that carries our tags, looked up kind by kind."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone

from ecsmachine.aliyun.ecs_values import (
    Disk,
    Image,
    Instance,
    KeyPair,
    NetworkInterface,
    SecurityGroup,
    Snapshot,
)
from ecsmachine.aliyun.vpc import Eip, Vpc, VSwitch
from ecsmachine.drivers.aliyunecs.resources import (
    eip,
    instance,
    key_pair,
    load_balancer,
    network,
    own_images,
    route,
    security_group,
    tags,
)
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.tagged import TaggedResource

_Found = (
    Instance
    | Disk
    | NetworkInterface
    | KeyPair
    | SecurityGroup
    | Eip
    | Vpc
    | VSwitch
    | Image
    | Snapshot
)

DISK_KIND = "disk"
INTERFACE_KIND = "network-interface"

_EIP_NAME = re.compile(r"ecsmachine-([0-9a-f]{16})")
_SHARED_NAME = re.compile(r"ecsmachine-([0-9a-f]{12})")
_TIMES = ("%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%SZ")


def find(cloud: Cloud) -> list[TaggedResource]:
    """Return all in the region that carries our tags, of whatever store.

    An elastic address and a network are tagged after they were made: between the two their
    names tell that they are ours. What goes with an instance (its own disks and network
    interface) is not listed beside it.
    """
    tagged = {tags.STORE: ""}
    ecs = cloud.ecs
    found = [
        _resource(
            cloud,
            instance.KIND,
            each,
            protected=each.deletion_protection,
            details={"vpc": each.vpc_id, "type": each.instance_type, "seen": "true"},
        )
        for each in ecs.instances(tags=tagged)
    ]
    for disk in ecs.disks(tags=tagged):
        if not disk.instance_id:
            details = {"category": disk.category, "size": str(disk.size_gib)}
            found.append(_resource(cloud, DISK_KIND, disk, details=details))
    for interface in ecs.network_interfaces(tags=tagged):
        if not interface.instance_id:
            found.append(_resource(cloud, INTERFACE_KIND, interface))
    for pair in ecs.key_pairs(tags=tagged):
        is_shared = tags.SHARED in pair.tags
        kind = key_pair.SHARED_KIND if is_shared else key_pair.KIND
        found.append(_resource(cloud, kind, pair, details={"name": pair.name}))
    for group in ecs.security_groups(tags=tagged):
        details = {"vpc": group.vpc_id, "name": group.name}
        found.append(_resource(cloud, security_group.KIND, group, details=details))
    found += _images(cloud)
    found += _addresses(cloud, {(each.id, each.create_id) for each in found})
    found += _networks(cloud)
    return found


def attached_to(cloud: Cloud, owner: TaggedResource) -> Iterator[TaggedResource]:
    """Yield the routes to an instance, and its places behind load balancers."""
    router_id = route.router_of(cloud, owner.details.get("vpc", ""))
    for entry in cloud.vpc.route_entries(router_id) if router_id else ():
        if entry.next_hop_id == owner.id:
            yield _belonging_to(
                owner,
                route.KIND,
                f"{entry.cidr}>{owner.id}",
                entry.status,
                {"router": router_id, "cidr": entry.cidr, "instance": owner.id},
            )
    for balancer_id in cloud.slb.load_balancers_before(owner.id):
        yield _belonging_to(
            owner,
            load_balancer.KIND,
            f"{balancer_id}>{owner.id}",
            "",
            {"slb": balancer_id, "instance": owner.id},
        )


def is_attached(cloud: Cloud, kind: str, details: Mapping[str, str]) -> bool:
    """Whether a route, or a place behind a load balancer, is there; False for other kinds."""
    if kind == route.KIND:
        there = route.routes_to(cloud, details["router"], details["cidr"], details["instance"])
        return bool(there)
    if kind == load_balancer.KIND:
        return details["slb"] in cloud.slb.load_balancers_before(details["instance"])
    return False


def _images(cloud: Cloud) -> Iterator[TaggedResource]:
    """Yield images of bakes that did not come to their end, and snapshots of no image that did."""
    kept: set[str] = set()
    for image in cloud.images.images(tags={tags.STORE: ""}):
        if tags.BAKED in image.tags:
            kept.update(image.snapshot_ids)
        else:
            yield _resource(cloud, own_images.KIND, image)
    for snapshot in cloud.images.snapshots(tags={tags.STORE: ""}):
        if snapshot.id not in kept:
            yield _resource(cloud, own_images.SNAPSHOT_KIND, snapshot)


def _addresses(cloud: Cloud, found: Collection[tuple[str, str]]) -> Iterator[TaggedResource]:
    """Yield elastic addresses, but none that somebody has bound to what another create made.

    ``found`` has the ids of instances, each with that of its create.
    """
    for each in cloud.vpc.eips():
        named = _EIP_NAME.fullmatch(each.name)
        if tags.STORE in each.tags or named:
            by_name = {tags.CREATE: named[1]} if named else {}
            shown = replace(each, name=each.address, tags=_tags(each, by_name))
            one = _resource(cloud, eip.KIND, shown, details={"instance": each.instance_id})
            if not each.instance_id or (each.instance_id, one.create_id) in found:
                yield one


def _networks(cloud: Cloud) -> Iterator[TaggedResource]:
    vpcs = [(network.VPC_KIND, vpc, {"name": vpc.name}) for vpc in cloud.vpc.vpcs()]
    vswitches = [
        (network.VSWITCH_KIND, each, {"name": each.name, "vpc": each.vpc_id, "zone": each.zone})
        for each in cloud.vpc.vswitches()
    ]
    everything: list[tuple[str, Vpc | VSwitch, dict[str, str]]] = [*vpcs, *vswitches]
    for kind, each, details in everything:
        named = _SHARED_NAME.fullmatch(each.name)
        if tags.STORE in each.tags or named:
            by_name = {tags.STORE: named[1], tags.SHARED: "true"} if named else {}
            shown = replace(each, tags=_tags(each, by_name))
            yield _resource(cloud, kind, shown, details=details)


def _tags(each: Eip | Vpc | VSwitch, by_name: Mapping[str, str]) -> Mapping[str, str]:
    """Return the tags of a resource, or what its name tells while it has none of ours."""
    return each.tags if tags.STORE in each.tags else by_name


def _resource(
    cloud: Cloud,
    kind: str,
    each: _Found,
    *,
    protected: bool = False,
    details: Mapping[str, str] | None = None,
) -> TaggedResource:
    return TaggedResource(
        kind,
        each.name if isinstance(each, KeyPair) else each.id,
        cloud.region,
        name=each.name,
        store_id=tags.own_value(each.tags, tags.STORE),
        create_id=tags.own_value(each.tags, tags.CREATE),
        machine_name=tags.own_value(each.tags, tags.MACHINE),
        shared=tags.SHARED in each.tags,
        state="" if isinstance(each, KeyPair | SecurityGroup) else each.status,
        created=time_of(each.created),
        protected=protected,
        details={"region": cloud.region, **(details or {})},
    )


def _belonging_to(
    owner: TaggedResource, kind: str, resource_id: str, state: str, details: Mapping[str, str]
) -> TaggedResource:
    """Return something that belongs to an instance, and so to whom the instance belongs."""
    return TaggedResource(
        kind,
        resource_id,
        owner.region,
        store_id=owner.store_id,
        create_id=owner.create_id,
        machine_name=owner.machine_name,
        state=state,
        details={"region": owner.region, **details},
    )


def time_of(text: str) -> datetime | None:
    """Return a time that the cloud tells; None for a text that is none."""
    for form in _TIMES:
        try:
            return datetime.strptime(text, form).replace(tzinfo=timezone.utc)
        except ValueError:
            pass
    return None
