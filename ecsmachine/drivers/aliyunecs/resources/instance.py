"""The instance: asked for once, whatever happens in between, and waited for."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Callable, Iterable

from ecsmachine.aliyun.console import console_end
from ecsmachine.aliyun.ecs_changes import set_attribute
from ecsmachine.aliyun.ecs_values import Disk, Instance, InstanceStatus
from ecsmachine.aliyun.error_codes import Meaning
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.aliyun.rpc import Parameter, tag_parameters
from ecsmachine.drivers.aliyunecs.options.settings import DECLARATIONS, Settings
from ecsmachine.drivers.aliyunecs.options.values import is_host_name
from ecsmachine.drivers.aliyunecs.resources.asking import (
    delete_together,
    forget_if_refused,
    until_accepted,
)
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.aliyunecs.resources.placement import Place, Plan
from ecsmachine.drivers.aliyunecs.resources.state import is_expired, reason_of, state_of
from ecsmachine.drivers.aliyunecs.resources.tags import CREATE
from ecsmachine.drivers.base import (
    DriverContext,
    Journal,
    ProtectedError,
    Report,
    Resource,
    State,
)
from ecsmachine.drivers.host_name import host_name_for, shortened
from ecsmachine.errors import MachineError
from ecsmachine.polling import polls

KIND = "instance"

LOGIN_USER = "ecs-user"
"""Who logs in, in root's place, with ImageOptions.LoginAsNonRoot of RunInstances."""

_APPEAR_TIMEOUT_S = 60.0
"""How long an instance may stay unseen after it was made."""

_STATE_TIMEOUT_S = 300.0
_STOPPED_TIMEOUT_S = 30.0
"""How long an instance that is to start may be Stopped: on its way from Pending it is so."""

_TURNED_S = 4.0
"""How long an instance that was on its way shows its former state until that is believed."""

_GONE_TIMEOUT_S = 300.0
_LOOKUP_TIMEOUT_S = 10.0
"""How long is looked for an instance that a request without an answer may have made."""

KEY_PAIR_MISSING = ("KeyPairName", "KeyPair")
"""What the codes of RunInstances call a key pair that is not there."""

_FOUND_AFTER_S = {
    **dict.fromkeys(KEY_PAIR_MISSING, 15.0),
    "VSwitchId": 15.0,
    # it may also have been removed with the last machine that used it: then another is made
    "SecurityGroupId": 4.0,
}
"""How long what was just made may go unseen by RunInstances, by its parameter, in seconds."""


def run_parameters(
    context: DriverContext,
    settings: Settings,
    plan: Plan,
    place: Place,
    *,
    security_group_id: str,
    key_pair: str,
    tags: dict[str, str],
) -> dict[str, Parameter]:
    """Return the parameters of RunInstances for a machine in a place."""
    name = host_name_for(context.machine_name)
    instance_name = _instance_name(context.machine_name)
    parameters: dict[str, Parameter] = {
        **{
            each.parameter: value
            for field, each in DECLARATIONS.items()
            if each.parameter and (value := getattr(settings, field))
        },
        **priced_parameters(settings, plan, place),
        "InstanceName": instance_name,
        "HostName": settings.host_name or (name if is_host_name(name) else ""),
        "VSwitchId": place.vswitch_id,
        "SecurityGroupId": security_group_id,
        "UserData": base64.b64encode(settings.user_data).decode(),
    }
    if key_pair:
        parameters["KeyPairName"] = key_pair
    elif settings.ssh_password:
        parameters["Password"] = settings.ssh_password
    if settings.ssh_user == LOGIN_USER:
        parameters["ImageOptions.LoginAsNonRoot"] = True
    if settings.disk_size_gib:
        parameters["DataDisk.1.DiskName"] = f"{shortened(instance_name, 120)}_data"
        parameters["DataDisk.1.Description"] = "Data volume for Docker"
        parameters["DataDisk.1.DeleteWithInstance"] = True
    if settings.charge_type == "PrePaid":
        parameters["Period"] = settings.period
        parameters["PeriodUnit"] = settings.period_unit
        parameters["AutoRenew"] = settings.auto_renew
        parameters["AutoPay"] = True
    if settings.spot_price_limit:
        parameters["SpotPriceLimit"] = f"{settings.spot_price_limit:g}"
    return {**parameters, **tag_parameters(tags)}


