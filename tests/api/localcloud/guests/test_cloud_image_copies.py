"""Images of one's own in other regions, with other accounts, and with data disks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.localcloud.api_client import DEBIAN, Api, until
from tests.unit.localcloud.recording_guests import RecordingGuests


def image(api: Api, image_id: str, region: str = "cn-hangzhou") -> dict[str, Any] | None:
    """Return an image of whatever status."""
    found = api.call(
        "DescribeImages",
        RegionId=region,
        ImageId=image_id,
        Status="Creating,Available,CreateFailed",
    )["Images"]["Image"]
    return found[0] if found else None


def is_available(api: Api, image_id: str, region: str = "cn-hangzhou") -> bool:
    found = image(api, image_id, region)
    return found is not None and found["Status"] == "Available"


C = {"DataDisk.1.Device": "/dev/xvdc"}


@pytest.fixture
def group(api: Api) -> str:
    return api.group()


@pytest.fixture
def made(api: Api, group: str) -> str:
    """Return an image of an instance with a data disk at /dev/xvdc."""
    instance_id = api.run(group, **C, **{"DataDisk.1.Size": 30})
    image_id = str(api.call("CreateImage", InstanceId=instance_id, ImageName="mine")["ImageId"])
    assert until(lambda: is_available(api, image_id))
    return image_id


def data_disk(api: Api, instance_id: str) -> dict[str, Any]:
    """Return the only data disk of an instance."""
    found = api.call("DescribeDisks", InstanceId=instance_id, DiskType="data")["Disks"]["Disk"]
    (disk,) = found
    assert isinstance(disk, dict)
    return disk


def mappings(found: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return the disks of an image."""
    assert found is not None
    disks: list[dict[str, Any]] = found["DiskDeviceMappings"]["DiskDeviceMapping"]
    return disks


def test_an_image_brings_the_data_disks_of_its_instance(
    api: Api, guests: RecordingGuests, group: str, made: str
) -> None:
    system, data = mappings(image(api, made))
    assert (system["Type"], data["Type"]) == ("system", "data")
    assert (data["Device"], data["Size"]) == ("/dev/xvdc", "30")
    instance_id = api.run(group, ImageId=made)
    disk = data_disk(api, instance_id)
    assert (disk["Device"], disk["Size"]) == ("/dev/xvdc", 30)
    assert disk["SourceSnapshotId"] == data["SnapshotId"]
    assert [each.snapshot_id for each in guests.specs[instance_id].disks] == [data["SnapshotId"]]
    larger = data_disk(api, api.run(group, ImageId=made, **C, **{"DataDisk.1.Size": 50}))
    assert (larger["Size"], larger["SourceSnapshotId"]) == (50, data["SnapshotId"])
    smaller = {**api.base(group), "ImageId": made, **C, "DataDisk.1.Size": 20}
    assert api.refusal("RunInstances", smaller) == "400 InvalidDataDiskSize.ValueNotSupported"
    # what an image is made of stays
    refusal = api.refusal("DeleteSnapshot", SnapshotId=data["SnapshotId"])
    assert refusal == "403 SnapshotCreatedImage"


def test_an_image_is_made_of_snapshots_of_a_system_disk_and_of_data_disks(
    api: Api, made: str
) -> None:
    named = {
        f"DiskDeviceMapping.{number}.{name}": disk[name]
        for number, disk in enumerate(mappings(image(api, made)), 1)
        for name in ("SnapshotId", "Device")
    }
    image_id = api.call("CreateImage", named, ImageName="of-snapshots")["ImageId"]
    assert mappings(image(api, image_id)) == mappings(image(api, made))
    without = {name: value for name, value in named.items() if ".2." in name}
    without = {name.replace(".2.", ".1."): value for name, value in without.items()}
    assert api.refusal("CreateImage", without) == "403 InvalidSnapshotId.NotSystemSnapshot"


def test_an_image_is_copied_with_its_snapshots(
    api: Api, guests: RecordingGuests, made: str
) -> None:
    copy_id = api.call(
        "CopyImage",
        ImageId=made,
        DestinationRegionId="cn-beijing",
        DestinationImageName="mine-in-beijing",
        DestinationDescription="for tests",
    )["ImageId"]
    assert until(lambda: is_available(api, copy_id, "cn-beijing"))
    assert image(api, copy_id) is None, "it is in the other region"
    copy, source = image(api, copy_id, "cn-beijing"), image(api, made)
    assert copy is not None and source is not None
    assert (copy["ImageName"], copy["Description"]) == ("mine-in-beijing", "for tests")
    assert (copy["IsCopied"], source["IsCopied"]) == (True, False)
    new = [each["SnapshotId"] for each in mappings(copy)]
    old = [each["SnapshotId"] for each in mappings(source)]
    assert not set(new) & set(old)
    for pair in zip(new, old, strict=True):
        assert ("copy_snapshot", " ".join(pair)) in guests.calls
    (snapshot,) = api.call("DescribeSnapshots", RegionId="cn-beijing", SnapshotIds=f'["{new[0]}"]')[
        "Snapshots"
    ]["Snapshot"]
    assert (snapshot["SourceRegionId"], snapshot["SourceSnapshotId"]) == ("cn-hangzhou", old[0])
    api.call("DeleteImage", ImageId=made)
    assert is_available(api, copy_id, "cn-beijing"), "a copy does not need what it is of"


