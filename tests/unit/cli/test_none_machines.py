"""Machines of the driver ``none``: an engine's URL, with a host or without."""

from __future__ import annotations

import pytest

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
