"""The program, with something that happens to it at a step of provisioning.

``python -m tests.torture.child FAULT STEP COMMAND…``
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any, Literal

from ecsmachine.aliyun.access_key import Credentials, FixedCredentials
from ecsmachine.aliyun.rpc import RpcClient
from ecsmachine.cli.app import run
from ecsmachine.cli.display import streams
from ecsmachine.provision import provision as provisioning
from tests.answers import items_at
from tests.torture.failing_output import GONE, lose_reader

MIDDLE_S = 0.4
"""How long after the beginning of a step its middle is, in seconds."""

Happens = Callable[[Any, Literal["before", "after"]], None]


def killed() -> None:
    """End this process as kill -9 does."""
    os.kill(os.getpid(), signal.SIGKILL)


def released() -> None:
    """Release the instances of the cloud behind the program's back."""
    environment = os.environ
    key = Credentials(environment["ECS_ACCESS_KEY_ID"], environment["ECS_ACCESS_KEY_SECRET"])
    client = RpcClient(
        environment["ECS_API_ENDPOINT"], "2014-05-26", FixedCredentials("torture", key)
    )
    region = {"RegionId": environment["ECS_REGION"]}
    for each in items_at(client.call("DescribeInstances", region).values, "Instances", "Instance"):
        client.call("DeleteInstance", {"InstanceId": each["InstanceId"], "Force": "true"})


def cut(host: Any) -> None:
    """Break the SSH connection."""
    host._transport.sock.shutdown(socket.SHUT_RDWR)


def happening(fault: str) -> Happens:
    """Return what happens before, or after, the step."""

    def happens(host: Any, when: Literal["before", "after"]) -> None:
        if fault == f"killed {when}":
            killed()
        elif fault == "killed within" and when == "before":
            threading.Timer(MIDDLE_S, killed).start()
        elif fault == f"cut {when}":
            cut(host)
        elif fault == GONE and when == "before":
            lose_reader(1)
            os.write(2, b"the reader has gone\n")
        elif fault == "released outside" and when == "before":
            released()

    return happens


def main() -> None:
    """Run the command."""
    fault, step, *command = sys.argv[1:]
    happens = happening(fault)
    undisturbed = provisioning.provision

    def disturbed(host: Any, request: Any, report: Any) -> Any:
        def observe(name: str, when: Literal["before", "after"]) -> None:
            if name == step:
                happens(host, when)

        return undisturbed(host, request, report, observe=observe)

    provisioning.provision = disturbed  # type: ignore[assignment]
    streams.take_over()
    sys.exit(run(command, os.environ))


if __name__ == "__main__":
    main()
