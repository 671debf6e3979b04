"""Alibaba's own Python SDK drives the local cloud through a whole life of an instance."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkecs.request import v20140526 as requests

from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud

Ask = Callable[..., dict[str, Any]]
REGION = "cn-hangzhou"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCloud]:
    with embedded_cloud(Path(tmp_path_factory.mktemp("sdk")) / "cloud") as running:
        yield running


def asking(cloud: EmbeddedCloud, secret: str | None = None) -> Ask:
    """Return a function that sends a request of the SDK, its setters by keyword."""
    address = urlsplit(cloud.endpoint)
    client = AcsClient(
        cloud.access_key_id, secret or cloud.access_key_secret, REGION, auto_retry=False
    )

    def ask(action: str, **parameters: Any) -> dict[str, Any]:
        module = __import__(f"{requests.__name__}.{action}Request", fromlist=["x"])
        request = getattr(module, f"{action}Request")()
        request.set_accept_format("json")
        request.set_protocol_type("http")
        request.set_endpoint(address.netloc)
        for name, value in parameters.items():
            getattr(request, f"set_{name}")(value)
        answer: dict[str, Any] = json.loads(client.do_action_with_exception(request))
        return answer

    return ask


@pytest.fixture(scope="module")
def ask(cloud: EmbeddedCloud) -> Ask:
    return asking(cloud)


def instance(ask: Ask, instance_id: str) -> dict[str, Any] | None:
    found = ask("DescribeInstances", InstanceIds=json.dumps([instance_id]))
    return next(iter(found["Instances"]["Instance"]), None)


def wait_for(ask: Ask, instance_id: str, status: str | None) -> dict[str, Any] | None:
    for _ in range(1200):
        found = instance(ask, instance_id)
        if (found and found["Status"]) == status:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{instance_id} is {found and found['Status']}, not {status}")


def test_a_whole_life_of_an_instance(ask: Ask) -> None:
    assert REGION in [region["RegionId"] for region in ask("DescribeRegions")["Regions"]["Region"]]
    zone = ask("DescribeZones")["Zones"]["Zone"][0]["ZoneId"]
    image = ask("DescribeImages", ImageOwnerAlias="system")["Images"]["Image"][0]["ImageId"]
    vpc = ask("CreateVpc", CidrBlock="10.0.0.0/8", VpcName="sdk")["VpcId"]
    vswitch = ask("CreateVSwitch", VpcId=vpc, ZoneId=zone, CidrBlock="10.1.0.0/16")["VSwitchId"]
    group = ask("CreateSecurityGroup", VpcId=vpc, SecurityGroupName="sdk")["SecurityGroupId"]
    ask(
        "AuthorizeSecurityGroup",
        SecurityGroupId=group,
        IpProtocol="tcp",
        PortRange="22/22",
        SourceCidrIp="0.0.0.0/0",
    )
    (instance_id,) = ask(
        "RunInstances",
        ImageId=image,
        InstanceType="ecs.n4.small",
        SecurityGroupId=group,
        VSwitchId=vswitch,
        InstanceName="by-the-sdk",
        Password="Secret-123",
        InternetMaxBandwidthOut=1,
        DataDisks=[{"Size": 20, "Category": "cloud_ssd"}],
        Tags=[{"Key": "team", "Value": "a=b"}],
    )["InstanceIdSets"]["InstanceIdSet"]

    found = wait_for(ask, instance_id, "Running")
    assert found
    assert (found["InstanceName"], found["ImageId"], found["ZoneId"]) == (
        *("by-the-sdk", image, zone),
    )
    assert found["VpcAttributes"]["VSwitchId"] == vswitch
    assert found["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0].startswith("10.1.")
    assert len(found["PublicIpAddress"]["IpAddress"]) == 1
    assert {"TagKey": "team", "TagValue": "a=b"} in found["Tags"]["Tag"]
    disks = ask("DescribeDisks", InstanceId=instance_id)["Disks"]["Disk"]
    assert sorted(disk["Type"] for disk in disks) == ["data", "system"]

    ask("StopInstance", InstanceId=instance_id)
    wait_for(ask, instance_id, "Stopped")
    ask("StartInstance", InstanceId=instance_id)
    wait_for(ask, instance_id, "Running")
    in_use = refused(lambda: ask("DeleteSecurityGroup", SecurityGroupId=group))
    assert in_use[1] == "DependencyViolation"
    ask("DeleteInstance", InstanceId=instance_id, Force=True)
    wait_for(ask, instance_id, None)
    ask("DeleteSecurityGroup", SecurityGroupId=group)
    ask("DeleteVSwitch", VSwitchId=vswitch)
    ask("DeleteVpc", VpcId=vpc)


def refused(request: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(ServerException) as raised:
        request()
    error: Any = raised.value  # the SDK has no types
    assert error.get_request_id()
    return error.get_http_status(), error.get_error_code()


def test_refusals_reach_the_sdk(cloud: EmbeddedCloud, ask: Ask) -> None:
    assert refused(lambda: ask("StartInstance", InstanceId="i-none")) == (
        *(404, "InvalidInstanceId.NotFound"),
    )
    assert refused(lambda: ask("StartInstance"))[1] == "MissingParameter"
    # the SDK compares what we say was signed with what it signed, and blames the secret
    wrong = asking(cloud, "wrong")
    assert refused(lambda: wrong("DescribeRegions")) == (400, "InvalidAccessKeySecret")


def test_pages(ask: Ask) -> None:
    first = ask("DescribeInstanceTypes", MaxResults=2)
    second = ask("DescribeInstanceTypes", MaxResults=2, NextToken=first["NextToken"])
    names = [
        kind["InstanceTypeId"]
        for page in (first, second)
        for kind in page["InstanceTypes"]["InstanceType"]
    ]
    assert len(set(names)) == 4
