"""Network interfaces besides the first: made, attached, given addresses and groups, released."""

from __future__ import annotations

from typing import Any

import pytest

from ecsmachine.localcloud.host.firewall import firewall_of
from ecsmachine.localcloud.work.balancing import carried_by
from tests.api.localcloud.api_client import SLB, VPC, Api, until
from tests.unit.localcloud.recording_guests import RecordingGuests


@pytest.fixture
def group(api: Api) -> str:
    return api.group()


def make(api: Api, group: str, **more: Any) -> dict[str, Any]:
    vswitch = api.cloud.state.default_vswitch_id
    values = {"VSwitchId": vswitch, "SecurityGroupId": group, **more}
    return api.call("CreateNetworkInterface", values)


def interfaces(api: Api, **filters: Any) -> list[dict[str, Any]]:
    found = api.call("DescribeNetworkInterfaces", filters)
    sets: list[dict[str, Any]] = found["NetworkInterfaceSets"]["NetworkInterfaceSet"]
    return sets


def interface(api: Api, eni: str) -> dict[str, Any]:
    (found,) = interfaces(api, **{"NetworkInterfaceId.1": eni})
    return found


def becomes(api: Api, eni: str, status: str) -> dict[str, Any]:
    until(lambda: interface(api, eni)["Status"] == status)
    return interface(api, eni)


def attach(api: Api, eni: str, instance_id: str) -> dict[str, Any]:
    both = {"NetworkInterfaceId": eni, "InstanceId": instance_id, "NetworkCardIndex": 0}
    api.call("AttachNetworkInterface", both)
    return becomes(api, eni, "InUse")


def primary_of(api: Api, instance_id: str) -> str:
    (found,) = interfaces(api, InstanceId=instance_id, Type="Primary")
    return str(found["NetworkInterfaceId"])


def test_made_told_and_deleted(api: Api, group: str) -> None:
    made = make(
        api,
        group,
        NetworkInterfaceName="second",
        Description="for the database",
        SecondaryPrivateIpAddressCount=2,
        DeleteOnRelease=False,
        NetworkInterfaceTrafficMode="Standard",
        SourceDestCheck=False,
        **{"Tag.1.Key": "team", "Tag.1.Value": "a"},
    )
    assert (made["Status"], made["Type"]) == ("Available", "Secondary")
    addresses = [each["PrivateIpAddress"] for each in made["PrivateIpSets"]["PrivateIpSet"]]
    assert addresses == ["172.16.0.1", "172.16.0.2", "172.16.0.3"]
    assert made["PrivateIpAddress"] == "172.16.0.1"
    eni = made["NetworkInterfaceId"]
    told = interface(api, eni)
    for key in set(made) - {"RequestId", "PrivateIpSets"}:
        assert told[key] == made[key], key
    assert told["InstanceId"] == ""
    assert told["DeleteOnRelease"] is False
    tagged = {"ResourceType": "eni", "ResourceId.1": eni, "Tag.1.Key": "more", "Tag.1.Value": "b"}
    api.call("TagResources", tagged)
    names = {"NetworkInterfaceName": "third", "Description": "for nothing"}
    changes = {**names, "DeleteOnRelease": True}
    api.call("ModifyNetworkInterfaceAttribute", changes, NetworkInterfaceId=eni)
    one = api.call("DescribeNetworkInterfaceAttribute", NetworkInterfaceId=eni)
    assert {key: one[key] for key in changes} == changes
    assert len(one["Tags"]["Tag"]) == 2
    api.call("DeleteNetworkInterface", NetworkInterfaceId=eni)
    gone = "404 InvalidEniId.NotFound"
    assert api.refusal("DeleteNetworkInterface", NetworkInterfaceId=eni) == gone
    assert api.call("DescribeTags", ResourceType="eni")["Tags"]["Tag"] == []


