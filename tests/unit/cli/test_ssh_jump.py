"""``--ssh-jump``: stored with a machine, and gone through by every command that logs in."""

from __future__ import annotations

import getpass
import json
import shutil
from pathlib import Path

import pytest

import ecsmachine
from tests.loaded_program import Process
from tests.unit.ssh.openssh_server import SSHD, keygen, openssh_server, ssh_agent
from tests.unit.terminals import bare

PACKAGE = Path(ecsmachine.__file__).parent


def test_there_is_one_place_where_machines_are_connected_to() -> None:
    """What goes past it would go past the jump host."""
    for path in PACKAGE.rglob("*.py"):
        where, text = path.relative_to(PACKAGE), path.read_text()
        if where.parts[0] != "localcloud":
            assert ("create_connection(" in text) == (where == Path("ssh/stream.py")), where
            assert ("driver.ssh_target()" in text) == (where == Path("machine/model.py")), where


@pytest.mark.skipif(not (SSHD and shutil.which("ssh")), reason="no OpenSSH")
def test_a_host_behind_a_jump_host(tmp_path: Path) -> None:
    own = keygen(tmp_path / "own", "-t", "ed25519")
    key = keygen(tmp_path / "login", "-t", "ed25519")
    with (
        ssh_agent(own) as agent,
        openssh_server(tmp_path / "bastion") as bastion,
        openssh_server(tmp_path / "host") as host,
    ):
        environment = {
            "MACHINE_STORAGE_PATH": str(tmp_path / "store"),
            "HOME": str(tmp_path / "home"),
            "SSH_AUTH_SOCK": agent,
        }
        host.authorize(Path(f"{key}.pub").read_text())
        words = host.create_words(key)
        jump = f"{getpass.getuser()}@127.0.0.1:{bastion.port}"

        def run(*arguments: str, code: int = 0, **more: str) -> str:
            done = Process(arguments, environment=bare({**environment, **more})).wait(60)
            assert done.returncode == code, done.stdout + done.stderr
            return (done.stdout if code == 0 else done.stderr).decode()

        # what is wrong is said before anything is made
        said = run(*words, "dev1", ECSMACHINE_SSH_JUMP="bastion", code=2)
        assert '--ssh-jump (ECSMACHINE_SSH_JUMP): "bastion" is not USER@HOST' in said
        said = run(*words, "--ssh-jump", jump, "dev1", code=3)
        assert "The jump host 127.0.0.1" in said
        assert not (tmp_path / "store" / "machines" / "dev1").exists()

        bastion.authorize(Path(f"{own}.pub").read_text())
        run(*words, "--ssh-jump", jump, "dev1")
        run(*words, "dev2", ECSMACHINE_SSH_JUMP=jump)
        elsewhere = [*words, "--generic-ip-address", "known-there.invalid", "--dry-run", "dev3"]
        run(*elsewhere, "--ssh-jump", jump)
        config = json.loads((tmp_path / "store/machines/dev1/config.json").read_text())
        assert config["HostOptions"]["SSHJump"] == jump
        assert (tmp_path / "store" / "jump_known_hosts").read_text().split()[1:] == (
            bastion.host_key.split()
        )

        (tmp_path / "file").write_text("content")
        for client in ([], ["--native-ssh"]):
            before = _forwards(bastion.folder)
            assert run(*client, "ssh", "dev1", "echo in") == "in\n"
            there = tmp_path / f"there{len(client)}"
            run(*client, "scp", str(tmp_path / "file"), f"dev1:{there}")
            assert there.read_text() == "content"
            assert _forwards(bastion.folder) >= before + 2
        if shutil.which("rsync"):
            run("scp", "-d", "-q", str(tmp_path / "file"), f"dev1:{tmp_path / 'by-rsync'}")
            assert (tmp_path / "by-rsync").read_text() == "content"
        run("scp", f"dev1:{tmp_path / 'file'}", f"dev2:{tmp_path / 'across'}")
        assert (tmp_path / "across").read_text() == "content"
        assert run("status", "dev2") == "Running\n"

        # the host itself is there all the same: that it is reached is the jump host's doing
        bastion.authorize()
        for client in ([], ["--native-ssh"]):
            login = (*client, "ssh", "dev1", "echo in")
            done = Process(login, environment=bare(environment)).wait(60)
            assert done.returncode
            assert done.stdout == b""


def _forwards(folder: Path) -> int:
    """Return how many logins the jump host has let through so far."""
    return (folder / "log").read_text().count("Accepted publickey")
