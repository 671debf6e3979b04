"""Docker's packages, as on Alibaba Cloud's mirror, built from Debian's: two versions of each.

Their files are Debian's; their names, their parts and their dependencies are Docker's. So an
installation from that mirror finds an engine, and a newer one.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ecsmachine.localcloud.host.image import Report, made_once
from ecsmachine.localcloud.host.packages import (
    Package,
    PackageSet,
    fetch_packages,
    is_whole,
    manifest_path,
    package_of,
    read_manifest,
)
from ecsmachine.localcloud.host.programs import run
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.system.files import folder_exists

HOST = "mirrors.cloud.aliyuncs.com"
"""The mirror's name, which hosts on ECS reach inside their VPC."""
TREE = "/docker-ce/linux/debian"
COMPONENT = "stable"
SUITE = "bookworm"
"""The one release that there are two versions for."""
POOL = f"dists/{SUITE}/pool/{COMPONENT}"

NEWER = PackageSet(
    "newer engine",
    ("docker.io", "docker-cli", "containerd", "docker-buildx", "docker-compose"),
    suite="trixie",
)
"""The newer version's: they run on Debian 12, with its C library and its runc."""

_CLIENT = (
    *("usr/bin/docker", "usr/share/bash-completion", "usr/share/fish", "usr/share/zsh"),
    *("usr/share/man/man1", "usr/libexec/docker/cli-plugins"),
)
_FORM = "3"  # their build recipe: others are built again


@dataclass(frozen=True)
class _Recipe:
    """A package of Docker's: which of Debian's are in it, and what of them."""

    name: str
    parts: tuple[str, ...]
    depends: str
    epoch: str = ""
    suffix: str = "~debian.12~bookworm"
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


_ENGINE = _Recipe(
    "docker-ce",
    ("docker.io", "tini"),
    "docker-ce-cli, containerd.io (>= 1.6), iptables, libsystemd0, adduser",
    "5:",
    without=_CLIENT,
)
_RUNTIME = _Recipe("containerd.io", ("containerd", "runc"), "libseccomp2", suffix="")
_BUILDX = _Recipe("docker-buildx-plugin", ("docker-buildx",), "libc6")
_COMPOSE = _Recipe("docker-compose-plugin", ("docker-compose",), "libc6", without=("usr/bin",))


def _client(part: str) -> _Recipe:
    return _Recipe("docker-ce-cli", (part,), "libc6", "5:", only=_CLIENT)


def docker_ce_packages(cache: Path, image: Path, older: Path, report: Report) -> Path:
    """Return the folder with the packages; make them first if they are not there.

    ``older`` has the engine's packages of the release with this base image; the newer ones are
    fetched, and removed again. Raises ``LocalCloudError``.
    """
    made_of = [_FORM, *NEWER.names, *(package.sha256 for package in read_manifest(older))]
    digest = hashlib.sha256(" ".join(made_of).encode()).hexdigest()[:8]
    target = cache / "packages" / f"docker-ce-{SUITE}-{digest}"
    if folder_exists(target) and is_whole(target):
        return target
    newer = fetch_packages(cache, image, report, NEWER)

    def make(work: Path) -> Path:
        report("making packages of two versions")
        files = work / "files"
        files.mkdir()
        old = [(recipe, [older]) for recipe in (_ENGINE, _client("docker.io"), _RUNTIME)]
        recipes = (_ENGINE, _client("docker-cli"), _RUNTIME, _BUILDX, _COMPOSE)
        new = [(recipe, [newer, older]) for recipe in recipes]
        made = [_build(recipe, folders, work, files) for recipe, folders in [*old, *new]]
        manifest_path(files).write_text(json.dumps([asdict(p) for p in made], indent=1))
        return files

    made_once(target, report, make, is_whole)
    shutil.rmtree(newer, ignore_errors=True)
    return target


def _build(recipe: _Recipe, folders: Sequence[Path], work: Path, files: Path) -> Package:
    """Make one package; of two folders the first one that has a part gives it."""
    tree = work / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    first, *others = (_find(part, folders) for part in recipe.parts)
    run(["dpkg-deb", "--raw-extract", str(first), str(tree)])
    for part in others:
        run(["dpkg-deb", "--extract", str(part), str(tree)])
    if folder_exists(tree / "lib"):  # the file system is merged: in one place, whatever the version
        shutil.copytree(tree / "lib", tree / "usr/lib", dirs_exist_ok=True, symlinks=True)
        shutil.rmtree(tree / "lib")
    _leave(tree, recipe)
    control = run(["dpkg-deb", "--field", str(first)])
    upstream = docker_version(_field(control, "Version"))
    version = f"{recipe.epoch}{upstream}{recipe.suffix}"
    architecture = _field(control, "Architecture")
    if recipe.only:  # the scripts and the settings are the engine's
        for entry in (tree / "DEBIAN").iterdir():
            entry.unlink()
    (tree / "DEBIAN/md5sums").unlink(missing_ok=True)
    (tree / "DEBIAN/control").write_text(
        f"Package: {recipe.name}\nVersion: {version}\nArchitecture: {architecture}\n"
        "Maintainer: ecsmachine's local cloud <nobody@localhost>\nSection: admin\n"
        f"Priority: optional\nDepends: {recipe.depends}\n"
        f"Conflicts: {', '.join(recipe.parts)}\nReplaces: {', '.join(recipe.parts)}\n"
        f"Description: made of Debian's {', '.join(recipe.parts)}\n"
    )
    target = files / f"{recipe.name}_{upstream}_{architecture}.deb"
    # Two thirds smaller than without compression, and nearly as quick to unpack.
    run(["dpkg-deb", "-Zzstd", "-z1", "--build", str(tree), str(target)])
    return package_of(target)


def docker_version(debian: str) -> str:
    """Return the version that Docker would give to what Debian calls ``20.10.24+dfsg1-1``."""
    found = re.match(r"[0-9]+(\.[0-9]+)*", debian.partition(":")[2] or debian)
    return f"{found[0] if found else '0'}-1"


def _leave(tree: Path, recipe: _Recipe) -> None:
    """Remove from a tree what does not belong to the package."""
    for entry in sorted(tree.rglob("*"), reverse=True):
        name = entry.relative_to(tree).as_posix()
        if name.partition("/")[0] == "DEBIAN":
            continue
        inside = [
            any(name == top or name.startswith(f"{top}/") for top in tops)
            for tops in (recipe.only, recipe.without)
        ]
        if (recipe.only and not inside[0]) or inside[1]:
            if folder_exists(entry) and not entry.is_symlink():
                if not any(entry.iterdir()):
                    entry.rmdir()
            else:
                entry.unlink()


def _find(part: str, folders: Sequence[Path]) -> Path:
    for folder in folders:
        for package in read_manifest(folder):
            if package.file.partition("_")[0] == part:
                return folder / package.file
    raise LocalCloudError(f"{part} is in no set of packages.")


def _field(control: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*)$", control, re.MULTILINE)
    return found[1].strip() if found else ""
