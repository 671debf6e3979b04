from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from ecsmachine.errors import MachineError
from ecsmachine.ssh import private_keys
from ecsmachine.ssh.command_result import KeptEnd
from ecsmachine.ssh.connection import (
    AuthenticationError,
    Connection,
    SSHError,
    connect,
)
from ecsmachine.ssh.host_keys import HostKeyChangedError
from ecsmachine.ssh.private_files import KeyFileError
from ecsmachine.ssh.private_keys import load_unlocked
from ecsmachine.ssh.streaming import printed_lines
from ecsmachine.ssh.target import SSHTarget
from ecsmachine.ssh.wait import wait_for_ssh

from .conftest import LoopbackServer


def test_output_errors_and_status_come_back(server: LoopbackServer) -> None:
    with connect(server.target(), server.pin_path) as host:
        result = host.run("echo out; echo err >&2; exit 7")
    assert (result.exit_status, result.stdout, result.stderr) == (7, "out\n", "err\n")


def test_several_commands_use_one_connection(server: LoopbackServer) -> None:
    with connect(server.target(), server.pin_path) as host:
        assert [host.run(f"echo {number}").stdout for number in range(5)] == [
            f"{number}\n" for number in range(5)
        ]
    assert len(server.transports) == 1


def test_much_of_everything_at_once_does_not_block(server: LoopbackServer) -> None:
    size = 3_000_000
    with connect(server.target(), server.pin_path) as host:
        result = host.run(
            f"cat | wc -c; head -c {size} /dev/zero >&2; head -c {size} /dev/zero",
            stdin=b"x" * size,
            timeout_s=60,
        )
    assert result.stdout.startswith(f"{size}\n")
    assert len(result.stdout) == size + len(f"{size}\n")
    assert len(result.stderr) == size


@pytest.mark.parametrize("shell", ["fish", "tcsh"])
def test_sh_runs_a_script_whatever_the_login_shell(server: LoopbackServer, shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell}")
    server.shell = shell
    with connect(server.target(), server.pin_path) as host:
        script = "say() {\n  printf '%s!\\n' \"$1\"\n}\nsay 'a\nb'"
        assert host.run(script).stdout == "a\nb!\n"
        assert list(printed_lines(host, script)) == ["a", "b!"]
        # what each of the two has alone, and sh has not
        own = {"fish": "echo $FISH_VERSION", "tcsh": "echo $tcsh"}[shell]
        assert re.match(r"\d+\.", host.run(own, login_shell=True).stdout)


def test_a_command_that_does_not_end_is_given_up(server: LoopbackServer) -> None:
    with (
        connect(server.target(), server.pin_path) as host,
        pytest.raises(SSHError, match="did not finish in time"),
    ):
        host.run("sleep 30", timeout_s=0.2)


def test_what_a_command_printed_before_its_time_was_up_is_shown(server: LoopbackServer) -> None:
    with (
        connect(server.target(), server.pin_path) as host,
        pytest.raises(SSHError, match="did not finish in time") as raised,
    ):
        host.run("echo half way; sleep 30", timeout_s=3)
    assert raised.value.details == "half way"


def test_a_connection_that_is_cut_is_an_error(server: LoopbackServer) -> None:
    with connect(server.target(), server.pin_path) as host:
        threading.Timer(0.3, lambda: server.transports[0].close()).start()
        with pytest.raises(SSHError, match="was lost"):
            host.run("sleep 30", timeout_s=20)


def test_the_host_key_is_pinned_at_first_contact(server: LoopbackServer) -> None:
    connect(server.target(), server.pin_path).close()
    kind, text = server.pin_path.read_text().split()[1:]
    assert (kind, text) == (server.host_key.get_name(), server.host_key.get_base64())
    assert stat.S_IMODE(server.pin_path.stat().st_mode) == 0o600
    connect(server.target(), server.pin_path).close()


def test_a_pin_that_cannot_be_written_is_said(server: LoopbackServer, tmp_path: Path) -> None:
    pin = tmp_path / "missing" / "known_hosts"
    with pytest.raises(MachineError, match=f"{pin} cannot be written: No such file"):
        wait_for_ssh(server.target(), pin)


