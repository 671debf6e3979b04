"""Probes of containers by HTTP and TCP, and what becomes of their results."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from ecsmachine.compose.labels import Probe
from ecsmachine.localcloud.container_service.probes import HealthWatch, Watched, reached
from ecsmachine.localcloud.work.supervisor import Threads
from tests.servers import Answering, http_server


class _Handler(Answering):
    def do_GET(self) -> None:
        self.answer(int(self.path.strip("/")), headers={"Location": "/500"})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with http_server(_Handler) as server:
        yield server.server_port


@pytest.mark.parametrize(
    ("path", "passed"),
    [("/200", True), ("/204", True), ("/302", True), ("/404", False), ("/500", False)],
)
def test_by_http(port: int, path: str, passed: bool) -> None:
    assert reached(Probe("http", 80, path), "127.0.0.1", port) is passed


def test_by_tcp(port: int) -> None:
    assert reached(Probe("tcp", 1), "127.0.0.1", port)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = closed.getsockname()[1]
        assert not reached(Probe("tcp", 1), "127.0.0.1", nobody)
        assert not reached(Probe("http", 1), "127.0.0.1", nobody)


def test_three_failures_make_unhealthy_and_one_success_healthy() -> None:
    results = {"a": True, "late": True}
    there = [
        Watched("a", 0, lambda: results["a"]),
        Watched("late", 100, lambda: results["late"]),
    ]
    watch = HealthWatch(lambda: there, Threads("probes", 2))
    assert watch.health("a") == "starting"
    watch.look()
    assert (watch.health("a"), watch.health("late")) == ("healthy", "starting")
    results["a"] = False
    watch.look()
    watch.look()
    assert watch.health("a") == "healthy"
    watch.look()
    assert watch.health("a") == "unhealthy"
    results["a"] = True
    watch.look()
    assert watch.health("a") == "healthy"
    # what was found while a container began counts before the first look
    watch.note("new", True)
    watch.look()
    assert watch.health("new") == "healthy"
