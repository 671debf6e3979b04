"""Faults on demand, as clients of the API meet them."""

from __future__ import annotations

import http.client
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.localcloud.faults.book import FaultBook
from ecsmachine.localcloud.faults.fault import Fault
from ecsmachine.localcloud.host.guests.faults import NO_FAULTS, SshDrop
from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from tests.api.localcloud.api_client import SLB, VPC, Api, RefusedError, until
from tests.unit.localcloud.recording_guests import RecordingGuests


def struck(cloud: EmbeddedCloud) -> list[int]:
    return [entry.struck for entry in cloud.faults.entries()]


def test_a_cloud_stops_while_a_request_waits(tmp_path: Path) -> None:
    ended: list[Exception] = []

    def ask(api: Api) -> None:
        try:
            api.call("DescribeRegions")
        except Exception as error:
            ended.append(error)

    with embedded_cloud(tmp_path) as cloud:
        cloud.faults.add(Fault("delay", action="DescribeRegions", seconds=600))
        asking = threading.Thread(target=ask, args=(Api(cloud),))
        asking.start()
        until(lambda: struck(cloud) == [1])
    asking.join(30)
    assert len(ended) == 1


def test_an_error_for_the_next_calls_of_an_action(cloud: EmbeddedCloud, api: Api) -> None:
    cloud.faults.add(Fault("error", action="DescribeVpcs", code="ServiceUnavailable", times=2))
    assert api.refusal("DescribeVpcs") == "503 ServiceUnavailable"
    api.call("DescribeRegions")
    with pytest.raises(RefusedError) as caught:
        api.call("DescribeVpcs", version=VPC)
    assert "temporary failure" in caught.value.message
    assert caught.value.body["RequestId"]
    assert api.call("DescribeVpcs")["TotalCount"] == 1
    assert struck(cloud) == [2]


def test_an_error_that_is_made_up(cloud: EmbeddedCloud, api: Api) -> None:
    cloud.faults.add(Fault("error", code="My.Code", message="Mine.", status=409, nth=2))
    api.call("DescribeRegions")
    with pytest.raises(RefusedError, match=r"409 My\.Code: Mine\."):
        api.call("DescribeRegions")
    api.call("DescribeRegions")


def test_a_refused_request_does_no_work(cloud: EmbeddedCloud, api: Api) -> None:
    fault_id = cloud.faults.add(Fault("error", action="Create*", code="InternalError"))
    values = {"ClientToken": "token-1"}
    assert api.refusal("CreateSecurityGroup", values) == "500 InternalError"
    assert not len(cloud.state.security_groups)
    cloud.faults.remove(fault_id)
    api.call("CreateSecurityGroup", values)


def test_who_is_not_known_is_told_so_first(cloud: EmbeddedCloud, api: Api) -> None:
    cloud.faults.add(Fault("error", code="Throttling.User"))
    reply = api.send("DescribeRegions", {}, key=("LTAI5tNobody", "x"))
    assert json.loads(reply.body)["Code"] == "InvalidAccessKeyId.NotFound"
    assert struck(cloud) == [0]


def test_a_delay(cloud: EmbeddedCloud, api: Api) -> None:
    cloud.faults.add(Fault("delay", action="DescribeRegions", seconds=0.4, times=1))
    begun = time.monotonic()
    api.call("DescribeRegions")
    assert time.monotonic() - begun >= 0.4


def test_a_connection_that_is_cut_before_the_work(cloud: EmbeddedCloud, api: Api) -> None:
    cloud.faults.add(Fault("cut-before", action="CreateSecurityGroup", times=1))
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        api.group()
    assert not len(cloud.state.security_groups)
    api.group()


def test_an_answer_that_is_lost_after_the_work(cloud: EmbeddedCloud, api: Api) -> None:
    cloud.faults.add(Fault("cut-after", action="CreateSecurityGroup", times=1))
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        api.group(ClientToken="token-1")
    (group,) = cloud.state.security_groups
    assert api.group(ClientToken="token-1") == group.id


def test_a_refusal_that_is_lost(cloud: EmbeddedCloud, api: Api) -> None:
    cloud.faults.add(Fault("cut-after", action="DeleteVpc", times=1))
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        api.call("DeleteVpc", VpcId="vpc-none")
    assert api.refusal("DeleteVpc", VpcId="vpc-none") == "404 InvalidVpcId.NotFound"


def test_a_dry_run_is_an_action_of_its_own(cloud: EmbeddedCloud, api: Api) -> None:
    values = {**api.base(api.group()), "DryRun": True}
    cloud.faults.add(Fault("error", action="RunInstances", code="InternalError"))
    assert api.refusal("RunInstances", values) == "400 DryRunOperation"
    cloud.faults.add(Fault("error", action="RunInstances/DryRun", code="Forbidden.RAM"))
    assert api.refusal("RunInstances", values) == "403 Forbidden.RAM"
    assert struck(cloud) == [0, 1]


