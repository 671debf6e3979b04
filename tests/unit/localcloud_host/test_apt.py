from __future__ import annotations

from pathlib import Path

import pytest

from ecsmachine.localcloud.host.apt import (
    Source,
    parse_hashes,
    parse_uris,
    read_sources,
    signed_by,
)
from ecsmachine.localcloud.protocol.errors import LocalCloudError

LISTING = """\
Packages|http://deb.debian.org/debian/|bookworm|main|Debian|/etc/apt/sources.list.d/debian.sources:1
Packages|http://deb.debian.org/debian/|bookworm|contrib|Debian|/etc/apt/sources.list.d/debian.sources:1
Translations|http://deb.debian.org/debian/|bookworm|main|Debian|/etc/apt/sources.list.d/debian.sources:1
Packages|http://deb.debian.org/debian-security/|bookworm-security|main|Debian|/etc/apt/sources.list:3
Packages|http://mirror.example/debian/|bookworm-updates|main|$(ORIGIN)|/etc/apt/sources.list:4
Packages|https://download.docker.com/linux/debian/|bookworm|stable|Docker|/etc/apt/sources.list.d/docker.list:1
Packages|https://other.example/apt/|bookworm|main|Other|/etc/apt/sources.list.d/other.list:1
Packages|http://apt.postgresql.org/pub/repos/apt/|bookworm-pgdg|main|apt.postgresql.org|/x:1
Packages|cdrom:[Debian 12]/|bookworm|main|Debian|/etc/apt/sources.list:1
Packages|https://deb.nodesource.com/node_20.x/|nodistro|main|. nodistro|/y:1
"""


def test_only_debians_own_sources_are_taken() -> None:
    found = read_sources(LISTING, "bookworm")
    assert [(s.uri, s.release) for s in found] == [
        ("http://deb.debian.org/debian/", "bookworm"),
        ("http://deb.debian.org/debian-security/", "bookworm-security"),
        ("http://mirror.example/debian/", "bookworm-updates"),
    ]
    assert found[0].named_in == Path("/etc/apt/sources.list.d/debian.sources")


def test_a_newer_hosts_mirror_serves_the_guests_release_too() -> None:
    source = Source("http://mirror.example/debian", "trixie-updates", Path("/x"))
    assert source.line("bookworm", "trixie") == (
        "deb http://mirror.example/debian bookworm-updates main"
    )


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("Types: deb\nSigned-By: /usr/share/keyrings/a.gpg\n", ["/usr/share/keyrings/a.gpg"]),
        ("deb [arch=amd64 signed-by=/etc/apt/k.asc] http://x y main", ["/etc/apt/k.asc"]),
        ("deb [signed-by=/a.gpg,/b.gpg] http://x y main", ["/a.gpg"]),
        ("deb http://x y main\n", []),
    ],
)
def test_the_keys_of_a_sources_file(text: str, keys: list[str]) -> None:
    assert signed_by(text) == keys


def test_names_and_sizes_of_the_files_apt_would_fetch() -> None:
    printed = """\
Reading package lists...
The following NEW packages will be installed:
  docker.io tini
'http://deb.example/pool/tini_0.19.0-1%2bb3_amd64.deb' tini_0.19.0-1+b3_amd64.deb 267204 MD5Sum:319
'http://deb.example/p/git_1%3a2.39_amd64.deb' git_1%3a2.39_amd64.deb 7 SHA256:00
"""
    assert parse_uris(printed) == {
        "tini_0.19.0-1+b3_amd64.deb": 267204,
        "git_1%3a2.39_amd64.deb": 7,
    }


def test_the_hashes_debian_signed() -> None:
    shown = """\
Package: tini
Version: 0.19.0-1
SHA256: aa11
Description: a thing
 Version: not this one

Package: tini
Version: 0.20.0-1
SHA256: bb22
"""
    assert parse_hashes(shown) == {("tini", "0.19.0-1"): "aa11", ("tini", "0.20.0-1"): "bb22"}


def test_no_hash_at_all_is_an_error() -> None:
    with pytest.raises(LocalCloudError, match="no hashes"):
        parse_hashes("Package: tini\nVersion: 1\n")
