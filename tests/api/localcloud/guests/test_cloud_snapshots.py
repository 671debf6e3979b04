"""Snapshots: their life, what is made from them, and what guests are asked to do for it."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.api.localcloud.api_client import Api, until
from tests.api.localcloud.guests.served import served
from tests.unit.localcloud.recording_guests import RecordingGuests

ZONE = "cn-hangzhou-i"


def disks_of(api: Api, instance_id: str) -> tuple[str, str]:
    """Return the ids of an instance's system disk and its data disk."""
    found = api.call("DescribeDisks", InstanceId=instance_id)["Disks"]["Disk"]
    by_kind = {disk["Type"]: disk["DiskId"] for disk in found}
    return by_kind["system"], by_kind["data"]


def snapshot(api: Api, snapshot_id: str) -> dict[str, Any] | None:
    found = api.call("DescribeSnapshots", SnapshotIds=json.dumps([snapshot_id]))
    snapshots: list[dict[str, Any]] = found["Snapshots"]["Snapshot"]
    return snapshots[0] if snapshots else None


def status(api: Api, snapshot_id: str) -> str:
    found = snapshot(api, snapshot_id)
    return "" if found is None else str(found["Status"])


def made(api: Api, disk_id: str, **more: Any) -> str:
    """Make a snapshot and wait until it is accomplished; return its id."""
    snapshot_id = str(api.call("CreateSnapshot", DiskId=disk_id, **more)["SnapshotId"])
    assert until(lambda: status(api, snapshot_id) == "accomplished")
    return snapshot_id


def server(api: Api) -> str:
    more = {"DataDisk.1.Size": 20, "DataDisk.1.Category": "cloud_essd"}
    return api.run(api.group(), **more)


def test_a_life(api: Api, guests: RecordingGuests) -> None:
    instance_id = server(api)
    system, data = disks_of(api, instance_id)
    guests.gate.clear()
    tag = {"Tag.1.Key": "a", "Tag.1.Value": "b"}
    values = {"DiskId": data, "SnapshotName": "每日-1", "RetentionDays": "7", **tag}
    snapshot_id = api.call("CreateSnapshot", values)["SnapshotId"]
    told = snapshot(api, snapshot_id)
    assert told is not None
    expected = {
        "Status": "progressing",
        "Progress": "0%",
        "SnapshotName": "每日-1",
        "SourceDiskId": data,
        "SourceDiskType": "data",
        "SourceDiskSize": "20",
        "RetentionDays": 7,
        "Usage": "none",
        "Available": False,
        "Tags": {"Tag": [{"TagKey": "a", "TagValue": "b"}]},
    }
    assert {name: told[name] for name in expected} == expected
    busy = "403 IncorrectDiskStatus.CreatingSnapshot"
    assert api.refusal("CreateSnapshot", DiskId=data) == busy
    unfinished = {"ZoneId": ZONE, "SnapshotId": snapshot_id, "DiskCategory": "cloud_essd"}
    assert api.refusal("CreateDisk", unfinished) == "403 InvalidSnapshotId.NotReady"
    guests.gate.set()
    assert until(lambda: status(api, snapshot_id) == "accomplished")
    of_system = made(api, system)
    assert ("snapshot_disk", f"{snapshot_id} {data}") in guests.calls
    assert ("snapshot_root", f"{of_system} {instance_id}") in guests.calls

    def listed(**filters: Any) -> list[str]:
        found = api.call("DescribeSnapshots", filters)["Snapshots"]["Snapshot"]
        return [item["SnapshotId"] for item in found]

    assert listed() == [of_system, snapshot_id]
    assert listed(DiskId=data) == [snapshot_id]
    assert listed(InstanceId=instance_id, SourceDiskType="System") == [of_system]
    assert listed(**tag) == [snapshot_id]
    assert listed(SnapshotName="每日-1", Status="accomplished") == [snapshot_id]
    assert listed(Status="failed") == listed(SnapshotType="auto") == listed(Usage="disk") == []
    assert listed(PageSize=1, PageNumber=2) == [snapshot_id]
    api.call("ModifySnapshotAttribute", SnapshotId=snapshot_id, SnapshotName="kept")
    assert listed(SnapshotName="kept") == [snapshot_id]
    api.call("TagResources", {"ResourceType": "snapshot", "ResourceId.1": of_system, **tag})
    assert len(listed(**tag)) == 2
    # Snapshots stay when their disk goes.
    api.call("DeleteInstance", InstanceId=instance_id, Force=True)
    assert len(listed()) == 2
    api.call("DeleteSnapshot", SnapshotId=snapshot_id)
    assert listed() == [of_system]
    assert until(lambda: ("delete_snapshot", snapshot_id) in guests.calls)
    api.call("DeleteSnapshot", SnapshotId=snapshot_id)  # passed over


