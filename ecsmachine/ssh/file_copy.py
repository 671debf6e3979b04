"""Copying files between this machine and hosts, or between hosts, by SFTP alone.

For where there is no scp program, or a host is logged in to by password.
"""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import os
import posixpath
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from ecsmachine.errors import MachineError
from ecsmachine.ssh.connection import connect
from ecsmachine.ssh.openssh import KnownHost
from ecsmachine.ssh.sftp import Attributes, BadAnswerError, SftpSession
from ecsmachine.system import files, os_errors
from ecsmachine.system.files import file_exists, folder_exists
from ecsmachine.system.names import why_no_folder

_BLOCK = 256 * 1024
_DEEPEST = 64
"""How deep folders are copied, as by OpenSSH: a loop of them has no end."""

_WILDCARD = re.compile(r"[*?[]")
_MOST_ENTRIES = 1_000_000
_MOST_TOLD = 100


@dataclass(frozen=True)
class Place:
    """A path, on a host or (without one) on this machine; shown with the machine's name."""

    path: str
    host: KnownHost | None = None

    def __str__(self) -> str:
        return f"{self.host.pin_path.parent.name}:{self.path}" if self.host else self.path

    def at(self, path: str) -> Place:
        """Return another path of the same machine."""
        return Place(path, self.host)


def copy(
    source: Place,
    destination: Place,
    *,
    recursive: bool = False,
    repeated: bool = False,
    into_folder: bool = False,
) -> None:
    """Copy a file, or with ``recursive`` a folder, as scp does: into a folder that is there.

    With ``repeated`` a second copy does the same as the first: a folder is copied over the one that
    is there, not into it. Folders above the destination are made then.
    With ``into_folder`` the destination has to be a folder: others are copied there too.
    A host's path may have wildcards, as in a shell: ``*``, ``?`` and ``[a-z]``.

    Nothing is written outside of what the folder becomes, whatever its host lists. What in a
    folder cannot be read or written is left out. Raises :class:`MachineError` naming the path, at
    the end for all that were left out, and as :func:`~ecsmachine.ssh.connection.connect` does.
    """
    with contextlib.ExitStack() as stack:
        copying = _Copying(_files_of(source, stack), _files_of(destination, stack), recursive)
        source, destination = source.at(_plain(source)), destination.at(_plain(destination))
        if repeated:
            copying.make_folders(destination.at(posixpath.dirname(destination.path)))
        mode = copying.mode_at(destination)
        over = repeated and recursive
        is_folder = mode is not None and stat.S_ISDIR(mode) and not over
        if into_folder and not is_folder:
            raise MachineError(
                f"{destination} is no folder",
                hint="Copy several files or folders into a folder that is there.",
            )
        sources = copying.matching(source)
        if len(sources) > 1 and mode is None:
            with _explained(destination):
                copying.there.mkdir(destination.path, 0o755)
            is_folder = True
        if len(sources) > 1 and not is_folder:
            raise MachineError(
                f"{destination} is no folder, and {len(sources)} files match {source}",
                hint="Copy them into a folder that is there.",
            )
        for one in sources:
            into = destination
            if is_folder:
                of_host = one.host is not None
                paths = posixpath if of_host else os.path
                name = paths.basename(one.path.rstrip("/" if of_host else f"/{os.sep}"))
                if name not in ("", ".", ".."):
                    into = _below(destination, name)
            if one is source:
                copying.copy(one, into, 0, over=over)
            else:  # the host has listed it
                copying.copy_or_leave_out(one, into, 1)
    count = len(copying.left_out)
    if count == 1:
        raise MachineError(copying.left_out[0], hint="Everything else was copied.")
    if count:
        told = [*copying.left_out[:_MOST_TOLD], *(["..."] if count > _MOST_TOLD else [])]
        raise MachineError(
            f"{count:,} of {copying.entries:,} files and folders could not be copied",
            hint="Everything else was copied.",
            details="\n".join(told),
        )


