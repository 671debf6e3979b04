"""Why a command on a host failed, in one line."""

from __future__ import annotations

import pytest

from ecsmachine.provision.errors import engine_reason, failure_line, reason_in
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


SYSTEMD = """\
docker.service: Main process exited, code=exited, status=1/FAILURE
docker.service: Failed with result 'exit-code'.
Failed to start docker.service - Docker Application Container Engine.
"""


@pytest.mark.parametrize(
    ("journal", "reason"),
    [
        ("", ""),
        (SYSTEMD, ""),
        (
            f"Status: unknown flag: --nonsense\nSee 'dockerd --help'., Code: 125\n{SYSTEMD}",
            "unknown flag: --nonsense",
        ),
        (
            'time="2026-11-29T08:42:11Z" level=info msg="Starting up"\nfailed to start daemon: '
            f"Error initializing network controller: invalid CIDR address: 300.1.1.1/24\n{SYSTEMD}",
            "failed to start daemon: Error initializing network controller: invalid CIDR "
            "address: 300.1.1.1/24",
        ),
        (
            'time="x" level=fatal msg="no sockets found"\ntime="x" level=warning msg="bye"\n',
            "no sockets found",
        ),
    ],
)
def test_what_the_engine_said_last_is_the_reason(journal: str, reason: str) -> None:
    assert engine_reason(journal) == reason
