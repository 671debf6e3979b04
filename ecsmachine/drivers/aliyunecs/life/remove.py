"""Removing all that create made: what the journal lists, newest first."""

from __future__ import annotations

import contextlib
from functools import partial

from ecsmachine.drivers.aliyunecs.life.account import check_account
from ecsmachine.drivers.aliyunecs.life.record import Record
from ecsmachine.drivers.aliyunecs.resources import (
    eip,
    instance,
    key_pair,
    load_balancer,
    network,
    own_images,
    route,
    security_group,
)
from ecsmachine.drivers.aliyunecs.resources.asking import UNSEEN_S
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.base import (
    DriverContext,
    Journal,
    Report,
    Resource,
)
from ecsmachine.errors import MachineError

SHARED_KINDS = (
    key_pair.SHARED_KIND,
    security_group.KIND,
    network.VSWITCH_KIND,
    network.VPC_KIND,
)
"""What several machines use: each of them lists it, and the last one removes it."""

_TAKEN_FIRST = (eip.KIND, eip.BINDING_KIND, route.KIND, load_balancer.KIND)
"""What an instance has lost before ECS is asked to release it."""


def remove(
    cloud: Cloud,
    journal: Journal,
    context: DriverContext,
    record: Record,
    report: Report,
    *,
    only_own: bool = False,
) -> None:
    """Remove what the journal lists; of a machine without one, what its configuration names.

    With ``only_own`` what it shares with others stays, and is listed further. What is gone already
    is success. One resource that cannot be removed does not keep the
    others from being tried, but an instance keeps what it uses; then :class:`MachineError` says
    what is left.
    """
    # what machines share goes last, as a group that an instance was put into later
    resources = sorted(journal.resources(), key=lambda each: each.kind in SHARED_KINDS)
    made = journal.find(instance.KIND)
    own_id = (made and made.id) or record.instance_id
    taken_first = any(each.kind in _TAKEN_FIRST for each in resources)
    if journal.complete and taken_first and record.instance_id:
        instance.releasable(cloud, record.instance_id)
    failures: list[MachineError] = []
    for resource in resources:
        if only_own and resource.kind in SHARED_KINDS:
            continue
        try:
            remove_resource(cloud, journal, context, record, resource, own_id, report)
        except MachineError as error:
            failures.append(error)
            if resource.kind == instance.KIND:
                break
        else:
            # on a full disk: what the journal lists though it is gone is no loss
            with contextlib.suppress(MachineError):
                journal.removed(resource)
    if not resources and record.instance_id and not only_own:
        _remove_recorded(cloud, record, report)
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise MachineError(
            failures[0].message,
            hint=failures[0].hint,
            details="\n".join(error.message for error in failures[1:]),
        )


def remove_resource(
    cloud: Cloud,
    journal: Journal,
    context: DriverContext,
    record: Record,
    resource: Resource,
    own_id: str,
    report: Report,
) -> None:
    """Remove a resource of the machine whose instance has, or had, the id ``own_id``."""
    # what was made a moment ago may not be found yet
    patience_s = UNSEEN_S if journal.changing or not journal.complete else 0.0
    if resource.kind in SHARED_KINDS:
        remove_shared = partial(_remove_shared, cloud, context, resource, patience_s)
        if cloud.removed_once is None or resource.id is None:
            remove_shared()
        else:
            cloud.removed_once.do(f"{resource.kind} {resource.id}", remove_shared)
        return
    match resource.kind:
        case instance.KIND:
            _remove_instance(cloud, journal, record, resource, report)
        case key_pair.KIND:
            key_pair.remove_key_pair(cloud, resource, own_id, report, patience_s=patience_s)
        case eip.KIND:
            eip.remove_eip(
                cloud, resource, journal.create_id, own_id, report, patience_s=patience_s
            )
        case eip.BINDING_KIND:
            eip.remove_binding(cloud, resource)
        case route.KIND:
            route.remove_route(cloud, resource)
        case load_balancer.KIND:
            load_balancer.remove_backend(cloud, resource)
        case own_images.KIND | own_images.SNAPSHOT_KIND:
            own_images.remove(cloud, resource, journal.create_id, patience_s=patience_s)
        case unknown:
            raise MachineError(
                f"The journal lists a resource of an unknown kind: {unknown} {resource.id}",
                hint="It was written by a newer ecsmachine: upgrade.",
            )


def _remove_shared(
    cloud: Cloud, context: DriverContext, resource: Resource, patience_s: float
) -> bool:
    """Remove what several machines use, unless it is in use; return whether it is gone."""
    match resource.kind:
        case key_pair.SHARED_KIND:
            return key_pair.remove_shared_key_pair(cloud, resource, patience_s=patience_s)
        case security_group.KIND:
            return security_group.remove_group(cloud, resource, context, patience_s=patience_s)
        case _:
            return network.remove_network(cloud, resource, patience_s=patience_s)


def _remove_instance(
    cloud: Cloud, journal: Journal, record: Record, resource: Resource, report: Report
) -> None:
    # protection is for machines that are whole: it must not keep a half-made one
    unprotect = not journal.complete
    there = instance.remove_resource(cloud, journal, resource, unprotect=unprotect, report=report)
    if not there and resource.id is not None:
        check_account(cloud, record, resource.id)
    record.instance_id = ""


def _remove_recorded(cloud: Cloud, record: Record, report: Report) -> None:
    """Remove what the configuration names: Docker Machine keeps no journal.

    An elastic address goes with the machine if Docker Machine took it for it: in a VPC it takes
    one for every machine with a public address, and that is the address that it stored.
    """
    found = instance.releasable(cloud, record.instance_id)
    if found is None:
        check_account(cloud, record, record.instance_id)
    elif found.eip_allocation_id and found.eip_address == record.base.ip_address:
        eip.release_eip(cloud, found.eip_allocation_id, record.instance_id, report)
    if record.route_cidr and record.vpc_id:
        router_id = route.router_of(cloud, record.vpc_id)
        if router_id:
            route.remove_routes_to(cloud, router_id, record.route_cidr, record.instance_id)
    if record.slb_id:
        load_balancer.detach_instance(cloud, record.slb_id, record.instance_id)
    if found is not None:
        instance.remove_instance(
            cloud, record.instance_id, seen=True, unprotect=False, report=report
        )
    record.instance_id = ""
