"""The fixtures that others import, used as they use them: in a pytest of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

CONFTEST = 'pytest_plugins = ["ecsmachine.localcloud.pytest"]\n'

CLIENT = """
import json

from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest


def call(cloud, action, **parameters):
    request = CommonRequest(domain=cloud.host, version="2014-05-26", action_name=action)
    request.set_protocol_type("http")
    request.set_accept_format("json")
    for name, value in {"RegionId": cloud.region, **parameters}.items():
        request.add_query_param(name, value)
    client = AcsClient(
        cloud.access_key_id, cloud.access_key_secret, cloud.region, auto_retry=False
    )
    return json.loads(client.do_action_with_exception(request))
"""

TESTS = """
import os

import pytest
from client import ServerException, call


@pytest.mark.parametrize("number", [1, 2])
def test_each_has_a_cloud_of_its_own(ecs_cloud, number):
    assert call(ecs_cloud, "DescribeKeyPairs")["TotalCount"] == 0
    call(ecs_cloud, "CreateKeyPair", KeyPairName="keys")


@pytest.mark.parametrize("number", [0, 1])
def test_one_cloud_for_all(ecs_shared_cloud, number):
    assert call(ecs_shared_cloud, "DescribeKeyPairs")["TotalCount"] == number
    call(ecs_shared_cloud, "CreateKeyPair", KeyPairName=f"keys{number}")


def test_what_a_client_needs_is_there(ecs_cloud):
    group = call(ecs_cloud, "CreateSecurityGroup", VpcId=ecs_cloud.vpc_id)["SecurityGroupId"]
    made = call(
        ecs_cloud,
        "RunInstances",
        ImageId=ecs_cloud.image_id,
        InstanceType="ecs.g6.large",
        VSwitchId=ecs_cloud.vswitch_id,
        SecurityGroupId=group,
    )
    assert len(made["InstanceIdSets"]["InstanceIdSet"]) == 1


def test_faults(ecs_cloud, ecs_shared_cloud):
    for cloud in (ecs_cloud, ecs_shared_cloud):
        cloud.fault("error", action="DescribeZones", code="ServiceUnavailable")
        with pytest.raises(ServerException) as caught:
            call(cloud, "DescribeZones")
        assert caught.value.get_error_code() == "ServiceUnavailable"


def test_faults_end_with_their_test(ecs_shared_cloud):
    assert call(ecs_shared_cloud, "DescribeZones")["Zones"]["Zone"]


def test_the_environment(ecs_cloud, ecs_environment):
    assert os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"] == ecs_cloud.access_key_id
    assert os.environ["ECS_API_ENDPOINT"] == ecs_cloud.endpoint
    assert "ECS_SSH_USER" not in os.environ
    assert ecs_environment["ALICLOUD_REGION"] == ecs_cloud.region


def test_the_environment_is_as_before():
    assert os.environ["ECS_SSH_USER"] == "somebody"
    assert "ALIBABA_CLOUD_ACCESS_KEY_ID" not in os.environ


def test_secrets_are_not_shown(ecs_cloud):
    assert ecs_cloud.access_key_secret not in repr(ecs_cloud)
"""


def run(folder: Path, *arguments: str, **variables: str) -> str:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ECS_", "ALIBABA", "ALICLOUD", "PYTEST"))
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", *arguments],
        cwd=folder,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=240,
    )
    return done.stdout + done.stderr


def outcome(text: str) -> str:
    """Return how many passed, failed and were skipped, as pytest says it."""
    return re.sub(r" in [0-9.]+s.*", "", text.strip().splitlines()[-1].strip("= "))


def test_in_a_conftest(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "client.py").write_text(CLIENT)
    (tmp_path / "test_mine.py").write_text(TESTS)
    text = run(tmp_path, ECS_SSH_USER="somebody")
    assert outcome(text) == "10 passed", text


def test_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text("def test_it(ecs_cloud):\n    assert ecs_cloud.host\n")
    assert outcome(run(tmp_path, "-p", "ecsmachine.localcloud.pytest")) == "1 passed"


GUEST_TEST = "def test_it(ecs_guest_cloud):\n    assert ecs_guest_cloud.environment\n"


def test_guests_where_there_can_be_none(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(GUEST_TEST)
    # Nothing that is needed can be found on an empty search path.
    text = run(tmp_path, "-p", "ecsmachine.localcloud.pytest", PATH=str(tmp_path))
    assert outcome(text) == "1 skipped", text
    assert "no guests here: " in text
