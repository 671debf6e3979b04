"""Copying files between this machine and hosts, or between hosts, by SFTP alone.

For where there is no scp program, or a host is logged in to by password.
"""

from __future__ import annotations

import contextlib
import posixpath
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from ecsmachine.errors import MachineError
from ecsmachine.ssh.connection import connect
from ecsmachine.ssh.openssh import KnownHost

if TYPE_CHECKING:
    from paramiko import SFTPClient

_CHUNK = 32768


@dataclass(frozen=True)
class Place:
    """A path, on a host or (without one) on this machine."""

    path: str
    host: KnownHost | None = None

    def __str__(self) -> str:
        return f"{self.host.target.host}:{self.path}" if self.host else self.path


class _Files(Protocol):
    """The files of one machine."""

    def mode(self, path: str) -> int | None: ...
    def names(self, path: str) -> list[str]: ...
    def reading(self, path: str) -> contextlib.AbstractContextManager[IO[bytes]]: ...
    def writing(self, path: str) -> contextlib.AbstractContextManager[IO[bytes]]: ...
    def make_folder(self, path: str) -> None: ...
    def change_mode(self, path: str, mode: int) -> None: ...


def copy(source: Place, destination: Place, *, recursive: bool = False) -> None:
    """Copy a file, or with ``recursive`` a folder, as scp does: into a folder that is there.

    Raises :class:`MachineError` naming the path, and as
    :func:`~ecsmachine.ssh.connection.connect` does.
    """
    with contextlib.ExitStack() as stack:
        here = _files_of(source, stack)
        there = _files_of(destination, stack)
        target = _plain(destination)
        with _explained(destination):
            mode = there.mode(target)
        if mode is not None and stat.S_ISDIR(mode):
            target = posixpath.join(target, posixpath.basename(_plain(source).rstrip("/")))
        _copy(here, there, source, _plain(source), target, destination, recursive=recursive)


def _copy(
    here: _Files,
    there: _Files,
    source: Place,
    path: str,
    target: str,
    destination: Place,
    *,
    recursive: bool,
) -> None:
    with _explained(Place(path, source.host)):
        mode = here.mode(path)
    if mode is None:
        raise MachineError(f"{Place(path, source.host)}: there is no such file")
    if stat.S_ISDIR(mode):
        if not recursive:
            raise MachineError(f"{Place(path, source.host)} is a folder", hint="Copy it with -r.")
        with _explained(Place(target, destination.host)):
            if there.mode(target) is None:
                there.make_folder(target)
        with _explained(Place(path, source.host)):
            names = here.names(path)
        for name in sorted(names):
            _copy(
                *(here, there, source, posixpath.join(path, name)),
                *(posixpath.join(target, name), destination),
                recursive=True,
            )
        with _explained(Place(target, destination.host)):
            there.change_mode(target, stat.S_IMODE(mode))
        return
    if not stat.S_ISREG(mode):
        raise MachineError(
            f"{Place(path, source.host)} is neither a file nor a folder",
            hint="Only files and folders are copied.",
        )
    with (
        _explained(Place(path, source.host)),
        here.reading(path) as reader,
        _explained(Place(target, destination.host)),
        there.writing(target) as writer,
    ):
        shutil.copyfileobj(reader, writer, _CHUNK)
    with _explained(Place(target, destination.host)):
        there.change_mode(target, stat.S_IMODE(mode) & 0o777)


class _LocalFiles:
    def mode(self, path: str) -> int | None:
        try:
            return Path(path).stat().st_mode
        except FileNotFoundError:
            return None

    def names(self, path: str) -> list[str]:
        return [entry.name for entry in Path(path).iterdir()]

    def reading(self, path: str) -> contextlib.AbstractContextManager[IO[bytes]]:
        return Path(path).open("rb")

    def writing(self, path: str) -> contextlib.AbstractContextManager[IO[bytes]]:
        return Path(path).open("wb")

    def make_folder(self, path: str) -> None:
        Path(path).mkdir()

    def change_mode(self, path: str, mode: int) -> None:
        Path(path).chmod(mode)


class _RemoteFiles:
    def __init__(self, sftp: SFTPClient):
        self._sftp = sftp

    def mode(self, path: str) -> int | None:
        try:
            return self._sftp.stat(path).st_mode
        except FileNotFoundError:
            return None

    def names(self, path: str) -> list[str]:
        return self._sftp.listdir(path)

    @contextlib.contextmanager
    def reading(self, path: str) -> Iterator[IO[bytes]]:
        with self._sftp.open(path, "rb") as file:
            file.prefetch(file.stat().st_size)
            yield cast("IO[bytes]", file)

    @contextlib.contextmanager
    def writing(self, path: str) -> Iterator[IO[bytes]]:
        with self._sftp.open(path, "wb") as file:
            file.set_pipelined(True)
            yield cast("IO[bytes]", file)

    def make_folder(self, path: str) -> None:
        self._sftp.mkdir(path)

    def change_mode(self, path: str, mode: int) -> None:
        self._sftp.chmod(path, mode)


def _files_of(place: Place, stack: contextlib.ExitStack) -> _Files:
    if place.host is None:
        return _LocalFiles()
    connection = stack.enter_context(connect(place.host.target, place.host.pin_path))
    return _RemoteFiles(connection.sftp())


def _plain(place: Place) -> str:
    """Return the path as SFTP takes it: there it begins in the user's home."""
    path = place.path
    if place.host is not None and (path in ("", "~") or path.startswith("~/")):
        path = path[2:]
    return path or "."


@contextlib.contextmanager
def _explained(place: Place) -> Iterator[Any]:
    from paramiko import SFTPError, SSHException

    try:
        yield
    except (OSError, EOFError, SFTPError, SSHException) as error:
        said = getattr(error, "strerror", None) or str(error) or "the connection was lost"
        raise MachineError(f"{place}: {said}") from error
