"""Images of one's own: made of instances and snapshots, and instances made from them."""

from __future__ import annotations

import json
from typing import Any

from tests.api.localcloud.api_client import DEBIAN, Api, until
from tests.unit.localcloud.recording_guests import RecordingGuests


def images(api: Api, **filters: Any) -> list[dict[str, Any]]:
    filters = {"ImageOwnerAlias": "self", **filters}
    found: list[dict[str, Any]] = api.call("DescribeImages", filters)["Images"]["Image"]
    return found


def made(api: Api, **values: Any) -> str:
    """Make an image and wait until it is there; return its id."""
    image_id = str(api.call("CreateImage", values)["ImageId"])
    assert until(lambda: images(api, ImageId=image_id))
    return image_id


def snapshot_of(api: Api, image_id: str) -> str:
    (image,) = images(api, ImageId=image_id)
    (disk,) = image["DiskDeviceMappings"]["DiskDeviceMapping"]
    return str(disk["SnapshotId"])


def test_a_life(api: Api, guests: RecordingGuests) -> None:
    group = api.group()
    instance_id = api.run(group, **{"SystemDisk.Size": 50})
    guests.gate.clear()
    tag = {"Tag.1.Key": "a", "Tag.1.Value": "b"}
    values = {"InstanceId": instance_id, "ImageName": "web-1.0", "ImageFamily": "web", **tag}
    image_id = api.call("CreateImage", values)["ImageId"]
    assert images(api) == []
    (told,) = images(api, Status="Creating,Available")
    assert (told["Status"], told["Progress"]) == ("Creating", "0%")
    refused = "404 InvalidImageId.NotFound"
    assert api.refusal("RunInstances", {**api.base(group), "ImageId": image_id}) == refused
    guests.gate.set()
    assert until(lambda: images(api))
    (told,) = images(api)
    expected = {
        "ImageId": image_id,
        "ImageName": "web-1.0",
        "ImageFamily": "web",
        "ImageOwnerAlias": "self",
        "IsPublic": False,
        "Platform": "Debian",
        "Architecture": "x86_64",
        "Size": 50,
        "Status": "Available",
        "Usage": "none",
        "Tags": {"Tag": [{"TagKey": "a", "TagValue": "b"}]},
    }
    assert {name: told[name] for name in expected} == expected
    snapshot_id = snapshot_of(api, image_id)
    assert ("snapshot_root", f"{snapshot_id} {instance_id}") in guests.calls
    assert [item["ImageId"] for item in images(api, ImageName="web-*")] == [image_id]
    assert [item["ImageId"] for item in images(api, SnapshotId=snapshot_id)] == [image_id]
    assert [item["ImageId"] for item in images(api, **tag)] == [image_id]
    assert images(api, ImageOwnerAlias="system", ImageName="web-*") == []
    # There are no community images, which IsPublic asks for; false asks for all others.
    assert api.call("DescribeImages", ImageOwnerAlias="others", IsPublic="true")["TotalCount"] == 0
    public = {"ImageOwnerAlias": "system", "ImageId": DEBIAN}
    assert api.call("DescribeImages", public, IsPublic="false")["TotalCount"] == 1
    assert api.refusal("DescribeImages", public, IsPublic="true") == (
        "400 InvalidImageOwnerAlias.PublicImageUnsupported"
    )
    every = api.call("DescribeImages", PageSize=100)["Images"]["Image"]
    assert every[0]["ImageId"] == image_id
    assert len(every) > 1

    # The instance that it was made of may go.
    api.call("DeleteInstance", InstanceId=instance_id, Force=True)
    small = {**api.base(group), "ImageId": image_id, "SystemDisk.Size": 40}
    assert api.refusal("RunInstances", small) == "404 InvalidSystemDiskSize.LessThanImageSize"
    by_id = api.run(group, ImageId=image_id)
    spec = guests.made[by_id]
    assert (spec.root_snapshot_id, spec.release) == (snapshot_id, "debian_12")
    instance = api.instance(by_id)
    assert instance is not None
    assert (instance["ImageId"], instance["OSName"][:6]) == (image_id, "Debian")
    values = {**api.base(group), "ImageFamily": "web"}
    del values["ImageId"]
    by_family = api.call("RunInstances", values)["InstanceIdSets"]["InstanceIdSet"][0]
    api.wait(by_family, "Running")
    assert guests.made[by_family].root_snapshot_id == snapshot_id
    # An image of what was made from an image knows the system below.
    second = made(api, InstanceId=by_id)
    assert guests.made[api.run(group, ImageId=second)].release == "debian_12"

    assert api.refusal("DeleteSnapshot", SnapshotId=snapshot_id) == "403 SnapshotCreatedImage"
    assert api.refusal("DeleteImage", ImageId=image_id) == "403 ImageUsingByInstance"
    api.call("DeleteImage", ImageId=image_id, Force="true")
    assert [item["ImageId"] for item in images(api)] == [second]
    api.call("DeleteSnapshot", SnapshotId=snapshot_id)


def test_system_disks_are_made_from_it(api: Api, guests: RecordingGuests) -> None:
    instance_id = api.run(api.group())
    image_id = made(api, InstanceId=instance_id)
    snapshot_id = snapshot_of(api, image_id)
    api.call("StopInstance", InstanceId=instance_id)
    api.wait(instance_id, "Stopped")

    def restored(action: str, **values: Any) -> str:
        api.call(action, values)
        api.call("StartInstance", InstanceId=instance_id)
        api.wait(instance_id, "Running")
        api.call("StopInstance", InstanceId=instance_id)
        api.wait(instance_id, "Stopped")
        return guests.made[instance_id].root_snapshot_id

    action = "ReplaceSystemDisk"
    assert restored(action, InstanceId=instance_id, ImageId=image_id) == snapshot_id
    listed = api.call("DescribeDisks", InstanceId=instance_id, DiskType="system")
    disk_id = listed["Disks"]["Disk"][0]["DiskId"]
    guests.made.clear()
    assert restored("ReInitDisk", DiskId=disk_id) == snapshot_id
    assert restored(action, InstanceId=instance_id, ImageId=DEBIAN) == ""