def priced_parameters(settings: Settings, plan: Plan, place: Place) -> dict[str, Parameter]:
    """Return the parameters that RunInstances and DescribePrice share: what costs something."""
    parameters: dict[str, Parameter] = {
        "ImageId": plan.image.id,
        "InstanceType": place.instance_type,
        "IoOptimized": "optimized" if settings.io_optimized else "none",
        "ZoneId": place.zone,
        "InternetChargeType": settings.internet_charge_type,
        "InternetMaxBandwidthOut": settings.bandwidth_mbps
        if settings.has_fixed_public_address
        else 0,
        **disk_parameters(
            "SystemDisk",
            place.system_disk_category,
            settings.system_disk_size_gib or plan.image.size_gib,
        ),
    }
    if settings.disk_size_gib:
        parameters |= disk_parameters(
            "DataDisk.1", place.data_disk_category, settings.disk_size_gib
        )
    return parameters | spot_parameters(settings)


def spot_parameters(settings: Settings) -> dict[str, Parameter]:
    """Return the parameters of an instance that ECS may reclaim; none of another."""
    if settings.spot_strategy == "NoSpot":
        return {}
    return {"SpotStrategy": settings.spot_strategy, "SpotDuration": settings.spot_duration_h}


def disk_parameters(disk: str, category: str, size_gib: int | str) -> dict[str, Parameter]:
    """Return the parameters of a disk, ``SystemDisk`` or ``DataDisk.N``."""
    return {f"{disk}.Category": category, f"{disk}.Size": size_gib}


def disks_as_parameters(disks: Iterable[Disk]) -> dict[str, Parameter]:
    """Return the disks of an instance as parameters of DescribePrice."""
    parameters: dict[str, Parameter] = {}
    number = 0
    for disk in disks:
        number += disk.kind == "data"
        name = f"DataDisk.{number}" if disk.kind == "data" else "SystemDisk"
        parameters |= disk_parameters(name, disk.category, disk.size_gib)
    return parameters


def ensure_instance(
    cloud: Cloud,
    journal: Journal,
    parameters_for: Callable[[Place], dict[str, Parameter]],
    places: tuple[Place, ...],
    report: Report,
) -> str:
    """Return the id of the machine's instance, asking for one if there is none yet.

    A place that lacks something is followed by the next. One that was asked for before, without an
    answer, is looked for first, and then asked for with the same token.
    """
    known = journal.find(KIND, region=cloud.region)
    if known is not None and known.id is not None:
        return known.id
    if known is not None:
        unseen = find_made(cloud, journal.create_id)
        if unseen:
            journal.made(known, unseen[0])
            return unseen[0]
    refusal: ApiError | None = None
    for number, place in enumerate(places):
        if refusal is not None:
            other = place.instance_type != places[number - 1].instance_type
            kind = f"{place.instance_type} in " if other else ""
            report(f"{refusal.lacking}: trying {kind}zone {place.zone}...")
        parameters = parameters_for(place)
        resource = journal.intend(KIND, region=cloud.region)
        try:
            with forget_if_refused(journal, resource, asked_before=resource is known):
                instance_id = _run(cloud, parameters, resource.token)
        except ApiError as error:
            if error.meaning is Meaning.TOKEN_MISMATCH:
                instance_id = _made_with_other_parameters(cloud, journal, error)
            elif error.lacking:
                refusal = error
                continue
            else:
                raise
        journal.made(resource, instance_id)
        return instance_id
    assert refusal is not None  # noqa: S101  (places is never empty)
    raise refusal


def _run(cloud: Cloud, parameters: dict[str, Parameter], token: str) -> str:
    """Ask for the instance; what it uses may have been made too recently to be found."""
    return until_accepted(
        max(_FOUND_AFTER_S.values()),
        lambda: cloud.ecs.run_instance(parameters, token=token),
        lambda error, spent_s: spent_s < _FOUND_AFTER_S.get(error.missing, 0.0),
    )


def find_made(cloud: Cloud, create_id: str, *, timeout_s: float = 0.0) -> list[str]:
    """Return the instances that carry the tag of this create, oldest first."""
    for _ in polls(timeout_s):
        found = [instance.id for instance in cloud.ecs.instances(tags={CREATE: create_id})]
        if found:
            return found
    return []