def test_each_filter_chooses(api: Api, group: str) -> None:
    instance_id = api.run(group)
    other = api.group("other")
    made = make(
        api,
        other,
        NetworkInterfaceName="second",
        ResourceGroupId="rg-mine",
        PrimaryIpAddress="172.16.0.77",
        **{"PrivateIpAddress.1": "172.16.0.88", "Tag.1.Key": "team", "Tag.1.Value": "a"},
    )
    eni = made["NetworkInterfaceId"]
    attached = make(api, group)["NetworkInterfaceId"]
    attach(api, attached, instance_id)
    for chosen in (
        {"NetworkInterfaceId.1": eni},
        {"PrivateIpAddress.1": "172.16.0.77"},
        {"PrivateIpAddress.1": "172.16.0.88"},
        {"PrimaryIpAddress": "172.16.0.77"},
        {"SecurityGroupId": other},
        {"Status": "Available"},
        {"NetworkInterfaceName": "second"},
        {"ResourceGroupId": "rg-mine"},
        {"Tag.1.Key": "team"},
    ):
        assert [each["NetworkInterfaceId"] for each in interfaces(api, **chosen)] == [eni], chosen
    primary = primary_of(api, instance_id)
    assert [each["NetworkInterfaceId"] for each in interfaces(api)] == [attached, eni, primary]
    assert len(interfaces(api, InstanceId=instance_id)) == 2
    assert len(interfaces(api, Type="Secondary")) == 2
    for everything in ("VpcId", "VSwitchId"):
        assert len(interfaces(api, **{everything: made[everything]})) == 3
        assert interfaces(api, **{everything: "vpc-not-there"}) == []
    assert interfaces(api, PrimaryIpAddress="172.16.0.88") == []
    for nothing in ({"Ipv6Address.1": "fe80::1"}, {"ServiceManaged": True}):
        assert interfaces(api, **nothing) == []


def test_a_guest_is_given_what_is_attached(api: Api, group: str, guests: RecordingGuests) -> None:
    instance_id = api.run(group)
    eni = make(api, group, SecondaryPrivateIpAddressCount=1)["NetworkInterfaceId"]
    told = attach(api, eni, instance_id)
    assert told["InstanceId"] == told["Attachment"]["InstanceId"] == instance_id
    assert told["Attachment"]["DeviceIndex"] == 1
    first, second = guests.interfaces[instance_id]
    assert (first.id, first.index, second.id, second.index) == (instance_id, 0, eni, 1)
    assert second.addresses == ("172.16.0.2", "172.16.0.3")
    assert second.mac == told["MacAddress"]
    seen = api.instance(instance_id)
    assert seen is not None
    cards = seen["NetworkInterfaces"]["NetworkInterface"]
    assert [card["Type"] for card in cards] == ["Primary", "Secondary"]
    assert first.mac == cards[0]["MacAddress"]
    # Its groups are those of the guest's second link, and their members know all its addresses.
    firewall = firewall_of(api.cloud.state)
    assert len(firewall.links) == 2
    assert dict(firewall.members)[group] == ("172.16.0.1", "172.16.0.2", "172.16.0.3")
    api.call("RebootInstance", InstanceId=instance_id)
    api.wait(instance_id, "Running")
    assert guests.specs[instance_id].interfaces == (first, second)
    api.call("DetachNetworkInterface", NetworkInterfaceId=eni, InstanceId=instance_id)
    assert becomes(api, eni, "Available")["InstanceId"] == ""
    assert guests.interfaces[instance_id] == (first,)


