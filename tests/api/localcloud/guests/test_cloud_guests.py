"""What guests are asked to do, in which order, and what becomes of instances when they fail."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from ecsmachine.localcloud.host.guests.base import GuestError
from ecsmachine.localcloud.host.network import link_name
from ecsmachine.localcloud.service.embedded import EmbeddedCloud
from ecsmachine.localcloud.state.model import Instance
from ecsmachine.localcloud.state.resources import forget_instance
from ecsmachine.localcloud.state.settings import Delays
from ecsmachine.localcloud.state.state import State
from tests.api.localcloud.api_client import Api, until
from tests.api.localcloud.guests.served import served
from tests.unit.localcloud.recording_guests import RecordingGuests

FAILURES = (GuestError, KeyError)
"""What guests say in their own words, and what nobody has thought of."""


def calls_for(guests: RecordingGuests, whom: str) -> list[str]:
    return [what for what, who in guests.calls if who == whom]


def test_what_a_guest_is_made_of(api: Api, guests: RecordingGuests) -> None:
    pair = api.call("CreateKeyPair", KeyPairName="keys")
    values = {
        "HostName": "web-1",
        "Password": "Abcdef12!",
        "KeyPairName": "keys",
        "InternetMaxBandwidthOut": 1,
        "DataDisk.1.Size": 30,
        "DataDisk.1.Device": "/dev/xvdc",
        "UserData": base64.b64encode(b"#!/bin/sh\n").decode(),
    }
    guests.gate.clear()
    answer = api.call("RunInstances", {**api.base(api.group()), **values})
    (instance_id,) = answer["InstanceIdSets"]["InstanceIdSet"]
    pending = api.instance(instance_id)
    assert pending is not None
    assert pending["Status"] == "Pending"
    refused = "403 IncorrectInstanceStatus.Initializing"
    assert api.refusal("DeleteInstance", InstanceId=instance_id, Force=True) == refused
    guests.gate.set()
    api.wait(instance_id, "Running")
    spec = guests.specs[instance_id]
    assert (spec.hostname, spec.cpu, spec.memory_mib) == ("web-1", 2, 8192)
    assert spec.private_ip == "172.16.0.1"
    assert spec.public_ip == "198.18.0.2"
    assert spec.user_data == b"#!/bin/sh\n"
    assert [(disk.device, disk.size_gib) for disk in spec.disks] == [("vdc", 30)]
    assert spec.public_keys[0].startswith("ssh-rsa ")
    assert pair["PrivateKeyBody"] not in str(guests.specs)
    assert calls_for(guests, instance_id) == ["create", "start"]


def test_the_password_goes_to_the_guest_and_nowhere_else(tmp_path: Path) -> None:
    class Keeping(RecordingGuests):
        def create(self, spec: object) -> None:
            super().create(spec)  # type: ignore[arg-type]
            self.passwords.append(getattr(spec, "password"))  # noqa: B009

    guests = Keeping()
    with served(tmp_path, guests) as api:
        group = api.group()
        api.run(group, Password="Secret-12345", ClientToken="t")
        assert guests.passwords == ["Secret-12345"]
        kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert b"Secret-12345" not in kept
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"Secret-12345" not in kept
    assert group.encode() in kept


def test_the_order_of_a_removal(api: Api, guests: RecordingGuests) -> None:
    instance_id = api.run(api.group(), **{"DataDisk.1.Size": 30})
    disks = api.call("DescribeDisks", DiskType="data")["Disks"]["Disk"]
    disk_id = disks[0]["DiskId"]
    api.call("DeleteInstance", InstanceId=instance_id, Force=True)
    until(lambda: ("delete_disk", disk_id) in guests.calls)
    removal = [call for call in guests.calls if call[0] in ("stop", "delete", "delete_disk")]
    assert removal == [("stop", instance_id), ("delete", instance_id), ("delete_disk", disk_id)]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_guest_that_cannot_be_made(
    api: Api, guests: RecordingGuests, failure: type[Exception]
) -> None:
    guests.failure = failure
    guests.failing.add("create")
    answer = api.call("RunInstances", api.base(api.group()))
    (instance_id,) = answer["InstanceIdSets"]["InstanceIdSet"]
    until(lambda: api.instance(instance_id) is None)
    assert api.call("DescribeDisks")["TotalCount"] == 0
    until(lambda: "delete" in calls_for(guests, instance_id))


@pytest.mark.parametrize("failure", FAILURES)
def test_a_guest_that_does_not_start(
    api: Api, guests: RecordingGuests, failure: type[Exception]
) -> None:
    guests.failure = failure
    guests.failing.add("start")
    answer = api.call("RunInstances", api.base(api.group()))
    (instance_id,) = answer["InstanceIdSets"]["InstanceIdSet"]
    until(lambda: "start" in calls_for(guests, instance_id))
    api.wait(instance_id, "Stopped")
    guests.failing.clear()
    api.call("StartInstance", InstanceId=instance_id)
    api.wait(instance_id, "Running")


@pytest.mark.parametrize("failure", FAILURES)
def test_a_guest_that_does_not_stop(
    api: Api, guests: RecordingGuests, failure: type[Exception]
) -> None:
    guests.failure = failure
    instance_id = api.run(api.group())
    guests.failing.add("stop")
    api.call("StopInstance", InstanceId=instance_id)
    until(lambda: "stop" in calls_for(guests, instance_id))
    api.wait(instance_id, "Running")


def test_a_guest_that_cannot_be_removed_is_tried_again(
    tmp_path: Path, guests: RecordingGuests
) -> None:
    guests.failing.add("delete")
    with served(tmp_path, guests) as api:
        instance_id = api.run(api.group())
        address = api.cloud.state.instances.get(instance_id)
        assert address is not None
        api.call("DeleteInstance", InstanceId=instance_id, Force=True)
        until(lambda: "delete" in calls_for(guests, instance_id))
        assert len(api.cloud.state.removals) == 1
        other = api.run(
            api.call("DescribeSecurityGroups")["SecurityGroups"]["SecurityGroup"][0][
                "SecurityGroupId"
            ]
        )
        # Its address is not given to another guest while it is there.
        assert guests.specs[other].private_ip != address.private_ip
    guests.failing.clear()
    with served(tmp_path, guests) as api:
        until(lambda: not len(api.cloud.state.removals))


def test_a_reboot_stops_and_starts(api: Api, guests: RecordingGuests) -> None:
    instance_id = api.run(api.group())
    api.call("RebootInstance", InstanceId=instance_id)
    until(lambda: calls_for(guests, instance_id) == ["create", "start", "stop", "start"])
    api.wait(instance_id, "Running")


def test_powered_off_from_inside(api: Api, guests: RecordingGuests) -> None:
    instance_id = api.run(api.group())
    guests.up.discard(instance_id)
    api.wait(instance_id, "Stopped")
    api.call("StartInstance", InstanceId=instance_id)
    api.wait(instance_id, "Running")


def test_a_guest_that_died_is_logged_with_the_end_of_its_console(
    api: Api, guests: RecordingGuests, caplog: pytest.LogCaptureFixture
) -> None:
    instance_id = api.run(api.group())
    guests.deaths[instance_id] = "it was killed; its console ends with:\nToo many open files"
    guests.up.discard(instance_id)
    api.wait(instance_id, "Stopped")
    assert f"instance {instance_id} died: it was killed" in caplog.text
    assert "Too many open files" in caplog.text


def test_a_computer_that_is_full_has_no_stock_and_the_log_says_why(
    api: Api, guests: RecordingGuests, caplog: pytest.LogCaptureFixture
) -> None:
    guests.room = 2
    group = api.group()
    instance_id = api.run(group)
    refused = "403 OperationDenied.NoStock"
    # The first one is counted as well: it does not use yet what it will.
    assert api.refusal("RunInstances", {**api.base(group), "Amount": 2}) == refused
    assert "3 more guests need more memory, including 1 that have just" in caplog.text
    assert len(api.cloud.state.instances) == 1
    created = api.call("CreateInstance", api.base(group))["InstanceId"]
    api.wait(created, "Stopped")
    guests.room = 1
    assert api.refusal("StartInstance", InstanceId=created) == refused
    assert api.refusal("CreateInstance", api.base(group)) == refused
    as_left_by_a_killed_server(api.cloud, instance_id, started="2020-01-01T00:00Z")
    api.call("StartInstance", InstanceId=created)
    api.wait(created, "Running")


def test_the_watch_goes_on_after_what_nobody_has_thought_of(
    api: Api, guests: RecordingGuests
) -> None:
    guests.failure = KeyError
    guests.failing.add("running")
    first, second = api.run(api.group()), api.run(api.group("other"))
    guests.up.discard(first)
    # Time goes on meanwhile, and is no business of the watch that fails.
    as_left_by_a_killed_server(api.cloud, second, auto_release="2020-01-01T00:00Z")
    until(lambda: api.instance(second) is None)
    guests.failing.clear()
    api.wait(first, "Stopped")


def test_addresses_reach_the_guest(api: Api, guests: RecordingGuests) -> None:
    instance_id = api.run(api.group())
    eip = api.call("AllocateEipAddress")
    both = {"AllocationId": eip["AllocationId"], "InstanceId": instance_id}
    api.call("AssociateEipAddress", both)
    until(lambda: guests.public_ips.get(instance_id) == eip["EipAddress"])
    api.call("UnassociateEipAddress", both)
    until(lambda: guests.public_ips.get(instance_id) is None)
    api.call("AssociateEipAddress", both)
    api.call("RebootInstance", InstanceId=instance_id)
    until(lambda: guests.specs[instance_id].public_ip == eip["EipAddress"])


def test_logins_change_when_the_guest_is_down(api: Api, guests: RecordingGuests) -> None:
    instance_id = api.run(api.group(), Password="Abcdef12!")
    api.call("ModifyInstanceAttribute", InstanceId=instance_id, Password="Abcdef13!")
    api.call("CreateKeyPair", KeyPairName="keys")
    api.call("AttachKeyPair", KeyPairName="keys", InstanceIds=json.dumps([instance_id]))
    assert guests.passwords == []
    api.call("RebootInstance", InstanceId=instance_id)
    until(lambda: guests.passwords == ["Abcdef13!"])
    assert guests.public_keys[0][0].startswith("ssh-rsa ")
    until(lambda: calls_for(guests, instance_id)[-1] == "start")
    assert calls_for(guests, instance_id)[-3:-1] == ["stop", "set_credentials"]
    api.wait(instance_id, "Running")
    api.call("StopInstance", InstanceId=instance_id)
    api.wait(instance_id, "Stopped")
    api.call("ModifyInstanceAttribute", InstanceId=instance_id, Password="Abcdef14!")
    until(lambda: guests.passwords == ["Abcdef13!", "Abcdef14!"])


def test_disks_reach_the_guest(api: Api, guests: RecordingGuests) -> None:
    instance_id = api.run(api.group())
    values = {"ZoneId": "cn-hangzhou-h", "DiskCategory": "cloud_essd", "Size": 20}
    disk_id = api.call("CreateDisk", values)["DiskId"]
    until(lambda: ("create_disk", f"{disk_id} 20") in guests.calls)
    api.call("AttachDisk", DiskId=disk_id, InstanceId=instance_id)
    until(lambda: ("plug_disk", f"{instance_id} {disk_id} vdb") in guests.calls)
    api.call("RebootInstance", InstanceId=instance_id)
    until(lambda: [disk.disk_id for disk in guests.specs[instance_id].disks] == [disk_id])
    api.wait(instance_id, "Running")
    api.call("ResizeDisk", DiskId=disk_id, NewSize=40)
    until(lambda: ("create_disk", f"{disk_id} 40") in guests.calls)
    api.call("ResizeDisk", DiskId=disk_id, NewSize=50, Type="online")
    until(lambda: ("create_disk", f"{disk_id} 50 online") in guests.calls)
    api.call("DetachDisk", DiskId=disk_id, InstanceId=instance_id)
    api.call("DeleteDisk", DiskId=disk_id)
    until(lambda: ("delete_disk", disk_id) in guests.calls)
    # the guest has let go of it before
    assert guests.calls.index(("unplug_disk", f"{instance_id} {disk_id}")) < guests.calls.index(
        ("delete_disk", disk_id)
    )


def test_states_take_their_time(tmp_path: Path, guests: RecordingGuests) -> None:
    delays = Delays(pending_s=1, stopped_s=1, starting_s=1, stopping_s=1)
    with served(tmp_path, guests, delays) as api:
        answer = api.call("RunInstances", api.base(api.group()))
        (instance_id,) = answer["InstanceIdSets"]["InstanceIdSet"]
        seen: list[str] = []

        def look(last: str) -> bool:
            instance = api.instance(instance_id)
            status = instance["Status"] if instance else "gone"
            if not seen or seen[-1] != status:
                seen.append(status)
            return status == last

        until(lambda: look("Running"))
        assert seen == ["Pending", "Stopped", "Starting", "Running"]
        api.call("StopInstance", InstanceId=instance_id)
        until(lambda: look("Stopped"))
        assert seen[4:] == ["Stopping", "Stopped"]


def test_networks_take_their_time(tmp_path: Path, guests: RecordingGuests) -> None:
    with served(tmp_path, guests, Delays(network_s=2)) as api:
        vpc_id = api.call("CreateVpc", CidrBlock="10.0.0.0/8")["VpcId"]

        def status() -> str:
            (vpc,) = api.call("DescribeVpcs", VpcId=vpc_id)["Vpcs"]["Vpc"]
            return str(vpc["Status"])

        assert status() == "Pending"
        values = {"VpcId": vpc_id, "ZoneId": "cn-hangzhou-h", "CidrBlock": "10.1.0.0/24"}
        assert api.refusal("CreateVSwitch", values) == "400 IncorrectVpcStatus"
        until(lambda: status() == "Available")
        vswitch_id = api.call("CreateVSwitch", values)["VSwitchId"]
        base = {**api.base(api.group(VpcId=vpc_id)), "VSwitchId": vswitch_id}
        assert api.refusal("RunInstances", base) == "400 IncorrectVSwitchStatus"


def test_a_new_instance_is_not_found_at_once(tmp_path: Path, guests: RecordingGuests) -> None:
    with served(tmp_path, guests, Delays(invisible_s=2)) as api:
        answer = api.call("RunInstances", api.base(api.group()))
        (instance_id,) = answer["InstanceIdSets"]["InstanceIdSet"]
        assert api.instance(instance_id) is None
        gone = "404 InvalidInstanceId.NotFound"
        assert api.refusal("DescribeInstanceAttribute", InstanceId=instance_id) == gone
        api.wait(instance_id, "Running")


def test_everything_is_there_after_a_restart(tmp_path: Path, guests: RecordingGuests) -> None:
    with served(tmp_path, guests) as api:
        before = api.cloud.access_key_id
        instance_id = api.run(api.group(), InstanceName="web", **{"Tag.1.Key": "a"})
        told = api.wait(instance_id, "Running")
    with served(tmp_path, guests) as api:
        assert api.cloud.access_key_id == before
        assert api.instance(instance_id) == told
        # Its guest ran on, so nothing was done to it.
        assert calls_for(guests, instance_id) == ["create", "start"]


def test_guests_that_died_with_their_server_are_started_again(
    tmp_path: Path, guests: RecordingGuests
) -> None:
    with served(tmp_path, guests) as api:
        group = api.group()
        runs, stopped = api.run(group), api.run(group)
        api.call("StopInstance", InstanceId=stopped)
        api.wait(stopped, "Stopped")
    guests.up.clear()
    with served(tmp_path, guests) as api:
        api.wait(runs, "Running")
        api.wait(stopped, "Stopped")
    assert calls_for(guests, runs)[-1] == "start"
    assert calls_for(guests, stopped)[-1] == "stop"


@pytest.mark.parametrize(
    ("status", "start_next", "ends"),
    [
        ("Starting", False, "Running"),
        ("Stopping", False, "Stopped"),
        ("Stopping", True, "Running"),
    ],
)
def test_what_was_under_way_is_finished(
    tmp_path: Path, guests: RecordingGuests, status: str, start_next: bool, ends: str
) -> None:
    with served(tmp_path, guests) as api:
        instance_id = api.run(api.group())
        as_left_by_a_killed_server(api.cloud, instance_id, status=status, start_next=start_next)
    with served(tmp_path, guests) as api:
        api.wait(instance_id, ends)


def test_an_instance_that_was_not_made_yet(tmp_path: Path, guests: RecordingGuests) -> None:
    with served(tmp_path, guests) as api:
        group = api.group()
        with_key, with_password = api.run(group), api.run(group, Password="Abcdef12!")
        for instance_id in (with_key, with_password):
            as_left_by_a_killed_server(
                api.cloud, instance_id, status="Pending", start_next=True, made=False
            )
    guests.up.clear()
    with served(tmp_path, guests) as api:
        api.wait(with_key, "Running")
        # Nobody knows its password any more.
        until(lambda: api.instance(with_password) is None)
        until(lambda: ("delete", with_password) in guests.calls)


def test_a_stopped_instance_whose_guest_runs_is_stopped(
    tmp_path: Path, guests: RecordingGuests
) -> None:
    with served(tmp_path, guests) as api:
        instance_id = api.run(api.group())
        as_left_by_a_killed_server(api.cloud, instance_id, status="Stopped")
    with served(tmp_path, guests) as api:
        until(lambda: instance_id not in guests.up)
        api.wait(instance_id, "Stopped")


def test_an_instance_of_a_type_that_only_another_version_offers(
    tmp_path: Path, guests: RecordingGuests
) -> None:
    with served(tmp_path, guests) as api:
        instance_id = api.run(api.group())
        as_left_by_a_killed_server(api.cloud, instance_id, instance_type="ecs.odd.large")
    guests.up.clear()
    with served(tmp_path, guests) as api:
        assert api.wait(instance_id, "Running")["InstanceType"] == "ecs.odd.large"
        api.call("StopInstance", InstanceId=instance_id)
        api.wait(instance_id, "Stopped")


def test_the_time_of_release_comes(api: Api, guests: RecordingGuests) -> None:
    instance_id = api.run(api.group())
    as_left_by_a_killed_server(api.cloud, instance_id, auto_release="2020-01-01T00:00Z")
    until(lambda: api.instance(instance_id) is None)
    until(lambda: ("delete", instance_id) in guests.calls)


def test_one_whose_time_cannot_be_dealt_with_holds_up_no_other(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = api.run(api.group()), api.run(api.group("other"))

    def forget_but(state: State, instance: Instance) -> None:
        if instance.id == first:
            raise KeyError(first)
        forget_instance(state, instance)

    monkeypatch.setattr("ecsmachine.localcloud.work.instances.forget_instance", forget_but)
    for instance_id in (first, second):
        as_left_by_a_killed_server(api.cloud, instance_id, auto_release="2020-01-01T00:00Z")
    until(lambda: api.instance(second) is None)
    assert api.instance(first) is not None
    monkeypatch.undo()
    until(lambda: api.instance(first) is None)


def as_left_by_a_killed_server(
    cloud: EmbeddedCloud, instance_id: str, **changes: str | bool
) -> None:
    with cloud.state.transaction():
        instance = cloud.state.instances.get(instance_id)
        assert instance is not None
        cloud.state.instances.put(replace(instance, **changes))  # type: ignore[arg-type]


def test_the_firewall_is_that_of_the_groups_when_the_api_has_answered(
    api: Api, guests: RecordingGuests
) -> None:
    group, other = api.group(), api.group("other")
    instance_id = api.run(group)
    link = link_name(instance_id)
    known = [any(each.link == link for each in f.links) for f in guests.firewalls]
    told = [number for number, call in enumerate(guests.calls) if call[0] == "set_firewall"]
    # It knew of the guest before that was started.
    assert told[known.index(True)] < guests.calls.index(("start", instance_id))

    def ports() -> list[str]:
        (guest,) = guests.firewalls[-1].links
        return [rule.port_range for rule in guest.ingress]

    rule = {"IpProtocol": "tcp", "PortRange": "80/80", "SourceCidrIp": "0.0.0.0/0"}
    about = {"SecurityGroupId": group}
    api.call("AuthorizeSecurityGroup", {**rule, **about})
    assert ports() == ["80/80"]
    many = len(guests.firewalls)
    api.call("AuthorizeSecurityGroup", {**rule, "SecurityGroupId": other, "PortRange": "81/81"})
    api.call("DescribeSecurityGroups")
    assert len(guests.firewalls) == many  # it concerns no instance
    api.call("JoinSecurityGroup", InstanceId=instance_id, SecurityGroupId=other)
    assert ports() == ["80/80", "81/81"]
    api.call("LeaveSecurityGroup", {**about, "InstanceId": instance_id})
    assert ports() == ["81/81"]
    api.call("RevokeSecurityGroup", {**rule, "SecurityGroupId": other, "PortRange": "81/81"})
    assert ports() == []
    api.call("DeleteInstance", InstanceId=instance_id, Force=True)
    assert guests.firewalls[-1].links == ()


def test_another_system_disk(api: Api, guests: RecordingGuests) -> None:
    api.call("CreateKeyPair", KeyPairName="keys")
    instance_id = api.run(api.group(), Password="Abcdef12!")
    (before,) = api.call("DescribeDisks", InstanceId=instance_id)["Disks"]["Disk"]
    other = {"InstanceId": instance_id, "ImageId": "debian_11_11_x64_20G_alibase_20241120.vhd"}
    refused = api.refusal("ReplaceSystemDisk", other)
    assert refused == "403 IncorrectInstanceStatus"
    api.call("StopInstance", InstanceId=instance_id)
    api.wait(instance_id, "Stopped")
    for changes, expected in (
        ({"ImageId": "none"}, "404 InvalidImageId.NotFound"),
        ({"SystemDisk.Size": 10}, "404 InvalidSystemDiskSize.LessThanImageSize"),
        ({"Password": "short"}, "400 InvalidPassword.Malformed"),
        ({"KeyPairName": "none"}, "404 InvalidKeyPairName.NotFound"),
    ):
        assert api.refusal("ReplaceSystemDisk", {**other, **changes}) == expected
    login = {"KeyPairName": "keys", "SystemDisk.Size": 60}
    answer = api.call("ReplaceSystemDisk", {**other, **login})
    (disk,) = api.call("DescribeDisks", InstanceId=instance_id)["Disks"]["Disk"]
    assert (disk["DiskId"], disk["Size"]) == (answer["DiskId"], 60)
    assert disk["DiskId"] != before["DiskId"]
    api.call("StartInstance", InstanceId=instance_id)
    found = api.wait(instance_id, "Running")
    assert (found["ImageId"], found["KeyPairName"]) == (other["ImageId"], "keys")
    calls = calls_for(guests, instance_id)
    assert calls[-4:] == ["stop", "delete", "create", "start"]
    made = guests.made[instance_id]
    assert (made.release, made.password, len(made.public_keys)) == ("debian_11", None, 1)


def test_disks_as_in_the_beginning(api: Api, guests: RecordingGuests) -> None:
    instance_id = api.run(api.group(), **{"DataDisk.1.Size": 20})
    disks = api.call("DescribeDisks", InstanceId=instance_id)["Disks"]["Disk"]
    ids = {disk["Type"]: disk["DiskId"] for disk in disks}
    assert api.refusal("ReInitDisk", DiskId=ids["data"]) == "403 IncorrectInstanceStatus"
    assert api.refusal("ReInitDisk", DiskId="d-none") == "404 InvalidDiskId.NotFound"
    api.call("StopInstance", InstanceId=instance_id)
    api.wait(instance_id, "Stopped")
    api.call("ReInitDisk", DiskId=ids["data"])
    api.call("ReInitDisk", DiskId=ids["system"], Password="Abcdef12!", AutoStartInstance=True)
    api.wait(instance_id, "Running")
    assert ("delete_disk", ids["data"]) in guests.calls
    assert guests.calls.count(("create_disk", f"{ids['data']} 20")) == 1
    assert calls_for(guests, instance_id)[-3:] == ["delete", "create", "start"]
    assert guests.made[instance_id].password == "Abcdef12!"
    kept = {d["DiskId"] for d in api.call("DescribeDisks", InstanceId=instance_id)["Disks"]["Disk"]}
    assert kept == set(ids.values())


def test_a_system_disk_that_was_not_finished(tmp_path: Path, guests: RecordingGuests) -> None:
    with served(tmp_path, guests) as api:
        instance_id = api.run(api.group())
        api.call("StopInstance", InstanceId=instance_id)
        api.wait(instance_id, "Stopped")
        (disk,) = api.call("DescribeDisks", InstanceId=instance_id)["Disks"]["Disk"]
        guests.failing.add("create")
        api.call("ReInitDisk", DiskId=disk["DiskId"])
        until(lambda: calls_for(guests, instance_id)[-1] == "create")
    guests.failing.clear()
    with served(tmp_path, guests) as api:
        until(lambda: calls_for(guests, instance_id)[-2:] == ["delete", "create"])
        api.call("StartInstance", InstanceId=instance_id)
        api.wait(instance_id, "Running")
        assert calls_for(guests, instance_id)[-1] == "start"
