"""Limits and defaults as the published API (the models of the current SDKs) says them."""

from __future__ import annotations

import json
from time import time as now
from typing import Any

import pytest

from ecsmachine.localcloud.protocol.clock import parse, timestamp
from tests.api.localcloud.api_client import ECS, SLB, VPC, Api, until


@pytest.mark.parametrize(
    ("action", "path", "most"),
    [
        ("DescribeInstances", ("Instances", "Instance"), 100),
        ("DescribeDisks", ("Disks", "Disk"), 500),
        ("DescribeNetworkInterfaces", ("NetworkInterfaceSets", "NetworkInterfaceSet"), 500),
        ("DescribeSnapshots", ("Snapshots", "Snapshot"), 100),
    ],
)
def test_results_of_a_page_outside_of_the_limits_count_as_the_nearest(
    api: Api, action: str, path: tuple[str, str], most: int
) -> None:
    api.call("RunInstances", {**api.base(api.group()), "Amount": 11})
    if action == "DescribeSnapshots":
        for instance in api.cloud.state.instances:
            api.wait(instance.id, "Running")
        for disk in api.cloud.state.disks:
            api.call("CreateSnapshot", DiskId=disk.id)
    for asked, told in ((1, 10), (most, most), (most + 1, most)):
        page = api.call(action, MaxResults=asked)
        assert (page["PageSize"], len(page[path[0]][path[1]])) == (told, min(told, 11))


@pytest.mark.parametrize(
    ("category", "least", "most"),
    [
        ("cloud", 5, 2000),
        ("cloud_efficiency", 20, 32768),
        ("cloud_ssd", 20, 32768),
        ("cloud_auto", 1, 65536),
        ("cloud_essd_entry", 10, 32768),
    ],
)
def test_how_large_a_data_disk_can_be(api: Api, category: str, least: int, most: int) -> None:
    disk = {"ZoneId": f"{api.region}-h", "DiskCategory": category}
    for size in (least, most):
        api.call("CreateDisk", disk, Size=size)
    refused = "400 InvalidDiskSize.NotSupported"
    if category == "cloud_auto":
        refused = "403 InvalidDataDiskSize.ValueNotSupported"
    for size in (least - 1, most + 1):
        assert api.refusal("CreateDisk", disk, Size=size) == refused


@pytest.mark.parametrize(("level", "least"), [("PL1", 20), ("PL2", 461), ("PL3", 1261)])
def test_how_large_a_system_disk_of_a_level_has_to_be(api: Api, level: str, least: int) -> None:
    base = api.base(api.group())
    disk = {"SystemDisk.Category": "cloud_essd", "SystemDisk.PerformanceLevel": level}
    api.call("CreateInstance", {**base, **disk, "SystemDisk.Size": least})
    if least > 20:  # the size of the image
        disk["SystemDisk.Size"] = str(least - 1)
        assert api.refusal("CreateInstance", {**base, **disk}) == (
            "400 InvalidSystemDiskSize.ValueNotSupported"
        )


def test_as_much_comes_in_as_goes_out_but_at_least_ten(api: Api) -> None:
    base = api.base(api.group())
    for out, told in ((0, 10), (7, 10), (50, 50)):
        values = {**base, "InternetMaxBandwidthOut": out}
        instance_id = str(api.call("CreateInstance", values)["InstanceId"])
        instance = api.wait(instance_id, "Stopped")
        assert instance["InternetMaxBandwidthIn"] == told
    spec = {"InstanceId": instance_id, "InternetMaxBandwidthOut": 30}
    api.call("ModifyInstanceNetworkSpec", spec)
    assert api.wait(instance_id, "Stopped")["InternetMaxBandwidthIn"] == 30
    api.call("ModifyInstanceNetworkSpec", spec, InternetMaxBandwidthIn=8)
    assert api.wait(instance_id, "Stopped")["InternetMaxBandwidthIn"] == 8


