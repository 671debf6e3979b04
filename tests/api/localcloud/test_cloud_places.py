"""Where things are and what they belong to: VSwitches, private pools, resource groups, zones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.localcloud.api_client import SLB, Api, until


@pytest.fixture
def group(api: Api) -> str:
    return api.group()


def stopped(api: Api, group: str, **more: Any) -> str:
    """Return an instance that is Stopped."""
    instance_id = api.run(group, **more)
    api.call("StopInstance", InstanceId=instance_id)
    api.wait(instance_id, "Stopped")
    return instance_id


def place(api: Api, instance_id: str) -> tuple[str, str, str]:
    """Return VPC, VSwitch and private address of an instance."""
    instance = api.instance(instance_id)
    assert instance is not None
    network = instance["VpcAttributes"]
    (address,) = network["PrivateIpAddress"]["IpAddress"]
    return network["VpcId"], network["VSwitchId"], address


def vswitch(api: Api, cidr: str, vpc_id: str, zone: str = "") -> str:
    own = api.call("DescribeVSwitches", IsDefault=True)["VSwitches"]["VSwitch"][0]["ZoneId"]
    return str(
        api.call("CreateVSwitch", VpcId=vpc_id, CidrBlock=cidr, ZoneId=zone or own)["VSwitchId"]
    )


def test_another_address_and_vswitch(api: Api, group: str) -> None:
    instance_id = stopped(api, group)
    vpc_id, old, address = place(api, instance_id)
    move = {"InstanceId": instance_id, "VSwitchId": old}
    api.call("ModifyInstanceVpcAttribute", move)
    assert place(api, instance_id) == (vpc_id, old, address)
    api.call("ModifyInstanceVpcAttribute", move, PrivateIpAddress="172.16.0.77")
    assert place(api, instance_id) == (vpc_id, old, "172.16.0.77")
    new = vswitch(api, "172.16.16.0/24", vpc_id)
    api.call("ModifyInstanceVpcAttribute", InstanceId=instance_id, VSwitchId=new)
    assert place(api, instance_id) == (vpc_id, new, "172.16.16.1")
    # The address that it had is free again.
    other = api.run(group, PrivateIpAddress="172.16.0.77")
    taken = {**move, "PrivateIpAddress": "172.16.0.77"}
    assert (
        api.refusal("ModifyInstanceVpcAttribute", taken) == "400 InvalidPrivateIpAddress.Duplicated"
    )
    assert place(api, other)[2] == "172.16.0.77"


def test_another_vpc(api: Api, group: str) -> None:
    instance_id = stopped(api, group)
    vpc_id = api.call("CreateVpc", CidrBlock="192.168.0.0/16")["VpcId"]
    new = vswitch(api, "192.168.1.0/24", vpc_id)
    theirs = api.group("theirs", VpcId=vpc_id)
    move = {"InstanceId": instance_id, "VSwitchId": new, "VpcId": vpc_id}
    assert api.refusal("ModifyInstanceVpcAttribute", move) == "400 MissingParameter"
    wrong = {**move, "SecurityGroupId.1": group}
    assert api.refusal("ModifyInstanceVpcAttribute", wrong) == "400 InvalidParameter.Mismatch"
    move["SecurityGroupId.1"] = theirs
    here = {"VSwitchId": api.cloud.state.default_vswitch_id, "SecurityGroupId": group}
    eni = {"NetworkInterfaceId": api.call("CreateNetworkInterface", here)["NetworkInterfaceId"]}
    listed = {"NetworkInterfaceId.1": eni["NetworkInterfaceId"]}
    api.call("AttachNetworkInterface", eni, InstanceId=instance_id)
    until(lambda: api.call("DescribeNetworkInterfaces", listed, Status="InUse")["TotalCount"])
    assert api.refusal("ModifyInstanceVpcAttribute", move) == "404 InvalidInstance.AttachedEni"
    api.call("DetachNetworkInterface", eni, InstanceId=instance_id)
    until(lambda: api.call("DescribeNetworkInterfaces", listed, Status="Available")["TotalCount"])
    (vpc,) = api.call("DescribeVpcs", VpcId=api.cloud.state.default_vpc_id)["Vpcs"]["Vpc"]
    table = vpc["RouterTableIds"]["RouterTableIds"][0]
    route = {"RouteTableId": table, "DestinationCidrBlock": "10.1.0.0/16"}
    api.call("CreateRouteEntry", route, NextHopId=instance_id)
    assert api.refusal("ModifyInstanceVpcAttribute", move) == (
        "404 InvalidDependence.NextHopOfCustomRouter"
    )
    api.call("DeleteRouteEntry", route, NextHopId=instance_id)
    api.call("ModifyInstanceVpcAttribute", move)
    assert place(api, instance_id) == (vpc_id, new, "192.168.1.1")
    instance = api.instance(instance_id)
    assert instance is not None
    assert instance["SecurityGroupIds"]["SecurityGroupId"] == [theirs]


def test_moves_that_are_refused(api: Api, group: str) -> None:
    instance_id = api.run(group)
    vpc_id, old, _ = place(api, instance_id)
    move = {"InstanceId": instance_id, "VSwitchId": old}
    assert api.refusal("ModifyInstanceVpcAttribute", move) == "400 IncorrectInstanceStatus"
    api.call("StopInstance", InstanceId=instance_id)
    api.wait(instance_id, "Stopped")
    zones = [zone["ZoneId"] for zone in api.call("DescribeZones")["Zones"]["Zone"]]
    far = vswitch(api, "172.16.32.0/24", vpc_id, zones[-1])
    elsewhere = api.call("CreateVpc", CidrBlock="192.168.0.0/16")["VpcId"]
    for more, code in (
        ({"InstanceId": "i-none"}, "404 InvalidInstanceId.NotFound"),
        ({"VSwitchId": "vsw-none"}, "404 InvalidVSwitchId.NotFound"),
        ({"VpcId": "vpc-none"}, "404 InvalidVpcId.NotFound"),
        ({"VSwitchId": far}, "400 InvalidVSwitchId.Mismatch"),
        ({"VpcId": elsewhere, "SecurityGroupId.1": group}, "404 InvalidVSwitch.NotBelongToVpc"),
        ({"PrivateIpAddress": "10.9.9.9"}, "400 InvalidPrivateIpAddress.Mismatch"),
        ({"PrivateIpAddress": "x"}, "400 InvalidPrivateIpAddress.Malformed"),
        ({"SecurityGroupId.1": group}, "400 InvalidParameter"),
    ):
        assert api.refusal("ModifyInstanceVpcAttribute", {**move, **more}) == code, more


def test_no_instance_takes_of_a_private_pool(api: Api, group: str) -> None:
    ids = [api.run(group), api.run(group)]
    answer = api.call("DescribeInstanceAttachmentAttributes", InstanceIds=json.dumps(ids[:1]))
    assert answer["TotalCount"] == 1
    assert answer["Instances"]["Instance"] == [
        {
            "InstanceId": ids[0],
            "PrivatePoolOptionsId": "",
            "PrivatePoolOptionsMatchCriteria": "Open",
        }
    ]
    assert api.refusal("DescribeInstanceAttachmentAttributes") == "400 MissingParameter"


def test_another_resource_group(api: Api, group: str) -> None:
    instance_id = api.run(group)
    pair = api.call("CreateKeyPair", KeyPairName="keys")
    where = {"VSwitchId": api.cloud.state.default_vswitch_id, "SecurityGroupId": group}
    second = api.call("CreateNetworkInterface", where)["NetworkInterfaceId"]
    primary = api.call("DescribeNetworkInterfaces", InstanceId=instance_id)
    first = primary["NetworkInterfaceSets"]["NetworkInterfaceSet"][0]["NetworkInterfaceId"]
    disk = api.call("DescribeDisks")["Disks"]["Disk"][0]["DiskId"]
    join = {"ResourceGroupId": "rg-mine", "ResourceType": "instance", "ResourceId": instance_id}
    for more in (
        {},
        {"ResourceType": "disk", "ResourceId": disk},
        {"ResourceType": "securitygroup", "ResourceId": group},
        {"ResourceType": "keypair", "ResourceId": pair["KeyPairName"]},
        {"ResourceType": "eni", "ResourceId": second},
    ):
        api.call("JoinResourceGroup", {**join, **more})
    found = api.call("DescribeInstances", ResourceGroupId="rg-mine")["Instances"]["Instance"]
    assert [instance["InstanceId"] for instance in found] == [instance_id]
    assert api.call("DescribeSecurityGroups", ResourceGroupId="rg-mine")["TotalCount"] == 1
    assert api.call("DescribeKeyPairs", ResourceGroupId="rg-mine")["TotalCount"] == 1
    for more, code in (
        ({"ResourceType": "Instance"}, "404 InvalidResourceType.NotFound"),
        ({"ResourceId": "i-none"}, "404 InvalidResourceId.NotFound"),
        ({"ResourceType": "eni", "ResourceId": first}, "400 InvalidResourceId.ValueNotSupported"),
        ({"ResourceGroupId": "none"}, "404 InvalidResourceGroup.NotFound"),
        ({"ResourceId": ""}, "400 MissingParameter"),
    ):
        assert api.refusal("JoinResourceGroup", {**join, **more}) == code, more


def test_how_a_disk_is_paid_for(api: Api, group: str) -> None:
    paid = {"InstanceChargeType": "PrePaid", "Period": 1, "DataDisk.1.Size": 30}
    instance_id = api.run(group, **paid)
    disks = {
        disk["Type"]: disk["DiskId"]
        for disk in api.call("DescribeDisks", InstanceId=instance_id)["Disks"]["Disk"]
    }
    change = {"InstanceId": instance_id, "DiskIds": json.dumps([disks["data"]])}

    def charged() -> str:
        (disk,) = api.call("DescribeDisks", DiskIds=change["DiskIds"])["Disks"]["Disk"]
        return str(disk["DiskChargeType"])

    api.call("ModifyDiskChargeType", change, DiskChargeType="PostPaid")
    assert charged() == "PostPaid"
    assert api.call("ModifyDiskChargeType", change, AutoPay=False)["OrderId"]
    assert charged() == "PostPaid"  # an order that is not paid for
    assert api.call("ModifyDiskChargeType", change)["OrderId"]
    assert charged() == "PrePaid"
    other = api.run(group)
    for more, code in (
        ({"InstanceId": other}, "403 ChargeTypeViolation"),
        ({"DiskIds": json.dumps([disks["system"]])}, "404 InvalidDiskIds.NotPortable"),
        ({"DiskIds": '["d-none"]'}, "404 InvalidDiskIds.NotFound"),
        ({"DiskIds": "[]"}, "400 MissingParameter"),
        ({"DiskIds": json.dumps(["d-none"] * 17)}, "400 InvalidParameter"),
        ({"DiskChargeType": "Free"}, "400 InvalidParameter"),
    ):
        assert api.refusal("ModifyDiskChargeType", {**change, **more}) == code, more


def test_zones_of_load_balancers(api: Api) -> None:
    found = api.call("DescribeAvailableResource", version=SLB)["AvailableResources"]
    first = found["AvailableResource"][0]
    assert first["MasterZoneId"] != first["SlaveZoneId"]
    assert first["SupportResources"]["SupportResource"] == [
        {"AddressIPVersion": "ipv4", "AddressType": "vpc"},
        {"AddressIPVersion": "ipv4", "AddressType": "classic_internet"},
    ]
    for more in ({"AddressIPVersion": "ipv6"}, {"AddressType": "classic_intranet"}):
        none = api.call("DescribeAvailableResource", more, version=SLB)
        assert none["AvailableResources"]["AvailableResource"] == []
    wrong = {"AddressType": "internet"}
    refusal = api.refusal("DescribeAvailableResource", wrong, version=SLB)
    assert refusal == "400 InvalidParameter"
