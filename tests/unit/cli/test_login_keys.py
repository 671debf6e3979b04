"""The passphrase of a login key: asked once at a terminal, before anything is done."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.ssh.openssh_server import SSHD, keygen, openssh_server
from tests.unit.terminals import begin_on_terminal, run_in_pipe, terminal

pytestmark = pytest.mark.skipif(not (SSHD and shutil.which("ssh")), reason="no OpenSSH")


def test_a_passphrase_is_asked_for_once(tmp_path: Path) -> None:
    key = keygen(tmp_path / "login", "-t", "ed25519", passphrase="open sesame")
    environment = {"MACHINE_STORAGE_PATH": str(tmp_path / "store"), "HOME": str(tmp_path)}
    with openssh_server(tmp_path / "host") as host:
        host.authorize(Path(f"{key}.pub").read_text())
        words = host.create_words(key, "dev1")
        in_pipe = run_in_pipe(*words, environment=environment)
        assert in_pipe.returncode == 2
        assert f"Passphrase of the key {key}: it was not given" in in_pipe.stderr
        assert f"ssh-add {key}" in in_pipe.stderr
        with terminal() as (stream, written):
            running = begin_on_terminal(stream, *words, environment=environment)
            written.until("Passphrase of the key")
            written.press("wrong\n")
            written.until("Passphrase of the key")
            written.press("open sesame\n")
            assert running.wait(60) == 0, written.whole()
            assert "sesame" not in written.whole()
            assert "has no passphrase" in written.whole()
        for client in ([], ["--native-ssh"]):
            done = run_in_pipe(*client, "ssh", "dev1", "echo in", environment=environment)
            assert (done.returncode, done.stdout) == (0, "in\n"), done.stderr
