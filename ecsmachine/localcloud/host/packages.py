"""Sets of packages: fetched once with apt, checked, and kept in a form that is quick to unpack.

Each is checked against the hash that Debian has signed, and then repacked: a guest installs it
in a third of the time. Its own hash is kept, and looked at at each ``up``.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from ecsmachine.localcloud.catalog.images import SUITES
from ecsmachine.localcloud.host.apt import (
    apt_settings,
    copy_keys,
    host_sources,
    parse_hashes,
    parse_uris,
    source_lines,
)
from ecsmachine.localcloud.host.image import Report, made_once
from ecsmachine.localcloud.host.programs import ProgramError, run
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.state import records


@dataclass(frozen=True)
class Package:
    """One package file: its name in our folder, its size in bytes and its SHA256.

    ``modified_ns`` is when it was written: as long as that and its size are the same, it is taken
    to be whole, and not read.
    """

    file: str
    size: int
    sha256: str
    modified_ns: int = 0


@dataclass(frozen=True)
class PackageSet:
    """Packages that are downloaded together: their purpose, and their names.

    Packages of another ``suite`` than the base image's come without their dependencies.
    """

    purpose: str
    names: tuple[str, ...]
    suite: str = ""


Compression = Literal["zstd", "none"]

_DEBIAN = "deb http://deb.debian.org/debian {} main"
_FORM = "zstd, with times"  # the form of the stored files: others are downloaded again

ENGINE = PackageSet("engine", ("docker.io", "containerd", "runc", "tini"))
BASE_SYSTEM = PackageSet("base system", ("xfsprogs",))
"""Packages that the base image already has, and other hosts may have to install."""
_ENGINE_WITH_CLIENT = PackageSet("engine", (*ENGINE.names, "docker-cli"))


def engine_of(release: str) -> PackageSet:
    """Return the engine's packages of a release: since Debian 13 its client is a separate one."""
    return ENGINE if release in ("debian_11", "debian_12") else _ENGINE_WITH_CLIENT


def packages_path(cache: Path, image: Path, wanted: PackageSet = ENGINE) -> Path:
    """Return where the packages for guests with this base image are kept."""
    what = f"{_FORM} {' '.join(wanted.names)} {wanted.suite}".rstrip()
    names = hashlib.sha256(what.encode()).hexdigest()[:8]
    return cache / "packages" / f"{image.name}-{names}"


def fetch_packages(cache: Path, image: Path, report: Report, wanted: PackageSet = ENGINE) -> Path:
    """Return the folder with a set of packages; fetch them first if they are not there.

    With them comes all they depend on that the base image lacks, chosen by apt against the
    image's own list of packages. Files that no longer have the right hash are fetched again.
    """

    def make(work: Path) -> Path:
        try:
            _fetch(image, work, report, wanted)
        except ProgramError as error:
            raise LocalCloudError(
                f"The {wanted.purpose}'s packages cannot be downloaded: {error.message}",
                hint="Check that apt-get can install packages on this host",
                details=error.details,
            ) from error
        return work / "files"

    return made_once(packages_path(cache, image, wanted), report, make, is_whole)


def manifest_path(folder: Path) -> Path:
    """Return the file with the list of the packages in a folder."""
    return folder / "packages.json"


def read_manifest(folder: Path) -> list[Package]:
    """Return the packages in a folder. Raises ``LocalCloudError`` if its list is unreadable."""
    manifest = manifest_path(folder)
    packages = records.read(list[Package], manifest)
    if packages is None:
        raise LocalCloudError(f"{manifest} does not exist.")
    return packages


def is_whole(folder: Path) -> bool:
    """Return whether no file is missing, and each is the one that was written."""
    try:
        return all(_is_as_written(folder / p.file, p) for p in read_manifest(folder))
    except (OSError, LocalCloudError):
        return False


def package_of(file: Path) -> Package:
    """Return the record of a package that was just written."""
    written = file.stat()
    return Package(file.name, written.st_size, sha256_of(file), written.st_mtime_ns)


def _is_as_written(file: Path, package: Package) -> bool:
    found = file.stat()
    if package.modified_ns and found.st_mtime_ns == package.modified_ns:
        return found.st_size == package.size
    return sha256_of(file) == package.sha256


