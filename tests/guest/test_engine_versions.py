"""An engine from the tree that Alibaba Cloud's mirror has: pinned to a version, then upgraded."""

from __future__ import annotations

import subprocess

import pytest

from tests.guest.conftest import Cloud, wait_for
from tests.guest.machines import Machines

pytestmark = pytest.mark.guest

TREE = "http://mirrors.cloud.aliyuncs.com/docker-ce/linux/debian"
INSTALL = f"""
set -e
export DEBIAN_FRONTEND=noninteractive
install -m 0755 -d /etc/apt/keyrings
curl -fsSL {TREE}/gpg -o /etc/apt/keyrings/docker.asc
echo "deb [arch=$(dpkg --print-architecture) signed-by=/etc/apt/keyrings/docker.asc] \\
    {TREE} bookworm stable" > /etc/apt/sources.list.d/docker.list
apt-get update 2>&1
apt-get install -y -q docker-ce='5:20.10.*' docker-ce-cli='5:20.10.*' containerd.io='1.6.*' \\
    docker-buildx-plugin docker-compose-plugin
dpkg -S "$(readlink -f "$(command -v dockerd)")"
docker buildx version
docker compose version
"""


def test_a_pinned_engine_of_the_mirrors_tree_is_upgraded(
    local_cloud: Cloud, bare_machines: Machines
) -> None:
    bare_machines.run("create", "--no-provision", "pinned")
    wait_for(
        lambda: bare_machines.run("ssh", "pinned", "true", check=False).returncode == 0, "SSH", 60
    )
    done = subprocess.run(
        [bare_machines.program, "ssh", "pinned", "sh -s"],
        input=INSTALL,
        capture_output=True,
        text=True,
        timeout=200,
        env=bare_machines.environment,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    # apt has checked the signature with the key that the tree has, and "local env" tells
    assert "NO_PUBKEY" not in done.stdout
    assert len(local_cloud.environment["ENGINE_SOURCE_KEY"]) == 40
    assert "docker-ce: /usr/sbin/dockerd" in done.stdout

    bare_machines.run("provision", "pinned")
    assert "v20.10." in bare_machines.run("ls").stdout
    assert "is now 26." in bare_machines.run("upgrade", "pinned").stdout
    assert "v26." in bare_machines.run("ls").stdout
    container = bare_machines.run("ssh", "pinned", "docker run --rm busybox echo it runs")
    assert "it runs" in container.stdout
    assert "newest" in bare_machines.run("upgrade", "pinned").stdout
    bare_machines.run("rm", "-y", "pinned")
