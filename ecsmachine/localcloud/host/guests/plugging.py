"""Data disks of a guest that runs: plugged in, and pulled out.

A guest has no udev, so its own root makes and removes the names below /dev.
"""

from __future__ import annotations

import os
from pathlib import Path

from ecsmachine.localcloud.host.guests.scripts import entered, environment
from ecsmachine.localcloud.host.programs import run

_TIMEOUT_S = 20.0
# $1 the name in the guest, $2 the kernel's own, where mount looks for a UUID; $3 and $4 its number
_PLUG = """
for node in "/dev/$1" "/dev/$2"; do
    [ -b "$node" ] || mknod --mode=600 "$node" b "$3" "$4"
done
"""
# What is mounted from it goes, as with a disk that is pulled out. At a boot the names were bound.
_UNPLUG = """
while read -r _ _ number _ at _; do
    [ "$number" = "$3:$4" ] && umount --lazy "$(printf %b "$at")"
done < /proc/self/mountinfo
number=$(printf %x:%x "$3" "$4")
for node in /dev/vd[b-z] "/dev/$2"; do
    [ "$(stat --format=%t:%T "$node" 2>/dev/null)" = "$number" ] || continue
    umount "$node" 2>/dev/null
    rm -f "$node"
done
"""


def plug(init: int, name: str, device: str) -> None:
    """Let a guest have a block device of the host as ``/dev/NAME``; ``init`` is its process 1.

    Raises :class:`~ecsmachine.localcloud.host.programs.ProgramError`.
    """
    _carry_out(init, _PLUG, name, device)


def unplug(init: int, device: str) -> None:
    """Take a block device away from a guest, with all that is mounted from it there."""
    _carry_out(init, _UNPLUG, "", device)


def _carry_out(init: int, script: str, name: str, device: str) -> None:
    number = Path(device).stat().st_rdev
    words = [name, Path(device).name, str(os.major(number)), str(os.minor(number))]
    argv = [*entered(init), "/bin/sh", "-c", script, "sh", *words]
    run(argv, env=environment(), timeout_s=_TIMEOUT_S)
