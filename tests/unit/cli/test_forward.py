"""``forward``: through the ssh program and without it, through a jump host and directly."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.ports import refusing_port
from tests.servers import connections
from tests.unit.ssh.openssh_server import SSHD, OpenSSHServer, keygen, openssh_server, ssh_agent
from tests.unit.terminals import begun_in_pipe, run_in_pipe

pytestmark = pytest.mark.skipif(not (SSHD and shutil.which("ssh")), reason="no OpenSSH")


def answering() -> AbstractContextManager[int]:
    """A port at which everything that is sent comes back, after the end of it alone."""

    def talk(stream: socket.socket) -> None:
        whole = b""
        while data := stream.recv(65536):
            whole += data
        stream.sendall(whole)

    return connections(talk)


def asked(port: int, content: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as stream:
        threading.Thread(target=_send, args=(stream, content), daemon=True).start()
        answer = b""
        while data := stream.recv(65536):
            answer += data
        return answer


def _send(stream: socket.socket, content: bytes) -> None:
    with contextlib.suppress(OSError):  # where nobody answers
        stream.sendall(content)
        stream.shutdown(socket.SHUT_WR)


def port_of(process: subprocess.Popen[str]) -> int:
    """Return the port that a line names as listened on."""
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.fullmatch(
        r"127\.0\.0\.1:(\d+) forwards to (localhost|127\.0\.0\.1):\d+ of dev1\n", line
    )
    if not found:
        process.kill()  # else what it says would be waited for
    assert found, line + (process.stderr.read() if process.stderr else "")
    return int(found[1])


def test_ports_lead_to_the_machine(tmp_path: Path) -> None:
    own = keygen(tmp_path / "own", "-t", "ed25519")
    key = keygen(tmp_path / "login", "-t", "ed25519")
    with (
        ssh_agent(own) as agent,
        openssh_server(tmp_path / "bastion") as bastion,
        openssh_server(tmp_path / "host") as host,
        answering() as there,
    ):
        environment = {
            "MACHINE_STORAGE_PATH": str(tmp_path / "store"),
            "HOME": str(tmp_path / "home"),
            "SSH_AUTH_SOCK": agent,
        }
        host.authorize(Path(f"{key}.pub").read_text())
        bastion.authorize(Path(f"{own}.pub").read_text())
        words = host.create_words(key, "dev1")
        nobody = refusing_port()
        for jump in ([], ["--ssh-jump", f"{getpass.getuser()}@127.0.0.1:{bastion.port}"]):
            done = run_in_pipe(*words, *jump, environment=environment)
            assert done.returncode == 0, done.stderr
            for client in ([], ["--native-ssh"]):
                ports = [f"0:127.0.0.1:{there}", f"127.0.0.1:0:{there}", f"0:{nobody}"]
                line = [*client, "forward", "dev1", *ports]
                with begun_in_pipe(*line, environment=environment) as process:
                    first, second, refused = (port_of(process) for _ in range(3))
                    content = os.urandom(1 << 20)
                    assert asked(first, content) == content
                    assert asked(second, b"short") == b"short"
                    assert _refused(refused)
                    assert asked(first, b"again") == b"again"
                    process.send_signal(signal.SIGINT)
                    _, errors = process.communicate(timeout=60)
                    assert process.returncode == 130, errors
                    assert "Interrupted" not in errors
                    assert "Traceback" not in errors
                    assert re.search("[Cc]onnect", errors), errors  # why a port led nowhere
            with begun_in_pipe("forward", "dev1", f"0:{there}", environment=environment) as process:
                port_of(process)
                _end_sessions(host)
                _, errors = process.communicate(timeout=60)
                assert process.returncode == 1
                assert "The SSH connection to 127.0.0.1 was lost" in errors
            with begun_in_pipe("forward", "dev1", f"0:{there}", environment=environment) as process:
                port = port_of(process)
                with socket.create_connection(("127.0.0.1", port)):  # ssh has work to do
                    process.kill()
                    process.wait()
                    _wait_until_free(port)
            assert run_in_pipe("rm", "-y", "dev1", environment=environment).returncode == 0


def _wait_until_free(port: int) -> None:
    """Wait until nobody listens on a port any more."""
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=60).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:  # it was closed before ours was taken
            pass
        assert time.monotonic() < deadline, f"{port} is still listened on"
        time.sleep(0.05)


def _refused(port: int) -> bool:
    """Whether a connection that is taken ends without an answer."""
    try:
        return asked(port, b"x") == b""
    except ConnectionError:
        return True


def _end_sessions(server: OpenSSHServer) -> None:
    """End the processes that serve those who are logged in to a server."""
    assert server.process is not None
    pid = server.process.pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)
