"""Instances: their life, what is told of them, and what is refused."""

from __future__ import annotations

import base64
import ipaddress
import json
import time
from dataclasses import replace
from typing import Any

import pytest

from ecsmachine.localcloud.state.model import Instance
from tests.api.localcloud.api_client import DEBIAN, Api, RefusedError, until


def test_a_life(api: Api) -> None:
    group = api.group()
    values: dict[str, Any] = {
        "InstanceName": "web-1",
        "HostName": "web-1.example",
        "Description": "for tests",
        "Password": "Abcdef12!",
        "InternetMaxBandwidthOut": 5,
        "Tag.1.Key": "a",
        "Tag.1.Value": "b=c",
        "DataDisk.1.Size": 30,
    }
    instance_id = api.run(group, **values)
    instance = api.wait(instance_id, "Running")
    assert instance["InstanceName"] == "web-1"
    assert instance["HostName"] == "web-1.example"
    assert instance["Cpu"] == 2
    assert instance["Memory"] == 8192
    assert instance["PublicIpAddress"]["IpAddress"][0].startswith("198.18.0.")
    assert instance["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0].startswith("172.16.")
    assert instance["Tags"]["Tag"] == [{"TagKey": "a", "TagValue": "b=c"}]
    assert instance["SecurityGroupIds"]["SecurityGroupId"] == [group]
    assert instance["StartTime"]
    disks = api.call("DescribeDisks", InstanceId=instance_id)["Disks"]["Disk"]
    assert sorted((d["Type"], d["Size"], d["Device"], d["Status"]) for d in disks) == [
        ("data", 30, "/dev/xvdb", "In_use"),
        ("system", 40, "/dev/xvda", "In_use"),
    ]
    api.call("StopInstance", InstanceId=instance_id)
    api.wait(instance_id, "Stopped")
    api.call("StartInstance", InstanceId=instance_id)
    api.wait(instance_id, "Running")
    api.call("RebootInstance", InstanceId=instance_id)
    api.wait(instance_id, "Running")
    api.call("StopInstance", InstanceId=instance_id, ForceStop=True)
    api.wait(instance_id, "Stopped")
    api.call("DeleteInstance", InstanceId=instance_id)
    assert api.instance(instance_id) is None
    assert api.call("DescribeDisks")["TotalCount"] == 0
    api.call("DeleteSecurityGroup", SecurityGroupId=group)


def test_create_instance_is_stopped_and_has_no_public_address(api: Api) -> None:
    values = {**api.base(api.group()), "InternetMaxBandwidthOut": 1}
    instance_id = api.call("CreateInstance", values)["InstanceId"]
    instance = api.wait(instance_id, "Stopped")
    assert instance["PublicIpAddress"]["IpAddress"] == []
    address = api.call("AllocatePublicIpAddress", InstanceId=instance_id)["IpAddress"]
    again = api.refusal("AllocatePublicIpAddress", InstanceId=instance_id)
    assert again == "403 AllocatedAlready"
    inside = api.call("CreateInstance", {**values, "InternetMaxBandwidthOut": 0})["InstanceId"]
    api.wait(inside, "Stopped")
    assert api.refusal("AllocatePublicIpAddress", InstanceId=inside) == (
        "400 AllocateIpInvalidInstanceBandwidth"
    )
    told = api.call("DescribeInstanceAttribute", InstanceId=instance_id)
    assert told["PublicIpAddress"]["IpAddress"] == [address]
    assert told["IoOptimized"] == "optimized"


def test_what_is_filled_in(api: Api) -> None:
    instance_id = api.run(api.group())
    instance = api.wait(instance_id, "Running")
    assert instance["InstanceName"] == instance_id
    assert instance["HostName"].startswith("iZ")
    assert instance["InternetMaxBandwidthOut"] == 0
    assert instance["PublicIpAddress"]["IpAddress"] == []
    assert instance["InstanceChargeType"] == "PostPaid"
    assert instance["KeyPairName"] == ""
    assert instance["OSName"].startswith("Debian")


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"ImageId": ""}, "400 MissingParameter"),
    ({"ImageId": "no-such-image"}, "404 InvalidImageId.NotFound"),
    ({"InstanceType": ""}, "400 MissingParameter"),
    ({"InstanceType": "ecs.none.large"}, "400 InvalidInstanceType.ValueNotSupported"),
    ({"InstanceType": "ecs.g8y.large"}, "403 ImageNotSupportInstanceType"),
    ({"SecurityGroupId": ""}, "400 MissingParameter"),
    ({"SecurityGroupId": "sg-none"}, "404 InvalidSecurityGroupId.NotFound"),
    ({"VSwitchId": "vsw-none"}, "404 InvalidVSwitchId.NotFound"),
    ({"ZoneId": "cn-beijing-h"}, "404 InvalidZoneId.NotFound"),
    ({"ZoneId": "cn-hangzhou-k"}, "400 InvalidParameter.Mismatch"),
    ({"Password": "short"}, "400 InvalidPassword.Malformed"),
    ({"Password": 'Abc123"456'}, "400 InvalidPassword.Malformed"),
    ({"Password": "Abcdef12!", "PasswordInherit": True}, "400 InvalidPasswordParam.Mismatch"),
    ({"KeyPairName": "nobody"}, "404 InvalidKeyPairName.NotFound"),
    ({"InstanceName": "1name"}, "400 InvalidInstanceName.Malformed"),
    ({"InstanceName": "http://name"}, "400 InvalidInstanceName.Malformed"),
    ({"InstanceName": "name[12]"}, "400 InvalidInstanceName.CustomMalformed"),
    ({"HostName": "-host"}, "400 InvalidHostName.Malformed"),
    ({"Description": "https://x"}, "400 InvalidDescription.Malformed"),
    ({"Amount": 0}, "400 InvalidParameter.Amount"),
    ({"Amount": 101}, "400 InvalidParameter.Amount"),
    ({"Amount": 2, "MinAmount": 3}, "400 InvalidMinAmount.Malformed"),
    ({"InternetMaxBandwidthOut": 101}, "400 InvalidInternetMaxBandwidthOut.Malformed"),
    ({"InternetChargeType": "Free"}, "400 InvalidInternetChargeType.ValueNotSupported"),
    ({"SystemDisk.Size": 10}, "404 InvalidSystemDiskSize.LessThanImageSize"),
    ({"SystemDisk.Size": 4096}, "400 InvalidSystemDiskSize.ValueNotSupported"),
    ({"SystemDisk.Category": "floppy"}, "400 InvalidSystemDiskCategory.ValueNotSupported"),
    ({"SystemDisk.Category": "cloud"}, "403 InvalidDiskCategory.NotSupported"),
    ({"DataDisk.1.Size": 1}, "400 InvalidDataDiskSize.ValueNotSupported"),
    ({"DataDisk.1.Size": 99999}, "400 InvalidDataDiskSize.ValueNotSupported"),
    ({"DataDisk.1.Category": "cloud_ssd"}, "400 InvalidDataDiskSize.ValueNotSupported"),
    ({"DataDisk.1.Size": 20, "DataDisk.1.Device": "sdb"}, "400 InvalidDataDevice.Malformed"),
    (
        {"DataDisk.1.Size": 20, "DataDisk.1.Category": "floppy"},
        "400 InvalidDataDiskCategory.ValueNotSupported",
    ),
    (
        {
            "DataDisk.1.Size": 20,
            "DataDisk.1.Device": "/dev/xvdb",
            "DataDisk.2.Size": 20,
            "DataDisk.2.Device": "/dev/vdb",
        },
        "403 InvalidDevice.InUse",
    ),
    (
        {f"DataDisk.{number}.Size": 20 for number in range(1, 18)},
        "400 InstanceDiskNumber.LimitExceed",
    ),
    ({"PrivateIpAddress": "x"}, "400 InvalidPrivateIpAddress.Malformed"),
    ({"PrivateIpAddress": "10.0.0.1"}, "400 InvalidPrivateIpAddress"),
    ({"PrivateIpAddress": "172.16.0.0"}, "400 InvalidPrivateIpAddress"),
    ({"PrivateIpAddress": "255.255.255.255", "Amount": 2}, "400 InvalidPrivateIpAddress.Malformed"),
    ({"UserData": "not base64!"}, "400 InvalidUserData.Base64FormatInvalid"),
    ({"UserData": "é"}, "400 InvalidUserData.Base64FormatInvalid"),
    (
        {"UserData": base64.b64encode(b"x" * 33000).decode()},
        "400 InvalidUserData.SizeExceeded",
    ),
    ({"InstanceChargeType": "Gratis"}, "404 InvalidInstanceChargeType.NotFound"),
    ({"InstanceChargeType": "PrePaid"}, "400 MissingParameter"),
    ({"InstanceChargeType": "PrePaid", "Period": 13}, "400 InvalidPeriod"),
    ({"SpotStrategy": "Cheap"}, "400 InvalidSpotStrategy"),
    ({"SpotStrategy": "SpotWithPriceLimit"}, "400 InvalidSpotPriceLimit"),
    ({"AutoReleaseTime": "soon"}, "400 InvalidAutoReleaseTime.Malformed"),
    ({"AutoReleaseTime": "2020-01-01T00:00:00Z"}, "400 InvalidAutoReleaseTime.Malformed"),
    ({"IoOptimized": "maybe"}, "400 InvalidIoOptimizedValue.ValueNotSupported"),
    ({"Tag.1.Key": "aliyun-mine"}, "400 InvalidTagKey.Malformed"),
    ({"Tag.1.Value": "x"}, "400 MissingParameter"),
    ({f"Tag.{n}.Key": f"k{n}" for n in range(21)}, "400 InvalidTagCount"),
    ({"DeletionProtection": "perhaps"}, "400 InvalidParameter"),
    ({"ClientToken": "x" * 65}, "400 InvalidParameter"),
]


