"""What steps do is one script; the scripts are run by this machine's own shells."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from ecsmachine.provision import batch
from ecsmachine.provision.batch import Part
from ecsmachine.provision.errors import ProvisionError
from ecsmachine.provision.step import Action, Run, Upload
from ecsmachine.ssh.command_result import CommandResult
from ecsmachine.ssh.connection import SSHError
from tests.unit.provision.recorded import situation

SHELLS = [shell for shell in ("sh", "bash", "busybox") if shutil.which(shell)]
SECRET = b"-----BEGIN PRIVATE KEY-----\n\x00\xff'\"$(id)%s\n"


class ThisHost:
    """Runs what it is told on this machine."""

    def __init__(self, shell: str = "sh", *, user: str = "root", path: str = "/usr/bin:/bin"):
        self.user = user
        self.words = ["busybox", "sh", "-c"] if shell == "busybox" else [shell, "-c"]
        self.path = path

    def run(
        self, command: str, *, stdin: bytes | None = None, timeout_s: float | None = None
    ) -> CommandResult:
        done = subprocess.run(
            [*self.words, command],
            input=stdin,
            capture_output=True,
            timeout=timeout_s,
            env={"PATH": self.path},
        )
        return CommandResult(
            done.returncode,
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
        )


def parts(*actions: Action) -> list[Part]:
    return [Part(f"step {number}", action) for number, action in enumerate(actions)]


def done(host: ThisHost, *actions: Action) -> list[CommandResult]:
    return batch.run(host, situation("debian-12"), parts(*actions))


@pytest.mark.parametrize("shell", SHELLS)
def test_each_part_has_what_it_printed(shell: str) -> None:
    results = done(
        ThisHost(shell),
        Run("echo one; echo 'first words' >&2"),
        Run("printf 'no end of line'"),
        Run("read -r line || echo nothing to read"),
    )
    assert results == [
        CommandResult(0, "one\n", "first words\n"),
        CommandResult(0, "no end of line", ""),
        CommandResult(0, "nothing to read\n", ""),
    ]


@pytest.mark.parametrize("shell", SHELLS)
def test_what_fails_is_the_last_and_is_named(shell: str, tmp_path: Path) -> None:
    with pytest.raises(
        ProvisionError, match="step 1: a command exited with 7: no such thing"
    ) as told:
        done(
            ThisHost(shell),
            Run("echo fine"),
            Run("echo 'no such thing' >&2; exit 7"),
            Run(f"touch {tmp_path}/later"),
        )
    assert told.value.details == "no such thing"
    assert not (tmp_path / "later").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_file_is_whole_and_as_private_as_it_shall_be(shell: str, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "server-key.pem"
    host = ThisHost(shell)
    done(host, Upload(b"first", str(path), 0o644), Upload(SECRET, str(path), 0o600))
    assert path.read_bytes() == SECRET
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o055 == 0o055
    done(host, Upload(b"", str(path), 0o644))
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"", 0o644)
    assert [each.name for each in path.parent.iterdir()] == ["server-key.pem"]


def test_while_it_is_written_a_file_is_nobody_elses(tmp_path: Path) -> None:
    (tmp_path / "base64").write_text(
        f'#!/bin/sh\nstat -c %a {tmp_path}/.key.* > {tmp_path}/seen\nexec /usr/bin/base64 "$@"\n'
    )
    (tmp_path / "base64").chmod(0o755)
    done(ThisHost(path=f"{tmp_path}:/usr/bin:/bin"), Upload(SECRET, f"{tmp_path}/key", 0o644))
    assert (tmp_path / "seen").read_text() == "600\n"


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken" / "inside").mkdir(parents=True)
    with pytest.raises(ProvisionError, match=f"step 0: cannot write {tmp_path}/taken: .*directory"):
        done(ThisHost(), Upload(SECRET, f"{tmp_path}/taken", 0o600))
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]


def test_neither_scripts_nor_the_contents_of_files_are_in_a_command_line(tmp_path: Path) -> None:
    sudo = tmp_path / "sudo"
    sudo.write_text(f'#!/bin/sh\nprintf "%s " "$@" >> {tmp_path}/words\nshift\nexec "$@"\n')
    sudo.chmod(0o755)
    host = ThisHost(user="admin", path=f"{tmp_path}:/usr/bin:/bin")
    seen = f"tr '\\0' ' ' </proc/$$/cmdline >>{tmp_path}/words; : swordfish"
    upload = Upload(b"swordfish" * 9, f"{tmp_path}/key", 0o600)
    done(host, upload, Run(seen, as_user=True), Run(seen))
    words = (tmp_path / "words").read_text()
    assert words.startswith("-n sh -c ")
    # what the user does is done without sudo
    assert words.endswith("sh -s -n sh -s sh -s ")
    assert not re.search("c3dvcmRmaXNo|swordfish", words)
    assert (tmp_path / "key").read_bytes() == b"swordfish" * 9


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_that_did_not_come_whole_does_nothing(shell: str, tmp_path: Path) -> None:
    whole = batch.script(
        parts(Run(f"touch {tmp_path}/one"), Run(f"touch {tmp_path}/two")), user="root", mark="m"
    )
    for length in range(0, len(whole) - 2, 7):
        ThisHost(shell).run("sh -s", stdin=whole[:length].encode())
    assert not list(tmp_path.iterdir())
    ThisHost(shell).run("sh -s", stdin=whole.encode())
    assert {each.name for each in tmp_path.iterdir()} == {"one", "two"}


@pytest.mark.parametrize(
    ("printed", "step"),
    [
        ("", "step 0"),
        ("\nMARK 0 0\nhalf way", "step 1"),
        ("MARK 0 0\n\nMARK 1 0\n", "step 1"),
        ("\nother 0 0\n", "step 0"),
    ],
)
def test_who_was_at_work_when_the_host_was_lost_is_named(printed: str, step: str) -> None:
    class LosingHost(ThisHost):
        def run(
            self, command: str, *, stdin: bytes | None = None, timeout_s: float | None = None
        ) -> CommandResult:
            mark = (stdin or b"").decode().partition("printf '\\n")[2].partition(" ")[0]
            error = SSHError("The SSH connection to dev1 was lost")
            error.printed = CommandResult(-1, printed.replace("MARK", mark), "")
            raise error

    with pytest.raises(ProvisionError, match=f"{step}: The SSH connection") as told:
        done(LosingHost(), Run("true"), Run("true"))
    assert told.value.step == step
    assert "ecsmachine-" not in (told.value.details or "")


def test_a_host_that_runs_nothing_is_told_in_its_words() -> None:
    class Closed(ThisHost):
        def run(
            self, command: str, *, stdin: bytes | None = None, timeout_s: float | None = None
        ) -> CommandResult:
            return CommandResult(1, "This account is not available.\n", "")

    with pytest.raises(
        ProvisionError, match="step 0: a command exited with 1: This account is not"
    ):
        done(Closed(), Run("true"))


def test_of_an_output_without_end_the_last_part_is_told() -> None:
    kept = CommandResult(0, "tail of two\nm 1 0\nthree\nm 2 5\n", "\nm 0 0\n\nm 1 0\nwhy\nm 2 5\n")
    ended, rest = batch.split(kept, "m")
    assert [each.exit_status for each in ended.values()] == [0, 0, 5]
    assert (ended[2].stdout, ended[2].stderr) == ("three", "why")
    assert (rest.stdout, rest.stderr) == ("", "")
