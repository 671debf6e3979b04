from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ecsmachine import __version__
from ecsmachine.machine import certificates, issuing
from ecsmachine.machine.model import Machine, SwarmOptions
from ecsmachine.machine.store import Store
from tests.unit.cli.conftest import Program
from tests.unit.stand_ins import add_machine, engine, refusing_url, silent_port

CELLS = ["NAME", "ACTIVE", "DRIVER", "STATE", "URL", "SWARM", "DOCKER", "ERRORS"]


def test_ls_of_an_empty_store_is_the_head(program: Program) -> None:
    result = program("ls")
    assert (result.code, result.err) == (0, "")
    assert result.out == "NAME   ACTIVE   DRIVER   STATE   URL   SWARM   DOCKER   ERRORS\n"
    assert program("ls", "-q").out == ""
    assert json.loads(program("ls", "--json").out) == []
    assert program("ls", "-f", "{{.Name}}").out == ""


def test_ls_of_a_running_and_a_stopped_machine(program: Program, store: Store) -> None:
    running = add_machine(store, "dev1")
    add_machine(store, "dev10", URL=refusing_url(), State="Stopped")
    add_machine(store, "dev2", State="Stopped")
    with engine(running.auth, version="27.3.1") as url:
        running.driver.config()["URL"] = url
        store.save(running)
        shown = program("ls", DOCKER_HOST=url)
    assert shown.code == 0
    assert shown.lines[0].split() == CELLS
    assert shown.lines[1].split() == ["dev1", "*", "told", "Running", url, "v27.3.1"]
    assert shown.lines[2].split() == ["dev2", "-", "told", "Stopped", "Unknown"]
    assert shown.lines[3].split() == ["dev10", "-", "told", "Stopped", "Unknown"]
    starts = {line.index("told") for line in shown.lines[1:]}
    assert starts == {shown.lines[0].index("DRIVER")}


def test_a_machine_is_active_only_by_its_url(program: Program, store: Store) -> None:
    machine = add_machine(store, "dev1")
    with engine(machine.auth) as url:
        machine.driver.config()["URL"] = url
        store.save(machine)
        assert program("ls", "-f", "{{.Active}}").out == "-\n"
        assert program("ls", "-f", "{{.Active}}", DOCKER_MACHINE_NAME="dev1").out == "-\n"
        assert program("ls", "-f", "{{.Active}} {{.ActiveHost}}", DOCKER_HOST=url).out == "* true\n"
        assert program("active", DOCKER_HOST=url).out == "dev1\n"
        for arguments in ({}, {"DOCKER_HOST": "tcp://198.18.0.1:2376"}):
            nothing = program("active", **arguments)
            assert nothing.code == 1
            assert nothing.err.startswith("Error: No active host found. ")
            assert "ecsmachine env NAME" in nothing.err


def test_a_stopped_machine_is_not_active(program: Program, store: Store) -> None:
    url = refusing_url()
    add_machine(store, "dev1", URL=url, State="Stopped")
    result = program("active", DOCKER_HOST=url)
    assert result.code == 1
    assert result.err.startswith("Error: No active host found. ")


def test_an_active_machine_that_does_not_answer_in_time(program: Program, store: Store) -> None:
    with silent_port() as url:
        add_machine(store, "dev1", URL=url)
        result = program("active", "-t", "1", DOCKER_HOST=url)
    assert result.code == 1
    assert result.err.startswith("Error: Error getting active host: timeout. ")
    assert "--timeout" in result.err


def test_ls_shows_what_is_wrong_in_the_row_of_that_machine(program: Program, store: Store) -> None:
    add_machine(store, "refuses", URL=refusing_url())
    add_machine(store, "denied", Refusal="the token\nhas expired")
    damaged = store.directory("damaged")
    damaged.mkdir(parents=True)
    (damaged / "config.json").write_text("{ not JSON")
    with silent_port() as url:
        add_machine(store, "silent", URL=url)
        result = program("ls", "-t", "1")
    assert result.code == 0
    rows = {line.split()[0]: line for line in result.lines[1:]}
    assert list(rows) == ["damaged", "denied", "refuses", "silent"]
    assert rows["damaged"].split()[:4] == ["damaged", "not", "found", "Error"]
    assert "cannot be read: " in rows["damaged"]
    assert rows["denied"].split()[:4] == ["denied", "-", "told", "Error"]
    assert rows["denied"].endswith("the token has expired")
    assert "Running" in rows["refuses"]
    assert "refused" in rows["refuses"].lower()
    assert rows["silent"].split() == ["silent", "told", "Timeout"]


