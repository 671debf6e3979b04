"""Images and snapshots of an account's own (ECS 2014-05-26)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from ecsmachine.aliyun.ecs_values import Image, Snapshot
from ecsmachine.aliyun.regional import RegionalClient
from ecsmachine.aliyun.rpc import tag_parameters
from ecsmachine.documents.rules import ID

_UNFINISHED_TOO = "Creating,Waiting,Available,UnAvailable,CreateFailed,Deprecated"


class ImagesClient(RegionalClient):
    """The images and snapshots of an account in a region."""

    PRODUCT = "ecs"
    VERSION = "2014-05-26"
    PAGE_SIZE = 100

    def images(
        self, *, image_id: str = "", tags: Mapping[str, str] | None = None
    ) -> Iterator[Image]:
        """Yield images of the account's own, those that are being made too (DescribeImages)."""
        return self._list(
            Image,
            "DescribeImages",
            "Images.Image",
            ImageId=image_id,
            ImageOwnerAlias="self",
            Status=_UNFINISHED_TOO,
            **tag_parameters(tags or {}),
        )

    def create_image(
        self,
        name: str,
        *,
        snapshot_id: str,
        family: str,
        description: str,
        tags: Mapping[str, str],
        token: str,
        resource_group_id: str = "",
    ) -> str:
        """Make an image of a system disk's snapshot and return its id (CreateImage)."""
        answer = self.call(
            "CreateImage",
            ImageName=name,
            SnapshotId=snapshot_id,
            ImageFamily=family,
            Description=description,
            ResourceGroupId=resource_group_id,
            ClientToken=token,
            **tag_parameters(tags),
        )
        return answer.required("ImageId", ID)

    def delete_image(self, image_id: str, *, used: bool = False) -> None:
        """Remove an image, with ``used`` one that instances were made from too (DeleteImage)."""
        self.call("DeleteImage", ImageId=image_id, Force=used)

    def snapshots(
        self, *, ids: Sequence[str] = (), tags: Mapping[str, str] | None = None
    ) -> Iterator[Snapshot]:
        """Yield snapshots (DescribeSnapshots); at most 100 ``ids``."""
        return self._list(
            Snapshot,
            "DescribeSnapshots",
            "Snapshots.Snapshot",
            SnapshotIds=json.dumps(list(ids)) if ids else "",
            **tag_parameters(tags or {}),
        )

    def create_snapshot(
        self,
        name: str,
        *,
        disk_id: str,
        tags: Mapping[str, str],
        token: str,
        resource_group_id: str = "",
    ) -> str:
        """Have a disk copied as it is now, and return the copy's id (CreateSnapshot)."""
        answer = self.call(
            "CreateSnapshot",
            SnapshotName=name,
            DiskId=disk_id,
            ResourceGroupId=resource_group_id,
            ClientToken=token,
            **tag_parameters(tags),
        )
        return answer.required("SnapshotId", ID)

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Remove a snapshot, though disks were made from it (DeleteSnapshot)."""
        self.call("DeleteSnapshot", SnapshotId=snapshot_id, Force=True)
