"""The requirements for guests, and how to install what is missing."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from ecsmachine.localcloud.host.control_groups import hierarchies_of_host
from ecsmachine.localcloud.host.programs import ProgramError, run
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.system.files import path_exists

# Program -> the Debian package that has it.
_PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "nft": "nftables",
    "apt-get": "apt",
    "dpkg": "dpkg",
    "losetup": "mount",
    "mount": "mount",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}
_WITH_ROOT = 'Run it with sudo: sudo "$(command -v ecsmachine)" local up'
_WITHOUT_GUESTS = "The API alone runs anywhere: ecsmachine local up --guests none"

Which = Callable[[str], str | None]


def is_for_guests() -> bool:
    """Whether this is a system that guests can run on."""
    return sys.platform.startswith("linux")


def check_host() -> None:
    """Raise :class:`LocalCloudError` if no guest can run here, with what to do about it.

    All that is missing is named at once.
    """
    if not is_for_guests():
        raise LocalCloudError("Guests need Linux.", hint=_WITHOUT_GUESTS)
    if os.geteuid() != 0:
        raise LocalCloudError("Guests need root.", hint=f"{_WITH_ROOT}. {_WITHOUT_GUESTS}")
    packages = missing_packages(shutil.which)
    if packages:
        raise LocalCloudError(
            f"This host lacks {', '.join(packages)}.",
            hint=f"Install with: apt-get install -y {' '.join(packages)}",
        )
    if not hierarchies_of_host().all:
        raise LocalCloudError(
            "No control groups are mounted on this host.",
            hint="Mount them: mount -t cgroup2 none /sys/fs/cgroup",
        )
    _check_kernel()


def missing_packages(which: Which) -> list[str]:
    """Return the Debian packages to install, given how to look a program up."""
    return sorted({package for program, package in _PROGRAMS.items() if which(program) is None})


def _check_kernel() -> None:
    for module in ("overlay", "loop"):
        if not _has(module) and shutil.which("modprobe"):
            try:
                run(["modprobe", module])
            except ProgramError as error:
                raise LocalCloudError(
                    f"This kernel has no {module}: {error.message}",
                    hint="Boot a kernel of the distribution.",
                ) from None
        if not _has(module):
            raise LocalCloudError(
                f"This kernel has no {module}.", hint="Boot a kernel of the distribution."
            )


def _has(module: str) -> bool:
    if module == "overlay":
        return "\toverlay\n" in Path("/proc/filesystems").read_text()
    return path_exists("/dev/loop-control")