def test_what_is_refused(api: Api, group: str) -> None:
    instance_id = api.run(group)
    enis = [make(api, group)["NetworkInterfaceId"] for _ in range(2)]
    attach(api, enis[0], instance_id)
    primary = primary_of(api, instance_id)
    vpc = api.call("CreateVpc", CidrBlock="10.0.0.0/8")["VpcId"]
    zones = [each["ZoneId"] for each in api.call("DescribeZones")["Zones"]["Zone"]]
    far = {"VpcId": vpc, "CidrBlock": "10.1.0.0/24", "ZoneId": zones[0]}
    away = api.call("CreateVSwitch", far)["VSwitchId"]
    near = {"VpcId": api.cloud.state.default_vpc_id, "CidrBlock": "172.16.32.0/24"}
    zone = api.call("CreateVSwitch", near, ZoneId=zones[1])["VSwitchId"]
    elsewhere = make(api, group, VSwitchId=zone)["NetworkInterfaceId"]
    theirs = api.group("theirs", VpcId=vpc)
    foreign = make(api, theirs, VSwitchId=away)["NetworkInterfaceId"]
    api.call("StopInstance", InstanceId=api.run(group))
    vswitch = {"VSwitchId": api.cloud.state.default_vswitch_id}
    new = {**vswitch, "SecurityGroupId": group}
    us = {"InstanceId": instance_id}
    state = "400 InvalidOperation.InvalidEniState"
    kind = "403 InvalidOperation.InvalidEniType"
    cases: list[tuple[str, str, dict[str, Any]]] = [
        ("404 InvalidVSwitchId.NotFound", "Create", {**new, "VSwitchId": "vsw-no"}),
        ("404 InvalidSecurityGroupId.NotFound", "Create", {**new, "SecurityGroupId": "sg-no"}),
        ("400 MissingParameter", "Create", vswitch),
        ("403 InvalidOperation.VpcMismatch", "Create", {**new, "SecurityGroupId": theirs}),
        ("403 InvalidVSwitchId.IpInvalid", "Create", {**new, "PrimaryIpAddress": "10.9.9.9"}),
        ("400 InvalidPrivateIpAddress.Malformed", "Create", {**new, "PrimaryIpAddress": "ten"}),
        ("403 InvalidIp.IpAssigned", "Create", {**new, "PrimaryIpAddress": "172.16.0.1"}),
        ("400 UnsupportedParameter", "Create", {**new, "Ipv6AddressCount": 1}),
        ("400 InvalidParameter", "Create", {**new, "InstanceType": "Trunk"}),
        ("404 InvalidEcsId.NotFound", "Attach", {"InstanceId": "i-no"}),
        ("404 InvalidEniId.NotFound", "Attach", {**us, "NetworkInterfaceId": "eni-no"}),
        (kind, "Attach", {**us, "NetworkInterfaceId": primary}),
        (state, "Attach", {**us, "NetworkInterfaceId": enis[0]}),
        ("403 EniPerInstanceLimitExceeded", "Attach", us),
        ("403 InvalidOperation.VpcMismatch", "Attach", {**us, "NetworkInterfaceId": foreign}),
        (
            "403 InvalidOperation.AvailabilityZoneMismatch",
            "Attach",
            {**us, "NetworkInterfaceId": elsewhere},
        ),
        (
            "400 InvalidOperation.DetachPrimaryEniNotAllowed",
            "Detach",
            {**us, "NetworkInterfaceId": primary},
        ),
        (state, "Detach", us),
        (state, "Delete", {"NetworkInterfaceId": enis[0]}),
        (kind, "Delete", {"NetworkInterfaceId": primary}),
    ]
    for refused, action, values in cases:
        values = {"NetworkInterfaceId": enis[1], **values} if action != "Create" else values
        assert api.refusal(f"{action}NetworkInterface", values) == refused, (action, values)
    assert api.refusal("DeleteVSwitch", VSwitchId=zone) == "400 DependencyViolation"
    assert api.refusal("DeleteSecurityGroup", SecurityGroupId=theirs) == "403 DependencyViolation"


def test_secondary_addresses_of_any_interface(
    api: Api, group: str, guests: RecordingGuests
) -> None:
    instance_id = api.run(group)
    eni = {"NetworkInterfaceId": primary_of(api, instance_id)}
    answer = api.call("AssignPrivateIpAddresses", eni, SecondaryPrivateIpAddressCount=2)
    assigned = answer["AssignedPrivateIpAddressesSet"]
    assert assigned["PrivateIpSet"]["PrivateIpAddress"] == ["172.16.0.2", "172.16.0.3"]
    api.call("AssignPrivateIpAddresses", eni, **{"PrivateIpAddress.1": "172.16.0.9"})
    wanted = ("172.16.0.1", "172.16.0.2", "172.16.0.3", "172.16.0.9")
    until(lambda: instance_id in guests.interfaces)
    until(lambda: guests.interfaces[instance_id][0].addresses == wanted)
    api.call("UnassignPrivateIpAddresses", eni, **{"PrivateIpAddress.1": "172.16.0.3"})
    until(lambda: "172.16.0.3" not in guests.interfaces[instance_id][0].addresses)
    # ecs.g6.large has six addresses for each interface.
    for refused, more in (
        ("403 InvalidOperation.Ipv4CountExceeded", {"SecondaryPrivateIpAddressCount": 4}),
        ("403 InvalidIp.IpAssigned", {"PrivateIpAddress.1": "172.16.0.9"}),
        ("403 InvalidVSwitchId.IpInvalid", {"PrivateIpAddress.1": "10.0.0.1"}),
        ("400 MissingParameter", {}),
    ):
        assert api.refusal("AssignPrivateIpAddresses", eni, **more) == refused, more
    repeated = {"PrivateIpAddress.1": "172.16.0.50", "PrivateIpAddress.2": "172.16.0.50"}
    assert api.refusal("AssignPrivateIpAddresses", eni, **repeated) == "403 InvalidIp.IpRepeated"
    for address in ("172.16.0.1", "172.16.0.3"):
        one = {"PrivateIpAddress.1": address}
        refused = api.refusal("UnassignPrivateIpAddresses", eni, **one)
        assert refused == "403 InvalidIp.IpUnassigned"
    # What is taken is given to nobody else, and is free once the instance is gone.
    assert make(api, group)["PrivateIpAddress"] == "172.16.0.3"
    api.call("DeleteInstance", InstanceId=instance_id, Force=True)
    until(lambda: not len(api.cloud.state.removals))
    assert make(api, group)["PrivateIpAddress"] == "172.16.0.1"


