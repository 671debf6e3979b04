from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ecsmachine.localcloud.host.capacity import inotify_shortage, needs, shortage

FILES = {
    "meminfo": "MemTotal: 4000000 kB\nMemAvailable: 2097152 kB\nSwapFree: 0 kB\n",
    "loadavg": "0.1 0.1 0.1 2/300 4711\n",
    "key-users": "    0: 22 21/21 16/1000000 287/25000000\n 1000: 2 2/2 2/200 28/20000\n",
    "sys/fs/file-nr": "1756\t0\t2466170\n",
    "sys/kernel/pid_max": "4194304\n",
    "sys/kernel/threads-max": "192730\n",
    "sys/kernel/pty/nr": "3\n",
    "sys/kernel/pty/max": "4096\n",
    "net/stat/arp_cache": "entries  allocs\n00000009 00000bb3\n00000009 00000bd2\n",
    "sys/net/ipv4/neigh/default/gc_thresh3": "1024\n",
}

Look = Callable[[int], str]


@pytest.fixture
def host(tmp_path: Path) -> Callable[..., Look]:
    def made(**changed: str) -> Look:
        changes = {name.replace("__", "/").replace("_OR_", "-"): v for name, v in changed.items()}
        for name, text in {**FILES, **changes}.items():
            file = tmp_path / "proc" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        wanted = needs(tmp_path / "not/there/yet", proc=tmp_path / "proc", groups=(tmp_path,))
        return lambda number: shortage(number, wanted)

    return made


def test_a_host_with_room_lacks_nothing(host: Callable[..., Look]) -> None:
    assert host()(2) == ""


def test_memory(host: Callable[..., Look]) -> None:
    assert host()(17) == "17 more guests need 2176 MiB of memory, 2048 are free"
    assert host(meminfo="MemAvailable: 1024 kB\nSwapFree: 0 kB\n")(1) == (
        "1 more guest needs 128 MiB of memory, 1 are free"
    )


def test_the_limits_of_a_container_that_all_is_in(
    host: Callable[..., Look], tmp_path: Path
) -> None:
    (tmp_path / "memory.max").write_text(f"{512 * 2**20}\n")
    (tmp_path / "memory.current").write_text(f"{400 * 2**20}\n")
    assert host()(1) == "1 more guest needs 128 MiB of memory, 112 are free"
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "pids.max").write_text("500\n")
    (tmp_path / "pids.current").write_text("450\n")
    assert host()(1) == "1 more guest needs 64 threads, 50 are free"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sys__kernel__pid_max": "310"}, "64 threads, 10"),
        ({"sys__kernel__threads_OR_max": "320"}, "64 threads, 20"),
        ({"sys__fs__file_OR_nr": "900 0 1000"}, "400 open files, 100"),
        ({"key_OR_users": "  0: 22 21/21 195/200 287/25000"}, "16 keys"),
        ({"sys__net__ipv4__neigh__default__gc_thresh3": "10"}, "8 neighbours"),
        ({"sys__kernel__pty__max": "4"}, "2 terminals"),
    ],
)
def test_each_thing_that_is_limited(
    host: Callable[..., Look], changed: dict[str, str], said: str
) -> None:
    assert host(**changed)(1).startswith(f"1 more guest needs {said}")


def test_what_a_kernel_does_not_tell_is_passed_over(
    host: Callable[..., Look], tmp_path: Path
) -> None:
    look = host()
    for name in FILES:
        (tmp_path / "proc" / name).unlink()
    assert look(3) == ""


def test_disk(host: Callable[..., Look], monkeypatch: pytest.MonkeyPatch) -> None:
    room = os.statvfs("/")

    class Room:
        f_bavail, f_frsize = 500 * 2**20 // room.f_frsize, room.f_frsize

    monkeypatch.setattr("os.statvfs", lambda folder: Room)
    assert host()(1) == "1 more guest needs 600 MiB of disk, 500 are free"


_TRIAL = """
import sys
from ecsmachine.localcloud.host.capacity import inotify_shortage
print(inotify_shortage(int(sys.argv[1])))
"""


@pytest.mark.parametrize(
    ("kind", "limit", "said"),
    [
        ("instances", 25, "3 more guests need 30 inotify instances"),
        ("watches", 100, "3 more guests need 120 inotify watches"),
        ("instances", 30, ""),
    ],
)
def test_inotify_is_counted_by_having_it(kind: str, limit: int, said: str) -> None:
    # A user namespace has limits of its own, for whom is in it.
    inside = f'echo {limit} > /proc/sys/user/max_inotify_{kind} || exit 77; exec "$@"'
    entered = ("unshare", "--user", "--map-root-user", "sh", "-c", inside, "sh")
    done = subprocess.run(
        [*entered, sys.executable, "-c", _TRIAL, "3"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no user namespaces here")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(said or "\n")
    free = re.search(r"(\d+) are free", done.stdout)
    assert (free is None) == (not said)
    assert free is None or int(free[1]) == limit


def test_what_was_taken_in_a_trial_is_given_back() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert inotify_shortage(1) == ""
    assert len(list(Path("/proc/self/fd").iterdir())) == before