def test_throttling_by_rate(cloud: EmbeddedCloud, api: Api) -> None:
    cloud.faults.add(Fault("throttle", action="Describe*", rate=3))
    answers = []
    for _ in range(8):
        try:
            api.call("DescribeRegions")
            answers.append("")
        except RefusedError as error:
            answers.append(f"{error.status} {error.code}")
    assert answers[:3] == [""] * 3
    assert "400 Throttling.User" in answers
    assert struck(cloud) == [len([each for each in answers if each])]
    cloud.faults.clear()
    api.call("DescribeRegions")


def test_a_quota_that_is_used_up(cloud: EmbeddedCloud, api: Api) -> None:
    cloud.faults.add(Fault("quota"))
    assert api.refusal("CreateSecurityGroup") == "403 QuotaExceed.SecurityGroup"
    assert api.refusal("CreateVpc", version=VPC) == "400 QuotaExceeded.Vpc"
    assert api.refusal("AllocateEipAddress", version=VPC) == "400 QuotaExceeded.Eip"
    assert api.refusal("RunInstances") == "400 QuotaExceed.AfterpayInstance"


CREATIONS: list[tuple[str, str, dict[str, Any], str, str, str, str]] = [
    # action, version, parameters, id in the answer, list: action, outer, inner
    (
        *("CreateSecurityGroup", "2014-05-26", {}, "SecurityGroupId"),
        *("DescribeSecurityGroups", "SecurityGroups", "SecurityGroup"),
    ),
    ("CreateVpc", VPC, {}, "VpcId", "DescribeVpcs", "Vpcs", "Vpc"),
    (
        *("CreateVSwitch", VPC, {"CidrBlock": "172.30.0.0/24", "ZoneId": "cn-hangzhou-i"}),
        *("VSwitchId", "DescribeVSwitches", "VSwitches", "VSwitch"),
    ),
    (
        *("AllocateEipAddress", VPC, {}, "AllocationId"),
        *("DescribeEipAddresses", "EipAddresses", "EipAddress"),
    ),
    (
        *("CreateKeyPair", "2014-05-26", {"KeyPairName": "keys"}, "KeyPairName"),
        *("DescribeKeyPairs", "KeyPairs", "KeyPair"),
    ),
    (
        *("CreateDisk", "2014-05-26", {"ZoneId": "cn-hangzhou-i", "Size": 40}, "DiskId"),
        *("DescribeDisks", "Disks", "Disk"),
    ),
    (
        *("CreateLoadBalancer", SLB, {}, "LoadBalancerId"),
        *("DescribeLoadBalancers", "LoadBalancers", "LoadBalancer"),
    ),
]


@pytest.mark.parametrize("creation", CREATIONS, ids=[each[0] for each in CREATIONS])
def test_what_was_made_is_not_seen_at_once(
    cloud: EmbeddedCloud, api: Api, creation: tuple[str, str, dict[str, Any], str, str, str, str]
) -> None:
    action, version, parameters, key, describe, outer, inner = creation
    if action == "CreateVSwitch":
        parameters = {**parameters, "VpcId": cloud.state.default_vpc_id}

    def listed() -> tuple[int, list[str]]:
        answer = api.call(describe, version=version)
        return answer["TotalCount"], [item[key] for item in answer[outer][inner]]

    before = listed()
    fault_id = cloud.faults.add(Fault("eventual-consistency", action=action, seconds=60))
    made = str(api.call(action, parameters, version=version)[key])
    assert struck(cloud) == [1]
    assert listed() == before
    cloud.faults.remove(fault_id)  # which ends it before its time
    total, ids = listed()
    assert (total, sorted(ids)) == (before[0] + 1, sorted([made, *before[1]]))


def test_an_instance_that_is_not_seen_yet(cloud: EmbeddedCloud, api: Api) -> None:
    group = api.group()
    cloud.faults.add(Fault("eventual-consistency", action="RunInstances", seconds=3))
    answer = api.call("RunInstances", {**api.base(group), "ClientToken": "t"})
    (instance_id,) = answer["InstanceIdSets"]["InstanceIdSet"]
    assert api.instance(instance_id) is None
    about = {"InstanceId": instance_id}
    assert api.refusal("StopInstance", about) == "404 InvalidInstanceId.NotFound"
    assert api.refusal("DescribeInstanceAttribute", about) == "404 InvalidInstanceId.NotFound"
    assert api.refusal("DeleteInstances", {"InstanceId.1": instance_id}) == (
        "404 InvalidInstanceId.NotFound"
    )
    assert api.refusal("DeleteSecurityGroup", SecurityGroupId=group) == "403 DependencyViolation"
    api.wait(instance_id, "Running")