def test_groups_of_an_interface(api: Api, group: str) -> None:
    eni = {"NetworkInterfaceId": make(api, group)["NetworkInterfaceId"]}
    other = api.group("other")

    def groups() -> list[str]:
        one = interface(api, eni["NetworkInterfaceId"])
        ids: list[str] = one["SecurityGroupIds"]["SecurityGroupId"]
        return ids

    api.call("JoinSecurityGroup", eni, SecurityGroupId=other)
    assert groups() == [group, other]
    api.call("LeaveSecurityGroup", eni, SecurityGroupId=group)
    assert groups() == [other]
    last = "403 InstanceLastSecurityGroup"
    assert api.refusal("LeaveSecurityGroup", eni, SecurityGroupId=other) == last
    api.call("ModifyNetworkInterfaceAttribute", eni, **{"SecurityGroupId.1": group})
    assert groups() == [group]
    both = {**eni, "InstanceId": "i-1", "SecurityGroupId": group}
    assert api.refusal("JoinSecurityGroup", both) == "403 InvalidParam.EniIdAndInstanceId.Conflict"


def test_released_with_its_instance_or_free(api: Api, group: str) -> None:
    instance_id = api.run(group, InstanceType="ecs.g6.xlarge")
    goes = make(api, group)["NetworkInterfaceId"]
    stays = make(api, group, DeleteOnRelease=False)["NetworkInterfaceId"]
    for eni in (goes, stays):
        attach(api, eni, instance_id)
    api.call("DeleteInstance", InstanceId=instance_id, Force=True)
    until(lambda: [each["NetworkInterfaceId"] for each in interfaces(api)] == [stays])
    assert becomes(api, stays, "Available")["InstanceId"] == ""
    again = api.run(group)
    attach(api, stays, again)


def test_an_interface_that_cannot_be_attached_is_free(
    api: Api, group: str, guests: RecordingGuests
) -> None:
    instance_id = api.run(group)
    eni = make(api, group)["NetworkInterfaceId"]
    guests.failing.add("set_interfaces")
    api.call("AttachNetworkInterface", NetworkInterfaceId=eni, InstanceId=instance_id)
    assert becomes(api, eni, "Available")["InstanceId"] == ""
    guests.failing.clear()
    attach(api, eni, instance_id)
    guests.failing.add("set_interfaces")
    api.call("DetachNetworkInterface", NetworkInterfaceId=eni, InstanceId=instance_id)
    assert becomes(api, eni, "InUse")["InstanceId"] == instance_id


def test_an_instance_is_made_with_its_interfaces(
    api: Api, group: str, guests: RecordingGuests
) -> None:
    base = api.base(group)
    own = {"VSwitchId": base.pop("VSwitchId"), "SecurityGroupId": base.pop("SecurityGroupId")}
    base["InstanceType"] = "ecs.g6.xlarge"
    primary = {"InstanceType": "Primary", "SecondaryPrivateIpAddressCount": 1, **own}
    new = {"PrimaryIpAddress": "172.16.0.77", "NetworkInterfaceName": "second"}
    there = {"NetworkInterfaceId": make(api, group, DeleteOnRelease=False)["NetworkInterfaceId"]}

    def said(*each: dict[str, Any]) -> dict[str, Any]:
        numbered = enumerate(each, 1)
        return {f"NetworkInterface.{n}.{k}": v for n, values in numbered for k, v in values.items()}

    tag = {"Tag.1.Key": "team", "Tag.1.Value": "a"}
    for refused, asked in (
        ("403 EniPerInstanceLimitExceeded", said(primary, new, there, {}, {"Description": "more"})),
        ("400 InvalidParameter", said(primary, primary)),
        ("403 InvalidIp.IpAssigned", said({**primary, "PrimaryIpAddress": "172.16.0.77"}, new)),
        ("400 InvalidParameter.Conflict", {**said(primary, there), "Amount": 2}),
        ("404 InvalidEniId.NotFound", said(primary, {"NetworkInterfaceId": "eni-no"})),
    ):
        assert api.refusal("RunInstances", {**base, **asked}) == refused, asked
    assert len(api.cloud.state.instances) == 0
    asked = said(new, primary, there)
    answer = api.call("RunInstances", {**base, **asked, **tag})
    (instance_id,) = answer["InstanceIdSets"]["InstanceIdSet"]
    seen = api.wait(instance_id, "Running")
    cards = seen["NetworkInterfaces"]["NetworkInterface"]
    assert [card["Type"] for card in cards] == ["Primary", "Secondary", "Secondary"]
    assert cards[1]["PrimaryIpAddress"] == "172.16.0.77"
    assert len(interfaces(api, **tag)) == 2  # what was there keeps its own tags
    first, second, third = guests.specs[instance_id].interfaces
    assert len(first.addresses) == 2
    assert (second.index, third.index, third.id) == (1, 2, there["NetworkInterfaceId"])
    # Another type has to have room for them, and another VSwitch is for one address alone.
    api.call("StopInstance", InstanceId=instance_id)
    api.wait(instance_id, "Stopped")
    smaller = {"InstanceId": instance_id, "InstanceType": "ecs.g6.large"}
    refused = api.refusal("ModifyInstanceSpec", smaller)
    assert refused == "403 InvalidOperation.EniCountExceeded"
    elsewhere = {"InstanceId": instance_id, "VSwitchId": own["VSwitchId"]}
    refused = api.refusal("ModifyInstanceVpcAttribute", elsewhere)
    assert refused == "400 PrimaryEniHasSubIp"


