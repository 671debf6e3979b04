"""The life of a local cloud, with instances made through its API: up, down, crashes, reset."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from paramiko import SSHException

from ecsmachine.aliyun.access_key import Credentials, FixedCredentials
from ecsmachine.aliyun.ecs import EcsClient
from ecsmachine.aliyun.ecs_values import Instance, Permission
from ecsmachine.errors import MachineError
from ecsmachine.localcloud.host.cleanup import remove_from_kernel
from ecsmachine.localcloud.host.paths import CloudPaths, cloud_id
from ecsmachine.localcloud.host.processes import is_alive, wait_gone
from ecsmachine.localcloud.host.settings import Running
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.service import daemon
from ecsmachine.system import ports
from tests.guest.conftest import PASSWORD, assert_nothing_left, shell, traces, wait_for

pytestmark = pytest.mark.guest


class Account:
    """What a user of the cloud does through its API."""

    def __init__(self, running: Running):
        credentials = Credentials(running.access_key_id, running.access_key_secret)
        self._running = running
        self.ecs = EcsClient(
            running.region,
            FixedCredentials("test", credentials),
            custom_endpoint=running.endpoint,
        )
        self._image = next(self.ecs.images()).id

    def security_group(self, *, ssh: bool = True) -> str:
        """Make a group that lets SSH in, unless told otherwise."""
        group = self.ecs.create_security_group(
            "tests",
            vpc_id=self._running.vpc_id,
            description="",
            tags={},
            token=str(uuid.uuid4()),
        )
        if ssh:
            self.ecs.authorize(group, [Permission("tcp", "22/22", "0.0.0.0/0")])
        return group

    def launch(self, name: str, security_group: str) -> str:
        parameters: dict[str, str | int | bool | None] = {
            "RegionId": self._running.region,
            "ImageId": self._image,
            "InstanceType": "ecs.g6.large",
            "SecurityGroupId": security_group,
            "VSwitchId": self._running.vswitch_id,
            "InstanceName": name,
            "HostName": name,
            "Password": PASSWORD,
            "InternetMaxBandwidthOut": 1,
            "SystemDisk.Category": "cloud_efficiency",
            "DataDisk.1.Category": "cloud_efficiency",
            "DataDisk.1.Size": 20,
        }
        return self.ecs.run_instance(parameters, token=str(uuid.uuid4()))

    def running(self, instance_id: str) -> Instance:
        def is_running() -> bool:
            instance = self.ecs.instance(instance_id)
            return instance is not None and instance.status == "Running"

        wait_for(is_running, f"{instance_id} to be Running")
        instance = self.ecs.instance(instance_id)
        assert instance is not None
        return instance


def test_instances_go_on_over_a_crash_of_the_daemon_and_come_back_after_down(
    cloud_root: Path, engine_packages: Path
) -> None:
    before = traces()
    first = daemon.up(cloud_root)
    assert not first.already
    assert daemon.up(cloud_root) == daemon.Started(first.running, already=True)
    account = Account(first.running)
    instance = account.running(account.launch("dev1", account.security_group()))

    boot_id = "cat /proc/sys/kernel/random/boot_id"
    with shell(instance.public_address, password=PASSWORD) as guest:
        assert guest.check("hostname").strip() == "dev1"
        assert guest.check("blockdev --getsize64 /dev/vdb").strip() == str(20 * 2**30)
        guest.check("echo kept > /root/file")
        booted = guest.check(boot_id)

    os.kill(first.running.pid, signal.SIGKILL)
    assert wait_gone(first.running.process, 60)
    assert daemon.find(cloud_root) is None
    assert daemon.guests_running(cloud_root) == [instance.id]
    second = daemon.up(cloud_root)
    assert not second.already
    assert second.running.environment() == first.running.environment()
    assert account.running(instance.id) == instance
    with shell(instance.public_address, password=PASSWORD) as guest:
        assert guest.check(boot_id) == booted
        guest.check("curl -fsS " + str(second.running.install_url) + " > /dev/null")

    assert daemon.down(cloud_root) == [instance.id]
    assert daemon.down(cloud_root) == []
    assert not is_alive(second.running.process)
    remaining = {trace for trace in traces() - before if CloudPaths.of(cloud_root).id in trace}
    assert not remaining
    third = daemon.up(cloud_root)
    assert third.running.environment() == first.running.environment()
    again = account.running(instance.id)
    assert again.public_address == instance.public_address
    with shell(instance.private_address, password=PASSWORD) as guest:
        assert guest.check("cat /root/file").strip() == "kept"

    assert daemon.reset(cloud_root)
    assert not daemon.reset(cloud_root)
    assert_nothing_left(before, CloudPaths.of(cloud_root))


@pytest.mark.parametrize("after_ms", [0, 60, 150, 300, 700])
def test_nothing_is_left_when_all_is_killed_in_the_middle_of_a_boot(
    cloud_root: Path, engine_packages: Path, after_ms: int
) -> None:
    before = traces()
    running = daemon.up(cloud_root).running
    account = Account(running)
    group = account.security_group()

    def launch(name: str) -> None:
        with suppress(MachineError):  # the daemon is killed meanwhile
            account.launch(name, group)

    for number in range(3):
        threading.Thread(target=launch, args=(f"dev{number}",), daemon=True).start()
    time.sleep(after_ms / 1000)
    os.kill(running.pid, signal.SIGKILL)
    daemon.reset(cloud_root)
    assert_nothing_left(before, CloudPaths.of(cloud_root))
    time.sleep(0.5)  # nor does anything come back
    assert_nothing_left(before, CloudPaths.of(cloud_root))


@pytest.mark.parametrize("after_ms", [0, 40, 80, 160, 400])
def test_a_launch_that_was_cut_off_is_finished_or_undone_by_the_next_up(
    cloud_root: Path, engine_packages: Path, after_ms: int
) -> None:
    running = daemon.up(cloud_root).running
    account = Account(running)
    instance_id = account.launch("dev1", account.security_group())
    time.sleep(after_ms / 1000)
    os.kill(running.pid, signal.SIGKILL)
    assert wait_gone(running.process, 60)
    daemon.up(cloud_root)

    def settled() -> bool:
        found = account.ecs.instance(instance_id)
        return found is None or found.status == "Running"

    wait_for(settled, "the instance to be Running or released")
    instance = account.ecs.instance(instance_id)
    if instance is not None:
        with shell(instance.public_address, password=PASSWORD) as guest:
            assert guest.check("hostname").strip() == "dev1"
    else:
        wait_for(lambda: not files_of_instances(cloud_root), "what was made to be removed")


def files_of_instances(root: Path) -> list[Path]:
    return [*root.glob("instances/*"), *root.glob("disks/*")]


def test_instances_come_back_after_a_power_cut(cloud_root: Path, engine_packages: Path) -> None:
    running = daemon.up(cloud_root).running
    account = Account(running)
    instance = account.running(account.launch("dev1", account.security_group()))
    with shell(instance.public_address, password=PASSWORD) as guest:
        guest.check("echo kept > /root/file; sync")
    remove_from_kernel(CloudPaths.of(cloud_root))  # all that a power cut takes, and no more
    assert daemon.find(cloud_root) is None
    daemon.up(cloud_root)
    assert account.running(instance.id) == instance
    with shell(instance.public_address, password=PASSWORD) as guest:
        assert guest.check("cat /root/file").strip() == "kept"


def test_the_api_sees_what_happens_inside(cloud_root: Path, engine_packages: Path) -> None:
    account = Account(daemon.up(cloud_root).running)
    instance = account.running(account.launch("dev1", account.security_group()))

    def status() -> str:
        found = account.ecs.instance(instance.id)
        return found.status if found is not None else "gone"

    with shell(instance.public_address, password=PASSWORD) as guest:
        guest.run("poweroff")
    wait_for(lambda: status() == "Stopped", "the instance to be Stopped")
    account.ecs.start_instance(instance.id)
    account.running(instance.id)
    with shell(instance.public_address, password=PASSWORD):
        pass
    account.ecs.stop_instance(instance.id)
    wait_for(lambda: status() == "Stopped", "the instance to be Stopped")
    assert daemon.guests_running(cloud_root) == []
    account.ecs.delete_instance(instance.id)
    wait_for(lambda: status() == "gone", "the instance to be released")
    wait_for(lambda: not files_of_instances(cloud_root), "its files to be removed")


def test_two_clouds_side_by_side(cloud_root: Path, engine_packages: Path, tmp_path: Path) -> None:
    # both begin at once, and prefer the same addresses
    places = (tmp_path / f"two-{number}" for number in range(10**6))
    slot = int(cloud_id(cloud_root), 16) % 256
    second_root = next(place for place in places if int(cloud_id(place), 16) % 256 == slot)
    try:
        with ThreadPoolExecutor(2) as pool:
            one, two = (up.running for up in pool.map(daemon.up, (cloud_root, second_root)))
        instances = []
        for running in (one, two):
            account = Account(running)
            launched = account.launch("same-name", account.security_group())
            instances.append(account.running(launched))
        addresses = {i.public_address for i in instances} | {i.private_address for i in instances}
        assert len(addresses) == 4
        with (
            shell(instances[0].private_address, password=PASSWORD) as first,
            shell(instances[1].private_address, password=PASSWORD) as second,
        ):
            reach = "timeout 5 bash -c 'exec 3<>/dev/tcp/{}/22'"
            assert first.run(reach.format(instances[1].private_address)).status != 0
            assert first.run(reach.format(instances[1].public_address)).status != 0
            daemon.reset(second_root)
            assert first.check("hostname").strip() == "same-name"
            with pytest.raises((OSError, EOFError, AssertionError, SSHException)):
                second.check("true", timeout_s=2)
    finally:
        daemon.reset(second_root)


def test_two_ups_at_once_start_one_cloud(cloud_root: Path, engine_packages: Path) -> None:
    program = [sys.executable, "-m", "ecsmachine", "local", "up", "--root", str(cloud_root)]
    both = [
        subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sorted("is already up" in text for text, _ in said) == [False, True]


def test_the_commands_as_a_person_types_them(cloud_root: Path, engine_packages: Path) -> None:
    environment = {**os.environ, "ECSMACHINE_LOCAL_ROOT": str(cloud_root)}

    def local(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ecsmachine", "local", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert local("env").returncode == 1
    assert local("env").stderr == (
        "Error: The local cloud is not up. Start it with: ecsmachine local up\n"
    )
    started = local("up")
    assert started.returncode == 0, started.stderr
    assert "ecsmachine local env" in started.stdout
    assert started.stderr == "Starting the daemon...\n"
    shown = subprocess.run(
        ["bash", "-c", 'eval "$1"; env', "bash", local("env").stdout],
        capture_output=True,
        text=True,
        env={},
        check=True,
    ).stdout
    variables = dict(line.partition("=")[::2] for line in shown.splitlines())
    assert set(variables) >= {
        "ECS_ACCESS_KEY_ID",
        "ECS_ACCESS_KEY_SECRET",
        "ECS_REGION",
        "ECS_API_ENDPOINT",
        "ECS_VPC_ID",
        "ECS_VSWITCH_ID",
        "MACHINE_DOCKER_INSTALL_URL",
    }
    assert json.loads(local("env", "--json").stdout).items() <= variables.items()
    status = json.loads(local("status", "--json").stdout)
    assert status["Up"] is True
    assert status["Endpoint"] == variables["ECS_API_ENDPOINT"]
    secret = variables["ECS_ACCESS_KEY_SECRET"]
    assert secret not in local("status").stdout + local("logs").stdout
    assert "serving on port" in local("logs", "-n", "3").stdout
    assert local("packages", "docker.io").stdout.strip().endswith(".deb")
    refused = local("reset")
    assert refused.returncode == 2
    assert refused.stderr == (
        "Error: Are you sure? There is no terminal to ask on. Confirm with -y (--yes).\n"
    )
    assert local("down").stdout == "The local cloud is down.\n"
    assert "State:      down" in local("status").stdout
    removed = local("reset", "--yes")
    assert removed.returncode == 0
    assert f"Removed {cloud_root}" in removed.stdout
    assert "--cache" in removed.stdout
    assert not cloud_root.exists()


def test_a_port_that_is_taken_is_one_clear_error(cloud_root: Path, engine_packages: Path) -> None:
    with ports.server(0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalCloudError, match=f"port {port}") as caught:
            daemon.up(cloud_root, port=port)
    assert "--port" in (caught.value.hint or "")
    assert daemon.find(cloud_root) is None
    assert daemon.up(cloud_root, port=port).running.endpoint == f"http://127.0.0.1:{port}"
    with pytest.raises(LocalCloudError, match="is already up"):
        daemon.up(cloud_root, port=port + 1)


def test_only_the_owner_can_look_in(cloud_root: Path, engine_packages: Path) -> None:
    daemon.up(cloud_root)
    assert cloud_root.stat().st_mode & 0o777 == 0o700
    for name in ("daemon.json", "settings.json", "cloud.sqlite", "daemon.log"):
        assert (cloud_root / name).stat().st_mode & 0o077 == 0, name
