from __future__ import annotations

import gzip
import io
import lzma
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ecsmachine.localcloud.host.repack import repack
from ecsmachine.localcloud.protocol.errors import LocalCloudError

CONTROL = b"Package: a\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: a\n"
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    ".xz": lzma.compress,
    ".gz": gzip.compress,
    "": bytes,
}


def tar(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def deb(members: dict[str, bytes]) -> bytes:
    made = b"!<arch>\n"
    for name, content in members.items():
        head = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n"
        made += head.encode() + content + b"\n" * (len(content) % 2)
    return made


def package(suffix: str) -> bytes:
    compress = COMPRESSIONS[suffix]
    return deb(
        {
            "debian-binary": b"2.0\n",
            f"control.tar{suffix}": compress(tar("./control", CONTROL)),
            f"data.tar{suffix}": compress(tar("./etc/file", b"what is in it" * 9999)),
        }
    )


@pytest.mark.parametrize("suffix", list(COMPRESSIONS))
def test_the_members_are_what_they_were_without_compression(suffix: str, tmp_path: Path) -> None:
    source, target = tmp_path / "a.deb", tmp_path / "b.deb"
    source.write_bytes(package(suffix))
    repack(source, target)
    assert target.read_bytes() == package("")


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg")
def test_dpkg_reads_it(tmp_path: Path) -> None:
    source, target = tmp_path / "a.deb", tmp_path / "b.deb"
    source.write_bytes(package(".xz"))
    repack(source, target)
    run = subprocess.run(
        ["dpkg-deb", "--field", target, "Package"], capture_output=True, check=True
    )
    assert run.stdout == b"a\n"
    subprocess.run(["dpkg-deb", "--extract", target, tmp_path / "root"], check=True)
    assert (tmp_path / "root/etc/file").read_bytes() == b"what is in it" * 9999


def test_another_compression_is_left_as_it_is(tmp_path: Path) -> None:
    source, target = tmp_path / "a.deb", tmp_path / "b.deb"
    source.write_bytes(deb({"debian-binary": b"2.0\n", "data.tar.zst": b"(odd) bytes"}))
    repack(source, target)
    assert target.read_bytes() == source.read_bytes()


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"no package",
        package(".xz")[:-5],
        package(".gz")[:200],
        package(".xz")[:100],
        deb({"data.tar.xz": b"not xz"}),
        package("").replace(b"`\n", b"''", 1),
        package("").replace(b"4         `", b"four      `", 1),
    ],
)
def test_what_is_damaged_is_one_line(damaged: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.deb").write_bytes(damaged)
    with pytest.raises(LocalCloudError, match=r"a\.deb"):
        repack(tmp_path / "a.deb", tmp_path / "b.deb")