def test_an_elastic_address_of_a_second_interface(
    api: Api, group: str, guests: RecordingGuests
) -> None:
    instance_id = api.run(group)
    eni = make(api, group)["NetworkInterfaceId"]
    made = api.call("AllocateEipAddress", version=VPC)
    eip = {"AllocationId": made["AllocationId"]}
    both = {**eip, "InstanceId": eni, "InstanceType": "NetworkInterface"}
    unknown = {**both, "InstanceId": "eni-none"}
    assert api.refusal("AssociateEipAddress", unknown, version=VPC) == "404 InvalidEniId.NotFound"
    api.call("AssociateEipAddress", both, version=VPC)
    attach(api, eni, instance_id)
    assert guests.interfaces[instance_id][1].public_ip == made["EipAddress"]
    assert interface(api, eni)["AssociatedPublicIp"]["AllocationId"] == made["AllocationId"]
    (told,) = api.call("DescribeEipAddresses", eip, version=VPC)["EipAddresses"]["EipAddress"]
    assert (told["InstanceId"], told["InstanceType"]) == (eni, "NetworkInterface")
    assert told["PrivateIpAddress"] == interface(api, eni)["PrivateIpAddress"]
    other = {**both, "AllocationId": api.call("AllocateEipAddress")["AllocationId"]}
    twice = "400 InvalidAssociation.Duplicated"
    assert api.refusal("AssociateEipAddress", other, version=VPC) == twice
    api.call("UnassociateEipAddress", both, version=VPC)
    until(lambda: guests.interfaces[instance_id][1].public_ip == "")
    api.call("AssociateEipAddress", both, version=VPC)
    api.call("DetachNetworkInterface", NetworkInterfaceId=eni, InstanceId=instance_id)
    becomes(api, eni, "Available")
    api.call("DeleteNetworkInterface", NetworkInterfaceId=eni)
    (told,) = api.call("DescribeEipAddresses", eip, version=VPC)["EipAddresses"]["EipAddress"]
    assert (told["InstanceId"], told["Status"]) == ("", "Available")


def test_an_elastic_address_of_a_load_balancer(api: Api) -> None:
    inside = {"VSwitchId": api.cloud.state.default_vswitch_id, "AddressType": "intranet"}
    balancer_id = api.call("CreateLoadBalancer", inside, version=SLB)["LoadBalancerId"]
    whole = {"LoadBalancerId": balancer_id}
    listener = {**whole, "ListenerPort": 80, "BackendServerPort": 80}
    api.call("CreateLoadBalancerTCPListener", listener, version=SLB)
    api.call("StartLoadBalancerListener", {**whole, "ListenerPort": 80}, version=SLB)
    made = api.call("AllocateEipAddress", version=VPC)
    both = {"AllocationId": made["AllocationId"], "InstanceType": "SlbInstance"}
    outside = api.call("CreateLoadBalancer", version=SLB)["LoadBalancerId"]
    public = {**both, "InstanceId": outside}
    assert api.refusal("AssociateEipAddress", public, version=VPC) == "400 OperationDenied"
    api.call("AssociateEipAddress", {**both, "InstanceId": balancer_id}, version=VPC)
    places = {address for _, address, _ in carried_by(api.cloud.state)}
    assert made["EipAddress"] in places and len(places) == 2
    api.call("DeleteLoadBalancer", whole, version=SLB)
    told = api.call("DescribeEipAddresses", version=VPC)["EipAddresses"]["EipAddress"]
    assert [each["Status"] for each in told] == ["Available"]
