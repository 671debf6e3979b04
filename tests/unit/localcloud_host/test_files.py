"""The cloud's own files: who can read them, what belongs to it, which process is its daemon."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from ecsmachine.localcloud.catalog.images import SUITES, USUAL, images_of, release_of
from ecsmachine.localcloud.host import cleanup
from ecsmachine.localcloud.host.background import held
from ecsmachine.localcloud.host.cleanup import is_foreign, remove_files
from ecsmachine.localcloud.host.paths import CloudPaths, cloud_id
from ecsmachine.localcloud.host.processes import identify, is_alive
from ecsmachine.localcloud.host.settings import CloudSettings, Running, read_settings
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.service.daemon import find, reset, up
from ecsmachine.localcloud.state import records
from ecsmachine.system import os_errors


def running_as(pid: int) -> Running:
    me = identify(pid)
    assert me is not None
    return Running(
        pid=me.pid,
        started=me.started,
        endpoint="http://127.0.0.1:9",
        guests="none",
        region="cn-hangzhou",
        vpc_id="vpc-1",
        vswitch_id="vsw-1",
        access_key_id="LTAI",
        access_key_secret="very-secret",
        install_url=None,
    )


def test_settings_come_back_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    assert read_settings(file) is None
    settings = CloudSettings("none", 4000, "198.18.7.0/24", ("debian_12", "debian_13"))
    records.write(file, settings)
    assert read_settings(file) == settings
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_settings_of_an_earlier_version_have_the_usual_release(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text('{"guests": "nspawn", "port": 1, "public": "198.18.7.0/24"}')
    settings = read_settings(file)
    assert settings is not None
    assert settings.releases == (USUAL,)


def test_images_without_guests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalCloudError, match="--image has no use with --guests none"):
        up(tmp_path / "cloud", guests="none", releases=["debian_13"])
    assert not (tmp_path / "cloud").exists()


def test_a_running_cloud_gets_no_more_images(tmp_path: Path) -> None:
    paths = CloudPaths.of(tmp_path)
    records.write(paths.settings_file, CloudSettings("nspawn", 1, "198.18.7.0/24", ("debian_12",)))
    records.write(paths.daemon_file, running_as(os.getpid()))
    assert up(tmp_path, releases=["debian_12"]).already
    with pytest.raises(LocalCloudError, match=r"is already up at .* without debian_13") as caught:
        up(tmp_path, releases=["debian_12", "debian_13"])
    assert "local down" in (caught.value.hint or "")
    with pytest.raises(LocalCloudError, match="not on port 5"):
        up(tmp_path, port=5)


def test_every_release_has_an_image_that_tells_it() -> None:
    assert {release_of(image.id) for image in images_of(SUITES)} == set(SUITES)
    assert {image.release for image in images_of({USUAL})} == {USUAL}
    assert release_of("ubuntu_24_04_x64_20G_alibase_20241216.vhd") is None
    assert release_of("m-private") is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"port": 1}', '{"no": "such"}'])
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "settings.json"
    file.write_text(text)
    with pytest.raises(LocalCloudError, match=r"settings\.json cannot be read") as caught:
        read_settings(file)
    assert "reset" in (caught.value.hint or "")


def test_the_secret_is_in_no_repr() -> None:
    assert "very-secret" not in repr(running_as(os.getpid()))


def test_a_reused_process_id_is_not_the_daemon(tmp_path: Path) -> None:
    paths = CloudPaths.of(tmp_path)
    me = running_as(os.getpid())
    records.write(paths.daemon_file, me)
    assert find(tmp_path) == me
    records.write(paths.daemon_file, replace(me, started=f"{me.started}0"))
    assert find(tmp_path) is None
    # Above all it is not killed in the daemon's place.
    (tmp_path / "daemon.log").touch()
    reset(tmp_path)
    assert not tmp_path.exists()


def test_a_process_is_gone_once_it_has_ended_even_if_nobody_waited_for_it() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = identify(child.pid)
    assert process is not None
    assert is_alive(process)
    assert child.stdin is not None
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(process)
    child.wait()


def test_clouds_are_told_by_their_folder(tmp_path: Path) -> None:
    assert cloud_id(tmp_path / "a") != cloud_id(tmp_path / "b")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert cloud_id(tmp_path / "link") == cloud_id(tmp_path / "a")
    assert len(CloudPaths.of(tmp_path).link) <= 15


def test_a_folder_with_other_things_is_neither_used_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "instances").mkdir()
    assert is_foreign(CloudPaths(tmp_path))
    with pytest.raises(LocalCloudError, match="is not a local cloud"):
        up(tmp_path, guests="none")
    assert not reset(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["instances", "thesis.txt"]


def test_what_is_mounted_below_a_folder_is_another_clouds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched: list[Path] = []
    for name in ("unmount_root_disks", "unmount_below", "detach_loops_below"):
        monkeypatch.setattr(cleanup, name, touched.append)
    for name in ("remove_link", "guest_groups"):
        monkeypatch.setattr(cleanup, name, lambda _: MagicMock())
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    own, other = CloudPaths.of(tmp_path), CloudPaths.of(tmp_path / "other")
    reset(tmp_path)
    assert {own.instances, own.namespaces, own.disks} <= {*touched}
    for place in (own.root, other.namespaces, other.instances, other.disks):
        assert not [folder for folder in touched if place.is_relative_to(folder)]


@pytest.mark.skipif(os.name == "nt", reason="its names are text")
def test_a_folder_whose_name_is_not_utf_8_has_no_cloud(tmp_path: Path) -> None:
    assert not reset(tmp_path / os.fsdecode(b"caf\xe9"))


def test_what_somebody_put_next_to_a_cloud_stays(tmp_path: Path) -> None:
    paths = CloudPaths.of(tmp_path)
    records.write(paths.settings_file, CloudSettings("none", 1, "198.18.7.0/24"))
    (tmp_path / "notes.txt").touch()
    assert not is_foreign(CloudPaths(tmp_path))
    remove_files(paths)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("name", ["a,b", "a:b", "a\\b", "a\nb", "a'b"])
def test_a_folder_whose_name_would_mean_something_to_mount_is_refused(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(LocalCloudError, match="characters that a local cloud cannot use"):
        up(tmp_path / name, guests="none")
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_asked: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="locks available") as raised, held(tmp_path):
        pass
    assert raised.value.filename == str(tmp_path)
    assert os_errors.sentence(raised.value) == "Use a file system that has locks."
