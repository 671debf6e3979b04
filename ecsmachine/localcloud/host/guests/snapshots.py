"""Snapshots: copies of disks, one file each.

A snapshot of a data disk is another sparse file; a snapshot of a root disk is an archive of its
differences to the base image. The disk of a running guest is copied as it is: data that the guest
has not yet written is missing, as in ECS.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from ecsmachine.localcloud.host.guests.base import GuestError
from ecsmachine.localcloud.host.mounts import remove_tree
from ecsmachine.localcloud.host.programs import ProgramError, run
from ecsmachine.system.files import folder_exists, path_exists

Part = tuple[Path, str]
"""A folder that belongs to a root disk: the folder above it, and its name."""

# The attributes of a root disk on the host: numeric owners, capabilities, overlayfs marks.
_KEEP = ("--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls")


class Snapshots:
    """The snapshots of one cloud."""

    def __init__(self, folder: Path):
        self._folder = folder

    def save_file(self, snapshot_id: str, disk: Path) -> None:
        """Keep a data disk's file; holes stay holes."""
        with self._new(snapshot_id) as new:
            _copy(disk, new)

    def load_file(self, snapshot_id: str, disk: Path) -> None:
        """Replace a data disk's file by a copy of a snapshot."""
        with _new_file(disk) as new:
            _copy(self._kept(snapshot_id), new)

    def copy(self, snapshot_id: str, source_id: str) -> None:
        """Keep a copy of a snapshot."""
        with self._new(snapshot_id) as new:
            _copy(self._kept(source_id), new)

    def save_parts(self, snapshot_id: str, parts: Sequence[Part]) -> None:
        """Keep the folders of a root disk, as far as they are there."""
        there = [(above, name) for above, name in parts if folder_exists(above / name)]
        names = [word for above, name in there for word in ("-C", str(above), name)]
        with self._new(snapshot_id) as new:
            argv = ["tar", "--create", "--sparse", "--one-file-system", *_KEEP]
            try:
                run([*argv, f"--file={new}", *names], timeout_s=None)
            except ProgramError as error:
                # Status 1 means that a running guest has changed a file during the copy.
                if error.status != 1:
                    raise

    def load_parts(self, snapshot_id: str, above: Path, names: Collection[str]) -> None:
        """Replace the folders with these names in ``above`` by a snapshot."""
        for name in names:
            remove_tree(above / name)
        self._extract(snapshot_id, above, self._names(snapshot_id) & set(names))

    def unpack(self, snapshot_id: str, into: Path, *, without: Collection[str]) -> None:
        """Put the folders of a root disk into an empty one, except some."""
        self._extract(snapshot_id, into, self._names(snapshot_id) - set(without))

    def _names(self, snapshot_id: str) -> set[str]:
        listed = run(["tar", "--list", f"--file={self._kept(snapshot_id)}"], timeout_s=None)
        return {name.split("/", 1)[0] for name in listed.splitlines()}

    def _extract(self, snapshot_id: str, into: Path, names: Collection[str]) -> None:
        if names:
            argv = ["tar", "--extract", "--same-permissions", *_KEEP, "-C", str(into)]
            run([*argv, f"--file={self._kept(snapshot_id)}", *sorted(names)], timeout_s=None)

    def delete(self, snapshot_id: str) -> None:
        """Remove a snapshot."""
        self._file(snapshot_id).unlink(missing_ok=True)

    def _file(self, snapshot_id: str) -> Path:
        return self._folder / snapshot_id

    def _kept(self, snapshot_id: str) -> Path:
        file = self._file(snapshot_id)
        if not path_exists(file):
            raise GuestError(f"The file of the snapshot {snapshot_id} is gone.")
        return file

    def _new(self, snapshot_id: str) -> AbstractContextManager[Path]:
        self._folder.mkdir(parents=True, exist_ok=True)
        return _new_file(self._file(snapshot_id))


@contextmanager
def _new_file(at: Path) -> Iterator[Path]:
    """Give the path of a file that is at its place only once it is whole."""
    new = at.with_name(f".{at.name}.new")
    try:
        yield new
        new.replace(at)
    finally:
        new.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    argv = ["cp", "--sparse=always", "--reflink=auto", str(source), str(target)]
    run(argv, timeout_s=None)
