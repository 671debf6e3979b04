"""The files of snapshots."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ecsmachine.localcloud.host.guests.base import GuestDisk, GuestError
from ecsmachine.localcloud.host.guests.data_disks import DataDisks
from ecsmachine.localcloud.host.guests.layers import Layers
from ecsmachine.localcloud.host.guests.root_disk import RootDisk
from ecsmachine.localcloud.host.guests.snapshots import Snapshots


@pytest.fixture
def snapshots(tmp_path: Path) -> Snapshots:
    return Snapshots(tmp_path / "snapshots")


def test_a_data_disk_is_copied_and_grows(tmp_path: Path, snapshots: Snapshots) -> None:
    disks = DataDisks(tmp_path / "disks", snapshots)
    disks.create(GuestDisk("d-1", "", 1))
    file = tmp_path / "disks" / "d-1.raw"
    with file.open("r+b") as stream:
        stream.write(b"kept")
    disks.snapshot("s-1", "d-1")
    with file.open("r+b") as stream:
        stream.write(b"lost")
    disks.create(GuestDisk("d-2", "", 2, "s-1"))
    copy = tmp_path / "disks" / "d-2.raw"
    with copy.open("rb") as stream:
        assert stream.read(4) == b"kept"
    assert copy.stat().st_size == 2 * 2**30
    # Holes are no room.
    assert (tmp_path / "snapshots" / "s-1").stat().st_blocks * 512 < 2**20
    assert sorted(path.name for path in copy.parent.iterdir()) == ["d-1.raw", "d-2.raw"]


def test_a_disk_that_is_there_keeps_its_data(tmp_path: Path, snapshots: Snapshots) -> None:
    disks = DataDisks(tmp_path / "disks", snapshots)
    disks.create(GuestDisk("d-1", "", 1))
    disks.snapshot("s-1", "d-1")
    file = tmp_path / "disks" / "d-1.raw"
    with file.open("r+b") as stream:
        stream.write(b"mine")
    disks.create(GuestDisk("d-1", "", 1, "s-1"))
    with file.open("rb") as stream:
        assert stream.read(4) == b"mine"


def test_what_is_gone_is_said(tmp_path: Path, snapshots: Snapshots) -> None:
    disks = DataDisks(tmp_path / "disks", snapshots)
    with pytest.raises(GuestError, match=r"disk d-1 is gone"):
        disks.snapshot("s-1", "d-1")
    with pytest.raises(GuestError, match=r"snapshot s-1 is gone"):
        disks.create(GuestDisk("d-1", "", 1, "s-1"))
    assert not (tmp_path / "disks" / "d-1.raw").exists()
    snapshots.delete("s-1")


def test_folders_are_put_back_as_they_were(tmp_path: Path, snapshots: Snapshots) -> None:
    (tmp_path / "docker" / "etc").mkdir(parents=True)
    (tmp_path / "docker" / "etc" / "file").write_text("kept")
    (tmp_path / "docker" / "link").symlink_to("etc/file")
    snapshots.save_parts("s-1", [(tmp_path, "docker"), (tmp_path, "containerd")])
    (tmp_path / "docker" / "etc" / "file").write_text("changed")
    (tmp_path / "docker" / "more").write_text("later")
    (tmp_path / "containerd").mkdir()
    snapshots.load_parts("s-1", tmp_path, ["docker", "containerd"])
    assert (tmp_path / "docker" / "link").read_text() == "kept"
    assert not (tmp_path / "docker" / "more").exists()
    assert not (tmp_path / "containerd").exists()
    assert [path.name for path in (tmp_path / "snapshots").iterdir()] == ["s-1"]


def test_layers_are_there_as_long_as_a_guest_or_their_snapshot(
    tmp_path: Path, snapshots: Snapshots
) -> None:
    layers = Layers(snapshots, tmp_path / "snapshots", tmp_path / "instances")
    first, second, third = (RootDisk(tmp_path, tmp_path / "instances" / n) for n in "123")
    for disk in (first, second, third):
        disk.create()
    (first.upper / "etc").mkdir()
    first.write("etc/shadow", "kept", 0o600)
    snapshots.save_parts("s-1", first.parts)
    cut_off = tmp_path / "snapshots" / ".s-1.layers" / "upper"
    cut_off.mkdir(parents=True)
    (cut_off / "half").touch()
    layers.give("s-1", second.folder)
    assert second.read("etc/shadow") == "kept"
    assert not (second.layers[0] / "half").exists()
    second.write("etc/hosts", "mine")
    # a snapshot of it holds the layers below as well, and nothing else of the first snapshot
    snapshots.save_parts("s-2", second.parts)
    snapshots.delete("s-1")
    layers.sweep()
    assert second.read("etc/shadow") == "kept"
    shutil.rmtree(second.folder)
    layers.sweep()
    layers.give("s-2", third.folder)
    assert [layer.name for layer in third.layers] == ["2", "1"]
    assert (third.read("etc/hosts"), third.read("etc/shadow")) == ("mine", "kept")
    assert sorted(path.name for path in (tmp_path / "snapshots").iterdir()) == [
        "s-2",
        "s-2.layers",
    ]
