"""Why a command on a host failed, in one line."""

from __future__ import annotations

import pytest

from ecsmachine.provision.errors import failure_line, reason_in
from ecsmachine.ssh.command_result import CommandResult


@pytest.mark.parametrize(
    ("stdout", "stderr", "reason"),
    [
        ("", "", ""),
        ("Reading package lists...\n", "", "Reading package lists..."),
        (
            "Reading package lists...\n",
            "W: Some index files failed to download.\nE: Unable to locate package docker-ce\n",
            "E: Unable to locate package docker-ce",
        ),
        (
            "dpkg: error processing package docker.io (--configure):\n"
            " installed docker.io package post-installation script subprocess returned 1\n"
            "Errors were encountered while processing:\n docker.io\n",
            "E: Sub-process /usr/bin/dpkg returned an error code (1)\n",
            "dpkg: error processing package docker.io (--configure):",
        ),
        (
            "Error: Unable to find a match: docker-ce\n",
            "+ dnf -y install docker-ce\n",
            "Error: Unable to find a match: docker-ce",
        ),
        ("", "curl: (28) Operation timed out\n\n", "curl: (28) Operation timed out"),
        ("", "the mirror is closed\nsee its page\n", "see its page"),
    ],
)
def test_the_line_that_says_why(stdout: str, stderr: str, reason: str) -> None:
    assert reason_in(CommandResult(1, stdout, stderr)) == reason


def test_the_status_and_the_reason_are_one_line_of_bearable_length() -> None:
    assert failure_line("apt", CommandResult(100, "", "")) == "apt exited with 100"
    said = failure_line("apt", CommandResult(100, "", f"E: {'x' * 500}\n"))
    assert said.startswith("apt exited with 100: E: xxx")
    assert len(said) < 250
