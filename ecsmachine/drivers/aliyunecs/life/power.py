"""Starting, stopping and restarting an instance, whatever state it is in."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from ecsmachine.aliyun.ecs_values import Instance, InstanceStatus
from ecsmachine.aliyun.error_codes import Meaning
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.aliyunecs.resources.instance import wait_until
from ecsmachine.drivers.base import Report
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.polling import polls

_NO_CHARGE = "StopCharging"
"""The StoppedMode in which an instance itself costs nothing."""

_STATE_TIMEOUT_S = 300.0
_REBOOT_SEEN_TIMEOUT_S = 3.0
"""How long is looked for the moment in which a restarting instance does not run."""


def start(cloud: Cloud, instance_id: str) -> Instance:
    """Start an instance and return it once it runs; one that runs is left as it is."""
    done = (InstanceStatus.RUNNING, InstanceStatus.STARTING)
    ask = partial(cloud.ecs.start_instance, instance_id)
    # one that is, or was a moment ago, still stopping can be started when it has stopped
    _ask_until_accepted(cloud, instance_id, ask, done, possible_in=InstanceStatus.STOPPED)
    return wait_until(cloud, instance_id, InstanceStatus.RUNNING)


def start_if_stopped(cloud: Cloud, instance_id: str) -> None:
    """Start an instance that has stopped; do not wait for it."""
    if _status(cloud, instance_id) == InstanceStatus.STOPPED:
        cloud.ecs.start_instance(instance_id)


def stop(
    cloud: Cloud, instance_id: str, *, force: bool = False, stopped_mode: str = ""
) -> Instance:
    """Stop an instance and return it once it has stopped; one that has is left as it is.

    ``force`` is as by pulling the plug, and also ends an orderly stop that hangs.
    """
    done = (InstanceStatus.STOPPED, InstanceStatus.STOPPING)
    ask = partial(cloud.ecs.stop_instance, instance_id, force=force, mode=stopped_mode)
    # one that is, or was a moment ago, still starting can be stopped when it runs
    _ask_until_accepted(cloud, instance_id, ask, done, possible_in=InstanceStatus.RUNNING)
    return wait_until(cloud, instance_id, InstanceStatus.STOPPED)


def stop_without_charge(cloud: Cloud, instance_id: str, address: str, report: Report) -> Instance:
    """Stop an instance so that only its disks are charged, and return it once it has stopped.

    Says what becomes of its ``address``. Raises :class:`MachineError` if it is paid in advance,
    is stopped already and still charged, or if ECS goes on charging it.
    """
    before = cloud.ecs.instance(instance_id)
    if before is not None and before.charge_type == "PrePaid":
        raise MachineError(
            f"Instance {instance_id} is a subscription: stopping it saves nothing",
            hint="Leave --no-charge out.",
        )
    found = stop(cloud, instance_id, stopped_mode=_NO_CHARGE)
    if found.stopped_mode != _NO_CHARGE:
        stopped = before is not None and before.status == InstanceStatus.STOPPED
        raise MachineError(
            f"Instance {instance_id} is stopped, but still charged",
            hint="It was stopped without --no-charge: start it, then stop it with --no-charge."
            if stopped
            else "ECS cannot stop instances of this kind without charge.",
        )
    if found.eip_address:
        report(f"The elastic address {found.eip_address} stays and is charged. So are the disks.")
    elif address and not found.public_address and address not in found.private_addresses:
        report(
            f'The address {address} was released: "start" gets a new one. The disks are charged.'
        )
    else:
        report("The disks are charged.")
    return found


def expire(cloud: Cloud, instance_id: str, when: str) -> str:
    """Let ECS release an instance at a time, and return it; "" is never.

    Raises :class:`UsageError` for a text that is no time, and :class:`MachineError` for an
    instance that is paid in advance.
    """
    from ecsmachine.drivers.aliyunecs.options.values import AUTO_RELEASE_TIME, UnfitValueError

    try:
        at: str = AUTO_RELEASE_TIME.read(when)
    except UnfitValueError as unfit:
        raise UsageError(unfit.reason, hint=unfit.hint) from None
    found = cloud.ecs.instance(instance_id)
    if found is not None and found.charge_type == "PrePaid":
        raise MachineError(
            f"Instance {instance_id} is a subscription until {found.expires}: it cannot be "
            "released earlier",
            hint="The subscription ends by itself.",
        )
    cloud.ecs.set_auto_release(instance_id, at)
    return at


def restart(cloud: Cloud, instance_id: str) -> Instance:
    """Restart an instance and return it once it runs again."""
    cloud.ecs.reboot_instance(instance_id)
    for _ in polls(_REBOOT_SEEN_TIMEOUT_S, longest_pause_s=0.3):
        if _status(cloud, instance_id) != InstanceStatus.RUNNING:
            break
    return wait_until(cloud, instance_id, InstanceStatus.RUNNING)


def _ask_until_accepted(
    cloud: Cloud,
    instance_id: str,
    ask: Callable[[], None],
    done: Collection[str],
    *,
    possible_in: InstanceStatus,
) -> None:
    """Ask for a change of status until it is accepted, or the instance is as it is wanted.

    Raises the refusal if the instance stays in the status in which it should be possible.
    """
    status = ""
    for _ in polls(_STATE_TIMEOUT_S):
        try:
            return ask()
        except ApiError as error:
            if error.meaning is not Meaning.WRONG_STATUS:
                raise
            seen_before, status = status, _status(cloud, instance_id)
            if status in done:
                return None
            if status == seen_before == possible_in:
                raise
    return None


def _status(cloud: Cloud, instance_id: str) -> str:
    instance = cloud.ecs.instance(instance_id)
    return instance.status if instance is not None else ""
