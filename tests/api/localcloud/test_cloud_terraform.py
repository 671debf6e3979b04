"""What Terraform's provider for Alibaba Cloud sends, and reads again after it has applied a plan.

Calls and expectations are in our words: what it reads other than it sent, it calls a drift.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.localcloud.service.embedded import embedded_cloud
from tests.api.localcloud.api_client import SLB, VPC, Api, until


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with embedded_cloud(tmp_path, watch_interval_s=0.05) as cloud:
        yield Api(cloud)


@pytest.fixture
def group(api: Api) -> str:
    return api.group()


@pytest.fixture
def balancer(api: Api) -> str:
    made = api.call("CreateLoadBalancer", version=SLB, InternetChargeType="paybybandwidth")
    return str(made["LoadBalancerId"])


def test_lists_may_be_written_with_single_quotes(api: Api, group: str) -> None:
    instance_id = api.run(group)
    found = api.call("DescribeInstances", InstanceIds=f"['{instance_id}']")
    assert [each["InstanceId"] for each in found["Instances"]["Instance"]] == [instance_id]


def test_key_pairs_are_tagged_by_their_names(api: Api) -> None:
    api.call("CreateKeyPair", KeyPairName="key")
    named = {"ResourceType": "keypair", "ResourceId.1": "key"}
    api.call("TagResources", named, **{"Tag.1.Key": "team", "Tag.1.Value": "web"})
    told = api.call("ListTagResources", named)["TagResources"]["TagResource"]
    assert [(each["ResourceId"], each["TagKey"]) for each in told] == [("key", "team")]
    (pair,) = api.call("DescribeKeyPairs", KeyPairName="key")["KeyPairs"]["KeyPair"]
    assert pair["Tags"]["Tag"] == [{"TagKey": "team", "TagValue": "web"}]


def test_a_balancer_is_told_as_it_was_asked_for(api: Api, group: str, balancer: str) -> None:
    instance_id = api.run(group)
    servers = json.dumps([{"ServerId": instance_id, "Weight": "80", "Type": "ecs"}])
    added = api.call(
        "AddBackendServers", version=SLB, LoadBalancerId=balancer, BackendServers=servers
    )
    assert added["BackendServers"]["BackendServer"][0]["Weight"] == "80"
    told = api.call("DescribeLoadBalancerAttribute", version=SLB, LoadBalancerId=balancer)
    assert told["InternetChargeType"] == "paybybandwidth"
    (server,) = told["BackendServers"]["BackendServer"]
    assert (server["Weight"], server["ServerIp"]) == (80, "")


def test_a_listener_with_a_server_group_has_no_port_of_servers(
    api: Api, group: str, balancer: str
) -> None:
    servers = json.dumps([{"ServerId": api.run(group), "Port": "8080", "Weight": "100"}])
    group_id = api.call(
        "CreateVServerGroup", version=SLB, LoadBalancerId=balancer, BackendServers=servers
    )["VServerGroupId"]
    listener = {"LoadBalancerId": balancer, "ListenerPort": 80}
    made = {**listener, "VServerGroupId": group_id}
    api.call("CreateLoadBalancerTCPListener", made, version=SLB)
    told = api.call("DescribeLoadBalancerTCPListenerAttribute", listener, version=SLB)
    assert (told["VServerGroupId"], told["Bandwidth"]) == (group_id, -1)
    assert "BackendServerPort" not in told
    (server,) = api.call("DescribeVServerGroupAttribute", version=SLB, VServerGroupId=group_id)[
        "BackendServers"
    ]["BackendServer"]
    assert (server["Port"], server["ServerIp"]) == (8080, "")


def test_a_rule_is_told_as_it_was_given(api: Api, group: str) -> None:
    other = api.group("other")
    rule = {"SecurityGroupId": group, "IpProtocol": "tcp", "NicType": "anything"}
    api.call("AuthorizeSecurityGroup", rule, PortRange="1/65535", Ipv6SourceCidrIp="2001:DB8::/32")
    api.call("AuthorizeSecurityGroup", rule, PortRange="22/22", SourceGroupId=other)
    told = api.call("DescribeSecurityGroupAttribute", SecurityGroupId=group)
    rules = {each["PortRange"]: each for each in told["Permissions"]["Permission"]}
    assert rules["1/65535"]["Ipv6SourceCidrIp"] == "2001:DB8::/32"
    assert rules["22/22"]["SourceGroupId"] == other
    assert rules["22/22"]["SourceGroupOwnerAccount"] == ""


def test_a_template_may_name_a_size_of_zero(api: Api, group: str) -> None:
    disk = {"SystemDisk.Size": 0, "SystemDisk.Category": "cloud_essd", "SystemDisk.Encrypted": True}
    made = {**api.base(group), **disk, "LaunchTemplateName": "template"}
    template = api.call("CreateLaunchTemplate", made)["LaunchTemplateId"]
    (version,) = api.call("DescribeLaunchTemplateVersions", LaunchTemplateId=template)[
        "LaunchTemplateVersionSets"
    ]["LaunchTemplateVersionSet"]
    data = version["LaunchTemplateData"]
    assert data["SystemDisk"]["Category"] == data["SystemDisk.Category"] == "cloud_essd"
    assert data["SystemDisk"]["Encrypted"] is True
    api.call("RunInstances", LaunchTemplateId=template)
    gone = api.call("DeleteLaunchTemplate", LaunchTemplateId=template)
    assert gone["LaunchTemplateVersionNumbers"] == {"versionNumbers": [1]}


def test_what_is_told_of_an_instance_is_taken_again(api: Api, group: str) -> None:
    instance_id = api.run(group)
    api.call("ModifyInstanceAttribute", InstanceId=instance_id, UserData="IyEvYmluL3NoCg==")
    found = api.call("DescribeUserData", InstanceId=instance_id)
    assert found["UserData"] == "IyEvYmluL3NoCg==", "changed while it runs"
    instance = api.instance(instance_id)
    assert instance is not None and instance["StoppedMode"] == "Not-applicable"
    api.call("StopInstance", InstanceId=instance_id, StoppedMode=instance["StoppedMode"])
    api.wait(instance_id, "Stopped")


def test_a_disk_is_made_onto_an_instance(api: Api, group: str) -> None:
    instance_id = api.run(group)
    disk_id = api.call("CreateDisk", InstanceId=instance_id, Size=20, DiskCategory="cloud_essd")[
        "DiskId"
    ]

    def disk() -> dict[str, Any]:
        (found,) = api.call("DescribeDisks", DiskIds=f'["{disk_id}"]')["Disks"]["Disk"]
        return dict(found)

    assert until(lambda: disk()["Status"] == "In_use")
    assert disk()["InstanceId"] == instance_id
    assert disk()["DeleteAutoSnapshot"] is False
    for value in (True, False):
        api.call("ModifyDiskAttribute", DiskId=disk_id, DeleteAutoSnapshot=value)
        assert disk()["DeleteAutoSnapshot"] is value


def test_older_clients_find_their_fields(api: Api) -> None:
    told = api.call("DescribeRouteTableList", version=VPC)
    assert (told["Code"], told["Success"]) == ("200", True)
    api.call("AllocateEipAddress")
    (address,) = api.call("DescribeEipAddresses")["EipAddresses"]["EipAddress"]
    assert address["AvailableRegions"] == {"AvailableRegion": ["cn-hangzhou"]}


def test_roles_are_told_of_when_they_are_taken_away(api: Api, group: str) -> None:
    instance_id = api.run(group, RamRoleName="reader")
    gone = api.call("DetachInstanceRamRole", InstanceIds=f'["{instance_id}"]')
    (result,) = gone["DetachInstanceRamRoleResults"]["DetachInstanceRamRoleResult"]
    (role,) = result["InstanceRamRoleSets"]["InstanceRamRoleSet"]
    assert role == {"InstanceId": instance_id, "RamRoleName": "reader"}
