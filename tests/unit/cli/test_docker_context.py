from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.machine.model import Machine
from ecsmachine.machine.store import Store
from ecsmachine.system.files import openness
from tests.ports import refusing_port
from tests.unit.cli.conftest import Program, Result
from tests.unit.cli.test_connect import add_host
from tests.unit.ssh.conftest import LoopbackServer
from tests.unit.stand_ins import ToldDriver, add_machine


class Docker:
    """The docker client's folder, and what the client says of it."""

    def __init__(self, path: Path, program: Program):
        self.path = path
        self.program = program

    def context(self, *words: str, **environment: str) -> Result:
        return self.program("context", *words, DOCKER_CONFIG=str(self.path), **environment)

    def meta(self, name: str) -> Path:
        return self.path / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()

    def tls(self, name: str) -> Path:
        return self.path / "contexts" / "tls" / hashlib.sha256(name.encode()).hexdigest()

    def endpoint(self, name: str) -> str:
        meta = json.loads((self.meta(name) / "meta.json").read_text())
        return str(meta["Endpoints"]["docker"]["Host"])

    def client(self, *words: str) -> str:
        """Ask the docker client itself; an engine is not needed."""
        if not shutil.which("docker"):
            pytest.skip("no docker client")
        environment = {"PATH": os.environ["PATH"], "DOCKER_CONFIG": str(self.path), "HOME": "/"}
        done = subprocess.run(
            ["docker", *words], capture_output=True, text=True, check=True, env=environment
        )
        return done.stdout


@pytest.fixture
def docker(tmp_path: Path, program: Program) -> Docker:
    return Docker(tmp_path / "docker", program)


def test_a_context_over_tls(docker: Docker, running: Machine) -> None:
    result = docker.context("dev1")
    assert (result.code, result.lines, result.err) == (0, ["dev1"], "")
    assert docker.endpoint("dev1") == running.driver.url()
    for name in ("ca.pem", "cert.pem", "key.pem"):
        copy = docker.tls("dev1") / "docker" / name
        assert copy.read_bytes() == (running.directory / name).read_bytes()
        assert openness(copy, copy.stat()) is None


def test_the_docker_client_takes_it(docker: Docker, running: Machine) -> None:
    docker.context("dev1")
    (seen,) = json.loads(docker.client("context", "inspect", "dev1"))
    assert seen["Name"] == "dev1"
    assert seen["Endpoints"]["docker"]["Host"] == running.driver.url()
    assert sorted(seen["TLSMaterial"]["docker"]) == ["ca.pem", "cert.pem", "key.pem"]
    # what answers is no whole engine, but speaks TLS: the client leaves with an error otherwise
    docker.client("--context", "dev1", "version", "--format", "{{.Client.Version}}")


def test_it_is_refreshed(docker: Docker, store: Store) -> None:
    machine = add_machine(store, "dev1", URL="tcp://127.0.0.1:1")
    docker.context("dev1")
    machine.driver.config()["URL"] = "tcp://127.0.0.1:2"
    store.save(machine)
    assert docker.context("dev1").code == 0
    assert docker.endpoint("dev1") == "tcp://127.0.0.1:2"
    assert len(list((docker.path / "contexts" / "meta").iterdir())) == 1


def test_use_keeps_the_other_settings(docker: Docker, running: Machine) -> None:
    settings = docker.path / "config.json"
    settings.parent.mkdir()
    before: dict[str, Any] = {"auths": {"r": {"auth": "c2VjcmV0"}}, "psFormat": "table é"}
    settings.write_text(json.dumps(before))
    settings.chmod(0o640)
    mode = settings.stat().st_mode
    assert docker.context("--use", "dev1").code == 0
    assert json.loads(settings.read_bytes()) == {**before, "currentContext": "dev1"}
    assert settings.stat().st_mode == mode
    assert docker.client("context", "show") == "dev1\n"
    warned = docker.context("--use", "dev1", DOCKER_HOST="tcp://127.0.0.1:1")
    assert "DOCKER_HOST is set" in warned.err


def test_settings_that_cannot_be_read_are_left_alone(docker: Docker, running: Machine) -> None:
    settings = docker.path / "config.json"
    settings.parent.mkdir()
    settings.write_text("{oops")
    result = docker.context("--use", "dev1")
    assert (result.code, settings.read_text()) == (1, "{oops")
    assert str(settings) in result.err


def test_it_goes_with_the_machine(docker: Docker, program: Program) -> None:
    url = ("-d", "none", "--url", "tcp://127.0.0.1:1")
    assert program("create", *url, "fixed").code == 0
    assert docker.context("--use", "fixed").code == 0
    assert program("rm", "-y", "fixed", DOCKER_CONFIG=str(docker.path)).code == 0
    assert not docker.meta("fixed").exists()
    assert not docker.tls("fixed").exists()
    assert json.loads((docker.path / "config.json").read_text()) == {}


