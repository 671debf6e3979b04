"""Files and locks as the system has them: what holds on Windows too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ecsmachine.machine.files import remove_tree
from ecsmachine.ssh.private_files import KeyFileError, check_private, write_private
from ecsmachine.system import files, locks


def test_what_is_made_is_its_owners_alone(tmp_path: Path) -> None:
    files.make_folder(tmp_path / "private")
    key = tmp_path / "private" / "key"
    write_private(key, b"a\nb\n")
    assert key.read_bytes() == b"a\nb\n"  # as it was given, on Windows too
    assert files.openness(key, key.stat()) is None
    assert files.openness(key.parent, key.parent.stat()) is None
    check_private(key)


def test_nothing_is_made_where_something_is(tmp_path: Path) -> None:
    os.close(files.create(tmp_path / "key", 0o600))
    with pytest.raises(FileExistsError):
        files.create(tmp_path / "key", 0o600)
    files.make_folder(tmp_path / "folder")
    with pytest.raises(FileExistsError):
        files.make_folder(tmp_path / "folder")
    with pytest.raises(FileNotFoundError):
        files.create(tmp_path / "none" / "key", 0o600)


def test_what_cannot_be_looked_at_is_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, none = tmp_path / "file", tmp_path / "none"
    file.write_text("")
    looks = (files.path_exists, files.folder_exists, files.file_exists)
    assert [look(tmp_path) for look in looks] == [True, True, False]
    assert [look(file) for look in looks] == [True, False, True]
    for place in (none, none / "below", file / "below", f"{file}\0"):
        assert [look(place) for look in looks] == [False, False, False]

    def denied(path: Path) -> os.stat_result:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "stat", denied)
    for look in looks:
        with pytest.raises(PermissionError):
            look(file)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "key"
    os.close(files.create(key, 0o644))
    with pytest.raises(KeyFileError, match="too open") as refused:
        check_private(key)
    assert str(key) in (refused.value.hint or "")


def test_a_lock_keeps_others_out_until_the_file_is_closed(tmp_path: Path) -> None:
    first, second, third = (
        files.open_file(tmp_path / "lock", os.O_RDWR | os.O_CREAT) for _ in range(3)
    )
    assert locks.take(first)
    os.write(first, b"12\n")
    assert not locks.take(second)
    assert os.read(second, 10) == b"12\n"  # who has it can be read
    assert locks.is_taken(third)
    os.close(first)
    assert locks.take(second)
    os.close(second)
    os.close(third)


def test_a_file_and_a_folder_are_moved(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    (tmp_path / "new").write_text("new")
    files.move(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_text() == "new"
    files.make_folder(tmp_path / "folder")
    files.move(tmp_path / "folder", tmp_path / "moved")
    assert (tmp_path / "moved").is_dir()


def test_a_tree_is_removed_though_it_is_read_only(tmp_path: Path) -> None:
    below = tmp_path / "tree" / "below"
    below.mkdir(parents=True)
    (below / "file").write_text("x")
    (below / "file").chmod(0o400)
    below.chmod(0o500)
    remove_tree(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_a_link_is_not_followed_unless_that_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("x")
    try:
        (tmp_path / "link").symlink_to(tmp_path / "real")
        (tmp_path / "link").read_text()
    except OSError:
        pytest.skip("no links can be made here, or they lead nowhere, as in Wine")
    os.close(files.open_file(tmp_path / "link", os.O_RDONLY))
    with pytest.raises(OSError, match=r".") as refused:
        files.open_file(tmp_path / "link", os.O_RDONLY, through_links=False)
    assert not isinstance(refused.value, FileNotFoundError)
