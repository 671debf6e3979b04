from __future__ import annotations

from pathlib import Path

import pytest

from ecsmachine.localcloud.host import limits
from ecsmachine.localcloud.host.limits import LEAST, put_back, raise_limits

STOCK = {
    "fs.inotify.max_user_instances": 128,
    "fs.inotify.max_user_watches": 8192,
    "kernel.keys.maxkeys": 200,
    "kernel.keys.maxbytes": 20000,
    "kernel.pid_max": 4194304,
    "net.ipv4.neigh.default.gc_thresh1": 128,
    "net.ipv4.neigh.default.gc_thresh2": 512,
    "net.ipv4.neigh.default.gc_thresh3": 1024,
}
"""What a Debian 12 has, without connection tracking."""


class Host:
    """A kernel's settings in a folder, and a book."""

    def __init__(self, folder: Path):
        self.settings = folder / "sys"
        self.book = folder / "run/limits.json"
        self.folder = folder
        for name, value in STOCK.items():
            self.set(name, value)

    def set(self, name: str, value: int) -> None:
        file = self.settings / name.replace(".", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n")

    def values(self) -> dict[str, int | None]:
        return {name: limits.read(name, self.settings) for name in STOCK}

    def cloud(self, name: str) -> Path:
        (self.folder / name).mkdir(exist_ok=True)
        return self.folder / name

    def up(self, cloud: Path) -> limits.Outcome:
        return raise_limits(cloud, settings=self.settings, book=self.book)

    def reset(self, cloud: Path) -> None:
        cloud.rmdir()
        put_back(cloud, settings=self.settings, book=self.book)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_what_is_too_low_is_raised_and_put_back_to_what_it_was(host: Host) -> None:
    cloud = host.cloud("one")
    raised = host.up(cloud).raised
    assert {change.name for change in raised} == set(STOCK) - {"kernel.pid_max"}
    assert "fs.inotify.max_user_instances from 128 to 8192" in map(str, raised)
    assert all(value is not None and value >= LEAST[n] for n, value in host.values().items())
    assert host.up(cloud).raised == ()
    host.reset(cloud)
    assert host.values() == STOCK
    assert not host.book.exists()


def test_the_last_cloud_of_the_host_puts_them_back(host: Host) -> None:
    one, two = host.cloud("one"), host.cloud("two")
    host.up(one)
    host.up(two)
    host.reset(one)
    assert host.values()["fs.inotify.max_user_instances"] == 8192
    host.reset(two)
    assert host.values() == STOCK


def test_a_cloud_whose_folder_was_removed_by_hand_does_not_count(host: Host) -> None:
    gone = host.cloud("gone")
    host.up(gone)
    gone.rmdir()
    host.reset(host.cloud("another"))
    assert host.values() == STOCK


def test_what_somebody_has_set_otherwise_meanwhile_stays(host: Host) -> None:
    cloud = host.cloud("one")
    host.up(cloud)
    host.set("fs.inotify.max_user_instances", 20000)
    host.reset(cloud)
    assert host.values() == STOCK | {"fs.inotify.max_user_instances": 20000}


def test_what_was_set_back_is_raised_again_by_the_next_up(host: Host) -> None:
    cloud = host.cloud("one")
    host.up(cloud)
    host.set("fs.inotify.max_user_instances", 300)
    assert [str(c) for c in host.up(cloud).raised] == [
        "fs.inotify.max_user_instances from 300 to 8192"
    ]
    host.reset(cloud)
    assert host.values()["fs.inotify.max_user_instances"] == 300


def test_what_cannot_be_raised_is_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, value: int, settings: Path) -> None:
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr(limits, "_write", refuse)
    cloud = host.cloud("one")
    outcome = host.up(cloud)
    assert outcome.raised == ()
    assert "fs.inotify.max_user_instances from 128 to 8192" in map(str, outcome.refused)
    assert host.values() == STOCK
    host.reset(cloud)
    assert host.values() == STOCK


def test_a_damaged_book_holds_up_nobody(host: Host) -> None:
    cloud = host.cloud("one")
    host.book.parent.mkdir()
    host.book.write_text("{")
    assert host.up(cloud).raised
    host.reset(cloud)
    assert host.values() == STOCK