def test_what_run_instances_refuses(api: Api) -> None:
    group = api.group()
    base = api.base(group)
    seen = {json.dumps(case): api.refusal("RunInstances", {**base, **case}) for case, _ in REFUSALS}
    assert seen == {json.dumps(case): expected for case, expected in REFUSALS}
    assert api.call("DescribeInstances")["TotalCount"] == 0
    assert api.call("DescribeDisks")["TotalCount"] == 0
    # Nothing was half-written: the group can go.
    api.call("DeleteSecurityGroup", SecurityGroupId=group)


def test_several_instances_have_the_addresses_from_the_first_on(api: Api) -> None:
    base = api.base(api.group())
    network = ipaddress.IPv4Network(
        api.call("DescribeVSwitches")["VSwitches"]["VSwitch"][0]["CidrBlock"]
    )
    wanted = [str(network[number]) for number in (9, 10, 11)]
    card = {"InstanceType": "Primary", "SecondaryPrivateIpAddressCount": 1}
    card |= {"VSwitchId": base["VSwitchId"], "SecurityGroupId": base["SecurityGroupId"]}
    card |= {"PrimaryIpAddress": wanted[0]}
    values = {name: base[name] for name in ("ImageId", "InstanceType")}
    values |= {f"NetworkInterface.1.{name}": value for name, value in card.items()}
    api.call("RunInstances", values, Amount=3)
    assert sorted(each.private_ip for each in api.cloud.state.instances) == sorted(wanted)
    again = {**base, "PrivateIpAddress": str(network[8]), "Amount": 2}
    assert api.refusal("RunInstances", again) == "400 InvalidPrivateIpAddress.Duplicated"
    # The last three addresses of a VSwitch are the cloud's own.
    again |= {"PrivateIpAddress": str(network[-4])}
    assert api.refusal("RunInstances", again) == "400 InvalidPrivateIpAddress"
    again |= {
        "PrivateIpAddress": str(network[20]),
        "NetworkInterface.1.VSwitchId": base["VSwitchId"],
    }
    again |= {"NetworkInterface.1.SecurityGroupId": base["SecurityGroupId"]}
    assert api.refusal("RunInstances", again) == "400 InvalidParameter.Conflict"


