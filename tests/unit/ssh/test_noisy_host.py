"""What a host's shell says unasked, what is typed before it listens, and what cannot be copied."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecsmachine.errors import MachineError
from ecsmachine.ssh.connection import connect
from ecsmachine.ssh.file_copy import Place, copy
from ecsmachine.ssh.openssh import KnownHost
from tests.unit.terminals import terminal

from .openssh_server import SSHD, OpenSSHServer, keygen, openssh_server

pytestmark = pytest.mark.skipif(not SSHD, reason="no sshd")

GREETING = 'ForceCommand echo "Welcome, $USER!"; exec ${SHELL:-sh} -c "$SSH_ORIGINAL_COMMAND"'
"""As a .bashrc does that prints whatever the shell is begun for."""


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return keygen(tmp_path_factory.mktemp("key") / "id_rsa", "-t", "ed25519")


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory, key: Path) -> Iterator[OpenSSHServer]:
    with openssh_server(tmp_path_factory.mktemp("noisy") / "dev1", GREETING) as server:
        server.authorize(Path(f"{key}.pub").read_text())
        yield server


def test_a_shell_that_greets_breaks_neither_commands_nor_sftp(
    noisy: OpenSSHServer, key: Path, tmp_path: Path
) -> None:
    with connect(noisy.target(key), noisy.pin_path) as connection:
        result = connection.run("cat; echo err >&2; exit 3", stdin=b"in")
        assert (result.exit_status, result.stdout, result.stderr) == (3, "in", "err\n")
        connection.sftp().write(str(tmp_path / "there"), [b"content"])
    assert (tmp_path / "there").read_bytes() == b"content"


def test_a_host_that_only_prints_is_told_in_its_words(tmp_path: Path, key: Path) -> None:
    with openssh_server(tmp_path / "dev1", "ForceCommand yes No logins today") as server:
        server.authorize(Path(f"{key}.pub").read_text())
        host = KnownHost(server.target(key), server.pin_path)
        with pytest.raises(
            MachineError, match="prints text instead of speaking SFTP: No logins today"
        ):
            copy(Place("a", host), Place(str(tmp_path / "b")))


PROGRAM = """
import sys
from pathlib import Path
from ecsmachine.ssh.interactive import run_session
from ecsmachine.ssh.target import SSHTarget
target = SSHTarget("127.0.0.1", int(sys.argv[1]), sys.argv[2], key_path=Path(sys.argv[3]))
input()
sys.exit(run_session(target, Path(sys.argv[4]), [], native=True))
"""


def test_what_is_typed_before_the_shell_is_there_is_kept(tmp_path: Path, key: Path) -> None:
    with openssh_server(tmp_path / "dev1", "ForceCommand sh", "PermitTTY yes") as server:
        server.authorize(Path(f"{key}.pub").read_text())
        target = server.target(key)
        words = [str(server.port), target.user, str(key), str(server.pin_path)]
        with terminal() as (stream, written):
            process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *words],
                stdin=stream,
                stdout=stream,
                stderr=stream,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
            stream.close()
            written.press("\necho $((40 + 2))-typed\nexit 7\n")
            assert process.wait(60) == 7
            assert "42-typed" in written.whole()


@pytest.mark.parametrize("upwards", [True, False])
def test_what_cannot_be_read_is_left_out_and_told_at_the_end(
    upwards: bool, noisy: OpenSSHServer, key: Path, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    (tree / "inner").mkdir(parents=True)
    (tree / "a").symlink_to(tmp_path / "nowhere")
    (tree / "b").write_text("b")
    os.mkfifo(tree / "inner" / "c")
    (tree / "inner" / "d").write_text("d")
    host = KnownHost(noisy.target(key), noisy.pin_path)
    there = tmp_path / "there"
    source, target = Place(str(tree), None if upwards else host), Place(str(there))
    target = Place(str(there), host) if upwards else target
    with pytest.raises(MachineError, match="2 of 6 files and folders could not be copied") as told:
        copy(source, target, recursive=True)
    lines = (told.value.details or "").splitlines()
    assert len(lines) == 2
    assert lines[0].endswith(f"{tree}/a: No such file or directory")
    assert lines[1].endswith(f"{tree}/inner/c is neither a file nor a folder")
    assert {path.name for path in there.rglob("*")} == {"b", "inner", "d"}
    assert (there / "inner" / "d").read_text() == "d"
