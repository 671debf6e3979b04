"""Ports to forward: how they are written."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ecsmachine.errors import UsageError
from ecsmachine.ssh.forwarding import Forward, PortError, forward, forward_of
from ecsmachine.ssh.target import SSHTarget


@pytest.mark.parametrize(
    ("text", "place", "goal"),
    [
        ("8080", "127.0.0.1:8080", "localhost:8080"),
        ("8080:80", "127.0.0.1:8080", "localhost:80"),
        ("0:80", "127.0.0.1:0", "localhost:80"),
        ("127.0.0.1:8080:80", "127.0.0.1:8080", "localhost:80"),
        ("localhost:8080:80", "127.0.0.1:8080", "localhost:80"),
        ("0.0.0.0:8080:80", "0.0.0.0:8080", "localhost:80"),
        ("8080:10.0.0.5:80", "127.0.0.1:8080", "10.0.0.5:80"),
        ("8080:db.internal:5432", "127.0.0.1:8080", "db.internal:5432"),
        ("0.0.0.0:8080:10.0.0.5:80", "0.0.0.0:8080", "10.0.0.5:80"),
        ("[::1]:8080:80", "[::1]:8080", "localhost:80"),
        ("8080:[fd00::5]:80", "127.0.0.1:8080", "[fd00::5]:80"),
        ("[::1]:8080:[fd00::5]:80", "[::1]:8080", "[fd00::5]:80"),
    ],
)
def test_what_is_written(text: str, place: str, goal: str) -> None:
    found = forward_of(text)
    assert (found.place, found.goal) == (place, goal)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            ":",
            "80:",
            ":80",
            "a",
            "8080:a",
            "8080:0",
            "70000:80",
            "-1:80",
            "8080:80:",
            "1:2:3:4:5",
        ),
        *(
            "::1:8080:80",
            "[::1:8080:80",
            "-oProxyCommand=x:1:2",
            "8080:-oX:80",
            "8080:a b:80",
            "٣:80",
        ),
        *("8080:a\n:80", "8080:$(x):80", "8080:/run/docker.sock"),
    ],
)
def test_what_is_no_port(text: str) -> None:
    with pytest.raises(UsageError) as error:
        forward_of(text)
    assert error.value.hint


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """It is found out before anybody is connected to, for ports that are named twice as well."""
    nobody = SSHTarget("127.0.0.1", 1)

    def listen(*forwards: Forward) -> str:
        with pytest.raises(PortError) as error:
            forward(
                nobody,
                tmp_path,
                forwards,
                native=True,
                listening=lambda _: None,
                told=lambda _: None,
            )
        return error.value.message

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = listen(forward_of(f"{port}:80"))
        assert said == f"Cannot listen on 127.0.0.1:{port}: it is in use"
    twice = forward_of(f"{port}:80")
    assert "it is in use" in listen(twice, twice)
    assert "no such address" in listen(forward_of("192.0.2.1:8080:80"))
