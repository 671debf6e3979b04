"""The data disk: formatted only if it is empty, mounted on /var/lib/docker by UUID."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from ecsmachine.provision.base import DataDisk, ProvisionRequest
from ecsmachine.provision.errors import ProvisionError
from ecsmachine.provision.facts import Facts
from ecsmachine.provision.provisioner import PackageManager
from ecsmachine.provision.step import Action, Run, Situation, Step

MOUNT_POINT = "/var/lib/docker"
_STEP = "data disk"
_GIB = 1024**3
_QUOTA = ",uquota,pquota"  # lets the engine limit what a container writes
_NOTHING_FOUND = "2"  # what blkid -p leaves with when it knows nothing on a device


@dataclass(frozen=True)
class _Found:
    device: str
    probe: dict[str, str]


def look(request: ProvisionRequest) -> str:
    """Return the commands that show the candidates for the data disk, and what is mounted."""
    disk = request.data_disk
    return "".join(
        (
            "mark fstab; cat /etc/fstab 2>/dev/null\n",
            "mark docker_mount; ",
            f"awk '$2 == \"{MOUNT_POINT}\" {{ print $1, $3 }}' /proc/self/mounts\n",
            *(_look_at(device) for device in (candidates(disk) if disk else ())),
        )
    )


def actions(situation: Situation) -> list[Action]:
    """Return what puts the disk to use."""
    disk = situation.request.data_disk
    if disk is None:
        return []
    wanted = commands(disk, situation.facts, situation.provisioner.packages)
    return [Run("set -e\n" + "\n".join(wanted), timeout_s=900)] if wanted else []


def commands(disk: DataDisk, facts: Facts, packages: PackageManager) -> list[str]:
    """Return the shell commands that put the disk to use; none if it is in use already.

    It is, too, where Docker Machine's driver has made one partition of it.

    Raises :class:`ProvisionError` if there is no such disk, or it holds other data.
    """
    found = _find(disk, facts)
    mounted = facts["docker_mount"].rpartition("\n")[2].split()  # the last one is on top
    if _is_partitioned(found, [*mounted[:1], *_in_fstab(facts["fstab"])]):
        return []
    device = shlex.quote(found.probe.get("REAL") or found.device)
    elsewhere = found.probe.get("MOUNTED", MOUNT_POINT)
    if elsewhere != MOUNT_POINT:
        raise ProvisionError(
            _STEP,
            f"{found.device} is in use already, mounted on {elsewhere}",
            hint="Unmount that disk, or give the machine a disk of its own, then try again.",
        )
    wanted: list[str] = []
    is_mounted = mounted[:1] in ([found.device], [found.probe.get("REAL")])
    # what an adopted machine has is not known before: it stays
    file_system = mounted[1] if is_mounted else disk.file_system
    if not _is_empty(found) and found.probe.get("TYPE") != file_system:
        raise ProvisionError(
            _STEP,
            f"{found.device} already holds data ({_contents(found)}), and was not changed",
            hint="Detach that disk, or empty it yourself, then try again.",
        )
    if _is_empty(found):
        wanted += _format(disk, device, packages)
    if not is_mounted:
        wanted.append(f"mkdir -p {MOUNT_POINT}")
        if facts.engine_running:
            wanted.append("systemctl stop docker.socket docker.service")
        wanted.append(_mount(disk, device))
        # a new file system has no labels, and SELinux lets the engine write nothing there
        wanted.append(
            "if command -v selinuxenabled >/dev/null 2>&1 && selinuxenabled; then "
            f"restorecon -R {MOUNT_POINT}; fi"
        )
    uuid = found.probe.get("UUID")
    if uuid is None or _in_fstab(facts["fstab"]) != [f"UUID={uuid}"]:
        wanted += _write_down(file_system, device)
    return wanted


def candidates(disk: DataDisk) -> tuple[str, ...]:
    """Return the devices that may be the data disk, the surest first."""
    by_serial = (f"/dev/disk/by-id/virtio-{disk.serial}",) if disk.serial is not None else ()
    return (*by_serial, *disk.device_hints)


def _look_at(device: str) -> str:
    path = shlex.quote(device)
    return f"""\
