"""A control group for each guest: its limits, and the list of all its processes.

The group owns a guest. It lists each process of the guest and of its supervisor, without a file of
process ids that could be wrong.

Three kinds of host are known. With systemd as process 1 a guest is a transient service of
it, with its part of the tree delegated (cgroups(7): one writer only). Without systemd the
groups are made directly, in each of the mounted version 1 hierarchies, or in the one of
version 2.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ecsmachine.localcloud.host.paths import MARK
from ecsmachine.localcloud.host.processes import kill_all
from ecsmachine.localcloud.host.programs import run
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.system.files import folder_exists, path_exists


@dataclass(frozen=True)
class Limits:
    """The limits of a guest: memory in MiB, and number of processors.

    The processors are a weight, not a limit: a guest that is alone on its host may use all
    processors; several guests share them by their types.
    """

    cpu: int
    memory_mib: int


@dataclass(frozen=True)
class Hierarchies:
    """Where control groups are mounted: those of version 1, and the unified one."""

    legacy: tuple[Path, ...]
    unified: Path | None

    @property
    def all(self) -> tuple[Path, ...]:
        """All of them; the first one is read for the processes of a group."""
        return (*([self.unified] if self.unified is not None else []), *self.legacy)

    def below(self, group: str | Path) -> Hierarchies:
        """Return the folders of a group in them."""
        unified = None if self.unified is None else self.unified / group
        return Hierarchies(tuple(point / group for point in self.legacy), unified)


def hierarchies_of_host() -> Hierarchies:
    """Return the hierarchies of this host."""
    return mounted_hierarchies(Path("/proc/self/mountinfo").read_text())


def mounted_hierarchies(mountinfo: str) -> Hierarchies:
    """Read the hierarchies from the text of /proc/self/mountinfo."""
    legacy, unified = [], None
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind = right.split()[0] if right else ""
        point = Path(left.split()[4])
        if kind == "cgroup":
            legacy.append(point)
        elif kind == "cgroup2" and unified is None:
            unified = point
    return Hierarchies(tuple(legacy), unified)


def _processes_below(folder: Path) -> list[int]:
    """Return the ids of the processes in a group, and in the groups below it."""
    return sorted(set(_walked(folder)) - {0})


def _walked(folder: Path) -> Iterator[int]:
    with suppress(OSError):  # a group that has disappeared
        yield from map(int, (folder / "cgroup.procs").read_text().split())
    # only now, as processes move down: one that was not there any more is in a group below by now
    for name in _groups_in(folder):
        yield from _walked(folder / name)


def _holds_processes(folder: Path) -> bool:
    with suppress(OSError):  # which version 2 has, for the group and all below it
        return "populated 1" in (folder / "cgroup.events").read_text().splitlines()
    return bool(_processes_below(folder))


def _groups_in(folder: Path) -> Iterator[str]:
    """Return the names of the groups in a group: without a look at each of its many files."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        yield from (entry.name for entry in entries if entry.is_dir(follow_symlinks=False))


def _remove_groups(folders: Hierarchies) -> None:
    """Kill all processes of a group, and of those below it, and remove them once they are empty."""
    for folder in folders.all:
        kill_all(partial(_processes_below, folder))
    for folder in folders.all:
        _remove_tree(folder)


def _remove_tree(folder: Path) -> None:
    """Remove a group and all below it, if it is there; the kernel empties the folders itself."""
    for _ in range(100):
        for path, _, _ in os.walk(folder, topdown=False):
            with suppress(OSError):
                Path(path).rmdir()
        if not path_exists(folder):
            return
        time.sleep(0.02)  # processes that were just killed are still being buried
    raise LocalCloudError(f"The control group {folder} is still in use.")