def test_ls_follows_a_machine_that_has_moved(program: Program, store: Store) -> None:
    machine = add_machine(store, "dev1", URL=refusing_url())
    with engine(machine.auth) as url:
        machine.driver.config()["Moved"] = url
        store.save(machine)
        assert program("ls", "-f", "{{.URL}} {{.DockerVersion}}").out == f"{url} v27.3.1\n"
        assert program("url", "dev1").out == f"{url}\n"


def test_ls_as_json(program: Program, store: Store) -> None:
    add_machine(store, "dev1", State="Stopped", labels=["env=prod"])
    for arguments in (["--json"], ["--format", "json"]):
        rows = json.loads(program("ls", *arguments).out)
        assert [row["Name"] for row in rows] == ["dev1"]
        assert rows[0]["State"] == "Stopped"
        assert rows[0]["Active"] is False
        assert isinstance(rows[0]["ResponseTime"], int)
        assert not [field for field in rows[0] if "Swarm" in field]


def test_ls_by_template(program: Program, store: Store) -> None:
    add_machine(store, "a", State="Stopped")
    add_machine(store, "long-name", State="Paused")
    assert program("ls", "-f", r"{{.Name}}\t{{.State | upper}}").lines == [
        "a\tSTOPPED",
        "long-name\tPAUSED",
    ]
    assert program("ls", "-f", r"table {{.Name}}\t{{.DriverName}}\t{{.Error}}").lines == [
        "NAME        DRIVER   ERRORS",
        "a           told",
        "long-name   told",
    ]
    assert program("ls", "-f", "table").lines[0].split() == CELLS
    assert program("ls", "-f", "table{{.Name}}").lines == ["NAME", "a", "long-name"]
    assert program("ls", "-f", " {{.Name}} ").lines == ["a", "long-name"]
    assert program("ls", "-f", r"{{.Name}}\n--").lines == ["a", "--", "long-name", "--"]
    assert program("ls", "-f", "{{json .Name}}").lines == ['"a"', '"long-name"']
    response = program("ls", "-f", "{{.ResponseTime}}").lines[0]
    assert response[-1] == "s"
    assert response[0].isdigit()
    assert int(program("ls", "-f", "{{.ResponseTime.Nanoseconds}}").lines[0]) % 1_000_000 == 0
    # what Go's durations have is called like a field
    form = "{{.ResponseTime.Seconds}} {{.ResponseTime.Milliseconds}} {{.ResponseTime.String}}"
    seconds, milliseconds, text = program("ls", "-f", form).lines[0].split()
    assert -0.001 < float(seconds) * 1000 - int(milliseconds) < 1.001 and text.endswith("s")


@pytest.mark.parametrize("template", ["{{.Nope}}", "{{.Name", "{{nope}}", "table {{.Name}}{{end}}"])
def test_a_wrong_template_is_wrong_usage(template: str, program: Program, store: Store) -> None:
    add_machine(store, "dev1", State="Stopped")
    result = program("ls", "-f", template)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("Error: template parsing error: line 1, column ")
    assert len(result.err.splitlines()) == 1


def filtered(program: Program, *filters: str) -> list[str]:
    arguments = [word for text in filters for word in ("--filter", text)]
    quiet = program("ls", "-q", *arguments)
    table = program("ls", "-f", "{{.Name}}", *arguments)
    assert (quiet.code, table.code) == (0, 0)
    assert quiet.lines == table.lines
    return quiet.lines


