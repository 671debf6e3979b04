"""The route of a network to the instance, in the VPC's system table."""

from __future__ import annotations

from ecsmachine.aliyun.vpc import AVAILABLE, RouteEntry
from ecsmachine.drivers.aliyunecs.resources import asking
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.aliyunecs.resources.instance import check_runs
from ecsmachine.drivers.base import Journal, Report, Resource
from ecsmachine.errors import MachineError

KIND = "route-entry"


def ensure_route(
    cloud: Cloud, journal: Journal, vpc_id: str, cidr: str, instance_id: str, report: Report
) -> None:
    """Send the traffic of a network to the instance.

    Raises :class:`MachineError` if the VPC sends it elsewhere already.
    """
    router_id, present = find_route(cloud, vpc_id, cidr, instance_id)
    details = {"router": router_id, "cidr": cidr, "instance": instance_id}
    resource = asking.find_or_intend(journal, KIND, region=cloud.region, **details)
    if present is None and resource.id is not None:
        journal.removed(resource)  # it has gone since, and its token with it
        resource = journal.intend(KIND, region=cloud.region, **details)
    if present is None:
        report(f"Creating the route of {cidr}...")
        table_id = cloud.vpc.route_tables(router_id)[0]
        with asking.forget_if_refused(journal, resource):
            cloud.vpc.create_route_entry(
                table_id, cidr=cidr, instance_id=instance_id, token=resource.token
            )
    if resource.id is None:
        journal.made(resource, f"{cidr}>{instance_id}")
    asking.wait_for(
        f"The route of {cidr} is available",
        lambda: True if _is_available(_entry(cloud, router_id, cidr)) else None,
        check=lambda: check_runs(cloud, instance_id),
    )


def find_route(
    cloud: Cloud, vpc_id: str, cidr: str, *holders: str
) -> tuple[str, RouteEntry | None]:
    """Return the router of a VPC, and the route of a network if it is there.

    Raises :class:`MachineError` if the VPC sends it to what is no instance of ``holders``.
    """
    router_id = router_of(cloud, vpc_id)
    if not router_id:
        raise MachineError(f"VPC {vpc_id} has no router", hint="Leave --aliyunecs-route-cidr out.")
    present = _entry(cloud, router_id, cidr)
    if present is not None and present.next_hop_id not in holders:
        raise MachineError(
            f"VPC {vpc_id} sends {cidr} to {present.next_hop_id} already",
            hint="Choose another --aliyunecs-route-cidr, or remove that route.",
        )
    return router_id, present


def remove_route(cloud: Cloud, resource: Resource) -> None:
    """Remove the route; one that is gone, or goes elsewhere, is success."""
    details = resource.details
    remove_routes_to(cloud, details["router"], details["cidr"], details["instance"])


def remove_routes_to(cloud: Cloud, router_id: str, cidr: str, instance_id: str) -> None:
    """Remove the routes of a network to an instance, in every table of a router."""
    for entry in routes_to(cloud, router_id, cidr, instance_id):
        _delete(cloud, entry)
    asking.wait_for(
        f"The route of {cidr} is gone",
        lambda: None if routes_to(cloud, router_id, cidr, instance_id) else True,
    )


def routes_to(cloud: Cloud, router_id: str, cidr: str, instance_id: str) -> list[RouteEntry]:
    """Return the routes of a network to an instance, in every table of a router."""
    return [
        entry
        for entry in cloud.vpc.route_entries(router_id)
        if entry.cidr == cidr and entry.next_hop_id == instance_id
    ]


def _delete(cloud: Cloud, entry: RouteEntry) -> None:
    where = {"cidr": entry.cidr, "instance_id": entry.next_hop_id}
    asking.delete(lambda: cloud.vpc.delete_route_entry(entry.table_id, **where))


def routes_in(cloud: Cloud, vpc_id: str) -> list[RouteEntry]:
    """Return the routes of every table of a VPC; none if it is gone."""
    router_id = router_of(cloud, vpc_id)
    return list(cloud.vpc.route_entries(router_id)) if router_id else []


def router_of(cloud: Cloud, vpc_id: str) -> str:
    """Return the router of a VPC, or "" if the VPC is gone."""
    vpc = next(cloud.vpc.vpcs(vpc_id=vpc_id), None)
    return vpc.router_id if vpc is not None else ""


def _entry(cloud: Cloud, router_id: str, cidr: str) -> RouteEntry | None:
    return next((each for each in cloud.vpc.route_entries(router_id) if each.cidr == cidr), None)


def _is_available(entry: RouteEntry | None) -> bool:
    return entry is not None and entry.status in (AVAILABLE, "")
