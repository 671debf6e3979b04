"""Machines of the driver ``none``: an engine's URL, with a host or without."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecsmachine.machine import transfer
from ecsmachine.machine.store import Store

from .conftest import Program


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("unix:///var/run/docker.sock", ""),
        ("localhost:2376", ""),
        ("tcp://:2376", ""),
        ("tcp://192.0.2.7", "192.0.2.7"),
        ("tcp://[2001:db8::1]:2376", "2001:db8::1"),
        ("ssh://root@host.example", "host.example"),
    ],
)
def test_its_address_may_be_empty(url: str, address: str, program: Program) -> None:
    assert program("create", "-d", "none", "--url", url, "n").code == 0
    found = program("ip", "n")
    assert (found.code, found.out, found.err) == (0, f"{address}\n", "")
    assert program("url", "n").out == f"{url}\n"


def test_an_address_of_ipv6_has_brackets_before_a_port(program: Program) -> None:
    assert program("create", "-d", "none", "--url", "tcp://[::1]:1", "n").code == 0
    assert 'at host "[::1]:1"' in program("config", "n").err


@pytest.mark.parametrize("by_docker_machine", [False, True])
def test_it_travels_though_no_login_is_known(
    by_docker_machine: bool,
    store: Store,
    program: Program,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transfer, "_SCRYPT", {"n": 1 << 4, "r": 8, "p": 1})
    assert program("create", "-d", "none", "--url", "tcp://192.0.2.7:2376", "n").code == 0
    if by_docker_machine:  # which copies no certificates there
        for path in store.directory("n").glob("*.pem"):
            path.unlink()
    file, passphrase = str(tmp_path / "n"), {"ECSMACHINE_PASSPHRASE": "correct horse"}
    exported = program("export", "n", file, **passphrase)
    assert (exported.code, exported.err) == (0, "")
    assert program("import", file, "--name", "theirs", **passphrase).code == 0
    assert program("url", "theirs").out == "tcp://192.0.2.7:2376\n"
    own, theirs = store.path / "certs" / "key.pem", store.directory("theirs") / "key.pem"
    assert theirs.read_bytes() == own.read_bytes()
