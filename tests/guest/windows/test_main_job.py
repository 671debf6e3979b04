"""The main job from Windows: a real Docker host is made, used, stopped, started and removed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.guest.conftest import Cloud
from tests.guest.machines import Machines, environment_of, wait_for_line
from tests.guest.windows.wine import WindowsPython, windows_path

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def dev1(machines: Machines) -> str:
    done = machines.run("create", "-d", "aliyunecs", "dev1")
    assert "Docker is up and running!" in done.stdout.splitlines()
    assert done.stdout.splitlines()[-1] == (
        "To see how to connect Docker to this machine, run: ecsmachine env dev1"
    )
    return "dev1"


def test_it_is_listed_with_its_engine(machines: Machines, dev1: str) -> None:
    ip = machines.run("ip", dev1).stdout.strip()
    (listed,) = json.loads(machines.run("ls", "--format", "json").stdout)
    assert (listed["Name"], listed["State"], listed["Error"]) == (dev1, "Running", "")
    row = machines.run("ls").stdout.splitlines()[1].split()
    assert row[:5] == [dev1, "-", "aliyunecs", "Running", f"tcp://{ip}:2376"]
    assert row[5].startswith("v")  # the engine's version, asked over TLS


def test_env_is_for_the_shell_that_calls(
    machines: Machines, dev1: str, store: Path, python: WindowsPython
) -> None:
    ip = machines.run("ip", dev1).stdout.strip()
    folder = windows_path(store / "machines" / dev1)
    powershell = machines.run("env", "--shell", "powershell", dev1).stdout.splitlines()
    assert f'$Env:DOCKER_HOST = "tcp://{ip}:2376"' in powershell
    assert f'$Env:DOCKER_CERT_PATH = "{folder}"' in powershell
    assert '$Env:COMPOSE_CONVERT_WINDOWS_PATHS = "true"' in powershell
    wine, *words = python.command("-m", "ecsmachine", "env", dev1)
    by_cmd = replace(machines, program=wine).run("cmd", "/c", *words).stdout.splitlines()
    assert f"SET DOCKER_HOST=tcp://{ip}:2376" in by_cmd
    assert f"SET DOCKER_CERT_PATH={folder}" in by_cmd


def test_ssh_and_scp(machines: Machines, dev1: str, tmp_path: Path) -> None:
    done = machines.run("--native-ssh", "ssh", dev1, "hostname; exit 3", check=False)
    assert (done.returncode, done.stdout) == (3, "dev1\n")
    there = tmp_path / "a file.txt"
    there.write_bytes("grün\r\n".encode())
    machines.run("scp", windows_path(there), f"{dev1}:/root/there.txt")
    machines.run("scp", f"{dev1}:/root/there.txt", windows_path(tmp_path / "back.txt"))
    assert (tmp_path / "back.txt").read_bytes() == "grün\r\n".encode()


def test_stop_and_start(machines: Machines, dev1: str) -> None:
    machines.run("stop", dev1)
    assert machines.run("status", dev1).stdout == "Stopped\n"
    machines.run("start", dev1)
    assert machines.run("status", dev1).stdout == "Running\n"
    assert machines.run("ls", "--filter", "state=Running", "-q").stdout == f"{dev1}\n"


def test_it_moves_to_a_store_on_linux_and_back(
    machines: Machines, local_cloud: Cloud, dev1: str, tmp_path: Path
) -> None:
    passphrase = {"ECSMACHINE_PASSPHRASE": "between two systems"}
    windows = replace(machines, environment={**machines.environment, **passphrase})
    linux = Machines({**environment_of(local_cloud.environment, tmp_path / "linux"), **passphrase})
    windows.run("export", dev1, windows_path(tmp_path / "there"))
    linux.run("import", str(tmp_path / "there"))
    assert linux.run("ssh", dev1, "hostname").stdout == f"{dev1}\n"
    linux.run("export", dev1, str(tmp_path / "back"))
    other = {"MACHINE_STORAGE_PATH": windows_path(tmp_path / "other")}
    windows.run("import", windows_path(tmp_path / "back"), environment=other)
    assert windows.run("ssh", dev1, "hostname", environment=other).stdout == f"{dev1}\n"


def test_nobody_is_asked_where_nobody_is(machines: Machines, dev1: str, tmp_path: Path) -> None:
    """NUL says that it is a terminal."""
    done = machines.run("export", dev1, windows_path(tmp_path / "dev1"), check=False)
    assert done.returncode == 2
    assert "there is no terminal to ask on" in done.stderr


def test_rm_removes_all_that_create_made(machines: Machines, dev1: str) -> None:
    assert "Successfully removed dev1" in machines.run("rm", "-y", dev1).stdout
    assert machines.run("ls", "-q").stdout == ""
    assert machines.left_in_the_cloud() == []


def test_a_create_that_was_killed_is_finished(machines: Machines) -> None:
    process = machines.start("create", "killed")
    wait_for_line(process, "Detecting operating system of created instance...")
    process.kill()
    process.communicate(timeout=60)
    machines.run("create", "killed")
    assert machines.run("status", "killed").stdout == "Running\n"
    assert len(machines.left_in_the_cloud(kinds=("instance",))) == 1
    machines.run("rm", "-y", "killed")
    assert machines.run("ls", "-q").stdout == ""
    assert machines.left_in_the_cloud() == []
