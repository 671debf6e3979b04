"""A disk that was made larger: on hosts with partitions, which guests have not, and on a guest."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ecsmachine.provision.grow import grow_script

pytestmark = pytest.mark.guest

MIB = 2**20
AT = "/mnt"


@dataclass
class Disk:
    """A disk of a host that has a base image's programs: a file behind a loop device."""

    base: Path
    file: Path
    device: str

    def resize(self, size: int) -> None:
        """Let it be larger, as a disk that grows online is."""
        with self.file.open("r+b") as stream:
            stream.truncate(size)
        subprocess.run(["losetup", "--set-capacity", self.device], check=True)

    def run(self, script: str, *, mounted: str = "", status: int = 0) -> str:
        """Run a script as root on that host, with a device ``mounted`` at /mnt if one is named."""
        binds = [
            *(f"mount --rbind /{name} {self.base}/{name}" for name in ("dev", "sys")),
            f"mount -t proc proc {self.base}/proc",
            f"mount -t tmpfs tmpfs {self.base}/tmp",
            *([f"mount {mounted} {self.base}{AT}"] if mounted else []),
            f"chroot {self.base} sh -c {shlex.quote(script)}",
        ]
        inside = "set -e\n" + "\n".join(binds)
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", inside], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == status, (done.stdout, done.stderr)
        return done.stdout


@pytest.fixture
def disk(base_image: Path, tmp_path: Path) -> Iterator[Disk]:
    file = tmp_path / "disk.raw"
    with file.open("wb") as stream:
        stream.truncate(400 * MIB)
    found = subprocess.run(
        ["losetup", "--find", "--show", str(file)], check=True, capture_output=True, text=True
    )
    device = found.stdout.strip()
    try:
        yield Disk(base_image, file, device)
    finally:
        subprocess.run(["partx", "-d", device], check=False, capture_output=True)
        subprocess.run(["losetup", "-d", device], check=True)


def size_of(disk: Disk, device: str) -> int:
    """Return how large the file system is that a device holds, in MiB."""
    return int(disk.run(f"df -B 1M --output=size {AT} | tail -n 1", mounted=device))


@pytest.mark.parametrize("label", ["gpt", "dos"])
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_the_last_partition_and_its_file_system_fill_the_disk(
    disk: Disk, label: str, kind: str
) -> None:
    part = f"{disk.device}p2"
    layout = "2MiB,10MiB\\n12MiB,\\n"
    disk.run(f"printf '{layout}' | sfdisk -q -X {label} {disk.device} && partx -a {disk.device}")
    disk.run(f"mkfs.{kind} -q {part} && sync")
    before = size_of(disk, part)
    assert 250 < before < 400
    disk.resize(800 * MIB)
    script = grow_script(AT, 800 * MIB)
    for _ in range(2):  # given again it changes nothing
        disk.run(script, mounted=part)
        assert 600 < size_of(disk, part) < 800
    table = disk.run(f"sfdisk --verify {disk.device} 2>&1; sfdisk -l -o End {disk.device} 2>&1")
    assert "No errors detected" in table


def test_a_partition_before_another_is_left_alone(disk: Disk) -> None:
    part = f"{disk.device}p1"
    layout = "2MiB,100MiB\\n102MiB,\\n"
    disk.run(f"printf '{layout}' | sfdisk -q -X gpt {disk.device} && partx -a {disk.device}")
    disk.run(f"mkfs.ext4 -q {part}")
    disk.resize(800 * MIB)
    said = disk.run(grow_script(AT, 800 * MIB), mounted=part, status=3)
    assert "another partition comes after partition 1" in said
    assert 80 < size_of(disk, part) < 100


def test_a_disk_that_the_host_does_not_see_grow_is_told(disk: Disk) -> None:
    disk.run(f"mkfs.ext4 -q {disk.device}")
    script = grow_script(AT, 800 * MIB).replace('[ "$tries" -le 60 ]', '[ "$tries" -le 0 ]')
    assert "does not see that" in disk.run(script, mounted=disk.device, status=3)


def test_a_root_without_a_disk_of_its_own_is_left_alone(disk: Disk) -> None:
    disk.run(grow_script("/tmp", 800 * MIB))
