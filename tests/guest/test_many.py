"""Several machines at once, with real guests; and one whose address changes."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing

import pytest

from ecsmachine.localcloud.faults.book import FaultBook
from ecsmachine.localcloud.faults.fault import Fault
from tests.guest.conftest import Cloud, wait_for
from tests.guest.machines import Machines

pytestmark = pytest.mark.guest


def test_one_of_many_that_fails_does_not_touch_the_others(
    machines: Machines, local_cloud: Cloud
) -> None:
    with closing(FaultBook(local_cloud.root)) as faults:
        fault_id = faults.add(Fault("ssh-drops", instance="many-2", bytes=12_000))
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
    kinds = Counter(each.rpartition(" ")[0] for each in left)
    assert kinds == {"instance": 2, "key pair": 1, "security group": 1}

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
    taken = stop_and_take_the_address(machines, instance_id)

    started = machines.run("start", "moving").stdout
    address = machines.run("ip", "moving").stdout.strip()
    assert address not in ("", before)
    assert f'The address of "moving" is now {address} (it was {before}).' in started
    assert "renewing the certificate" in started
    url = f"tcp://{address}:2376"
    assert url in machines.run("ls").stdout
    assert url in machines.run("env", "--shell", "bash", "moving").stdout

    # it moves behind our back: ls notices, stores it, and says what to do; start does it
    taken += stop_and_take_the_address(machines, instance_id)
    machines.ecs("StartInstance", InstanceId=instance_id)
    (moved,) = wait_for_status(machines, instance_id, "Running")
    assert moved not in (before, address)
    row = machines.run("ls").stdout.splitlines()[1]
    assert f"tcp://{moved}:2376" in row
    config = json.loads(machines.run("inspect", "moving").stdout)
    assert config["Driver"]["IPAddress"] == moved
    machines.run("start", "moving")
    assert f"tcp://{moved}:2376" in machines.run("env", "--shell", "bash", "moving").stdout
    assert machines.run("ssh", "moving", "echo there").stdout == "there\n"
    machines.run("rm", "-y", "moving")
    for allocation_id in taken:
        machines.ecs("ReleaseEipAddress", AllocationId=allocation_id)


def stop_and_take_the_address(machines: Machines, instance_id: str) -> list[str]:
    """Stop an instance in economical mode; see that it gets another address at its next start.

    Returns the ids of the elastic addresses that are taken for it: the pool gives the first that
    is free, which another machine that went meanwhile may have left.
    """
    (address,) = wait_for_status(machines, instance_id, "Running")
    machines.ecs("StopInstance", InstanceId=instance_id, StoppedMode="StopCharging")
    wait_for_status(machines, instance_id, "Stopped")
    taken = []
    for _ in range(15):
        eip = machines.ecs("AllocateEipAddress")
        taken.append(str(eip["AllocationId"]))
        if eip["EipAddress"] == address:
            return taken
    raise AssertionError(f"{address} is not given again")


def wait_for_status(machines: Machines, instance_id: str, status: str) -> list[str]:
    """Wait until an instance is in a status; return its public addresses."""
    addresses: list[str] = []

    def reached() -> bool:
        answer = machines.ecs("DescribeInstances", InstanceIds=json.dumps([instance_id]))
        (instance,) = answer["Instances"]["Instance"]
        addresses[:] = instance["PublicIpAddress"]["IpAddress"]
        return bool(instance["Status"] == status)

    wait_for(reached, f"{instance_id} is {status}")
    return addresses
