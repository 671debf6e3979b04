"""``rm -f`` always works: what it cannot read is set aside, and named."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from ecsmachine.documents import text
from ecsmachine.machine import names
from ecsmachine.machine.store import Store
from ecsmachine.system.files import open_file
from tests.unit.cli.conftest import Program
from tests.unit.stand_ins import add_machine


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def a_list(path: Path) -> None:
    path.write_bytes(b"[]")


def nested(path: Path) -> None:
    path.write_bytes(b"[" * 200_000)


def binary(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "within").touch()


def a_dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/nonexistent/file")


def a_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


DAMAGE = [emptied, a_list, nested, binary, a_folder, a_dangling_link, a_loop]


def listed(store: Store, name: str) -> Path:
    """Add a machine with something in the cloud, and return its folder."""
    add_machine(store, name)
    journal = store.journal(name)
    journal.made(journal.intend("instance", region="cn-hangzhou"), "i-1")
    journal.finish()
    return store.directory(name)


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("file", ["journal.json", "config.json"])
def test_a_machine_of_which_a_file_cannot_be_read(
    store: Store, program: Program, file: str, damage: Callable[[Path], None]
) -> None:
    add_machine(store, "other")
    path = listed(store, "dev1") / file
    damage(path)
    content = path.read_bytes() if path.is_file() else None
    refused = program("rm", "-y", "dev1")
    assert refused.code == 1
    assert "rm -f dev1" in refused.err
    done = program("rm", "-f", "-y", "dev1")
    assert done.code == 0
    assert done.lines[2:] == ["Successfully removed dev1"]
    # whoever does not look at the progress is told of what may cost money
    assert all(line.startswith("Warning: ") for line in done.err.splitlines())
    (kept,) = store.abandoned_path.glob(f"dev1-{file}-*")
    assert str(kept) in done.err
    if content is not None:
        assert kept.read_bytes() == content
    listing = [each for each in store.abandoned_path.iterdir() if each != kept]
    if file == "config.json":
        (journal,) = listing
        assert json.loads(journal.read_text())["Resources"][0]["id"] == "i-1"
        assert str(journal) in done.err
    else:
        assert listing == []
    assert program("ls", "-q").lines == ["other"]
    assert program("sweep", "--help").code == 0


@pytest.mark.parametrize("file", ["config.json", "journal.json", ".store-id"])
def test_what_the_system_refuses_to_read_is_not_taken_for_damaged(
    store: Store, program: Program, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(store, "dev1")

    def refuse_all(path: Any) -> NoReturn:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    def refuse(path: Any, *arguments: Any, **options: Any) -> int:
        if str(path).endswith(file):
            refuse_all(path)
        return open_file(path, *arguments, **options)

    monkeypatch.setattr(text, "open_file", refuse)
    refused = program("rm", "-y", "dev1")
    assert refused.code == 1
    assert "Permission denied. Correct the permissions of " in refused.err
    assert not any(word in refused.err.lower() for word in ("damaged", "restore", "rm -f"))
    monkeypatch.setattr(names, "entries", refuse_all)
    listing = program("ls", "-q").err
    assert "Permission denied. Correct the permissions of " in listing
    assert "or choose another folder with --storage-path" in listing


@pytest.mark.parametrize("damage", [emptied, a_dangling_link, a_loop])
def test_something_else_in_the_place_of_a_machine(
    store: Store, program: Program, damage: Callable[[Path], None]
) -> None:
    add_machine(store, "other")
    place = store.directory("dev1")
    place.touch()
    damage(place)
    assert program("ls", "-q").lines == ["other"]
    url = ("-d", "none", "--url", "tcp://127.0.0.1:1")
    refused = program("create", *url, "dev1")
    assert (refused.code, len(refused.err.splitlines())) == (1, 1)
    assert str(place) in refused.err
    assert program("rm", "-y", "dev1").code == 1
    done = program("rm", "-f", "dev1")
    assert (done.code, done.lines[2:]) == (0, ["Successfully removed dev1"])
    assert all(line.startswith("Warning: ") for line in done.err.splitlines())
    (kept,) = store.abandoned_path.iterdir()
    assert str(kept) in done.err
    assert program("create", *url, "dev1").code == 0


def test_of_a_folder_that_is_a_link_the_link_alone_is_removed(
    store: Store, program: Program, tmp_path: Path
) -> None:
    assert program("create", "-d", "none", "--url", "tcp://127.0.0.1:1", "dev1").code == 0
    elsewhere = tmp_path / "elsewhere"
    store.directory("dev1").rename(elsewhere)
    store.directory("dev1").symlink_to(elsewhere)
    assert program("ls", "-q").lines == ["dev1"]
    done = program("rm", "-y", "dev1")
    assert done.code == 0
    assert f"{elsewhere} stays" in done.out
    assert (elsewhere / "config.json").is_file()
    assert list(store.machines_path.iterdir()) == []


# root may read and write everything, unless that is taken from it
OWNER_ALONE = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@pytest.mark.parametrize("mode", [0o500, 0])
def test_what_is_read_only_is_removed_by_its_owner(
    store: Store, program: Program, mode: int
) -> None:
    assert program("create", "-d", "none", "--url", "tcp://127.0.0.1:1", "dev1").code == 0
    folder = store.directory("dev1")
    (folder / "deep" / "deeper").mkdir(parents=True)
    (folder / "deep" / "deeper" / "file").touch(0o400)
    for each in (folder / "deep" / "deeper", folder / "deep", folder):
        each.chmod(mode)
    done = subprocess.run(
        [
            *(OWNER_ALONE if os.geteuid() == 0 else ()),
            *(sys.executable, "-m", "ecsmachine", "-s", store.path, "rm", "-f", "dev1"),
        ],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(store.machines_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ("rm", "-f", "dev1"),
        ("rm", "-y", "--if-exists", "dev1", "dev2"),
        ("create", "-d", "none", "--url", "tcp://127.0.0.1:1", "dev1", "dev2"),
    ],
    ids=" ".join,
)
def test_machines_that_cannot_be_looked_at_are_there(store: Store, words: tuple[str, ...]) -> None:
    store.machines_path.mkdir(parents=True, mode=0)
    done = subprocess.run(
        [
            *(OWNER_ALONE if os.geteuid() == 0 else ()),
            *(sys.executable, "-m", "ecsmachine", "-s", str(store.path), *words),
        ],
        capture_output=True,
        text=True,
    )
    store.machines_path.chmod(0o700)
    assert done.returncode == 1
    assert f"Permission denied. Correct the permissions of {store.machines_path}" in done.stderr
    assert "does not exist" not in done.stderr
    for name in words[3:] if "dev2" in words else ():
        if name.startswith("dev"):
            assert f"{name}: {store.directory(name)}: Permission denied" in done.stderr
    assert "Errno" not in done.stdout + done.stderr


def test_nothing_to_remove_is_no_error_with_force(store: Store, program: Program) -> None:
    add_machine(store, "dev1")
    for words in (["nosuch"], ["nope-*"], ["nope-*", "nosuch"], ["x" * 300], [""], [".."]):
        left = program("rm", "-f", *words)
        assert (left.code, left.out) == (0, ""), words
        assert len(left.err.splitlines()) == len(words)
        assert program("rm", "-y", *words).code == 1
    assert store.names() == ["dev1"]


def test_a_folder_in_which_nothing_was_begun(store: Store, program: Program) -> None:
    url = ("-d", "none", "--url", "tcp://127.0.0.1:1")
    store.machines_path.mkdir(parents=True)
    for command in (["create", *url], ["create", "--resume", *url], ["rm", "-y"], ["rm", "-f"]):
        folder = store.directory("dev1")
        folder.mkdir()
        (folder / ".journal.json.01234567").touch()
        assert program("ls", "-q").out == ""
        done = program(*command, "dev1")
        assert done.code == 0, done.err
        assert store.names() == (["dev1"] if command[0] == "create" else [])
        if command[0] == "create":
            assert program("rm", "-f", "dev1").code == 0


@pytest.mark.parametrize("place", [".locks", ".locks/dev1", ".abandoned"])
@pytest.mark.parametrize("damage", [emptied, a_folder, a_dangling_link, a_loop])
def test_something_else_in_the_place_of_a_part_of_the_store(
    store: Store, program: Program, place: str, damage: Callable[[Path], None]
) -> None:
    folder = listed(store, "dev1")
    emptied(folder / "config.json")
    path = store.path / place
    path.parent.mkdir(exist_ok=True)
    path.touch()
    damage(path)
    done = program("rm", "-f", "-y", "dev1")
    assert done.code == 0, done.err
    assert store.names() == []
    assert list(store.abandoned_path.glob("dev1-config.json-*"))


def test_a_lock_that_is_a_link_is_not_written_through(store: Store, program: Program) -> None:
    add_machine(store, "dev1")
    victim = store.path.with_name("victim")
    victim.write_text("precious")
    (store.path / ".locks").mkdir()
    (store.path / ".locks" / "dev1").symlink_to(victim)
    done = program("rm", "-f", "dev1")
    assert done.code == 0
    assert "was moved aside" in done.err
    assert victim.read_text() == "precious"


def test_on_a_disk_without_room_for_a_lock_or_a_folder(
    store: Store, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = listed(store, "dev1")
    (folder / "id_rsa").touch()
    emptied(folder / "journal.json")
    make, opened = Path.mkdir, os.open

    def make_if_there_is_room(path: Path, *arguments: Any, **options: Any) -> None:
        if (folder / "id_rsa").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        make(path, *arguments, **options)

    def open_if_there(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & os.O_CREAT and Path(path).parent.name == ".locks":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(path, flags, *arguments, **options)

    (store.path / ".locks").mkdir()
    monkeypatch.setattr(Path, "mkdir", make_if_there_is_room)
    monkeypatch.setattr(os, "open", open_if_there)
    done = program("rm", "-f", "dev1")
    assert done.code == 0, done.err
    assert "not locked" in done.err
    assert store.names() == []
    assert list(store.abandoned_path.glob("dev1-journal.json-*"))