class _PathError(MachineError):
    """One path cannot be read or written; others may."""


@dataclass
class _Copying:
    """A copy under way: of whose files, to whose, how many so far, and why some were left out."""

    here: _LocalFiles | SftpSession
    there: _LocalFiles | SftpSession
    recursive: bool
    entries: int = 0
    left_out: list[str] = field(default_factory=list)

    def matching(self, source: Place) -> list[Place]:
        """Return what matches a path with wildcards on a host; the path itself if nothing does."""
        if source.host is None or not _WILDCARD.search(source.path):
            return [source]
        with contextlib.suppress(_PathError), _explained(source):
            self.here.stat(source.path)
            return [source]
        found = ["/" if source.path.startswith("/") else ""]
        for part in filter(None, source.path.split("/")):
            found = [path for folder in found for path in self._named(source, folder, part)]
            if len(found) > _MOST_ENTRIES:
                raise MachineError(f"{source}: more than {_MOST_ENTRIES:,} files match")
        return [source.at(path) for path in found] or [source]

    def _named(self, source: Place, folder: str, pattern: str) -> list[str]:
        """Return the paths in a folder whose last part matches."""
        if not _WILDCARD.search(pattern):
            path = posixpath.join(folder, pattern)
            with contextlib.suppress(_PathError), _explained(source):
                self.here.stat(path)
                return [path]
            return []
        names: list[str] = []
        with contextlib.suppress(_PathError), _explained(source):
            names = self.here.names(folder or ".")
        return [
            posixpath.join(folder, name)
            for name in sorted(names)
            if fnmatch.fnmatchcase(name, pattern)
            and (pattern.startswith(".") or not name.startswith("."))
        ]

    def copy_or_leave_out(self, source: Place, destination: Place, depth: int) -> None:
        """Copy, and remember what cannot be."""
        with self._or_left_out():
            self.copy(source, destination, depth)

    def make_folders(self, place: Place) -> None:
        """Make a folder, and those above it, where there is nothing yet."""
        if not place.path or self.mode_at(place) is not None:
            return
        self.make_folders(place.at(posixpath.dirname(place.path)))
        with _explained(place):
            self.there.mkdir(place.path, 0o755)

    def copy(self, source: Place, destination: Place, depth: int, *, over: bool = False) -> None:
        self.entries += 1
        if self.entries > _MOST_ENTRIES:
            raise MachineError(f"{source}: there are more than {_MOST_ENTRIES:,} files and folders")
        if depth > 0 and destination.host is None:
            why = why_no_folder(posixpath.basename(destination.path))
            if why:
                raise _PathError(f"{source}: {why}")
        with _explained(source):
            found = self.here.stat(source.path)
        mode = found.mode or 0
        # a name that a host has listed does not lead through what is here already
        listed = depth > 0 and source.host is not None
        if stat.S_ISDIR(mode):
            self._copy_folder(source, destination, mode, depth, listed=listed, over=over)
        elif stat.S_ISREG(mode):
            if listed and not stat.S_ISREG(self.mode_at(destination, follow=False) or stat.S_IFREG):
                raise _in_the_way(destination)
            size = found.size or 0
            with _explained(destination):
                if destination.host is None:
                    _check_room(destination.path, size)
                blocks = _blocks(source, self.here.read(source.path, size))
                # what cannot be read leaves nothing there
                self.there.write(destination.path, chain([next(blocks, b"")], blocks))
                self.there.chmod(destination.path, mode & 0o777)
        else:
            raise _PathError(
                f"{source} is neither a file nor a folder",
                hint="Only files and folders can be copied.",
            )

    def _copy_folder(
        self,
        source: Place,
        destination: Place,
        mode: int,
        depth: int,
        *,
        listed: bool,
        over: bool,
    ) -> None:
        if not self.recursive:
            raise _PathError(f"{source} is a folder", hint="Copy it with -r.")
        if depth > _DEEPEST:
            raise MachineError(
                f"{source}: folders are nested more than {_DEEPEST} deep",
                hint="A symbolic link there may lead back to a folder above it.",
            )
        there = self.mode_at(destination, follow=not listed)
        if there is None:
            with _explained(destination):
                self.there.mkdir(destination.path, 0o700)
        elif not stat.S_ISDIR(there):
            raise _in_the_way(destination)
        names: list[str] = []
        with self._or_left_out() if depth else contextlib.nullcontext(), _explained(source):
            names = self.here.names(source.path)
        for name in sorted(names):
            self.copy_or_leave_out(_below(source, name), _below(destination, name), depth + 1)
        if there is None or not over:  # what was there may be /tmp
            with _explained(destination):
                self.there.chmod(destination.path, mode & 0o777)

    @contextlib.contextmanager
    def _or_left_out(self) -> Iterator[None]:
        try:
            yield
        except _PathError as error:
            self.left_out.append(error.message)

    def mode_at(self, destination: Place, *, follow: bool = True) -> int | None:
        with _explained(destination):
            try:
                return self.there.stat(destination.path, follow=follow).mode
            except FileNotFoundError:
                return None


