"""Elastic public addresses: taken with a machine and given back, or the user's own."""

from __future__ import annotations

from collections.abc import Callable

from ecsmachine.aliyun.vpc import AVAILABLE, IN_USE, Eip
from ecsmachine.drivers.aliyunecs.options.suggestions import nearest
from ecsmachine.drivers.aliyunecs.resources import asking
from ecsmachine.drivers.aliyunecs.resources.asking import Making
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.aliyunecs.resources.instance import check_runs
from ecsmachine.drivers.aliyunecs.resources.tags import machine_tags
from ecsmachine.drivers.base import Report, Resource
from ecsmachine.errors import MachineError, PreCreateCheckError
from ecsmachine.polling import polls

KIND = "eip"
BINDING_KIND = "eip-binding"


def find_eip(cloud: Cloud, wanted: str, *holders: str) -> Eip:
    """Return the elastic address with that id or address.

    Raises :class:`PreCreateCheckError` if there is none, or it is bound to what is no instance of
    ``holders``.
    """
    by_id = wanted.startswith("eip-")
    found = next(
        cloud.vpc.eips(allocation_id=wanted) if by_id else cloud.vpc.eips(address=wanted), None
    )
    if found is None:
        raise PreCreateCheckError(
            f'There is no elastic address "{wanted}" in region {cloud.region} '
            "(--aliyunecs-eip, ECS_EIP)",
            hint=nearest(
                wanted,
                (eip.id if by_id else eip.address for eip in cloud.vpc.eips()),
                what="elastic addresses in the region",
            ),
        )
    if found.instance_id not in ("", *holders):
        raise PreCreateCheckError(
            f"The elastic address {found.address} ({found.id}) is bound to {found.instance_id}",
            hint="Use another one, or unbind it first.",
        )
    return found


def ensure_eip(
    making: Making,
    instance_id: str,
    existing: Eip | None,
    make_room: Callable[[str], None] = lambda allocation_id: None,
) -> str:
    """Bind an elastic address to the instance, taking one unless it is ``existing``.

    An instance has one public address: ``make_room`` takes any other from it. Returns the address.
    """
    cloud, journal, report = making.cloud, making.journal, making.report
    if existing is not None:
        allocation_id = existing.id
        resource = asking.find_or_intend(
            journal, BINDING_KIND, region=cloud.region, eip=allocation_id, instance=instance_id
        )
        if resource.id is None:
            journal.made(resource, instance_id)
    else:
        allocation_id = _allocate(making)
    make_room(allocation_id)
    eip = _wait_for_eip(cloud, allocation_id, asking.UNSEEN_S)
    if eip is None or eip.instance_id != instance_id:
        report("Binding the elastic address...")
        asking.ask_once(
            lambda: cloud.vpc.associate_eip(allocation_id, instance_id),
            lambda: _eip_bound_to(cloud, allocation_id, instance_id) is not None,
        )
    bound = asking.wait_for(
        f"Elastic address {allocation_id} is bound to {instance_id}",
        lambda: _eip_bound_to(cloud, allocation_id, instance_id),
        check=lambda: check_runs(cloud, instance_id),
    )
    return bound.address


def remove_eip(
    cloud: Cloud,
    resource: Resource,
    create_id: str,
    instance_id: str,
    report: Report,
    *,
    patience_s: float,
) -> None:
    """Unbind and give back an elastic address of ours; one that is gone is success."""
    if resource.id is not None:
        _wait_for_eip(cloud, resource.id, patience_s)
    for allocation_id in asking.ids_of(resource, lambda: _made_without_answer(cloud, create_id)):
        release_eip(cloud, allocation_id, instance_id, report)


def remove_binding(cloud: Cloud, resource: Resource) -> None:
    """Unbind the user's elastic address from our instance, if it is still bound to that."""
    instance_id = resource.details.get("instance") or resource.id
    if instance_id:
        unbind(cloud, resource.details["eip"], instance_id)