def test_an_image_of_a_snapshot(api: Api) -> None:
    instance_id = api.run(api.group(), **{"DataDisk.1.Size": 20})
    disks = api.call("DescribeDisks", InstanceId=instance_id)["Disks"]["Disk"]
    ids = {}
    for disk in disks:
        values = {"DiskId": disk["DiskId"]}
        ids[disk["Type"]] = api.call("CreateSnapshot", values)["SnapshotId"]
    listing = {"SnapshotIds": json.dumps(list(ids.values())), "Status": "accomplished"}
    assert until(lambda: api.call("DescribeSnapshots", listing)["TotalCount"] == 2)
    assert snapshot_of(api, made(api, SnapshotId=ids["system"])) == ids["system"]
    mapping = {"DiskDeviceMapping.1.SnapshotId": ids["system"]}
    assert snapshot_of(api, made(api, **mapping)) == ids["system"]
    refused = "403 InvalidSnapshotId.NotSystemSnapshot"
    assert api.refusal("CreateImage", SnapshotId=ids["data"]) == refused
    (image,) = images(
        api, ImageId=made(api, **mapping, **{"DiskDeviceMapping.2.SnapshotId": ids["data"]})
    )
    brought = image["DiskDeviceMappings"]["DiskDeviceMapping"]
    assert {disk["Type"]: disk["SnapshotId"] for disk in brought} == ids


def test_the_data_disks_of_an_image_are_at_devices_of_their_own(api: Api) -> None:
    instance_id = api.run(api.group(), **{"DataDisk.1.Size": 20})
    disks = api.call("DescribeDisks", InstanceId=instance_id)["Disks"]["Disk"]
    ids = {
        disk["Type"]: api.call("CreateSnapshot", DiskId=disk["DiskId"])["SnapshotId"]
        for disk in disks
    }
    listing = {"SnapshotIds": json.dumps(list(ids.values())), "Status": "accomplished"}
    assert until(lambda: api.call("DescribeSnapshots", listing)["TotalCount"] == 2)

    def mappings(*devices: str) -> dict[str, str]:
        values = {"DiskDeviceMapping.1.SnapshotId": ids["system"]}
        for number, device in enumerate(devices, start=2):
            values[f"DiskDeviceMapping.{number}.SnapshotId"] = ids["data"]
            values[f"DiskDeviceMapping.{number}.Device"] = device
        return values

    (image,) = images(api, ImageId=made(api, **mappings("/dev/vdc", "")))
    brought = image["DiskDeviceMappings"]["DiskDeviceMapping"]
    assert [disk["Device"] for disk in brought] == ["/dev/xvda", "/dev/xvdc", "/dev/xvdb"]
    for devices, refused in (
        (("/dev/vdc", "/dev/xvdc"), "403 InvalidDevice.InUse"),
        (("/dev/null",), "400 InvalidDevice.Malformed"),
    ):
        assert api.refusal("CreateImage", mappings(*devices)) == refused


def test_what_is_refused(api: Api) -> None:
    instance_id = api.run(api.group())
    image_id = made(api, InstanceId=instance_id, ImageName="mine")
    base = {"InstanceId": instance_id}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"InstanceId": ""}, "400 MissingParameter"),
        ({"InstanceId": "i-nobody"}, "404 InvalidInstanceId.NotFound"),
        ({"SnapshotId": "s-nobody"}, "404 InvalidSnapshotId.NotFound"),
        ({"ImageName": "aliyun-mine"}, "400 InvalidImageName.Malformed"),
        ({"ImageName": "x"}, "400 InvalidImageName.Malformed"),
        ({"ImageName": "mine"}, "400 InvalidImageName.Duplicated"),
        ({"ImageFamily": "acs:mine"}, "400 InvalidImageFamily.Malformed"),
        ({"Description": "http://x"}, "400 InvalidDescription.Malformed"),
        ({"RegionId": "cn-beijing"}, "404 InvalidInstanceId.NotFound"),
    ]
    for values, expected in wrong:
        assert api.refusal("CreateImage", {**base, **values}) == expected, values
    for action in ("DeleteImage", "ModifyImageAttribute"):
        assert api.refusal(action) == "400 MissingParameter"
        assert api.refusal(action, ImageId=DEBIAN) == "404 InvalidImageId.NotFound"
    missing = {"ImageId": "m-nobody"}
    assert api.refusal("ModifyImageAttribute", missing) == "404 InvalidImageId.NotFound"
    api.call("DeleteImage", missing)
    api.call("DeleteImage", ImageId=image_id, RegionId="cn-beijing")
    api.call("ModifyImageAttribute", ImageId=image_id, ImageName="renamed", Description="of mine")
    (told,) = images(api)
    assert (told["ImageName"], told["Description"]) == ("renamed", "of mine")


def test_an_image_that_fails(api: Api, guests: RecordingGuests) -> None:
    instance_id = api.run(api.group())
    guests.failing.add("snapshot_root")
    api.call("CreateImage", InstanceId=instance_id)
    assert until(lambda: images(api, Status="CreateFailed"))
    assert images(api) == []
