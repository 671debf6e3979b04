"""The files of snapshots."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecsmachine.localcloud.host.guests.base import GuestDisk, GuestError
from ecsmachine.localcloud.host.guests.data_disks import DataDisks
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
    above, other = tmp_path / "store", tmp_path / "guest"
    (above / "upper" / "etc").mkdir(parents=True)
    (above / "upper" / "etc" / "file").write_text("kept")
    (above / "upper" / "link").symlink_to("etc/file")
    other.mkdir()
    parts = [(above, "upper"), (other, "docker")]
    snapshots.save_parts("s-1", parts)
    (above / "upper" / "etc" / "file").write_text("changed")
    (above / "upper" / "more").write_text("later")
    (other / "docker").mkdir()
    snapshots.load_parts("s-1", parts)
    assert (above / "upper" / "link").read_text() == "kept"
    assert not (above / "upper" / "more").exists()
    assert not (other / "docker").exists()
    assert [path.name for path in (tmp_path / "snapshots").iterdir()] == ["s-1"]
