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

TESTS = r"""
import os

import pytest
from client import ServerException, call
from ecsmachine.localcloud.testing import local_cloud


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


def test_what_was_asked(ecs_cloud, ecs_shared_cloud):
    for cloud in (ecs_cloud, ecs_shared_cloud):
        assert cloud.requests == []
        with pytest.raises(ServerException):
            call(cloud, "StartInstance", InstanceId="i-none")
        call(cloud, "CreateKeyPair", KeyPairName="asked")
        first, second = cloud.requests
        assert (first.action, first.code) == ("StartInstance", "InvalidInstanceId.NotFound")
        assert second.parameters["KeyPairName"] == "asked"
        assert second.answer["KeyPairName"] == "asked"
        assert second.answer["PrivateKeyBody"] == "***"
        call(cloud, "DeleteKeyPairs", KeyPairNames='["asked"]')
        cloud.forget_requests()
        assert cloud.requests == []


def run(cloud, **more):
    group = call(cloud, "CreateSecurityGroup", VpcId=cloud.vpc_id)["SecurityGroupId"]
    made = call(
        cloud,
        "RunInstances",
        ImageId=cloud.image_id,
        InstanceType="ecs.g6.large",
        VSwitchId=cloud.vswitch_id,
        SecurityGroupId=group,
        **more,
    )
    return made["InstanceIdSets"]["InstanceIdSet"]


def states(cloud):
    found = call(cloud, "DescribeInstances")["Instances"]["Instance"]
    return [one["Status"] for one in found]


def test_what_was_asked_for_is_there(ecs_cloud):
    (one,) = run(ecs_cloud)
    assert states(ecs_cloud) == ["Running"]
    call(ecs_cloud, "StopInstance", InstanceId=one)
    assert states(ecs_cloud) == ["Stopped"]


@pytest.mark.ecs_cloud(delays={"pending_s": 60})
def test_unless_delays_are_wanted(ecs_cloud):
    run(ecs_cloud, Amount=2)
    assert states(ecs_cloud) == ["Pending", "Pending"]


def test_a_fault_of_a_block(ecs_cloud):
    with ecs_cloud.fault("no-stock", instance_type="ecs.g6.large") as fault:
        with pytest.raises(ServerException) as caught:
            run(ecs_cloud)
        assert caught.value.get_error_code() == "OperationDenied.NoStock"
        assert fault.struck == 1
    assert fault.struck == 1
    assert len(run(ecs_cloud)) == 1
    assert fault.struck == 1


def test_a_fault_that_can_never_strike(ecs_cloud):
    with pytest.raises(Exception, match=r"no instance type ecs\.g6\.larg.* mean ecs\.g6\.large"):
        ecs_cloud.fault("no-stock", instance_type="ecs.g6.larg")
    with pytest.raises(Exception, match="needs guests"):
        ecs_cloud.fault("never-boots")


def test_a_cloud_without_a_fixture():
    with local_cloud() as cloud:
        run(cloud)
        assert states(cloud) == ["Running"]


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
    assert outcome(text) == "16 passed", text


OPTIONS = """
import pytest
from test_mine import call, run, states


@pytest.fixture(scope="session")
def ecs_cloud_options():
    return {"delays": {"pending_s": 60}}


def test_of_all_clouds(ecs_cloud, ecs_shared_cloud):
    for cloud in (ecs_cloud, ecs_shared_cloud):
        run(cloud)
        assert states(cloud) == ["Pending"]


@pytest.mark.ecs_cloud(delays=None)
def test_of_this_one(ecs_cloud):
    run(ecs_cloud)
    assert states(ecs_cloud) == ["Running"]
"""


def test_options_of_all_clouds(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "client.py").write_text(CLIENT)
    (tmp_path / "test_mine.py").write_text(TESTS)
    (tmp_path / "test_options.py").write_text(OPTIONS)
    text = run(tmp_path, "--strict-markers", "-W", "error", "test_options.py")
    assert outcome(text) == "2 passed", text


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
