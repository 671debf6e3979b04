"""Starting, stopping and restarting an instance, whatever state it is in."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from ecsmachine.aliyun.ecs_values import Instance, InstanceStatus
from ecsmachine.aliyun.error_codes import Meaning
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.aliyunecs.resources.instance import wait_until_running, wait_until_stopped
from ecsmachine.polling import polls

_STATE_TIMEOUT_S = 300.0
_REBOOT_SEEN_TIMEOUT_S = 3.0
"""How long is looked for the moment in which a restarting instance does not run."""


def start(cloud: Cloud, instance_id: str) -> Instance:
    """Start an instance and return it once it runs; one that runs is left as it is."""
    done = (InstanceStatus.RUNNING, InstanceStatus.STARTING)
    ask = partial(cloud.ecs.start_instance, instance_id)
    # one that is, or was a moment ago, still stopping can be started when it has stopped
    _ask_until_accepted(cloud, instance_id, ask, done, possible_in=InstanceStatus.STOPPED)
    return wait_until_running(cloud, instance_id)


def start_if_stopped(cloud: Cloud, instance_id: str) -> None:
    """Start an instance that has stopped; do not wait for it."""
    if _status(cloud, instance_id) == InstanceStatus.STOPPED:
        cloud.ecs.start_instance(instance_id)


def stop(cloud: Cloud, instance_id: str, *, force: bool) -> None:
    """Stop an instance and wait until it has stopped; one that has is left as it is.

    ``force`` is as by pulling the plug, and also ends an orderly stop that hangs.
    """
    done = (InstanceStatus.STOPPED, InstanceStatus.STOPPING)
    ask = partial(cloud.ecs.stop_instance, instance_id, force=force)
    # one that is, or was a moment ago, still starting can be stopped when it runs
    _ask_until_accepted(cloud, instance_id, ask, done, possible_in=InstanceStatus.RUNNING)
    wait_until_stopped(cloud, instance_id)


def restart(cloud: Cloud, instance_id: str) -> Instance:
    """Restart an instance and return it once it runs again."""
    cloud.ecs.reboot_instance(instance_id)
    for _ in polls(_REBOOT_SEEN_TIMEOUT_S, longest_pause_s=0.3):
        if _status(cloud, instance_id) != InstanceStatus.RUNNING:
            break
    return wait_until_running(cloud, instance_id)


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
