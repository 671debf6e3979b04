"""The login shell of a host's user is not always one that reads what ``sh`` reads."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from ecsmachine.provision.facts import look_script
from ecsmachine.provision.shell import as_root
from ecsmachine.ssh.command_line import for_every_shell

SCRIPT = "say() { printf '%s\\n' \"$1\"; }\nsay 'a  b!x'; say \"$(echo '\\\\ü')\"\ncat; exit 7\n"


def test_what_all_shells_read_alike_can_be_read() -> None:
    assert for_every_shell("sudo -n shutdown -r now") == "sudo -n shutdown -r now"
    line = for_every_shell(as_root(look_script(), "admin"))
    assert not set("\n\\!") & set(line)


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "fish", "tcsh"])
def test_a_script_is_run_by_sh_whatever_the_login_shell(shell: str) -> None:
    """csh knew no function, and ended quoted words with the line: no such user could provision."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell}")
    command = f"echo begun; {for_every_shell(as_root(SCRIPT, 'root'))}"
    done = subprocess.run([program, "-c", command], input=b"in", capture_output=True)
    assert (done.returncode, done.stderr) == (7, b"")
    assert done.stdout.decode() == "begun\na  b!x\n\\ü\nin"


def test_a_host_that_cannot_read_it_is_no_success() -> None:
    line = for_every_shell("true\n")
    done = subprocess.run(["/bin/sh", "-c", line.replace("base64", "/nonexistent")])
    assert done.returncode == 127