def test_a_group_of_another_vpc(api: Api) -> None:
    vpc_id = api.call("CreateVpc", CidrBlock="192.168.0.0/16")["VpcId"]
    other = api.group("other", VpcId=vpc_id)
    assert api.refusal("RunInstances", api.base(other)) == "400 InvalidParameter.Mismatch"
    base = {**api.base(other), "VSwitchId": ""}
    assert api.refusal("RunInstances", base) == "400 MissingParameter"


def test_without_a_vswitch_the_default_one_is_taken(api: Api) -> None:
    instance_id = api.run(api.group(), VSwitchId="")
    instance = api.wait(instance_id, "Running")
    assert instance["VpcAttributes"]["VSwitchId"] == api.cloud.state.default_vswitch_id


def test_a_dry_run_changes_nothing(api: Api) -> None:
    base = {**api.base(api.group()), "DryRun": True, "ClientToken": "dry"}
    assert api.refusal("RunInstances", base) == "400 DryRunOperation"
    bad = {**base, "Password": "x"}
    assert api.refusal("RunInstances", bad) == "400 InvalidPassword.Malformed"
    assert api.call("DescribeInstances")["TotalCount"] == 0
    instance_id = api.run(base["SecurityGroupId"], ClientToken="dry")
    assert api.refusal("StopInstance", InstanceId=instance_id, DryRun=True) == "400 DryRunOperation"
    # Actions on several instances have a code of their own, and a limit.
    several = {"InstanceId.1": instance_id, "DryRun": True}
    for action in ("StopInstances", "RebootInstances"):
        assert api.refusal(action, several) == "400 DRYRUN.SUCCESS"
    assert api.refusal("DeleteInstances", several, Force=True) == "400 DRYRUN.SUCCESS"
    assert api.refusal("StartInstances", several) == "403 IncorrectInstanceStatus"
    many = {f"InstanceId.{number}": f"i-{number}" for number in range(101)}
    assert api.refusal("StopInstances", many) == "403 InvalidParameter.TooManyInstanceIds"
    assert api.wait(instance_id, "Running")