def test_without_bandwidth_a_fixed_address_is_taken_back(api: Api) -> None:
    instance_id = str(api.call("CreateInstance", api.base(api.group()))["InstanceId"])
    api.wait(instance_id, "Stopped")

    def addresses(**spec: Any) -> list[str]:
        api.call("ModifyInstanceNetworkSpec", InstanceId=instance_id, **spec)
        found = api.wait(instance_id, "Stopped")["PublicIpAddress"]["IpAddress"]
        return list(found)

    assert len(addresses(InternetMaxBandwidthOut=5, AllocatePublicIp=True)) == 1
    assert addresses(InternetMaxBandwidthOut=0) == []
    assert addresses(InternetMaxBandwidthOut=5) == []
    assert len(addresses(AllocatePublicIp=True)) == 1


def test_a_page_of_tags_has_at_most_fifty(api: Api) -> None:
    values = {"ResourceType": "VPC", "Tag.1.Key": "a"}
    assert api.call("ListTagResources", values, version=VPC, MaxResults=50)["NextToken"] == ""
    assert api.refusal("ListTagResources", values, version=VPC, MaxResults=51) == (
        "400 InvalidParameter"
    )


@pytest.mark.parametrize(
    ("version", "action", "name", "most"),
    [
        (VPC, "DescribeEipAddresses", "AllocationId", 50),
        (VPC, "DescribeEipAddresses", "EipAddress", 50),
        (SLB, "DescribeLoadBalancers", "LoadBalancerId", 10),
        (SLB, "DescribeLoadBalancers", "LoadBalancerName", 10),
        (ECS, "DescribeInstanceRamRole", "InstanceIds", 50),
    ],
)
def test_how_many_can_be_asked_for(
    api: Api, version: str, action: str, name: str, most: int
) -> None:
    def several(number: int) -> str:
        each = [f"one-{count}" for count in range(number)]
        return json.dumps(each) if name == "InstanceIds" else ",".join(each)

    assert api.call(action, {name: several(most)}, version=version)["TotalCount"] == 0
    refused = api.refusal(action, {name: several(most + 1)}, version=version)
    assert refused == "400 InvalidParameter"


def test_a_page_of_full_statuses_has_at_most_a_hundred(api: Api) -> None:
    assert api.call("DescribeInstancesFullStatus", PageSize=100)["PageSize"] == 100
    assert api.refusal("DescribeInstancesFullStatus", PageSize=101) == "400 InvalidParameter"


def test_tags_of_load_balancers(api: Api) -> None:
    balancer = {"ResourceType": "instance"}
    made = [api.call("CreateLoadBalancer", version=SLB)["LoadBalancerId"] for _ in range(21)]
    ids = {f"ResourceId.{number}": each for number, each in enumerate(made, 1)}
    tag = {**balancer, "Tag.1.Key": "k" * 64, "Tag.1.Value": "v"}
    refused = api.refusal("TagResources", {**tag, **ids}, version=SLB)
    assert refused == "400 NumberExceed.ResourceIds"
    assert api.refusal("ListTagResources", {**balancer, **ids}, version=SLB) == (
        "400 InvalidParameter"
    )
    del ids["ResourceId.21"]
    api.call("TagResources", {**tag, **ids}, version=SLB)
    longer = {**tag, **ids, "Tag.1.Key": "k" * 65}
    assert api.refusal("TagResources", longer, version=SLB) == "400 InvalidTagKey.Malformed"
    other = {**longer, "ResourceType": "securitygroup", "ResourceId.1": api.group()}
    api.call("TagResources", {key: other[key] for key in (*tag, "ResourceId.1")})


def test_bandwidth_and_zones_of_a_load_balancer(api: Api) -> None:
    zone = {"MasterZoneId": f"{api.region}-h", "SlaveZoneId": f"{api.region}-h"}
    made = api.call("CreateLoadBalancer", zone, version=SLB, Bandwidth=1)
    for mbps in (0, -1, 5121):
        refused = api.refusal("CreateLoadBalancer", Bandwidth=mbps, version=SLB)
        assert refused == "400 InvalidParameter"
        wide = {"LoadBalancerId": made["LoadBalancerId"], "Bandwidth": mbps}
        refused = api.refusal("ModifyLoadBalancerInternetSpec", wide, version=SLB)
        assert refused == "400 InvalidParameter"
    for name in ("MasterZoneId", "SlaveZoneId"):
        wrong = {name: "cn-nowhere-a"}
        assert api.refusal("CreateLoadBalancer", wrong, version=SLB) == "400 InvalidParameter"


