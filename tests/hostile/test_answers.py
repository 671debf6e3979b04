"""Clouds, engines and registries whose answers hold values of other types, or none at all.

``HOSTILE_SEEDS=50`` tries more than the few that run with the tests.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.cli.app import run
from ecsmachine.container_registry.client import RegistryClient
from ecsmachine.container_registry.reference import Reference
from ecsmachine.documents.rules import has_controls
from ecsmachine.errors import MachineError
from ecsmachine.localcloud.service.embedded import EmbeddedCloud
from ecsmachine.machine import engine_api
from ecsmachine.machine.model import Machine
from ecsmachine.machine.store import Store
from ecsmachine.machine.swarm import api
from tests.hostile.mangling import ODD, Mangler, Odd, mangling, places, put
from tests.hostile.test_escapes import (
    CLUSTERS,
    MACHINES,
    SEEDS,
    Run,
    check,
    cloud,
    cluster,
    program,
)
from tests.unit.stand_ins import add_machine, engine, register_told_driver

__all__ = ["cloud", "cluster", "program"]  # fixtures

SHARES = (0.005, 0.05)


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[Odd]:
    yield Odd(str(tmp_path / "touched"))
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_cloud_of_machines(
    cloud: EmbeddedCloud, program: Run, odd: Odd, tmp_path: Path, seed: int, share: float
) -> None:
    assert program(cloud.endpoint, "create", "--no-provision", "m1")[0] == 0
    store = Store(tmp_path / "store", {})
    codes: Counter[int] = Counter()
    with mangling(cloud.endpoint, seed, share, odd) as endpoint:
        for words in MACHINES:
            code, out, err = program(endpoint, *words)
            check(words, code, out, err)
            assert "bug in ecsmachine" not in err, (words, err)
            codes[code] += 1
            # what a cloud said of a machine never makes that machine unreadable
            for name in store.names():
                store.load(name)
                store.journal(name)
    assert len(codes) > 1, "nothing was refused, or everything"
    for name in ("m1", "m2"):
        program(cloud.endpoint, "rm", "-f", name)
    program(cloud.endpoint, "sweep", "-y")


def test_a_cloud_that_gives_an_address_for_openssh_to_obey(
    cloud: EmbeddedCloud, program: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("m1", "m2"):
        assert program(cloud.endpoint, "create", "--no-provision", name)[0] == 0
    store = Store(tmp_path / "store", {})
    before = {name: store.config(name) for name in store.names()}
    address = store.load("m1").driver.address()

    def lie(mangler: Mangler, content: bytes) -> bytes:
        command = json.dumps(f"{address}\n    ProxyCommand touch {tmp_path / 'touched'}")
        return content.replace(json.dumps(address).encode(), command.encode())

    monkeypatch.setattr(Mangler, "mangled", lie)
    said = r"answer of http://.* cannot be used: Instances\.Instance\[\d\].*is not an IP address"
    with mangling(cloud.endpoint, 0, 0) as endpoint:
        for name in ("m1", "m2"):  # the store knows another endpoint
            config = put(before[name], ("Driver", "APIEndpoint"), endpoint)
            (store.directory(name) / "config.json").write_text(json.dumps(config))
        for words in (("start", "m1"), ("stop", "m1"), ("ip", "m1"), ("scp", "m1:/x", "y")):
            code, _, err = program(endpoint, *words)
            assert "bug in ecsmachine" not in err
            assert not code or re.search(said, err) or "answer" in err, err
        out = program(endpoint, "ls", "-f", "{{.Name}} {{.State}} {{.Error}}")[1]
        rows = {line.split()[0]: line for line in out.splitlines()}
        assert re.search(said, rows["m1"]), rows
        assert rows["m2"].split()[1] == "Running", rows  # one that is shown wrongly hides no other
    assert store.load("m1").driver.address() == address
    assert not (tmp_path / "touched").exists()
    for name in ("m1", "m2"):
        (store.directory(name) / "config.json").write_text(json.dumps(before[name]))
        assert program(cloud.endpoint, "rm", "-y", name)[0] == 0


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_cloud_of_clusters(
    cloud: EmbeddedCloud, program: Run, odd: Odd, seed: int, share: float
) -> None:
    with mangling(cloud.endpoint, seed, share, odd) as endpoint:
        for words in CLUSTERS:
            code, out, err = program(endpoint, *words)
            if words[0] != "cs":  # prints what it is told, be it JSON or not
                check(words, code, out, err)
            assert "bug in ecsmachine" not in err, (words, err)


ENGINE: dict[str, Any] = {
    "Version": "27.3.1",
    "ApiVersion": "1.47",
    "Swarm": {
        "NodeID": "n1",
        "LocalNodeState": "active",
        "ControlAvailable": True,
        "Error": "",
        "RemoteManagers": [{"NodeID": "n1", "Addr": "192.0.2.7:2377"}],
        "Cluster": {"ID": "c1"},
    },
    "JoinTokens": {"Manager": "SWMTKN-1-a", "Worker": "SWMTKN-1-b"},
    "Spec": {"Name": "default"},
    "message": "no",
}
NODES: list[dict[str, Any]] = [
    {
        "ID": "n1",
        "Version": {"Index": 7},
        "Spec": {"Role": "manager", "Availability": "active"},
        "Description": {"Hostname": "dev1"},
        "Status": {"State": "ready"},
        "ManagerStatus": {"Leader": True, "Reachability": "reachable"},
    }
]


@pytest.fixture
def asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Machine, list[engine_api.EngineAnswer]]]:
    """A machine whose engine answers what is put into a list."""
    register_told_driver(monkeypatch)
    machine = add_machine(Store(tmp_path / "store", {}), "dev1", URL="tcp://192.0.2.7:2376")
    answers: list[engine_api.EngineAnswer] = []
    monkeypatch.setattr(engine_api, "exchange", lambda *_, **__: answers[-1])
    yield machine, answers


def test_an_engine(asked: tuple[Machine, list[engine_api.EngineAnswer]], odd: Odd) -> None:
    machine, answers = asked
    ends: Counter[str] = Counter()
    for document in (ENGINE, NODES):
        for path in places(document):
            for number in range(len(ODD)):
                content = odd.text_of(put(document, path, f"@@{number}@@"))
                for status in (200, 500):
                    answers[:] = [engine_api.EngineAnswer(status, content)]
                    for ask in (
                        lambda: engine_api.ask_version("tcp://h:1", machine.auth, timeout_s=1),
                        lambda: api.membership(machine),
                        lambda: api.nodes(machine),
                        lambda: api.tokens(machine).of("worker").encode("ascii"),
                        lambda: api.rotate_tokens(machine),
                        lambda: api.running_tasks(machine, "n1"),
                        lambda: api.init(machine, advertise="192.0.2.7", port=2377),
                    ):
                        try:
                            ask()
                            ends["value"] += 1
                        except MachineError as error:
                            assert not has_controls(error.message)
                            ends["error"] += 1
    assert min(ends["value"], ends["error"]) > 1000, ends


@pytest.mark.parametrize("number", range(0, len(ODD), 7))
def test_an_engine_on_the_command_line(
    number: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    odd: Odd,
) -> None:
    register_told_driver(monkeypatch)
    store = Store(tmp_path / "store", {})
    machine = add_machine(store, "dev1")
    body = odd.text_of({"Version": f"@@{number}@@", "ApiVersion": "1.47"})
    with engine(machine.auth, body=body) as url:
        machine.driver.config()["URL"] = url
        store.save(machine)
        for words in (("ls",), ("version", "dev1"), ("env", "dev1"), ("swarm", "ls")):
            environment = {"MACHINE_STORAGE_PATH": str(store.path), "SHELL": "/bin/sh"}
            code = run(list(words), environment)
            out, err = capfd.readouterr()
            check(words, code, out, err)
            assert "bug in ecsmachine" not in err
            if words == ("ls",):
                assert len(out.splitlines()) == 2


class Registry:
    """What a registry answers, in place of the wire."""

    def __init__(self) -> None:
        self.content = b""
        self.headers: dict[str, str] = {}
        self.status_code = 200
        self.reason = "OK"
        self.url = "https://reg.example/v2/"


def test_a_registry(monkeypatch: pytest.MonkeyPatch, odd: Odd) -> None:
    answer = Registry()
    client = RegistryClient("https://reg.example")
    monkeypatch.setattr(client, "_exchange", lambda *_, **__: answer)
    monkeypatch.setattr("ecsmachine.container_registry.client._MOST_PAGES", 3)
    document = {
        "repositories": ["web"],
        "tags": ["1.0"],
        "layers": [{"size": 12}],
        "token": "t",
        "errors": [{"code": "DENIED", "message": "no"}],
    }
    ends: Counter[str] = Counter()
    for path in places(document):
        for token in range(len(ODD)):
            answer.content = odd.text_of(put(document, path, f"@@{token}@@"))
            said = json.dumps(f"@@{token}@@")
            with contextlib.suppress(ValueError, RecursionError):
                said = str(json.loads(odd.text_of(f"@@{token}@@")))
            answer.headers = {
                "Docker-Content-Digest": said,
                "Link": f'<{said}>; rel="next"' if token % 3 == 0 else "",
                "WWW-Authenticate": f'Bearer realm="{said}",service="{said}"',
            }
            for status in (200, 401, 500):
                answer.status_code = status
                for ask in (
                    lambda: client.repositories(),
                    lambda: client.tags("web"),
                    lambda: client.image(Reference("web", "1.0")),
                    lambda: client.remove("web", "sha256:" + "a" * 64),
                ):
                    try:
                        ask()
                        ends["value"] += 1
                    except MachineError as error:
                        assert not has_controls(error.message)
                        ends["error"] += 1
    assert min(ends["value"], ends["error"]) > 1000, ends
