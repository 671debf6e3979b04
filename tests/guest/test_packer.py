"""Packer, which knows the addresses of Alibaba Cloud alone, builds images of real guests."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.localcloud.catalog.images import images_of
from tests.guest.conftest import Cloud, wait_for
from tests.guest.machines import Machines

pytestmark = pytest.mark.guest

KINDS = ("instance", "key pair", "security group", "disk", "own image", "VPC", "VSwitch", "EIP")


@pytest.fixture
def packer(bare_machines: Machines, local_cloud: Cloud, tmp_path: Path) -> Machines:
    """The program, told of the cloud's folder; nothing of it is asked for over the internet."""
    return Machines(
        {
            **bare_machines.environment,
            "ECSMACHINE_LOCAL_ROOT": str(local_cloud.root),
            "PACKER_CONFIG_DIR": str(tmp_path / "packer"),
            "PACKER_CACHE_DIR": str(tmp_path / "cache"),
            "CHECKPOINT_DISABLE": "1",
        }
    )


def template(tmp_path: Path, *commands: str, **builder: Any) -> str:
    """Write what is to be built; return the file."""
    source = next(image.id for image in images_of({"debian_12"}))
    file = tmp_path / "image.json"
    content = {
        "builders": [
            {
                "type": "alicloud-ecs",
                "image_name": "built",
                "source_image": source,
                "instance_type": "ecs.g6.large",
                "ssh_username": "root",
                "internet_charge_type": "PayByTraffic",
                "io_optimized": True,
                **builder,
            }
        ],
        "provisioners": [{"type": "shell", "inline": list(commands)}],
    }
    file.write_text(json.dumps(content))
    return str(file)


def test_what_packer_builds_boots(packer: Machines, tmp_path: Path) -> None:
    before = packer.left_in_the_cloud(KINDS)
    file = template(tmp_path, "echo built by packer > /etc/built")
    done = packer.run("local", "run", "packer", "build", file)
    (image_id,) = [
        line.split()[-1] for line in done.stdout.splitlines() if line.startswith("cn-hangzhou: m-")
    ]
    packer.run("create", "--no-provision", "--aliyunecs-image-id", image_id, "from-packer")
    read = ("ssh", "from-packer", "cat", "/etc/built")
    wait_for(lambda: packer.run(*read, check=False).returncode == 0, "SSH")
    assert packer.run(*read).stdout == "built by packer\n"
    packer.run("rm", "-y", "from-packer")
    packer.ecs("DeleteImage", ImageId=image_id, Force="true")
    assert packer.left_in_the_cloud(KINDS) == before


def test_a_build_that_fails_leaves_nothing(packer: Machines, tmp_path: Path) -> None:
    before = packer.left_in_the_cloud(KINDS)
    file = template(tmp_path, "echo that fails >&2", "exit 3")
    done = packer.run("local", "run", "packer", "build", file, check=False)
    assert (done.returncode, "exit status: 3" in done.stdout) == (1, True), done.stdout
    assert packer.left_in_the_cloud(KINDS) == before


def test_a_build_that_is_interrupted_leaves_nothing(packer: Machines, tmp_path: Path) -> None:
    before = packer.left_in_the_cloud(KINDS)
    file = template(tmp_path, "sleep 300")
    build = packer.start("local", "run", "packer", "build", file)
    wait_for(lambda: len(packer.left_in_the_cloud(("instance",))) > 0, "the instance")
    time.sleep(2)  # it is to be in the middle of its work, wherever that is
    build.send_signal(signal.SIGTERM)
    out, error = build.communicate(timeout=120)
    assert build.returncode != 0, (out, error)
    assert packer.left_in_the_cloud(KINDS) == before