def test_names_and_bandwidths_of_elastic_addresses(api: Api) -> None:
    named = {"Name": "10 of web", "Description": "x"}
    eip = {"AllocationId": api.call("AllocateEipAddress", named, version=VPC)["AllocationId"]}
    (told,) = api.call("DescribeEipAddresses", eip, version=VPC)["EipAddresses"]["EipAddress"]
    assert (told["Name"], told["Description"]) == ("10 of web", "x")
    for wrong in ({"Name": "http://x"}, {"Name": "x" * 129}, {"Description": "x" * 257}):
        api.refusal("ModifyEipAddressAttribute", {**eip, **wrong}, version=VPC)
    ahead = {"InstanceChargeType": "PrePaid", "Period": 1, "AutoPay": True}
    api.call("AllocateEipAddress", {**ahead, "Bandwidth": 1000}, version=VPC)
    refused = "400 InvalidBandwidth.ValueNotSupported"
    for wide in ({**ahead, "Bandwidth": 1001}, {"Bandwidth": 501}):
        assert api.refusal("AllocateEipAddress", wide, version=VPC) == refused


def test_a_page_of_routes_has_ten_if_it_is_not_asked_for_more(api: Api) -> None:
    vpc = api.call("CreateVpc", version=VPC)
    for number in range(11):
        values = {"VpcId": vpc["VpcId"], "CidrBlock": f"172.16.{number}.0/24"}
        api.call("CreateVSwitch", values, version=VPC, ZoneId=f"{api.region}-h")
    told = api.call("DescribeRouteEntryList", version=VPC, RouteTableId=vpc["RouteTableId"])
    assert len(told["RouteEntrys"]["RouteEntry"]) == 10
    assert told["NextToken"]


def test_what_is_none_of_the_values_of_a_filter_has_the_code_of_the_reference(api: Api) -> None:
    refusals = {
        "DescribeInstances Status": "404 InvalidStatus.NotFound",
        "DescribeInstances InstanceChargeType": "404 InvalidInstanceChargeType.NotFound",
        "DescribeInstances InternetChargeType": "404 InvalidInternetChargeType.ValueNotSupported",
        "DescribeInstances InstanceNetworkType": "404 InvalidNetworkType.NotFound",
        "DescribeInstances LockReason": "404 InvalidLockReason.NotFound",
        "DescribeInstances HttpEndpoint": "400 InvalidHttpEndpoint.NotSupported",
        "DescribeInstances HttpTokens": "400 InvalidHttpTokens.NotSupported",
        "DescribeInstances IoOptimized": "400 InvalidParameter",
        "DescribeDisks LockReason": "404 InvalidLockReason.NotFound",
        "DescribeDisks Status": "400 InvalidStatus.ValueNotSupported",
        "DescribeDisks DiskType": "400 InvalidDiskType.ValueNotSupported",
        "DescribeDisks Category": "400 InvalidCategory.ValueNotSupported",
        "DescribeDisks DiskChargeType": "404 InvalidDiskChargeType.NotFound",
        "DescribeDisks MultiAttach": "403 InvalidParameter.MultiAttach",
        "DescribeSnapshots Status": "404 InvalidStatus.NotFound",
        "DescribeSnapshots SourceDiskType": "404 InvalidSourceDiskType",
        "DescribeSnapshots Usage": "404 InvalidUsage",
        "DescribeSnapshots Category": "403 InvalidSnapshotCategory.Malformed",
        "DescribeSnapshots SnapshotType": "404 InvalidSnapshotType.NotFound",
        "DescribeImages Usage": "404 InvalidUsage",
        "DescribeImages OSType": "404 InvalidOSType",
        "DescribeImages Architecture": "404 InvalidArchitecture",
        "DescribeImages ImageOwnerAlias": "400 InvalidImageOwnerAlias.ValueNotSupported",
        "DescribeImages InstanceType": "400 InvalidInstanceType.ValueNotSupported",
    }
    seen = {}
    for asked in refusals:
        action, name = asked.split()
        seen[asked] = api.refusal(action, {name: "purple"})
    assert seen == refusals
    for action in ("DescribeInstances", "DescribeDisks", "DescribeSnapshots", "DescribeImages"):
        colour = {"Filter.1.Key": "Colour", "Filter.1.Value": "2026-01-01T00:00Z"}
        assert api.refusal(action, colour) == "404 InvalidFilterKey.NotFound"
        assert api.refusal(action, {"Tag.1.Value": "web"}) == "400 InvalidTag.Mismatch"
        soon = {"Filter.1.Key": "CreationStartTime", "Filter.1.Value": "soon"}
        assert api.refusal(action, soon) == "404 InvalidFilterValue"
    told = api.refusal("ListTagResources", {"ResourceType": "instance", "Tag.1.Value": "web"})
    assert told == "400 InvalidParameter.TagValue"