def test_filters(program: Program, store: Store) -> None:
    add_machine(store, "dev1", State="Stopped", labels=["env=Prod", "tier=web"])
    add_machine(store, "dev2", State="Paused", labels=["env=test"])
    add_machine(store, "web1", State="Stopped")
    assert filtered(program, "name=^dev") == ["dev1", "dev2"]
    assert filtered(program, "name=1") == ["dev1", "web1"]
    assert filtered(program, "name=2", "name=web") == ["dev2", "web1"]
    assert filtered(program, "NAME = dev1 ") == ["dev1"]
    assert filtered(program, "driver=told") == ["dev1", "dev2", "web1"]
    assert filtered(program, "driver=aliyunecs") == []
    assert filtered(program, "label=env=prod") == ["dev1"]
    assert filtered(program, "label=env") == ["dev1", "dev2"]
    assert filtered(program, "label=env=prod", "label=env=test") == ["dev1", "dev2"]
    assert filtered(program, "state=stopped") == ["dev1", "web1"]
    assert filtered(program, "state=stopped", "name=dev") == ["dev1"]
    assert filtered(program, "state=stopped", "state=paused", "label=env") == ["dev1", "dev2"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("[[:digit:]]$", ["dev1", "dev2", "web1"]),
        (r"^\pL+1\z", ["dev1", "web1"]),
        ("[^[:alpha:]1]", ["dev2"]),
        (r"[\p{^L}]2", []),
        (r"^\PL", []),
        (r"\Qv1\E", ["dev1"]),
        (r"\x{77}eb", ["web1"]),
        ("[[]", []),
        ("[]d]e", ["dev1", "dev2"]),
    ],
)
def test_name_filters_are_regular_expressions_of_go(
    pattern: str, found: list[str], program: Program, store: Store
) -> None:
    for name in ("dev1", "dev2", "web1"):
        add_machine(store, name)
    assert filtered(program, f"name={pattern}") == found


@pytest.mark.parametrize("pattern", ["[[:nope:]]", r"\p{Latn}", r"\x{ffffff}", "("])
def test_what_is_no_regular_expression(pattern: str, program: Program) -> None:
    result = program("ls", "--filter", f"name={pattern}")
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert "is not a regular expression" in result.err


def test_what_is_no_number_is_said_plainly(program: Program) -> None:
    for value, said in (("x", "Use a whole number"), ("0", "The least is 1")):
        result = program("ls", "--timeout", value)
        assert (result.code, said in result.err) == (2, True)


def test_filters_and_a_damaged_machine(program: Program, store: Store) -> None:
    damaged = store.directory("damaged")
    damaged.mkdir(parents=True)
    (damaged / "config.json").write_text("")
    assert filtered(program, "name=dam") == ["damaged"]
    assert filtered(program, "state=error") == ["damaged"]
    assert filtered(program, "state=running") == []
    assert filtered(program, "driver=told") == []


def test_a_filter_by_swarm(program: Program, store: Store) -> None:
    token = "token://x"
    add_machine(store, "boss", State="Stopped", swarm=SwarmOptions(master=True, discovery=token))
    add_machine(store, "hand", State="Stopped", swarm=SwarmOptions(discovery=token))
    add_machine(store, "else", State="Stopped")
    assert filtered(program, "swarm=boss") == ["boss", "hand"]
    shown = program("ls", "-f", r"{{.Name}}:{{.Swarm}}").lines
    assert shown == ["boss:boss (master)", "else:", "hand:boss"]


def test_a_swarm_has_its_master_whatever_the_filters_are(program: Program, store: Store) -> None:
    for name, master in (("first", True), ("hand", False), ("second", True)):
        swarm = SwarmOptions(master=master, discovery="token://x")
        add_machine(store, name, State="Stopped", swarm=swarm)
    every = ["first:second (master)", "hand:second", "second:second (master)"]
    assert program("ls", "-f", r"{{.Name}}:{{.Swarm}}").lines == every
    for line in every:
        name = line.partition(":")[0]
        shown = program("ls", "-f", r"{{.Name}}:{{.Swarm}}", "--filter", f"name={name}").lines
        assert shown == [line]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("state", "Unsupported filter syntax"),
        ("colour=red", "Unsupported filter key 'colour'"),
        ("name=[", "name=["),
    ],
)
def test_a_wrong_filter_is_wrong_usage(text: str, said: str, program: Program) -> None:
    for quiet in ([], ["-q"]):
        result = program("ls", *quiet, "--filter", text)
        assert result.code == 2
        assert said in result.err
        assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize("timeout", ["0", "-1", "soon"])
