"""The host resources that a guest needs, and whether more guests have room."""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ecsmachine.localcloud.host import limits
from ecsmachine.system.files import path_exists

_MIB = 2**20
_IN_UNMOUNT = 0x2000  # an event that hardly ever comes


@dataclass(frozen=True)
class Need:
    """A limited resource: the use of a guest with an engine, and the free amount.

    ``free`` returns None if this host does not say. ``each`` was measured with a running engine,
    plus room for a few containers.
    """

    what: str
    each: int
    free: Callable[[], int | None]


def needs(folder: Path, *, proc: Path = Path("/proc"), groups: tuple[Path, ...] = ()) -> list[Need]:
    """Return the checked resources. Disks are in ``folder``; ``groups`` are the roots of the
    control groups, which have their own limits in a container.
    """
    settings = proc / "sys"

    def limit(name: str) -> int | None:
        return limits.read(name, settings)

    return [
        # measured: 41 MiB of its own, 13 in the kernel, and the engine's program in the cache
        Need("MiB of memory", 128, lambda: _memory(proc, groups)),
        # measured: 259 MiB, and for a while the packages it is installed from
        Need("MiB of disk", 600, lambda: _disk(folder)),
        # measured: 24
        Need("threads", 64, lambda: _threads(proc, groups, limit)),
        # measured: 147
        Need("open files", 400, lambda: _open_files(proc)),
        # measured: 14
        Need("keys (kernel.keys.root_maxkeys)", 16, lambda: _keys(proc)),
        # measured: 5
        Need("neighbours (net.ipv4.neigh.default.gc_thresh3)", 8, lambda: _neighbours(proc, limit)),
        # measured: 1
        Need("terminals (kernel.pty.max)", 2, lambda: _rest(*map(limit, _TERMINALS))),
    ]


_TERMINALS = ("kernel.pty.nr", "kernel.pty.max")
_INOTIFY = 10
"""How many inotify instances a guest with an engine takes: 8 were measured."""
_CLOSED_AT_ONCE = 40
_WATCHED = (b"/", b"/proc", b"/sys", b"/dev")
"""The number of watches of each in a trial: a guest was measured with 26 watches."""


def shortage(number: int, wanted: list[Need]) -> str:
    """Return what is missing for this many more guests, in words; "" if nothing is."""
    for need in wanted:
        free = None
        with suppress(OSError, ValueError, IndexError):  # this kernel does not tell
            free = need.free()
        if free is not None and free < need.each * number:
            return _said(number, need.each * number, need.what, max(free, 0))
    return inotify_shortage(number)


def inotify_shortage(number: int) -> str:
    """Return the inotify resources missing for this many more guests, in words, or "".

    The kernel does not say how much is free: so it is allocated, and released at once.
    """
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        begin, watch = libc.inotify_init1, libc.inotify_add_watch
    except AttributeError:
        return ""
    wanted = number * _INOTIFY
    taken: list[int] = []
    watches = 0
    try:
        while len(taken) < wanted:
            descriptor = begin(os.O_CLOEXEC)
            if descriptor < 0:
                what = "inotify instances (fs.inotify.max_user_instances)"
                return _said(number, wanted, what, len(taken))
            taken.append(descriptor)
            for folder in _WATCHED:
                if watch(descriptor, folder, _IN_UNMOUNT) >= 0:
                    watches += 1
                elif ctypes.get_errno() == errno.ENOSPC:
                    what = "inotify watches (fs.inotify.max_user_watches)"
                    return _said(number, wanted * len(_WATCHED), what, watches)
        return ""
    finally:
        for begun in range(0, len(taken), _CLOSED_AT_ONCE):
            _close(taken[begun : begun + _CLOSED_AT_ONCE])


def _close(descriptors: list[int]) -> None:
    """Close them at the same time: each waits until no processor looks at what it watched."""
    under_way = []
    for descriptor in descriptors:
        thread = threading.Thread(target=os.close, args=(descriptor,))
        try:
            thread.start()
        except RuntimeError:  # no thread is left
            os.close(descriptor)
        else:
            under_way.append(thread)
    for thread in under_way:
        thread.join()


def _said(number: int, needed: int, what: str, free: int) -> str:
    guests = "1 more guest needs" if number == 1 else f"{number} more guests need"
    return f"{guests} {needed} {what}, {free} are free"


def _memory(proc: Path, groups: tuple[Path, ...]) -> int:
    lines = (proc / "meminfo").read_text().splitlines()
    named = ("MemAvailable:", "SwapFree:")
    rooms = [sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(named))]
    for group in groups:
        for most, used in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            room = _rest(_number(group / used), _number(group / most))
            if room is not None:
                rooms.append(room)
    return min(rooms) // _MIB


def _disk(folder: Path) -> int:
    while not path_exists(folder):
        folder = folder.parent
    room = os.statvfs(folder)
    return room.f_bavail * room.f_frsize // _MIB


def _threads(
    proc: Path, groups: tuple[Path, ...], limit: Callable[[str], int | None]
) -> int | None:
    # "running/all": all of the host, not of a process namespace alone
    used = int((proc / "loadavg").read_text().split()[3].partition("/")[2])
    rooms = [
        most - used
        for name in ("kernel.pid_max", "kernel.threads-max")
        if (most := limit(name)) is not None
    ]
    for group in groups:
        room = _rest(_number(group / "pids.current"), _number(group / "pids.max"))
        if room is not None:
            rooms.append(room)
    return min(rooms) if rooms else None


def _open_files(proc: Path) -> int:
    used, _, most = (proc / "sys/fs/file-nr").read_text().split()
    return int(most) - int(used)


def _keys(proc: Path) -> int | None:
    for line in (proc / "key-users").read_text().splitlines():
        uid, _, rest = line.partition(":")
        if uid.strip() == "0":
            used, _, most = rest.split()[2].partition("/")
            return int(most) - int(used)
    return None


def _neighbours(proc: Path, limit: Callable[[str], int | None]) -> int | None:
    lines = (proc / "net/stat/arp_cache").read_text().splitlines()
    return _rest(int(lines[1].split()[0], 16), limit("net.ipv4.neigh.default.gc_thresh3"))


def _rest(used: int | None, most: int | None) -> int | None:
    return None if used is None or most is None else most - used


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # not there, or "max"
        return None