def test_a_group_that_is_not_seen_yet_cannot_be_used(cloud: EmbeddedCloud, api: Api) -> None:
    cloud.faults.add(Fault("eventual-consistency", action="CreateSecurityGroup", seconds=2))
    group = api.group()
    rule = {"IpProtocol": "tcp", "PortRange": "22/22", "SourceCidrIp": "0.0.0.0/0"}
    refused = "404 InvalidSecurityGroupId.NotFound"
    assert api.refusal("AuthorizeSecurityGroup", rule, SecurityGroupId=group) == refused
    assert api.refusal("RunInstances", api.base(group)) == refused
    end = time.monotonic() + 60
    while True:
        try:
            api.call("AuthorizeSecurityGroup", rule, SecurityGroupId=group)
            break
        except RefusedError:
            assert time.monotonic() < end


def test_no_stock_in_a_zone(cloud: EmbeddedCloud, api: Api) -> None:
    zone = next(each.zone for each in cloud.state.vswitches)
    group = api.group()
    cloud.faults.add(Fault("no-stock", instance_type="ecs.g6.*", zone=zone))
    assert api.refusal("RunInstances", api.base(group)) == "403 OperationDenied.NoStock"
    assert api.refusal("CreateInstance", api.base(group)) == "403 OperationDenied.NoStock"
    assert struck(cloud) == [2]
    api.run(group, InstanceType="ecs.c6.large")

    def statuses(destination: str, instance_type: str = "") -> dict[str, str]:
        values = {"DestinationResource": destination, "InstanceType": instance_type}
        answer = api.call("DescribeAvailableResource", values)
        return {
            each["ZoneId"]: f"{each['Status']} {each['StatusCategory']}"
            for each in answer["AvailableZones"]["AvailableZone"]
        }

    for destination in ("Zone", "InstanceType", "SystemDisk"):
        found = statuses(destination, "ecs.g6.large")
        assert found.pop(zone) == "SoldOut WithoutStock", destination
        assert set(found.values()) == {"Available WithStock"}
    assert statuses("InstanceType")[zone] == "Available WithStock"
    answer = api.call("DescribeAvailableResource", DestinationResource="InstanceType", ZoneId=zone)
    (available,) = answer["AvailableZones"]["AvailableZone"]
    (kinds,) = available["AvailableResources"]["AvailableResource"]
    by_type = {each["Value"]: each for each in kinds["SupportedResources"]["SupportedResource"]}
    assert by_type["ecs.g6.large"]["StatusCategory"] == "WithoutStock"
    assert by_type["ecs.c6.large"]["StatusCategory"] == "WithStock"


def test_faults_outlast_the_server_and_can_be_changed_from_elsewhere(tmp_path: Path) -> None:
    root = tmp_path / "cloud"
    with embedded_cloud(root) as cloud:
        api = Api(cloud)
        outside = FaultBook(root)
        outside.add(Fault("error", action="DescribeVpcs", code="InternalError", times=2))
        assert api.refusal("DescribeVpcs") == "500 InternalError"
    with embedded_cloud(root) as cloud:
        api = Api(cloud)
        assert api.refusal("DescribeVpcs") == "500 InternalError"
        api.call("DescribeVpcs")
        assert [entry.struck for entry in outside.entries()] == [2]
    outside.close()


def test_faults_of_guests_come_with_what_they_are_made_and_started_of(tmp_path: Path) -> None:
    guests = RecordingGuests()
    with embedded_cloud(tmp_path, guests=guests) as cloud:
        api = Api(cloud)
        group = api.group()
        cloud.faults.add(Fault("never-boots", instance="web*"))
        cloud.faults.add(Fault("disk-full", times=1))
        first = api.run(group, InstanceName="web1")
        assert guests.made[first].faults.free_mib == 0
        assert guests.specs[first].faults.never_boots
        second = api.run(group, InstanceName="db1")
        assert guests.made[second].faults == guests.specs[second].faults == NO_FAULTS
        assert struck(cloud) == [1, 1]


def test_faults_begin_and_end_for_guests_that_run(tmp_path: Path) -> None:
    guests = RecordingGuests()
    with embedded_cloud(tmp_path, guests=guests) as cloud:
        api = Api(cloud)
        instance_id = api.run(api.group())
        fault_id = cloud.faults.add(Fault("ssh-drops", bytes=9))
        until(lambda: guests.ssh_drops.get(instance_id) == (SshDrop(fault_id, bytes=9),))
        guests.dropped = {fault_id: 3}
        until(lambda: struck(cloud) == [3])
        cloud.faults.remove(fault_id)
        until(lambda: guests.ssh_drops[instance_id] == ())


def test_a_fault_of_one_region(cloud: EmbeddedCloud, api: Api) -> None:
    cloud.faults.add(Fault("error", region="cn-beijing", code="ServiceUnavailable"))
    assert api.refusal("DescribeZones", RegionId="cn-beijing") == "503 ServiceUnavailable"
    assert api.call("DescribeZones")["Zones"]["Zone"]
    cloud.faults.clear()
    cloud.faults.add(Fault("throttle", rate=0.001, region="cn-beijing"))
    for _ in range(3):
        api.call("DescribeZones")
    api.call("DescribeZones", RegionId="cn-beijing")
    assert api.refusal("DescribeZones", RegionId="cn-beijing") == "400 Throttling.User"
