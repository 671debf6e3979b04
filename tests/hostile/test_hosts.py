"""Commands on hosts that keep to no rule: output without end, silence, floods, and lies."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import paramiko
import pytest

from ecsmachine.errors import MachineError
from ecsmachine.machine.store import Store
from ecsmachine.ssh.connection import SSHError, connect
from ecsmachine.ssh.target import SSHTarget
from tests.hostile.conftest import PATIENCE_S, Bounded, add_host, limit_memory
from tests.hostile.hosts import Command, HostileHost, endless
from tests.servers import connections

LINE = b"y" * 30_000 + b"\n"

RUN = """
import sys
from pathlib import Path
from ecsmachine.errors import MachineError
from ecsmachine.ssh.connection import connect
from ecsmachine.ssh.target import SSHTarget
port, folder, limit = int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
target = SSHTarget("127.0.0.1", port, key_path=folder / "id_rsa")
try:
    with connect(target, folder / "known_hosts", handshake_timeout_s=5) as host:
        result = host.run("true", timeout_s=limit)
        print(result.exit_status, len(result.stdout), len(result.stderr), result.stdout[-1:])
except MachineError as error:
    print("Error:", error.message, "|", len(error.details or ""))
"""


def outcome(store: Store, port: int, *, limit_s: float = 3.0) -> str:
    """Run a command there, within bounds on memory and time, and return what became of it."""
    machine = add_host(store, port)
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(port), str(machine.directory), str(limit_s)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        preexec_fn=limit_memory,
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout.strip()


def to_output(channel: paramiko.Channel) -> None:
    while True:
        channel.sendall(LINE)


def to_errors(channel: paramiko.Channel) -> None:
    while True:
        channel.sendall_stderr(LINE)


def flood(channel: paramiko.Channel) -> None:
    """Send more than the window allows."""
    channel.out_window_size = 1 << 60
    to_output(channel)


def ended_but_going_on(channel: paramiko.Channel) -> None:
    channel.send_exit_status(0)
    to_output(channel)


def silent(channel: paramiko.Channel) -> None:
    time.sleep(PATIENCE_S)


def never_ends(channel: paramiko.Channel) -> None:
    channel.shutdown_write()
    silent(channel)


def dripping(channel: paramiko.Channel) -> None:
    while True:
        channel.sendall(b".")
        time.sleep(0.05)


@pytest.mark.parametrize(
    "command",
    [to_output, to_errors, flood, silent, never_ends, dripping],
    ids=lambda it: it.__name__,
)
def test_a_time_limit_holds_and_the_end_is_shown(command: Command, store: Store) -> None:
    with HostileHost(command=command).serving() as host:
        said = outcome(store, host.port)
    assert said.startswith("Error: ")
    assert "did not finish in time" in said or "sends more than it may" in said
    assert int(said.rpartition("| ")[2]) <= 8000


def test_a_host_that_never_says_whether_it_runs_the_command(store: Store) -> None:
    with HostileHost(command=None).serving() as host:
        assert "did not answer in time" in outcome(store, host.port)


def test_of_a_very_long_output_the_end_is_kept(store: Store) -> None:
    def command(channel: paramiko.Channel) -> None:
        for _ in range(3000):
            channel.sendall(LINE)
        channel.sendall(b"Z")
        channel.send_exit_status(0)
        channel.close()

    with HostileHost(command=command).serving() as host:
        assert outcome(store, host.port, limit_s=100) == f"0 {4 << 20} 0 Z"


def packet(size: int) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"SSH-2.0-x\r\n" + struct.pack(">I", size))
        while True:
            connection.sendall(bytes(1 << 20))

    return talk


def one_by_one(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"x")
        time.sleep(0.2)


def only_a_greeting(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-x\r\n")
    time.sleep(PATIENCE_S)


HOSTS: dict[str, Callable[[socket.socket], None]] = {
    "a greeting of lines without end": endless(b"welcome\r\n" * 1000),
    "a greeting without end": endless(b"w" * 100_000),
    "a greeting that drips": one_by_one,
    "a greeting that is no text": lambda it: it.sendall(b"SSH-2.0-\xff\xfe\r\n" + bytes(100)),
    "a greeting of another protocol": lambda it: it.sendall(b"HTTP/1.1 400 Bad\r\n\r\n"),
    "a version that is none": lambda it: it.sendall(b"SSH-" + b"9" * 20_000 + b"\r\n"),
    "a packet of 4 GiB": packet(0xFFFFFFFC),
    "a packet of 1 GiB": packet(1 << 30),
    "a packet of no bytes": packet(0),
    "a greeting, and no more": only_a_greeting,
}


@pytest.mark.parametrize("attack", HOSTS)
def test_a_host_that_does_not_speak_ssh(attack: str, store: Store) -> None:
    with connections(HOSTS[attack]) as port:
        said = outcome(store, port)
    assert said.startswith("Error: SSH does not answer at 127.0.0.1:")
    assert len(said) < 400


def test_extensions_are_not_counted_for_ever(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host's EXT_INFO may say that four billion names follow."""

    def parse(self: paramiko.Transport, message: paramiko.Message) -> None:
        say = paramiko.Message()
        say.add_byte(b"\x07")
        say.add_int(0xFFFFFFFF)
        self._send_message(say)  # type: ignore[attr-defined]
        original(self, message)

    original = paramiko.Transport._parse_newkeys  # type: ignore[attr-defined]
    with HostileHost(command=silent).serving() as host:
        monkeypatch.setattr(paramiko.Transport, "_parse_newkeys", parse)
        said = outcome(store, host.port)
    assert "too many extensions" in said


