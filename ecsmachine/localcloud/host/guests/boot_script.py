"""The input of supervise.sh for a guest: settings, and the boot command."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from ecsmachine.localcloud.host.guests.base import GuestSpec

# systemd(1): start poweroff.target.
POWER_OFF = 0
if sys.platform == "linux":
    POWER_OFF = signal.SIGRTMIN + 4
# Instead of a guest that boots: a process 1 that answers nothing but being switched off, in a
# network that swallows all that comes.
_NO_BOOT = f"""\
    echo "A fault of the local cloud: this guest never boots."
    nsenter --net="$namespace" nft "table ip silent {{
        chain input {{ type filter hook input priority filter; policy drop; }}
    }}"
    exec unshare --pid --fork --kill-child \\
        sh -c 'trap "exit 0" {int(POWER_OFF)}; while :; do sleep 3600 & wait $!; done'"""
# Under the kernel's own name, too: it is there that mount looks for a UUID.
_DISKS = """\
    set --
    while read -r name device; do
        set -- "$@" "--bind=$device:/dev/$name" "--bind=$device"
    done <"$disks"
"""


def boot_script(
    spec: GuestSpec,
    settings: Mapping[str, object],
    *,
    machine: str,
    root: Path,
    binds: Mapping[str, Path],
) -> str:
    """Return what supervise.sh reads: shell variables, and the function ``boot``.

    ``machine`` is the name that systemd-nspawn knows the guest by; ``binds`` are the host's folders
    by where they are in the guest. Its disks are read at each boot: they change while it runs.
    """
    argv = [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        f"--directory={root}",
        # Both names are visible only on the host: in its process list and in /run.
        f"--machine={machine}",
        f"--hostname={spec.hostname}",
        f"--network-namespace-path={settings['namespace']}",
        *(f"--bind={source}:{target}" for target, source in binds.items()),
        # The engine hands all capabilities on to privileged containers, so it must have all.
        # The host's clock and modules are kept from the guest another way.
        "--capability=all",
        "--system-call-filter=@keyring bpf",
        "--system-call-filter=~@clock @module",
        "--private-users=no",
        "--register=no",
        "--keep-unit",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=read-only",
    ]
    # The engine sets /proc/sys/net/ipv4/ip_forward: let it, in its own namespace.
    command = ["env", "SYSTEMD_NSPAWN_API_VFS_WRITABLE=network", *argv]
    lines = [f"{name}={shlex.quote(str(value))}" for name, value in settings.items()]
    boot = _NO_BOOT if spec.faults.never_boots else f'{_DISKS}    exec {shlex.join(command)} "$@"'
    return "\n".join([*lines, "boot() {", boot, "}", ""])
