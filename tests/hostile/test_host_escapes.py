"""What a host says is shown and not obeyed; what a person runs there by ssh is not touched."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from ecsmachine.machine.store import Store
from tests.hostile.mangling import ESCAPES
from tests.hostile.test_escapes import SEEDS, check
from tests.unit.cli.conftest import Program, program, store
from tests.unit.ssh import conftest as hosts
from tests.unit.ssh.conftest import LoopbackServer, key_pair, server
from tests.unit.stand_ins import add_machine

__all__ = ["key_pair", "program", "server", "store"]  # fixtures

COMMANDS = (
    ("provision", "dev1"),
    ("upgrade", "dev1"),
    ("regenerate-certs", "-f", "dev1"),
    ("config", "set", "dev1", "--engine-label", "a=b"),
    ("--debug", "provision", "dev1"),
)


@pytest.fixture(autouse=True)
def no_input(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        yield


@pytest.fixture
def machine(store: Store, server: LoopbackServer) -> str:
    """A machine whose host is the SSH server of the tests."""
    url = "tcp://127.0.0.1:1"
    made = add_machine(store, "dev1", URL=url, SSHPort=server.port, SSHUser="root")
    shutil.copy(server.folder / "id_rsa", made.directory / "id_rsa")
    return made.name


@pytest.mark.parametrize("seed", SEEDS)
def test_a_host_that_says_anything(
    seed: int, program: Program, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)

    def serve(channel: paramiko.Channel, command: bytes) -> None:
        escape = chance.choice(ESCAPES)
        said = f"{escape} said {escape}\n"
        if b"os-release" in command:
            said = (
                f"ID={chance.choice(('debian', 'centos', 'evil'))}\n"
                f'PRETTY_NAME="Evil{escape} 12"\nVERSION_ID="12{escape}"\n'
            )
        channel.sendall(said.encode("utf-8", "surrogatepass"))
        channel.sendall_stderr(f"E: {escape}\r\n50%\r{escape}".encode("utf-8", "surrogatepass"))
        channel.send_exit_status(chance.choice((0, 0, 0, 1, 100)))
        channel.close()

    monkeypatch.setattr(hosts, "_serve_command", serve)
    for words in COMMANDS:
        result = program(*words)
        check(words, result.code, result.out, result.err)


def test_what_a_person_runs_there_is_not_touched(program: Program, machine: str) -> None:
    for client in ("--native-ssh", "--debug"):
        told = program(client, "ssh", machine, "printf '\\033[31m\\r\\342\\200\\256'; exit 3")
        assert (told.code, told.out) == (3, "\x1b[31m\r\u202e")
