"""OpenSSH's own server on the loopback interface, for the user who runs the tests."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ecsmachine.ssh.connection import connect
from ecsmachine.ssh.interactive import ssh_command
from ecsmachine.ssh.target import SSHTarget
from tests.ports import free_port

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")


@dataclass
class OpenSSHServer:
    """A server whose authorized keys are in a file; its folder holds all that it needs."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def stop(self) -> None:
        """Let nobody in any more; those who are in stay."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait()

    def authorize(self, *public: str) -> None:
        """Let in whoever has one of these keys, and nobody else."""
        (self.folder / "authorized_keys").write_text("".join(f"{line}\n" for line in public))

    def target(self, key: Path | None = None, **changed: object) -> SSHTarget:
        values: dict[str, object] = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": getpass.getuser(),
            "key_path": key,
            **changed,
        }
        return SSHTarget(**values)  # type: ignore[arg-type]

    def create_words(self, key: Path, *more: str) -> list[str]:
        """Return the command that takes it into the store, with the driver generic."""
        words = ["create", "-d", "generic", "--no-provision", "--generic-ssh-key", str(key)]
        words += ["--generic-ip-address", "127.0.0.1", "--generic-ssh-port", str(self.port)]
        return [*words, "--generic-ssh-user", getpass.getuser(), *more]

    @property
    def pin_path(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def host_key(self) -> str:
        """The type and text of its public host key."""
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])


def keygen(path: Path, *arguments: str, passphrase: str = "") -> Path:
    """Make a key pair with ssh-keygen."""
    path.parent.mkdir(exist_ok=True, parents=True)
    command = ["ssh-keygen", "-q", "-N", passphrase, "-f", str(path), *arguments]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return path


@contextmanager
def openssh_server(folder: Path, *options: str) -> Iterator[OpenSSHServer]:
    """Run a server until the block ends; ``options`` are lines of its configuration."""
    assert SSHD is not None
    folder.mkdir(exist_ok=True, parents=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    keygen(folder / "host_key", "-t", "ed25519")
    port = free_port()
    server = OpenSSHServer(folder, port)
    server.authorize()
    sftp = next(
        path
        for path in (
            "/usr/lib/openssh/sftp-server",
            "/usr/libexec/openssh/sftp-server",
            "internal-sftp",
        )
        if path == "internal-sftp" or Path(path).exists()
    )
    lines = [
        *options,
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {folder / 'host_key'}",
        "PidFile none",
        f"AuthorizedKeysFile {folder / 'authorized_keys'}",
        "StrictModes no",
        "UsePAM no",
        "PermitRootLogin yes",
        "PasswordAuthentication no",
        "MaxStartups 100",
        "SetEnv SHLVL=2",  # a shell that is no first one reads no .bashrc, whatever is in it here
        f"Subsystem sftp {sftp}",
    ]
    (folder / "sshd_config").write_text("".join(f"{line}\n" for line in lines))
    with (folder / "log").open("wb") as log:
        process = server.process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(folder / "sshd_config")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield server
    finally:
        server.stop()


@contextmanager
def ssh_agent(*keys: Path) -> Iterator[str]:
    """Run an agent that has these keys until the block ends; gives its socket."""
    said = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    variables = dict(re.findall(r"(SSH_AUTH_SOCK|SSH_AGENT_PID)=([^;]+);", said))
    try:
        for key in keys:
            command = ["ssh-add", "-q", str(key)]
            subprocess.run(command, env=variables, capture_output=True, check=True)
        yield variables["SSH_AUTH_SOCK"]
    finally:
        subprocess.run(["ssh-agent", "-k"], env=variables, capture_output=True, check=True)


def check_login(target: SSHTarget, pin_path: Path) -> None:
    """Log in by paramiko and by OpenSSH."""
    with connect(target, pin_path) as connection:
        assert connection.run("echo in").stdout == "in\n"
    with ssh_command(target, pin_path, ["echo", "in"]) as command:
        command[1:1] = ["-o", "BatchMode=yes"]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (0, "in\n"), done.stderr
