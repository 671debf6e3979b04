"""Starting, stopping and restarting an instance, whatever state it is in."""

from __future__ import annotations

from ecsmachine.aliyun.ecs_values import Instance
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
    status = ""
    for _ in polls(_STATE_TIMEOUT_S):
        try:
            cloud.ecs.start_instance(instance_id)
            break
        except ApiError as error:
            if error.meaning is not Meaning.WRONG_STATUS:
                raise
            seen_before, status = status, _status(cloud, instance_id)
            if status in ("Running", "Starting"):
                break
            if status == seen_before == "Stopped":
                raise
            # it is, or was a moment ago, still stopping: it can be started when it has stopped
    return wait_until_running(cloud, instance_id)


def stop(cloud: Cloud, instance_id: str, *, force: bool) -> None:
    """Stop an instance and wait until it has stopped; one that has is left as it is.

    ``force`` is as by pulling the plug, and also ends an orderly stop that hangs.
    """
    status = ""
    for _ in polls(_STATE_TIMEOUT_S):
        try:
            cloud.ecs.stop_instance(instance_id, force=force)
            break
        except ApiError as error:
            if error.meaning is not Meaning.WRONG_STATUS:
                raise
            seen_before, status = status, _status(cloud, instance_id)
            if status in ("Stopped", "Stopping"):
                break
            if status == seen_before == "Running":
                raise
            # it is, or was a moment ago, still starting: it can be stopped when it runs
    wait_until_stopped(cloud, instance_id)


def restart(cloud: Cloud, instance_id: str) -> Instance:
    """Restart an instance and return it once it runs again."""
    cloud.ecs.reboot_instance(instance_id)
    for _ in polls(_REBOOT_SEEN_TIMEOUT_S, longest_pause_s=0.3):
        if _status(cloud, instance_id) != "Running":
            break
    return wait_until_running(cloud, instance_id)


def _status(cloud: Cloud, instance_id: str) -> str:
    instance = cloud.ecs.instance(instance_id)
    return instance.status if instance is not None else ""