def test_a_balancer_without_a_vpc_is_found_in_either_spelling(api: Api) -> None:
    made = api.call("CreateLoadBalancer", version=SLB)["LoadBalancerId"]
    for spelled in ("Classic", "classic"):
        found = api.call("DescribeLoadBalancers", NetworkType=spelled, version=SLB)
        assert [each["LoadBalancerId"] for each in found["LoadBalancers"]["LoadBalancer"]] == [made]
    assert api.call("DescribeLoadBalancers", NetworkType="vpc", version=SLB)["TotalCount"] == 0


@pytest.mark.parametrize("seconds", [10 * 60, 4 * 366 * 86400])
def test_when_an_instance_can_be_released(api: Api, seconds: int) -> None:
    one = {"InstanceId": api.run(api.group())}
    refused = "400 InvalidAutoReleaseTime.Malformed"
    for time in ("soon", timestamp(now() + seconds)):
        wrong = {**one, "AutoReleaseTime": time}
        assert api.refusal("ModifyInstanceAutoReleaseTime", wrong) == refused
    later = timestamp(now() + 3600)
    api.call("ModifyInstanceAutoReleaseTime", one, AutoReleaseTime=later)
    found = api.instance(one["InstanceId"])
    assert found is not None
    assert found["AutoReleaseTime"] == f"{later[:-4]}Z"
    api.call("ModifyInstanceAutoReleaseTime", one)
    found = api.instance(one["InstanceId"])
    assert found is not None
    assert found["AutoReleaseTime"] == ""


def test_a_switch_is_looked_at_where_nothing_hangs_on_it(api: Api) -> None:
    api.run(api.group())
    (disk,) = api.cloud.state.disks
    snapshot = {"SnapshotId": api.call("CreateSnapshot", DiskId=disk.id)["SnapshotId"]}
    until(lambda: all(each.status == "accomplished" for each in api.cloud.state.snapshots))
    image = {"ImageId": api.call("CreateImage", snapshot)["ImageId"]}
    assert api.refusal("DeleteImage", image, Force="maybe") == "400 InvalidParameter"
    api.call("DeleteImage", image)
    assert api.refusal("DeleteSnapshot", snapshot, Force="maybe") == "400 InvalidParameter"


def test_times_that_are_told_with_seconds(api: Api) -> None:
    api.run(api.group())
    (interface,) = api.call("DescribeNetworkInterfaces")["NetworkInterfaceSets"][
        "NetworkInterfaceSet"
    ]
    made = api.call("CreateLoadBalancer", version=SLB)["LoadBalancerId"]
    balancer = api.call("DescribeLoadBalancerAttribute", LoadBalancerId=made, version=SLB)
    for told in (interface["CreationTime"], balancer["CreateTime"]):
        assert abs(parse(told) - now()) < 120
        assert len(told) == len("2026-01-01T00:00:00Z")