def forget_if_gone(cloud: Cloud, journal: Journal) -> None:
    """Strike the instance off the journal if it was seen once, and is not there any more."""
    known = journal.find(KIND, region=cloud.region)
    if (
        known is not None
        and known.id is not None
        and "seen" in known.details
        and cloud.ecs.instance(known.id) is None
    ):
        journal.removed(known)


def mark_seen(journal: Journal, resource: Resource) -> None:
    """Write down that the instance was seen: from now on, not finding it means that it is gone."""
    if resource.id is not None and "seen" not in resource.details:
        resource.details["seen"] = "true"
        journal.made(resource, resource.id)


def remove_instance(
    cloud: Cloud, instance_id: str, *, seen: bool, unprotect: bool, report: Report
) -> bool:
    """Release an instance in whatever state it is, and wait until it is gone.

    Returns whether it was there: one that is not there is success. ``seen`` is whether it was
    ever seen; if not, it may only be too new to be found. ``unprotect`` switches its deletion
    protection off first.
    """
    report(f"Removing instance {instance_id}...")
    if unprotect:
        _unprotect(cloud, instance_id)
    if not _release(cloud, instance_id, appear_timeout_s=0.0 if seen else _LOOKUP_TIMEOUT_S):
        return False
    for _ in polls(_GONE_TIMEOUT_S):
        if cloud.watched(instance_id) is None:
            return True
    raise MachineError(
        f"Instance {instance_id} was released, but still exists after {_GONE_TIMEOUT_S:.0f} s",
        hint="Try again, or check it in the ECS console.",
    )


def remove_resource(
    cloud: Cloud, journal: Journal, resource: Resource, *, unprotect: bool, report: Report
) -> bool:
    """Remove the instance of a journal, found by its tag if its id never came.

    Returns whether there was one.
    """
    if resource.id is not None:
        return remove_instance(
            cloud, resource.id, seen="seen" in resource.details, unprotect=unprotect, report=report
        )
    found = find_made(cloud, journal.create_id, timeout_s=_LOOKUP_TIMEOUT_S)
    for instance_id in found:
        remove_instance(cloud, instance_id, seen=True, unprotect=unprotect, report=report)
    return bool(found)


def _release(cloud: Cloud, instance_id: str, *, appear_timeout_s: float) -> bool:
    """Ask for the release until it is accepted; False if there is no such instance."""
    refusal: ApiError | None = None
    for spent_s in polls(_GONE_TIMEOUT_S):
        try:
            delete_together(
                cloud.released_instances,
                instance_id,
                cloud.ecs.delete_instance,
                cloud.ecs.delete_instances,
            )
            return True
        except ApiError as error:
            if error.is_not_found:
                if spent_s >= appear_timeout_s:
                    return False
            elif error.meaning is Meaning.PAID_IN_ADVANCE:
                found = cloud.ecs.instance(instance_id)
                raise _paid_in_advance(instance_id, found, f": {error.message}") from error
            elif error.meaning is Meaning.PROTECTED:
                raise ProtectedError(error.message, hint=error.hint) from error
            elif error.meaning is not Meaning.WRONG_STATUS:
                raise
            # on its way from one state to another: it can be released when it has arrived
            refusal = error
    assert refusal is not None  # noqa: S101  (at least one look is made)
    raise refusal


def releasable(cloud: Cloud, instance_id: str) -> Instance | None:
    """Return an instance from which something is taken before it is released, if it is there.

    Raises :class:`ProtectedError` for one that ECS would keep, and
    :class:`~ecsmachine.aliyun.errors.ApiError` if we may not release it.
    """
    found = cloud.ecs.instance(instance_id)
    if found is not None and found.deletion_protection:
        raise ProtectedError(
            f"Instance {instance_id} has deletion protection",
            hint="First disable it: in the ECS console, or with ModifyInstanceAttribute.",
        )
    if found is not None and found.charge_type == "PrePaid" and not is_expired(found):
        raise _paid_in_advance(instance_id, found)
    try:
        if found is not None:
            cloud.ecs.dry_run_delete(instance_id)
    except ApiError as error:
        if error.meaning is Meaning.NO_PERMISSION:
            raise
    return found


