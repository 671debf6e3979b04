"""How often a host is waited for: on a way of 100 ms, that is what a command takes."""

from __future__ import annotations

import re

import pytest

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


def test_a_host_is_waited_for_as_seldom_as_can_be(bare_machines: Machines) -> None:
    create = ("create", "-d", "aliyunecs", "--aliyunecs-disk-size", "20", "dev1")
    made = turns(bare_machines, *create)
    # a boot may answer, and then not let us in yet
    assert made[-1] <= HANDSHAKE + LOOK + 3 * DO
    assert sum(made) <= 25
    try:
        assert turns(bare_machines, "provision", "dev1") == [HANDSHAKE + LOOK]
        assert turns(bare_machines, "regenerate-certs", "-f", "dev1") == [HANDSHAKE + LOOK + DO]
        assert turns(bare_machines, "config", "set", "dev1", "--engine-label", "a=b") == [
            HANDSHAKE + LOOK + DO
        ]
        (upgraded,) = turns(bare_machines, "upgrade", "dev1")
        assert upgraded <= HANDSHAKE + 3 * LOOK  # the third if the engine was restarted
    finally:
        bare_machines.run("rm", "-y", "dev1")
