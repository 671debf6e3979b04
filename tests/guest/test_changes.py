"""Machines of the local cloud are brought to other values of their options, and work afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.drivers.changes import Observed
from ecsmachine.drivers.options import OptionValue
from ecsmachine.machine import changes
from ecsmachine.machine.store import Store
from tests.guest.machines import Machines

pytestmark = pytest.mark.guest

NAME = "changed"
SIZE = "df -B 1G --output=size /var/lib/docker | tail -n 1"


@pytest.fixture(scope="module", autouse=True)
def made(machines: Machines) -> Iterator[None]:
    """Make a machine with a data disk of ext4."""
    machines.run(
        *("create", "-d", "aliyunecs", "--aliyunecs-disk-size", "20"),
        *("--aliyunecs-tag", "team=a", "--engine-label", "role=first", NAME),
    )
    yield
    machines.run("rm", "-y", NAME)


def instance_of(machines: Machines) -> dict[str, Any]:
    (found,) = machines.ecs("DescribeInstances", InstanceName=NAME)["Instances"]["Instance"]
    return dict(found)


def store_of(machines: Machines) -> Store:
    return Store(Path(machines.environment["MACHINE_STORAGE_PATH"]), machines.environment)


def change(machines: Machines, **values: OptionValue) -> list[str]:
    """Change the machine, and return what was said of it."""
    said: list[str] = []
    wanted = {name.replace("_", "-"): value for name, value in values.items()}
    changes.change_machine(store_of(machines), NAME, wanted, said.append)
    return said


def seen(machines: Machines) -> dict[str, Any]:
    found = changes.observe([store_of(machines).load(NAME)])[NAME]
    assert isinstance(found, Observed), found
    return dict(found.values)


def on(machines: Machines, command: str) -> str:
    return machines.run("ssh", NAME, command).stdout.strip()


def test_a_disk_grows_with_its_file_system(machines: Machines) -> None:
    on(machines, "echo here > /var/lib/docker/kept-file")
    assert 18 <= int(on(machines, SIZE)) <= 20
    for _ in range(2):
        change(machines, aliyunecs_disk_size=30, aliyunecs_system_disk_size=50)
        assert 28 <= int(on(machines, SIZE)) <= 30
    assert on(machines, "cat /var/lib/docker/kept-file") == "here"
    assert on(machines, "docker info --format '{{.DockerRootDir}}'") == "/var/lib/docker"
    found = seen(machines)
    assert found["aliyunecs-disk-size"] == 30
    assert found["aliyunecs-system-disk-size"] == 50
    machines.run("restart", NAME)
    assert 28 <= int(on(machines, SIZE)) <= 30


def test_another_type_and_the_engine_answers_again(machines: Machines) -> None:
    before = instance_of(machines)
    on(machines, "docker volume create kept")
    said = change(machines, aliyunecs_instance_type="ecs.g6.xlarge", aliyunecs_tag=["team=b"])
    after = instance_of(machines)
    assert before["InstanceType"] != after["InstanceType"] == "ecs.g6.xlarge"
    assert after["InstanceId"] == before["InstanceId"]
    assert any("was started" in line for line in said), said
    assert "kept" in on(machines, "docker volume ls -q")
    assert json.loads(machines.run("ls", "--json").stdout)
    assert seen(machines)["aliyunecs-tag"] == ["team=b"]
    assert not any("Stopping" in line for line in change(machines, aliyunecs_tag=["team=b"]))


def test_the_engine_has_other_options(machines: Machines) -> None:
    assert seen(machines)["engine-label"] == ["role=first"]
    mirror = "https://mirror.example.com"
    change(machines, engine_label=["role=second"], engine_registry_mirror=[mirror])
    found = seen(machines)
    assert found["engine-label"] == ["role=second"]
    assert found["engine-registry-mirror"] == [mirror]
    recorded = changes.recorded(store_of(machines).load(NAME))
    assert recorded["engine-label"] == ["role=second"]
    on(machines, "sed -i 's/role=second/role=by-hand/' /etc/systemd/system/docker.service.d/*.conf")
    on(machines, "systemctl daemon-reload && systemctl restart docker")
    assert seen(machines)["engine-label"] == ["role=by-hand"]
    change(machines, engine_label=["role=second"])
    assert seen(machines)["engine-label"] == ["role=second"]


def test_another_address_is_the_engines_at_once_and_the_host_runs_on(machines: Machines) -> None:
    began = "cut -d' ' -f22 /proc/1/stat"
    before = on(machines, began)
    change(machines, aliyunecs_allocate_eip=True, aliyunecs_security_group="others")
    address = instance_of(machines)["EipAddress"]["IpAddress"]
    assert machines.run("ip", NAME).stdout.strip() == address
    assert machines.run("version", NAME).stdout  # over TLS, with a certificate for the address
    assert on(machines, began) == before
    change(machines, aliyunecs_allocate_eip=False, aliyunecs_security_group="docker-machine")
    assert instance_of(machines)["EipAddress"]["IpAddress"] == ""
    assert machines.run("version", NAME).stdout