def _paid_in_advance(instance_id: str, found: Instance | None, refusal: str = "") -> ProtectedError:
    """Return what to do about an instance that cannot be released yet."""
    until = f" until {found.expires}" if found is not None and found.expires else ""
    return ProtectedError(
        f"Instance {instance_id} is a subscription{until} and cannot be released earlier{refusal}",
        hint="Wait until then, or change it to PostPaid (or get a refund) in the ECS console, "
        "and try again.",
    )


def check_runs(cloud: Cloud, instance_id: str) -> None:
    """Raise :class:`MachineError` if what is waited for cannot come: the instance has ended."""
    instance = cloud.watched(instance_id)
    reason = reason_of(instance)
    if reason or (instance is not None and instance.status == InstanceStatus.STOPPED):
        raise _ended(cloud, instance_id, instance, reason or "it has stopped")


def wait_until(cloud: Cloud, instance_id: str, status: InstanceStatus) -> Instance:
    """Return the instance once it has a status: RUNNING, or STOPPED.

    Raises :class:`MachineError` if it vanishes, is locked, or does not come to that in time.
    """
    last, before, since_s = "", "", 0.0
    starts = status is InstanceStatus.RUNNING
    former = InstanceStatus.STOPPED if starts else InstanceStatus.RUNNING
    on_its_way = InstanceStatus.STARTING if starts else InstanceStatus.STOPPING
    for spent_s in polls(_STATE_TIMEOUT_S, first_pause_s=0.05):
        instance = cloud.watched(instance_id)
        if instance is None:
            if last or spent_s > _APPEAR_TIMEOUT_S:
                raise MachineError(
                    f"Instance {instance_id} was released while ecsmachine was waiting for it",
                    hint="ECS does this when stock runs out or the spot price exceeds the limit.",
                )
            continue
        if instance.status == status:
            return instance
        reason = reason_of(instance)
        if state_of(instance) is State.ERROR or (reason and starts):
            words = f"it does not become {status.value}: {reason}"
            raise _ended(cloud, instance_id, instance, words)
        if instance.status != last:
            before, last, since_s = last, instance.status, spent_s
        # a boot may fail, and somebody may start what is being stopped; an answer may be an old one
        turned = last == former and before == on_its_way
        patience_s = _TURNED_S if turned else _STOPPED_TIMEOUT_S
        if last == former and (turned or starts) and spent_s - since_s >= patience_s:
            words = "it has stopped instead of starting" if starts else "it is running again"
            raise _ended(cloud, instance_id, instance, words)
    raise MachineError(
        f"Instance {instance_id} is {last or 'not seen'}, not {status.value}, "
        f"after {_STATE_TIMEOUT_S:.0f} s",
        hint="Check it in the ECS console.",
    )


def _ended(cloud: Cloud, instance_id: str, instance: Instance | None, words: str) -> MachineError:
    """Return the error for an instance that has ended, with the end of its console."""
    shown = ""
    if instance is not None:
        with contextlib.suppress(MachineError):
            shown = console_end(cloud.ecs, instance_id)
    return MachineError(
        f"Instance {instance_id} stopped while ecsmachine was waiting for it: {words}",
        hint="Check it in the ECS console, or on the local cloud with ecsmachine local logs "
        f"{instance_id}.",
        details=f"The end of its console:\n{shown}" if shown else None,
    )


def _made_with_other_parameters(cloud: Cloud, journal: Journal, error: ApiError) -> str:
    """Return the instance that an earlier request with this token, but other values, made."""
    found = find_made(cloud, journal.create_id, timeout_s=_APPEAR_TIMEOUT_S)
    if not found:
        raise error
    return found[0]


def _unprotect(cloud: Cloud, instance_id: str) -> None:
    instance = cloud.ecs.instance(instance_id)
    if instance is not None and instance.deletion_protection:
        set_attribute(cloud.ecs, instance_id, "DeletionProtection", False)


def _instance_name(machine_name: str) -> str:
    """Return a name that ECS takes: 2 to 128 characters, a letter first."""
    if re.match(r"[A-Za-z]", machine_name) and len(machine_name) >= 2:
        return shortened(machine_name, 128)
    return shortened(f"ecsmachine-{machine_name}", 128)
