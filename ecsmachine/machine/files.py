"""Files that are whole or not there, and locks between processes."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ecsmachine.errors import MachineError
from ecsmachine.polling import polls
from ecsmachine.ssh.private_files import NotWrittenError, replacing
from ecsmachine.system import files as system_files
from ecsmachine.system import locks
from ecsmachine.system.files import folder_exists, path_exists
from ecsmachine.system.names import is_too_long
from ecsmachine.system.os_errors import FULL

_SILENT_S = 3.0
"""How long a lock is waited for without a word of it."""

_UNFINISHED_S = 60.0
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""How a file system says that it has no locks."""


def prepared(
    path: Path, content: bytes, *, mode: int = 0o600
) -> contextlib.AbstractContextManager[None]:
    """Write a file as :func:`~ecsmachine.ssh.private_files.replacing` does.

    Where there is no room, or no right to write, the block is not begun: :class:`MachineError`.
    """
    return replacing(path, content, mode, within=lambda: _written_as(path))


def write_atomically(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new, never a part.

    As :func:`prepared` does.
    """
    with prepared(path, content, mode=mode):
        pass


def remove_unfinished(folder: Path) -> None:
    """Remove what a process that was killed was writing into a folder by :func:`prepared`.

    It may hold secrets that the finished file has no longer. What is of the last minute may yet be
    finished, and stays.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not re.fullmatch(r"\..+\.[0-9a-f]{8}", entry.name):
                continue
            with contextlib.suppress(OSError):
                is_old = time.time() - entry.stat(follow_symlinks=False).st_mtime > _UNFINISHED_S
                if is_old and entry.is_file(follow_symlinks=False):
                    Path(entry.path).unlink()


def as_json(value: Any) -> bytes:
    """Return ``value`` as JSON, indented by four blanks as Docker Machine does.

    Whole numbers are written without a point, of whichever type: so does Go.
    """
    return json.dumps(_with_whole_numbers(value), indent=4).encode() + b"\n"


def _with_whole_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_whole_numbers(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_with_whole_numbers(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def write_json(path: Path, value: Any, *, mode: int = 0o600) -> None:
    """Write ``value`` as JSON, atomically."""
    write_atomically(path, as_json(value), mode=mode)


def set_aside(path: Path, folder: Path) -> Path:
    """Move a file or a folder into a folder, under a name that tells what it was; return where.

    Raises :class:`MachineError`.
    """
    kept = folder / f"{path.parent.name}-{path.name}-{os.urandom(4).hex()}"
    make_private_directory(folder)
    with _written_as(path):
        import shutil

        shutil.move(path, kept)
    return kept


def remove_tree(path: Path) -> None:
    """Remove a folder with all that is in it, be it read-only; of a link or a file, that alone."""
    if path.is_symlink() or not folder_exists(path):
        path.unlink()
        return
    path.chmod(0o700)
    for folder, below, files in os.walk(path):
        for name in files:
            system_files.allow_removal(Path(folder, name))
        for name in below:
            if not Path(folder, name).is_symlink():
                Path(folder, name).chmod(0o700)
    import shutil

    shutil.rmtree(path)


def make_private_directory(path: Path) -> None:
    """Make a folder and its parents, readable by the owner alone; one that is there stays.

    What was made is on disk when this returns.
    """
    try:
        if folder_exists(path):
            return
        missing = [folder for folder in (path, *path.parents) if not path_exists(folder)]
        # mkdir(parents=True) would leave the parents open to all
        for folder in reversed(missing):
            with contextlib.suppress(FileExistsError):  # another command has made it meanwhile
                system_files.make_folder(folder)
            system_files.sync_folder(folder.parent)
        if not folder_exists(path):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    except OSError as error:
        raise not_writable(path, error) from error


@contextlib.contextmanager
def _written_as(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise not_writable(path, error) from error


def not_writable(path: Path, error: OSError) -> MachineError:
    """Return the error for a part of the store, or another file, that cannot be written."""
    error = system_files.explained(error, error.filename or path)
    if error.errno == errno.ENOENT and is_too_long(path):
        return MachineError(
            f"{path} cannot be written: Windows allows paths of 259 characters, and this has "
            f"{len(str(path))}",
            hint="Choose a shorter folder with --storage-path or MACHINE_STORAGE_PATH, or write "
            "it with \\\\?\\ before its drive.",
        )
    return NotWrittenError(path, error)


@contextlib.contextmanager
def locked(
    path: Path,
    *,
    what: str,
    wait_s: float = 10.0,
    warn: Callable[[str], None] = lambda line: None,
    needed: Callable[[], bool] = lambda: True,
) -> Iterator[None]:
    """Hold a lock file for the length of the block; a dead process's lock is free.

    The file is removed at the end unless it is ``needed``: whoever waits for it begins anew.

    On a file system without locks, and on a disk that is too full for the file, ``warn`` is told
    and nobody is kept out: who holds a lock has its file. It is told as well who is waited for, if
    that takes long. Raises
    :class:`MachineError` naming ``what`` if another process holds it for longer than ``wait_s``
    seconds.
    """
    make_private_directory(path.parent)
    while True:
        try:
            descriptor = system_files.open_file(path, os.O_RDWR | os.O_CREAT, through_links=False)
        except OSError as error:
            if error.errno not in FULL:
                raise not_writable(path, error) from error
            warn(f"{what} is not locked against other commands: {path}: {error.strerror}")
            yield
            return
        try:
            _wait_for_lock(descriptor, path, what, wait_s, warn)
        except BaseException:
            os.close(descriptor)
            raise
        if system_files.is_open_at(descriptor, path, through_links=False):
            break
        os.close(descriptor)  # whoever held it has removed it meanwhile
    try:
        # who holds it is written for those who wait alone: the disk may be full
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, os.write(descriptor, f"{os.getpid()}\n".encode()))
        yield
    finally:
        stays = needed() or _is_removed(path)
        os.close(descriptor)
        if not stays:
            _is_removed(path)  # Windows removes nothing that is open, here or where one waits


def _is_removed(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def is_locked(path: Path) -> bool:
    """Whether a process holds a lock file at this moment."""
    try:
        descriptor = system_files.open_file(path, os.O_RDWR, through_links=False)
    except OSError:
        return False
    try:
        return locks.is_taken(descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _wait_for_lock(
    descriptor: int, path: Path, what: str, wait_s: float, warn: Callable[[str], None]
) -> None:
    begun, is_told = time.monotonic(), False
    for _ in polls(wait_s, first_pause_s=0.01, longest_pause_s=0.25):
        try:
            if locks.take(descriptor):
                return
        except OSError as error:
            if error.errno not in _WITHOUT_LOCKS:
                raise not_writable(path, error) from error
            warn(
                f"The file system of {path.parent} has no locks: do not run two commands that "
                "change something there at once"
            )
            return
        if not is_told and time.monotonic() >= begun + _SILENT_S:
            is_told = True
            if _owner(descriptor) == str(os.getpid()):
                continue  # another machine of this command: that is no news
            warn(f"{_in_use(descriptor, what)}: waiting for up to {wait_s:g} s")
    raise MachineError(
        _in_use(descriptor, what), hint="Wait until it has finished, then try again."
    )


def _owner(descriptor: int) -> str:
    """Return the number of the process that holds a lock file, as far as it has written it."""
    owner = os.read(descriptor, 32).decode("ascii", errors="replace").strip()
    os.lseek(descriptor, 0, os.SEEK_SET)  # where whoever gets the lock writes
    return owner


def _in_use(descriptor: int, what: str) -> str:
    """Say who holds a lock file."""
    owner = _owner(descriptor)
    named = f" (process {owner})" if owner.isdecimal() else ""
    return f"{what} is in use by another process{named}"