def test_disks_from_a_snapshot(api: Api, guests: RecordingGuests) -> None:
    instance_id = server(api)
    system, data = disks_of(api, instance_id)
    snapshot_id = made(api, data)
    values = {"ZoneId": ZONE, "DiskCategory": "cloud_essd", "SnapshotId": snapshot_id}
    disk_id = api.call("CreateDisk", values)["DiskId"]

    def told() -> dict[str, Any]:
        (disk,) = api.call("DescribeDisks", DiskIds=json.dumps([disk_id]))["Disks"]["Disk"]
        found: dict[str, Any] = disk
        return found

    assert until(lambda: told()["Status"] == "Available")
    assert (told()["Size"], told()["SourceSnapshotId"]) == (20, snapshot_id)
    assert ("create_disk", f"{disk_id} 20 {snapshot_id}") in guests.calls
    assert api.refusal("CreateDisk", {**values, "Size": 19}) == (
        "403 OperationDenied.PerformanceLevelNotMatch"
    )
    more = {"DataDisk.1.SnapshotId": snapshot_id, "DataDisk.1.Category": "cloud_essd"}
    second = api.run(api.group("second"), **more)
    (made_with,) = guests.specs[second].disks
    assert (made_with.snapshot_id, made_with.size_gib) == (snapshot_id, 20)
    assert api.refusal("DeleteSnapshot", SnapshotId=snapshot_id) == "403 SnapshotCreatedDisk"
    told_snapshot = snapshot(api, snapshot_id)
    assert told_snapshot is not None
    assert told_snapshot["Usage"] == "disk"
    api.call("DeleteSnapshot", SnapshotId=snapshot_id, Force="true")
    # Without the snapshot such a disk cannot be made anew.
    api.call("StopInstance", InstanceId=second)
    api.wait(second, "Stopped")
    refused = "404 InvalidSnapshotId.NotFound"
    assert api.refusal("ReInitDisk", DiskId=disks_of(api, second)[1]) == refused
    of_system = made(api, system)
    assert api.refusal("CreateDisk", {**values, "SnapshotId": of_system}) == (
        "403 InvalidSnapshotId.NotDataDiskSnapshot"
    )


@pytest.mark.parametrize("meanwhile", [{"status": "Creating"}, {"wipe": True}])
def test_a_disk_that_is_being_made_is_not_changed(api: Api, meanwhile: dict[str, Any]) -> None:
    disk = {"DiskId": disks_of(api, server(api))[1]}
    known = api.cloud.state.disks.find(disk["DiskId"], region=api.region)
    with api.cloud.state.transaction():
        api.cloud.state.disks.put(replace(known, **meanwhile))
    changes: list[tuple[str, dict[str, Any]]] = [
        ("ResizeDisk", {**disk, "NewSize": 30}),
        ("ModifyDiskSpec", {**disk, "PerformanceLevel": "PL0"}),
    ]
    for action, change in changes:
        assert api.refusal(action, change) == "403 IncorrectDiskStatus", action
    with api.cloud.state.transaction():
        api.cloud.state.disks.put(known)
    for action, change in changes:
        api.call(action, change)