@pytest.mark.parametrize(
    ("parameters", "refusal"),
    [
        ({"ImageId": "m-none"}, "404 InvalidImageId.NotFound"),
        ({"ImageId": DEBIAN}, "404 InvalidImageId.NotFound"),
        ({"DestinationRegionId": "nowhere"}, "404 InvalidRegionId.NotFound"),
        (
            {"DestinationImageName": "mine", "DestinationRegionId": "cn-hangzhou"},
            "400 InvalidImageName.Duplicated",
        ),
        ({"DestinationImageName": "acs:x"}, "400 InvalidDestinationImageName.Malformed"),
        ({"RegionId": "cn-beijing"}, "404 InvalidImageId.NotFound"),
    ],
)
def test_copies_that_are_refused(
    api: Api, made: str, parameters: dict[str, str], refusal: str
) -> None:
    request = {"ImageId": made, "DestinationRegionId": "cn-beijing", **parameters}
    assert api.refusal("CopyImage", request) == refusal


def test_a_copy_may_have_the_name_of_its_original_in_another_region(api: Api, made: str) -> None:
    copy = {"ImageId": made, "DestinationImageName": "mine", "DestinationRegionId": "cn-beijing"}
    copy_id = api.call("CopyImage", copy)["ImageId"]
    told = image(api, copy_id, "cn-beijing")
    assert told is not None
    assert told["ImageName"] == "mine"
    assert api.refusal("CopyImage", copy) == "400 InvalidImageName.Duplicated"


def test_a_copy_is_cancelled_while_it_is_made(api: Api, guests: RecordingGuests, made: str) -> None:
    assert api.refusal("CancelCopyImage", ImageId=made) == "400 ImageCreatedNotFromCopy"
    guests.copying.clear()
    copy_id = api.call("CopyImage", ImageId=made, DestinationRegionId="cn-hangzhou")["ImageId"]
    api.call("CancelCopyImage", ImageId=copy_id)
    guests.copying.set()
    assert image(api, copy_id) is None
    assert until(lambda: sum(what == "delete_snapshot" for what, _ in guests.calls) == 2)


def test_an_image_is_shared_with_accounts(api: Api, made: str) -> None:
    def shared_with() -> list[str]:
        told = api.call("DescribeImageSharePermission", ImageId=made)
        assert told["ImageId"] == made
        assert all(each["SharedTime"].endswith("Z") for each in told["Accounts"]["Account"])
        return [each["AliyunId"] for each in told["Accounts"]["Account"]]

    def share(**accounts: str) -> str:
        values = {f"{name}.1": account for name, account in accounts.items()}
        return api.refusal("ModifyImageSharePermission", values, ImageId=made)

    for account in ("1234567890123456", "1234567890123457"):
        api.call("ModifyImageSharePermission", {"AddAccount.1": account}, ImageId=made)
    assert shared_with() == ["1234567890123456", "1234567890123457"]
    found = image(api, made)
    assert found is not None and found["IsSelfShared"] == "True"
    api.call("ModifyImageSharePermission", {"RemoveAccount.1": account}, ImageId=made)
    assert shared_with() == ["1234567890123456"]
    api.call("ModifyImageSharePermission", ImageId=made)
    assert shared_with() == ["1234567890123456"], "nobody was named"
    many = {f"AddAccount.{number}": f"12345678901234{number:02d}" for number in range(1, 12)}
    api.call("ModifyImageSharePermission", many, ImageId=made)
    assert shared_with() == ["1234567890123456", *list(many.values())[:9]], "the first ten count"
    assert share(AddAccount="nobody") == "404 InvalidAccount.NotFound"
    assert share(AddAccount=api.cloud.state.account.id) == "404 InvalidAccount.Forbidden"
    copy = {"ImageId": made, "Encrypted": "true", "DestinationRegionId": "cn-hangzhou"}
    secret = api.call("CopyImage", copy)["ImageId"]
    until(lambda: is_available(api, secret))
    assert api.refusal("CancelCopyImage", ImageId=secret) == "400 IncorrectImageStatus"
    to_somebody = {"ImageId": secret, "AddAccount.1": account}
    denied = "403 OperationDeined.EncryptedSnapshot"
    assert api.refusal("ModifyImageSharePermission", to_somebody) == denied