def test_a_wrong_timeout_is_wrong_usage(timeout: str, program: Program) -> None:
    result = program("ls", f"--timeout={timeout}")
    assert result.code == 2
    assert len(result.err.splitlines()) == 1


def test_ls_q_neither_loads_nor_asks(program: Program, store: Store) -> None:
    for name in ("web10", "web9", "Web1", ".hidden"):
        store.directory(name).joinpath("config.json").mkdir(parents=True)
    assert program("ls", "-q").lines == ["Web1", "web10", "web9"]


def test_ls_q_imports_next_to_nothing(store: Store, tmp_path: Path) -> None:
    store.directory("dev1").joinpath("config.json").mkdir(parents=True)
    listed = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import os, sys, typer.main; before = {*sys.modules};"
            "from ecsmachine.cli.app import run; run(['ls', '-q'], os.environ);"
            "print(*(set(sys.modules) - before))",
        ],
        env={"MACHINE_STORAGE_PATH": str(store.path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert listed[0] == "dev1"
    modules = set(listed[1].split())
    assert not modules & {"pydantic", "rich", "cryptography", "paramiko", "requests", "ssl"}
    assert {name for name in modules if name.startswith("ecsmachine.machine")} == {
        "ecsmachine.machine",
        "ecsmachine.machine.names",
    }


def test_inspect_prints_the_stored_configuration(program: Program, store: Store) -> None:
    add_machine(store, "default", URL="tcp://198.18.0.7:2376")
    stored = (store.directory("default") / "config.json").read_text()
    assert program("inspect").out == stored
    assert program("inspect", "default").out == stored
    assert program("inspect", "-f", "{{.Driver.URL}}").out == "tcp://198.18.0.7:2376\n"
    assert program("inspect", "-f", "{{.Nope}}").out == "<no value>\n"
    assert json.loads(program("inspect", "--format", "{{json .HostOptions}}").out)["Memory"] == 0
    wrong = program("inspect", "-f", "{{.Driver.URL.Host}}")
    assert (wrong.code, wrong.out) == (2, "")
    assert "template parsing error" in wrong.err


def test_inspect_never_prints_secrets(program: Program, store: Store) -> None:
    secrets = (
        "AccessKey",
        "SecretKey",
        "SSHPassword",
        "AccessKeySecret",
        "SecurityToken",
        "ApiKey",
    )
    kept: dict[str, Any] = {
        "SSHKeyPath": "/k/id_rsa",
        "SSHKeyPair": "pair",
        "SSHUser": "root",
        "SecretLevel": 3,
    }
    told: dict[str, Any] = {**dict.fromkeys(secrets, "s3cret"), **kept}
    add_machine(store, "dev1", **told, Keys=[{"Password": "s3cret"}])
    for arguments in ([], ["-f", "{{json .}}"], ["-f", "{{.Driver.SecretKey}}"]):
        assert "s3cret" not in program("inspect", *arguments, "dev1").out
    driver = json.loads(program("inspect", "dev1").out)["Driver"]
    assert {name: driver[name] for name in secrets} == dict.fromkeys(secrets, "")
    assert {name: driver[name] for name in kept} == kept
    assert driver["Keys"] == [{"Password": ""}]


def test_status_ip_and_url(program: Program, store: Store) -> None:
    add_machine(store, "dev1", URL="tcp://198.18.0.7:2376")
    add_machine(store, "dev2", URL="tcp://198.18.0.8:2376", State="Stopped")
    assert program("status", "dev2", "dev1").lines == ["Stopped", "Running"]
    assert program("ip", "dev2", "dev1").lines == ["198.18.0.8", "198.18.0.7"]
    assert program("url", "dev1").lines == ["tcp://198.18.0.7:2376"]
    stopped = program("url", "dev2")
    assert (stopped.code, stopped.out) == (1, "")
    assert stopped.err.startswith("Error: Host is not running")
    both = program("url", "dev2", "dev1")
    assert (both.code, both.lines) == (1, ["tcp://198.18.0.7:2376"])


def test_status_ip_url_version_and_active_as_json(program: Program, store: Store) -> None:
    machine = add_machine(store, "dev1")
    add_machine(store, "dev2", State="Stopped", URL="tcp://198.18.0.8:2376")
    with engine(machine.auth) as url:
        machine.driver.config()["URL"] = url
        store.save(machine)
        states = json.loads(program("status", "--json", "dev2", "dev1").out)
        assert states == [
            {"Name": "dev2", "State": "Stopped"},
            {"Name": "dev1", "State": "Running"},
        ]
        addresses = json.loads(program("ip", "--json", "dev1").out)
        assert addresses == [{"Name": "dev1", "Address": "127.0.0.1"}]
        half = program("url", "--json", "dev1", "dev2")
        assert half.code == 1
        told = json.loads(half.out)
        assert told["Result"] == [{"Name": "dev1", "URL": url}]
        assert [each["Machine"] for each in told["Errors"]] == ["dev2"]
        asked = json.loads(program("version", "--json", "dev1").out)
        assert asked == {"Name": "dev1", "DockerVersion": "27.3.1"}
        active = json.loads(program("active", "--json", DOCKER_HOST=url).out)
        assert active == {"Name": "dev1"}
    assert json.loads(program("version", "--json").out) == {"Version": __version__}
    assert json.loads(program("inspect", "--json", "dev1").out)["Name"] == "dev1"
    assert program("inspect", "--json", "-f", "{{.Name}}", "dev1").code == 2


def test_ip_is_what_the_provider_says_now(program: Program, store: Store) -> None:
    add_machine(store, "dev1", URL="tcp://198.18.0.7:2376", Moved="tcp://198.18.0.9:2376")
    assert program("ip", "dev1").out == "198.18.0.9\n"
    add_machine(store, "dev2", URL="tcp://198.18.0.8:2376", Refusal="the token has expired")
    known = program("ip", "dev2")
    assert (known.code, known.out) == (0, "198.18.0.8\n")
    assert known.err.startswith("Warning: the token has expired")
    add_machine(store, "dev3", Refusal="the token has expired")
    assert program("ip", "dev3").err == "Error: the token has expired\n"
    add_machine(store, "dev4")
    assert "IP address is not set" in program("ip", "dev4").err


def test_version(program: Program, store: Store) -> None:
    assert program("version").out == f"ecsmachine version {__version__}\n"
    machine = add_machine(store, "dev1")
    with engine(machine.auth, version="20.10.24") as url:
        machine.driver.config()["URL"] = url
        store.save(machine)
        assert program("version", "dev1").out == "20.10.24\n"


@pytest.mark.parametrize("command", ["inspect", "status", "ip", "url", "env", "config", "ssh"])
def test_a_name_is_needed_and_must_exist(command: str, program: Program) -> None:
    missing = program(command, "nope", SHELL="/bin/sh")
    assert (missing.code, missing.out) == (1, "")
    assert missing.err.startswith('Error: Docker machine "nope" does not exist.')
    unnamed = program(command, SHELL="/bin/sh")
    assert unnamed.code == 2
    assert 'No machine name(s) specified and no "default" machine exists' in unnamed.err


def test_a_certificate_that_ends_soon_is_told(
    program: Program, store: Store, running: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuing, "_LIFETIME", timedelta(days=13, hours=1))
    certificates.make_server_certificate(running.auth, running.name, ["127.0.0.1"])
    told = "The engine's certificate expires in 12 days"
    listed = program("ls")
    assert told in listed.lines[1]
    assert listed.lines[1].split()[3] == "Running"
    assert told in json.loads(program("ls", "--json").out)[0]["Error"]
    inspected = program("inspect", running.name)
    assert inspected.err.startswith(f"Warning: {told}")
    assert json.loads(inspected.out) == store.config(running.name)