def test_a_disk_that_is_smaller_than_its_snapshot(api: Api) -> None:
    more = {"DataDisk.1.Size": 30, "DataDisk.1.Category": "cloud_essd"}
    snapshot_id = made(api, disks_of(api, api.run(api.group(), **more))[1])
    values = {"ZoneId": ZONE, "DiskCategory": "cloud_essd", "SnapshotId": snapshot_id, "Size": 20}
    assert api.refusal("CreateDisk", values) == "403 InvalidDiskSize.TooSmall"
    values = {
        **api.base(api.group("other")),
        "DataDisk.1.Category": "cloud_essd",
        "DataDisk.1.SnapshotId": snapshot_id,
        "DataDisk.1.Size": 20,
    }
    assert api.refusal("RunInstances", values) == "400 InvalidDataDiskSize.ValueNotSupported"


def test_disks_as_their_snapshots_have_them(api: Api, guests: RecordingGuests) -> None:
    instance_id = server(api)
    system, data = disks_of(api, instance_id)
    of_system, of_data = made(api, system), made(api, data)
    values = {"DiskId": data, "SnapshotId": of_data}
    assert api.refusal("ResetDisk", values) == "403 IncorrectInstanceStatus"
    api.call("StopInstance", InstanceId=instance_id)
    api.wait(instance_id, "Stopped")
    assert api.refusal("ResetDisk", {**values, "DryRun": "true"}) == "400 DryRunOperation"
    mixed = {"DiskId": data, "SnapshotId": of_system}
    assert api.refusal("ResetDisk", mixed) == "403 InvalidParameter.Mismatch"
    api.call("ResetDisk", values)
    api.call("ResetDisk", DiskId=system, SnapshotId=of_system)
    assert until(lambda: ("restore_root", f"{instance_id} {of_system}") in guests.calls)
    made_again = guests.calls.index(("create_disk", f"{data} 20 {of_data}"))
    assert guests.calls.index(("delete_disk", data)) < made_again
    api.call("StartInstance", InstanceId=instance_id)
    api.wait(instance_id, "Running")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"DiskId": ""}, "400 MissingParameter"),
        ({"DiskId": "d-nobody"}, "404 InvalidDiskId.NotFound"),
        ({"SnapshotName": "auto-mine"}, "400 InvalidSnapshotName.Malformed"),
        ({"SnapshotName": "x"}, "400 InvalidSnapshotName.Malformed"),
        ({"Description": "http://x"}, "404 InvalidDescription.Malformed"),
        ({"RetentionDays": 0}, "400 InvalidRetentionDays.Malformed"),
        ({"RetentionDays": 65537}, "400 InvalidRetentionDays.Malformed"),
    ],
)
def test_what_is_refused(api: Api, values: dict[str, Any], expected: str) -> None:
    _, data = disks_of(api, server(api))
    assert api.refusal("CreateSnapshot", {"DiskId": data, **values}) == expected


def test_a_disk_that_nobody_has_used(api: Api) -> None:
    disk = api.call("CreateDisk", ZoneId=ZONE, Size=20, DiskCategory="cloud_essd")["DiskId"]
    assert api.refusal("CreateSnapshot", DiskId=disk) == "403 IncorrectDiskStatus.NeverAttached"


def test_a_snapshot_that_fails(api: Api, guests: RecordingGuests) -> None:
    _, data = disks_of(api, server(api))
    guests.failing.add("snapshot_disk")
    snapshot_id = api.call("CreateSnapshot", DiskId=data)["SnapshotId"]
    assert until(lambda: status(api, snapshot_id) == "failed")
    guests.failing.clear()
    made(api, data)  # and the next one is made


def test_a_snapshot_that_is_cancelled(api: Api, guests: RecordingGuests) -> None:
    _, data = disks_of(api, server(api))
    guests.gate.clear()
    snapshot_id = api.call("CreateSnapshot", DiskId=data)["SnapshotId"]
    api.call("DeleteSnapshot", SnapshotId=snapshot_id)
    guests.gate.set()
    assert until(lambda: ("delete_snapshot", snapshot_id) in guests.calls)
    assert snapshot(api, snapshot_id) is None
    # What was made all the same is removed after it.
    whole = [what for what, whom in guests.calls if whom.startswith(snapshot_id)]
    assert whole[-1] == "delete_snapshot"


