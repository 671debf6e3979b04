"""A cloud that serves begins anew, for the next test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from ecsmachine.localcloud.host.guests.none import NoGuests
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from ecsmachine.localcloud.service.remote import RemoteCloud
from ecsmachine.localcloud.testing import Cloud, local_cloud
from tests.api.localcloud.api_client import DEBIAN, SLB, VPC, Api, exchange
from tests.api.localcloud.test_settled import create_cluster

SEED = {"instances": [{"InstanceName": "web"}], "quotas": {"vpcs": 3}}


@pytest.fixture
def seeded() -> Iterator[Cloud]:
    with local_cloud(seed=SEED) as cloud:
        yield cloud


def fill(api: Api, vpc_id: str, vswitch_id: str) -> None:
    """Make one of all kinds."""
    group = api.call("CreateSecurityGroup", VpcId=vpc_id)["SecurityGroupId"]
    values = {
        "ImageId": DEBIAN,
        "InstanceType": "ecs.g6.large",
        "SecurityGroupId": group,
        "VSwitchId": vswitch_id,
        "ClientToken": "once",
        "Tag.1.Key": "a",
    }
    made = api.call("RunInstances", values)
    instance = made["InstanceIdSets"]["InstanceIdSet"][0]
    (disk,) = api.call("DescribeDisks", InstanceId=instance)["Disks"]["Disk"]
    api.call("CreateSnapshot", DiskId=disk["DiskId"])
    api.call("CreateImage", InstanceId=instance)
    api.call("CreateKeyPair", KeyPairName="keys")
    vpc = api.call("CreateVpc")["VpcId"]
    zone = "cn-hangzhou-h"
    api.call("CreateVSwitch", VpcId=vpc, ZoneId=zone, CidrBlock="172.16.0.0/24")
    api.call("AllocateEipAddress", version=VPC)
    api.call("CreateLoadBalancer", version=SLB)
    api.call("CreateDisk", ZoneId=zone, Size=20, DiskCategory="cloud_essd")


def test_it_is_as_at_first(seeded: Cloud) -> None:
    api = Api(cast(EmbeddedCloud, seeded))
    before = {name: len(rows) for name, rows in told(api, seeded).items()}
    fill(api, seeded.vpc_id, seeded.vswitch_id)
    seeded.fault("throttle", rate=100)
    seeded.reset()
    assert seeded.requests == []
    assert seeded.faults.entries() == []
    assert {name: len(rows) for name, rows in told(api, seeded).items()} == before
    (found,) = api.call("DescribeInstances")["Instances"]["Instance"]
    assert (found["InstanceName"], found["Status"]) == ("web", "Running")
    (vpc,) = api.call("DescribeVpcs")["Vpcs"]["Vpc"]
    assert vpc["VpcId"] == seeded.vpc_id  # what clients were told holds on
    fill(api, seeded.vpc_id, seeded.vswitch_id)  # also with the same token


def told(api: Api, cloud: Cloud) -> dict[str, list[object]]:
    listings = {
        "DescribeInstances": ("Instances", "Instance"),
        "DescribeDisks": ("Disks", "Disk"),
        "DescribeSnapshots": ("Snapshots", "Snapshot"),
        "DescribeSecurityGroups": ("SecurityGroups", "SecurityGroup"),
        "DescribeVSwitches": ("VSwitches", "VSwitch"),
        "DescribeKeyPairs": ("KeyPairs", "KeyPair"),
        "DescribeNetworkInterfaces": ("NetworkInterfaceSets", "NetworkInterfaceSet"),
        "DescribeEipAddresses": ("EipAddresses", "EipAddress"),
        "DescribeTags": ("Tags", "Tag"),
    }
    found = {name: api.call(name)[outer][inner] for name, (outer, inner) in listings.items()}
    own = api.call("DescribeImages", ImageOwnerAlias="self")["Images"]["Image"]
    balancers = api.call("DescribeLoadBalancers", version=SLB)["LoadBalancers"]["LoadBalancer"]
    return {**found, "images": own, "balancers": balancers}


class Deleted(NoGuests):
    def __init__(self) -> None:
        super().__init__()
        self.deleted: list[str] = []

    def delete(self, instance_id: str) -> None:
        self.deleted.append(instance_id)

    def delete_disk(self, *given: object, **more: object) -> None:
        self.deleted += map(str, given)

    def delete_snapshot(self, *given: object, **more: object) -> None:
        self.deleted += map(str, given)


def test_nothing_is_left_on_the_host(tmp_path: Path) -> None:
    guests = Deleted()
    with embedded_cloud(tmp_path / "cloud", guests=guests, settled=True) as cloud:
        api = Api(cloud)
        fill(api, cloud.state.default_vpc_id, cloud.state.default_vswitch_id)
        data = [disk.id for disk in cloud.state.disks if disk.kind == "data"]
        made = [one.id for one in cloud.state.instances] + data
        made += [one.id for one in cloud.state.snapshots]
        key = cloud.access_key_id, cloud.access_key_secret
        RemoteCloud(cloud.endpoint, *key).reset()
        assert sorted(guests.deleted) == sorted(made)
        assert len(cloud.state.removals) == 0


def test_a_default_network_that_was_deleted_is_there_again(cloud: EmbeddedCloud, api: Api) -> None:
    api.call("DeleteVSwitch", VSwitchId=cloud.state.default_vswitch_id)
    RemoteCloud(cloud.endpoint, cloud.access_key_id, cloud.access_key_secret).reset()
    assert cloud.state.default_vpc_id
    assert cloud.state.default_vswitch_id
    assert len(cloud.state.vpcs) == len(cloud.state.vswitches) == 1


def test_not_with_clusters(cloud: EmbeddedCloud) -> None:
    create_cluster(cloud)
    remote = RemoteCloud(cloud.endpoint, cloud.access_key_id, cloud.access_key_secret)
    with pytest.raises(LocalCloudError, match="Delete the clusters first"):
        remote.reset()


def test_only_who_has_the_key_may(cloud: EmbeddedCloud) -> None:
    assert exchange(cloud, "POST", "/_ecsmachine/reset").status == 401
