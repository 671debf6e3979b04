"""Starting, stopping, restarting and releasing instances, one or many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.stock import check_host_capacity
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import minutes
from ecsmachine.localcloud.protocol.errors import ApiError, missing_parameter
from ecsmachine.localcloud.state.addresses import pick_public
from ecsmachine.localcloud.state.model import Instance, InstanceStatus, StoppedMode
from ecsmachine.localcloud.state.resources import check_status, forget_instance

MAX_INSTANCES = 100


Work = Callable[[Call, Instance], None]


def one(call: Call, work: Work) -> None:
    """StartInstance, StopInstance, RebootInstance, DeleteInstance."""
    work(call, call.required(call.state.instances, "InstanceId"))


def several(call: Call, work: Work, becomes: InstanceStatus) -> Answer:
    """StartInstances, StopInstances, RebootInstances.

    Each by itself (``SuccessFirst``), or all or none (``AllTogether``).
    """
    how = call.parameters.choice("BatchOptimization", ("AllTogether", "SuccessFirst"))
    responses: list[dict[str, Any]] = []
    for instance in _instances_of_request(call):
        response = {
            "InstanceId": instance.id,
            "PreviousStatus": instance.status,
            "CurrentStatus": becomes,
            "Code": "200",
            "Message": "success",
        }
        try:
            work(call, instance)
        except ApiError as error:
            if how == "AllTogether":
                raise
            response.update(Code=error.code, Message=error.message, CurrentStatus=instance.status)
        responses.append(response)
    return {"InstanceResponses": {"InstanceResponse": responses}}


def delete_instances(call: Call) -> None:
    """DeleteInstances: all of them or, if one is refused, none."""
    for instance in _instances_of_request(call):
        delete(call, instance)


def start(call: Call, instance: Instance) -> None:
    """Start one that is Stopped."""
    _check_locks(instance)
    if "financial" in instance.locks or _is_expired(instance):
        raise refusals.of("InstanceExpired")
    check_status(instance, "Stopped")
    check_host_capacity(call, 1)
    address = pick_public(call.state) if instance.address_reclaimed else instance.public_ip
    call.state.instances.put(
        replace(
            instance,
            status="Starting",
            stopped_mode="Not-applicable",
            public_ip=address,
            address_reclaimed=False,
        )
    )
    call.lifecycle.instances.start(instance.id)


def stop(call: Call, instance: Instance) -> None:
    """Stop one that is Running; ``ForceStop`` pulls the plug."""
    _check_locks(instance)
    check_status(instance, "Running")
    mode: StoppedMode = call.parameters.choice(
        "StoppedMode", ("KeepCharging", "StopCharging", "Not-applicable")
    )
    if instance.charge_type == "PrePaid":
        mode = "Not-applicable"
    # Economical mode gives the public address back; an elastic one stays.
    reclaimed = mode == "StopCharging" and bool(instance.public_ip)
    call.state.instances.put(
        replace(
            instance,
            status="Stopping",
            stopped_mode=mode,
            start_next=False,
            public_ip="" if reclaimed else instance.public_ip,
            address_reclaimed=reclaimed,
        )
    )
    call.lifecycle.instances.stop(instance.id, force=call.parameters.boolean("ForceStop"))
    if reclaimed:
        call.lifecycle.instances.set_public_ip(instance.id)


def reboot(call: Call, instance: Instance) -> None:
    """Reboot one that is Running."""
    _check_locks(instance)
    check_status(instance, "Running")
    call.state.instances.put(replace(instance, status="Stopping", start_next=True))
    # The two actions call it differently.
    force = call.parameters.boolean("ForceStop") or call.parameters.boolean("ForceReboot")
    call.lifecycle.instances.stop(instance.id, force=force)


def delete(call: Call, instance: Instance) -> None:
    """Release one that is Stopped, or with ``Force`` a Running one.

    One that is paid in advance only once that is over, and with ``TerminateSubscription``.
    """
    force = call.parameters.boolean("Force")
    if instance.deletion_protection:
        raise refusals.of("InvalidOperation.DeletionProtection")
    ended = call.parameters.boolean("TerminateSubscription") and _is_expired(instance)
    if instance.charge_type == "PrePaid" and not ended:
        raise refusals.CHARGE_TYPE()
    if instance.status == "Pending":
        raise refusals.of("IncorrectInstanceStatus.Initializing")
    check_status(instance, "Stopped", *(("Running",) if force else ()))
    if any(entry.next_hop_id == instance.id for entry in call.state.route_entries):
        raise refusals.of("DependencyViolation.RouteEntry")
    forget_instance(call.state, instance)
    call.lifecycle.removals.begin()


def _check_locks(instance: Instance) -> None:
    if "security" in instance.locks:
        raise refusals.SECURITY_LOCK()


def _is_expired(instance: Instance) -> bool:
    # Both are written alike, and so their order is that of time.
    return instance.charge_type == "PrePaid" and instance.expires <= minutes()


def _instances_of_request(call: Call) -> list[Instance]:
    ids = call.parameters.listed("InstanceId")
    if not ids:
        raise missing_parameter("InstanceId")
    if len(ids) > MAX_INSTANCES:
        raise refusals.of("InvalidParameter.TooManyInstanceIds")
    return [call.find(call.state.instances, instance_id) for instance_id in dict.fromkeys(ids)]
