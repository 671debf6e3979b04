"""``doctor`` on this computer alone: hosts and engines that stand in for real ones."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import paramiko
import pytest

from ecsmachine.machine import certificates
from ecsmachine.machine.model import Machine
from ecsmachine.machine.store import Store
from tests.unit.cli.conftest import Program, Result
from tests.unit.cli.test_json import documented, fields
from tests.unit.ssh.conftest import LoopbackServer
from tests.unit.stand_ins import add_machine, engine, refusing_url, silent_port


def steps_of(result: Result) -> dict[str, dict[str, Any]]:
    (machine,) = json.loads(result.out)["Machines"]
    return {each["Step"]: each for each in machine["Steps"]}


def test_a_machine_that_is_well(program: Program, running: Machine, tmp_path: Path) -> None:
    result = program("doctor", "dev1", DOCKER_CONFIG=str(tmp_path / "docker"))
    assert (result.code, result.err) == (0, "")
    assert result.lines[0] == "dev1"
    assert all(line.startswith("  ok ") for line in result.lines[1:])
    assert [line.split("  ")[-1].strip() for line in result.lines if " engine  " in line] == [
        "version 27.3.1"
    ]


def test_the_fields_are_documented(program: Program, running: Machine) -> None:
    told = json.loads(program("doctor", "--json", "dev1").out)
    assert fields(told) == documented("### doctor\n")
    assert fields(told["Machines"]) == {"Name", "Steps"}
    assert fields(told["Machines"][0]["Steps"]) == documented("A step:")


@pytest.mark.parametrize(
    ("told", "step", "found"),
    [
        ({"State": "Stopped"}, "instance", "it is Stopped"),
        ({"Moved": "tcp://127.0.0.2:1"}, "address", "it is 127.0.0.2 now; it was 127.0.0.1"),
        ({"URL": ""}, "address", "it has none"),
        ({"Refusal": "the cloud is down"}, "instance", "the cloud is down"),
        ({"URL": refusing_url()}, "engine's port", "does not answer: Connection refused"),
    ],
)
def test_what_is_broken(
    told: dict[str, Any], step: str, found: str, program: Program, store: Store, running: Machine
) -> None:
    running.driver.config().update(told)
    store.save(running)
    result = program("doctor", "--json", "dev1")
    broken = [each for each in steps_of(result).values() if each["Outcome"] == "broken"]
    assert (result.code, broken[0]["Step"]) == (1, step)
    assert found in broken[0]["Found"]
    (error,) = json.loads(result.out)["Errors"]
    assert (error["Code"], error["Machine"], error["Hint"]) == (
        "Broken",
        "dev1",
        broken[0]["Hint"],
    )


def test_certificates(program: Program, store: Store, running: Machine) -> None:
    other = add_machine(Store(store.path.parent / "other", {}), "dev1", URL="")
    certificates.make_server_certificate(other.auth, "dev1", ["127.0.0.1"])
    with engine(other.auth) as url:
        running.driver.config()["URL"] = url
        store.save(running)
        found = steps_of(program("doctor", "--json", "dev1"))["engine's certificate"]
    assert "from another CA" in found["Found"]
    (running.directory / "key.pem").chmod(0o644)
    found = steps_of(program("doctor", "--json", "dev1"))["certificates here"]
    assert "too open: 0644" in found["Found"]
    assert found["Hint"].startswith("chmod 600 ")


def test_what_answers_is_silent_or_no_engine(
    program: Program, store: Store, running: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecsmachine.machine.doctor.engine._ANSWER_S", 0.2)
    with silent_port() as url:
        running.driver.config()["URL"] = url
        store.save(running)
        found = steps_of(program("doctor", "--json", "dev1"))
    assert "shows no certificate" in found["engine's certificate"]["Found"]
    assert found["engine"]["Outcome"] == "not tried"


def test_the_docker_client(program: Program, running: Machine, tmp_path: Path) -> None:
    variables = {"DOCKER_CONFIG": str(tmp_path / "docker")}
    assert program("context", "dev1", **variables).code == 0

    def context() -> dict[str, Any]:
        return steps_of(program("doctor", "--json", "dev1", **variables))["docker context"]

    assert context()["Outcome"] == "ok"
    (key,) = (tmp_path / "docker" / "contexts" / "tls").glob("*/docker/key.pem")
    key.write_bytes(b"another")
    assert "other certificates" in context()["Found"]
    assert context()["Mend"] == ["ecsmachine context dev1"]
    (meta,) = (tmp_path / "docker" / "contexts" / "meta").glob("*/meta.json")
    meta.write_text("{}")
    assert context()["Outcome"] == "warning"
    assert "docker context rm dev1" in context()["Hint"]
    named = {**variables, "DOCKER_MACHINE_NAME": "dev1"}
    found = steps_of(program("doctor", "--json", "dev1", **named))["environment"]
    assert found["Hint"] == "Run: eval $(ecsmachine env dev1)"


def test_all_machines_and_this_computer(program: Program, store: Store, running: Machine) -> None:
    add_machine(store, "off", State="Stopped")
    store.directory("torn").mkdir()
    (store.directory("torn") / "config.json").write_text("{")
    result = program("doctor", HOME="/nonexistent", DOCKER_CONFIG=str(store.path))
    assert result.code == 1
    heads = [line for line in result.lines if not line.startswith(" ")]
    assert heads == ["This computer", "dev1", "off", "torn"]
    assert any(re.fullmatch(r"  ok +all \d+ steps", line) for line in result.lines)
    assert '"ecsmachine start off" starts it.' in result.out
    assert "2 of 3 machines failed" in result.err
    store.path.chmod(0o777)
    told = json.loads(program("doctor", "--json", HOME="/nonexistent").out)
    here = {each["Step"]: each for each in told["Here"]}
    assert here["credentials"]["Outcome"] == "warning"  # nobody needs them
    assert here["store"]["Hint"] == f"chmod go-w {store.path}"


def test_no_machine_of_that_name(program: Program) -> None:
    assert program("doctor", "nobody").code == 1


def test_a_host_of_the_driver_generic(
    program: Program, server: LoopbackServer, tmp_path: Path
) -> None:
    where = ["--generic-ip-address", "127.0.0.1", "--generic-ssh-port", str(server.port)]
    key = ["--generic-ssh-key", str(server.folder / "id_rsa")]
    assert program("create", "-d", "generic", "--no-provision", *where, *key, "dev1").code == 0
    steps = steps_of(program("doctor", "--json", "dev1"))
    assert list(steps)[:4] == ["SSH port", "host key", "login", "disk space"]
    assert "none is pinned yet" in steps["host key"]["Found"]
    assert steps["login"]["Outcome"] == "ok"
    assert steps["disk space"]["Found"] != "not known"
    assert steps_of(program("doctor", "--json", "dev1"))["host key"]["Outcome"] == "ok"
    server.host_key = paramiko.ECDSAKey.generate()
    steps = steps_of(program("doctor", "--json", "dev1"))
    assert "has changed" in steps["host key"]["Found"]
    assert steps["host key"]["Mend"] == []  # whose key it is, a person has to know
    assert steps["login"]["Outcome"] == "not tried"


def test_a_jump_host_that_cannot_be_used(program: Program, store: Store) -> None:
    where = ["--generic-ip-address", "192.0.2.7"]
    assert program("create", "-d", "generic", "--no-provision", *where, "far").code == 0
    path = store.directory("far") / "config.json"
    config = json.loads(path.read_text())
    config["HostOptions"]["SSHJump"] = "me@127.0.0.1:1"
    path.write_text(json.dumps(config))
    steps = steps_of(program("doctor", "--json", "far"))
    assert steps["jump host"]["Outcome"] == "broken"
    assert steps["SSH port"]["Outcome"] == "not tried"


def test_rules_of_a_driver_that_has_none(program: Program, running: Machine) -> None:
    result = program("doctor", "--let-in", "192.0.2.1", "dev1")
    assert result.code == 1
    assert "has no firewall rules" in result.err


def test_what_hosts_say_is_shown_and_not_obeyed(
    program: Program, store: Store, running: Machine
) -> None:
    running.driver.config()["Refusal"] = "down\x1b[2J\nError: forged"
    store.save(running)
    result = program("doctor", "dev1")
    assert "\x1b" not in result.out + result.err
    assert "\nError: forged" not in result.out + result.err
