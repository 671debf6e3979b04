"""What Windows says of a path has the meaning that it has elsewhere."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from ecsmachine.errors import MachineError
from ecsmachine.machine.names import is_machine, names_in
from ecsmachine.system import files
from ecsmachine.system.windows_errors import as_posix_error


@pytest.mark.parametrize(
    ("below", "said", "folder", "meant"),
    [
        ("file/store/machines", errno.ENOENT, True, errno.ENOTDIR),
        ("file", errno.EINVAL, True, errno.ENOTDIR),
        ("file/config.json", errno.ENOENT, False, errno.ENOTDIR),
        ("folder", errno.EACCES, False, errno.EISDIR),
        ("folder", errno.EACCES, True, errno.EACCES),
        ("file", errno.EACCES, False, errno.EACCES),
        ("file", errno.EEXIST, False, errno.EEXIST),
        ("folder/a*b", errno.EINVAL, False, errno.EINVAL),
        ("folder/aux/key", errno.ENOENT, False, errno.EINVAL),
        ("folder/none/key", errno.ENOENT, False, errno.ENOENT),
        ("none", errno.ENOENT, True, errno.ENOENT),
    ],
)
def test_an_error_of_windows(
    below: str, said: int, folder: bool, meant: int, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    error = as_posix_error(OSError(said, "Said"), str(tmp_path / below), folder=folder)
    assert error.errno == meant


def test_a_name_that_windows_has_not_is_said_to_be_one(tmp_path: Path) -> None:
    error = as_posix_error(OSError(errno.EINVAL, "Invalid argument"), str(tmp_path / "a?"))
    assert error.strerror == "Windows has no such characters in names"


def test_what_is_below_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "store" / "machines"):
        with pytest.raises(MachineError, match=r"cannot be read: .*: Not a directory"):
            names_in(folder)
        assert not is_machine(folder)
    assert names_in(tmp_path / "none") == []


def test_a_folder_in_the_place_of_a_file_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(IsADirectoryError):
        files.move(tmp_path / "file", tmp_path / "folder")
    with pytest.raises(IsADirectoryError):
        files.read_bytes(tmp_path / "folder")
    with pytest.raises(NotADirectoryError):
        files.read_bytes(tmp_path / "file" / "key")
    with pytest.raises(NotADirectoryError):
        files.create(tmp_path / "file" / "key", 0o600)
    with pytest.raises(NotADirectoryError):
        files.make_folder(tmp_path / "file" / "below")


if sys.platform == "win32":
    import ctypes

    def test_what_another_program_keeps_is_waited_for(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(files, "_WITHIN_S", 0.1)
        kept, other = tmp_path / "kept", tmp_path / "other"
        for path in (kept, other):
            path.touch()
        system = ctypes.WinDLL("kernel32")
        system.CreateFileW.restype = ctypes.c_void_p
        handle = system.CreateFileW(str(kept), 0x80000000, 0, None, 3, 0x80, None)
        with pytest.raises(OSError, match="another program has it open") as refused:
            files.open_file(kept, os.O_RDONLY)
        assert refused.value.errno == errno.EBUSY
        with pytest.raises(OSError, match="another program has it open"):
            files.move(other, kept)
        system.CloseHandle(ctypes.c_void_p(handle))
        os.close(files.open_file(kept, os.O_RDONLY))
        files.move(other, kept)
