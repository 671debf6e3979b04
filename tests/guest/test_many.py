"""Several machines at once, with real guests; and one whose address changes."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from ecsmachine.localcloud.faults.book import FaultBook
from ecsmachine.localcloud.faults.fault import Fault
from tests.guest.conftest import Cloud
from tests.guest.machines import Machines

pytestmark = pytest.mark.guest


def test_one_of_many_that_fails_does_not_touch_the_others(
    machines: Machines, local_cloud: Cloud
) -> None:
    with closing(FaultBook(local_cloud.root)) as faults:
        fault_id = faults.add(Fault("mirror-404", instance="many-2"))
        try:
            done = machines.run("create", "-d", "aliyunecs", "many-{1..3}", check=False)
        finally:
            faults.remove(fault_id)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("2 made, 1 failed, in ")
    lines = done.stdout.splitlines()
    assert any(line.startswith("many-1: made (") for line in lines)
    assert any(line.startswith("many-3: made (") for line in lines)
    assert "many-2" in done.stderr
    assert "Traceback" not in done.stderr
    assert machines.run("ls", "-q").stdout.split() == ["many-1", "many-3"]
    left = machines.left_in_the_cloud(("instance", "security group", "key pair"))
    assert [each.split()[0] for each in left] == ["instance", "instance", "key", "key", "security"]

    # again: those that are there stay, and the third is made
    again = machines.run("create", "-d", "aliyunecs", "many-{1..3}")
    assert "1 made" in again.stdout.splitlines()[-1]
    states = machines.run("status", "many-*").stdout.split()
    assert states == ["Running"] * 3

    machines.run("rm", "-y", "many-*")
    assert machines.left_in_the_cloud() == []


def test_a_new_address_is_told_and_the_certificate_renewed(machines: Machines) -> None:
    machines.run("create", "-d", "aliyunecs", "moving")
    before = machines.run("ip", "moving").stdout.strip()
    instance_id = json.loads(machines.run("inspect", "moving").stdout)["Driver"]["InstanceId"]
    machines.ecs("StopInstance", InstanceId=instance_id, StoppedMode="StopCharging")
    assert machines.until("moving", "Stopped")

    started = machines.run("start", "moving").stdout
    address = machines.run("ip", "moving").stdout.strip()
    assert address not in ("", before)
    assert f'The address of "moving" is now {address} (it was {before}).' in started
    assert "renewing the certificate" in started
    url = f"tcp://{address}:2376"
    assert url in machines.run("ls").stdout
    assert url in machines.run("env", "--shell", "bash", "moving").stdout

    # it moves behind our back: ls notices, stores it, and says what to do; start does it
    machines.ecs("StopInstance", InstanceId=instance_id, StoppedMode="StopCharging")
    assert machines.until("moving", "Stopped")
    machines.ecs("StartInstance", InstanceId=instance_id)
    assert machines.until("moving", "Running")
    row = machines.run("ls").stdout.splitlines()[1]
    config = json.loads(machines.run("inspect", "moving").stdout)
    moved = config["Driver"]["IPAddress"]
    assert moved not in ("", before, address)
    assert f"tcp://{moved}:2376" in row
    assert machines.run("ssh", "moving", "echo there").stdout == "there\n"
    machines.run("start", "moving")
    assert f"tcp://{moved}:2376" in machines.run("env", "--shell", "bash", "moving").stdout
    machines.run("rm", "-y", "moving")
