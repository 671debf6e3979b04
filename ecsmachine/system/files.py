"""Files and folders: opened, made for their owner alone, moved into place, brought to disk."""

from __future__ import annotations

import errno
import os
import stat
import sys
import time

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias, TypeVar

    Place: TypeAlias = str | os.PathLike[str]
    Made = TypeVar("Made")

_WITHIN_S = 3.0
"""How long a program that has a file open, such as a virus scanner, is waited for on Windows."""

_IN_USE = (32, 33)
"""How Windows refuses what another program has open: in use, locked (winerror)."""


def explained(error: OSError, path: Place, *, folder: bool = False) -> OSError:
    """Return what other systems raise for an error of a file, or of a ``folder``."""
    if sys.platform == "win32":
        from ecsmachine.system import windows_access, windows_errors

        place = os.fspath(path)
        told = windows_errors.as_posix_error(error, place, folder=folder)
        if told.errno == errno.EACCES and (
            error.winerror in _IN_USE or windows_access.is_in_use(place)
        ):
            return OSError(errno.EBUSY, "another program has it open", place)
        return told
    return error


def open_file(
    path: Place,
    flags: int,
    mode: int = 0o600,
    *,
    through_links: bool = True,
    waiting: bool = True,
) -> int:
    """Open a file that no program we start inherits; return its descriptor.

    Not through a link in its place, unless ``through_links``; and without waiting for the
    other end of a pipe, unless ``waiting``. Raises :class:`OSError`.
    """
    if sys.platform == "win32":
        if not through_links and os.path.islink(path):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fspath(path))
        return _once_free(lambda: os.open(path, flags | os.O_BINARY | os.O_NOINHERIT, mode), path)
    how = (0 if through_links else os.O_NOFOLLOW) | (0 if waiting else os.O_NONBLOCK)
    return os.open(path, flags | os.O_CLOEXEC | how, mode)


def create(path: Place, mode: int) -> int:
    """Make a file with a mode, and open it to be written; return its descriptor.

    One that nobody else may read is so from the first. Raises :class:`OSError`.
    """
    if sys.platform == "win32" and not mode & 0o077:
        from ecsmachine.system import windows_access

        return _once_free(lambda: windows_access.create_file(os.fspath(path)), path)
    descriptor = open_file(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    if sys.platform != "win32":
        try:
            os.fchmod(descriptor, mode)  # the umask may have taken bits away that were asked for
        except BaseException:
            os.close(descriptor)
            raise
    return descriptor


def make_folder(path: Place) -> None:
    """Make a folder that its owner alone may enter. Raises :class:`OSError`."""
    if sys.platform == "win32":
        from ecsmachine.system import windows_access

        _once_free(lambda: windows_access.create_folder(os.fspath(path)), path)
    else:
        os.mkdir(path, 0o700)


def entries(path: Place) -> list[os.DirEntry[str]]:
    """Return what is in a folder. Raises :class:`OSError`."""
    if sys.platform == "win32":
        return _once_free(lambda: list(os.scandir(path)), path, folder=True)
    with os.scandir(path) as found:
        return list(found)


def openness(
    path: Place, status: os.stat_result, *, reading: bool = True
) -> tuple[str, str] | None:
    """Return in what others than its owner may get at a file, and how to mend that.

    Without ``reading`` it is where they may change a file or a folder. None if they may not, or if
    it cannot be told.
    """
    place = os.fspath(path)
    if sys.platform == "win32":
        from ecsmachine.system import windows_access

        others = windows_access.others(place, reading=reading)
        if not others:
            return None
        user = os.getenv("USERNAME", "%USERNAME%")
        right = "(OI)(CI)F" if os.path.isdir(place) else "F"
        mend = f'icacls "{place}" /inheritance:r /grant:r "{user}:{right}"'
        return f"open to {', '.join(others)}", mend
    mode = stat.S_IMODE(status.st_mode)
    if not mode & (0o077 if reading else 0o022):
        return None
    import shlex

    return f"{mode:04o}", f"chmod {'600' if reading else 'go-w'} {shlex.quote(place)}"


def move(source: Place, target: Place) -> None:
    """Move a file over another, or a folder. Raises :class:`OSError`.

    Windows refuses that as long as another program, a virus scanner as well, has it open.
    """
    if sys.platform == "win32":
        _once_free(lambda: os.replace(source, target), target, denied=True)
    else:
        os.replace(source, target)


def sync_folder(path: Place) -> None:
    """Make sure that the entries of a folder are on disk, where its file system can do that.

    NTFS sees to that by itself.
    """
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(descriptor)


def allow_removal(path: Place) -> None:
    """Let a file be removed that is read-only, which Windows refuses; elsewhere it can be."""
    if sys.platform == "win32":
        os.chmod(path, stat.S_IWRITE)


def umask() -> int:
    """Return which bits of a mode are taken away of what is made: none on Windows."""
    if sys.platform == "win32":
        return 0
    found = os.umask(0)
    os.umask(found)
    return found


def spare_ourselves_the_umask() -> None:
    """Let no umask keep us, or programs that we start, out of what we make; Windows has none."""
    if sys.platform != "win32":
        os.umask(os.umask(0o077) & 0o077)


def user_id() -> int | None:
    """Return the number of the user; None on Windows, whose users have none."""
    if sys.platform == "win32":
        return None
    return os.geteuid()


def read_bytes(path: Place) -> bytes:
    """Return what is in a file. Raises :class:`OSError`, as other systems do on Windows too."""
    with open(path, "rb", opener=open_file) as file:
        return file.read()


def is_open_at(descriptor: int, path: Place, *, through_links: bool = True) -> bool:
    """Whether what is open is still what is at a path. Raises :class:`OSError`."""
    try:
        there = os.stat(path, follow_symlinks=through_links)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)


def _once_free(
    do: Callable[[], Made], path: Place, *, folder: bool = False, denied: bool = False
) -> Made:
    """Return what a call gives, once no other program keeps a file or a ``folder`` from us.

    It raises what it would elsewhere, and :data:`errno.EBUSY` if one keeps it for too long.
    ``denied`` says that Windows may call that a denied access.
    """
    deadline = time.monotonic() + _WITHIN_S
    pause_s = 0.01
    while True:
        try:
            return do()
        except OSError as error:
            told = explained(error, path, folder=folder)
            waits = told.errno == errno.EBUSY or (denied and told.errno == errno.EACCES)
            if not waits or time.monotonic() > deadline:
                raise told from None
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, 0.2)


_NO_PLACE = (21, 123, 1921)
"""How Windows says that nothing can be there: no disk, no name, a link to itself (winerror)."""


def path_exists(path: Place) -> bool:
    """Whether something is at a place. Raises :class:`OSError` if the system does not tell.

    Since Python 3.14, ``Path.exists`` and its like say no instead.
    """
    return bool(_mode(path))


def folder_exists(path: Place) -> bool:
    """Whether a folder is at a place, or a link to one; as :func:`path_exists`."""
    return stat.S_ISDIR(_mode(path))


def file_exists(path: Place) -> bool:
    """Whether a plain file is at a place, or a link to one; as :func:`path_exists`."""
    return stat.S_ISREG(_mode(path))


def _mode(path: Place) -> int:
    """Return the mode of what is at a place; 0 if nothing is, or nothing can be there."""
    try:
        return os.stat(path).st_mode
    except ValueError:  # a null character
        return 0
    except OSError as error:
        nothing = error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
        if nothing or getattr(error, "winerror", None) in _NO_PLACE:
            return 0
        raise
