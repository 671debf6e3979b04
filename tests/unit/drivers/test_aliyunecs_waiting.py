"""An instance that stops while it is waited for to run."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from ecsmachine.aliyun.ecs_values import InstanceStatus
from ecsmachine.drivers.aliyunecs.resources import instance as resource
from ecsmachine.errors import MachineError

RUNNING, STOPPED = InstanceStatus.RUNNING, InstanceStatus.STOPPED


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds(timeout_s: float, **_: float) -> Iterator[float]:
        yield from map(float, range(int(timeout_s)))

    monkeypatch.setattr(resource, "polls", seconds)
    monkeypatch.setattr(resource, "console_end", lambda ecs, instance_id: "")


def cloud_of(*statuses: str) -> Any:
    """Return a cloud that shows an instance in these states, one a second; the last one stays."""
    coming = list(statuses)

    def look(instance_id: str) -> Any:
        status = coming.pop(0) if len(coming) > 1 else coming[0]
        return SimpleNamespace(status=status, locks=(), charge_type="PostPaid", expires="")

    return SimpleNamespace(ecs=None, watched=look)


def test_stopped_on_its_way_from_pending_is_waited_for() -> None:
    cloud = cloud_of("Pending", *["Stopped"] * 20, "Starting", "Running")
    assert resource.wait_until(cloud, "i-1", RUNNING).status == "Running"


@pytest.mark.parametrize(
    "statuses", [("Pending", "Starting", "Stopped"), ("Pending", "Stopped"), ("Stopped",)]
)
def test_stopped_instead_of_starting_is_not_waited_for(statuses: tuple[str, ...]) -> None:
    with pytest.raises(
        MachineError, match=r"i-1 stopped while .* stopped instead of starting"
    ) as caught:
        resource.wait_until(cloud_of(*statuses), "i-1", RUNNING)
    assert "ecsmachine local logs i-1" in (caught.value.hint or "")


def test_stopped_after_a_stop_is_what_was_waited_for() -> None:
    assert resource.wait_until(cloud_of("Starting", "Stopped"), "i-1", STOPPED).status == "Stopped"