def test_a_session_streams_without_end_in_little_memory(store: Store, tmp_path: Path) -> None:
    with HostileHost(command=to_output).serving() as host:
        add_host(store, host.port)
        running = subprocess.Popen(
            [sys.executable, "-m", "ecsmachine", "--native-ssh", "ssh", "dev1", "yes"],
            env={**os.environ, "MACHINE_STORAGE_PATH": str(store.path)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=limit_memory,
        )
        assert running.stdout is not None
        got = 0
        deadline = time.monotonic() + PATIENCE_S
        while got < 50_000_000 and time.monotonic() < deadline:
            got += len(running.stdout.read1(1 << 20))  # type: ignore[attr-defined]
        most = int(Path(f"/proc/{running.pid}/status").read_text().split("VmHWM:")[1].split()[0])
        running.kill()
        running.communicate()
    assert got >= 50_000_000
    assert most < 200_000  # KiB


@pytest.mark.parametrize("status", [256, 1 << 31, 0xFFFFFFFF])
def test_a_status_that_no_program_can_leave_with_is_an_error(
    store: Store, bounded: Bounded, status: int
) -> None:
    def command(channel: paramiko.Channel) -> None:
        channel.send_exit_status(status)
        channel.close()

    with HostileHost(command=command).serving() as host:
        add_host(store, host.port)
        done = bounded("--native-ssh", "ssh", "dev1", "true")
    assert (done.code, done.out, done.err) == (255, b"", "")


@pytest.mark.parametrize(
    "command",
    [
        ("--native-ssh", "ssh", "dev1", "true"),
        ("--native-ssh", "scp", "dev1:/etc/hosts", "x"),
        ("trust", "-y", "dev1"),
    ],
    ids=lambda it: next(word for word in it if not word.startswith("-")),
)
@pytest.mark.parametrize("attack", ["a greeting without end", "a packet of 4 GiB"])
def test_every_command_that_logs_in(
    attack: str, command: tuple[str, ...], store: Store, bounded: Bounded
) -> None:
    with connections(HOSTS[attack]) as port:
        add_host(store, port)
        assert "127.0.0.1" in bounded(*command).error


def test_a_connection_that_was_cut_for_its_flood_is_an_error(store: Store) -> None:
    with HostileHost(command=flood).serving() as host:
        machine = add_host(store, host.port)
        target = SSHTarget("127.0.0.1", host.port, key_path=machine.directory / "id_rsa")
        with (
            connect(target, machine.known_hosts_path) as connection,
            contextlib.suppress(SSHError),
        ):
            channel = connection.open_channel()
            channel.exec_command("true")
            # nobody reads: all of it would be kept
            waiting = threading.Event()
            for _ in range(600):
                if not connection._transport.is_active():
                    break
                waiting.wait(0.1)
            assert not connection._transport.is_active()
        with pytest.raises(MachineError, match="was lost"):
            connection.run("true", timeout_s=5)
