from __future__ import annotations

import gzip
import json
import os
import subprocess
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import pytest

from ecsmachine.localcloud.host.apt_repository import AptRepository, apt_configuration, sources_list
from ecsmachine.localcloud.host.openpgp import signing_key
from ecsmachine.localcloud.host.packages import Package
from ecsmachine.localcloud.protocol.errors import LocalCloudError

RELEASE = "/dists/bookworm/Release"
PACKAGES = "/dists/bookworm/main/binary-amd64/Packages"
MADE = 1_700_000_000  # 2023-11-14 22:13:20 UTC


def folder_with(folder: Path, *names: str, made: int = MADE) -> Path:
    """Make a folder with packages and their list, as they are fetched."""
    listed = []
    for name in names:
        tree = folder / "trees" / name
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN" / "control").write_text(
            f"Package: {name}\nVersion: 1:2.0+b1\nArchitecture: amd64\nMaintainer: A <a@b.c>\n"
            "Depends: libc6 (>= 2.36)\nDescription: first line\n second line\n .\n third line\n"
        )
        file = folder / f"{name}_1.deb"
        subprocess.run(["dpkg-deb", "-Znone", "-b", tree, file], check=True, capture_output=True)
        data = file.read_bytes()
        listed.append(Package(file.name, len(data), sha256(data).hexdigest()))
    manifest = folder / "packages.json"
    manifest.write_text(json.dumps([asdict(package) for package in listed]))
    os.utime(manifest, (made, made))
    return folder


def index(repository: AptRepository, path: str) -> str:
    found = repository.index(path)
    assert found is not None
    return found.decode()


def test_packages_are_listed_with_all_that_they_say_of_themselves(tmp_path: Path) -> None:
    engine = folder_with(tmp_path / "engine", "docker.io", "runc")
    # what two folders have is listed once
    others = folder_with(tmp_path / "others", "xfsprogs", "runc")
    repository = AptRepository("bookworm", "amd64", [engine, others])
    stanzas = index(repository, PACKAGES).split("\n\n")
    assert [stanza.split("\n")[0] for stanza in stanzas] == [
        *("Package: docker.io", "Package: runc", "Package: xfsprogs")
    ]
    data = (engine / "docker.io_1.deb").read_bytes()
    assert stanzas[0].split("\n") == [
        *("Package: docker.io", "Version: 1:2.0+b1", "Architecture: amd64"),
        *("Maintainer: A <a@b.c>", "Depends: libc6 (>= 2.36)"),
        *("Description: first line", " second line", " .", " third line"),
        *("Filename: docker.io_1.deb", f"Size: {len(data)}", f"SHA256: {sha256(data).hexdigest()}"),
    ]


def test_the_release_names_the_hashes_of_its_indexes(tmp_path: Path) -> None:
    older = folder_with(tmp_path / "older", "runc", made=MADE - 1000)
    newer = folder_with(tmp_path / "newer", "tini")
    repository = AptRepository("bookworm", "amd64", [newer, older])
    head, _, hashes = index(repository, RELEASE).partition("SHA256:\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    assert fields["Codename"] == "bookworm"
    assert fields["Architectures"] == "amd64"
    assert fields["Components"] == "main"
    assert fields["Date"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    told = {}
    for line in hashes.splitlines():
        digest, size, name = line.split()
        data = repository.index(f"/dists/bookworm/{name}")
        assert data is not None
        told[name] = data
        assert (digest, int(size)) == (sha256(data).hexdigest(), len(data))
    assert list(told) == ["main/binary-amd64/Packages", "main/binary-amd64/Packages.gz"]
    plain, packed = told.values()
    assert gzip.decompress(packed) == plain


@pytest.mark.parametrize(
    "path",
    [
        *("/dists/trixie/Release", "/dists/bookworm/InRelease", "/dists/bookworm/", "/Release"),
        *("/dists/bookworm/main/binary-arm64/Packages", "/dists/bookworm/../../packages.json"),
    ],
)
def test_nothing_else_is_an_index(path: str, tmp_path: Path) -> None:
    repository = AptRepository("bookworm", "amd64", [folder_with(tmp_path, "runc")])
    assert repository.index(path) is None


def test_a_package_that_is_gone_is_an_error_and_is_looked_for_again(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "runc")
    away = (folder / "runc_1.deb").rename(folder / "away")
    repository = AptRepository("bookworm", "amd64", [folder])
    with pytest.raises(LocalCloudError, match=r"runc_1\.deb"):
        repository.index(RELEASE)
    away.rename(folder / "runc_1.deb")
    assert "Package: runc" in index(repository, PACKAGES)


def test_a_guest_is_told_of_one_source_and_of_no_proxy_before_it() -> None:
    assert sources_list("http://198.18.7.1", "trixie") == (
        "deb [trusted=yes] http://198.18.7.1 trixie main\n"
    )
    assert apt_configuration("198.18.7.1") == 'Acquire::http::Proxy::198.18.7.1 "DIRECT";\n'


def test_a_tree_of_its_own_with_a_pool_and_a_signature(tmp_path: Path) -> None:
    key = signing_key(tmp_path / "key.pem", "A cloud")
    folder = folder_with(tmp_path / "packages", "docker-ce")
    tree = "/docker-ce/linux/debian"
    repository = AptRepository(
        *("bookworm", "amd64", [folder]),
        component="stable",
        tree=tree,
        pool="dists/bookworm/pool/stable/amd64",
        key=key,
    )
    listed = index(repository, f"{tree}/dists/bookworm/stable/binary-amd64/Packages")
    assert "Filename: dists/bookworm/pool/stable/amd64/docker-ce_1.deb\n" in listed
    assert "Components: stable\n" in index(repository, f"{tree}/dists/bookworm/Release")
    assert "BEGIN PGP SIGNATURE" in index(repository, f"{tree}/dists/bookworm/Release.gpg")
    assert index(repository, f"{tree}/gpg") == key.public_key()
    assert repository.index("/dists/bookworm/Release") is None
    assert AptRepository("bookworm", "amd64", [folder]).index("/gpg") is None
