from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from ecsmachine.errors import MachineError
from ecsmachine.ssh import tethered
from ecsmachine.ssh.connection import SSHError
from ecsmachine.ssh.interactive import run_session, ssh_command
from ecsmachine.ssh.keys import ensure_key_pair, public_key_of
from ecsmachine.ssh.target import SSHTarget

from .conftest import LoopbackServer

PROGRAM = """
import sys
from pathlib import Path
from ecsmachine.ssh.interactive import run_session
from ecsmachine.ssh.target import SSHTarget
target = SSHTarget("127.0.0.1", int(sys.argv[1]), key_path=Path(sys.argv[2]))
sys.exit(run_session(target, Path(sys.argv[3]), sys.argv[5:], native=sys.argv[4] == "native"))
"""


def session(
    server: LoopbackServer, client: str, *command: str, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    arguments = [str(server.port), str(server.folder / "id_rsa"), str(server.pin_path), client]
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments, *command],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env=dict(os.environ),
    )


CLIENTS = pytest.mark.parametrize(
    "client",
    [
        "native",
        pytest.param(
            "ssh", marks=pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh program")
        ),
    ],
)


@CLIENTS
def test_a_command_streams_through_and_its_status_comes_back(
    client: str, server: LoopbackServer
) -> None:
    done = session(server, client, "cat;", "echo err >&2; exit 42", stdin="in\n")
    assert (done.returncode, done.stdout, done.stderr) == (42, "in\n", "err\n")


@CLIENTS
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such words")
def test_a_command_is_of_any_bytes(client: str, server: LoopbackServer) -> None:
    word = os.fsdecode(b"\xc3\xa9\xff")
    done = session(server, client, f"printf %s '{word}' | od -An -tx1")
    assert (done.returncode, done.stdout.split()) == (0, ["c3", "a9", "ff"])


ENDLESS = [sys.executable, "-c", "while True: print('y')"]


@CLIENTS
def test_input_without_end_is_no_matter_to_a_command_that_ends(
    client: str, server: LoopbackServer
) -> None:
    arguments = [str(server.port), str(server.folder / "id_rsa"), str(server.pin_path), client]
    with subprocess.Popen(ENDLESS, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as typing:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments, "head -n 1"],
            stdin=typing.stdout,
            capture_output=True,
            timeout=60,
        )
        typing.kill()
    assert (done.returncode, done.stdout, done.stderr) == (0, b"y\n", b"")


def test_output_without_end_that_nobody_reads_ends(server: LoopbackServer) -> None:
    arguments = [str(server.port), str(server.folder / "id_rsa"), str(server.pin_path), "native"]
    running = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments, "yes"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert running.stdout is not None and running.stderr is not None
        assert running.stdout.readline() == b"y\n"
        running.stdout.close()
        assert b"ReaderGoneError" in running.stderr.read()
        assert running.wait(60) == 1
    finally:
        running.kill()
        running.communicate()


def test_a_host_that_closes_the_connection_is_told_without_a_traceback(tmp_path: Path) -> None:
    script = """
import socket, sys, threading
from pathlib import Path
from ecsmachine.errors import MachineError
from ecsmachine.ssh.connection import connect
from ecsmachine.ssh.target import SSHTarget
listening = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=lambda: listening.accept()[0].close(), daemon=True).start()
try:
    connect(SSHTarget("127.0.0.1", listening.getsockname()[1]), Path(sys.argv[1]))
except MachineError as error:
    print(error.message)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "known_hosts")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.startswith("SSH does not answer at 127.0.0.1:")
    assert done.stderr == ""


@pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh program")
def test_options_of_the_ssh_program_may_stand_before_the_command(server: LoopbackServer) -> None:
    done = session(server, "ssh", "-T", "-o", "SendEnv=NONE", "--", "exit", "42")
    assert (done.returncode, done.stderr) == (42, "")


def test_a_host_that_runs_no_command_is_one_error(server: LoopbackServer) -> None:
    server.runs_commands = False
    target = SSHTarget("127.0.0.1", server.port, key_path=server.folder / "id_rsa")
    with pytest.raises(SSHError, match=r"was lost: Channel closed"):
        run_session(target, server.pin_path, ["true"], native=True)


def test_the_native_client_has_no_options(server: LoopbackServer) -> None:
    done = session(server, "native", "--", "exit", "42")
    assert (done.returncode, done.stderr) == (42, "")
    done = session(server, "native", "-L", "8080:localhost:80")
    assert "-L is an option of the ssh program" in done.stderr


def test_a_user_cannot_be_taken_for_an_option(tmp_path: Path) -> None:
    target = SSHTarget("198.18.0.2", 22, "-oProxyCommand=touch x")
    with (
        pytest.raises(MachineError, match="not the name of a user"),
        ssh_command(target, tmp_path / "known_hosts"),
    ):
        pass


@pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh program")
@pytest.mark.parametrize("send", [os.killpg, os.kill])
def test_an_interrupt_ends_a_command(
    send: Callable[[int, int], None], server: LoopbackServer
) -> None:
    arguments = [str(server.port), str(server.folder / "id_rsa"), str(server.pin_path), "ssh"]
    running = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments, "echo begun; sleep 20"],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == b"begun\n"
        send(running.pid, signal.SIGINT)
        assert running.wait(timeout=60) == 130
    finally:
        running.kill()
        running.communicate()


def test_a_program_has_time_to_leave_the_terminal_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready, ended = tmp_path / "ready", tmp_path / "ended"

    def told_to_end(process: int) -> NoReturn:
        while not ready.exists():
            time.sleep(0.01)
        raise InterruptedError

    monkeypatch.setattr("ecsmachine.ssh.tethered.tethers.Tether", told_to_end)
    script = f"trap 'sleep 0.1; touch {ended}; exit' TERM; touch {ready}"
    with pytest.raises(InterruptedError):
        tethered.run(["sh", "-c", f"{script}; while :; do sleep 0.1; done"])
    assert ended.exists()


@pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh program")
def test_the_ssh_program_honours_the_pin(server: LoopbackServer) -> None:
    import paramiko

    assert session(server, "ssh", "true").returncode == 0
    server.host_key = paramiko.ECDSAKey.generate()
    done = session(server, "ssh", "true")
    assert "HostKeyChangedError" in done.stderr
    assert "ecsmachine trust" in done.stderr or "has changed" in done.stderr


def test_the_users_own_ssh_configuration_stays_out(tmp_path: Path) -> None:
    pin = tmp_path / "a b" / "dev1" / "known_hosts"
    target = SSHTarget("198.18.0.2", 2222, "admin", key_path=tmp_path / "id_rsa")
    with ssh_command(target, pin, ["ls", "-la"]) as arguments:
        pass
    assert arguments[:5] == ["ssh", "-F", "/dev/null", "-p", "2222"]
    assert arguments[-3:] == ["admin@198.18.0.2", "ls", "-la"]
    assert f'UserKnownHostsFile="{pin}"' in arguments
    assert "IdentitiesOnly=yes" in arguments
    assert "StrictHostKeyChecking=accept-new" in arguments


def test_a_key_pair_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "id_rsa"
    public = ensure_key_pair(path, "dev1")
    assert public.startswith("ecdsa-sha2-nistp256 ")
    assert public.endswith(" dev1")
    assert path.read_text().startswith("-----BEGIN EC PRIVATE KEY-----")
    for file in (path, tmp_path / "id_rsa.pub"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = path.read_bytes()
    assert ensure_key_pair(path, "other") == public
    assert path.read_bytes() == before
    (tmp_path / "id_rsa.pub").unlink()
    assert public_key_of(path) == public.removesuffix(" dev1")
