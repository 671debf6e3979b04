"""The importable fixture of a cloud with guests, as others use it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.localcloud.test_pytest_fixtures import CLIENT

pytestmark = pytest.mark.guest

TEST = """
from client import call


def test_it(ecs_guest_cloud):
    assert ecs_guest_cloud.environment["MACHINE_DOCKER_INSTALL_URL"]
    assert ecs_guest_cloud.image_id.startswith("debian_12")


def test_again(ecs_guest_cloud):
    cloud = ecs_guest_cloud
    assert cloud.faults.entries() == []
    assert cloud.requests == []
    group = call(cloud, "CreateSecurityGroup", VpcId=cloud.vpc_id)["SecurityGroupId"]
    (instance,) = call(
        cloud,
        "RunInstances",
        ImageId=cloud.image_id,
        InstanceType="ecs.n4.small",
        VSwitchId=cloud.vswitch_id,
        SecurityGroupId=group,
        Password="Secret-1234",
    )["InstanceIdSets"]["InstanceIdSet"]
    (found,) = call(cloud, "DescribeInstances")["Instances"]["Instance"]
    assert found["Status"] == "Running"
    asked = cloud.requests
    assert [one.action for one in asked][1:] == ["RunInstances", "DescribeInstances"]
    assert asked[1].parameters["Password"] == "***"
    with cloud.fault("never-boots", times=1) as fault:
        call(cloud, "RebootInstance", InstanceId=instance)
        assert fault.struck == 1
"""


def test_a_cloud_with_guests(host: None, base_image: Path, tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text(CLIENT)
    (tmp_path / "test_mine.py").write_text(TEST)
    plugin = ["-p", "ecsmachine.localcloud.pytest", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugin],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr
