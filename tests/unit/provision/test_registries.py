"""Whether the engine will find images, asked on this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from ecsmachine.provision.base import EngineOptions
from ecsmachine.provision.step import Run
from ecsmachine.provision.steps import registries
from ecsmachine.ssh.command_result import CommandResult
from tests.servers import Answering, http_server
from tests.unit.provision.recorded import RecordedHost, sections, situation


class _Registry(Answering):
    def do_GET(self) -> None:
        self.answer(401 if self.path == "/v2/" else 404)


@pytest.fixture
def registry() -> Iterator[str]:
    with http_server(_Registry) as server:
        yield f"http://127.0.0.1:{server.server_port}/"


def asked(*addresses: str) -> str:
    done = subprocess.run(
        ["sh", "-c", registries.asking_script(list(addresses))],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "no_proxy": "*"},
        check=True,
    )
    return done.stdout


def test_one_that_answers_is_enough(registry: str) -> None:
    assert asked(registry, "http://127.0.0.1:1") == ""
    (line,) = asked("http://127.0.0.1:1", registry).splitlines()
    assert line.startswith("unreached: http://127.0.0.1:1: curl: (7)")


def test_it_is_asked_by_a_create_alone_and_not_past_a_proxy() -> None:
    assert registries.actions(situation("debian-12")) == []
    proxied = EngineOptions(env=["HTTPS_PROXY=http://proxy.example"])
    assert registries.actions(situation("debian-12", first_time=True, engine=proxied)) == []
    own = EngineOptions(registry_mirror=["http://own.example/"])
    (action,) = registries.actions(situation("debian-12", first_time=True, engine=own))
    assert isinstance(action, Run)
    assert "in http://own.example https://registry-1.docker.io; do" in action.script


def test_what_does_not_answer_is_remembered() -> None:
    seen = situation("debian-12", first_time=True)
    (action,) = registries.actions(seen)
    assert isinstance(action, Run)
    assert action.check is not None
    said = asked("http://127.0.0.1:1", "http://127.0.0.1:2")
    host = RecordedHost(sections("debian-12"))
    assert action.check(host, seen, CommandResult(0, said, "")) is None
    first, second = seen.unreached_registries
    assert first.startswith("http://127.0.0.1:1: curl: (7)")
    assert second.startswith("http://127.0.0.1:2: curl: (7)")