class _LocalFiles:
    """The files of this machine, as :class:`~ecsmachine.ssh.sftp.SftpSession` has a host's."""

    def __init__(self) -> None:
        self._umask = files.umask()

    def stat(self, path: str, *, follow: bool = True) -> Attributes:
        found = Path(path).stat(follow_symlinks=follow)
        return Attributes(found.st_mode, found.st_size)

    def names(self, path: str) -> list[str]:
        return [entry.name for entry in Path(path).iterdir()]

    def read(self, path: str, size: int) -> Iterator[bytes]:
        with Path(path).open("rb") as file:
            while block := file.read(_BLOCK):
                yield block

    def write(self, path: str, content: Iterable[bytes]) -> None:
        # only ours until its permissions are known to be in place
        with open(path, "wb", opener=files.open_file) as file:
            for block in content:
                file.write(block)

    def mkdir(self, path: str, mode: int) -> None:
        Path(path).mkdir(mode)

    def chmod(self, path: str, mode: int) -> None:
        if file_exists(path) or folder_exists(path):
            Path(path).chmod(mode & ~self._umask)


def _files_of(place: Place, stack: contextlib.ExitStack) -> _LocalFiles | SftpSession:
    if place.host is None:
        return _LocalFiles()
    return stack.enter_context(connect(place.host.target, place.host.pin_path)).sftp()


def _plain(place: Place) -> str:
    """Return the path as SFTP takes it: there it begins in the user's home."""
    path = place.path
    if place.host is not None and (path in ("", "~") or path.startswith("~/")):
        path = path[2:]
    return path or "."


def _below(place: Place, name: str) -> Place:
    return place.at(posixpath.join(place.path, name))


def _in_the_way(place: Place) -> MachineError:
    return _PathError(
        f"{place} is in the way: it is of another kind than the source",
        hint="Remove it, or copy to another place.",
    )


def _check_room(path: str, size: int) -> None:
    if size > shutil.disk_usage(Path(path).parent).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _blocks(place: Place, blocks: Iterator[bytes]) -> Iterator[bytes]:
    with _explained(place):
        yield from blocks


@contextlib.contextmanager
def _explained(place: Place) -> Iterator[None]:
    try:
        yield
    except MachineError:
        raise
    except Exception as error:  # a path that is none, what the host answers, a lost connection
        said = getattr(error, "strerror", None) or str(error) or "the connection was lost"
        ends_all = not isinstance(error, OSError) or (
            isinstance(error, (BadAnswerError, TimeoutError)) or error.errno in os_errors.FULL
        )
        hint = ""
        if isinstance(error, OSError) and place.host is None:
            hint = os_errors.sentence(error, place.path)
        kind = MachineError if ends_all else _PathError
        raise kind(f"{place}: {said}", hint=hint or None) from error
