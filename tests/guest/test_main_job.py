"""The main job, as a user runs it: create, use, stop, start, kill and remove a real Docker host."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.guest.machines import Machines, wait_for_line

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def bare_machines(bare_machines: Machines) -> Machines:
    return replace(bare_machines, started=True)


@pytest.fixture(scope="module")
def dev1(bare_machines: Machines) -> str:
    """A machine with a data disk, a label and a tag, on which the engine is installed."""
    done = bare_machines.run(
        "create",
        *("-d", "aliyunecs", "--aliyunecs-disk-size", "20", "--aliyunecs-tag", "team=a=b"),
        *("--engine-label", "purpose=test it", "dev1"),
    )
    lines = done.stdout.splitlines()
    transcript = [
        "Running pre-create checks...",
        "Creating machine...",
        "Waiting for machine to be running, this may take a few minutes...",
        "Machine is running, waiting for SSH to be available...",
        "Detecting operating system of created instance...",
        "Provisioning created instance...",
        "Copying certs to the local machine directory...",
        "Copying certs to the remote machine...",
        "Setting Docker configuration on the remote daemon...",
        "Docker is up and running!",
        "To see how to connect Docker to this machine, run: ecsmachine env dev1",
    ]
    assert [line for line in lines if line in transcript] == transcript
    return "dev1"


def test_ls_shows_it_running(machines: Machines, dev1: str) -> None:
    header, row = machines.run("ls").stdout.splitlines()
    assert header.split() == [
        "NAME",
        "ACTIVE",
        "DRIVER",
        "STATE",
        "URL",
        "SWARM",
        "DOCKER",
        "ERRORS",
    ]
    ip = machines.run("ip", dev1).stdout.strip()
    assert row.split()[:5] == [dev1, "-", "aliyunecs", "Running", f"tcp://{ip}:2376"]
    assert machines.run("status", dev1).stdout == "Running\n"
    assert machines.run("url", dev1).stdout == f"tcp://{ip}:2376\n"
    (listed,) = json.loads(machines.run("ls", "--format", "json").stdout)
    assert (listed["Name"], listed["State"]) == (dev1, "Running")


def test_the_engine_answers_the_docker_client_over_tls(
    machines: Machines, dev1: str, docker: str
) -> None:
    script = (
        f'eval "$({machines.program} env --shell bash {dev1})" && '
        f"{docker} info --format '{{{{json .Labels}}}}' && "
        f"{docker} info --format '{{{{.Driver}}}} {{{{.DockerRootDir}}}}' && "
        f"{machines.program} active"
    )
    answer = machines.shell(script).splitlines()
    # the engine keeps its labels in no order
    assert sorted(json.loads(answer[0])) == ["provider=aliyunecs", "purpose=test it"]
    assert answer[1:] == ["overlay2 /var/lib/docker", dev1]


def test_a_container_runs(machines: Machines, dev1: str, docker: str) -> None:
    """Its image comes from the cloud's registry."""
    script = (
        f'eval "$({machines.program} env --shell bash {dev1})" && '
        f"{docker} run --rm busybox echo from a container"
    )
    assert machines.shell(script) == "from a container\n"


def test_ssh_passes_output_and_exit_code_on(machines: Machines, dev1: str) -> None:
    done = machines.run("ssh", dev1, "hostname; cat /proc/1/comm; exit 3", check=False)
    assert (done.returncode, done.stdout) == (3, "dev1\nsystemd\n")
    native = machines.run("--native-ssh", "ssh", dev1, "ls", "-d", "/", check=False)
    assert (native.returncode, native.stdout) == (0, "/\n")


def test_the_data_disk_is_mounted_by_uuid(machines: Machines, dev1: str) -> None:
    script = (
        "grep -c 'UUID=.* /var/lib/docker ext4' /etc/fstab; findmnt -n -o FSTYPE /var/lib/docker"
    )
    counted, *kinds = machines.run("ssh", dev1, script).stdout.split()
    assert (counted, kinds[-1]) == ("1", "ext4")


def test_the_servers_key_is_for_root_alone(machines: Machines, dev1: str) -> None:
    modes = machines.run("ssh", dev1, "stat -c '%a %U' /etc/docker/server-key.pem").stdout
    assert modes == "600 root\n"


def test_no_secret_is_stored(machines: Machines, dev1: str) -> None:
    secret = machines.environment["ECS_ACCESS_KEY_SECRET"]
    store = Path(machines.environment["MACHINE_STORAGE_PATH"])
    for file in store.rglob("*"):
        if file.is_file():
            assert secret not in file.read_text(errors="replace"), file
            private = b"PRIVATE KEY" in file.read_bytes()
            assert not private or file.stat().st_mode & 0o077 == 0, file
    assert secret not in machines.run("inspect", dev1).stdout


