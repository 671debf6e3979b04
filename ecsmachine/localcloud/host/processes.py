"""Processes, identified by id and start time (ids are reused), and the users of a port."""

from __future__ import annotations

import errno
import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ecsmachine.localcloud.host.programs import ProgramError, run
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.polling import polls
from ecsmachine.system.files import path_exists

_KILL_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class ProcessId:
    """A process: its id, and its start time on the host."""

    pid: int
    started: str


def identify(pid: int) -> ProcessId | None:
    """Return the identity of the process that has this id now; None if there is none.

    A zombie process counts as gone.
    """
    if not path_exists("/proc/self/stat"):
        return _identify_without_proc(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold blanks
    state, ticks = fields[0], fields[19]  # proc(5): fields 3 and 22
    if state in "ZX":
        return None
    # The ticks count from the host's boot: which boot belongs to it.
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ProcessId(pid, f"{boot}/{ticks}")


def _identify_without_proc(pid: int) -> ProcessId | None:
    try:
        started = run(["ps", "-o", "lstart=", "-p", str(pid)]).strip()
    except ProgramError:
        return None
    return ProcessId(pid, started) if started else None


def is_alive(process: ProcessId) -> bool:
    """Return whether this very process runs."""
    return identify(process.pid) == process


def wait_gone(process: ProcessId, timeout_s: float) -> bool:
    """Wait until the process is gone; return False if it is still there."""
    looks = polls(timeout_s, first_pause_s=0.02, longest_pause_s=0.02)
    return any(not is_alive(process) for _ in looks)


def terminate(process: ProcessId) -> None:
    """Ask the process to end, and kill it when it does not in 20 seconds."""
    for signal_number, patience_s in ((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0)):
        if not is_alive(process):
            return
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal_number)
        if wait_gone(process, patience_s):
            return


def kill(process: ProcessId) -> None:
    """Kill a process at once, if it is there."""
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)


def kill_all(listed: Callable[[], list[int]]) -> None:
    """Kill the processes with these ids until none is listed any more.

    Raises :class:`LocalCloudError` if that takes too long.
    """
    pids: list[int] = []
    for _ in polls(_KILL_TIMEOUT_S, first_pause_s=0.02, longest_pause_s=0.02):
        pids = listed()
        if not pids:
            return
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    raise LocalCloudError(f"Processes that cannot be killed: {pids}")


def ids_by_namespace(pid: int) -> list[int]:
    """Return the ids of a process, from this process namespace inward; empty if it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return []
    for line in status.splitlines():
        if line.startswith("NSpid:"):
            return [int(word) for word in line.split()[1:]]
    return []


def why_not_listening(error: OSError, port: int, *, namespace: Path | None = None) -> str:
    """Return why a port cannot be listened on; of one that is taken, who holds it.

    ``namespace`` is the network namespace that it is in.
    """
    if error.errno != errno.EADDRINUSE:
        return os.strerror(error.errno) if error.errno else str(error)
    inside = [] if namespace is None else ["nsenter", f"--net={namespace}"]
    try:
        listed = run([*inside, "ss", "-ltnpH", f"sport = :{port}"])
    except ProgramError:  # macOS has none
        listed = ""
    holders = read_holders(listed)
    return f"it is used by {' and '.join(holders)}" if holders else "another program uses it"


def read_holders(listed: str) -> list[str]:
    """Read the programs from what ``ss -ltnp`` prints: ``nginx (process 12)``."""
    found = re.findall(r'\("([^"]+)",pid=(\d+)', listed)
    return list(dict.fromkeys(f"{name} (process {pid})" for name, pid in found))