def test_a_changed_host_key_stops_everything(server: LoopbackServer) -> None:
    connect(server.target(), server.pin_path).close()
    pinned = server.pin_path.read_text()
    server.host_key = paramiko.ECDSAKey.generate()
    with pytest.raises(HostKeyChangedError, match="has changed") as raised:
        wait_for_ssh(server.target(password="secret"), server.pin_path)
    assert str(server.pin_path) in raised.value.message
    assert server.pin_path.read_text() == pinned


def test_the_password_is_tried_after_the_key(server: LoopbackServer) -> None:
    server.authorized.clear()
    server.password = "Secret-123"
    connect(server.target(password="Secret-123"), server.pin_path).close()
    with pytest.raises(AuthenticationError, match='login of "root" with the key') as raised:
        connect(server.target(password="Wrong-456"), server.pin_path)
    assert "Wrong-456" not in str(raised.value) + (raised.value.hint or "")


def test_a_login_that_is_refused_at_first_is_tried_again(server: LoopbackServer) -> None:
    server.open = False
    threading.Timer(0.4, lambda: setattr(server, "open", True)).start()
    wait_for_ssh(server.target(), server.pin_path, login_timeout_s=20).close()


def test_a_login_that_stays_refused_is_an_error(server: LoopbackServer) -> None:
    server.open = False
    with pytest.raises(AuthenticationError):
        wait_for_ssh(server.target(), server.pin_path, login_timeout_s=0.3)


def test_a_host_that_takes_the_connection_and_says_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = SSHTarget("127.0.0.1", port=silent.getsockname()[1], user="root")
        with pytest.raises(SSHError, match="SSH does not answer"):
            connect(target, tmp_path / "known_hosts", handshake_timeout_s=0.2)


def test_nobody_answers(tmp_path: Path, server: LoopbackServer) -> None:
    begun = time.monotonic()
    with pytest.raises(SSHError, match=r"Too many retries waiting for SSH.*127\.0\.0\.1:1"):
        wait_for_ssh(server.target(port=1), tmp_path / "known_hosts", timeout_s=0.4)
    assert time.monotonic() - begun >= 0.2


def test_a_key_is_parsed_once_however_often_is_tried(
    tmp_path: Path, server: LoopbackServer
) -> None:
    before = private_keys._parsed.cache_info()
    with pytest.raises(SSHError):
        wait_for_ssh(server.target(port=1), tmp_path / "known_hosts", timeout_s=2)
    after = private_keys._parsed.cache_info()
    assert after.misses - before.misses <= 1
    assert after.hits - before.hits >= 2


def test_a_key_that_others_can_read_is_refused(server: LoopbackServer) -> None:
    path = server.folder / "id_rsa"
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="too open: 0640") as raised:
        connect(server.target(), server.pin_path)
    assert raised.value.hint == f"chmod 600 {path}"


def test_keys_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(KeyFileError, match="No such file"):
        load_unlocked(path)
    path.write_text("not a key")
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="holds no private key"):
        load_unlocked(path)
    path.write_bytes(
        ed25519.Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.OpenSSH, BestAvailableEncryption(b"passphrase")
        )
    )
    with pytest.raises(KeyFileError, match="has a passphrase"):
        load_unlocked(path)


class LateChannel:
    """A channel on which all comes at once, while its end is being asked for."""

    def __init__(self) -> None:
        self.output = b""
        self.eof_received = False
        self.pipe = os.pipe()

    def exit_status_ready(self) -> bool:
        if not self.eof_received:
            self.output, self.eof_received = b"all of it", True
            return True
        return True

    def fileno(self) -> int:
        return self.pipe[0]

    def recv_ready(self) -> bool:
        return bool(self.output)

    def recv(self, size: int) -> bytes:
        data, self.output = self.output, b""
        return data

    def recv_stderr_ready(self) -> bool:
        return False

    def recv_exit_status(self) -> int:
        return 0

    def shutdown_write(self) -> None:
        pass


def test_output_that_comes_with_the_end_is_not_lost() -> None:
    channel = LateChannel()
    transport = SimpleNamespace(is_active=lambda: True)
    connection = Connection(transport, SSHTarget("127.0.0.1"))  # type: ignore[arg-type]
    output = KeptEnd()
    status = connection._exchange(channel, b"", None, output, KeptEnd())  # type: ignore[arg-type]
    for end in channel.pipe:
        os.close(end)
    assert (status, output.text()) == (0, "all of it")
