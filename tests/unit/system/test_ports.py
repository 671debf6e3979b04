from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from ecsmachine.system import ports

GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's own settings")
def test_a_port_that_is_come_back_to_is_none_that_the_system_gives_away() -> None:
    first, last = map(int, GIVEN.read_text().split())
    with ports.server(0) as one, ports.server(0) as other:
        numbers = {each.getsockname()[1] for each in (one, other)}
    assert len(numbers) == 2
    assert not [number for number in numbers if first <= number <= last]


def test_a_port_that_is_asked_for_is_that_one() -> None:
    with ports.server(0) as free:
        port = free.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            ports.server(port)
    with ports.server(port) as again:
        assert again.getsockname() == ("127.0.0.1", port)


def test_where_the_system_gives_away_all_ports_any_will_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ports, "_first_given", lambda: 1024)
    with ports.server(0) as free, socket.create_connection(free.getsockname()):
        assert free.getsockname()[1]
