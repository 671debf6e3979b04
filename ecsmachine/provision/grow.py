"""A disk that was made larger: its partition and its file system follow, while they are in use."""

from __future__ import annotations

import shlex

from ecsmachine.provision.base import HostConnection, Report
from ecsmachine.provision.errors import ProvisionError, output_of
from ecsmachine.provision.shell import PATH, as_root, command_failed, run
from ecsmachine.provision.steps.data_disk import MOUNT_POINT

_STEP = "growing a disk"
_GIB = 1024**3
_SEEN_TIMEOUT_S = 60
_REFUSED = 3

SYSTEM_MOUNT, DATA_MOUNT = "/", MOUNT_POINT
"""Where the file systems of the system disk and of the data disk are mounted."""


def grow_file_system(host: HostConnection, mount: str, size_gib: int, report: Report) -> None:
    """Let the file system at a mount point fill its disk, of which the cloud says so many GiB.

    It does so while it is mounted; an ext4 that the kernel does not let grow then is unmounted
    meanwhile, and the engine stopped. One that fills its disk already is left as it is; a root
    without a disk of its own (a container's) as well. Raises :class:`ProvisionError` if the host
    does not see the size, or the file system is of a kind that is not grown here.
    """
    report(f"Growing the file system of {mount}...")
    script = grow_script(mount, size_gib * _GIB)
    timeout_s = _SEEN_TIMEOUT_S + 600.0
    result = run(host, _STEP, as_root(script, host.user), timeout_s=timeout_s)
    if result.exit_status == _REFUSED:
        reason = result.stdout.strip().rpartition("\n")[2]
        raise ProvisionError(
            _STEP,
            f"{mount}: {reason}",
            hint="The disk itself has grown: grow the file system by hand, and try again.",
            details=output_of(result),
        )
    if result.exit_status:
        raise command_failed(_STEP, host.user, result)


def grow_script(mount: str, size: int) -> str:
    """Return the script: it does what is left to be done, and may be given again.

    ``size`` is that of the disk in bytes. A partition is grown only if it is the last on its disk;
    sfdisk does what growpart does where that is not installed.
    """
    return f"""\
export LC_ALL=C PATH="{PATH}"
mount={shlex.quote(mount)} size={size}
refuse() {{ echo "$*"; exit {_REFUSED}; }}
grow_ext() {{
    said=$(resize2fs "$device" 2>&1) && return
    echo "$said" >&2
    # the kernel lets a root without CAP_SYS_RESOURCE, a container's, grow no ext4 that is mounted
    case $said in *'Permission denied'*) ;; *) return 1 ;; esac
    [ "$mount" != / ] || return 1
    trap '' HUP INT PIPE TERM
    options=$(awk -v point="$mount" '$2 == point {{ last = $4 }} END {{ print last }}' \
        /proc/self/mounts)
    engine=
    if [ "$(systemctl is-active docker.service 2>/dev/null)" = active ]; then
        engine="docker.socket docker.service"
        systemctl stop $engine
    fi
    umount "$mount" && {{
        e2fsck -f -p "$device"
        [ $? -le 1 ] && resize2fs "$device"
        grown=$?
        mount -t "$kind" -o "$options" "$device" "$mount"
    }}
    mounted=$?
    [ -z "$engine" ] || systemctl start $engine || return 1
    [ $mounted -eq 0 ] && [ $grown -eq 0 ]
}}
set -- $(awk -v point="$mount" '$2 == point {{ last = $1 " " $3 }} END {{ print last }}' \\
    /proc/self/mounts)
source=$1 kind=$2
[ -n "$source" ] || refuse "nothing is mounted there"
if [ "$source" = /dev/root ]; then
    number=$(awk -v point="$mount" '$5 == point {{ last = $3 }} END {{ print last }}' \\
        /proc/self/mountinfo)
    source=/dev/$(sed -n 's/^DEVNAME=//p' "/sys/dev/block/$number/uevent")
fi
[ -b "$source" ] || exit 0
device=$(readlink -f "$source")
number=$(stat -L -c '%t %T' "$device")
block=/sys/dev/block/$(printf '%d:%d' "0x${{number% *}}" "0x${{number#* }}")
disk=$device part=
if [ -e "$block/partition" ]; then
    part=$(cat "$block/partition")
    parent=$(readlink -f "$block/..")
    disk=/dev/$(sed -n 's/^DEVNAME=//p' "$parent/uevent")
elif [ -d "$block/dm" ]; then
    refuse "it is on $source, of the device mapper"
fi
tries=0
while [ "$(blockdev --getsize64 "$disk")" -lt "$size" ]; do
    tries=$((tries + 1))
    [ "$tries" -le {_SEEN_TIMEOUT_S} ] || refuse "the host does not see that $disk is larger"
    sleep 1
done
if [ -n "$part" ]; then
    end=$(($(cat "$block/start") + $(cat "$block/size")))
    for other in "$parent"/*/start; do
        [ "$(cat "$other")" -lt "$end" ] ||
            refuse "another partition comes after partition $part of $disk"
    done
    # the copy of a partition table lies at the end of the disk
    if [ $(($(cat "$parent/size") - end)) -gt 4096 ]; then
        if command -v growpart >/dev/null; then
            growpart "$disk" "$part" || exit 1
        else
            echo ', +' | sfdisk --no-reread --no-tell-kernel -q -f -N "$part" "$disk" || exit 1
            partx -u --nr "$part" "$disk" || exit 1
        fi
    fi
fi
case $kind in
    ext[234]) grow_ext ;;
    xfs) xfs_growfs "$mount" ;;
    btrfs) btrfs filesystem resize max "$mount" ;;
    *) refuse "file systems of the kind $kind are not grown" ;;
esac
"""
