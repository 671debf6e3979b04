"""Limits of the host's kernel for many guests: raised at ``up``, restored at ``reset``.

All clouds of a host share them. /run holds the former values; a boot clears both. The last removed
cloud restores them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from ecsmachine.localcloud.state import records
from ecsmachine.system import locks
from ecsmachine.system.files import folder_exists, path_exists

SETTINGS = Path("/proc/sys")
BOOK = Path("/run/ecsmachine/limits.json")

LEAST = {
    # Of a guest with an engine: 8 inotify instances, all root's, and 26 watches.
    "fs.inotify.max_user_instances": 8192,
    "fs.inotify.max_user_watches": 524288,
    # 14 keys of root's; a user of guests' containers is one user on the host, whatever the guest.
    "kernel.keys.root_maxkeys": 1000000,
    "kernel.keys.root_maxbytes": 25000000,
    "kernel.keys.maxkeys": 5000,
    "kernel.keys.maxbytes": 500000,
    # 24 threads, and those of its containers.
    "kernel.pid_max": 4194304,
    "kernel.threads-max": 16384,
    "kernel.pty.max": 1024,
    "fs.file-max": 400000,
    # 3 of mounts, 2 of networks; containers have one of each kind.
    **{f"user.max_{kind}_namespaces": 4096 for kind in ("mnt", "net", "pid", "uts", "ipc")},
    # 5 neighbours, of all network namespaces together: each guest, and each container in it.
    "net.ipv4.neigh.default.gc_thresh3": 16384,
    "net.ipv4.neigh.default.gc_thresh2": 8192,
    "net.ipv4.neigh.default.gc_thresh1": 4096,
    # All connections of guests are tracked on the cloud's router.
    "net.netfilter.nf_conntrack_max": 262144,
}
"""What 250 guests need, as many as a cloud has public addresses; by the name that sysctl uses."""


@dataclass(frozen=True)
class Change:
    """A limit, and what it was changed from and to."""

    name: str
    before: int
    after: int

    def __str__(self) -> str:
        return f"{self.name} from {self.before} to {self.after}"


@dataclass(frozen=True)
class Outcome:
    """The raised limits, and those that are too low but cannot be raised here."""

    raised: tuple[Change, ...] = ()
    refused: tuple[Change, ...] = ()


@dataclass(frozen=True)
class _Book:
    clouds: tuple[str, ...] = ()
    changes: tuple[Change, ...] = field(default=())


def raise_limits(cloud: Path, *, settings: Path = SETTINGS, book: Path = BOOK) -> Outcome:
    """Raise limits that are too low for many guests, until :func:`put_back` for ``cloud``.

    A limit that this kernel does not have is skipped. Raises ``OSError`` if the former values
    cannot be stored.
    """
    with _held(book) as kept:
        raised, refused = [], []
        changes = {change.name: change for change in kept.changes}
        for name, least in LEAST.items():
            now = read(name, settings)
            if now is None or now >= least:
                continue
            change = Change(name, now, least)
            changes[name] = change
            # First written down: whoever is killed in between has it put back all the same.
            kept = replace(kept, changes=tuple(changes.values()))
            records.write(book, kept)
            try:
                _write(name, least, settings)
                raised.append(change)
            except OSError:
                refused.append(change)
                del changes[name]
        clouds = dict.fromkeys((*kept.clouds, str(cloud)))
        records.write(book, _Book(tuple(clouds), tuple(changes.values())))
    return Outcome(tuple(raised), tuple(refused))


def put_back(cloud: Path, *, settings: Path = SETTINGS, book: Path = BOOK) -> None:
    """Restore the limits if no other cloud needs them. One that somebody else has changed stays."""
    if not path_exists(book):
        return
    with _held(book) as kept:
        clouds = [name for name in kept.clouds if name != str(cloud) and folder_exists(name)]
        if clouds:
            records.write(book, replace(kept, clouds=tuple(clouds)))
            return
        for change in reversed(kept.changes):
            if read(change.name, settings) == change.after:
                with suppress(OSError):
                    _write(change.name, change.before, settings)
        book.unlink(missing_ok=True)


def read(name: str, settings: Path = SETTINGS) -> int | None:
    """Return a limit as it is now; None if this kernel does not have it."""
    try:
        return int(_file(name, settings).read_text())
    except (OSError, ValueError):
        return None


def _write(name: str, value: int, settings: Path) -> None:
    _file(name, settings).write_text(f"{value}\n")


def _file(name: str, settings: Path) -> Path:
    return settings / name.replace(".", "/")


@contextmanager
def _held(book: Path) -> Iterator[_Book]:
    """Lock the record against other clouds of this host. A damaged record is replaced."""
    book.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with locks.held(book.parent):
        kept = None
        with suppress(records.RecordError):
            kept = records.read(_Book, book)
        yield kept or _Book()
