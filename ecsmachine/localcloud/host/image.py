"""Base images: small Debian systems that guests' root disks lie over, each built once."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from ecsmachine.localcloud.catalog.images import SUITES, USUAL
from ecsmachine.localcloud.host.apt import apt_settings, copy_keys, host_sources, source_lines
from ecsmachine.localcloud.host.mounts import unmount_below
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.system import locks, os_errors
from ecsmachine.system.files import folder_exists

if TYPE_CHECKING:
    from importlib.abc import Traversable

_PACKAGES = (
    *("ca-certificates", "curl", "dbus", "e2fsprogs", "fdisk", "iproute2", "iptables", "kmod"),
    *("openssh-server", "procps", "rsync", "sudo", "systemd", "systemd-sysv", "xfsprogs"),
)
_WANTED_BY = {
    "ecs-control-groups": "sysinit.target",
    "ecs-data-disks": "local-fs.target",
    "ecs-user-data": "multi-user.target",
}
# Of no use in a guest that has no console, no kernel modules, no network to update itself from,
# and no LVM; each of them would take its part of the time that a boot takes.
_MASKED = (
    *("apt-daily-upgrade.timer", "apt-daily.timer", "console-getty.service"),
    *("dev-hugepages.mount", "e2scrub_all.timer", "e2scrub_reap.service", "modprobe@.service"),
    *("sys-fs-fuse-connections.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount"),
    *("systemd-modules-load.service", "systemd-remount-fs.service"),
    "systemd-tmpfiles-setup-dev.service",
)
# Generators run at each boot and each reload. These are for a computer with a kernel command line,
# consoles, partitions or encrypted disks of its own.
_MASKED_GENERATORS = (
    *("cryptsetup", "debug", "getty", "gpt-auto", "hibernate-resume", "integritysetup", "run"),
    *("system-update", "veritysetup"),
)
# Started when something speaks to them first, not at each boot: systemd starts dbus for its socket,
# and dbus the other.
_ON_DEMAND = ("dbus.service", "systemd-logind.service")
# To systemd they say that /etc and /var are as new as /usr (systemd.unit(5), ConditionNeedsUpdate):
# without them it looks at each boot for users to add.
_UP_TO_DATE = ("etc/.updated", "var/.updated")
# Files that each guest must have for itself, and a folder for which each SSH session runs programs.
_REMOVED = (
    *("etc/ssh/ssh_host_*", "etc/machine-id", "var/lib/dbus/machine-id", "etc/hostname"),
    "etc/update-motd.d",
)

# Messages of mmdebstrap for its steps -> messages to the user.
_STEPS = {
    "running apt-get update": "reading the package lists",
    "downloading packages": "downloading packages",
    "extracting archives": "unpacking",
    "installing essential": "installing the essential packages",
    "installing remaining": "installing the other packages",
    "cleaning": "cleaning up",
}

Report = Callable[[str], None]


def recipe_hash(suite: str) -> str:
    """Return what names the image: it changes when anything that makes up the image does."""
    files = {name: (mode, data.hex()) for name, mode, data in _own_files()}
    settings = [_WANTED_BY, _MASKED, _MASKED_GENERATORS, _ON_DEMAND, _UP_TO_DATE]
    parts = [suite, _PACKAGES, *settings, _REMOVED, files]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def image_path(cache: Path, release: str = USUAL) -> Path:
    """Return where the image of this version is, once it is built."""
    suite = SUITES[release]
    return cache / "images" / f"{suite}-{recipe_hash(suite)}"


def build_image(cache: Path, report: Report, release: str = USUAL) -> Path:
    """Return a release's base image; build it first if there is none (a minute or less).

    ``report`` gets each step. Raises :class:`LocalCloudError` with the end of the output of
    mmdebstrap.
    """
    target = image_path(cache, release)
    if folder_exists(target):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    # It will hold a whole system with set-user-id programs: nobody else may enter.
    target.parent.chmod(0o700)

    def make(work: Path) -> Path:
        _bootstrap(work / "root", work, SUITES[release], report)
        _finish(work / "root")
        return work / "root"

    return made_once(target, report, make)


def made_once(
    target: Path,
    report: Report,
    make: Callable[[Path], Path],
    is_whole: Callable[[Path], bool] = lambda _: True,
) -> Path:
    """Return a folder of the cache; if it is not there, and whole, ``make`` it first.

    That gets a temporary folder, and returns what in it becomes the ``target``. Other processes
    that want it, too, wait.
    """
    if folder_exists(target) and is_whole(target):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _held(target.parent, report):
        if folder_exists(target) and is_whole(target):
            return target
        shutil.rmtree(target, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            make(temporary).rename(target)
        finally:
            with suppress(LocalCloudError):
                unmount_below(temporary)
                shutil.rmtree(temporary, ignore_errors=True)
    return target


@contextmanager
def _held(folder: Path, report: Report) -> Iterator[None]:
    """Hold a folder against other processes that would fill it at the same time."""
    with locks.held(folder, lambda: report("waiting for another process that builds it")):
        for left in folder.glob(".*-*"):  # of a process that was killed
            unmount_below(left)
            shutil.rmtree(left, ignore_errors=True)
        yield


def _bootstrap(root: Path, work: Path, suite: str, report: Report) -> None:
    settings = work / "apt.conf"
    settings.write_text(apt_settings())
    sources = host_sources()
    copy_keys(sources, work / "keys")
    argv = [
        # Killed with us: it must not go on in a folder that the next one removes.
        "setpriv",
        "--pdeathsig=TERM",
        "mmdebstrap",
        "--variant=minbase",
        "--mode=root",
        f"--include={','.join(_PACKAGES)}",
        f"--aptopt={settings}",
        f"--keyring={work / 'keys'}",
        suite,
        str(root),
        *source_lines(sources, suite),
    ]
    last: deque[str] = deque(maxlen=20)
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        assert process.stderr is not None  # noqa: S101 - Popen was asked for it
        try:
            for line in process.stderr:
                last.append(line.rstrip())
                for said, step in _STEPS.items():
                    if line.startswith(f"I: {said}"):
                        report(step)
        except BaseException:
            process.terminate()  # mmdebstrap unmounts what it mounted
            raise
    if process.returncode != 0:
        told = os_errors.told_by("\n".join(last))
        errors = [line[3:] for line in last if line.startswith("E: ")]
        raise LocalCloudError(
            f"The base image cannot be built: {errors[0] if errors else 'mmdebstrap failed'}",
            hint=os_errors.sentence(told)
            if told is not None
            else "It needs Debian packages: check that apt-get can install packages on this host",
            details="\n".join(last),
        )


def _finish(root: Path) -> None:
    for pattern in _REMOVED:
        for found in root.glob(pattern):
            shutil.rmtree(found) if folder_exists(found) else found.unlink()
    for name, mode, data in _own_files():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_bytes(data)
        file.chmod(mode)
    units = root / "etc/systemd/system"
    for unit, target in _WANTED_BY.items():
        wants = units / f"{target}.wants"
        wants.mkdir(exist_ok=True)
        (wants / f"{unit}.service").symlink_to(f"../{unit}.service")
    generators = units.with_name("system-generators")
    wanted = units / "multi-user.target.wants"
    for link in (
        *(units / unit for unit in _MASKED),
        *(generators / f"systemd-{name}-generator" for name in _MASKED_GENERATORS),
        *(wanted / unit for unit in _ON_DEMAND),
    ):
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
    for name in _UP_TO_DATE:
        (root / name).touch()
    for folder in ("var/lib/docker", "var/lib/containerd"):
        (root / folder).mkdir(mode=0o710, exist_ok=True)
    root.chmod(0o755)


def _own_files() -> list[tuple[str, int, bytes]]:
    """Return the files that this package puts into the image: name, mode, content."""
    found: list[tuple[str, int, bytes]] = []

    def walk(folder: Traversable, prefix: str) -> None:
        for entry in sorted(folder.iterdir(), key=lambda e: e.name):
            name = f"{prefix}{entry.name}"
            if entry.is_dir():
                walk(entry, f"{name}/")
            else:
                # A wheel does not keep the mode: scripts are recognized by their first line.
                data = entry.read_bytes()
                found.append((name, 0o755 if data.startswith(b"#!") else 0o644, data))

    walk(resources.files(__package__).joinpath("image_files"), "")
    return found


def is_in_use(image: Path) -> bool:
    """Return whether a guest of any cloud on this host runs over the image."""
    mounts = Path("/proc/self/mountinfo").read_text()
    return f"lowerdir={image}," in mounts


def remove_images(cache: Path) -> None:
    """Remove all images. Raises ``LocalCloudError`` while a guest runs over one."""
    folder = cache / "images"
    for image in sorted(folder.iterdir()) if folder_exists(folder) else []:
        if is_in_use(image):
            raise LocalCloudError(
                f"The image {image} is in use by another local cloud.",
                hint="Stop that first: ecsmachine local down --root DIR",
            )
    shutil.rmtree(folder, ignore_errors=True)
