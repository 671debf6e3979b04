"""The engine of a node without a guest, which several threads ask at once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ecsmachine.localcloud.container_service.engines import EngineError, NoEngine

BODY: dict[str, Any] = {
    "Image": "i",
    "Labels": {"a": "b"},
    "HostConfig": {},
    "NetworkingConfig": {"EndpointsConfig": {}},
}


@pytest.fixture
def hurried() -> Iterator[None]:
    """Let threads take turns at every opportunity."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hurried")
def test_containers_come_and_go_while_they_are_looked_at() -> None:
    engine = NoEngine()
    over = threading.Event()
    failures: list[Exception] = []

    def look() -> None:
        try:
            while not over.is_set():
                for container in engine.containers({"a": "b"}):
                    try:
                        engine.stop(container.id, None)
                    except EngineError:  # it has just gone
                        continue
        except Exception as error:
            failures.append(error)

    looking = [threading.Thread(target=look) for _ in range(3)]
    for thread in looking:
        thread.start()
    for _ in range(300):
        made = [engine.create("one", BODY) for _ in range(5)]
        for container_id in made:
            engine.remove(container_id, volumes=False)
    over.set()
    for thread in looking:
        thread.join()
    assert not failures
    assert engine.containers({}) == []  # what is gone has not come back by a change
