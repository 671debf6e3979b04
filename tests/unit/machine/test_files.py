from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.errors import MachineError
from ecsmachine.machine import files
from ecsmachine.ssh.private_files import NotWrittenError
from ecsmachine.system import files as system_files
from ecsmachine.system import locks
from tests.unit.machine.conftest import other_process


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_modes_are_as_asked_for_whatever_the_umask(tmp_path: Path) -> None:
    files.make_private_directory(tmp_path / "a" / "b" / "c")
    assert [mode(tmp_path / part) for part in ("a", "a/b", "a/b/c")] == [0o700] * 3
    path = tmp_path / "a" / "file"
    files.write_atomically(path, b"one")
    assert mode(path) == 0o600
    files.write_atomically(path, b"two", mode=0o644)
    assert (mode(path), path.read_bytes()) == (0o644, b"two")


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    (shared / "kept").touch()
    files.make_private_directory(shared / "private")
    assert mode(shared) == 0o755
    assert mode(shared / "private") == 0o700
    assert (shared / "kept").exists()


def test_a_folder_that_another_command_makes_meanwhile_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each look and each making in turn, another command has made it."""
    step = 0

    def with_another(action: Callable[[Path], Any]) -> Callable[[Path], Any]:
        def done(path: Path) -> Any:
            nonlocal step
            step += 1
            if step == made_at:
                with contextlib.suppress(FileExistsError):
                    folder.mkdir(parents=True)
            return action(path)

        return done

    for made_at in range(1, 20):
        step, folder = 0, tmp_path / str(made_at) / "store" / "certs"
        with monkeypatch.context() as patch:
            patch.setattr(files, "folder_exists", with_another(system_files.folder_exists))
            patch.setattr(files, "path_exists", with_another(system_files.path_exists))
            patch.setattr(system_files, "make_folder", with_another(system_files.make_folder))
            files.make_private_directory(folder)
        assert folder.is_dir(), made_at
        if step < made_at:
            break
    else:
        pytest.fail("more looks than were tried")
    assert made_at > 5


def test_json_is_indented_by_four(tmp_path: Path) -> None:
    files.write_json(tmp_path / "x.json", {"A": [1]})
    assert (tmp_path / "x.json").read_text() == '{\n    "A": [\n        1\n    ]\n}\n'


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    with pytest.raises(MachineError, match="cannot be written"):
        files.write_atomically(target, b"content")
    with pytest.raises(MachineError, match="cannot be written"):
        files.write_atomically(tmp_path / "missing" / "file", b"content")
    (tmp_path / "file").touch()
    with pytest.raises(MachineError, match="cannot be written"):
        files.make_private_directory(tmp_path / "file" / "below")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


WRITER = """
import sys
from pathlib import Path
from ecsmachine.machine import files
from ecsmachine.ssh.private_files import NotWrittenError
for number in range(1_000_000):
    files.write_json(Path(sys.argv[1]), {"number": number, "filler": "x" * 100_000})
    print(number, flush=True)
"""


def test_a_killed_writer_leaves_whole_content(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    for _ in range(5):
        with other_process(WRITER, path) as writer:
            assert writer.stdout
            for _ in range(5):
                said = int(writer.stdout.readline())
        content = json.loads(path.read_text())
        assert content["number"] >= said
        assert len(content["filler"]) == 100_000


HOLDER = """
import sys
from pathlib import Path
from ecsmachine.machine import files
from ecsmachine.ssh.private_files import NotWrittenError
with files.locked(Path(sys.argv[1]), what="It"):
    print("held", flush=True)
    sys.stdin.readline()
