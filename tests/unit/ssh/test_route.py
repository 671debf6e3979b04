from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ecsmachine.machine import engine_api
from ecsmachine.machine.model import auth_options
from ecsmachine.ssh import route
from ecsmachine.ssh.connection import connect
from ecsmachine.ssh.interactive import run_session
from ecsmachine.ssh.route import NoGuestError, check_route
from ecsmachine.ssh.target import SSHTarget
from ecsmachine.ssh.wait import wait_for_ssh

UNROUTED = "198.19.255.254"


@pytest.fixture
def only_a_default_route(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host has one way out, and nothing may be connected."""

    def connected(*_: object, **__: object) -> socket.socket:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(route, "source_towards", lambda host: "192.0.2.2")
    monkeypatch.setattr(socket, "create_connection", connected)


@pytest.mark.usefixtures("only_a_default_route")
def test_a_local_cloud_without_guests_is_not_connected_to(tmp_path: Path) -> None:
    target = SSHTarget(UNROUTED, password="Secret-1")
    with pytest.raises(NoGuestError, match="no guest of this computer has it"):
        connect(target, tmp_path / "known_hosts")
    with pytest.raises(NoGuestError):
        wait_for_ssh(target, tmp_path / "known_hosts")
    with pytest.raises(NoGuestError):
        run_session(target, tmp_path / "known_hosts", ["true"], native=True)
    auth = auth_options(tmp_path, "dev1")
    with pytest.raises(NoGuestError):
        engine_api.ask_version(f"tcp://{UNROUTED}:2376", auth, timeout_s=1)


def test_no_route_at_all_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "source_towards", lambda host: None)
    with pytest.raises(NoGuestError):
        check_route(UNROUTED)


def test_a_guest_has_a_route_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = {UNROUTED: "198.19.255.1", "203.0.113.1": "192.0.2.2"}
    monkeypatch.setattr(route, "source_towards", sources.get)
    check_route(UNROUTED)


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "198.17.0.1", "::1", "example.test"])
@pytest.mark.usefixtures("only_a_default_route")
def test_other_addresses_are_nobody_elses_business(host: str) -> None:
    check_route(host)


def test_our_own_address_towards_loopback_is_loopback() -> None:
    assert route.source_towards("127.0.0.1") == "127.0.0.1"
