"""Docker's packages made of Debian's, here of some that hold a file each."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

from ecsmachine.localcloud.host import docker_ce
from ecsmachine.localcloud.host.docker_ce import docker_ce_packages, docker_version
from ecsmachine.localcloud.host.image import Report
from ecsmachine.localcloud.host.packages import Package, PackageSet, read_manifest, sha256_of
from ecsmachine.localcloud.protocol.errors import LocalCloudError

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg")

DOCKER = ("usr/sbin/dockerd", "lib/systemd/system/docker.service")
CLIENT = ("usr/bin/docker", "usr/share/bash-completion/completions/docker")
OLDER = {
    "docker.io": ("20.10.24+dfsg1-1", (*DOCKER, *CLIENT)),
    "containerd": ("1.6.20~ds1-1", ("usr/bin/containerd",)),
    "runc": ("1.1.5+ds1-1", ("usr/sbin/runc",)),
    "tini": ("0.19.0-1", ("usr/bin/tini-static",)),
}
PLUGINS = "usr/libexec/docker/cli-plugins"
NEWER = {
    "docker.io": ("26.1.5+dfsg1-9", ("usr/sbin/dockerd", "usr/lib/systemd/system/docker.service")),
    "docker-cli": ("26.1.5+dfsg1-9", CLIENT),
    "containerd": ("1.7.24~ds1-6", ("usr/bin/containerd",)),
    "docker-buildx": ("0.13.1+ds1-3", (f"{PLUGINS}/docker-buildx",)),
    "docker-compose": ("2.26.1-4", (f"{PLUGINS}/docker-compose", "usr/bin/docker-compose")),
}


def make_set(folder: Path, contents: dict[str, tuple[str, tuple[str, ...]]]) -> Path:
    files = folder / "files"
    files.mkdir(parents=True)
    listed = []
    for name, (version, names) in contents.items():
        tree = folder / "trees" / name
        for entry in names:
            (tree / entry).parent.mkdir(parents=True, exist_ok=True)
            (tree / entry).write_text(version)
        (tree / "DEBIAN").mkdir()
        (tree / "DEBIAN/control").write_text(
            f"Package: {name}\nVersion: {version}\nArchitecture: amd64\n"
            "Maintainer: A <a@b.c>\nDescription: a\n"
        )
        script = tree / "DEBIAN/postinst"
        script.write_text("#!/bin/sh\n")
        script.chmod(0o755)
        file = files / f"{name}_{version.replace('+', '-').replace('~', '-')}_amd64.deb"
        subprocess.run(["dpkg-deb", "-Znone", "-b", tree, file], check=True, capture_output=True)
        listed.append(Package(file.name, file.stat().st_size, sha256_of(file)))
    (files / "packages.json").write_text(json.dumps([asdict(package) for package in listed]))
    return files


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    older = make_set(tmp_path / "older", OLDER)
    fetched: list[str] = []

    def fetch(cache: Path, image: Path, report: Report, wanted: PackageSet) -> Path:
        assert wanted is docker_ce.NEWER and not fetched, "once is enough"
        fetched.append(wanted.suite)
        return make_set(tmp_path / "newer", NEWER)

    monkeypatch.setattr(docker_ce, "fetch_packages", fetch)
    (tmp_path / "cache/packages").mkdir(parents=True)
    cache = tmp_path / "cache"
    first = docker_ce_packages(cache, tmp_path, older, print)
    assert docker_ce_packages(cache, tmp_path, older, print) == first
    assert not (tmp_path / "newer/files").exists()
    assert [path for path in (cache / "packages").iterdir() if path != first] == []
    return first


def field(file: Path, name: str) -> str:
    shown = subprocess.run(["dpkg-deb", "-f", file, name], capture_output=True, check=True)
    return shown.stdout.decode().strip()


def files_of(file: Path) -> list[str]:
    shown = subprocess.run(["dpkg-deb", "-c", file], capture_output=True, check=True)
    names = [line.split()[5].removeprefix("./") for line in shown.stdout.decode().splitlines()]
    return sorted(name for name in names if name and not name.endswith("/"))


def test_two_versions_of_what_docker_has(made: Path) -> None:
    versions = sorted(
        (field(made / p.file, "Package"), field(made / p.file, "Version"))
        for p in read_manifest(made)
    )
    assert versions == [
        ("containerd.io", "1.6.20-1"),
        ("containerd.io", "1.7.24-1"),
        ("docker-buildx-plugin", "0.13.1-1~debian.12~bookworm"),
        ("docker-ce", "5:20.10.24-1~debian.12~bookworm"),
        ("docker-ce", "5:26.1.5-1~debian.12~bookworm"),
        ("docker-ce-cli", "5:20.10.24-1~debian.12~bookworm"),
        ("docker-ce-cli", "5:26.1.5-1~debian.12~bookworm"),
        ("docker-compose-plugin", "2.26.1-1~debian.12~bookworm"),
    ]


@pytest.mark.parametrize("version", ["20.10.24", "26.1.5"])
def test_engine_and_client_are_apart_in_both(version: str, made: Path) -> None:
    engine = made / f"docker-ce_{version}-1_amd64.deb"
    client = made / f"docker-ce-cli_{version}-1_amd64.deb"
    assert files_of(engine) == [
        *("usr/bin/tini-static", "usr/lib/systemd/system/docker.service", "usr/sbin/dockerd")
    ]
    assert files_of(client) == sorted(CLIENT)
    assert field(engine, "Conflicts") == "docker.io, tini"


def test_the_runtime_has_runc_in_it_and_the_plugins_no_program(made: Path) -> None:
    runtime = ["usr/bin/containerd", "usr/sbin/runc"]
    assert files_of(made / "containerd.io_1.6.20-1_amd64.deb") == runtime
    assert files_of(made / "containerd.io_1.7.24-1_amd64.deb") == runtime
    compose = made / "docker-compose-plugin_2.26.1-1_amd64.deb"
    assert files_of(compose) == [f"{PLUGINS}/docker-compose"]


def test_a_version_is_dockers() -> None:
    assert docker_version("20.10.24+dfsg1-1+deb12u1+b6") == "20.10.24-1"
    assert docker_version("1.6.20~ds1-1") == "1.6.20-1"
    assert docker_version("1:2.26.1-4") == "2.26.1-1"


def test_a_set_that_lacks_a_part_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older = make_set(tmp_path / "older", {"docker.io": OLDER["docker.io"]})
    newer = make_set(tmp_path / "newer", NEWER)
    monkeypatch.setattr(docker_ce, "fetch_packages", lambda *_: newer)
    (tmp_path / "packages").mkdir()
    with pytest.raises(LocalCloudError, match="tini"):
        docker_ce_packages(tmp_path, tmp_path, older, print)
