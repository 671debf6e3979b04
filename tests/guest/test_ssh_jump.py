"""``--ssh-jump``: machines with private addresses alone, behind a bastion that is a guest."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.guest.conftest import wait_for, wait_for_login
from tests.guest.machines import Machines
from tests.ports import free_port
from tests.unit.ssh.openssh_server import ssh_agent

pytestmark = pytest.mark.guest


@dataclass(frozen=True)
class Ground:
    machines: Machines
    address: str
    """That of dev1, which nobody but the bastion gets to."""

    @property
    def store(self) -> Path:
        return Path(self.machines.environment["MACHINE_STORAGE_PATH"])


@pytest.fixture(scope="module")
def ground(machines: Machines) -> Iterator[Ground]:
    """A bastion with a public address, and a machine that lets in the bastion alone."""
    if not shutil.which("ssh-agent"):
        pytest.skip("no ssh-agent program")
    machines.run("create", "--no-provision", "bastion")
    wait_for_login(machines, "bastion")
    bastion = json.loads(machines.run("inspect", "bastion").stdout)["Driver"]
    with ssh_agent() as agent:
        environment = {**machines.environment, "SSH_AUTH_SOCK": agent}
        subprocess.run(
            ["ssh-add", "-q", bastion["SSHKeyPath"]], env=environment, check=True, timeout=60
        )
        inside = replace(machines, environment=environment)
        inside.run(
            *("create", "--ssh-jump", f"root@{bastion['IPAddress']}"),
            *("--aliyunecs-private-address-only", "--aliyunecs-security-group", "behind"),
            *("--aliyunecs-source-cidr", f"{bastion['PrivateIPAddress']}/32", "dev1"),
        )
        yield Ground(inside, machines.run("ip", "dev1").stdout.strip())
        inside.run("rm", "-f", "-y", "dev1", "bastion")


def test_nothing_but_the_bastion_gets_there(ground: Ground) -> None:
    for port in (22, 2376):
        direct = f"timeout 3 bash -c '</dev/tcp/{ground.address}/{port}'"
        assert subprocess.run(direct, shell=True, capture_output=True).returncode
        ground.machines.run("ssh", "bastion", direct)


def test_every_command_goes_through_it(ground: Ground, tmp_path: Path) -> None:
    run = ground.machines.run
    (row,) = [row for row in json.loads(run("ls", "--json").stdout) if row["Name"] == "dev1"]
    assert (row["State"], row["URL"]) == ("Running", f"tcp://{ground.address}:2376")
    assert row["DockerVersion"].startswith("v"), row
    (tmp_path / "sent").write_text("content")
    for client in ((), ("--native-ssh",)):
        assert run(*client, "ssh", "dev1", "hostname").stdout == "dev1\n"
        run(*client, "scp", str(tmp_path / "sent"), "dev1:/tmp/there")
        run(*client, "scp", "dev1:/tmp/there", str(tmp_path / "back"))
        assert (tmp_path / "back").read_text() == "content"
        (tmp_path / "back").unlink()
    assert run("version", "dev1").stdout
    run("provision", "dev1")
    run("regenerate-certs", "-f", "dev1")
    run("restart", "dev1")
    assert run("status", "dev1").stdout == "Running\n"
    run("config", "set", "dev1", "--engine-label", "behind=bastion")


def test_docker_goes_over_ssh(ground: Ground, docker: str, tmp_path: Path) -> None:
    run = ground.machines.run
    said = run("env", "dev1")
    assert 'export DOCKER_HOST="ssh://ecsmachine-dev1"' in said.stdout
    assert "unset DOCKER_TLS_VERIFY" in said.stdout
    assert "Include" in said.stderr
    assert run("config", "dev1").stdout == "-H=ssh://ecsmachine-dev1\n"
    assert run("active", environment={"DOCKER_HOST": "ssh://ecsmachine-dev1"}).stdout == "dev1\n"
    # in place of the line that the user is told to write into ~/.ssh/config
    own_ssh = tmp_path / "bin" / "ssh"
    own_ssh.parent.mkdir()
    configuration = ground.store / "machines" / "dev1" / "ssh_config"
    own_ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {configuration} "$@"\n')
    own_ssh.chmod(0o755)
    environment = {
        **ground.machines.environment,
        "PATH": f"{own_ssh.parent}:{os.environ['PATH']}",
        "DOCKER_CONFIG": str(tmp_path / "docker"),
    }
    shown = subprocess.run(
        [docker, *run("config", "dev1").stdout.split(), "info", "--format", "{{.Name}}"],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
    )
    assert (shown.returncode, shown.stdout) == (0, "dev1\n"), shown.stderr
    run("context", "dev1", environment=environment)
    in_context = subprocess.run(
        [docker, "--context", "dev1", "info", "--format", "{{.Name}}"],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
    )
    assert (in_context.returncode, in_context.stdout) == (0, "dev1\n"), in_context.stderr


def test_a_forwarded_port_leads_to_the_engine(ground: Ground, docker: str) -> None:
    """The other way that docs/logging-in.md names; TLS is between here and the engine."""
    port = free_port()
    forwarding = ground.machines.start("ssh", "dev1", "-N", "-L", f"{port}:localhost:2376")
    try:
        environment = {
            **ground.machines.environment,
            "DOCKER_HOST": f"tcp://localhost:{port}",
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_CERT_PATH": str(ground.store / "machines" / "dev1"),
        }

        def name() -> str:
            command = [docker, "info", "--format", "{{.Name}}"]
            done = subprocess.run(command, capture_output=True, text=True, env=environment)
            return done.stdout.strip()

        wait_for(lambda: name() == "dev1", "the engine to answer at the forwarded port")
    finally:
        forwarding.terminate()
        forwarding.communicate(timeout=60)
