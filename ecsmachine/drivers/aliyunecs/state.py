"""The words for an instance's state: ECS's, and Docker Machine's."""

from __future__ import annotations

from ecsmachine.drivers.base import State

_STATES = {
    "Pending": State.STARTING,
    "Starting": State.STARTING,
    "Running": State.RUNNING,
    "Stopping": State.STOPPING,
    "Stopped": State.STOPPED,
    "Deleted": State.NOT_FOUND,
}


def state_of(status: str) -> State:
    """Return the state of a machine whose instance has that status."""
    return _STATES.get(status, State.ERROR)