def _fetch(image: Path, work: Path, report: Report, wanted: PackageSet) -> None:
    for folder in ("state/lists/partial", "cache/archives/partial", "files"):
        (work / folder).mkdir(parents=True)
    copy_keys(host_sources(), work / "keys")
    settings = work / "apt.conf"
    sources = image / "etc/apt/sources.list"
    if wanted.suite:
        sources = work / "sources.list"
        lines = source_lines(host_sources(), wanted.suite)
        sources.write_text("\n".join(lines or [_DEBIAN.format(wanted.suite)]) + "\n")
    settings.write_text(_configuration(image, work, sources))
    report("reading the package lists")
    _apt(["apt-get", "update", "--quiet", "--error-on=any"], settings)
    if wanted.suite:
        fetch = ["apt-get", "download", "--quiet", *wanted.names]
        sizes = parse_uris(_apt([*fetch, "--print-uris"], settings))
    else:
        # Named ones are fetched even if the base image has them.
        fetch = ["apt-get", "install", "--reinstall", "--yes", "--quiet"]
        fetch += ["--no-install-recommends", *wanted.names]
        sizes = parse_uris(_apt([*fetch, "--print-uris"], settings))
        fetch.append("--download-only")
    if not sizes:
        raise LocalCloudError(f"apt finds no packages of the {wanted.purpose} for the base image.")
    report(f"downloading {len(sizes)} packages ({sum(sizes.values()) / 1e6:.0f} MB)")
    _apt(["env", f"--chdir={work / 'cache/archives'}", *fetch], settings)
    names = [name.partition("_")[0] for name in sizes]
    hashes = parse_hashes(_apt(["apt-cache", "show", *names], settings))
    report("unpacking")
    compression = compression_for(image)
    packages = []
    for name, size in sorted(sizes.items()):
        source = work / "cache/archives" / name
        package, version = (unquote(part) for part in name.split("_")[:2])
        expected = hashes.get((package, version))
        if expected is None or source.stat().st_size != size or sha256_of(source) != expected:
            raise LocalCloudError(f"{name} is not the file that its source has signed.")
        # Plain names: they become part of an address and of a shell script.
        file = "".join(c if c.isalnum() or c in "._-" else "-" for c in unquote(name))
        target = work / "files" / file
        repack(source, target, compression)
        source.unlink()
        packages.append(package_of(target))
    manifest = json.dumps([asdict(package) for package in packages], indent=1)
    manifest_path(work / "files").write_text(manifest)


def compression_for(image: Path) -> Compression:
    """Return a compression that the dpkg of the guest and of this host know."""
    known = "zstd" in run(["dpkg-deb", "--help"])  # since Debian 12
    return "zstd" if known and not image.name.startswith(SUITES["debian_11"]) else "none"


def repack(source: Path, target: Path, compression: Compression) -> None:
    """Write a package with another compression; what is in it stays the same.

    Raises :class:`LocalCloudError` if ``source`` is no package.
    """
    # Beyond its first level zstd takes much longer for hardly smaller files.
    how = ["-Znone"] if compression == "none" else ["-Zzstd", "-z1"]
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        tree = f"{work}/tree"
        try:
            run(["dpkg-deb", "--raw-extract", str(source), tree], timeout_s=600)
            run(["dpkg-deb", "--nocheck", *how, "--build", tree, str(target)], timeout_s=600)
        except ProgramError as error:
            raise LocalCloudError(
                f"{source.name} cannot be repacked: {error.message}",
                hint=error.hint,
                details=error.details,
            ) from error


def _configuration(image: Path, work: Path, sources: Path) -> str:
    # The host's own configuration is left out, its hooks above all; what matters of it
    # (proxies and certificates) is taken over by name.
    return f"""
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::sourcelist "{sources}";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::trustedparts "{work}/keys";
Dir::State "{work}/state";
Dir::State::status "{image}/var/lib/dpkg/status";
Dir::State::extended_states "/dev/null";
Dir::Cache "{work}/cache";
APT::Sandbox::User "root";
APT::Get::List-Cleanup "false";
{apt_settings()}"""


def _apt(argv: list[str], settings: Path) -> str:
    return run(["env", f"APT_CONFIG={settings}", *argv], timeout_s=1800)


def sha256_of(file: Path) -> str:
    """Return the SHA256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
