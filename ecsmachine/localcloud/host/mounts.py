"""Mounts and loop devices, found by where they lie: nothing needs to be remembered."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ecsmachine.localcloud.host.programs import ProgramError, run
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.system.os_errors import reason


def mounts_below(folder: Path) -> list[Path]:
    """Return the mount points at or below a folder, the innermost and newest first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = Path(_unescape(line.split()[4]))
        if point == folder or folder in point.parents:
            found.append(point)
    return found[::-1]


def _unescape(text: str) -> str:
    # proc(5): blank, tab, newline and backslash are written as \ooo.
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), text)


def unmount_below(folder: Path) -> None:
    """Unmount all at or below a folder.

    Raises :class:`~ecsmachine.localcloud.host.programs.ProgramError` if something stays in use.
    """
    for attempt in range(20):
        points = mounts_below(folder)
        if not points:
            return
        for point in points:
            try:
                run(["umount", str(point)])
            except ProgramError:
                # A process that has just been killed may hold it for a moment longer.
                if attempt == 19 and point in mounts_below(folder):
                    raise
        if attempt:
            time.sleep(0.1)


def mount_overlay(*, lower: Sequence[Path], upper: Path, work: Path, at: Path) -> None:
    """Mount ``upper`` over the folders of ``lower``, the highest first, at a folder.

    Relative ones begin in the folder above ``at``: the mount options must fit into one page.
    """
    options = f"lowerdir={':'.join(map(str, lower))},upperdir={upper},workdir={work}"
    run(["mount", "-t", "overlay", "ecsmachine", "-o", options, str(at)], cwd=at.parent)


def loops_below(folder: Path) -> dict[str, Path]:
    """Return the loop devices whose files are at or below a folder: device -> file."""
    found = {}
    for entry in Path("/sys/block").glob("loop*/loop/backing_file"):
        with suppress(OSError):  # detached while we look
            backing = Path(entry.read_text().rstrip("\n").removesuffix(" (deleted)"))
            if backing == folder or folder in backing.parents:
                found[f"/dev/{entry.parts[3]}"] = backing
    return found


def attach_loop(file: Path) -> str:
    """Attach a file to a loop device (the one it has already, if so) and return its name."""
    for device in loops_below(file):
        return device
    return run(["losetup", "--find", "--show", str(file)]).strip()


def show_loop_sizes(file: Path) -> None:
    """Let the loop devices of a file have the size that it has now, whatever is mounted there."""
    for device in loops_below(file):
        run(["losetup", "--set-capacity", device])


def detach_loops_below(folder: Path) -> None:
    """Detach the loop devices whose files are at or below a folder."""
    # The last user may have been killed just now: its data is written to the disk first.
    for _ in range(300):
        devices = loops_below(folder)
        if not devices:
            return
        for device in devices:
            with suppress(ProgramError):
                run(["losetup", "--detach", device])
        if loops_below(folder):
            time.sleep(0.1)
    still = ", ".join(sorted(loops_below(folder)))
    raise ProgramError(["losetup"], f"{still} is still in use")


def remove_tree(folder: Path) -> None:
    """Remove a folder of ours with all in it, but never through a mount."""
    points = mounts_below(folder)
    if points:
        raise LocalCloudError(f"{points[0]} is still mounted.")
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise LocalCloudError(f"Cannot remove {folder}: {reason(error, folder)}") from error
