"""The registry's programs: Debian's packages, unpacked beside the host's own, never installed."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ecsmachine.localcloud.host.image import Report, exclusive
from ecsmachine.localcloud.host.packages import (
    PackageSet,
    fetch_packages,
    packages_path,
    read_manifest,
)
from ecsmachine.localcloud.host.programs import run

PACKAGES = PackageSet("registry", ("docker-registry", "busybox-static"))


@dataclass(frozen=True)
class RegistryPrograms:
    """A folder with the unpacked packages."""

    folder: Path

    @property
    def registry(self) -> Path:
        """Docker Distribution's server."""
        return self.folder / "usr/bin/docker-registry"

    @property
    def busybox(self) -> Path:
        """A busybox that needs no library."""
        return self.folder / "bin/busybox"


def fetch_programs(cache: Path, image: Path, report: Report) -> RegistryPrograms:
    """Return the programs; fetch and unpack them first if they are not there.

    Raises :class:`~ecsmachine.localcloud.protocol.errors.LocalCloudError`.
    """
    target = cache / "registry" / packages_path(cache, image, PACKAGES).name
    if target.is_dir():
        return RegistryPrograms(target)
    packages = fetch_packages(cache, image, report, PACKAGES)
    target.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(target.parent, report):
        if not target.is_dir():
            temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
            try:
                for package in read_manifest(packages):
                    if package.file.partition("_")[0] in PACKAGES.names:
                        run(["dpkg-deb", "--extract", str(packages / package.file), str(temporary)])
                temporary.rename(target)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    return RegistryPrograms(target)
