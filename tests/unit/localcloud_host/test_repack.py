from __future__ import annotations

import gzip
import io
import lzma
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from ecsmachine.localcloud.host import packages
from ecsmachine.localcloud.host.packages import Compression, repack
from ecsmachine.localcloud.protocol.errors import LocalCloudError

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg")

CONTROL = b"Package: a\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: a\n"
SCRIPT = b"#!/bin/sh\n"
PROGRAM = b"what is in it" * 9999
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    ".xz": lzma.compress,
    ".gz": gzip.compress,
    "": bytes,
}


def tar(**files: tuple[bytes, int]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        top = tarfile.TarInfo("./")
        top.type, top.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(top)
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size, entry.mode, entry.mtime = len(content), mode, 1_000_000_000
            archive.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("./link")
        link.type, link.linkname = tarfile.SYMTYPE, "program"
        archive.addfile(link)
    return stream.getvalue()


def deb(members: dict[str, bytes]) -> bytes:
    made = b"!<arch>\n"
    for name, content in members.items():
        head = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n"
        made += head.encode() + content + b"\n" * (len(content) % 2)
    return made


def package(suffix: str) -> bytes:
    compress = COMPRESSIONS[suffix]
    control = tar(control=(CONTROL, 0o644), postinst=(SCRIPT, 0o755))
    data = tar(program=(PROGRAM, 0o4755), file=(b"text", 0o640))
    return deb(
        {
            "debian-binary": b"2.0\n",
            f"control.tar{suffix}": compress(control),
            f"data.tar{suffix}": compress(data),
        }
    )


def content(file: Path, *argv: str) -> dict[str, tuple[bytes, int, bytes, str, float]]:
    """Return what is in a package: of each name its type, mode, content, target and time."""
    done = subprocess.run(["dpkg-deb", *argv, file], capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        found = {}
        for entry in archive:
            stream = archive.extractfile(entry) if entry.isfile() else None
            data = b"" if stream is None else stream.read()
            mode = 0 if entry.issym() else entry.mode  # that of a link is nobody's
            mtime = entry.mtime if entry.isfile() else 0
            found[entry.name] = (entry.type, mode, data, entry.linkname, mtime)
        return found


@pytest.mark.parametrize("compression", get_args(Compression))
@pytest.mark.parametrize("suffix", list(COMPRESSIONS))
def test_what_is_in_it_stays_the_same(
    suffix: str, compression: Compression, tmp_path: Path
) -> None:
    source, target = tmp_path / "a.deb", tmp_path / "b.deb"
    source.write_bytes(package(suffix))
    repack(source, target, compression)
    for part in ("--ctrl-tarfile", "--fsys-tarfile"):
        assert content(target, part) == content(source, part)
    assert sorted(tmp_path.iterdir()) == [source, target]


def test_its_members_have_the_compression(tmp_path: Path) -> None:
    source, target = tmp_path / "a.deb", tmp_path / "b.deb"
    source.write_bytes(package(".xz"))
    repack(source, target, "zstd")
    assert b"data.tar.zst " in target.read_bytes()
    repack(source, target, "none")
    assert b"data.tar " in target.read_bytes()
    assert PROGRAM in target.read_bytes()


@pytest.mark.parametrize(
    ("image", "types", "compression"),
    [
        ("bookworm-1", "gzip, xz, zstd, none", "zstd"),
        ("bullseye-1", "gzip, xz, zstd, none", "none"),
        ("bookworm-1", "gzip, xz, none", "none"),  # on a host with Debian 11
    ],
)
def test_both_sides_know_the_compression(
    image: str, types: str, compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "run", lambda argv: f"-Z<type> Allowed types: {types}.")
    assert packages.compression_for(Path(image)) == compression


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"no package",
        package(".xz")[:-5],
        package(".gz")[:200],
        package(".xz")[:100],
        deb({"data.tar.xz": b"not xz"}),
        deb({"debian-binary": b"2.0\n", "data.tar.zst": b"(odd) bytes"}),
        package("").replace(b"`\n", b"''", 1),
        package("").replace(b"4         `", b"four      `", 1),
    ],
)
def test_what_is_damaged_is_one_line(damaged: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.deb").write_bytes(damaged)
    with pytest.raises(LocalCloudError, match=r"a\.deb") as caught:
        repack(tmp_path / "a.deb", tmp_path / "b.deb", "zstd")
    assert "\n" not in caught.value.message
    assert not (tmp_path / "b.deb").exists()
