"""Three machines in Docker's Swarm mode: joined, used, killed, drained, and apart again."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.guest.machines import Machines

pytestmark = pytest.mark.guest

NAMES = ("swarm1", "swarm2", "swarm3")


@pytest.fixture(scope="module")
def swarm(machines: Machines) -> Iterator[Machines]:
    """Three machines of one swarm: a manager and two workers, as create makes them."""
    machines.run("create", "-d", "aliyunecs", "--swarm-mode", "manager", "swarm1")
    machines.run(
        *("create", "-d", "aliyunecs", "--swarm-mode", "worker", "--swarm-join", "swarm1"),
        *("swarm2", "swarm3"),
    )
    yield machines
    machines.run("rm", "-y", "swarm*")


def nodes(machines: Machines) -> dict[str, dict[str, Any]]:
    return {node["Name"]: node for node in json.loads(machines.run("swarm", "ls", "--json").stdout)}


def in_time(look: Callable[[], bool], timeout_s: float = 120.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while not look():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def test_a_life_of_a_swarm(swarm: Machines, docker: str) -> None:
    flags = swarm.run("config", "swarm1").stdout.replace('"', "").split()

    def client(*words: str) -> str:
        done = subprocess.run([docker, *flags, *words], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    def running_on() -> set[str]:
        lines = client(
            *("service", "ps", "everywhere", "--filter", "desired-state=running"),
            *("--format", "{{.Node}} {{.CurrentState}}"),
        ).splitlines()
        return {line.split()[0] for line in lines if line.split()[1] == "Running"}

    there = nodes(swarm)
    assert {name: there[name]["Role"] for name in NAMES} == {
        "swarm1": "manager",
        "swarm2": "worker",
        "swarm3": "worker",
    }
    assert {node["State"] for node in there.values()} == {"ready"}
    assert len({node["Swarm"] for node in there.values()}) == 1

    # joining again changes nothing, and a second swarm is refused
    assert "is a worker" in swarm.run("swarm", "join", "-m", "swarm1", "swarm2").stdout
    refused = swarm.run("swarm", "init", "swarm2", check=False)
    assert refused.returncode == 1
    assert 'Machine "swarm2" is in another swarm' in refused.stderr

    # a service with tasks on every node, which pull its image from the cloud's registry
    client(
        *("service", "create", "--detach", "--mode", "global", "--name", "everywhere"),
        *(
            "--endpoint-mode",
            "dnsrr",
            "--stop-grace-period",
            "1s",
            "busybox",
            "sleep",
            "100000",
        ),
    )
    assert in_time(lambda: running_on() == set(NAMES)), running_on()

    # one is drained: its task goes, and comes back
    swarm.run("swarm", "update", "--availability", "drain", "swarm3")
    assert in_time(lambda: running_on() == {"swarm1", "swarm2"}), running_on()
    swarm.run("swarm", "update", "--availability", "active", "swarm3")
    assert in_time(lambda: running_on() == set(NAMES)), running_on()

    # one is killed, and struck off by the manager
    token = client("swarm", "join-token", "-q", "worker")
    swarm.run("kill", "swarm2")
    listed = ("node", "ls", "--format", "{{.Hostname}} {{.Status}}")
    assert in_time(lambda: "swarm2 Down" in client(*listed)), client(*listed)
    assert nodes(swarm)["swarm2"]["State"] == "down"
    silent = swarm.run("swarm", "leave", "swarm2", check=False)
    assert silent.returncode == 1
    assert "ecsmachine swarm leave --force swarm2" in silent.stderr
    swarm.run("swarm", "leave", "--force", "swarm2")
    assert set(nodes(swarm)) == {"swarm1", "swarm3"}
    # who has left knows no token any more
    assert client("swarm", "join-token", "-q", "worker") != token

    # it starts again, notices that it is out, and joins as a manager
    swarm.run("start", "swarm2")
    swarm.run("swarm", "leave", "--force", "swarm2")
    swarm.run("swarm", "join", "-m", "swarm1", "--role", "manager", "swarm2")
    assert nodes(swarm)["swarm2"]["Manager"] == "reachable"
    swarm.run("swarm", "update", "--role", "worker", "swarm2")

    # a machine that is removed leaves first
    assert "from the swarm" in swarm.run("rm", "-y", "swarm3").stdout
    assert set(nodes(swarm)) == {"swarm1", "swarm2"}

    # the last manager leaves only by force
    swarm.run("swarm", "leave", "swarm2")
    last = swarm.run("swarm", "leave", "swarm1", check=False)
    assert last.returncode == 1
    assert "last manager" in last.stderr
    swarm.run("swarm", "leave", "--force", "swarm1")
    assert nodes(swarm) == {}
