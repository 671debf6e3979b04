"""System images, with ids and names in the form that Alibaba Cloud gives them.

The list is a choice: current versions of the usual systems. Only those of a ``release`` can have
guests on this machine; a cloud with real guests offers no other.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated

SUITES = {"debian_12": "bookworm", "debian_13": "trixie", "debian_11": "bullseye"}
"""The releases that guests can be of, by the names that ECS gives their images: Debian's names."""

USUAL = "debian_12"
"""The release that every local cloud has."""


@dataclass(frozen=True)
class ImageDisk:
    """A data disk that an image brings: what its snapshot holds, at that device."""

    device: str
    snapshot_id: str
    size_gib: int


@dataclass(frozen=True)
class Image:
    """An image; ``size_gib`` is the least size of a system disk made from it.

    One that is no public system image has the id of the system image below it (``base_id``), and
    the ``snapshot_id`` that disks begin with; it may bring data disks.
    """

    id: Annotated[str, "ImageId"]
    os_name: Annotated[str, "OSName"]
    platform: Annotated[str, "Platform"]
    family: Annotated[str, "ImageFamily"]
    version: Annotated[str, "ImageVersion"]
    architecture: Annotated[str, "Architecture"]
    created: Annotated[str, "CreationTime"]
    size_gib: Annotated[int, "Size"] = 20
    base_id: str = ""
    snapshot_id: str = ""
    data_disks: tuple[ImageDisk, ...] = ()

    @property
    def release(self) -> str | None:
        """The name of the base image that guests are made from (debian_12); None without one."""
        if self.architecture != "x86_64" or not self.id.startswith("debian_"):
            return None
        return "_".join(self.id.split("_")[:2])

    @property
    def os_name_en(self) -> str:
        """The system's name in English."""
        return self.os_name.replace("64位", "64 bit")


# start of the id, name, platform, family, date
_X86_64 = (
    ("aliyun_3_x64", "Alibaba Cloud Linux  3.2104 LTS 64位", "Aliyun",
     "acs:alibaba_cloud_linux_3_2104_lts_x64", "20241218"),
    ("debian_13_1_x64", "Debian  13.1 64位", "Debian", "acs:debian_13_1_x64", "20250915"),
    ("debian_12_8_x64", "Debian  12.8 64位", "Debian", "acs:debian_12_8_x64", "20241216"),
    ("debian_11_11_x64", "Debian  11.11 64位", "Debian", "acs:debian_11_11_x64", "20241120"),
    ("ubuntu_24_04_x64", "Ubuntu  24.04 64位", "Ubuntu", "acs:ubuntu_24_04_x64", "20241216"),
    ("ubuntu_22_04_x64", "Ubuntu  22.04 64位", "Ubuntu", "acs:ubuntu_22_04_x64", "20241216"),
    ("ubuntu_20_04_x64", "Ubuntu  20.04 64位", "Ubuntu", "acs:ubuntu_20_04_x64", "20241216"),
    ("rockylinux_9_4_x64", "Rocky Linux  9.4 64位", "Rocky Linux", "acs:rockylinux_9_4_x64",
     "20241216"),
    ("almalinux_9_4_x64", "AlmaLinux  9.4 64位", "AlmaLinux", "acs:almalinux_9_4_x64",
     "20241216"),
    ("centos_stream_9_x64", "CentOS Stream  9 64位", "CentOS Stream", "acs:centos_stream_9_x64",
     "20241216"),
    ("opensuse_15_6_x64", "openSUSE  15.6 64位", "OpenSUSE", "acs:opensuse_15_6_x64",
     "20241120"),
)  # fmt: skip
_ARM64 = (
    ("aliyun_3_arm64", "Alibaba Cloud Linux  3.2104 LTS 64位 ARM版", "Aliyun",
     "acs:alibaba_cloud_linux_3_2104_lts_arm64", "20241218"),
    ("debian_12_8_arm64", "Debian  12.8 64位 ARM版", "Debian", "acs:debian_12_8_arm64",
     "20241216"),
    ("ubuntu_24_04_arm64", "Ubuntu  24.04 64位 ARM版", "Ubuntu", "acs:ubuntu_24_04_arm64",
     "20241216"),
    ("ubuntu_22_04_arm64", "Ubuntu  22.04 64位 ARM版", "Ubuntu", "acs:ubuntu_22_04_arm64",
     "20241216"),
)  # fmt: skip


@cache
def all_images() -> Sequence[Image]:
    """Return every image, newest first."""
    images = [
        Image(
            id=f"{start}_20G_alibase_{date}.vhd",
            os_name=name,
            platform=platform,
            family=family,
            version=f"v{date[:4]}.{int(date[4:6])}.{int(date[6:])}",
            architecture=architecture,
            created=f"{date[:4]}-{date[4:6]}-{date[6:]}T06:00:00Z",
        )
        for rows, architecture in ((_X86_64, "x86_64"), (_ARM64, "arm64"))
        for start, name, platform, family, date in rows
    ]
    return tuple(sorted(images, key=lambda image: image.created, reverse=True))


def images_of(releases: Container[str]) -> Sequence[Image]:
    """Return the images that guests of these releases can be made from."""
    return tuple(image for image in all_images() if image.release in releases)


@cache
def release_of(image_id: str) -> str | None:
    """Return the release of the image with an id; None if it has none, or is not known."""
    return next((image.release for image in all_images() if image.id == image_id), None)
