from __future__ import annotations

import pytest

from ecsmachine.provision.base import DataDisk
from ecsmachine.provision.data_disk import commands
from ecsmachine.provision.errors import ProvisionError
from ecsmachine.provision.facts import Facts, candidates, parse

UUID = "5b5e6c15-dc4c-4a05-948d-ff95a7ac3ee2"
DISK = DataDisk(20, "ext4")

# as the look at a host prints it, for disks in different states
EMPTY = "SIZE=21474836480\nPROBE=2\nZEROS=yes\nREAL=/dev/vdb\n"
RAW_DATA = "SIZE=21474836480\nPROBE=2\nREAL=/dev/vdb\n"
PARTITIONED = (
    "SIZE=21474836480\nDEVNAME=/dev/vdb\nPTUUID=1d3e\nPTTYPE=dos\nPROBE=0\nREAL=/dev/vdb\n"
)
AMBIVALENT = "SIZE=21474836480\nPROBE=8\nZEROS=yes\nREAL=/dev/vdb\n"


def formatted(kind: str) -> str:
    return f"SIZE=1\nDEVNAME=/dev/vdb\nUUID={UUID}\nTYPE={kind}\nPROBE=0\nREAL=/dev/vdb\n"


def host(device: str | None, *, fstab: str = "", mounted: str = "", engine: str = "") -> Facts:
    sections = f"=== fstab\n{fstab}\n\n=== docker_mount\n{mounted}\n\n=== unit\n{engine}\n"
    if device is not None:
        sections += f"\n=== device /dev/vdb\n{device}"
    return parse(sections)


def test_an_empty_disk_is_formatted_mounted_and_written_down_by_uuid() -> None:
    wanted = commands(DISK, host(EMPTY))
    assert wanted[0] == "mkfs.ext4 -q -F /dev/vdb"
    assert "UUID=%s /var/lib/docker ext4 defaults,nofail 0 2" in wanted[1]
    assert wanted[-1] == "mount -t ext4 /dev/vdb /var/lib/docker"


def test_xfs() -> None:
    wanted = "\n".join(commands(DataDisk(20, "xfs"), host(EMPTY)))
    assert "mkfs.xfs -q -n ftype=1 /dev/vdb" in wanted
    assert "uquota,pquota" in wanted


@pytest.mark.parametrize(
    ("device", "contents"),
    [
        (RAW_DATA, "unknown kind"),
        (PARTITIONED, "dos"),
        (AMBIVALENT, "unknown kind"),
        (formatted("xfs"), "xfs"),
        (formatted("LVM2_member"), "LVM2_member"),
        (formatted("crypto_LUKS"), "crypto_LUKS"),
    ],
)
def test_a_disk_that_holds_data_is_never_formatted(device: str, contents: str) -> None:
    with pytest.raises(ProvisionError, match=f"already holds data .*{contents}"):
        commands(DISK, host(device))


def test_our_own_file_system_is_mounted_without_formatting() -> None:
    wanted = commands(DISK, host(formatted("ext4")))
    assert not any("mkfs" in command for command in wanted)
    assert wanted[-1] == "mount -t ext4 /dev/vdb /var/lib/docker"


def test_a_disk_in_use_is_left_alone() -> None:
    fstab = f"UUID={UUID} /var/lib/docker ext4 defaults,nofail 0 2"
    mounted = "/dev/vda ext4\n/dev/vdb ext4"
    assert commands(DISK, host(formatted("ext4"), fstab=fstab, mounted=mounted)) == []


def test_a_running_engine_is_stopped_before_its_folder_is_covered() -> None:
    wanted = commands(DISK, host(EMPTY, engine="ActiveState=active"))
    stop = wanted.index("systemctl stop docker.socket docker.service")
    assert stop < len(wanted) - 1


def test_no_such_disk() -> None:
    with pytest.raises(ProvisionError, match="none of /dev/vdb, /dev/xvdb, /dev/nvme1n1 is there"):
        commands(DISK, host(None))


def test_the_serial_number_is_surer_than_the_device_name() -> None:
    disk = DataDisk(20, "ext4", serial="bp1abc")
    assert candidates(disk)[0] == "/dev/disk/by-id/virtio-bp1abc"
    assert candidates(None) == ()