if [ -b {path} ]; then
    mark {shlex.quote(f"device {device}")}
    echo "SIZE=$(blockdev --getsize64 {path})"
    blkid -p -o export {path} 2>/dev/null; echo "PROBE=$?"
    cmp -s -n 1048576 {path} /dev/zero && echo "ZEROS=yes"
    echo "REAL=$(readlink -f {path})"
    number=$(stat -L -c '%t %T' {path})
    number=$(printf '%d:%d' "0x${{number% *}}" "0x${{number#* }}")
    awk -v number="$number" '$3 == number {{ print "MOUNTED=" $5 }}' /proc/self/mountinfo |
        tail -n 1
fi
"""


def _find(disk: DataDisk, facts: Facts) -> _Found:
    by_serial = len(candidates(disk)) - len(disk.device_hints)
    others: list[str] = []
    for position, device in enumerate(candidates(disk)):
        probe = facts.pairs(f"device {device}")
        found = _Found(device, probe)
        if not probe:
            continue
        # a name alone is a guess: an empty disk of another size is not the one that was ordered
        guessed = position >= by_serial
        size = facts.fields(f"device {device}").number("SIZE")
        if guessed and _is_empty(found) and size != disk.size_gib * _GIB:
            others.append(f"{device} has {size / _GIB:.3g} GiB")
            continue
        return found
    raise ProvisionError(
        _STEP,
        f"none of {', '.join(candidates(disk))} is an empty disk of {disk.size_gib} GiB"
        + (f" ({', '.join(others)})" if others else ""),
        hint="Check the instance's disks in the console.",
    )


def _in_fstab(fstab: str) -> list[str]:
    """Return what is to be mounted where the engine has its data."""
    lines = (line.partition("#")[0].split() for line in fstab.splitlines())
    return [fields[0] for fields in lines if len(fields) > 1 and fields[1] == MOUNT_POINT]


def _is_partitioned(found: _Found, sources: list[str]) -> bool:
    """Whether a partition of the disk is among what is mounted for the engine, or is to be."""
    disks = "|".join(re.escape(each) for each in (found.device, found.probe.get("REAL")) if each)
    return any(re.fullmatch(f"({disks})p?[0-9]+", source) for source in sources)


def _write_down(file_system: str, device: str) -> list[str]:
    """Put the disk's line in the place of any other for the mount point."""
    # a disk that is missing must not keep the host from booting
    line = f"UUID=%s {MOUNT_POINT} {file_system} defaults,nofail%s 0 2\\n"
    return [
        f"uuid=$(blkid -p -s UUID -o value {device})",
        f"options=$(awk '$2 == \"{MOUNT_POINT}\" {{ last = $4 }} END {{ print last }}' "
        "/proc/self/mounts)",
        f"case $options in *prjquota*) quota={_QUOTA} ;; *) quota= ;; esac",
        "fstab=$(awk -v point="
        f"{MOUNT_POINT} '/^[[:space:]]*#/ || $2 != point' /etc/fstab 2>/dev/null || :)",
        f'{{ printf "%s\\n" "$fstab"; printf "{line}" "$uuid" "$quota"; }} > /etc/fstab.ecsmachine',
        "chmod 644 /etc/fstab.ecsmachine && mv /etc/fstab.ecsmachine /etc/fstab",
    ]


def _is_empty(found: _Found) -> bool:
    """Nothing that blkid knows is on it, and its first MiB is zero, as on a new disk."""
    return found.probe.get("PROBE") == _NOTHING_FOUND and found.probe.get("ZEROS") == "yes"


def _contents(found: _Found) -> str:
    kind = found.probe.get("TYPE") or found.probe.get("PTTYPE")
    return f"{kind} found on it" if kind else "of an unknown kind"


def _format(disk: DataDisk, device: str, packages: PackageManager) -> list[str]:
    if disk.file_system == "xfs":
        return [
            f"command -v mkfs.xfs >/dev/null || {packages.install('xfsprogs')}",
            f"mkfs.xfs -q -n ftype=1 {device}",
        ]
    return [f"mkfs.ext4 -q -F {device}"]


def _mount(disk: DataDisk, device: str) -> str:
    """Return the command that mounts the disk; XFS with quotas, if the kernel knows them."""
    if disk.file_system == "xfs":
        mount = f"mount -t xfs -o defaults{{}} {device} {MOUNT_POINT}"
        return f"{mount.format(_QUOTA)} 2>/dev/null || {mount.format('')}"
    return f"mount -t {disk.file_system} {device} {MOUNT_POINT}"


STEP = Step(_STEP, look, actions, "Preparing the data disk...", look_again=True)
