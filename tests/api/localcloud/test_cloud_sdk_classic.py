"""Alibaba Cloud's older Python SDK (aliyun-python-sdk-ecs) drives a whole life."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest
from aliyunsdkecs.request.v20140526.DescribeRegionsRequest import DescribeRegionsRequest

from ecsmachine.localcloud.service.embedded import EmbeddedCloud
from tests.api.localcloud.api_client import DEBIAN, VPC, until

Do = Callable[..., dict[str, Any]]


@pytest.fixture
def client(cloud: EmbeddedCloud) -> AcsClient:
    return AcsClient(cloud.access_key_id, cloud.access_key_secret, cloud.region, auto_retry=False)


@pytest.fixture
def do(client: AcsClient, cloud: EmbeddedCloud) -> Do:
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


def test_a_life(do: Do, cloud: EmbeddedCloud) -> None:
    regions = do("DescribeRegions")["Regions"]["Region"]
    assert cloud.region in [region["RegionId"] for region in regions]
    zone = do("DescribeZones")["Zones"]["Zone"][0]["ZoneId"]
    assert do("DescribeImages", ImageOwnerAlias="system", PageSize=100)["TotalCount"] > 0

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
        ImageId=DEBIAN,
        InstanceType="ecs.g6.large",
        SecurityGroupId=group,
        VSwitchId=vswitch_id,
        InstanceName="sdk-1",
        KeyPairName="sdk-keys",
        InternetMaxBandwidthOut=1,
        SystemDiskCategory="cloud_essd",
        SystemDiskSize=40,
        DataDisks=[{"Size": 20, "Category": "cloud_essd", "DeleteWithInstance": True}],
        Tags=[{"Key": "owner", "Value": "sdk"}],
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
    assert instance["Tags"]["Tag"] == [{"TagKey": "owner", "TagValue": "sdk"}]
    assert len(instance["PublicIpAddress"]["IpAddress"]) == 1

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
    do("DeleteInstance", InstanceId=instance_id, Force=True)
    assert do("DescribeInstances")["TotalCount"] == 0
    do("DeleteSecurityGroup", SecurityGroupId=group)
    do("DeleteVSwitch", VSwitchId=vswitch_id)
    do("DeleteVpc", VpcId=vpc_id)
    do("DeleteKeyPairs", KeyPairNames='["sdk-keys"]')


def test_refusals_come_out_as_the_sdks_exceptions(do: Do) -> None:
    with pytest.raises(ServerException) as caught:
        do("DescribeInstanceAttribute", InstanceId="i-none")
    assert caught.value.get_error_code() == "InvalidInstanceId.NotFound"
    assert caught.value.get_http_status() == 404
    assert caught.value.get_request_id()


def test_a_wrong_secret_is_recognized(cloud: EmbeddedCloud) -> None:
    # The SDK compares its own string to sign with the one in the refusal.
    client = AcsClient(cloud.access_key_id, "wrong", cloud.region, auto_retry=False)
    request = DescribeRegionsRequest()
    request.set_endpoint(cloud.host)
    request.set_protocol_type("http")
    with pytest.raises(ServerException) as caught:
        client.do_action_with_exception(request)
    assert caught.value.get_error_code() == "InvalidAccessKeySecret"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_general_request(client: AcsClient, cloud: EmbeddedCloud, method: str) -> None:
    request = CommonRequest()
    request.set_domain(cloud.host)
    request.set_protocol_type("http")
    request.set_version(VPC)
    request.set_action_name("DescribeVpcs")
    request.set_method(method)
    request.add_query_param("VpcId", cloud.state.default_vpc_id)
    answer = json.loads(client.do_action_with_exception(request))
    assert [vpc["VpcId"] for vpc in answer["Vpcs"]["Vpc"]] == [cloud.state.default_vpc_id]
