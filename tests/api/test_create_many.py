"""Many machines at once, on a local cloud without guests: what is shared is made once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecsmachine.localcloud.state.settings import Delays
from ecsmachine.machine.store import Store
from tests.api.driver_rig import Rig, rig_in
from tests.loaded_program import Process

NEW_NETWORK = ("--aliyunecs-region", "eu-central-1")
"""A region without a VPC, so that one is made."""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rig_in(tmp_path, Delays(pending_s=0.2, starting_s=0.2)) as rig:
        yield rig


def start(rig: Rig, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ecsmachine", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env=rig.program_environment(),
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=90)
    return process.returncode, out, err


def run(rig: Rig, *arguments: str) -> tuple[int, str, str]:
    done = Process(arguments, environment=rig.program_environment()).wait(90)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_twenty_machines_share_what_can_be_shared(rig: Rig) -> None:
    create = ("create", "--no-provision", *NEW_NETWORK, "web", "--count", "20")
    # meanwhile the others come to look as well, on a busy computer too
    rig.front.delays_s = {"DescribeInstances": 0.6}
    code, out, err = run(rig, *create)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].startswith("20 made, in ")
    assert sum(": made (" in line for line in out.splitlines()) == 20
    assert rig.left() == {
        "instances": 20,
        "disks": 20,
        "key pairs": 1,
        "security groups": 1,
        "VPCs": 1,
        "VSwitches": 1,
    }
    asked = rig.front.asked
    for once in ("DescribeImages", "DescribeRegions", "DescribeInstanceTypes", "CreateVpc"):
        assert asked[once] == 1, (once, asked)
    assert asked["CreateSecurityGroup"] == asked["CreateVSwitch"] == 1
    assert asked["RunInstances"] == 20
    assert asked["ImportKeyPair"] == asked["AuthorizeSecurityGroup"] == 1
    assert asked["DescribeSecurityGroups"] + asked["DescribeSecurityGroupAttribute"] < 10
    looks = [each for each in rig.front.bodies if each["Action"] == "DescribeInstances"]
    seen = [identity for look in looks for identity in json.loads(look.get("InstanceIds", "[]"))]
    assert len(seen) > 2 * len(looks)  # a look is one at several machines

    code, out, _ = run(rig, *create)
    assert (code, out.splitlines()[-1][:28]) == (0, "0 made, 20 existed already, ")

    code, out, _ = run(rig, "ls", "-f", "{{.State}} {{.DockerVersion}} {{.Error}}")
    assert code == 0
    assert len(out.splitlines()) == 20
    assert all(line.startswith("Running Unknown There is no engine") for line in out.splitlines())

    assert run(rig, "stop", "web-1?")[0] == 0
    states = run(rig, "status", "web-{9..11}")[1]
    assert states.split() == ["Running", "Stopped", "Stopped"]
    assert run(rig, "rm", "-y", "web-*")[0] == 0
    assert rig.left() == {}


def test_one_that_fails_is_undone_alone(rig: Rig) -> None:
    rig.front.faults["RunInstances"] = ["", "", "QuotaExceed.ElasticQuota"]
    code, out, err = run(rig, "create", "--no-provision", "--parallel", "2", "web-{1..5}")
    assert code == 1
    assert out.splitlines()[-1].startswith("4 made, 1 failed, in ")
    assert "QuotaExceed" in err
    assert "The created resources were removed." in err
    assert "1 of 5 machines failed" in err
    assert (rig.left()["instances"], rig.left()["key pairs"]) == (4, 1)
    assert len(run(rig, "ls", "-q")[1].split()) == 4
    assert run(rig, "create", "--no-provision", "web-{1..5}")[0] == 0
    assert rig.left()["instances"] == 5


def test_checks_that_fail_are_told_once(rig: Rig) -> None:
    code, _, err = run(
        rig, "create", "--no-provision", "--aliyunecs-zone", "nowhere", "web", "--count", "5"
    )
    assert code == 3
    assert len(err.splitlines()) == 1
    assert "nowhere" in err
    assert run(rig, "ls", "-q")[1] == ""
    code, _, err = run(
        rig, "create", "--no-provision", "--aliyunecs-private-ip", "10.0.0.9", "a", "b"
    )
    assert code == 2
    assert "only one machine" in err


def test_two_processes_share_as_well(rig: Rig) -> None:
    both = [
        start(rig, "create", "--no-provision", *NEW_NETWORK, f"{name}-{{1..4}}")
        for name in ("web", "db")
    ]
    for process in both:
        code, _, err = finish(process)
        assert (code, err) == (0, "")
    assert rig.left() == {
        "instances": 8,
        "disks": 8,
        "key pairs": 2,
        "security groups": 1,
        "VPCs": 1,
        "VSwitches": 1,
    }
    both = [start(rig, "rm", "-y", pattern) for pattern in ("web-*", "db-*")]
    assert [finish(process)[0] for process in both] == [0, 0]
    assert rig.left() == {}


def test_two_processes_that_make_the_same_machines(rig: Rig) -> None:
    both = [start(rig, "create", "--no-provision", "web", "--count", "4") for _ in range(2)]
    assert [finish(process)[0] for process in both] == [0, 0]
    assert rig.left()["instances"] == 4


def test_two_stores_do_not_take_each_others_network(rig: Rig) -> None:
    other = Rig(rig.cloud, rig.front, rig.store.with_name("other"))
    both = [
        start(each, "create", "--no-provision", *NEW_NETWORK, "web-{1..2}") for each in (rig, other)
    ]
    assert [finish(process)[0] for process in both] == [0, 0]
    assert rig.left()["VPCs"] == 2
    assert run(rig, "rm", "-y", "*")[0] == 0
    assert run(other, "status", "*")[1].split() == ["Running"] * 2
    assert run(other, "rm", "-y", "*")[0] == 0
    assert rig.left() == {}


@pytest.mark.parametrize("terminating", [signal.SIGINT, signal.SIGHUP])
def test_an_interrupt_undoes_all_that_are_not_complete(
    rig: Rig, terminating: signal.Signals
) -> None:
    process = start(rig, "create", "--no-provision", "--parallel", "2", "web-{1..6}")
    assert process.stdout
    for line in process.stdout:
        if ": made (" in line:
            break
    process.send_signal(terminating)
    code, _, err = finish(process)
    assert (code, err.splitlines()[-1]) == (130, "Error: Interrupted")
    names = run(rig, "ls", "-q")[1].split()
    assert 1 <= len(names) < 6
    assert (rig.left()["instances"], rig.left()["key pairs"]) == (len(names), 1)
    assert run(rig, "create", "--no-provision", "web-{1..6}")[0] == 0
    assert rig.left()["instances"] == 6


def test_a_killed_create_of_many_is_gone_on_with(rig: Rig) -> None:
    process = start(rig, "create", "--no-provision", *NEW_NETWORK, "web-{1..4}")
    assert process.stdout
    for line in process.stdout:
        if "Creating ECS instance" in line:
            break
    process.kill()
    process.communicate()
    store = Store(rig.store, {})
    # one whose options were not all written yet is made by the create below
    names = [n for n in store.names() if (store.directory(n) / "config.json").exists()]
    assert names
    code, out, err = run(rig, "create", "--resume", *names)
    assert (code, err) == (0, ""), out
    assert run(rig, "create", "--no-provision", *NEW_NETWORK, "web-{1..4}")[0] == 0
    assert rig.left()["instances"] == 4
    assert rig.left()["security groups"] == 1
    assert run(rig, "rm", "-y", "*")[0] == 0
    assert rig.left() == {}
