from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ecsmachine.provision.base import DataDisk
from ecsmachine.provision.debian import APT
from ecsmachine.provision.errors import ProvisionError
from ecsmachine.provision.facts import Facts, parse
from ecsmachine.provision.steps import data_disk
from ecsmachine.provision.steps.data_disk import candidates

UUID = "5b5e6c15-dc4c-4a05-948d-ff95a7ac3ee2"
DISK = DataDisk(20, "ext4")

# as the look at a host prints it, for disks in different states
EMPTY = "SIZE=21474836480\nPROBE=2\nZEROS=yes\nREAL=/dev/vdb\n"
RAW_DATA = "SIZE=21474836480\nPROBE=2\nREAL=/dev/vdb\n"
PARTITIONED = (
    "SIZE=21474836480\nDEVNAME=/dev/vdb\nPTUUID=1d3e\nPTTYPE=dos\nPROBE=0\nREAL=/dev/vdb\n"
)
AMBIVALENT = "SIZE=21474836480\nPROBE=8\nZEROS=yes\nREAL=/dev/vdb\n"


def commands(disk: DataDisk, facts: Facts) -> list[str]:
    return data_disk.commands(disk, facts, APT)


def formatted(kind: str) -> str:
    return f"SIZE=21474836480\nDEVNAME=/dev/vdb\nUUID={UUID}\nTYPE={kind}\nPROBE=0\nREAL=/dev/vdb\n"


def host(device: str | None, *, fstab: str = "", mounted: str = "", engine: str = "") -> Facts:
    sections = f"=== fstab\n{fstab}\n\n=== docker_mount\n{mounted}\n\n=== unit\n{engine}\n"
    if device is not None:
        sections += f"\n=== device /dev/vdb\n{device}"
    return parse(sections)


def test_an_empty_disk_is_formatted_mounted_and_written_down_by_uuid() -> None:
    wanted = commands(DISK, host(EMPTY))
    assert wanted[0] == "mkfs.ext4 -q -F /dev/vdb"
    assert "mount -t ext4 /dev/vdb /var/lib/docker" in wanted
    assert any("UUID=%s /var/lib/docker ext4 defaults,nofail%s 0 2" in line for line in wanted)


def test_xfs() -> None:
    wanted = "\n".join(commands(DataDisk(20, "xfs"), host(EMPTY)))
    assert "mkfs.xfs -q -n ftype=1 /dev/vdb" in wanted
    quota = "mount -t xfs -o defaults,uquota,pquota /dev/vdb /var/lib/docker"
    assert f"{quota} 2>/dev/null || mount -t xfs -o defaults /dev/vdb /var/lib/docker" in wanted


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
    assert "mount -t ext4 /dev/vdb /var/lib/docker" in wanted


def test_a_disk_in_use_is_left_alone() -> None:
    fstab = f"UUID={UUID} /var/lib/docker ext4 defaults,nofail 0 2"
    mounted = "/dev/vda ext4\n/dev/vdb ext4"
    assert commands(DISK, host(formatted("ext4"), fstab=fstab, mounted=mounted)) == []


def test_a_disk_in_use_keeps_its_file_system_where_another_is_recorded() -> None:
    fstab = f"UUID={UUID} /var/lib/docker xfs defaults,nofail,uquota,pquota 0 2"
    assert commands(DISK, host(formatted("xfs"), fstab=fstab, mounted="/dev/vdb xfs")) == []
    wanted = commands(DISK, host(formatted("xfs"), mounted="/dev/vdb xfs"))
    assert any("UUID=%s /var/lib/docker xfs defaults" in line for line in wanted)
    with pytest.raises(ProvisionError, match="already holds data"):
        commands(DISK, host(formatted("xfs"), mounted="/dev/vda xfs"))


@pytest.mark.parametrize(
    ("fstab", "mounted"),
    [
        ("/dev/vdb1    /var/lib/docker     ext4    defaults        0 0", "/dev/vdb1 ext4"),
        ("UUID=0815 /var/lib/docker ext4 defaults 0 0", "/dev/vdb1 ext4"),
        ("/dev/vdb1    /var/lib/docker     ext4    defaults        0 0", ""),
    ],
    ids=["mounted", "by UUID", "not mounted"],
)
def test_the_partition_of_docker_machines_driver_is_left_alone(fstab: str, mounted: str) -> None:
    assert commands(DISK, host(PARTITIONED, fstab=fstab, mounted=mounted)) == []


def test_the_partition_of_another_disk_is_none_of_the_data_disk() -> None:
    facts = host(PARTITIONED, fstab="/dev/vdbx1 /var/lib/docker ext4", mounted="/dev/vda1 ext4")
    with pytest.raises(ProvisionError, match="already holds data"):
        commands(DISK, facts)


