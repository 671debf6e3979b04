"""How often a host is waited for: on a way of 100 ms, that is what a command takes."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ecsmachine.ssh import kept
from tests.guest.conftest import wait_for_login
from tests.guest.machines import Machines

pytestmark = pytest.mark.guest

HANDSHAKE = 6
"""The connection, the greeting, two of the key exchange, two of the login."""

LOOK = 2
DO = 3
"""A channel, a command, and what it reads."""


def turns(machines: Machines, *words: str) -> list[int]:
    """Return how often each connection of a command has waited for its host."""
    said = machines.run("-D", *words).stderr
    return [int(count) for count in re.findall(r": (\d+) turns over SSH$", said, re.MULTILINE)]


def connection(machines: Machines, name: str) -> str:
    """Return over which connection a command runs: from which port to which."""
    long = {"MACHINE_SSH_CONTROL_PERSIST": "600"}
    said = machines.run("ssh", name, "echo $SSH_CONNECTION", environment=long)
    assert said.stderr == ""
    return said.stdout


def test_commands_share_a_connection_until_the_machine_stops(bare_machines: Machines) -> None:
    bare_machines.run("create", "-d", "aliyunecs", "--no-provision", "dev2")
    store = Path(bare_machines.environment["MACHINE_STORAGE_PATH"])
    pin_path = str(store / "machines" / "dev2" / "known_hosts")
    wait_for_login(bare_machines, "dev2")
    first = connection(bare_machines, "dev2")
    assert connection(bare_machines, "dev2") == first
    # who reads a command's output waits for nothing else
    assert bare_machines.shell(f"echo $({bare_machines.program} ssh dev2 hostname)") == "dev2\n"
    assert kept.run(pin_path, ["true"], os.environ, seconds=60) == 0
    bare_machines.run("stop", "dev2")
    assert kept.run(pin_path, ["true"], os.environ, seconds=60) is None
    bare_machines.run("start", "dev2")
    wait_for_login(bare_machines, "dev2")
    assert connection(bare_machines, "dev2") != first
    bare_machines.run("rm", "-y", "dev2")
    assert kept.run(pin_path, ["true"], os.environ, seconds=60) is None


def test_a_host_is_waited_for_as_seldom_as_can_be(bare_machines: Machines) -> None:
    create = ("create", "-d", "aliyunecs", "--aliyunecs-disk-size", "20", "dev1")
    made = turns(bare_machines, *create)
    # a boot may answer, and then not let us in yet
    assert made[-1] <= HANDSHAKE + LOOK + 3 * DO
    assert sum(made) <= 25
    try:
        assert turns(bare_machines, "provision", "dev1") == [HANDSHAKE + LOOK]
        before = connection(bare_machines, "dev1")
        assert turns(bare_machines, "regenerate-certs", "-f", "dev1") == [HANDSHAKE + LOOK + DO]
        assert connection(bare_machines, "dev1") != before
        assert turns(bare_machines, "config", "set", "dev1", "--engine-label", "a=b") == [
            HANDSHAKE + LOOK + DO
        ]
        (upgraded,) = turns(bare_machines, "upgrade", "dev1")
        assert upgraded <= HANDSHAKE + 3 * LOOK  # the third if the engine was restarted
    finally:
        bare_machines.run("rm", "-y", "dev1")
