"""Alibaba Cloud's older Python SDK (aliyun-python-sdk-ecs) drives a whole life."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest

from ecsmachine.localcloud.service.embedded import EmbeddedCloud
from tests.api.localcloud.api_client import VPC, until

Do = Callable[..., dict[str, Any]]


def client_of(cloud: EmbeddedCloud, secret: str = "") -> AcsClient:
    secret = secret or cloud.access_key_secret
    return AcsClient(cloud.access_key_id, secret, cloud.region, auto_retry=False)


def doing(cloud: EmbeddedCloud, secret: str = "") -> Do:
    """Return a function that sends a request of the SDK, its setters by keyword."""
    client = client_of(cloud, secret)

    def call(action: str, **values: Any) -> dict[str, Any]:
        module = importlib.import_module(f"aliyunsdkecs.request.v20140526.{action}Request")
        request = getattr(module, f"{action}Request")()
        request.set_endpoint(cloud.host)
        request.set_protocol_type("http")
        for name, value in values.items():
            getattr(request, f"set_{name}")(value)
        answer: dict[str, Any] = json.loads(client.do_action_with_exception(request))
        return answer

    return call


@pytest.fixture
def do(cloud: EmbeddedCloud) -> Do:
    return doing(cloud)


def refused(request: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(ServerException) as raised:
        request()
    error: Any = raised.value  # the SDK has no types
    assert error.get_request_id()
    return error.get_http_status(), error.get_error_code()


def test_a_life(do: Do, cloud: EmbeddedCloud) -> None:
    regions = do("DescribeRegions")["Regions"]["Region"]
    assert cloud.region in [region["RegionId"] for region in regions]
    zone = do("DescribeZones")["Zones"]["Zone"][0]["ZoneId"]
    images = do("DescribeImages", ImageOwnerAlias="system", PageSize=100)
    assert images["TotalCount"] > 0
    image = images["Images"]["Image"][0]["ImageId"]

    vpc_id = do("CreateVpc", CidrBlock="192.168.0.0/16", VpcName="sdk")["VpcId"]
    values = {"VpcId": vpc_id, "CidrBlock": "192.168.1.0/24", "ZoneId": zone}
    vswitch_id = do("CreateVSwitch", **values)["VSwitchId"]
    group = do("CreateSecurityGroup", SecurityGroupName="sdk", VpcId=vpc_id)["SecurityGroupId"]
    rule = {"IpProtocol": "tcp", "PortRange": "22/22", "SourceCidrIp": "0.0.0.0/0"}
    do("AuthorizeSecurityGroup", SecurityGroupId=group, **rule)
    rules = do("DescribeSecurityGroupAttribute", SecurityGroupId=group)["Permissions"]
    assert [item["PortRange"] for item in rules["Permission"]] == ["22/22"]

    do("CreateKeyPair", KeyPairName="sdk-keys")
    answer = do(
        "RunInstances",
        ImageId=image,
        InstanceType="ecs.g6.large",
        SecurityGroupId=group,
        VSwitchId=vswitch_id,
        InstanceName="sdk-1",
        KeyPairName="sdk-keys",
        Password="Secret-123",
        InternetMaxBandwidthOut=1,
        SystemDiskCategory="cloud_essd",
        SystemDiskSize=40,
        DataDisks=[{"Size": 20, "Category": "cloud_essd", "DeleteWithInstance": True}],
        Tags=[{"Key": "owner", "Value": "a=b"}],
        ClientToken="sdk-token",
    )
    (instance_id,) = answer["InstanceIdSets"]["InstanceIdSet"]

    def reaches(status: str) -> dict[str, Any]:
        def told() -> dict[str, Any] | None:
            found = do("DescribeInstances", InstanceIds=json.dumps([instance_id]))["Instances"]
            instance: dict[str, Any] = found["Instance"][0]
            return instance if instance["Status"] == status else None

        instance: dict[str, Any] = until(told)
        return instance

    instance = reaches("Running")
    assert instance["KeyPairName"] == "sdk-keys"
    assert instance["Tags"]["Tag"] == [{"TagKey": "owner", "TagValue": "a=b"}]
    assert len(instance["PublicIpAddress"]["IpAddress"]) == 1
    assert (instance["InstanceName"], instance["ImageId"]) == ("sdk-1", image)
    assert (instance["ZoneId"], instance["VpcAttributes"]["VSwitchId"]) == (zone, vswitch_id)
    assert instance["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0].startswith("192.168.1.")
    disks = do("DescribeDisks", InstanceId=instance_id)["Disks"]["Disk"]
    assert sorted(disk["Type"] for disk in disks) == ["data", "system"]

    disk_id = do("CreateDisk", ZoneId=zone, Size=20, DiskCategory="cloud_essd")["DiskId"]
    do("AttachDisk", DiskId=disk_id, InstanceId=instance_id)
    assert do("DescribeDisks", InstanceId=instance_id)["TotalCount"] == 3
    do("DetachDisk", DiskId=disk_id, InstanceId=instance_id)
    do("DeleteDisk", DiskId=disk_id)

    do("StopInstance", InstanceId=instance_id)
    reaches("Stopped")
    do("StartInstance", InstanceId=instance_id)
    reaches("Running")
    do("RebootInstance", InstanceId=instance_id)
    reaches("Running")
    in_use = refused(lambda: do("DeleteSecurityGroup", SecurityGroupId=group))
    assert in_use[1] == "DependencyViolation"
    do("DeleteInstance", InstanceId=instance_id, Force=True)
    assert do("DescribeInstances")["TotalCount"] == 0
    do("DeleteSecurityGroup", SecurityGroupId=group)
    do("DeleteVSwitch", VSwitchId=vswitch_id)
    do("DeleteVpc", VpcId=vpc_id)
    do("DeleteKeyPairs", KeyPairNames='["sdk-keys"]')


def test_refusals_come_out_as_the_sdks_exceptions(cloud: EmbeddedCloud, do: Do) -> None:
    for action in ("DescribeInstanceAttribute", "StartInstance"):
        none = refused(partial(do, action, InstanceId="i-none"))
        assert none == (404, "InvalidInstanceId.NotFound")
    assert refused(lambda: do("StartInstance"))[1] == "MissingParameter"
    # The SDK compares its own string to sign with the one in the refusal.
    wrong = doing(cloud, "wrong")
    assert refused(lambda: wrong("DescribeRegions")) == (400, "InvalidAccessKeySecret")


def test_pages(do: Do) -> None:
    first = do("DescribeInstanceTypes", MaxResults=2)
    second = do("DescribeInstanceTypes", MaxResults=2, NextToken=first["NextToken"])
    names = [
        kind["InstanceTypeId"]
        for page in (first, second)
        for kind in page["InstanceTypes"]["InstanceType"]
    ]
    assert len(set(names)) == 4


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_general_request(cloud: EmbeddedCloud, method: str) -> None:
    request = CommonRequest()
    request.set_domain(cloud.host)
    request.set_protocol_type("http")
    request.set_version(VPC)
    request.set_action_name("DescribeVpcs")
    request.set_method(method)
    request.add_query_param("VpcId", cloud.state.default_vpc_id)
    answer = json.loads(client_of(cloud).do_action_with_exception(request))
    assert [vpc["VpcId"] for vpc in answer["Vpcs"]["Vpc"]] == [cloud.state.default_vpc_id]