def release_eip(cloud: Cloud, allocation_id: str, instance_id: str, report: Report) -> None:
    """Take an elastic address from the instance and give it back; one that is gone is success.

    One that serves something else by now stays: somebody has moved it there.
    """
    report(f"Releasing elastic address {allocation_id}...")
    served = unbind(cloud, allocation_id, instance_id)
    # an instance that is gone may be told of for a while
    if served and not (served.startswith("i-") and cloud.ecs.instance(served) is None):
        report(f"The elastic address {allocation_id} is bound to {served} now, and stays.")
        return
    asking.delete(lambda: cloud.vpc.release_eip(allocation_id))


def unbind(cloud: Cloud, allocation_id: str, instance_id: str) -> str:
    """Take an elastic address from the instance; return what else it is bound to, or ""."""
    eip = _eip(cloud, allocation_id)
    bound_to = eip.instance_id if eip else ""
    if not bound_to or bound_to != instance_id:
        return bound_to
    asking.ask_once(
        lambda: cloud.vpc.unassociate_eip(allocation_id, instance_id),
        lambda: _is_free(cloud, allocation_id),
    )
    asking.wait_for(
        f"Elastic address {allocation_id} is free",
        lambda: True if _is_free(cloud, allocation_id) else None,
    )
    return ""


def _allocate(making: Making) -> str:
    cloud, journal, settings = making.cloud, making.journal, making.settings
    known = journal.find(KIND, region=cloud.region)
    if known and known.id and _wait_for_eip(cloud, known.id, asking.UNSEEN_S) is None:
        journal.removed(known)  # a change that was cut off had released it
        known = None
    resource = known or journal.intend(KIND, region=cloud.region)
    if known is not None and known.id is None:
        # it was asked for, and the answer never came: its token may have expired meanwhile
        for unseen in _made_without_answer(cloud, journal.create_id)[:1]:
            journal.made(known, unseen)
    if resource.id is None:
        making.report("Allocating an elastic address...")
        with asking.forget_if_refused(journal, resource, asked_before=known is not None):
            eip = cloud.vpc.allocate_eip(
                bandwidth_mbps=max(1, settings.bandwidth_mbps),
                charge_type=settings.internet_charge_type,
                name=_name(journal.create_id),
                token=resource.token,
                resource_group_id=settings.resource_group_id,
            )
        journal.made(resource, eip.id)
    allocation_id = resource.id or ""
    tags = {**settings.tags, **machine_tags(making.context, journal.create_id)}
    cloud.vpc.tag("EIP", allocation_id, tags)
    return allocation_id


def _made_without_answer(cloud: Cloud, create_id: str) -> list[str]:
    """Return the addresses that a request without an answer may have taken: named so at once."""
    name = _name(create_id)
    return [each.id for each in cloud.vpc.eips() if each.name == name]


def _eip(cloud: Cloud, allocation_id: str) -> Eip | None:
    return next(cloud.vpc.eips(allocation_id=allocation_id), None)


def _wait_for_eip(cloud: Cloud, allocation_id: str, patience_s: float) -> Eip | None:
    """Return the address, which may have been taken too recently to be found at once."""
    for _ in polls(patience_s):
        eip = _eip(cloud, allocation_id)
        if eip is not None:
            return eip
    return None


def _eip_bound_to(cloud: Cloud, allocation_id: str, instance_id: str) -> Eip | None:
    eip = _eip(cloud, allocation_id)
    if eip is None:
        raise MachineError(f"The elastic address {allocation_id} is gone")
    return eip if eip.instance_id == instance_id and eip.status == IN_USE else None


def _is_free(cloud: Cloud, allocation_id: str) -> bool:
    eip = _eip(cloud, allocation_id)
    return eip is None or eip.status == AVAILABLE


def _name(create_id: str) -> str:
    return f"ecsmachine-{create_id}"
