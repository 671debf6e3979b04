"""Every state that an instance can be in: what is shown of it, and rm in each of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ecsmachine.aliyun.errors import ApiError
from ecsmachine.drivers.aliyunecs.life.driver import AliyunEcsDriver
from ecsmachine.drivers.base import State
from ecsmachine.errors import MachineError
from ecsmachine.localcloud.state.settings import Delays
from ecsmachine.machine.probe import probe
from tests.api.driver_rig import Rig, rig_in

OVER = "2020-01-01T00:00Z"


def seen(rig: Rig, driver: AliyunEcsDriver) -> tuple[State, str]:
    """Return the state of a machine and the reason, as ls shows them."""
    from ecsmachine.machine.model import Machine, auth_options

    loaded = rig.loaded(driver)
    loaded._record.base.ip_address = ""  # nothing is behind the addresses of this cloud
    machine = Machine(name="dev1", driver=loaded, auth=auth_options(rig.store, "dev1"))
    found = probe(machine, timeout_s=5)
    return found.state, found.error


STATES = [
    ({"status": "Pending", "made": False}, State.STARTING, ""),
    ({"status": "Starting"}, State.STARTING, ""),
    ({"status": "Stopping"}, State.STOPPING, ""),
    ({"status": "Stopped"}, State.STOPPED, ""),
    ({"charge_type": "PrePaid", "expires": OVER, "status": "Stopped"}, State.ERROR, "expired at"),
    ({"locks": ("financial",), "status": "Stopped"}, State.ERROR, "in debt"),
    ({"locks": ("security",), "status": "Stopped"}, State.ERROR, "locked for security"),
    ({"locks": ("security", "financial"), "status": "Stopped"}, State.ERROR, "; locked: "),
    ({"locks": ("novelty",)}, State.ERROR, "locked (novelty)"),
    ({"locks": ("recycling",), "status": "Stopped"}, State.STOPPED, "about to be reclaimed"),
    ({"status": "Marvelling"}, State.ERROR, "its ECS status is Marvelling"),
]


@pytest.mark.parametrize(("changes", "state", "reason"), STATES)
def test_what_is_shown_of_every_state(
    rig: Rig, changes: dict[str, Any], state: State, reason: str
) -> None:
    driver, _ = rig.create()
    rig.change(**changes)
    found, error = seen(rig, driver)
    assert found is state
    assert reason in error
    assert bool(reason) == bool(error)


def test_what_was_released_outside_is_not_found(rig: Rig) -> None:
    driver, journal = rig.create()
    driver._cloud.ecs.delete_instance(driver.config()["InstanceId"])
    assert seen(rig, driver)[1].startswith("half made: ")
    journal.finish()
    assert seen(rig, driver) == (
        State.NOT_FOUND,
        "the instance was released outside of ecsmachine",
    )
    with pytest.raises(MachineError, match="no longer exists"):
        rig.loaded(driver).start(rig.report)
    rig.loaded(driver).remove(journal, rig.report)
    assert rig.left() == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"charge_type": "PrePaid", "expires": OVER, "status": "Stopped"},
        {"charge_type": "PrePaid", "expires": OVER},
        {"locks": ("financial",), "status": "Stopped"},
        {"locks": ("security",), "status": "Stopped"},
        {"locks": ("recycling",)},
    ],
)
def test_rm_of_what_is_expired_or_locked(rig: Rig, changes: dict[str, Any]) -> None:
    driver, journal = rig.create()
    journal.finish()
    rig.change(**changes)
    rig.loaded(driver).remove(journal, rig.report)
    assert rig.left() == {}


@pytest.mark.parametrize(
    ("delays", "status"),
    [
        (Delays(pending_s=1.5), "Pending"),
        (Delays(starting_s=1.5), "Starting"),
        (Delays(stopping_s=1.5), "Stopping"),
    ],
)
def test_rm_waits_for_what_is_on_its_way(tmp_path: Path, delays: Delays, status: str) -> None:
    with rig_in(tmp_path, delays) as rig:
        driver, journal = rig.create()
        instance_id = driver.config()["InstanceId"]
        ecs = driver._cloud.ecs
        ecs.stop_instance(instance_id, force=True)
        if status != "Stopping":
            driver.stop(rig.report)
            if status == "Starting":
                ecs.start_instance(instance_id)
            else:
                driver.remove(journal, rig.report)
                driver, journal = _asked_for(rig)
                instance_id = next(iter(rig.cloud.state.instances)).id
        instance = ecs.instance(instance_id)
        assert instance is not None
        assert instance.status == status
        rig.loaded(driver).remove(journal, rig.report)
        assert rig.left() == {}


def test_a_state_that_changes_between_refusal_and_look_is_tried_again(rig: Rig) -> None:
    driver, _ = rig.create()
    rig.front.faults["StopInstance"] = ["IncorrectInstanceStatus"]  # as if it were Starting
    driver.stop(rig.report)
    assert driver.state() is State.STOPPED
    rig.front.faults["StartInstance"] = ["IncorrectInstanceStatus"]  # as if it were Stopping
    driver.start(rig.report)
    assert driver.state() is State.RUNNING
    rig.front.faults["StopInstance"] = ["IncorrectInstanceStatus"] * 2
    with pytest.raises(ApiError, match="IncorrectInstanceStatus"):
        driver.stop(rig.report)


def _asked_for(rig: Rig) -> tuple[AliyunEcsDriver, Any]:
    """Begin a create that dies once the instance is asked for."""

    class Crash(BaseException):
        pass

    def die() -> None:
        raise Crash

    driver, journal = rig.driver(), rig.journal("dev2")
    with pytest.raises(Crash):
        driver.create(journal, rig.report, die)
    return driver, journal


def test_rm_of_what_is_paid_in_advance_says_what_to_do(rig: Rig) -> None:
    driver, journal = rig.create(charge_type="PrePaid", period=3, auto_renew=True)
    (instance,) = rig.cloud.state.instances
    assert (instance.period, instance.period_unit, instance.auto_renew) == (3, "Month", True)
    with pytest.raises(MachineError, match=f"a subscription until {instance.expires}") as caught:
        rig.loaded(driver).remove(journal, rig.report)
    assert "ChargeTypeViolation" in caught.value.message
    assert "(request " in caught.value.message
    assert "PostPaid" in (caught.value.hint or "")
    # what the instance uses stays with it, and all of it in the journal
    assert {resource.kind for resource in journal.resources()} >= {"instance", "security-group"}
    rig.change(expires=OVER)
    rig.loaded(driver).remove(journal, rig.report)
    assert rig.left() == {}


def test_a_subscription_of_weeks(rig: Rig) -> None:
    rig.create(charge_type="PrePaid", period=2, period_unit="Week")
    body = next(
        body
        for body in rig.front.bodies
        if body["Action"] == "RunInstances" and "ClientToken" in body
    )
    assert (body["Period"], body["PeriodUnit"], body["AutoPay"]) == ("2", "Week", "true")
    assert body["AutoRenew"] == "false"


def test_an_expired_instance_is_not_started(rig: Rig) -> None:
    driver, _ = rig.create(charge_type="PrePaid")
    rig.change(expires=OVER, status="Stopped")
    with pytest.raises(ApiError, match="InstanceExpired") as caught:
        rig.loaded(driver).start(rig.report)
    assert "Renew" in (caught.value.hint or "")


def test_a_locked_instance_is_neither_started_nor_stopped(rig: Rig) -> None:
    driver, _ = rig.create()
    rig.change(locks=("security",))
    for operation in (rig.loaded(driver).start, rig.loaded(driver).stop, rig.loaded(driver).kill):
        with pytest.raises(ApiError, match="InstanceLockedForSecurity") as caught:
            operation(rig.report)
        assert "console" in (caught.value.hint or "")
