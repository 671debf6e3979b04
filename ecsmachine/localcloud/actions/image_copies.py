"""Images of one's own for others: copied into another region, or shared with another account."""

from __future__ import annotations

import re
from dataclasses import replace

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.custom_images import (
    check_new_image,
    own_status,
    valid_image_name,
)
from ecsmachine.localcloud.actions.snapshots import copy_of_snapshot, snapshots_of
from ecsmachine.localcloud.catalog.regions import find_region
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.identifiers import new_id
from ecsmachine.localcloud.protocol.names import checked_text, valid_description
from ecsmachine.localcloud.protocol.paging import page_by_number
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.state.resources import forget_snapshot
from ecsmachine.localcloud.state.tagging import put_tags, tags_of_request

MAX_ACCOUNTS = 50
"""With how many accounts an image can be shared."""

_STATUS = Refusal("IncorrectImageStatus", "The image is not available.")


def copy_image(call: Call) -> Answer:
    """CopyImage: into a region, with snapshots of its own."""
    parameters = call.parameters
    image = call.required(call.state.custom_images, "ImageId")
    region = find_region(parameters.text("DestinationRegionId", image.region))
    if region is None:
        raise refusals.REGION_NOT_FOUND()
    name = checked_text(parameters, "DestinationImageName", valid_image_name)
    description = checked_text(parameters, "DestinationDescription", valid_description)
    tags = tags_of_request(parameters)
    if own_status(call, image) != "Available":
        raise _STATUS()
    check_new_image(call, name)
    image_id = new_id("m", region.id)

    def copy_of(snapshot_id: str) -> str:
        snapshot = call.state.snapshots.find(snapshot_id, region=image.region)
        if parameters.boolean("Encrypted"):
            snapshot = replace(snapshot, encrypted=True, kms_key_id=parameters.text("KMSKeyId"))
        return copy_of_snapshot(call, snapshot, region.id).id

    copy = call.state.custom_images.put(
        replace(
            image,
            id=image_id,
            region=region.id,
            name=name or image_id,
            description=description,
            family="",
            snapshot_id=copy_of(image.snapshot_id),
            data_disks=tuple(
                replace(disk, snapshot_id=copy_of(disk.snapshot_id)) for disk in image.data_disks
            ),
            created=timestamp(),
            resource_group_id=parameters.text("ResourceGroupId"),
            copied_from=image.id,
            shared_with=(),
            shared_at={},
        )
    )
    put_tags(call.state, "image", copy.id, region.id, tags)
    return {"ImageId": copy.id}


def cancel_copy_image(call: Call) -> None:
    """CancelCopyImage: the copy that is being made is gone, with its snapshots."""
    image = call.required(call.state.custom_images, "ImageId")
    if not image.copied_from:
        raise refusals.of("ImageCreatedNotFromCopy")
    if own_status(call, image) != "Creating":
        raise ApiError("IncorrectImageStatus", "The image is copied finished.")
    call.state.custom_images.remove(image.id)
    for snapshot_id in snapshots_of(image):
        forget_snapshot(call.state, call.state.snapshots.find(snapshot_id, region=image.region))
    call.lifecycle.removals.begin()


def modify_image_share_permission(call: Call) -> None:
    """ModifyImageSharePermission: which accounts may use the image as well.

    A request that names none is taken, and changes nothing: Packer sends it after each build.
    """
    image = call.required(call.state.custom_images, "ImageId")
    added, removed = _accounts(call, "AddAccount"), _accounts(call, "RemoveAccount")
    if own_status(call, image) != "Available":
        raise _STATUS()
    snapshots = (call.state.snapshots.get(snapshot_id) for snapshot_id in snapshots_of(image))
    if added and any(snapshot is not None and snapshot.encrypted for snapshot in snapshots):
        raise refusals.of("OperationDeined.EncryptedSnapshot")
    kept = [account for account in image.shared_with if account not in (*removed, *added)]
    accounts = (*kept, *(account for account in added if account not in removed))
    if len(accounts) > MAX_ACCOUNTS:
        raise ApiError("QuotaExceed.ShareImageUser", "The shared Image user Quota exceeds.", 403)
    times = {account: image.shared_at.get(account, timestamp()) for account in accounts}
    call.state.custom_images.put(replace(image, shared_with=accounts, shared_at=times))


def describe_image_share_permission(call: Call) -> Answer:
    """DescribeImageSharePermission: which accounts may use the image as well."""
    image = call.required(call.state.custom_images, "ImageId")
    accounts, fields = page_by_number(call.parameters, image.shared_with, size=10, most=100)
    return {
        **fields,
        "RegionId": image.region,
        "ImageId": image.id,
        "Accounts": {
            "Account": [
                {"AliyunId": account, "SharedTime": image.shared_at.get(account, "")}
                for account in accounts
            ]
        },
        "ShareGroups": {"ShareGroup": []},
    }


def _accounts(call: Call, name: str) -> list[str]:
    accounts = call.parameters.listed(name, most=10)
    for account in accounts:
        if account == call.state.account.id:
            raise refusals.of("InvalidAccount.Forbidden")
        # An account that another cloud could have is one; there is none here to look it up.
        if not re.fullmatch(r"[0-9]{6,20}", account):
            raise ApiError("InvalidAccount.NotFound", "The specified account does not exist.", 404)
    return list(dict.fromkeys(accounts))