@pytest.mark.parametrize("action", ["RunInstances", "CreateInstance"])
def test_a_token_is_carried_out_once(api: Api, action: str) -> None:
    values = {**api.base(api.group()), "ClientToken": "token-1", "Password": "Abcdef12!"}
    first = api.call(action, values)
    second = api.call(action, values)
    assert first["RequestId"] != second["RequestId"]
    assert {**first, "RequestId": ""} == {**second, "RequestId": ""}
    assert api.call("DescribeInstances")["TotalCount"] == 1
    other = {**values, "Password": "Abcdef13!"}
    assert api.refusal(action, other) == "400 IdempotentParameterMismatch"
    api.call(action, {**values, "ClientToken": "token-2"})
    assert api.call("DescribeInstances")["TotalCount"] == 2


@pytest.mark.parametrize("action", ["RunInstances", "CreateInstance"])
def test_disks_and_interface_have_the_tags_of_their_instance(api: Api, action: str) -> None:
    tag = {"Tag.1.Key": "team", "Tag.1.Value": "a"}
    disk = {"DataDisk.1.Size": 20, "DataDisk.1.Category": "cloud_essd"}
    api.call(action, {**api.base(api.group()), **disk, **tag})
    for listing, number in (
        ("DescribeInstances", 1),
        ("DescribeDisks", 2),
        ("DescribeNetworkInterfaces", 1),
    ):
        assert api.call(listing, tag)["TotalCount"] == number, listing


def test_each_region_has_its_own_tokens(api: Api) -> None:
    regions = (api.region, "cn-beijing")
    values = {"ClientToken": "roll-out", "VpcName": "web"}
    first, second = (api.call("CreateVpc", values, RegionId=region) for region in regions)
    assert first["VpcId"] != second["VpcId"]
    for region, made in zip(regions, (first, second), strict=True):
        again = api.call("CreateVpc", values, RegionId=region)
        assert again["VpcId"] == made["VpcId"]
        other = {**values, "VpcName": "other", "RegionId": region}
        assert api.refusal("CreateVpc", other) == "400 IdempotentParameterMismatch"


