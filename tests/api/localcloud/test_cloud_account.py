"""What the account has and pays: prices, charge types, quotas, events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from tests.api.localcloud.api_client import DEBIAN, SLB, VPC, Api


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCloud]:
    with embedded_cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture
def group(api: Api) -> str:
    return api.group()


def price(api: Api, **parameters: Any) -> dict[str, Any]:
    answer = api.call("DescribePrice", parameters)
    found: dict[str, Any] = answer["PriceInfo"]["Price"]
    return found


def test_an_hour_costs_more_with_more(api: Api) -> None:
    small = price(api, InstanceType="ecs.g6.large")
    large = price(api, InstanceType="ecs.g6.xlarge")
    assert 0 < small["TradePrice"] < large["TradePrice"] == pytest.approx(2 * small["TradePrice"])
    assert small["Currency"] == "CNY"
    disk = {"SystemDisk.Category": "cloud_essd", "SystemDisk.Size": 100}
    with_disk = price(api, InstanceType="ecs.g6.large", **disk)
    assert [item["Resource"] for item in with_disk["DetailInfos"]["DetailInfo"]] == [
        *("instanceType", "systemDisk"),
    ]
    assert with_disk["TradePrice"] > small["TradePrice"]
    two = price(api, InstanceType="ecs.g6.large", Amount=2)
    assert two["TradePrice"] == pytest.approx(2 * small["TradePrice"])


def test_spot_and_subscription_are_cheaper(api: Api) -> None:
    hour = price(api, InstanceType="ecs.g6.large")
    spot = price(api, InstanceType="ecs.g6.large", SpotStrategy="SpotAsPriceGo")
    assert spot["TradePrice"] < spot["OriginalPrice"] == hour["TradePrice"]
    assert spot["DiscountPrice"] == pytest.approx(spot["OriginalPrice"] - spot["TradePrice"])
    month = price(api, InstanceType="ecs.g6.large", PriceUnit="Month", Period=1)
    assert hour["TradePrice"] < month["TradePrice"] < 720 * hour["TradePrice"]


def test_a_subscription_costs_what_was_told(api: Api) -> None:
    disk = {"SystemDisk.Category": "cloud_essd", "SystemDisk.Size": 100}
    told = price(api, InstanceType="ecs.g6.large", PriceUnit="Month", Period=2, Amount=2, **disk)
    values = {**api.base(api.group()), **disk}
    ahead = {"InstanceChargeType": "PrePaid", "Period": 2}
    bought = api.call("RunInstances", {**values, **ahead}, Amount=2)
    assert bought["TradePrice"] == pytest.approx(told["TradePrice"])
    one = api.call("CreateInstance", {**values, **ahead})
    assert one["TradePrice"] == pytest.approx(told["TradePrice"] / 2)
    assert bought["OrderId"].isdecimal() and one["OrderId"].isdecimal()
    assert api.call("RunInstances", values)["TradePrice"] == 0


def test_changes_of_a_subscriptions_disks_are_orders(api: Api) -> None:
    essd = {"SystemDisk.Category": "cloud_essd", "DataDisk.1.Category": "cloud_essd"}
    ahead = {"InstanceChargeType": "PrePaid", "Period": 1, "DataDisk.1.Size": 40, **essd}
    for more, ordered in ((ahead, True), ({**essd, "DataDisk.1.Size": 40}, False)):
        instance_id = api.run(api.group(f"of-{ordered}"), **more)
        made = api.call("CreateDisk", InstanceId=instance_id, Size=40, DiskCategory="cloud_essd")
        (disk,) = (
            each
            for each in api.call("DescribeDisks", InstanceId=instance_id)["Disks"]["Disk"]
            if each["Type"] == "data" and each["DiskId"] != made["DiskId"]
        )
        bigger = api.call("ResizeDisk", DiskId=disk["DiskId"], NewSize=50)
        other = api.call("ModifyDiskSpec", DiskId=disk["DiskId"], DiskCategory="cloud_auto")
        assert [bool(each["OrderId"]) for each in (made, bigger, other)] == [ordered] * 3
        assert other["TaskId"].startswith("t-")


def test_prices_of_disks_and_bandwidth(api: Api) -> None:
    one = {"ResourceType": "disk", "DataDisk.1.Size": 100, "DataDisk.1.Category": "cloud_ssd"}
    disk = price(api, **one)
    assert disk["TradePrice"] > 0
    more = {"DataDisk.2.Size": 100, "DataDisk.2.Category": "cloud_ssd"}
    assert price(api, **one, **more)["TradePrice"] == pytest.approx(2 * disk["TradePrice"])
    wide = price(api, ResourceType="bandwidth", InternetMaxBandwidthOut=10)
    assert (
        wide["TradePrice"]
        > price(api, ResourceType="bandwidth", InternetMaxBandwidthOut=5)["TradePrice"]
    )


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, "400 MissingParameter"),
        ({"InstanceType": "ecs.none"}, "400 InvalidInstanceType.ValueNotSupported"),
        ({"ResourceType": "coffee"}, "400 InvalidParameter"),
        ({"ResourceType": "disk"}, "400 MissingParameter"),
        ({"InstanceType": "ecs.g6.large", "Period": 0}, "400 InvalidPeriod.ValueNotSupported"),
        ({"InstanceType": "ecs.g6.large", "Period": 5}, "400 InvalidPeriod.ValueNotSupported"),
        ({"InstanceType": "ecs.g6.large", "PriceUnit": "Second"}, "400 InvalidParameter"),
        ({"InstanceType": "ecs.g6.large", "SystemDisk.Category": "tape"}, "400 InvalidParameter"),
        ({"InstanceType": "ecs.g6.large", "RegionId": "mars"}, "404 InvalidRegionId.NotFound"),
    ],
)
def test_prices_that_there_are_not(api: Api, parameters: dict[str, Any], expected: str) -> None:
    assert api.refusal("DescribePrice", parameters) == expected


def test_from_the_hour_to_a_subscription_and_back(api: Api, group: str) -> None:
    instance_id = api.run(group)
    ids = json.dumps([instance_id])
    refuse = api.refusal
    assert refuse("RenewInstance", InstanceId=instance_id, Period=1) == "403 ChargeTypeViolation"
    change = {"InstanceIds": ids, "InstanceChargeType": "PrePaid"}
    assert refuse("ModifyInstanceChargeType", change) == "400 MissingParameter"
    assert refuse("ModifyInstanceChargeType", change, Period=10) == "400 InvalidPeriod"
    answer = api.call("ModifyInstanceChargeType", change, Period=2)
    (fee,) = answer["FeeOfInstances"]["FeeOfInstance"]
    assert (fee["InstanceId"], float(fee["Fee"]) > 0) == (instance_id, True)
    found = api.instance(instance_id)
    assert found
    assert (found["InstanceChargeType"], found["SaleCycle"]) == ("PrePaid", "Month")
    assert found["ExpiredTime"] < "2099"
    disks = api.call("DescribeDisks", InstanceId=instance_id)["Disks"]["Disk"]
    assert {disk["DiskChargeType"] for disk in disks} == {"PrePaid"}
    api.call("RenewInstance", InstanceId=instance_id, Period=1, PeriodUnit="Year")
    renewed = api.instance(instance_id)
    assert renewed
    assert renewed["ExpiredTime"] > found["ExpiredTime"]
    api.call(
        "ModifyInstanceAutoRenewAttribute", InstanceId=instance_id, RenewalStatus="AutoRenewal"
    )
    attributes = api.call("DescribeInstanceAutoRenewAttribute", InstanceId=instance_id)
    (renewal,) = attributes["InstanceRenewAttributes"]["InstanceRenewAttribute"]
    assert renewal["AutoRenewEnabled"] is True
    smaller = {"InstanceId": instance_id, "InstanceType": "ecs.g6.xlarge"}
    assert refuse("ModifyInstanceSpec", smaller) == "403 IncorrectInstanceStatus"
    api.call("StopInstance", InstanceId=instance_id)
    api.wait(instance_id, "Stopped")
    assert refuse("ModifyInstanceSpec", smaller) == "403 ChargeTypeViolation"
    api.call("ModifyPrepayInstanceSpec", smaller)
    assert refuse("DeleteInstance", InstanceId=instance_id) == "403 ChargeTypeViolation"
    api.call("ModifyInstanceChargeType", InstanceIds=ids, InstanceChargeType="PostPaid")
    found = api.instance(instance_id)
    assert found
    assert (found["InstanceChargeType"], found["ExpiredTime"]) == ("PostPaid", "2099-12-31T15:59Z")
    assert found["InstanceType"] == "ecs.g6.xlarge"
    api.call("DeleteInstance", InstanceId=instance_id)


def test_a_type_that_does_not_fit(api: Api, group: str) -> None:
    answer = api.call("CreateInstance", api.base(group), **{"SystemDisk.Category": "cloud_ssd"})
    instance_id = answer["InstanceId"]
    api.wait(instance_id, "Stopped")
    for kind in ("ecs.g8y.large", "ecs.g8i.large"):
        refused = api.refusal("ModifyInstanceSpec", InstanceId=instance_id, InstanceType=kind)
        assert refused == "400 InvalidInstanceType.NotSupported", kind
    api.call("DeleteInstance", InstanceId=instance_id)


def test_quotas_by_name(api: Api) -> None:
    answer = api.call("DescribeAccountAttributes", {"AttributeName.1": "max-security-groups"})
    (item,) = answer["AccountAttributeItems"]["AccountAttributeItem"]
    assert [value["Value"] for value in item["AttributeValues"]["ValueItem"]] == ["100"]
    everything = api.call("DescribeAccountAttributes", ZoneId="cn-hangzhou-h")
    assert len(everything["AccountAttributeItems"]["AccountAttributeItem"]) > 3
    assert api.refusal("DescribeAccountAttributes", {"AttributeName.1": "max-coffee"}) == (
        "400 InvalidParameter"
    )


def test_an_account_may_have_the_interfaces_that_its_instances_can(api: Api) -> None:
    name = "max-elastic-network-interfaces"
    answer = api.call("DescribeAccountAttributes", {"AttributeName.1": name})
    (item,) = answer["AccountAttributeItems"]["AccountAttributeItem"]
    (value,) = item["AttributeValues"]["ValueItem"]
    types = api.call("DescribeInstanceTypes")["InstanceTypes"]["InstanceType"]
    assert int(value["Value"]) == 1000 * (max(kind["EniQuantity"] for kind in types) - 1) > 0


def test_events_and_health(api: Api, group: str) -> None:
    instance_id = api.run(group)
    status = api.call("DescribeInstancesFullStatus", {"InstanceId.1": instance_id})
    (one,) = status["InstanceFullStatusSet"]["InstanceFullStatusType"]
    assert (one["Status"]["Name"], one["HealthStatus"]["Name"]) == ("Running", "Ok")
    events = api.call("DescribeInstanceHistoryEvents", InstanceId=instance_id)
    assert events["InstanceSystemEventSet"] == {"InstanceSystemEventType": []}
    assert api.refusal("DescribeInstanceHistoryEvents", InstanceId="i-none") == (
        "404 InvalidInstanceId.NotFound"
    )
    kept = api.call("DescribeInstanceMaintenanceAttributes", {"InstanceId.1": instance_id})
    assert kept["TotalCount"] == 1
    assert api.call("DescribeSnapshots", InstanceId=instance_id)["TotalCount"] == 0
    api.call("DeleteInstance", InstanceId=instance_id, Force=True)


def test_groups_that_name_groups(api: Api, group: str) -> None:
    other = api.group("other")
    rule = {"IpProtocol": "tcp", "PortRange": "22/22", "SourceGroupId": group}
    api.call("AuthorizeSecurityGroup", rule, SecurityGroupId=other)
    answer = api.call(
        "DescribeSecurityGroupReferences",
        {"SecurityGroupId.1": group, "SecurityGroupId.2": other},
    )
    (reference,) = answer["SecurityGroupReferences"]["SecurityGroupReference"]
    assert reference["SecurityGroupId"] == group
    (naming,) = reference["ReferencingSecurityGroups"]["ReferencingSecurityGroup"]
    assert naming["SecurityGroupId"] == other
    api.call("DeleteSecurityGroup", SecurityGroupId=other)


def test_a_primary_interface_said_by_itself(api: Api, group: str) -> None:
    base = api.base(group)
    interface = {
        "NetworkInterface.1.InstanceType": "Primary",
        "NetworkInterface.1.VSwitchId": base.pop("VSwitchId"),
        "NetworkInterface.1.SecurityGroupIds.1": base.pop("SecurityGroupId"),
    }
    with_tag = {"Tag.1.Key": "team", "Tag.1.Value": "a"}
    made = api.call("RunInstances", {**base, **interface, **with_tag})
    (instance_id,) = made["InstanceIdSets"]["InstanceIdSet"]
    found = api.wait(instance_id, "Running")
    assert found["SecurityGroupIds"]["SecurityGroupId"] == [group]
    conflict = {**base, **interface, "VSwitchId": interface["NetworkInterface.1.VSwitchId"]}
    assert api.refusal("RunInstances", conflict) == "400 InvalidParameter.Conflict"
    second = {**interface, "NetworkInterface.2.VSwitchId": "vsw-x"}
    assert api.refusal("RunInstances", {**base, **second}) == "404 InvalidVSwitchId.NotFound"
    # RunInstances tags the disks and the interface as well.
    disks = api.call("DescribeDisks", with_tag)["Disks"]["Disk"]
    assert [disk["InstanceId"] for disk in disks] == [instance_id]
    interfaces = api.call("DescribeNetworkInterfaces", with_tag)["NetworkInterfaceSets"]
    (card,) = interfaces["NetworkInterfaceSet"]
    wanted = {"NetworkInterfaceId": card["NetworkInterfaceId"]}
    one = api.call("DescribeNetworkInterfaceAttribute", wanted)
    assert one["Tags"]["Tag"] == [{"TagKey": "team", "TagValue": "a"}]
    api.call("DeleteInstance", InstanceId=instance_id, Force=True)
    gone = api.refusal("DescribeNetworkInterfaceAttribute", wanted)
    assert gone == "404 InvalidEniId.NotFound"
    assert api.call("DescribeTags", with_tag)["Tags"]["Tag"] == []


def test_templates_that_there_are_not(api: Api, group: str) -> None:
    refused = api.refusal("RunInstances", api.base(group), LaunchTemplateId="lt-1")
    assert refused == "404 InvalidLaunchTemplate.NotFound"


def test_another_kind_of_disk(api: Api) -> None:
    made = api.call("CreateDisk", ZoneId="cn-hangzhou-h", Size=40, DiskCategory="cloud_essd")
    disk = {"DiskId": made["DiskId"]}
    api.call("ModifyDiskSpec", disk, PerformanceLevel="PL0")
    (found,) = api.call("DescribeDisks", DiskIds=json.dumps([made["DiskId"]]))["Disks"]["Disk"]
    assert found["PerformanceLevel"] == "PL0"
    for changes, expected in (
        ({"PerformanceLevel": "PL0"}, "400 NoChangeInDiskCategory.NotSupported"),
        ({"PerformanceLevel": "PL3"}, "403 OperationDenied.PerformanceLevelNotMatch"),
        ({"DiskCategory": "cloud"}, "400 InvalidDiskCategory.ValueNotSupported"),
        ({"DiskCategory": "tape"}, "400 InvalidDiskCategory.ValueNotSupported"),
    ):
        assert api.refusal("ModifyDiskSpec", disk, **changes) == expected
    api.call("DeleteDisk", disk)


def test_types_that_an_image_runs_on(api: Api) -> None:
    answer = api.call("DescribeImageSupportInstanceTypes", ImageId=DEBIAN)
    names = {kind["InstanceTypeId"] for kind in answer["InstanceTypes"]["InstanceType"]}
    assert "ecs.g6.large" in names
    assert "ecs.g8y.large" not in names


def test_changes_of_a_balancer(api: Api) -> None:
    made = api.call("CreateLoadBalancer", version=SLB)
    one = {"LoadBalancerId": made["LoadBalancerId"]}
    api.call("ModifyLoadBalancerInstanceSpec", one, LoadBalancerSpec="slb.s2.small", version=SLB)
    spec = {**one, "InternetChargeType": "paybybandwidth", "Bandwidth": 7}
    api.call("ModifyLoadBalancerInternetSpec", spec, version=SLB)
    protect = {**one, "ModificationProtectionStatus": "ConsoleProtection"}
    api.call("SetLoadBalancerModificationProtection", protect, version=SLB)
    found = api.call("DescribeLoadBalancerAttribute", one, version=SLB)
    assert (found["LoadBalancerSpec"], found["Bandwidth"]) == ("slb.s2.small", 7)
    assert found["InternetChargeTypeAlias"] == "paybybandwidth"
    assert found["ModificationProtectionStatus"] == "ConsoleProtection"
    bad = {**one, "LoadBalancerSpec": "large"}
    refused = api.refusal("ModifyLoadBalancerInstanceSpec", bad, version=SLB)
    assert refused == "400 InvalidParameter"


def test_tags_of_balancers_in_the_older_form(api: Api) -> None:
    one = {"LoadBalancerId": api.call("CreateLoadBalancer", version=SLB)["LoadBalancerId"]}

    def tags(*pairs: tuple[str, str]) -> str:
        return json.dumps([{"TagKey": key, "TagValue": value} for key, value in pairs])

    api.call("AddTags", one, Tags=tags(("team", "a"), ("env", "b")), version=SLB)
    api.call("RemoveTags", one, Tags=tags(("team", "other"), ("env", "")), version=SLB)
    (tag,) = api.call("DescribeTags", one, version=SLB)["TagSets"]["TagSet"]
    assert tag == {"TagKey": "team", "TagValue": "a", "InstanceCount": 1}
    none = api.call("DescribeTags", Tags=tags(("team", "b")), version=SLB)
    assert (none["TotalCount"], none["TagSets"]["TagSet"]) == (0, [])
    assert api.refusal("AddTags", one, version=SLB) == "400 MissingParameter"
    for bad in ("{", "{}", "[]", "[1]", '[{"TagValue": "a"}]'):
        assert api.refusal("AddTags", one, Tags=bad, version=SLB) == "400 InvalidParameter", bad
    api.call("DeleteLoadBalancer", one, version=SLB)


def test_types_of_tagged_resources_are_answered_as_they_were_asked(api: Api) -> None:
    vpc = {"ResourceType": "VPC", "ResourceId.1": api.cloud.state.default_vpc_id}
    api.call("TagResources", vpc, **{"Tag.1.Key": "k", "Tag.1.Value": "v"}, version=VPC)
    (tag,) = api.call("ListTagResources", vpc, version=VPC)["TagResources"]["TagResource"]
    assert tag["ResourceType"] == "VPC"