class DirectGroups:
    """The control groups of one cloud's guests, made by hand where systemd is not process 1."""

    def __init__(self, cloud_group: str, hierarchies: Hierarchies):
        self._folders = hierarchies.below(cloud_group)

    def folders(self, name: str) -> Hierarchies:
        """Return the group's folders: those of version 1, and the unified one."""
        return self._folders.below(name)

    def spawn(self, name: str, argv: Sequence[str], limits: Limits, log: Path) -> None:
        """Start a program in the group ``name``, in the background, writing to ``log``."""
        folders = self.folders(name)
        for folder in folders.all:
            folder.mkdir(parents=True, exist_ok=True)
        for folder in folders.legacy:
            _inherit_cpuset(folder.parent)
            _inherit_cpuset(folder)
        if folders.unified is not None:
            _enable_controllers(folders.unified.parent.parent)
            _enable_controllers(folders.unified.parent)
        _write_limits(folders.all, limits)
        joins = [folder / "cgroup.procs" for folder in folders.all]
        # The shell goes into the groups first, and becomes the program then. Before that it
        # bears the daemon's mark: at no moment is it out of a cleanup's sight.
        enter = 'n=$1; shift; while [ "$n" -gt 0 ]; do echo 0 > "$1"; shift; n=$((n-1)); done'
        with log.open("ab") as output:
            process = subprocess.Popen(
                ["/bin/sh", "-ec", f'{enter}; exec env -u {MARK} "$@"', "sh", str(len(joins))]
                + [str(file) for file in joins]
                + list(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
            )
        threading.Thread(target=process.wait, name=f"reap-{name}", daemon=True).start()

    def processes(self, name: str) -> list[int]:
        """Return the ids of all processes in the group."""
        return [pid for folder in self.folders(name).all[:1] for pid in _processes_below(folder)]

    def kill(self, name: str) -> None:
        """Kill all processes of the group, and remove it once it is empty."""
        _remove_groups(self.folders(name))

    def running(self) -> set[str]:
        """Return the names of the groups that hold processes."""
        tops = self._folders.all[:1]
        return {n for top in tops for n in _groups_in(top) if _holds_processes(top / n)}

    def remove_all(self) -> None:
        """Kill and remove all groups of the cloud."""
        _remove_groups(self._folders)


class SystemdGroups:
    """The same made by the host's systemd: each guest is a transient service of it."""

    def __init__(self, cloud_group: str, hierarchies: Hierarchies):
        self._cloud_group = cloud_group
        self._hierarchies = hierarchies
        # systemd.slice(5): a dash would put it into a slice that outlives it.
        self._slice = f"{cloud_group.replace('-', '_')}.slice"

    def _unit(self, name: str) -> str:
        return f"{self._cloud_group}-{name}.service"

    @property
    def _tracked(self) -> Path:
        """The slice's folder where systemd lists the processes."""
        for point in self._hierarchies.legacy:
            if point.name == "systemd":
                return point / self._slice
        return self._hierarchies.all[0] / self._slice

    def folders(self, name: str) -> Hierarchies:
        """See :class:`DirectGroups`. Only systemd manages those of version 1."""
        unified = Hierarchies((), self._hierarchies.unified)
        return unified.below(Path(self._slice) / self._unit(name))

    def spawn(self, name: str, argv: Sequence[str], limits: Limits, log: Path) -> None:
        """See :class:`DirectGroups`."""
        run(
            [
                "systemd-run",
                "--quiet",
                "--collect",
                f"--unit={self._unit(name)}",
                f"--slice={self._slice}",
                f"--description=Guest {name} of a local ECS cloud",
                "--property=Delegate=yes",
                "--property=KillMode=mixed",
                "--property=TasksMax=infinity",
                f"--property=MemoryMax={limits.memory_mib}M",
                f"--property=CPUWeight={min(100 * limits.cpu, 10_000)}",
                f"--property=StandardOutput=append:{log}",
                f"--property=StandardError=append:{log}",
                "--",
                *argv,
            ]
        )

    def processes(self, name: str) -> list[int]:
        """See :class:`DirectGroups`."""
        return _processes_below(self._tracked / self._unit(name))

    def kill(self, name: str) -> None:
        """See :class:`DirectGroups`."""
        kill_all(partial(self.processes, name))
        with suppress(LocalCloudError):  # it disappears by itself when it is empty
            run(["systemctl", "stop", self._unit(name)])

    def _names(self) -> set[str]:
        head = f"{self._cloud_group}-"
        return {
            entry.name.removeprefix(head).removesuffix(".service")
            for entry in self._tracked.glob(f"{head}*.service")
        }

    def running(self) -> set[str]:
        """See :class:`DirectGroups`."""
        top = self._tracked
        return {name for name in self._names() if _holds_processes(top / self._unit(name))}

    def remove_all(self) -> None:
        """See :class:`DirectGroups`."""
        for name in self._names():
            self.kill(name)
        with suppress(LocalCloudError):
            run(["systemctl", "stop", self._slice])


GuestGroups = DirectGroups | SystemdGroups


def guest_groups(cloud_group: str) -> GuestGroups:
    """Return the groups of a cloud in the way this host needs it."""
    hierarchies = hierarchies_of_host()
    if folder_exists("/run/systemd/system"):  # sd_booted(3)
        return SystemdGroups(cloud_group, hierarchies)
    return DirectGroups(cloud_group, hierarchies)


def memory_kills(folders: Hierarchies) -> int:
    """Return how many processes of a group were killed because its memory was used up."""
    found = 0
    for folder in folders.all:
        for name in ("memory.events", "memory.oom_control"):
            with suppress(OSError, ValueError):
                lines = (folder / name).read_text().splitlines()
                found += sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return found


@dataclass(frozen=True)
class Usage:
    """The use of a guest: memory in bytes, and the processor seconds since its boot."""

    memory_bytes: int
    cpu_s: float


def usage(folders: Hierarchies) -> Usage | None:
    """Return the use of the processes of a group; None if it is not counted, or none runs."""
    memory, cpu_s = -1, -1.0
    for folder in folders.all:
        for name in ("memory.usage_in_bytes", "memory.current"):
            with suppress(OSError, ValueError):
                memory = int((folder / name).read_text())
        with suppress(OSError, ValueError):
            cpu_s = int((folder / "cpuacct.usage").read_text()) / 1e9
        with suppress(OSError, ValueError, IndexError):
            first = (folder / "cpu.stat").read_text().split("\n", 1)[0].split()
            if first[0] == "usage_usec":  # version 2; in version 1 the file counts other things
                cpu_s = int(first[1]) / 1e6
    return Usage(memory, cpu_s) if memory >= 0 and cpu_s >= 0 else None


def _inherit_cpuset(folder: Path) -> None:
    # A new cpuset of version 1 holds no processors: nothing can enter it before it does.
    for name in ("cpuset.cpus", "cpuset.mems"):
        file = folder / name
        if path_exists(file) and not file.read_text().strip():
            file.write_text((folder.parent / name).read_text())


def _enable_controllers(folder: Path) -> None:
    with suppress(OSError):
        for controller in (folder / "cgroup.controllers").read_text().split():
            # Refused where processes sit in the group itself: then there are no limits.
            with suppress(OSError):
                (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def _write_limits(folders: Iterable[Path], limits: Limits) -> None:
    memory = str(limits.memory_mib * 2**20)
    values = {
        "memory.limit_in_bytes": memory,
        "memory.max": memory,
        "cpu.shares": str(1024 * limits.cpu),
        "cpu.weight": str(min(100 * limits.cpu, 10_000)),
    }
    for folder in folders:
        for name, value in values.items():
            if path_exists(folder / name):
                with suppress(OSError):  # more than a parent group allows
                    (folder / name).write_text(value)
