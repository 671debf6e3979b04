from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from http.client import HTTPConnection
from pathlib import Path

import pytest

from ecsmachine.localcloud.faults.book import FaultBook
from ecsmachine.localcloud.faults.fault import Fault
from ecsmachine.localcloud.faults.guests import download_faults
from ecsmachine.localcloud.host import packages
from ecsmachine.localcloud.host.apt_repository import AptRepository
from ecsmachine.localcloud.host.mirror import _Server, install_script
from ecsmachine.localcloud.host.packages import Package, is_whole, package_of, read_manifest
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.state.state import open_state
from tests.servers import running
from tests.unit.localcloud_host.test_apt_repository import PACKAGES, folder_with


@pytest.fixture
def book(tmp_path: Path) -> Iterator[FaultBook]:
    with closing(FaultBook(tmp_path)) as book:
        yield book


@pytest.fixture
def connection(tmp_path: Path, book: FaultBook) -> Iterator[HTTPConnection]:
    (tmp_path / "a.deb").write_bytes(b"x" * 300_000)
    server = _Server(
        socket.create_server(("127.0.0.1", 0)),
        b"#!/bin/sh\n",
        {"/a.deb": tmp_path / "a.deb", "/gone.deb": tmp_path / "gone.deb"},
        [
            AptRepository("trixie", "amd64", [tmp_path / "no such folder"]),
            AptRepository("bookworm", "amd64", [folder_with(tmp_path / "packages", "runc")]),
        ],
        download_faults(book, open_state(tmp_path)),
    )
    with (
        running(server),
        closing(HTTPConnection("127.0.0.1", server.server_address[1], timeout=5)) as connection,
    ):
        yield connection


@pytest.mark.parametrize(
    ("method", "path", "status", "size"),
    [
        ("GET", "/install.sh", 200, 10),
        ("GET", "/a.deb", 200, 300_000),
        ("HEAD", "/a.deb", 200, 0),
        ("GET", "/../../etc/passwd", 404, None),
        ("GET", "/packages.json", 404, None),
        ("GET", "/gone.deb", 404, None),
        ("HEAD", "/dists/bookworm/Release", 200, 0),
        ("GET", "/dists/bookworm/InRelease", 404, None),
        ("GET", "/dists/trixie/Release", 404, None),
        ("POST", "/install.sh", 501, None),
    ],
)
def test_the_mirror_serves_what_it_lists_and_nothing_else(
    connection: HTTPConnection, method: str, path: str, status: int, size: int | None
) -> None:
    connection.request(method, path)
    response = connection.getresponse()
    assert response.status == status
    body = response.read()
    assert size is None or len(body) == size


def test_the_mirror_serves_the_indexes_of_packages_and_faults_strike_them(
    connection: HTTPConnection, book: FaultBook
) -> None:
    book.add(Fault("mirror-404", path="/dists/*", times=1))
    answers = []
    for _ in range(2):
        connection.request("GET", PACKAGES)
        response = connection.getresponse()
        answers.append((response.status, response.read()[:13]))
        connection.close()
    assert answers[0][0] == 404
    assert answers[1] == (200, b"Package: runc")


def test_the_install_script_is_sound_shell(tmp_path: Path) -> None:
    packages = [Package("docker.io_1.deb", 3, "ab" * 32), Package("runc_2.deb", 3, "cd" * 32)]
    script = install_script("http://198.18.7.1", {"debian_12": packages}, "amd64")
    assert "@" not in script.replace('"$@"', "")
    assert f"bookworm {'ab' * 32}  docker.io_1.deb\nbookworm {'cd' * 32}  runc_2.deb" in script
    file = tmp_path / "install.sh"
    file.write_text(script)
    subprocess.run(["sh", "-n", str(file)], check=True)


def test_a_script_that_was_cut_off_does_nothing(tmp_path: Path) -> None:
    script = install_script(
        "http://127.0.0.1:1", {"debian_12": [Package("a.deb", 3, "ab" * 32)]}, "amd64"
    )
    cut = script[: script.rindex("install_engine")]
    done = subprocess.run(
        ["sh"], input=cut, capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_files_that_are_not_what_debian_signed_are_noticed(tmp_path: Path) -> None:
    (tmp_path / "a.deb").write_bytes(b"abc")
    right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    manifest = tmp_path / "packages.json"
    manifest.write_text(f'[{{"file": "a.deb", "size": 3, "sha256": "{right}"}}]')
    assert is_whole(tmp_path)
    assert read_manifest(tmp_path) == [Package("a.deb", 3, right)]
    (tmp_path / "a.deb").write_bytes(b"abd")
    assert not is_whole(tmp_path)
    (tmp_path / "a.deb").unlink()
    assert not is_whole(tmp_path)
    manifest.write_text("[{]")
    assert not is_whole(tmp_path)
    with pytest.raises(LocalCloudError, match="cannot be read"):
        read_manifest(tmp_path)


def test_a_file_that_was_not_touched_since_it_was_written_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.deb"
    file.write_bytes(b"abc")
    package = package_of(file)
    (tmp_path / "packages.json").write_text(json.dumps([asdict(package)]))
    read: list[Path] = []

    def sha256_of(file: Path) -> str:
        read.append(file)
        return package.sha256 if file.read_bytes() == b"abc" else ""

    monkeypatch.setattr(packages, "sha256_of", sha256_of)
    assert is_whole(tmp_path)
    assert read == []
    os.utime(file, ns=(0, package.modified_ns + 1))  # as one that was copied
    assert is_whole(tmp_path)
    assert read == [file]
    file.write_bytes(b"abd")
    assert not is_whole(tmp_path)
    file.write_bytes(b"ab")
    os.utime(file, ns=(0, package.modified_ns))
    assert not is_whole(tmp_path)


def test_a_download_that_is_not_found_on_demand(
    connection: HTTPConnection, book: FaultBook
) -> None:
    book.add(Fault("mirror-404", path="*.deb", times=2))
    statuses = []
    for method, path in (("GET", "/install.sh"), *[("HEAD", "/a.deb")] * 3):
        connection.request(method, path)
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
        connection.close()
    assert statuses == [200, 404, 404, 200]


def test_one_that_hangs_half_way_until_the_fault_is_removed(
    connection: HTTPConnection, book: FaultBook
) -> None:
    fault_id = book.add(Fault("mirror-hangs", path="/a.deb"))
    connection.request("HEAD", "/a.deb")
    assert connection.getresponse().read() == b""
    connection.timeout = 0.5
    connection.request("GET", "/a.deb")
    response = connection.getresponse()
    assert len(response.read(150_000)) == 150_000
    with pytest.raises(TimeoutError):
        response.read(1)
    connection.close()
    connection.timeout = 5
    connection.request("GET", "/a.deb")
    response = connection.getresponse()
    assert len(response.read(150_000)) == 150_000
    book.remove(fault_id)
    assert len(response.read()) == 150_000
    assert len(book.entries()) == 0