print("free", flush=True)
sys.stdin.readline()
"""


def test_a_lock_keeps_another_process_out(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "dev1"
    with other_process(HOLDER, path) as holder:
        assert holder.stdout
        assert holder.stdin
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(MachineError) as caught,
            files.locked(path, what='Machine "dev1"', wait_s=0.05),
        ):
            pytest.fail("two hold the lock")
        assert caught.value.message == (
            f'Machine "dev1" is in use by another process (process {holder.pid})'
        )
        with files.locked(tmp_path / "locks" / "dev2", what="another"):
            pass
        holder.stdin.write("\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "free\n"
        with files.locked(path, what="It", wait_s=0.05):
            pass


def test_who_is_waited_for_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_SILENT_S", 0.0)
    path = tmp_path / "dev1"
    told: list[str] = []
    with other_process(HOLDER, path) as holder:
        assert holder.stdout
        assert holder.stdin
        assert holder.stdout.readline() == "held\n"

        def heard(line: str) -> None:
            told.append(line)
            assert holder.stdin
            holder.stdin.write("\n")
            holder.stdin.flush()

        with files.locked(path, what="It", wait_s=60, warn=heard):
            assert path.read_text() == f"{os.getpid()}\n"
        named = f"It is in use by another process (process {holder.pid})"
        assert told == [f"{named}: waiting for up to 60 s"]


def test_a_thread_of_the_same_command_is_waited_for_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_SILENT_S", 0.0)
    path = tmp_path / "dev1"
    told: list[str] = []
    with (
        files.locked(path, what="It"),
        pytest.raises(MachineError),
        files.locked(path, what="It", wait_s=0.1, warn=told.append),
    ):
        pytest.fail("two hold the lock")
    assert told == []


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "dev1"
    with other_process(HOLDER, path) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
    with files.locked(path, what="It", wait_s=0.0):
        assert path.read_text() == f"{os.getpid()}\n"


def test_a_lock_is_free_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "dev1"
    with pytest.raises(ZeroDivisionError), files.locked(path, what="It"):
        _ = 1 / 0
    with files.locked(path, what="It", wait_s=0.0):
        pass


def test_a_lock_whose_file_its_holder_removed_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "dev1"
    take = locks.take
    removed: list[Path] = []

    def take_late(descriptor: int) -> bool:
        if not removed:
            path.unlink()  # as one does that ends between our opening the file and our locking it
            removed.append(path)
        return take(descriptor)

    monkeypatch.setattr(locks, "take", take_late)
    with files.locked(path, what="It", needed=lambda: False):
        assert removed
        with (
            pytest.raises(MachineError, match="in use by another process"),
            files.locked(path, what="It", wait_s=0.0),
        ):
            pytest.fail("two hold the lock")
    assert not path.exists()


def test_a_lock_is_had_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with files.locked(tmp_path / "lock", what="it"):
        assert files.is_locked(tmp_path / "lock")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_said_once_and_worked_on(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(locks, "take", refuse)
    monkeypatch.setattr(locks, "is_taken", refuse)
    said: list[str] = []
    with files.locked(tmp_path / "lock", what="it", warn=said.append):
        assert not files.is_locked(tmp_path / "lock")
    (line,) = said
    assert f"{tmp_path} has no locks" in line


def test_a_lock_that_cannot_be_had_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(locks, "take", fail)
    with pytest.raises(MachineError) as caught, files.locked(tmp_path / "lock", what="it"):
        pytest.fail("the lock was had")
    assert "Check its disk" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "Make room on its disk."),
        (errno.EDQUOT, "Remove other files of yours there, or raise your quota."),
        (errno.EACCES, "Correct the permissions of {here}."),
        (errno.EPERM, "Correct the permissions of {here}."),
        (errno.EROFS, "Mount its file system writable."),
        (errno.EISDIR, "Move away the file in its place."),
        (errno.ELOOP, "Move away the file in its place."),
        (errno.ENAMETOOLONG, "Take a shorter name."),
        (errno.ENOENT, "Make the folder {missing}."),
        (errno.EMFILE, "Raise the limit of open files (ulimit -n)."),
        (errno.EFBIG, "Raise the limit of file sizes (ulimit -f)."),
        (errno.EXDEV, None),
    ],
)
def test_what_to_do_about_what_cannot_be_written(
    number: int, advice: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "none" / "file"
    error = files.not_writable(path, OSError(number, os.strerror(number)))
    assert error.message == f"{path} cannot be written: {os.strerror(number)}"
    assert error.hint == (advice and advice.format(here=tmp_path, missing=path.parent))


def test_a_file_that_cannot_be_written_may_be_elsewhere(tmp_path: Path) -> None:
    full = NotWrittenError(tmp_path / "x", OSError(errno.ENOSPC, "full"))
    assert full.or_else("name another").hint == "Make room on its disk, or name another."
    odd = NotWrittenError(tmp_path / "x", OSError(errno.EXDEV, "odd"))
    assert odd.or_else("name another").hint == "Name another."


def test_a_link_that_leads_nowhere_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "x").symlink_to(tmp_path / "none" / "y")
    error = files.not_writable(tmp_path / "x", OSError(errno.ENOENT, "none"))
    assert error.hint == "Remove the link in its place, which leads nowhere."


def test_numbers_are_written_as_go_writes_them() -> None:
    value = {"a": 0.0, "b": [2.0, {"c": 0.05}], "d": True, "e": 3}
    assert json.loads(files.as_json(value)) == value
    assert b"".join(files.as_json(value).split()) == (b'{"a":0,"b":[2,{"c":0.05}],"d":true,"e":3}')