def test_a_running_engine_is_stopped_before_its_folder_is_covered() -> None:
    wanted = commands(DISK, host(EMPTY, engine="ActiveState=active"))
    stop = wanted.index("systemctl stop docker.socket docker.service")
    assert stop < len(wanted) - 1


def test_no_such_disk() -> None:
    with pytest.raises(
        ProvisionError, match="none of /dev/vdb, /dev/xvdb, /dev/nvme1n1 is an empty disk of 20"
    ):
        commands(DISK, host(None))


def test_the_serial_number_is_surer_than_the_device_name() -> None:
    disk = DataDisk(20, "ext4", serial="bp1abc")
    assert candidates(disk)[0] == "/dev/disk/by-id/virtio-bp1abc"


@pytest.mark.parametrize("size_gib", [10, 40])
def test_an_empty_disk_of_another_size_is_not_the_one_that_was_ordered(size_gib: int) -> None:
    other = f"SIZE={size_gib * 1024**3}\nPROBE=2\nZEROS=yes\nREAL=/dev/vdb\n"
    with pytest.raises(ProvisionError, match=f"/dev/vdb has {size_gib} GiB"):
        commands(DISK, host(other))


def test_a_disk_that_is_known_by_its_serial_number_may_have_any_size() -> None:
    disk = DataDisk(20, "ext4", serial="bp1abc")
    larger = "SIZE=42949672960\nPROBE=2\nZEROS=yes\nREAL=/dev/vdc\n"
    facts = parse(f"=== device /dev/disk/by-id/virtio-bp1abc\n{larger}")
    assert commands(disk, facts)[0] == "mkfs.ext4 -q -F /dev/vdc"


def test_a_disk_that_is_mounted_elsewhere_is_left_alone() -> None:
    with pytest.raises(ProvisionError, match="in use already, mounted on /srv"):
        commands(DISK, host(formatted("ext4") + "MOUNTED=/srv\n"))


FSTAB = """\
# /var/lib/docker is ours
UUID=1111 / ext4 defaults 0 1
UUID=2222 /var/lib/docker ext4 defaults 0 2
UUID=3333 /srv xfs defaults 0 2"""


def test_another_line_for_the_mount_point_is_replaced(tmp_path: Path) -> None:
    wanted = commands(DISK, host(formatted("ext4"), fstab=FSTAB))
    assert written_fstab(tmp_path, FSTAB, wanted) == (
        "# /var/lib/docker is ours\n"
        "UUID=1111 / ext4 defaults 0 1\n"
        "UUID=3333 /srv xfs defaults 0 2\n"
        f"UUID={UUID} /var/lib/docker ext4 defaults,nofail 0 2\n"
    )


def test_a_line_that_is_commented_out_does_not_count(tmp_path: Path) -> None:
    fstab = f"# UUID={UUID} /var/lib/docker ext4 defaults,nofail 0 2"
    wanted = commands(DISK, host(formatted("ext4"), fstab=fstab, mounted="/dev/vdb ext4"))
    assert written_fstab(tmp_path, fstab, wanted).splitlines() == [
        fstab,
        f"UUID={UUID} /var/lib/docker ext4 defaults,nofail 0 2",
    ]


def test_quotas_are_written_down_if_the_kernel_has_taken_them(tmp_path: Path) -> None:
    xfs = DataDisk(20, "xfs")
    wanted = commands(xfs, host(formatted("xfs"), mounted="/dev/vdb xfs"))
    line = f"UUID={UUID} /var/lib/docker xfs defaults,nofail"
    assert written_fstab(tmp_path, "", wanted).strip() == f"{line} 0 2"
    with_quota = written_fstab(tmp_path, "", wanted, quota=",usrquota,prjquota")
    assert with_quota.strip() == f"{line},uquota,pquota 0 2"


def written_fstab(tmp_path: Path, fstab: str, wanted: list[str], quota: str = "") -> str:
    """Run the commands that write /etc/fstab, on a file of our own."""
    (tmp_path / "fstab").write_text(f"{fstab}\n")
    stand_ins = f"blkid() {{ echo {UUID}; }}\nmount() {{ :; }}\nmkdir() {{ :; }}"
    script = "\n".join(("set -e", stand_ins, *wanted))
    script = script.replace("/etc/", f"{tmp_path}/").replace("/proc/self/", f"{tmp_path}/")
    (tmp_path / "mounts").write_text(f"/dev/vdb /var/lib/docker ext4 rw{quota} 0 0\n")
    subprocess.run(["sh", "-c", script], check=True)
    return (tmp_path / "fstab").read_text()