def test_one_machine_that_fails_does_not_keep_the_others_from_theirs(
    docker: Docker, program: Program
) -> None:
    for name in ("a1", "b1", "c1"):
        assert program("create", "-d", "none", "--url", "tcp://127.0.0.1:1", name).code == 0
    docker.client("context", "create", "b1", "--docker", "host=tcp://127.0.0.1:9")
    result = docker.context("a1", "b1", "c1", "--json")
    assert (result.code, docker.meta("a1").exists(), docker.meta("c1").exists()) == (1, True, True)
    told = json.loads(result.out)
    assert [one["Name"] for one in told["Result"]] == ["a1", "c1"]
    assert [one["Machine"] for one in told["Errors"]] == ["b1"]
    assert docker.context("--rm", "a1", "b1", "c1").code == 1
    assert (docker.meta("a1").exists(), docker.meta("c1").exists()) == (False, False)
    result = docker.context("--rm", "a1", "b1", "c1")
    assert "3 of 3 machines failed" in result.err


def test_rm_takes_the_context_alone(docker: Docker, running: Machine, store: Store) -> None:
    docker.context("dev1")
    assert docker.context("--rm", "dev1").code == 0
    assert not docker.meta("dev1").exists()
    assert store.exists("dev1")
    assert docker.context("--rm", "dev1").code == 1
    assert docker.context("--rm", "--use", "dev1").code == 2
    docker.context("dev1")
    told = json.loads(docker.context("--rm", "--json", "dev1", "nosuch").out)
    assert [each["Name"] for each in told["Machines"]] == ["dev1"]
    assert [each["Machine"] for each in told["Errors"]] == ["nosuch"]


def test_a_context_of_somebody_else_is_left_alone(docker: Docker, running: Machine) -> None:
    docker.client("context", "create", "dev1", "--docker", "host=tcp://127.0.0.1:9")
    result = docker.context("dev1")
    assert result.code == 1
    assert "docker context rm dev1" in result.err
    assert docker.context("--rm", "dev1").code == 1
    assert docker.endpoint("dev1") == "tcp://127.0.0.1:9"


@pytest.mark.parametrize("name", ["default", "x"])
def test_names_that_docker_does_not_take(name: str, docker: Docker, store: Store) -> None:
    add_machine(store, name, URL="tcp://127.0.0.1:1")
    assert docker.context(name).lines == [f"machine-{name}"]
    assert f"machine-{name}" in docker.client("context", "ls", "-q").split()


def test_over_ssh(
    docker: Docker, store: Store, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = server.folder.parent / "home"
    for name in ("HOME", "USERPROFILE"):  # of Unix, of Windows
        monkeypatch.setenv(name, str(home))
    machine = add_host(store, server)
    docker.context("dev1")
    result = docker.context("--ssh", "dev1")
    assert (result.code, result.lines) == (0, ["dev1"])
    assert docker.endpoint("dev1") == "ssh://ecsmachine-dev1"
    assert not docker.tls("dev1").exists()
    include = f"Include {store.machines_path.as_posix()}/*/ssh_config"
    assert include in result.err
    (home / ".ssh").mkdir(parents=True)
    own = home / ".ssh" / "config"
    own.write_text(f"{include}\n")
    assert docker.context("--ssh", "dev1").err == ""
    if shutil.which("ssh"):
        shown = subprocess.run(
            ["ssh", "-F", str(own), "-G", "ecsmachine-dev1"], capture_output=True, text=True
        ).stdout.splitlines()
        assert f"port {server.port}" in shown
        assert f"userknownhostsfile {machine.known_hosts_path}" in shown


def test_a_machine_without_an_address(docker: Docker, store: Store) -> None:
    add_machine(store, "dev1")
    assert docker.context("dev1").code == 1
    assert not docker.meta("dev1").exists()


def test_a_machine_that_stands_still_keeps_its_context(
    docker: Docker, store: Store, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ecsmachine.machine import host

    monkeypatch.setattr(ToldDriver, "provisions", True)
    monkeypatch.setattr(host, "make_docker_host", lambda machine, report: None)
    machine = add_host(store, server)
    docker.context("--ssh", "dev1")
    machine.driver.config()["State"] = "Stopped"
    machine.driver.config()["SSHPort"] = refusing_port()
    store.save(machine)
    words = ("regenerate-certs", "-f", "--client-certs", "dev1")
    result = docker.program(*words, DOCKER_CONFIG=str(docker.path))
    assert result.code == 0, result.err
    assert docker.endpoint("dev1") == "ssh://ecsmachine-dev1"