def test_stop_start_restart_and_kill(machines: Machines, dev1: str, docker: str) -> None:
    assert 'Machine "dev1" was stopped.' in machines.run("stop", dev1).stdout
    assert machines.run("status", dev1).stdout == "Stopped\n"
    assert 'Machine "dev1" is already stopped.' in machines.run("stop", dev1).stdout
    assert 'Machine "dev1" was started.' in machines.run("start", dev1).stdout
    before = machines.run("ssh", dev1, "cat /proc/sys/kernel/random/boot_id").stdout
    machines.run("restart", dev1)
    assert machines.run("ssh", dev1, "cat /proc/sys/kernel/random/boot_id").stdout != before
    mounted = machines.run("ssh", dev1, "findmnt -n -o FSTYPE /var/lib/docker").stdout
    assert mounted.split()[-1] == "ext4"
    assert 'Machine "dev1" was killed.' in machines.run("kill", dev1).stdout
    assert machines.run("ls").stdout.splitlines()[1].split()[:4] == [
        *("dev1", "-", "aliyunecs", "Stopped")
    ]


def test_rm_removes_all_that_create_made(machines: Machines, dev1: str) -> None:
    assert "Successfully removed dev1" in machines.run("rm", "-y", dev1).stdout
    assert machines.run("ls", "-q").stdout == ""
    assert machines.left_in_the_cloud() == []


def test_an_engine_that_does_not_start_is_explained_and_undone(machines: Machines) -> None:
    done = machines.run("create", "--engine-opt", "no-such-flag=1", "broken", check=False)
    assert done.returncode == 1
    assert "no-such-flag" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert machines.run("ls", "-q").stdout == ""
    assert machines.left_in_the_cloud() == []


def test_a_mirror_that_answers_404_costs_nothing(bare_machines: Machines) -> None:
    url = bare_machines.environment["MACHINE_DOCKER_INSTALL_URL"].replace("install.sh", "gone.sh")
    done = bare_machines.run("create", "--engine-install-url", url, "gone", check=False)
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    assert f"{url} answers 404" in done.stderr
    assert bare_machines.run("ls", "-q").stdout == ""
    assert bare_machines.left_in_the_cloud() == []


def test_a_password_is_used_and_not_kept(machines: Machines) -> None:
    password = "Marked-Secret-1"
    done = machines.run(
        "--debug", "create", "by-password", environment={"ECS_SSH_PASSWORD": password}
    )
    assert password not in done.stdout + done.stderr
    assert machines.run("ssh", "by-password", "whoami").stdout == "root\n"
    store = Path(machines.environment["MACHINE_STORAGE_PATH"])
    for file in store.rglob("*"):
        assert not file.is_file() or password not in file.read_text(errors="replace")
    machines.run("rm", "-y", "by-password")
    assert machines.left_in_the_cloud() == []


@pytest.mark.parametrize("terminating", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["Creating machine...", "Provisioning created instance..."])
def test_an_interrupted_create_leaves_nothing(
    machines: Machines, terminating: signal.Signals, moment: str
) -> None:
    process = machines.start("create", "interrupted")
    wait_for_line(process, moment)
    process.send_signal(terminating)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "Error: Interrupted"
    assert machines.run("ls", "-q").stdout == "", errors
    assert machines.left_in_the_cloud() == []


@pytest.mark.parametrize(
    "moment",
    ["Creating machine...", "Detecting operating system of created instance...", "Installing"],
)
@pytest.mark.parametrize("then", ["create", "rm"])
def test_a_create_that_was_killed_is_finished_or_removed(
    machines: Machines, bare_machines: Machines, moment: str, then: str
) -> None:
    machines = bare_machines if moment == "Installing" else machines
    process = machines.start("create", "killed")
    wait_for_line(process, moment)
    time.sleep(0.15)
    process.kill()
    process.communicate(timeout=60)
    if then == "create":
        machines.run("create", "killed")
        assert machines.run("status", "killed").stdout == "Running\n"
        assert len(machines.left_in_the_cloud(kinds=("instance",))) == 1
    machines.run("rm", "-y", "killed")
    assert machines.run("ls", "-q").stdout == ""
    assert machines.left_in_the_cloud() == []


def test_rm_succeeds_when_the_instance_is_already_gone(machines: Machines) -> None:
    machines.run("create", "gone")
    config = json.loads(machines.run("inspect", "gone").stdout)
    machines.ecs("DeleteInstance", InstanceId=config["Driver"]["InstanceId"], Force=True)
    assert "Successfully removed gone" in machines.run("rm", "-y", "gone").stdout
    assert machines.left_in_the_cloud() == []
