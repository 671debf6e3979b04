"""Entries of machines in ``~/.ssh/config``, as the ssh program reads them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ecsmachine.machine.store import Store
from ecsmachine.system.files import openness
from tests.unit.cli.conftest import Program
from tests.unit.cli.test_connect import add_host
from tests.unit.ssh.conftest import LoopbackServer


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own configuration, which is not there yet."""
    for name in ("HOME", "USERPROFILE"):  # of Unix, of Windows
        monkeypatch.setenv(name, str(tmp_path / "home"))
    return tmp_path / "home" / ".ssh" / "config"


def known(own: Path, host: str) -> dict[str, str]:
    if not shutil.which("ssh"):
        pytest.skip("no ssh program")
    done = subprocess.run(
        ["ssh", "-F", str(own), "-G", host], capture_output=True, text=True, check=True
    )
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


def test_entries_are_printed(
    program: Program, store: Store, server: LoopbackServer, own: Path, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        add_host(store, server, name)
    file = tmp_path / "printed"
    file.write_text(program("ssh-config").out)
    for name in ("a", "b"):
        assert known(file, f"ecsmachine-{name}")["port"] == str(server.port)
    assert "ecsmachine-b" not in program("ssh-config", "a").out
    assert not own.exists()
    assert program("ssh-config", "nobody").code == 1
    assert program("ssh-config", "--install", "--rm", "a").code == 2


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize("name", ["o'd $d #1 [x]* %h", "a\\b"])
def test_a_store_whose_path_is_odd(
    name: str, program: Program, server: LoopbackServer, own: Path, tmp_path: Path
) -> None:
    store = Store(tmp_path / name, {})
    machine = add_host(store, server, "a")
    done = program("ssh-config", "--install", MACHINE_STORAGE_PATH=str(store.path))
    assert (done.code, done.err) == (0, "")
    seen = known(own, "ecsmachine-a")
    assert seen["port"] == str(server.port)
    assert seen["userknownhostsfile"].strip('"') == str(machine.known_hosts_path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize("name", ["${HOME}", "a\\\\b", "a\\'b"])
def test_a_path_that_the_ssh_program_would_read_otherwise_is_refused(
    name: str, program: Program, server: LoopbackServer, own: Path, tmp_path: Path
) -> None:
    store = Store(tmp_path / name, {})
    add_host(store, server, "a")
    refused = program("ssh-config", "a", MACHINE_STORAGE_PATH=str(store.path))
    assert (refused.code, "ecsmachine --native-ssh" in refused.err) == (1, True)
    left_out = program("ssh-config", "--install", MACHINE_STORAGE_PATH=str(store.path))
    assert "a is left out" in left_out.err
    assert not own.exists()


def test_machines_without_a_host_are_left_out_of_all(
    program: Program, store: Store, server: LoopbackServer, own: Path
) -> None:
    add_host(store, server, "a")
    program("create", "-d", "none", "--url", "tcp://192.0.2.7:2376", "url")
    (store.directory("damaged")).mkdir()
    (store.directory("damaged") / "config.json").write_text("{")
    result = program("ssh-config")
    assert (result.code, "ecsmachine-a" in result.out) == (0, True)
    assert [line.split()[1] for line in result.err.splitlines()] == ["damaged", "url"]
    assert program("ssh-config", "--install").code == 0
    assert known(own, "ecsmachine-a")["port"] == str(server.port)
    assert program("ssh-config", "a", "url").code == 1


def test_entries_are_installed_and_taken_out(
    program: Program, store: Store, server: LoopbackServer, own: Path
) -> None:
    for name in ("a", "b"):
        add_host(store, server, name)
    own.parent.mkdir(parents=True)
    before = "Host other\n    Port 7\n"
    own.write_text(before)
    own.chmod(0o640)
    mode = own.stat().st_mode
    for _ in range(2):
        assert program("ssh-config", "--install", "a", "b").code == 0
    assert own.read_text().count("Include") == 1
    assert own.stat().st_mode == mode
    found = known(own, "ecsmachine-a")
    assert (found["port"], found["user"]) == (str(server.port), "root")
    assert known(own, "other")["port"] == "7"
    assert program("ssh-config", "--rm", "a").code == 0
    assert known(own, "ecsmachine-a")["port"] == "22"
    assert known(own, "ecsmachine-b")["port"] == str(server.port)
    store.remove("b")  # the entry goes with the machine
    assert known(own, "ecsmachine-b")["port"] == "22"
    assert program("ssh-config", "--rm", "a").code == 0
    assert own.read_text() == before


def test_a_configuration_that_was_not_there(
    program: Program, store: Store, server: LoopbackServer, own: Path
) -> None:
    add_host(store, server, "a")
    assert program("ssh-config", "--install", "-q").lines == ["a"]
    assert openness(own, own.stat()) is None
    assert openness(own.parent, own.parent.stat()) is None
    assert known(own, "ecsmachine-a")["port"] == str(server.port)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder that is never written")
def test_a_configuration_that_cannot_be_written_is_none_of_the_store(
    program: Program, store: Store, server: LoopbackServer, own: Path
) -> None:
    add_host(store, server, "a")
    own.parent.parent.mkdir()
    own.parent.symlink_to("/proc/none")
    done = program("ssh-config", "--install")
    assert (done.code, f"{own} cannot be written" in done.err) == (1, True)
    assert "store" not in done.err


def test_an_entry_that_a_context_needs_stays(
    program: Program, store: Store, server: LoopbackServer, own: Path, tmp_path: Path
) -> None:
    machine = add_host(store, server, "a")
    variables = {"DOCKER_CONFIG": str(tmp_path / "docker")}
    assert program("context", "--ssh", "a", **variables).code == 0
    refused = program("ssh-config", "--rm", "a", **variables)
    assert refused.code == 1 and "context --rm a" in refused.err
    assert (machine.directory / "ssh_config").exists()
