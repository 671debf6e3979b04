"""The driver ``generic``: a guest that is there already, reached in every way that it knows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from ecsmachine.localcloud.host.mirror import Mirror
from ecsmachine.ssh.keys import ensure_key_pair
from tests.guest.conftest import GuestGround, shell
from tests.guest.machines import Machines

pytestmark = pytest.mark.guest

PORT = 2222


@pytest.fixture
def key(tmp_path: Path) -> Path:
    ensure_key_pair(tmp_path / "login", "me@here")
    return tmp_path / "login"


@pytest.fixture
def address(ground: GuestGround, key: Path) -> str:
    """A host with a user ``admin`` who may use sudo, and an SSH server on a second port."""
    public = key.with_name("login.pub").read_text().strip()
    spec = ground.boot(public_keys=[public])
    with shell(spec.private_ip, key=paramiko.PKey.from_path(key)) as root:
        root.check("useradd -m -s /bin/bash admin")
        root.check("install -d -o admin -m 700 /home/admin/.ssh")
        root.check("install -o admin -m 600 /root/.ssh/authorized_keys /home/admin/.ssh/")
        root.check("command -v sudo")
        root.check("echo 'admin ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/admin")
        root.check(f"printf 'Port 22\\nPort {PORT}\\n' >> /etc/ssh/sshd_config")
        root.check("systemctl restart ssh || systemctl restart sshd")
    return spec.private_ip


@pytest.fixture
def program(mirror: Mirror, tmp_path: Path) -> Machines:
    return Machines(
        {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(tmp_path),
            "MACHINE_STORAGE_PATH": str(tmp_path / "store"),
            "MACHINE_DOCKER_INSTALL_URL": f"{mirror.url}/install.sh",
        }
    )


@pytest.fixture
def agent(key: Path) -> Iterator[str]:
    """The socket of an SSH agent that holds the key."""
    if not shutil.which("ssh-agent"):
        pytest.skip("no ssh-agent program")
    said = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    variables = dict(re.findall(r"(SSH_AUTH_SOCK|SSH_AGENT_PID)=([^;]+);", said))
    try:
        subprocess.run(
            ["ssh-add", "-q", str(key)], env={**variables, "PATH": "/usr/bin"}, check=True
        )
        yield variables["SSH_AUTH_SOCK"]
    finally:
        subprocess.run(["ssh-agent", "-k"], env=variables, capture_output=True, check=True)


def test_a_host_by_key_by_agent_and_by_another_user_and_port(
    program: Machines, address: str, key: Path, agent: str
) -> None:
    where = ("-d", "generic", "--generic-ip-address", address)
    user = ("--generic-ssh-user", "admin", "--generic-ssh-port", str(PORT))
    program.run("create", *where, *user, "--generic-ssh-key", str(key), "by-key")
    assert program.run("ls", "-f", "{{.Name}} {{.State}} {{.URL}}").stdout == (
        f"by-key Running tcp://{address}:2376\n"
    )
    assert program.run("ssh", "by-key", "whoami").stdout == "admin\n"
    driver = json.loads(program.run("inspect", "by-key").stdout)["Driver"]
    assert (driver["SSHUser"], driver["SSHPort"]) == ("admin", PORT)
    key_copy = Path(driver["SSHKeyPath"])
    assert key_copy.read_bytes() == key.read_bytes()

    # it goes on while the host boots, with sudo shutdown -r now
    before = program.run("ssh", "by-key", "cat /proc/1/stat | cut -d' ' -f22").stdout
    program.run("restart", "by-key")
    assert program.run("ssh", "by-key", "cat /proc/1/stat | cut -d' ' -f22").stdout != before
    program.run("config", "by-key")
    for command in ("start", "stop", "kill"):
        done = program.run(command, "by-key", check=False)
        # a host that runs is started already
        assert done.returncode == (0 if command == "start" else 1)

    # removing it leaves the host, which can be taken again: without a key file, by the agent
    program.run("rm", "-y", "by-key")
    program.environment["SSH_AUTH_SOCK"] = agent
    program.run("create", *where, "--engine-label", "again=yes", "by-agent")
    assert json.loads(program.run("inspect", "by-agent").stdout)["Driver"]["SSHKeyPath"] == ""
    for native in ((), ("--native-ssh",)):
        assert program.run(*native, "ssh", "by-agent", "whoami").stdout == "root\n"
    program.run("config", "by-agent")
    program.environment.pop("SSH_AUTH_SOCK")
    refused = program.run("--native-ssh", "ssh", "by-agent", "whoami", check=False)
    assert refused.returncode == 1
    assert "does not accept the login" in refused.stderr
    # the user's own keys, where they are by custom
    (Path(program.environment["HOME"]) / ".ssh").mkdir()
    shutil.copy(key, Path(program.environment["HOME"]) / ".ssh" / "id_rsa")
    assert program.run("--native-ssh", "ssh", "by-agent", "whoami").stdout == "root\n"
    program.run("rm", "-y", "by-agent")
