"""Nothing of one region is told or changed by a request in another, whatever the action."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.localcloud.actions import PRODUCTS
from ecsmachine.localcloud.service.embedded import embedded_cloud
from ecsmachine.localcloud.state.tables import ResourceTable
from tests.api.localcloud.api_client import SLB, VPC, Api, RefusedError, until

OTHER = "cn-beijing"
MAKES = ("Create", "Run", "Import", "Allocate", "AssumeRole")
REGIONAL = [
    (version, action)
    for version in ("2014-05-26", "2014-05-15", "2016-04-28")
    for action in PRODUCTS[version]
]


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, dict[str, Any]]]:
    """A cloud with one resource of every kind in its region, and the parameters that name them."""
    root: Path = tmp_path_factory.mktemp("regions")
    with embedded_cloud(root / "cloud") as cloud:
        api = Api(cloud)
        group = api.group()
        instance = api.run(group, **{"DataDisk.1.Size": 40, "Tag.1.Key": "k", "Tag.1.Value": "v"})
        disks = api.call("DescribeDisks", InstanceId=instance)["Disks"]["Disk"]
        disk = next(each["DiskId"] for each in disks if each["Type"] == "data")
        told = api.instance(instance)
        assert told is not None
        vpc = next(iter(cloud.state.vpcs))
        balancer = api.call("CreateLoadBalancer", version=SLB)["LoadBalancerId"]
        listener = {"ListenerPort": 80, "BackendServerPort": 80, "Bandwidth": -1}
        api.call("CreateLoadBalancerTCPListener", listener, version=SLB, LoadBalancerId=balancer)
        servers = api.call("CreateVServerGroup", version=SLB, LoadBalancerId=balancer)
        template = api.call("CreateLaunchTemplate", LaunchTemplateName="mine")
        api.call("CreateKeyPair", KeyPairName="mine")
        snapshot = api.call("CreateSnapshot", DiskId=disk)["SnapshotId"]
        until(lambda: _is_accomplished(api, snapshot))
        names = {
            "InstanceId": instance,
            "InstanceIds": json.dumps([instance]),
            "DiskId": disk,
            "SnapshotId": snapshot,
            "SecurityGroupId": group,
            "VpcId": vpc.id,
            "VSwitchId": cloud.state.default_vswitch_id,
            "VRouterId": vpc.vrouter_id,
            "RouteTableId": vpc.route_table_id,
            "AllocationId": api.call("AllocateEipAddress", version=VPC)["AllocationId"],
            "LaunchTemplateId": template["LaunchTemplateId"],
            "KeyPairName": "mine",
            "KeyPairNames": '["mine"]',
            "LoadBalancerId": balancer,
            "VServerGroupId": servers["VServerGroupId"],
            "NetworkInterfaceId": told["NetworkInterfaces"]["NetworkInterface"][0][
                "NetworkInterfaceId"
            ],
            "ResourceId": instance,
            "ResourceId.1": instance,
        }
        others = {
            "ResourceType": "instance",
            "InstanceId.1": instance,
            "SecurityGroupId.1": group,
            "Tag.1.Key": "k",
            "Tag.1.Value": "v",
            "TagKey.1": "k",
            "ListenerPort": 80,
            "DefaultVersionNumber": 1,
            "LoadBalancerName": "other",
            "LoadBalancerStatus": "inactive",
            "DeleteProtection": "on",
            "ModificationProtectionStatus": "ConsoleProtection",
            "NewSize": 50,
            "InnerAccessPolicy": "Drop",
            "IpProtocol": "tcp",
            "PortRange": "1/1",
            "SourceCidrIp": "10.0.0.0/8",
            "DestCidrIp": "10.0.0.0/8",
            "RamRoleName": "role",
            "HttpEndpoint": "disabled",
            "Force": True,
        }
        yield api, {**others, **names}


def kept(api: Api) -> dict[str, Any]:
    """Return all resources of the cloud's own region, by kind and id."""
    tables = [each for each in vars(api.cloud.state).values() if isinstance(each, ResourceTable)]
    rows = {f"{table.name}/{key}": row for table in tables for key, row in table.rows().items()}
    tags = {f"tags of {each.id}": each for each in api.cloud.state.tag_sets}
    return {key: row for key, row in {**rows, **tags}.items() if row.region == api.cloud.region}


@pytest.mark.parametrize(("version", "action"), REGIONAL)
def test_another_region(furnished: tuple[Api, dict[str, Any]], version: str, action: str) -> None:
    api, values = furnished
    before = kept(api)
    if version == VPC and "Tag" in action:
        values = {**values, "ResourceType": "vpc", "ResourceId.1": values["VpcId"]}
    try:
        answer = api.call(action, values, version=version, RegionId=OTHER)
    except RefusedError:
        answer = {}
    assert kept(api) == before
    if not action.startswith(MAKES):
        # names that one region may have as well as another are no ids
        ids = {row.partition("/")[2] for row in before if not row.startswith("tags")}
        assert not [each for each in ids if each in json.dumps(_without_echo(answer))]


def _without_echo(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer without the results of single resources, which name what was asked for."""
    return {key: value for key, value in answer.items() if "Result" not in key}


def _is_accomplished(api: Api, snapshot_id: str) -> bool:
    snapshot = api.cloud.state.snapshots.get(snapshot_id)
    return snapshot is not None and snapshot.status == "accomplished"
