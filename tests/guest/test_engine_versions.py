"""Engines from the tree that Alibaba Cloud's mirror has: as they come, pinned, moved, refused."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.guest.conftest import Cloud, wait_for_login
from tests.guest.machines import Machines
from tests.unit.ssh.openssh_server import ssh_agent

pytestmark = pytest.mark.guest

MIRROR = "http://mirrors.cloud.aliyuncs.com/docker-ce"
NEEDED = ("ECS_ACCESS_KEY_ID", "ECS_ACCESS_KEY_SECRET", "ECS_REGION", "ECS_API_ENDPOINT")


@pytest.fixture(scope="module")
def user(local_cloud: Cloud, bare_machines: Machines) -> Machines:
    """The program with nothing but a key, a region and the cloud's endpoint in its environment."""
    return Machines(
        {
            name: value
            for name, value in bare_machines.environment.items()
            if name in NEEDED or name not in local_cloud.environment
        }
    )


@pytest.fixture
def machine(user: Machines) -> Iterator[str]:
    """The name of a machine that a test makes; it is gone afterwards."""
    yield "engine"
    user.run("rm", "-f", "-y", "engine", check=False)


def test_without_a_setting_the_engine_comes_from_the_mirror(user: Machines, machine: str) -> None:
    made = user.run("create", machine)
    assert "cannot reach a registry" not in made.stdout
    assert "v26." in user.run("ls").stdout
    # the image is that of the cloud's registry, which the guest's image names
    container = user.run("ssh", machine, "docker run --rm busybox echo it runs")
    assert "it runs" in container.stdout
    script = (
        "cat /etc/apt/sources.list.d/docker.list; docker buildx version; docker compose version"
    )
    shown = user.run("ssh", machine, script).stdout
    assert f"{MIRROR}/linux/debian bookworm stable" in shown
    assert "buildx" in shown
    assert "Compose" in shown
    engine = json.loads(user.run("inspect", machine).stdout)["HostOptions"]["EngineOptions"]
    assert engine["Source"] == ["auto"]
    assert engine["InstallURL"] == "https://get.docker.com"
    assert user.run("provision", machine).returncode == 0


def test_a_version_is_pinned_and_moved(user: Machines, machine: str) -> None:
    # the first source does not answer: the next one has it
    sources = ("--engine-source", "http://127.0.0.1:1/docker-ce", "--engine-source", MIRROR)
    nobody = ("--engine-registry-mirror", "http://127.0.0.1:1")
    made = user.run("create", *sources, *nobody, "--engine-version", "20.10", machine).stdout
    assert "The host cannot reach a registry: http://127.0.0.1:1: curl: (7)" in made
    assert "registry-vpc.cn-hangzhou.aliyuncs.com" in made
    assert "v20.10." in user.run("ls").stdout
    assert "is the newest 20.10 that its host offers" in user.run("upgrade", machine).stdout
    refused = user.run("upgrade", "--engine-version", "27.5", machine, check=False)
    assert refused.returncode == 1
    assert "there is no docker-ce 27.5, but: 26." in refused.stderr
    assert "is now 26." in user.run("upgrade", "--engine-version", "26", machine).stdout
    assert "v26." in user.run("ls").stdout
    assert "--engine-version 26\n" in user.run("config", "show", machine).stdout
    assert "is now 20.10." in user.run("upgrade", "--engine-version", "20.10", machine).stdout
    assert "is now 26." in user.run("upgrade", "--engine-version", "latest", machine).stdout
    assert "newest that its host offers" in user.run("upgrade", machine).stdout


def test_no_public_address_is_needed(user: Machines, machine: str) -> None:
    if not shutil.which("ssh-agent"):
        pytest.skip("no ssh-agent program")
    user.run("create", "--no-provision", "bastion")
    wait_for_login(user, "bastion")
    bastion = json.loads(user.run("inspect", "bastion").stdout)["Driver"]
    try:
        with ssh_agent() as agent:
            environment = {"SSH_AUTH_SOCK": agent}
            subprocess.run(
                ["ssh-add", "-q", bastion["SSHKeyPath"]],
                env={**user.environment, **environment},
                check=True,
                timeout=60,
            )
            user.run(
                *("create", "--ssh-jump", f"root@{bastion['IPAddress']}"),
                *("--aliyunecs-private-address-only", "--aliyunecs-security-group", "inside"),
                *("--aliyunecs-source-cidr", f"{bastion['PrivateIPAddress']}/32", machine),
                environment=environment,
            )
            script = "cat /etc/apt/sources.list.d/docker.list; docker run --rm busybox echo it runs"
            shown = user.run("ssh", machine, script, environment=environment).stdout
            user.run("rm", "-f", "-y", machine, environment=environment)
    finally:
        user.run("rm", "-f", "-y", "bastion")
    assert MIRROR in shown
    assert "it runs" in shown


def test_another_key_is_refused_and_each_source_is_told(
    local_cloud: Cloud, user: Machines, machine: str
) -> None:
    wrong = "A" * 40
    done = user.run("create", "--engine-source-key", wrong, machine, check=False)
    assert done.returncode == 1
    (error,) = [line for line in done.stderr.splitlines() if "no source provided" in line]
    key = local_cloud.environment["ENGINE_SOURCE_KEY"]
    assert f"{MIRROR}: its key is {key}, not the key that was given: nothing of it" in error
    for address in ("https://mirrors.aliyun.com/docker-ce", "https://download.docker.com"):
        assert f"{address}: curl: " in error
    assert user.run("ls", "-q").stdout == ""


def test_an_install_script_wins(local_cloud: Cloud, user: Machines, machine: str) -> None:
    url = str(local_cloud.running.install_url)
    script = {"MACHINE_DOCKER_INSTALL_URL": url}
    variables = {**script, "ENGINE_SOURCE": "docker"}
    done = user.run("create", machine, environment=variables)
    assert "ENGINE_SOURCE is not used" in done.stderr
    assert "v20.10." in user.run("ls").stdout
    assert "docker.io: " in user.run("ssh", machine, "dpkg -S $(command -v dockerd)").stdout
    assert f"--engine-install-url {url}" in user.run("config", "show", machine).stdout