def test_a_disk_that_cannot_be_made_is_not_there(api: Api, guests: RecordingGuests) -> None:
    _, data = disks_of(api, server(api))
    snapshot_id = made(api, data)
    guests.failing.add("create_disk")
    values = {"ZoneId": ZONE, "DiskCategory": "cloud_essd", "SnapshotId": snapshot_id}
    disk_id = api.call("CreateDisk", values)["DiskId"]
    listing = {"DiskIds": json.dumps([disk_id])}
    assert until(lambda: api.call("DescribeDisks", listing)["TotalCount"] == 0)


def test_what_a_killed_server_leaves(tmp_path: Path, guests: RecordingGuests) -> None:
    with served(tmp_path, guests) as api:
        instance_id = server(api)
        system, data = disks_of(api, instance_id)
        kept = made(api, data)
        api.call("StopInstance", InstanceId=instance_id)
        api.wait(instance_id, "Stopped")
        guests.failing.add("delete_disk")
        api.call("ResetDisk", DiskId=data, SnapshotId=kept)
        half = made(api, system)
        state = api.cloud.state
        row = state.snapshots.get(half)
        assert row is not None
        with state.transaction():
            state.snapshots.put(replace(row, status="progressing"))
    again = RecordingGuests()
    with served(tmp_path, again) as api:
        # A snapshot that was under way is of no time any more; a disk is made anew as it was asked.
        assert until(lambda: ("create_disk", f"{data} 20 {kept}") in again.calls)
        assert status(api, half) == "failed"
        assert status(api, kept) == "accomplished"


def test_its_time_comes(api: Api) -> None:
    _, data = disks_of(api, server(api))
    snapshot_id = made(api, data, RetentionDays=1)
    state = api.cloud.state
    row = state.snapshots.get(snapshot_id)
    assert row is not None
    assert row.expires
    with state.transaction():
        state.snapshots.put(replace(row, expires="2024-01-01T00:00Z"))
    assert until(lambda: snapshot(api, snapshot_id) is None)


def test_how_long_it_is_kept_counts_from_its_beginning_and_is_only_prolonged(api: Api) -> None:
    _, data = disks_of(api, server(api))
    snapshot_id = made(api, data, RetentionDays=2)
    state = api.cloud.state
    row = state.snapshots.get(snapshot_id)
    assert row is not None
    with state.transaction():
        state.snapshots.put(replace(row, created="2099-01-01T08:00:30Z"))
    longer = {"SnapshotId": snapshot_id, "RetentionDays": 10}
    api.call("ModifySnapshotAttribute", longer)
    row = state.snapshots.get(snapshot_id)
    assert row is not None
    assert row.expires == "2099-01-11T08:00Z"
    assert api.refusal("ModifySnapshotAttribute", {**longer, "RetentionDays": 9}) == (
        "400 InvalidOperation.DecreaseRetentionDaysUnsupported"
    )
    api.call("ModifySnapshotAttribute", SnapshotId=snapshot_id, SnapshotName="kept")


def test_the_console(api: Api, guests: RecordingGuests) -> None:
    instance_id = server(api)
    guests.consoles[instance_id] = b"\x1b[0mWelcome\r\n"
    told = api.call("GetInstanceConsoleOutput", InstanceId=instance_id)
    assert base64.b64decode(told["ConsoleOutput"]) == b"\x1b[0mWelcome\r\n"
    assert told["InstanceId"] == instance_id
    assert told["LastUpdateTime"].endswith("Z")
    told = api.call("GetInstanceConsoleOutput", InstanceId=instance_id, RemoveSymbols="true")
    assert base64.b64decode(told["ConsoleOutput"]) == b"[0mWelcome\r\n"
    action = "GetInstanceConsoleOutput"
    assert api.refusal(action) == "400 MissingParameter"
    assert api.refusal(action, InstanceId="i-nobody") == "404 InvalidInstanceId.NotFound"
