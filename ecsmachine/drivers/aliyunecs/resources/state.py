"""The words for an instance's state: ECS's, and Docker Machine's."""

from __future__ import annotations

from datetime import datetime, timezone

from ecsmachine.aliyun.ecs_values import Instance, InstanceStatus
from ecsmachine.drivers.base import State

_STATES: dict[str, State] = {
    InstanceStatus.PENDING: State.STARTING,
    InstanceStatus.STARTING: State.STARTING,
    InstanceStatus.RUNNING: State.RUNNING,
    InstanceStatus.STOPPING: State.STOPPING,
    InstanceStatus.STOPPED: State.STOPPED,
    InstanceStatus.DELETED: State.NOT_FOUND,
}

_LOCKS = {
    "financial": "locked: the account is in debt, or the instance has expired; top up or renew it",
    "security": "locked for security: the ECS console shows why",
    "recycling": "about to be reclaimed by ECS: save its data",
    "dedicatedhostfinancial": "locked: its dedicated host is in debt or has expired",
    "refunded": "locked: it was refunded",
}
"""What the reasons of OperationLocks mean (DescribeInstances)."""


def state_of(instance: Instance | None) -> State:
    """Return the state of a machine; one that cannot be started any more is in Error."""
    if instance is None:
        return State.NOT_FOUND
    if _is_barred(instance):
        return State.ERROR
    return _STATES.get(instance.status, State.ERROR)


def reason_of(instance: Instance | None) -> str:
    """Return, in words, why a machine is in a state that no command has put it in, or ""."""
    if instance is None:
        return "the instance was released outside of ecsmachine"
    if is_expired(instance) and "security" not in _locks(instance):
        return f"expired at {instance.expires}: renew it in the ECS console"
    words = [_LOCKS.get(lock, f"locked ({lock})") for lock in _locks(instance)]
    if not words and instance.status not in _STATES:
        words = [f"its ECS status is {instance.status or 'nothing'}"]
    return "; ".join(words)


def is_expired(instance: Instance) -> bool:
    """Whether an instance that is paid in advance is past its end."""
    if instance.charge_type != "PrePaid":
        return False
    try:
        end = datetime.strptime(instance.expires, "%Y-%m-%dT%H:%MZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return False
    return end <= datetime.now(timezone.utc)


def _is_barred(instance: Instance) -> bool:
    # one that is about to be reclaimed runs until then
    return is_expired(instance) or any(lock != "recycling" for lock in _locks(instance))


def _locks(instance: Instance) -> list[str]:
    return [lock.lower() for lock in instance.locks]
