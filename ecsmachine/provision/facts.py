"""What a host looks like before anything is changed: gathered in one round trip."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from ecsmachine.provision.base import DataDisk, HostConnection
from ecsmachine.provision.engine import CERTIFICATE_FILES, DROP_IN_PATH
from ecsmachine.provision.shell import run_as_root

_MARK = "=== "

_SCRIPT = f"""\
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
mark() {{ printf '\\n{_MARK}%s\\n' "$1"; }}
mark os_release; cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release
mark hostname; hostname
mark etc_hostname; cat /etc/hostname 2>/dev/null
mark hosts; cat /etc/hosts 2>/dev/null
mark fstab; cat /etc/fstab 2>/dev/null
mark systemd; systemctl --version 2>/dev/null | head -n 1
mark dockerd; command -v dockerd
mark drop_in; cat {DROP_IN_PATH} 2>/dev/null
mark hashes; sha256sum {" ".join(CERTIFICATE_FILES)} 2>/dev/null
mark modes; stat -c '%a %n' {" ".join(CERTIFICATE_FILES)} 2>/dev/null
mark changed; stat -c '%Y' {DROP_IN_PATH} {" ".join(CERTIFICATE_FILES)} 2>/dev/null
mark unit; systemctl show docker.service -p ActiveState -p MainPID -p UnitFileState 2>/dev/null
mark socket; systemctl cat docker.socket >/dev/null 2>&1 && echo yes
pid=$(systemctl show docker.service -p MainPID 2>/dev/null); pid=${{pid#MainPID=}}
mark command_line
[ "${{pid:-0}}" -gt 0 ] && tr '\\0' '\\n' </proc/"$pid"/cmdline
mark started
[ "${{pid:-0}}" -gt 0 ] && stat -c '%Y' /proc/"$pid"
mark downloader; command -v curl || command -v wget
mark docker_mount; awk '$2 == "/var/lib/docker" {{ print $1, $3 }}' /proc/self/mounts
mark authorized_keys; cat ~/.ssh/authorized_keys 2>/dev/null
"""


@dataclass(frozen=True)
class Facts:
    """The state of a host, as the commands above print it."""

    sections: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.sections.get(name, "").strip("\n")

    @property
    def systemd_version(self) -> int:
        """The version of systemd; 0 without it."""
        found = re.match(r"systemd (\d+)", self["systemd"])
        return int(found[1]) if found else 0

    @property
    def unit(self) -> dict[str, str]:
        """The properties of docker.service that were asked for."""
        pairs = (line.partition("=") for line in self["unit"].splitlines())
        return {name: value for name, _, value in pairs}

    @property
    def engine_running(self) -> bool:
        """Whether docker.service is active."""
        return self.unit.get("ActiveState") == "active"

    @property
    def certificate_hashes(self) -> dict[str, str]:
        """The SHA-256 of each certificate file of the engine, by its path."""
        pairs = (line.split(maxsplit=1) for line in self["hashes"].splitlines())
        return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}

    @property
    def certificate_modes(self) -> dict[str, int]:
        """The permission bits of each certificate file of the engine, by its path."""
        pairs = (line.split(maxsplit=1) for line in self["modes"].splitlines())
        return {pair[1]: int(pair[0], 8) for pair in pairs if len(pair) == 2}

    @property
    def configured_after_start(self) -> bool:
        """Whether a file of the engine's configuration is newer than the engine's process."""
        if not self["started"]:
            return False
        started = int(self["started"])
        return any(int(changed) >= started for changed in self["changed"].split())

    def device(self, name: str) -> dict[str, str]:
        """Return what was found on a candidate for the data disk; empty if it is not there."""
        pairs = (line.partition("=") for line in self[f"device {name}"].splitlines())
        return {key: value for key, _, value in pairs}


def gather(host: HostConnection, data_disk: DataDisk | None) -> Facts:
    """Look at a host; nothing is changed. Raises ``ProvisionError``."""
    script = _SCRIPT + "".join(_look_at(device) for device in candidates(data_disk)) + ":\n"
    return parse(run_as_root(host, "looking at the host", script).stdout)


def parse(output: str) -> Facts:
    """Return the facts in the output of the commands."""
    sections: dict[str, str] = {}
    for part in f"\n{output}".split(f"\n{_MARK}")[1:]:
        name, _, text = part.partition("\n")
        sections[name] = text
    return Facts(sections)


def candidates(data_disk: DataDisk | None) -> tuple[str, ...]:
    """Return the devices that may be the data disk, the surest first."""
    if data_disk is None:
        return ()
    by_serial = (
        (f"/dev/disk/by-id/virtio-{data_disk.serial}",) if data_disk.serial is not None else ()
    )
    return (*by_serial, *data_disk.device_hints)


def _look_at(device: str) -> str:
    path = shlex.quote(device)
    return f"""\
if [ -b {path} ]; then
    mark {shlex.quote(f"device {device}")}
    echo "SIZE=$(blockdev --getsize64 {path})"
    blkid -p -o export {path} 2>/dev/null; echo "PROBE=$?"
    cmp -s -n 1048576 {path} /dev/zero && echo "ZEROS=yes"
    echo "REAL=$(readlink -f {path})"
fi
"""
