"""A network is gone when swarm mode has let go of it, not when it was asked to."""

from __future__ import annotations

import json
import ssl
from typing import Any

import pytest

from ecsmachine.localcloud.container_service import docker
from ecsmachine.localcloud.container_service.docker import DockerEngine
from ecsmachine.localcloud.container_service.engines import EngineError

IN_USE = "rpc error: code = FailedPrecondition desc = network n1 is in use by task t1"


class SlowSwarm(DockerEngine):
    """An engine that lets go of a network after some questions."""

    def __init__(self, *, in_use: int, listed: int, refusal: str = IN_USE) -> None:
        super().__init__("127.0.0.1:1", ssl.create_default_context())
        self.in_use, self.listed, self.refusal = in_use, listed, refusal

    def _exchange(self, method: str, *arguments: Any, **named: Any) -> tuple[int, bytes]:
        if method == "DELETE":
            self.in_use -= 1
            if self.in_use >= 0:
                return 500, json.dumps({"message": self.refusal}).encode()
            return 204, b""
        self.listed -= 1
        there = [{"Name": "shop_front-old"}, {"Name": "shop_front"}]
        return 200, json.dumps(there[: 2 if self.listed >= 0 else 1]).encode()


def test_a_network_is_removed_when_it_is_let_go_of() -> None:
    swarm = SlowSwarm(in_use=2, listed=2)
    swarm.remove_network("shop_front")
    assert (swarm.in_use, swarm.listed) == (-1, -1)


def test_one_that_stays_in_use_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "_LET_GO_S", 0.1)
    with pytest.raises(EngineError, match="in use by task t1"):
        SlowSwarm(in_use=100, listed=0).remove_network("shop_front")


def test_a_node_that_is_silent_is_not_waited_for_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "_LET_GO_IN_SILENCE_S", 0.1)
    swarm = SlowSwarm(in_use=100, listed=0)
    with pytest.raises(EngineError, match="in use by task t1"):
        swarm.remove_network("shop_front", silent=True)
    assert swarm.in_use > 90  # 30 s would have been more questions than these


def test_another_refusal_is_one_at_once() -> None:
    swarm = SlowSwarm(in_use=100, listed=0, refusal="the disk is full")
    with pytest.raises(EngineError, match="the disk is full"):
        swarm.remove_network("shop_front")
    assert swarm.in_use == 99
