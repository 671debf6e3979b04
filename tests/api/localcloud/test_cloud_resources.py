"""Networks, security groups, keys, disks, addresses, routes, tags, load balancers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from tests.api.localcloud.api_client import SLB, STS, VPC, Api, until

ANYWHERE = {"IpProtocol": "tcp", "PortRange": "22/22", "SourceCidrIp": "0.0.0.0/0"}


@pytest.mark.parametrize("version", [VPC, "2014-05-26"])
def test_a_network_of_ones_own(api: Api, version: str) -> None:
    vpc = api.call("CreateVpc", version=version, CidrBlock="192.168.0.0/16", VpcName="mine")
    vpc_id = vpc["VpcId"]
    (told,) = api.call("DescribeVpcs", version=version, VpcId=vpc_id)["Vpcs"]["Vpc"]
    assert told["Status"] == "Available"
    assert told["CidrBlock"] == "192.168.0.0/16"
    assert told["VRouterId"] == vpc["VRouterId"]
    values = {"VpcId": vpc_id, "ZoneId": "cn-hangzhou-i", "CidrBlock": "192.168.1.0/24"}
    vswitch_id = api.call("CreateVSwitch", values, version=version)["VSwitchId"]
    found = api.call("DescribeVSwitches", version=version, VpcId=vpc_id)["VSwitches"]["VSwitch"]
    assert [(item["VSwitchId"], item["AvailableIpAddressCount"]) for item in found] == [
        (vswitch_id, 252)
    ]
    group = api.group(VpcId=vpc_id)
    instance_id = api.run(group, VSwitchId=vswitch_id)
    told = api.wait(instance_id, "Running")
    assert told["ZoneId"] == "cn-hangzhou-i"
    assert told["VpcAttributes"]["PrivateIpAddress"]["IpAddress"] == ["192.168.1.1"]
    again = api.call("DescribeVSwitches", version=version, VSwitchId=vswitch_id)["VSwitches"]
    assert again["VSwitch"][0]["AvailableIpAddressCount"] == 251
    in_use = "400 DependencyViolation"
    assert api.refusal("DeleteVSwitch", version=version, VSwitchId=vswitch_id) == in_use
    assert api.refusal("DeleteVpc", version=version, VpcId=vpc_id) == f"{in_use}.VSwitch"
    api.call("DeleteInstance", InstanceId=instance_id, Force=True)
    api.call("DeleteVSwitch", version=version, VSwitchId=vswitch_id)
    assert api.refusal("DeleteVpc", version=version, VpcId=vpc_id) == f"{in_use}.SecurityGroup"
    api.call("DeleteSecurityGroup", SecurityGroupId=group)
    api.call("DeleteVpc", version=version, VpcId=vpc_id)
    assert api.refusal("DeleteVpc", version=version, VpcId=vpc_id) == "404 InvalidVpcId.NotFound"
    gone = "404 InvalidVSwitchId.NotFound"
    assert api.refusal("DeleteVSwitch", version=version, VSwitchId=vswitch_id) == gone


@pytest.mark.parametrize(
    ("cidr", "expected"),
    [
        ("10.0.0.0", "400 InvalidCidrBlock.Malformed"),
        ("10.0.0.1/8", "400 InvalidCidrBlock.Malformed"),
        ("10.0.0.0/4", "400 InvalidCidrBlock.Malformed"),
        ("10.0.0.0/29", "400 InvalidCidrBlock.Malformed"),
        ("127.0.0.0/16", "400 InvalidCidrBlock.Malformed"),
        ("100.64.0.0/16", "400 InvalidCidrBlock.Malformed"),
        ("fd00::/32", "400 InvalidCidrBlock.Malformed"),
    ],
)
def test_networks_that_no_vpc_may_have(api: Api, cidr: str, expected: str) -> None:
    assert api.refusal("CreateVpc", CidrBlock=cidr) == expected


def test_vswitches_that_are_refused(api: Api) -> None:
    vpc_id = api.call("CreateVpc", CidrBlock="192.168.0.0/16")["VpcId"]
    base = {"VpcId": vpc_id, "ZoneId": "cn-hangzhou-h", "CidrBlock": "192.168.1.0/24"}
    api.call("CreateVSwitch", base)
    cases: list[tuple[dict[str, str], str]] = [
        ({}, "400 InvalidCidrBlock.Overlapped"),
        ({"CidrBlock": "192.168.0.0/16"}, "400 InvalidCidrBlock.Overlapped"),
        ({"CidrBlock": "10.0.0.0/24"}, "400 InvalidParameter"),
        ({"CidrBlock": "192.168.2.0/30"}, "400 InvalidCidrBlock.Malformed"),
        ({"CidrBlock": "192.168.2.1/24"}, "400 InvalidCidrBlock.Malformed"),
        ({"CidrBlock": ""}, "400 MissingParameter"),
        ({"ZoneId": "cn-beijing-h"}, "404 InvalidZoneId.NotFound"),
        ({"ZoneId": ""}, "400 MissingParameter"),
        ({"VpcId": "vpc-none"}, "404 InvalidVpcId.NotFound"),
        ({"VSwitchName": "http://x"}, "400 InvalidVSwitchName.Malformed"),
    ]
    for case, expected in cases:
        assert api.refusal("CreateVSwitch", {**base, **case}) == expected, case


def test_vpcs_run_out(api: Api) -> None:
    for _ in range(9):
        api.call("CreateVpc")
    assert api.refusal("CreateVpc") == "400 QuotaExceeded.Vpc"
    api.call("CreateVpc", RegionId="cn-beijing")


def permissions(api: Api, group: str, **more: Any) -> list[dict[str, Any]]:
    told = api.call("DescribeSecurityGroupAttribute", SecurityGroupId=group, **more)
    found: list[dict[str, Any]] = told["Permissions"]["Permission"]
    return found


def test_rules_of_a_group(api: Api) -> None:
    group, other = api.group(), api.group("other")
    assert permissions(api, group) == []
    api.call("AuthorizeSecurityGroup", ANYWHERE, SecurityGroupId=group)
    api.call("AuthorizeSecurityGroup", ANYWHERE, SecurityGroupId=group, NicType="internet")
    (rule,) = permissions(api, group)
    assert (rule["IpProtocol"], rule["PortRange"], rule["Direction"]) == ("TCP", "22/22", "ingress")
    assert (rule["SourceCidrIp"], rule["Policy"], rule["Priority"]) == ("0.0.0.0/0", "Accept", 1)
    assert rule["NicType"] == "intranet"
    several = {
        "Permissions.1.IpProtocol": "udp",
        "Permissions.1.PortRange": "1/65535",
        "Permissions.1.SourceCidrIp": "10.1.2.3/8",
        "Permissions.1.Priority": 50,
        "Permissions.1.Policy": "drop",
        "Permissions.1.Description": "no udp",
        "Permissions.2.IpProtocol": "icmp",
        "Permissions.2.PortRange": "-1/-1",
        "Permissions.2.SourceGroupId": other,
    }
    api.call("AuthorizeSecurityGroup", several, SecurityGroupId=group)
    icmp, udp, _ = permissions(api, group)
    assert (udp["SourceCidrIp"], udp["Policy"], udp["Priority"]) == ("10.0.0.0/8", "Drop", 50)
    assert (icmp["SourceGroupId"], icmp["SourceGroupName"]) == (other, "other")
    out = {"IpProtocol": "all", "PortRange": "-1/-1", "DestCidrIp": "0.0.0.0/0"}
    api.call("AuthorizeSecurityGroupEgress", out, SecurityGroupId=group)
    assert len(permissions(api, group, Direction="egress")) == 1
    assert len(permissions(api, group, Direction="ingress")) == 3
    api.call("RevokeSecurityGroup", ANYWHERE, SecurityGroupId=group)
    api.call("RevokeSecurityGroup", ANYWHERE, SecurityGroupId=group)
    by_id = {"SecurityGroupRuleId.1": udp["SecurityGroupRuleId"]}
    api.call("RevokeSecurityGroup", by_id, SecurityGroupId=group)
    gone = "404 InvalidSecurityGroupRuleId.NotFound"
    assert api.refusal("RevokeSecurityGroup", by_id, SecurityGroupId=group) == gone
    assert [r["IpProtocol"] for r in permissions(api, group, Direction="ingress")] == ["ICMP"]
    api.call("RevokeSecurityGroupEgress", out, SecurityGroupId=group)
    changed = {"SecurityGroupRuleId": icmp["SecurityGroupRuleId"], "Description": "ping"}
    api.call("ModifySecurityGroupRule", changed, SecurityGroupId=group)
    (rule,) = permissions(api, group)
    assert (rule["Description"], rule["SourceGroupId"]) == ("ping", other)


def test_rules_that_are_refused(api: Api) -> None:
    group = api.group()
    cases: list[tuple[dict[str, Any], str]] = [
        ({"IpProtocol": ""}, "400 MissingParameter"),
        ({"IpProtocol": "sctp"}, "400 InvalidIpProtocol.ValueNotSupported"),
        ({"PortRange": ""}, "400 MissingParameter"),
        ({"PortRange": "22"}, "400 InvalidIpProtocol.Malformed"),
        ({"PortRange": "30/20"}, "400 InvalidIpProtocol.Malformed"),
        ({"PortRange": "0/20"}, "400 InvalidIpProtocol.Malformed"),
        ({"PortRange": "1/65536"}, "400 InvalidIpProtocol.Malformed"),
        ({"PortRange": "-1/-1"}, "400 InvalidIpProtocol.Malformed"),
        ({"IpProtocol": "icmp"}, "400 InvalidIpProtocol.Malformed"),
        ({"SourcePortRange": "x"}, "400 InvalidSourcePortRange.Malformed"),
        ({"SourceCidrIp": "", "SourceGroupId": group}, "403 InvalidParamter.Conflict"),
        ({"SourceCidrIp": ""}, "400 MissingParameter.Source"),
        ({"SourceCidrIp": "10.0.0.0/33"}, "400 InvalidSourceCidrIp.Malformed"),
        ({"SourceCidrIp": "fd00::/8"}, "400 InvalidSourceCidrIp.Malformed"),
        ({"Policy": "maybe"}, "400 InvalidPolicy.Malformed"),
        ({"Priority": 0}, "400 InvalidPriority.ValueNotSupported"),
        ({"Priority": 101}, "400 InvalidPriority.ValueNotSupported"),
        ({"SourceCidrIp": "", "SourceGroupId": "sg-none"}, "404 InvalidSourceGroupId.NotFound"),
        ({"SecurityGroupId": "sg-none"}, "404 InvalidSecurityGroupId.NotFound"),
        ({"SecurityGroupId": ""}, "400 MissingParameter"),
    ]
    for case, expected in cases:
        values = {**ANYWHERE, "SecurityGroupId": group, **case}
        assert api.refusal("AuthorizeSecurityGroup", values) == expected, case
    assert permissions(api, group) == []


def test_groups_are_listed_and_joined(api: Api) -> None:
    one, two = api.group("web-one"), api.group("db-two", Description="the second")
    found = api.call("DescribeSecurityGroups", SecurityGroupName="web*")["SecurityGroups"]
    assert [item["SecurityGroupId"] for item in found["SecurityGroup"]] == [one]
    ids = json.dumps([two, "sg-none"])
    found = api.call("DescribeSecurityGroups", SecurityGroupIds=ids)["SecurityGroups"]
    assert [item["Description"] for item in found["SecurityGroup"]] == ["the second"]
    instance_id = api.run(one)
    both = {"InstanceId": instance_id, "SecurityGroupId": two}
    api.call("JoinSecurityGroup", both)
    assert api.refusal("JoinSecurityGroup", both) == "403 InvalidInstanceId.AlreadyExists"
    assert api.refusal("DeleteSecurityGroup", SecurityGroupId=two) == "403 DependencyViolation"
    api.call("LeaveSecurityGroup", both)
    assert api.refusal("LeaveSecurityGroup", both) == "403 InstanceNotInSecurityGroup"
    last = {"InstanceId": instance_id, "SecurityGroupId": one}
    assert api.refusal("LeaveSecurityGroup", last) == "403 InstanceLastSecurityGroup"
    rule = {"IpProtocol": "all", "SourceGroupId": two, "SecurityGroupId": one}
    api.call("AuthorizeSecurityGroup", rule)
    assert api.refusal("DeleteSecurityGroup", SecurityGroupId=two) == "403 DependencyViolation"
    api.call("RevokeSecurityGroup", rule)
    api.call("DeleteSecurityGroup", SecurityGroupId=two)
    assert api.refusal("CreateSecurityGroup", SecurityGroupName="http://x") == (
        "400 InvalidSecurityGroupName.Malformed"
    )


def test_groups_of_two_types_are_not_joined(api: Api) -> None:
    one, other = api.group("basic"), api.group("advanced", SecurityGroupType="enterprise")
    instance_id = api.run(one)
    joined = {"InstanceId": instance_id, "SecurityGroupId": other}
    assert api.refusal("JoinSecurityGroup", joined) == "400 InvalidOperation.MultiGroupType"
    changed = {"InstanceId": instance_id, "SecurityGroupIds.1": one}
    assert api.refusal("ModifyInstanceAttribute", {**changed, "SecurityGroupIds.2": other}) == (
        "403 EnterpriseGroupLimited.MutliGroupType"
    )
    assert api.refusal("ModifyInstanceAttribute", {**changed, "SecurityGroupIds.2": one}) == (
        "404 InvalidParameter.SecurityGroupIdRepeated"
    )
    rule = {"IpProtocol": "all", "SourceGroupId": other, "SecurityGroupId": one}
    assert api.refusal("AuthorizeSecurityGroup", rule) == (
        "400 InvalidGroupAuthParameter.OperationDenied"
    )
    rule = {"IpProtocol": "all", "SourceGroupId": one, "SecurityGroupId": other}
    assert api.refusal("AuthorizeSecurityGroup", rule) == (
        "400 InvalidGroupParameter.OperationDenied"
    )
    # From one type to the other is allowed.
    api.call("ModifyInstanceAttribute", {"SecurityGroupIds.1": other}, InstanceId=instance_id)


def test_a_key_pair_that_the_cloud_makes(api: Api) -> None:
    made = api.call("CreateKeyPair", KeyPairName="keys")
    private = load_pem_private_key(made["PrivateKeyBody"].encode(), None)
    told = api.call("DescribeKeyPairs", KeyPairName="keys", IncludePublicKey=True)["KeyPairs"]
    (pair,) = told["KeyPair"]
    line = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert pair["PublicKey"] == line
    assert pair["KeyPairFingerPrint"] == made["KeyPairFingerPrint"]
    assert len(made["KeyPairFingerPrint"].split(":")) == 20
    assert api.refusal("CreateKeyPair", KeyPairName="keys") == "400 KeyPair.AlreadyExist"
    assert api.refusal("CreateKeyPair", KeyPairName="1") == "400 InvalidKeyPairName.Malformed"
    api.call("DeleteKeyPairs", KeyPairNames='["keys", "nobody"]')
    assert api.call("DescribeKeyPairs")["TotalCount"] == 0


def test_a_key_pair_that_is_imported_and_attached(api: Api) -> None:
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    line = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    api.call("ImportKeyPair", KeyPairName="mine", PublicKeyBody=f"{line} me@here\n")
    for bad in ("", "nonsense", "ssh-rsa AAAA", f"{line}\n{line}"):
        code = api.refusal("ImportKeyPair", KeyPairName="bad", PublicKeyBody=bad)
        assert code in ("400 MissingParameter", "400 InvalidPublicKeyBody.Malformed")
    instance_id = api.run(api.group(), Password="Abcdef12!")
    ids = json.dumps([instance_id, "i-none"])
    answer = api.call("AttachKeyPair", KeyPairName="mine", InstanceIds=ids)
    assert (answer["TotalCount"], answer["FailCount"]) == ("2", "1")
    assert [item["Success"] for item in answer["Results"]["Result"]] == ["true", "false"]
    assert api.wait(instance_id, "Running")["KeyPairName"] == "mine"
    attached = "400 InvalidParameter.KeypairAlreadyAttachedInstance"
    assert api.refusal("DeleteKeyPairs", KeyPairNames='["nobody", "mine"]') == attached
    api.call("DetachKeyPair", KeyPairName="mine", InstanceIds=json.dumps([instance_id]))
    assert api.wait(instance_id, "Running")["KeyPairName"] == ""
    for bad in ("mine", "mine,other", '{"mine": 1}'):
        malformed = "400 InvalidKeyPairNames.ValueNotSupported"
        assert api.refusal("DeleteKeyPairs", KeyPairNames=bad) == malformed
    api.call("DeleteKeyPairs", KeyPairNames='["mine"]')
    many = "403 InstanceKeyPairLimitExceeded"
    names = json.dumps([f"key-{number}" for number in range(101)])
    assert api.refusal("DeleteKeyPairs", KeyPairNames=names) == many
    api.call("CreateKeyPair", KeyPairName="mine")
    too_many = json.dumps([f"i-{number}" for number in range(51)])
    for action in ("AttachKeyPair", "DetachKeyPair"):
        assert api.refusal(action, KeyPairName="mine", InstanceIds=too_many) == many
    gone = "400 InvalidKeyPairName.NotFound"
    assert api.refusal("AttachKeyPair", KeyPairName="nobody", InstanceIds=ids) == gone


def test_a_disk_of_its_own(api: Api) -> None:
    instance_id = api.run(api.group())
    values = {"ZoneId": "cn-hangzhou-h", "DiskCategory": "cloud_essd", "Size": 20}
    disk_id = api.call("CreateDisk", values, DiskName="data")["DiskId"]

    def told() -> dict[str, Any]:
        found = api.call("DescribeDisks", DiskIds=json.dumps([disk_id]))["Disks"]["Disk"]
        disk: dict[str, Any] = found[0]
        return disk

    assert (told()["Status"], told()["PerformanceLevel"]) == ("Available", "PL1")
    both = {"DiskId": disk_id, "InstanceId": instance_id}
    api.call("AttachDisk", both)
    assert (told()["Status"], told()["Device"]) == ("In_use", "/dev/xvdb")
    assert told()["Attachments"]["Attachment"][0]["InstanceId"] == instance_id
    assert api.refusal("AttachDisk", both) == "403 IncorrectDiskStatus"
    assert api.refusal("DeleteDisk", DiskId=disk_id) == "403 IncorrectDiskStatus"
    api.call("ResizeDisk", DiskId=disk_id, NewSize=30)
    assert told()["Size"] == 30
    for size, refused in (
        (30, "403 InvalidDiskSize.TooSmall"),
        (20, "403 InvalidDiskSize.TooSmall"),
        (99999, "403 InvalidDiskSize.TooLarge"),
        ("x", "400 InvalidParameter"),
    ):
        assert api.refusal("ResizeDisk", DiskId=disk_id, NewSize=size) == refused
    api.call("DetachDisk", both)
    assert (told()["Status"], told()["InstanceId"]) == ("Available", "")
    assert api.refusal("DetachDisk", both) == "403 DependencyViolation"
    api.call("AttachDisk", both)
    api.call("DeleteInstance", InstanceId=instance_id, Force=True)
    assert told()["Status"] == "Available"
    api.call("DeleteDisk", DiskId=disk_id)
    assert api.call("DescribeDisks")["TotalCount"] == 0
    assert api.refusal("DeleteDisk", DiskId=disk_id) == "404 InvalidDiskId.NotFound"


def test_only_the_disk_of_a_running_instance_grows_online(api: Api) -> None:
    instance_id = api.run(api.group())
    values = {"ZoneId": "cn-hangzhou-h", "DiskCategory": "cloud_essd", "Size": 20}
    online = {"DiskId": api.call("CreateDisk", values)["DiskId"], "Type": "online", "NewSize": 30}
    assert api.refusal("ResizeDisk", online) == "403 IncorrectDiskStatus"
    api.call("AttachDisk", DiskId=online["DiskId"], InstanceId=instance_id)
    api.call("ResizeDisk", online)
    api.call("StopInstance", InstanceId=instance_id)
    api.wait(instance_id, "Stopped")
    online["NewSize"] = 40
    assert api.refusal("ResizeDisk", online) == "403 InvalidInstanceStatus.NotRunning"
    api.call("ResizeDisk", {**online, "Type": "offline"})
    basic = api.call("CreateDisk", {**values, "DiskCategory": "cloud"})["DiskId"]
    assert api.refusal("ResizeDisk", {**online, "DiskId": basic}) == (
        "403 InvalidDiskCategory.NotSupported"
    )


def test_disks_that_are_refused(api: Api) -> None:
    instance_id = api.run(api.group())
    base = {"ZoneId": "cn-hangzhou-h", "DiskCategory": "cloud_essd", "Size": 20}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"Size": ""}, "400 MissingParameter"),
        ({"Size": 1}, "403 OperationDenied.PerformanceLevelNotMatch"),
        ({"Size": 65537}, "400 InvalidDiskSize.NotSupported"),
        ({"MultiAttach": "Maybe"}, "403 InvalidParameter.MultiAttach"),
        (
            {"MultiAttach": "Enabled", "DiskCategory": "cloud_ssd"},
            "403 InvalidParameter.DiskCategoryAndMultiAttachNotMatch",
        ),
        (
            {"MultiAttach": "Enabled", "InstanceId": instance_id, "ZoneId": ""},
            "403 InvalidParameter.MultiAttachAndInstanceIdConflict",
        ),
        ({"DiskCategory": "floppy"}, "400 InvalidDiskCategory.ValueNotSupported"),
        ({"ZoneId": "mars"}, "404 InvalidZoneId.NotFound"),
        ({"ZoneId": ""}, "400 MissingParameter"),
        ({"InstanceId": instance_id}, "403 InvalidParam.ZoneIdAndInstanceId.Conflict"),
        ({"PerformanceLevel": "PL9"}, "400 InvalidPerformanceLevel.Malformed"),
        ({"DiskName": "1"}, "400 InvalidDiskName.Malformed"),
    ]
    for case, expected in cases:
        assert api.refusal("CreateDisk", {**base, **case}) == expected, case
    far = api.call("CreateDisk", {**base, "ZoneId": "cn-hangzhou-k"})["DiskId"]
    both = {"DiskId": far, "InstanceId": instance_id}
    assert api.refusal("AttachDisk", both) == "403 ResourcesNotInSameZone"
    old = api.call("CreateDisk", {**base, "DiskCategory": "cloud"})["DiskId"]
    both = {"DiskId": old, "InstanceId": instance_id}
    assert api.refusal("AttachDisk", both) == "403 InvalidInstanceType.NotSupportDiskCategory"
    system = api.call("DescribeDisks", InstanceId=instance_id)["Disks"]["Disk"][0]["DiskId"]
    both = {"DiskId": system, "InstanceId": instance_id}
    assert api.refusal("DetachDisk", both) == "403 DiskNotPortable"


@pytest.mark.parametrize(("level", "least"), [("PL0", 1), ("PL1", 20), ("PL2", 461)])
def test_the_smallest_disk_of_a_performance_level(api: Api, level: str, least: int) -> None:
    values = {"ZoneId": "cn-hangzhou-i", "DiskCategory": "cloud_essd", "PerformanceLevel": level}
    assert api.refusal("CreateDisk", {**values, "Size": least - 1}) == (
        "400 InvalidDiskSize.NotSupported"
        if least == 1
        else "403 OperationDenied.PerformanceLevelNotMatch"
    )
    assert api.call("CreateDisk", {**values, "Size": least})["DiskId"]


def test_a_data_disk_stays_if_it_is_told_to(api: Api) -> None:
    values: dict[str, Any] = {
        "DataDisk.1.Size": 20,
        "DataDisk.2.Size": 30,
        "DataDisk.2.DeleteWithInstance": False,
    }
    instance_id = api.run(api.group(), **values)
    api.call("DeleteInstance", InstanceId=instance_id, Force=True)
    (left,) = api.call("DescribeDisks")["Disks"]["Disk"]
    assert (left["Size"], left["Status"], left["InstanceId"]) == (30, "Available", "")


@pytest.mark.parametrize("version", [VPC, "2014-05-26"])
def test_an_elastic_address(api: Api, version: str) -> None:
    instance_id = api.run(api.group())
    made = api.call("AllocateEipAddress", version=version, Bandwidth=10)
    eip = {"AllocationId": made["AllocationId"]}

    def told() -> dict[str, Any]:
        found = api.call("DescribeEipAddresses", eip, version=version)["EipAddresses"]
        address: dict[str, Any] = found["EipAddress"][0]
        return address

    assert (told()["Status"], told()["Bandwidth"]) == ("Available", "10")
    both = {**eip, "InstanceId": instance_id}
    api.call("AssociateEipAddress", both, version=version)
    assert (told()["Status"], told()["InstanceId"]) == ("InUse", instance_id)
    assert told()["InstanceType"] == "EcsInstance"
    instance = api.wait(instance_id, "Running")
    assert instance["EipAddress"]["IpAddress"] == made["EipAddress"]
    assert instance["EipAddress"]["AllocationId"] == made["AllocationId"]
    assert instance["PublicIpAddress"]["IpAddress"] == []
    refused = "400 IncorrectEipStatus"
    assert api.refusal("ReleaseEipAddress", eip, version=version) == refused
    assert api.refusal("AssociateEipAddress", both, version=version) == refused
    assert api.refusal("AllocatePublicIpAddress", InstanceId=instance_id) == "400 OperationDenied"
    second = api.call("AllocateEipAddress", version=version)["AllocationId"]
    other = {"AllocationId": second, "InstanceId": instance_id}
    twice = "400 InvalidAssociation.Duplicated"
    assert api.refusal("AssociateEipAddress", other, version=version) == twice
    api.call("UnassociateEipAddress", both, version=version)
    assert told()["Status"] == "Available"
    assert api.wait(instance_id, "Running")["EipAddress"]["IpAddress"] == ""
    api.call("AssociateEipAddress", both, version=version)
    api.call("DeleteInstance", InstanceId=instance_id, Force=True)
    assert (told()["Status"], told()["InstanceId"]) == ("Available", "")
    api.call("ReleaseEipAddress", eip, version=version)
    gone = "404 InvalidAllocationId.NotFound"
    assert api.refusal("ReleaseEipAddress", eip, version=version) == gone
    assert api.refusal("AllocateEipAddress", version=version, Bandwidth=0) == (
        "400 InvalidBandwidth.ValueNotSupported"
    )


@pytest.mark.parametrize("version", [VPC, "2014-05-26"])
def test_routes(api: Api, version: str) -> None:
    instance_id = api.run(api.group())
    (vpc,) = api.call("DescribeVpcs", version=version)["Vpcs"]["Vpc"]
    routers = api.call("DescribeVRouters", version=version, VRouterId=vpc["VRouterId"])
    table = routers["VRouters"]["VRouter"][0]["RouteTableIds"]["RouteTableId"][0]

    def entries() -> list[dict[str, Any]]:
        told = api.call("DescribeRouteTables", version=version, RouteTableId=table)
        found: list[dict[str, Any]] = told["RouteTables"]["RouteTable"][0]["RouteEntrys"][
            "RouteEntry"
        ]
        return found

    assert {entry["Type"] for entry in entries()} == {"System"}
    values = {
        "RouteTableId": table,
        "DestinationCidrBlock": "10.9.0.0/16",
        "NextHopType": "Instance",
        "NextHopId": instance_id,
    }
    api.call("CreateRouteEntry", values, version=version)
    custom = [entry for entry in entries() if entry["Type"] == "Custom"]
    assert [(e["DestinationCidrBlock"], e["InstanceId"], e["Status"]) for e in custom] == [
        ("10.9.0.0/16", instance_id, "Available")
    ]
    cases: list[tuple[dict[str, str], str]] = [
        ({}, "400 InvalidCIDRBlock.Duplicate"),
        ({"DestinationCidrBlock": "x"}, "400 InvalidCidrBlock.Malformed"),
        ({"DestinationCidrBlock": "172.16.0.0/24"}, "400 InvalidCidrBlock"),
        ({"NextHopId": "i-none"}, "404 InvalidNextHopId.NotFound"),
        ({"NextHopType": "Tunnel"}, "400 InvalidNextHopType"),
        ({"RouteTableId": "vtb-none"}, "404 InvalidRouteTableId.NotFound"),
    ]
    for case, expected in cases:
        assert api.refusal("CreateRouteEntry", {**values, **case}, version=version) == expected
    used = "400 DependencyViolation.RouteEntry"
    assert api.refusal("DeleteInstance", InstanceId=instance_id, Force=True) == used
    system = {**values, "DestinationCidrBlock": "172.16.0.0/20", "NextHopId": ""}
    assert api.refusal("DeleteRouteEntry", system, version=version) == "400 OperationDenied"
    api.call("DeleteRouteEntry", values, version=version)
    gone = "400 InvalidRouteEntry.NotFound"
    assert api.refusal("DeleteRouteEntry", values, version=version) == gone
    api.call("DeleteInstance", InstanceId=instance_id, Force=True)


def test_several_routes_at_once_and_what_is_free(api: Api) -> None:
    instance_id = api.run(api.group())
    (vpc,) = api.call("DescribeVpcs", version=VPC)["Vpcs"]["Vpc"]
    table = vpc["RouterTableIds"]["RouterTableIds"][0]
    networks = ["10.1.0.0/24", "10.2.0.0/24", "no network"]

    def entries(*each: dict[str, str]) -> dict[str, str]:
        return {
            f"RouteEntries.{number}.{name}": value
            for number, one in enumerate(each, 1)
            for name, value in {"RouteTableId": table, "NextHop": instance_id, **one}.items()
        }

    asked = [{"DstCidrBlock": cidr, "NextHopType": "Instance"} for cidr in networks]
    made = api.call("CreateRouteEntries", entries(*asked), version=VPC)
    assert (made["SuccessCount"], made["FailedCount"]) == (2, 1)
    (failed,) = made["FailedRouteEntries"]
    assert (failed["DstCidrBlock"], failed["FailedCode"]) == (
        networks[2],
        "InvalidCidrBlock.Malformed",
    )
    gone = [{"RouteEntryId": made["RouteEntryIds"][0]}, {"DstCidrBlock": networks[1]}, {}]
    told = api.call("DeleteRouteEntries", entries(*gone), version=VPC)
    assert (told["SuccessCount"], told["FailedCount"]) == (2, 1)
    shown = {"RouteTableId": table, "RouteEntryType": "Custom"}
    assert api.call("DescribeRouteEntryList", shown, version=VPC)["RouteEntrys"] == {
        "RouteEntry": []
    }
    one = {"RouteTableId": table, "DestinationCidrBlock": "10.3.0.0/24", "NextHopId": instance_id}
    for name in ("RouteEntryName", "Description"):
        for text in ("https://here", "x" * 257):
            wrong = api.refusal("CreateRouteEntry", {**one, name: text}, version=VPC)
            assert wrong == f"400 Invalid{name}.Malformed", text
    too_many = entries(*({"NextHopType": "Instance", "DstCidrBlock": "x"} for _ in range(51)))
    assert api.refusal("CreateRouteEntries", too_many, version=VPC) == "400 InvalidParameter"
    found = api.instance(instance_id)
    assert found is not None
    (taken,) = found["VpcAttributes"]["PrivateIpAddress"]["IpAddress"]
    place = {"VSwitchId": api.cloud.state.default_vswitch_id}
    for address, free in ((taken, False), ("172.16.0.99", True), ("192.0.2.1", False)):
        told = api.call(
            "CheckCanAllocateVpcPrivateIpAddress", place, version=VPC, PrivateIpAddress=address
        )
        assert told["CanAllocate"] is free


def test_a_load_balancer_is_paid_for_by_use(api: Api) -> None:
    balancer = api.call("CreateLoadBalancer", version=SLB)["LoadBalancerId"]
    action = "ModifyLoadBalancerInstanceChargeType"
    for kind, spec in (("PayByCLCU", "slb.lcu.elastic"), ("PayBySpec", "slb.s2.small")):
        values = {"LoadBalancerId": balancer, "InstanceChargeType": kind, "LoadBalancerSpec": spec}
        api.call(action, values, version=SLB)
        told = api.call("DescribeLoadBalancerAttribute", version=SLB, LoadBalancerId=balancer)
        assert (told["InstanceChargeType"], told["LoadBalancerSpec"]) == (kind, spec)
    assert api.refusal(action, values, version=SLB, InstanceChargeType="x").startswith("400")


def tags_without_values(amount: int) -> dict[str, str]:
    numbers = range(1, amount + 1)
    return {f"Tag.{n}.Key": f"k{n}" for n in numbers} | {f"Tag.{n}.Value": "" for n in numbers}


def test_tags(api: Api) -> None:
    group = api.group()
    first, second = api.run(group), api.run(group)
    values = {"ResourceType": "instance", "ResourceId.1": first, "ResourceId.2": second}
    api.call("TagResources", {**values, "Tag.1.Key": "a", "Tag.1.Value": "1"})
    api.call("AddTags", {"ResourceType": "instance", "ResourceId": first, "Tag.1.Key": "b"})
    told = api.call("ListTagResources", values)["TagResources"]["TagResource"]
    assert [(item["ResourceId"], item["TagKey"], item["TagValue"]) for item in told] == [
        (first, "a", "1"),
        (first, "b", ""),
        (second, "a", "1"),
    ]
    by_tag = {"ResourceType": "instance", "Tag.1.Key": "b"}
    told = api.call("ListTagResources", by_tag)["TagResources"]["TagResource"]
    assert {item["ResourceId"] for item in told} == {first}
    api.call("TagResources", {**values, "ResourceId.1": "", "Tag.1.Key": "a", "Tag.1.Value": "2"})
    like = {"ResourceType": "instance", "TagFilter.1.TagKey": "a"}
    for found, more in (
        ({first, second}, {}),
        ({first}, {"TagFilter.1.TagKey": "*b*"}),
        ({first}, {"TagFilter.2.TagKey": "b"}),
        ({second}, {"TagFilter.1.TagValues.1": "2*"}),
        ({first, second}, {"TagFilter.1.TagValues.1": "2", "TagFilter.1.TagValues.2": "1"}),
        (set[str](), {"TagFilter.1.TagValues.1": "*3*"}),
    ):
        told = api.call("ListTagResources", {**like, **more})["TagResources"]["TagResource"]
        assert {item["ResourceId"] for item in told} == found, more
    pattern = {**like, "TagFilter.1.TagKey": "a*", "TagFilter.1.TagValues.1": "1"}
    assert api.refusal("ListTagResources", pattern) == "400 InvalidParameter"
    api.call("TagResources", {**values, "ResourceId.1": "", "Tag.1.Key": "a", "Tag.1.Value": "1"})
    counted = api.call("DescribeTags", {"Tag.1.Key": "a"})["Tags"]["Tag"]
    assert counted[0]["ResourceTypeCount"]["Instance"] == 2
    api.call("UntagResources", {**values, "TagKey.1": "a"})
    api.call("RemoveTags", {"ResourceType": "instance", "ResourceId": first, "Tag.1.Key": "b"})
    assert api.call("DescribeTags")["TotalCount"] == 0
    cases: list[tuple[dict[str, Any], str]] = [
        ({"ResourceType": ""}, "400 MissingParameter"),
        ({"ResourceType": "coffee"}, "404 InvalidResourceType.NotFound"),
        ({"ResourceId.2": "i-none"}, "404 InvalidResourceId.NotFound"),
        ({"Tag.1.Key": ""}, "400 MissingParameter"),
        ({"Tag.1.Key": "acs:x"}, "400 InvalidTagKey.Malformed"),
        ({"Tag.1.Key": "see http://x"}, "400 InvalidTagKey.Malformed"),
        ({"Tag.1.Value": "see HTTPS://x"}, "400 InvalidTagValue.Malformed"),
        (tags_without_values(21), "400 NumberExceed.Tags"),
    ]
    for case, expected in cases:
        full = {**values, "Tag.1.Key": "a", "Tag.1.Value": "", **case}
        assert api.refusal("TagResources", full) == expected, case
    assert api.call("DescribeTags")["TotalCount"] == 0
    api.call("TagResources", {**values, **tags_without_values(20)})
    one_more = {**values, "Tag.1.Key": "more", "Tag.1.Value": ""}
    assert api.refusal("TagResources", one_more) == "400 OperationDenied.QuotaExceed"
    api.call("UntagResources", {**values, "All": True})
    assert api.call("DescribeTags")["TotalCount"] == 0


def test_tags_of_a_network(api: Api) -> None:
    vpc_id = api.cloud.state.default_vpc_id
    values = {"ResourceType": "VPC", "ResourceId.1": vpc_id}
    tag = {"Tag.1.Key": "a", "Tag.1.Value": "1"}
    api.call("TagResources", {**values, **tag}, version=VPC)
    assert api.call("DescribeVpcs", tag, version=VPC)["TotalCount"] == 1
    told = api.call("ListTagResources", values, version=VPC)["TagResources"]["TagResource"]
    assert [item["TagValue"] for item in told] == ["1"]
    api.call("UnTagResources", {**values, "TagKey.1": "a"}, version=VPC)
    assert api.call("DescribeVpcs", tag, version=VPC)["TotalCount"] == 0


def test_a_load_balancer(api: Api) -> None:
    instance_id = api.run(api.group())
    made = api.call("CreateLoadBalancer", version=SLB, LoadBalancerName="front")
    balancer = {"LoadBalancerId": made["LoadBalancerId"]}
    assert made["Address"].startswith("198.18.0.")
    servers = {"BackendServers": json.dumps([{"ServerId": instance_id, "Weight": "80"}])}
    added = api.call("AddBackendServers", {**balancer, **servers}, version=SLB)
    assert added["BackendServers"]["BackendServer"][0]["Weight"] == "80"
    told = api.call("DescribeLoadBalancerAttribute", balancer, version=SLB)
    assert told["LoadBalancerStatus"] == "active"
    (backend,) = told["BackendServers"]["BackendServer"]
    assert (backend["ServerId"], backend["Weight"]) == (instance_id, 80)
    stranger = {"BackendServers": json.dumps([{"ServerId": "i-none"}])}
    gone = "404 InvalidServerId.NotFound"
    assert api.refusal("AddBackendServers", {**balancer, **stranger}, version=SLB) == gone
    for bad in ("x", "[]", "[1]", '[{"ServerId": "i", "Weight": 101}]'):
        values = {**balancer, "BackendServers": bad}
        assert api.refusal("AddBackendServers", values, version=SLB) == "400 InvalidParameter"
    found = api.call("DescribeLoadBalancers", version=SLB, ServerId=instance_id)
    assert found["TotalCount"] == 1
    ids = {"BackendServers": json.dumps([instance_id])}
    left = api.call("RemoveBackendServers", {**balancer, **ids}, version=SLB)
    assert left["BackendServers"]["BackendServer"] == []
    api.call("AddBackendServers", {**balancer, **servers}, version=SLB)
    api.call("DeleteInstance", InstanceId=instance_id, Force=True)
    told = api.call("DescribeLoadBalancerAttribute", balancer, version=SLB)
    assert told["BackendServers"]["BackendServer"] == []
    api.call("DeleteLoadBalancer", balancer, version=SLB)
    gone = "404 InvalidLoadBalancerId.NotFound"
    assert api.refusal("DescribeLoadBalancerAttribute", balancer, version=SLB) == gone


def test_a_load_balancer_inside_a_vpc_takes_an_address_of_it(api: Api) -> None:
    vswitch = {"VSwitchId": api.cloud.state.default_vswitch_id}
    inside = {"AddressType": "intranet", **vswitch}
    made = api.call("CreateLoadBalancer", inside, version=SLB)
    assert made["Address"].startswith("172.16.")
    assert made["NetworkType"] == "vpc"
    assert api.refusal("DeleteVSwitch", vswitch) == "400 DependencyViolation"


def test_network_interfaces_and_roles(api: Api) -> None:
    instance_id = api.run(api.group(), RamRoleName="reader")
    told = api.call("DescribeNetworkInterfaces", InstanceId=instance_id)
    (card,) = told["NetworkInterfaceSets"]["NetworkInterfaceSet"]
    instance = api.wait(instance_id, "Running")
    known = instance["NetworkInterfaces"]["NetworkInterface"][0]
    assert card["NetworkInterfaceId"] == known["NetworkInterfaceId"]
    assert card["PrivateIpAddress"] == known["PrimaryIpAddress"]
    ids = {"InstanceIds": json.dumps([instance_id])}
    roles = api.call("DescribeInstanceRamRole", ids)["InstanceRamRoleSets"]["InstanceRamRoleSet"]
    assert roles == [{"InstanceId": instance_id, "RamRoleName": "reader"}]
    assert api.call("DetachInstanceRamRole", ids)["FailCount"] == 0
    assert api.call("AttachInstanceRamRole", ids, RamRoleName="writer")["FailCount"] == 0


def test_who_is_asking(api: Api) -> None:
    told = api.call("GetCallerIdentity", version=STS)
    assert told["Arn"] == f"acs:ram::{told['AccountId']}:root"
    assert told["IdentityType"] == "Account"


def test_regions_do_not_mix(api: Api) -> None:
    group = api.group()
    api.run(group)
    for action in ("DescribeInstances", "DescribeDisks", "DescribeSecurityGroups", "DescribeVpcs"):
        assert api.call(action)["TotalCount"] == 1
        assert api.call(action, RegionId="ap-southeast-1")["TotalCount"] == 0
    gone = "404 InvalidSecurityGroupId.NotFound"
    assert api.refusal("DeleteSecurityGroup", SecurityGroupId=group, RegionId="us-east-1") == gone


def test_a_life_in_another_region(api: Api) -> None:
    there = {"RegionId": "ap-southeast-1"}
    vpc_id = api.call("CreateVpc", there)["VpcId"]
    values = {"VpcId": vpc_id, "ZoneId": "ap-southeast-1a", "CidrBlock": "172.16.8.0/24"}
    vswitch_id = api.call("CreateVSwitch", {**there, **values})["VSwitchId"]
    group = api.call("CreateSecurityGroup", {**there, "VpcId": vpc_id})["SecurityGroupId"]
    base = {**api.base(group), **there, "VSwitchId": vswitch_id}
    (instance_id,) = api.call("RunInstances", base)["InstanceIdSets"]["InstanceIdSet"]

    def runs() -> bool:
        found = api.call("DescribeInstances", there)["Instances"]["Instance"]
        return [(i["InstanceId"], i["Status"]) for i in found] == [(instance_id, "Running")]

    until(runs)
