from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ecsmachine.localcloud.host.guests.base import GuestError, GuestSpec
from ecsmachine.localcloud.host.guests.root_disk import (
    RootDisk,
    rename,
    set_hash,
    tell_of_cloud,
    use_repository,
)
from ecsmachine.provision.engine import MIRRORS_PATH
from ecsmachine.provision.repository import KEYS_PATH

SHADOW = "root:*:19000:0:99999:7:::\nsshd:!:19000::::::\n"


def test_only_the_users_own_hash_changes() -> None:
    assert set_hash(SHADOW, "root", "$6$x$y") == (
        "root:$6$x$y:19000:0:99999:7:::\nsshd:!:19000::::::\n"
    )


def test_files_go_above_the_image_and_never_into_it(tmp_path: Path) -> None:
    base = tmp_path / "base"
    (base / "etc/ssh").mkdir(parents=True)
    (base / "etc/ssh").chmod(0o750)
    (base / "etc/hostname").write_text("image\n")
    disk = RootDisk(base, tmp_path / "disk")
    disk.create()

    assert disk.read("etc/hostname") == "image\n"
    disk.write("etc/hostname", "dev1\n")
    disk.write("etc/ssh/key", b"secret", 0o600)

    assert disk.read("etc/hostname") == "dev1\n"
    assert (base / "etc/hostname").read_text() == "image\n"
    # A folder above hides the rights of the one below: they have to be the same.
    assert stat.S_IMODE((disk.upper / "etc/ssh").stat().st_mode) == 0o750
    assert stat.S_IMODE((disk.upper / "etc/ssh/key").stat().st_mode) == 0o600
    assert list((disk.upper / "etc").glob(".*")) == []


def test_what_lies_in_a_layer_is_seen_and_never_written_to(tmp_path: Path) -> None:
    base, layers = tmp_path / "base", tmp_path / "of-a-snapshot"
    (base / "etc").mkdir(parents=True)
    (base / "etc/hosts").write_text("image\n")
    (base / "etc/issue").write_text("image\n")
    for name in ("9", "10"):
        (layers / name / "etc/ssh").mkdir(parents=True)
        (layers / name / "etc/hosts").write_text(f"layer {name}\n")
    (layers / "10/etc/ssh").chmod(0o710)
    disk = RootDisk(base, tmp_path / "disk")
    disk.create()
    (disk.folder / "layers").symlink_to(layers)
    assert (disk.read("etc/hosts"), disk.read("etc/issue")) == ("layer 10\n", "image\n")
    disk.write("etc/hosts", "mine\n")
    disk.write("etc/ssh/key", "mine\n")
    assert disk.read("etc/hosts") == "mine\n"
    assert stat.S_IMODE((disk.upper / "etc/ssh").stat().st_mode) == 0o710
    assert (layers / "10/etc/hosts").read_text() == "layer 10\n"
    disk.empty()
    (layers / "9/root").symlink_to("/")
    with pytest.raises(GuestError, match="/root is a link"):
        disk.write("root/.ssh/authorized_keys", "")


def test_apt_has_one_source_and_the_image_keeps_its_own(tmp_path: Path) -> None:
    base = tmp_path / "base"
    (base / "etc/apt").mkdir(parents=True)
    (base / "etc/apt/sources.list").write_text("deb http://deb.debian.org/debian bookworm main\n")
    (base / "etc/hosts").write_text("127.0.0.1 localhost\n198.18.9.1 mirrors.cloud.aliyuncs.com\n")
    disk = RootDisk(base, tmp_path / "disk")
    disk.create()
    use_repository(disk, "198.18.7.1", "bookworm")
    assert disk.read("etc/hosts") == (
        "127.0.0.1 localhost\n198.18.7.1 mirrors.cloud.aliyuncs.com\n"
    )
    assert disk.read("etc/apt/sources.list") == (
        "deb [trusted=yes] http://198.18.7.1 bookworm main\n"
    )
    assert "DIRECT" in disk.read("etc/apt/apt.conf.d/99ecs-mirror")
    assert "deb.debian.org" in (base / "etc/apt/sources.list").read_text()


def test_a_host_is_told_of_its_cloud(tmp_path: Path) -> None:
    disk = RootDisk(tmp_path, tmp_path / "disk")
    disk.create()
    tell_of_cloud(disk, key="A" * 40, registry="http://198.18.7.1:5000")
    told = {MIRRORS_PATH: "http://198.18.7.1:5000\n", KEYS_PATH: "A" * 40 + "\n"}
    assert {name: disk.read(name.removeprefix("/")) for name in told} == told


@pytest.fixture
def disk(tmp_path: Path) -> RootDisk:
    """A disk whose image has a folder etc."""
    (tmp_path / "base/etc").mkdir(parents=True)
    disk = RootDisk(tmp_path / "base", tmp_path / "disk")
    disk.create()
    return disk


def test_another_name_and_address(disk: RootDisk) -> None:
    disk.write("etc/hosts", "127.0.0.1 localhost\n10.0.0.5 old\n10.0.0.9 neighbour\n")
    spec = GuestSpec("i-1", "new", "10.0.0.6", 1, 512)
    for _ in range(2):
        rename(disk, spec, old_address="10.0.0.5")
        assert disk.read("etc/hostname") == "new\n"
        assert disk.read("etc/hosts") == ("127.0.0.1 localhost\n10.0.0.9 neighbour\n10.0.0.6 new\n")


def test_links_of_the_guest_lead_nowhere_on_the_host(disk: RootDisk, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the host\n")
    (disk.upper / "etc").mkdir()
    for name in ("hosts", ".hosts.new"):
        (disk.upper / "etc" / name).symlink_to(secret)
    assert disk.read("etc/hosts") == ""
    disk.write("etc/hosts", "of the guest\n")
    assert disk.read("etc/hosts") == "of the guest\n"
    (disk.upper / "root").symlink_to(tmp_path)
    with pytest.raises(GuestError, match="/root is a link in the guest"):
        disk.read("root/secret")
    with pytest.raises(GuestError, match="/root is a link in the guest"):
        disk.write("root/secret", "of the guest\n")
    assert secret.read_text() == "of the host\n"
