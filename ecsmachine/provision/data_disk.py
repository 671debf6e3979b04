"""The data disk: formatted only if it is empty, mounted on /var/lib/docker by UUID."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from ecsmachine.provision.base import DataDisk
from ecsmachine.provision.errors import ProvisionError
from ecsmachine.provision.facts import Facts, candidates

MOUNT_POINT = "/var/lib/docker"
_STEP = "data disk"
_NOTHING_FOUND = "2"  # what blkid -p leaves with when it knows nothing on a device


@dataclass(frozen=True)
class _Found:
    device: str
    probe: dict[str, str]


def commands(disk: DataDisk, facts: Facts) -> list[str]:
    """Return the shell commands that put the disk to use; none if it is in use already.

    Raises :class:`ProvisionError` if there is no such disk, or it holds other data.
    """
    found = _find(disk, facts)
    device = shlex.quote(found.probe.get("REAL") or found.device)
    mounted = facts["docker_mount"].rpartition("\n")[2].split()  # the last one is on top
    wanted: list[str] = []
    if not _is_empty(found) and found.probe.get("TYPE") != disk.file_system:
        raise ProvisionError(
            _STEP,
            f"{found.device} already holds data ({_contents(found)}), which is left alone",
            hint="Detach that disk, or empty it yourself, then try again.",
        )
    if _is_empty(found):
        wanted += _format(disk, device)
    uuid = found.probe.get("UUID")
    if uuid is None or f"UUID={uuid}" not in facts["fstab"]:
        wanted.append(
            f"uuid=$(blkid -p -s UUID -o value {device}) && "
            f'printf "UUID=%s {MOUNT_POINT} {disk.file_system} {_options(disk)} 0 2\\n" "$uuid" '
            ">> /etc/fstab"
        )
    if not mounted or mounted[0] not in (found.device, found.probe.get("REAL")):
        wanted.append(f"mkdir -p {MOUNT_POINT}")
        if facts.engine_running:
            wanted.append("systemctl stop docker.socket docker.service")
        wanted.append(f"mount -t {disk.file_system} {device} {MOUNT_POINT}")
    return wanted


def _find(disk: DataDisk, facts: Facts) -> _Found:
    for device in candidates(disk):
        probe = facts.device(device)
        if probe:
            return _Found(device, probe)
    raise ProvisionError(
        _STEP,
        f"none of {', '.join(candidates(disk))} is there",
        hint="Look at the instance's disks in the console.",
    )


def _is_empty(found: _Found) -> bool:
    """Nothing that blkid knows is on it, and its first MiB is zero, as on a new disk."""
    return found.probe.get("PROBE") == _NOTHING_FOUND and found.probe.get("ZEROS") == "yes"


def _contents(found: _Found) -> str:
    kind = found.probe.get("TYPE") or found.probe.get("PTTYPE")
    return f"{kind} found on it" if kind else "of an unknown kind"


def _format(disk: DataDisk, device: str) -> list[str]:
    if disk.file_system == "xfs":
        return [
            "export DEBIAN_FRONTEND=noninteractive",
            "command -v mkfs.xfs >/dev/null || "
            "{ apt-get -qq update && apt-get -qq -y install xfsprogs; }",
            f"mkfs.xfs -q -n ftype=1 {device}",
        ]
    return [f"mkfs.ext4 -q -F {device}"]


def _options(disk: DataDisk) -> str:
    # a disk that is missing must not keep the host from booting
    return "defaults,nofail,uquota,pquota" if disk.file_system == "xfs" else "defaults,nofail"