def test_a_refused_request_leaves_its_token_free(api: Api) -> None:
    values = {**api.base(api.group()), "ClientToken": "token-1"}
    assert (
        api.refusal("RunInstances", {**values, "Password": "x"}) == "400 InvalidPassword.Malformed"
    )
    api.call("RunInstances", values)
    assert api.call("DescribeInstances")["TotalCount"] == 1


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("web", ["web", "web", "web"]),
        ("web-[1,2]", ["web-01", "web-02", "web-03"]),
        ("web[9,3]-a", ["web009-a", "web010-a", "web011-a"]),
        ("web[]", ["web000000", "web000001", "web000002"]),
        ("web[,4]", ["web0000", "web0001", "web0002"]),
    ],
)
def test_names_of_several(api: Api, pattern: str, names: list[str]) -> None:
    values = {**api.base(api.group()), "InstanceName": pattern, "Amount": 3}
    ids = api.call("RunInstances", values)["InstanceIdSets"]["InstanceIdSet"]
    assert len(set(ids)) == 3
    found = api.call("DescribeInstances")["Instances"]["Instance"]
    assert sorted(item["InstanceName"] for item in found) == sorted(names)
    addresses = {i["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0] for i in found}
    assert len(addresses) == 3


def test_a_suffix_for_several(api: Api) -> None:
    values = {**api.base(api.group()), "InstanceName": "web", "HostName": "host"}
    api.call("RunInstances", {**values, "Amount": 2, "UniqueSuffix": True})
    found = api.call("DescribeInstances")["Instances"]["Instance"]
    assert sorted(item["InstanceName"] for item in found) == ["web001", "web002"]
    assert sorted(item["HostName"] for item in found) == ["host001", "host002"]


def test_a_wanted_address_is_given_once(api: Api) -> None:
    group = api.group()
    instance_id = api.run(group, PrivateIpAddress="172.16.0.77")
    told = api.wait(instance_id, "Running")
    assert told["VpcAttributes"]["PrivateIpAddress"]["IpAddress"] == ["172.16.0.77"]
    values = {**api.base(group), "PrivateIpAddress": "172.16.0.77"}
    assert api.refusal("RunInstances", values) == "400 InvalidPrivateIpAddress.Duplicated"
    api.call("DeleteInstance", InstanceId=instance_id, Force=True)

    def free() -> bool:
        try:
            api.call("RunInstances", values)
        except RefusedError:
            return False
        return True

    until(free)


def test_filters(api: Api) -> None:
    one, two = api.group("one"), api.group("two")
    api.call("CreateKeyPair", KeyPairName="keys")
    first = api.run(one, InstanceName="web-1", **{"Tag.1.Key": "role", "Tag.1.Value": "web"})
    second = api.run(
        two, InstanceName="db-1", KeyPairName="keys", InternetMaxBandwidthOut=1,
        InstanceType="ecs.c6.large", **{"Tag.1.Key": "role", "Tag.1.Value": "db"},
    )  # fmt: skip
    api.call("StopInstance", InstanceId=first)
    api.wait(first, "Stopped")
    told = api.wait(second, "Running")
    public = told["PublicIpAddress"]["IpAddress"][0]
    private = told["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0]

    def ids(**values: Any) -> list[str]:
        found = api.call("DescribeInstances", values)["Instances"]["Instance"]
        return [item["InstanceId"] for item in found]

    assert ids() == [second, first]
    assert ids(InstanceIds=json.dumps([first, "i-none"])) == [first]
    assert ids(InstanceIds="[]") == []
    assert ids(InstanceName="web*") == [first]
    assert ids(InstanceName="web") == []
    assert ids(Status="Running") == [second]
    assert ids(SecurityGroupId=one) == [first]
    assert ids(KeyPairName="keys") == [second]
    assert ids(InstanceType="ecs.c6.large") == [second]
    assert ids(InstanceTypeFamily="ecs.g6") == [first]
    assert ids(PublicIpAddresses=json.dumps([public])) == [second]
    assert ids(PrivateIpAddresses=json.dumps([private])) == [second]
    assert ids(EipAddresses=json.dumps([public])) == []
    assert ids(VpcId=api.cloud.state.default_vpc_id, ZoneId="cn-hangzhou-h") == [second, first]
    assert ids(VpcId="vpc-none") == []
    assert ids(InstanceNetworkType="classic") == []
    assert ids(**{"Tag.1.Key": "role"}) == [second, first]
    assert ids(**{"Tag.1.Key": "role", "Tag.1.Value": "web"}) == [first]
    assert ids(**{"Tag.1.Key": "role", "Tag.1.Value": "web", "Tag.2.Key": "x"}) == []
    assert ids(**{"Filter.1.Key": "CreationStartTime", "Filter.1.Value": "2099-01-01T00:00Z"}) == []
    assert ids(RegionId="cn-beijing") == []
    assert api.refusal("DescribeInstances", InstanceIds="i-1") == "400 InvalidParameter"
    statuses = api.call("DescribeInstanceStatus")["InstanceStatuses"]["InstanceStatus"]
    assert statuses == [
        {"InstanceId": second, "Status": "Running"},
        {"InstanceId": first, "Status": "Stopped"},
    ]


def test_pages(api: Api) -> None:
    api.call("RunInstances", {**api.base(api.group()), "Amount": 25})
    first = api.call("DescribeInstances")
    assert (first["TotalCount"], first["PageNumber"], first["PageSize"]) == (25, 1, 10)
    by_number = []
    for number in (1, 2, 3):
        page = api.call("DescribeInstances", PageNumber=number, PageSize=10)
        by_number += [item["InstanceId"] for item in page["Instances"]["Instance"]]
    assert len(set(by_number)) == 25
    by_token: list[str] = []
    token = ""
    while len(by_token) < 100:
        page = api.call("DescribeInstances", MaxResults=10, NextToken=token)
        by_token += [item["InstanceId"] for item in page["Instances"]["Instance"]]
        token = page["NextToken"]
        if not token:
            break
    assert by_token == by_number
    assert api.refusal("DescribeInstances", PageSize=101) == "400 InvalidParameter"


def test_states_that_refuse(api: Api) -> None:
    instance_id = api.run(api.group())
    refused = "403 IncorrectInstanceStatus"
    assert api.refusal("StartInstance", InstanceId=instance_id) == refused
    assert api.refusal("DeleteInstance", InstanceId=instance_id) == refused
    # ForceStop says how one is stopped that Force allows to delete
    several = {"InstanceId.1": instance_id, "ForceStop": True}
    assert api.refusal("DeleteInstances", several) == refused
    assert api.refusal("DeleteInstance", InstanceId=instance_id, ForceStop=True) == refused
    api.call("StopInstance", InstanceId=instance_id)
    api.wait(instance_id, "Stopped")
    assert api.refusal("StopInstance", InstanceId=instance_id) == refused
    assert api.refusal("RebootInstance", InstanceId=instance_id) == refused
    for action in ("StartInstance", "StopInstance", "DeleteInstance", "DescribeInstanceAttribute"):
        assert api.refusal(action, InstanceId="i-none") == "404 InvalidInstanceId.NotFound"
        assert api.refusal(action) == "400 MissingParameter"


def test_protection_and_subscription(api: Api) -> None:
    group = api.group()
    guarded = api.run(group, DeletionProtection=True)
    refused = "403 InvalidOperation.DeletionProtection"
    assert api.refusal("DeleteInstance", InstanceId=guarded, Force=True) == refused
    api.call("ModifyInstanceAttribute", InstanceId=guarded, DeletionProtection=False)
    api.call("DeleteInstance", InstanceId=guarded, Force=True)
    paid = api.run(group, InstanceChargeType="PrePaid", Period=1)
    assert api.refusal("DeleteInstance", InstanceId=paid, Force=True) == "403 ChargeTypeViolation"
    early = {"InstanceId": paid, "Force": True, "TerminateSubscription": True}
    assert api.refusal("DeleteInstance", early) == "403 ChargeTypeViolation"
    api.wait(paid, "Running")
    over = replace(known(api, paid), expires="2020-01-01T00:00Z")
    with api.cloud.state.transaction():
        api.cloud.state.instances.put(over)
    assert api.refusal("DeleteInstance", InstanceId=paid, Force=True) == "403 ChargeTypeViolation"
    api.call("DeleteInstance", early)


def test_a_subscription_that_is_over_is_locked_and_shut_down(api: Api) -> None:
    paid = api.run(api.group(), InstanceChargeType="PrePaid", Period=1)
    api.wait(paid, "Running")
    over = replace(known(api, paid), expires="2020-01-01T00:00Z")
    with api.cloud.state.transaction():
        api.cloud.state.instances.put(over)
    assert api.refusal("StartInstance", InstanceId=paid) == "403 InstanceExpired"
    locks = {"LockReason": [{"LockReason": "financial", "LockMsg": ""}]}
    assert api.wait(paid, "Stopped")["OperationLocks"] == locks
    for reason, found in (("financial", [paid]), ("security", [])):
        told = api.call("DescribeInstances", LockReason=reason)["Instances"]["Instance"]
        assert [each["InstanceId"] for each in told] == found
    assert api.call("DescribeDisks", LockReason="financial")["TotalCount"] == 0


def test_a_lock_for_security_refuses_changes_of_the_state(api: Api) -> None:
    instance_id = api.run(api.group())
    api.wait(instance_id, "Running")
    locked = replace(known(api, instance_id), locks=("security",))
    with api.cloud.state.transaction():
        api.cloud.state.instances.put(locked)
    for action in ("StartInstance", "StopInstance", "RebootInstance"):
        assert api.refusal(action, InstanceId=instance_id) == "403 InstanceLockedForSecurity"
    api.call("DeleteInstance", InstanceId=instance_id, Force=True)


def known(api: Api, instance_id: str) -> Instance:
    instance = api.cloud.state.instances.get(instance_id)
    assert instance is not None
    return instance


def test_many_at_once(api: Api) -> None:
    values = {**api.base(api.group()), "Amount": 3}
    ids = api.call("RunInstances", values)["InstanceIdSets"]["InstanceIdSet"]
    for instance_id in ids:
        api.wait(instance_id, "Running")
    numbered = {f"InstanceId.{number}": value for number, value in enumerate(ids, 1)}
    api.call("StopInstance", InstanceId=ids[0])
    api.wait(ids[0], "Stopped")
    refused = "403 IncorrectInstanceStatus"
    assert api.refusal("StopInstances", numbered, BatchOptimization="AllTogether") == refused
    assert api.wait(ids[1], "Running")
    answer = api.call("StopInstances", numbered, BatchOptimization="SuccessFirst")
    responses = answer["InstanceResponses"]["InstanceResponse"]
    assert [r["Code"] for r in responses] == ["IncorrectInstanceStatus", "200", "200"]
    assert responses[1]["PreviousStatus"] == "Running"
    assert responses[1]["CurrentStatus"] == "Stopping"
    for instance_id in ids:
        api.wait(instance_id, "Stopped")
    api.call("StartInstances", numbered)
    for instance_id in ids:
        api.wait(instance_id, "Running")
    api.call("RebootInstances", numbered)
    for instance_id in ids:
        api.wait(instance_id, "Running")
    with_stranger = {**numbered, "InstanceId.9": "i-none"}
    gone = "404 InvalidInstanceId.NotFound"
    assert api.refusal("DeleteInstances", with_stranger, Force=True) == gone
    assert api.call("DescribeInstances")["TotalCount"] == 3
    api.call("DeleteInstances", numbered, Force=True)
    assert api.call("DescribeInstances")["TotalCount"] == 0


def test_changes(api: Api) -> None:
    instance_id = api.run(api.group())
    other = api.group("other")
    changes = {
        "InstanceName": "new-name",
        "Description": "new text",
        "HostName": "new-host",
        "SecurityGroupIds.1": other,
    }
    api.call("ModifyInstanceAttribute", {**changes, "InstanceId": instance_id})
    told = api.wait(instance_id, "Running")
    assert (told["InstanceName"], told["Description"]) == ("new-name", "new text")
    assert told["HostName"] == "new-host"
    assert told["SecurityGroupIds"]["SecurityGroupId"] == [other]
    refused = "400 InvalidPassword.Malformed"
    assert api.refusal("ModifyInstanceAttribute", InstanceId=instance_id, Password="x") == refused
    assert api.refusal("ModifyInstanceAttribute", InstanceId=instance_id, InstanceName="!") == (
        "400 InvalidInstanceName.Malformed"
    )


def test_user_data(api: Api) -> None:
    text = base64.b64encode(b"#!/bin/sh\n").decode()
    instance_id = api.run(api.group(), UserData=text)
    assert api.call("DescribeUserData", InstanceId=instance_id)["UserData"] == text


def test_economical_mode_changes_the_public_address(api: Api) -> None:
    instance_id = api.run(api.group(), InternetMaxBandwidthOut=1)
    before = api.wait(instance_id, "Running")["PublicIpAddress"]["IpAddress"]
    api.call("StopInstance", InstanceId=instance_id, StoppedMode="StopCharging")
    stopped = api.wait(instance_id, "Stopped")
    assert stopped["StoppedMode"] == "StopCharging"
    assert stopped["PublicIpAddress"]["IpAddress"] == []
    api.call("AllocateEipAddress")  # takes what became free
    api.call("StartInstance", InstanceId=instance_id)
    after = api.wait(instance_id, "Running")["PublicIpAddress"]["IpAddress"]
    assert len(after) == 1
    assert after != before


def test_images_and_types_on_offer(api: Api) -> None:
    images = api.call("DescribeImages", ImageOwnerAlias="system", PageSize=100)["Images"]["Image"]
    assert DEBIAN in [image["ImageId"] for image in images]
    assert api.call("DescribeImages", ImageId=DEBIAN)["TotalCount"] == 1
    assert api.call("DescribeImages", ImageId=f"{DEBIAN},no-such")["TotalCount"] == 1
    assert api.call("DescribeImages", ImageId="no-such")["TotalCount"] == 0
    assert api.call("DescribeImages", ImageOwnerAlias="self")["TotalCount"] == 0
    assert api.call("DescribeImages", ImageName="debian_12*x64*")["TotalCount"] == 1
    assert api.call("DescribeImages", Architecture="arm64")["TotalCount"] == 4
    assert api.call("DescribeImages", OSType="windows")["TotalCount"] == 0
    assert api.call("DescribeImages", Status="Creating")["TotalCount"] == 0
    arm = api.call("DescribeImages", InstanceType="ecs.g8y.large")["Images"]["Image"]
    assert {image["Architecture"] for image in arm} == {"arm64"}
    family = api.call("DescribeImageFromFamily", ImageFamily="acs:debian_12_8_x64")
    assert family["Image"]["ImageId"] == DEBIAN
    types = api.call("DescribeInstanceTypes", {"InstanceTypes.1": "ecs.g6.large"})
    (kind,) = types["InstanceTypes"]["InstanceType"]
    assert (kind["CpuCoreCount"], kind["MemorySize"]) == (2, 8)
    nano = api.call("DescribeInstanceTypes", {"InstanceTypes.1": "ecs.t5-lc2m1.nano"})
    assert nano["InstanceTypes"]["InstanceType"][0]["MemorySize"] == 0.5
    small = api.call("DescribeInstanceTypes", MaximumCpuCoreCount=1)["InstanceTypes"]
    assert {kind["CpuCoreCount"] for kind in small["InstanceType"]} == {1}


def test_what_is_in_stock(api: Api) -> None:
    def values(**parameters: Any) -> set[str]:
        answer = api.call("DescribeAvailableResource", parameters)
        zones = answer.get("AvailableZones", {"AvailableZone": []})["AvailableZone"]
        return {
            item["Value"]
            for zone in zones
            for resource in zone["AvailableResources"]["AvailableResource"]
            for item in resource["SupportedResources"]["SupportedResource"]
        }

    disks = values(DestinationResource="SystemDisk", InstanceType="ecs.n4.small")
    assert disks == {"cloud_ssd", "cloud_efficiency", "cloud"}
    types = values(DestinationResource="InstanceType", SystemDiskCategory="cloud")
    assert "ecs.n4.small" in types
    assert "ecs.g8i.large" not in types
    assert values(DestinationResource="InstanceType", Cores=2, Memory=8) > {"ecs.g6.large"}
    assert values(DestinationResource="InstanceType", InstanceType="ecs.none") == set()
    assert values(DestinationResource="Network") == {"vpc"}
    answer = api.call(
        "DescribeAvailableResource", DestinationResource="Zone", NetworkCategory="Vpc"
    )
    zones = [zone["ZoneId"] for zone in answer["AvailableZones"]["AvailableZone"]]
    told = [zone["ZoneId"] for zone in api.call("DescribeZones")["Zones"]["Zone"]]
    assert zones == told
    assert api.refusal("DescribeAvailableResource") == "400 MissingParameter"
    for wrong, refused in (
        ({"DestinationResource": "Coffee"}, "404 Invalid.DestinationResource"),
        ({"ResourceType": "Coffee"}, "404 Invalid.ResourceType"),
        ({"IoOptimized": "maybe"}, "404 Invalid.IoOptimized"),
        ({"NetworkCategory": "none"}, "404 Invalid.NetworkCategory"),
        ({"SpotStrategy": "Cheap"}, "404 Invalid.SpotStrategy"),
        ({"InstanceChargeType": "Free"}, "400 Invalid.InstanceChargeType"),
        ({"Scope": "Mars"}, "403 InvalidParameter.Scope"),
        (
            {"InstanceType": "ecs.g6.large", "Cores": "2"},
            "403 InvalidParam.TypeAndCpuMem.Conflict",
        ),
    ):
        asked = {"DestinationResource": "InstanceType", **wrong}
        assert api.refusal("DescribeAvailableResource", asked) == refused
    assert api.refusal("DescribeAvailableResource", DestinationResource="SystemDisk") == (
        "400 MissingParameter"
    )


def test_times_are_in_utc(api: Api) -> None:
    instance_id = api.run(api.group())
    created = api.wait(instance_id, "Running")["CreationTime"]
    assert time.strptime(created, "%Y-%m-%dT%H:%MZ")


def test_how_an_instance_reaches_its_metadata(api: Api) -> None:
    group = api.group()
    instance_id = api.run(group, HttpTokens="required", HttpPutResponseHopLimit="2")

    def told() -> dict[str, Any]:
        instance = api.instance(instance_id)
        assert instance is not None
        options: dict[str, Any] = instance["MetadataOptions"]
        return options

    assert told() == {
        "HttpEndpoint": "enabled",
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 2,
        "InstanceMetadataTags": "disabled",
    }
    action = "ModifyInstanceMetadataOptions"
    api.call(action, InstanceId=instance_id, HttpEndpoint="disabled")
    assert (told()["HttpEndpoint"], told()["HttpTokens"]) == ("disabled", "required")
    refused = {
        "400 MissingParameter": {"InstanceId": instance_id},
        "404 InvalidInstanceId.NotFound": {"InstanceId": "i-nobody", "HttpEndpoint": "enabled"},
        "400 InvalidHttpEndpoint.NotSupported": {"InstanceId": instance_id, "HttpEndpoint": "on"},
        "400 InvalidHttpTokens.NotSupported": {
            "InstanceId": instance_id,
            "HttpEndpoint": "enabled",
            "HttpTokens": "v2",
        },
    }
    for expected, values in refused.items():
        assert api.refusal(action, values) == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"HttpEndpoint": "on"}, "400 InvalidHttpEndpoint.NotSupported"),
        ({"HttpTokens": "v2"}, "400 InvalidHttpTokens.NotSupported"),
        ({"HpcClusterId": "hpc-nobody"}, "404 InvalidHpcClusterId.NotFound"),
        ({"DedicatedHostId": "dh-nobody"}, "404 InvalidDedicatedHostId.NotFound"),
        ({"CreditSpecification": "Lots"}, "400 InvalidParameter"),
        (
            {"DataDisk.1.Category": "cloud_essd", "DataDisk.1.Size": 19},
            "400 InvalidDataDiskSize.ValueNotSupported",
        ),
    ],
)
def test_what_the_cloud_does_not_have_is_not_passed_over(
    api: Api, more: dict[str, Any], expected: str
) -> None:
    values = {**api.base(api.group()), **more}
    assert api.refusal("RunInstances", values) == expected
    assert api.refusal("CreateInstance", values) == expected
