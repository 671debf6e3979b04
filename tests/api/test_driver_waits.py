"""Waits of the driver and of a create: what has ended is not waited for."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import replace
from typing import Any

import pytest

from ecsmachine.aliyun.ecs_values import InstanceStatus
from ecsmachine.drivers import registry
from ecsmachine.drivers.aliyunecs.life.driver import AliyunEcsDriver
from ecsmachine.drivers.aliyunecs.resources import instance as instances
from ecsmachine.errors import MachineError
from ecsmachine.machine import watch
from ecsmachine.machine.create import create
from ecsmachine.machine.create_request import CreateRequest
from ecsmachine.machine.probe import probe
from ecsmachine.machine.removal import Removal
from ecsmachine.machine.store import Store
from ecsmachine.ssh.target import SSHTarget
from tests.api.driver_rig import ENGINE, Rig

CONSOLE = b"Welcome\r\n\x1b[1;31mkernel: Out of memory: Killed process 1\x1b[0m\r\n\r\n"


@pytest.fixture
def rig(rig: Rig) -> Rig:
    shown = {"InstanceId": "i", "ConsoleOutput": base64.b64encode(CONSOLE).decode()}
    rig.front.answers["GetInstanceConsoleOutput"] = json.dumps({"RequestId": "F", **shown})
    return rig


def after(rig: Rig, **changes: Any) -> threading.Timer:
    timer = threading.Timer(0.3, rig.change, kwargs=changes)
    timer.start()
    return timer


@pytest.mark.parametrize(
    ("begun", "then", "wait", "said"),
    [
        ("Starting", {"status": "Stopped"}, "running", "it has stopped instead of starting"),
        ("Stopping", {"status": "Running"}, "stopped", "it is running again"),
        ("Starting", {"locks": ("security",)}, "running", "locked for security"),
        ("Starting", {"locks": ("recycling",)}, "running", "about to be reclaimed"),
    ],
)
def test_an_instance_that_goes_another_way_is_not_waited_for(
    begun: str, then: dict[str, Any], wait: str, said: str, rig: Rig
) -> None:
    driver, _ = rig.create()
    rig.change(status=begun)
    timer = after(rig, **then)
    with pytest.raises(MachineError, match=said) as caught:
        instances.wait_until(
            driver._cloud, driver.config()["InstanceId"], InstanceStatus(wait.capitalize())
        )
    timer.join()
    assert caught.value.details == (
        "The end of its console:\nWelcome\nkernel: Out of memory: Killed process 1"
    )


def test_an_elastic_address_is_not_waited_for_without_its_instance(rig: Rig) -> None:
    driver, _ = rig.create()
    rig.change(status="Stopped")
    with pytest.raises(MachineError, match="it has stopped"):
        instances.check_runs(driver._cloud, driver.config()["InstanceId"])
    rig.change(status="Running")
    instances.check_runs(driver._cloud, driver.config()["InstanceId"])


def test_a_resume_starts_what_has_stopped_meanwhile(rig: Rig) -> None:
    _, journal = rig.create()
    rig.change(status="Stopped")
    again = rig.driver()
    again.pre_create_check(rig.report)
    again.create(journal, rig.report, lambda: None)
    assert [each.status for each in rig.cloud.state.instances] == ["Running"]


def request(rig: Rig, **changes: Any) -> CreateRequest:
    values = {option.name: option.default for option in registry.options_of("aliyunecs")}
    values |= {
        "aliyunecs-region": rig.cloud.region,
        "aliyunecs-api-endpoint": rig.front.endpoint,
    }
    return CreateRequest("dev1", "aliyunecs", values, ENGINE, **changes)


@pytest.fixture
def silent_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hosts refuse SSH, and the provider be asked often."""

    def ssh_target(driver: AliyunEcsDriver) -> SSHTarget:
        return SSHTarget("127.0.0.1", port=1, key_path=driver._key_path())

    monkeypatch.setattr(AliyunEcsDriver, "ssh_target", ssh_target)
    monkeypatch.setattr(watch, "_EVERY_S", 0.05)
    monkeypatch.setattr(watch, "_AGAIN_S", 0.05)


@pytest.mark.parametrize("keep", [False, True])
def test_a_create_whose_instance_stops_ends_with_the_reason(
    keep: bool, rig: Rig, silent_hosts: None
) -> None:
    store = Store(rig.store, rig.environment)

    def stop(line: str) -> None:
        if "waiting for SSH" in line:
            rig.change(status="Stopped")

    with pytest.raises(MachineError, match="it has stopped") as caught:
        create(store, request(rig, keep_on_failure=keep), stop)
    assert "kernel: Out of memory" in (caught.value.details or "")
    hint = caught.value.hint or ""
    assert ('"ecsmachine start dev1"' in hint) is keep
    assert ("The created resources were removed" in hint) is not keep
    assert bool(rig.left().get("instances")) is keep


def test_what_a_removal_that_was_cut_off_has_left_is_half_removed(
    rig: Rig, silent_hosts: None
) -> None:
    store = Store(rig.store, rig.environment)

    def interrupt(line: str) -> None:
        if "waiting for SSH" in line:
            rig.front.faults["DeleteKeyPairs"] = ["Forbidden.RAM"] * 9
            raise MachineError("the host says no")

    with pytest.raises(MachineError, match="the host says no"):
        create(store, request(rig), interrupt)
    assert not rig.left().get("instances")
    seen = probe(store.load("dev1"), timeout_s=5)
    assert seen.error == 'half removed: "ecsmachine rm dev1" removes the rest'


def test_a_rm_that_was_cut_off_has_left_what_is_half_removed(rig: Rig) -> None:
    store = Store(rig.store, rig.environment)
    create(store, replace(request(rig), provision=False), lambda line: None)
    rig.front.faults["DeleteKeyPairs"] = ["Forbidden.RAM"] * 9
    with pytest.raises(MachineError):
        Removal(store).finish("dev1", lambda line: None)
    assert probe(store.load("dev1"), timeout_s=5).error.startswith("half removed")
    rig.front.faults.clear()
    Removal(store).finish("dev1", lambda line: None)
    assert not store.exists("dev1")


def test_a_spot_instance_that_is_gone_was_perhaps_reclaimed(rig: Rig, silent_hosts: None) -> None:
    store = Store(rig.store, rig.environment)
    values = {**request(rig).driver_values, "aliyunecs-spot-strategy": "SpotAsPriceGo"}

    def reclaim(line: str) -> None:
        if "waiting for SSH" in line:
            (instance,) = rig.cloud.state.instances
            rig.driver()._cloud.ecs.delete_instance(instance.id)

    with pytest.raises(MachineError, match="reclaims spot instances"):
        create(store, replace(request(rig), driver_values=values), reclaim)
    assert rig.left() == {}
