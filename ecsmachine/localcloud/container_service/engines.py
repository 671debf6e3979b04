"""Engines of nodes: what they say of their containers, and one that runs nothing."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ecsmachine.compose.labels import Probe
from ecsmachine.localcloud.protocol.errors import LocalCloudError

CHOSEN_PORTS = range(32768, 61000)
"""The ports of a node that its engine publishes at where none is named."""


class EngineError(LocalCloudError):
    """An engine refused, or did not answer; the text says which and why."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, order=True)
class Published:
    """A port of a container, and the port of its node that leads there."""

    container: int
    host: int
    protocol: str = "tcp"


@dataclass(frozen=True)
class Container:
    """A container as its engine reports it.

    ``status`` is Docker's word (created, running, restarting, exited, …), ``health`` is "" if there
    is no check. ``ports`` are the published ports: one port may be published at several ports of
    the node. ``volumes`` are the names of the volumes that it uses.
    """

    id: str
    name: str
    image: str
    labels: Mapping[str, str]
    status: str
    exit_code: int = 0
    health: str = ""
    addresses: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Published, ...] = ()
    volumes: tuple[str, ...] = ()

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self.status == "running"

    def reached_at(self, port: int) -> int | None:
        """Return the node's port at which the cluster reaches a TCP port of it.

        Of several it is one that the engine chose: nodes have those open, and a fixed one perhaps
        not.
        """
        found = [p.host for p in self.ports if (p.container, p.protocol) == (port, "tcp")]
        return max(found, key=lambda host: host in CHOSEN_PORTS, default=None)


class NoEngine:
    """The engine of a node that has no guest: containers change their states, nothing runs.

    It has the methods of a :class:`~ecsmachine.localcloud.container_service.docker.DockerEngine`.
    """

    def __init__(self) -> None:
        self._containers: dict[str, Container] = {}
        self._lock = threading.Lock()

    def answers(self) -> bool:
        """Say so."""
        return True

    manages = answers

    def _nothing(self, *given: Any, **more: Any) -> None:
        """Do nothing: there is no network, no disk and no image."""

    pull = create_network = remove_network = create_volume = remove_volume = _nothing

    def networks(self, labels: Mapping[str, str]) -> Sequence[str]:
        """Return none."""
        return ()

    volumes = networks

    def images(self) -> Sequence[str]:
        """Return the images of the containers."""
        return [container.image for container in self.containers({})]

    def passes(self, container: Container, probe: Probe) -> bool | None:
        """Take what runs for healthy."""
        return container.running

    def containers(self, labels: Mapping[str, str]) -> Sequence[Container]:
        """Return the containers that have all the labels."""
        with self._lock:
            return [
                container
                for container in self._containers.values()
                if labels.items() <= container.labels.items()
            ]

    def create(self, name: str, body: Mapping[str, Any]) -> str:
        """Note a container."""
        container_id = secrets.token_hex(32)
        network = next(iter(body["NetworkingConfig"]["EndpointsConfig"]), "")
        container = Container(
            id=container_id,
            name=name,
            image=body["Image"],
            labels=body["Labels"],
            status="created",
            addresses={network: ""},
            volumes=tuple(
                bind.split(":")[0]
                for bind in body["HostConfig"].get("Binds", ())
                if not bind.startswith("/")
            ),
        )
        with self._lock:
            self._containers[container_id] = container
        return container_id

    def start(self, container_id: str) -> None:
        """Note that it runs."""
        self._change(container_id, "running", 0)

    def stop(self, container_id: str, wait_s: int | None) -> None:
        """Note that it has stopped."""
        self._change(container_id, "exited", 0)

    def kill(self, container_id: str, signal: str) -> None:
        """Note that it was killed."""
        self._change(container_id, "exited", 137)

    def remove(self, container_id: str, *, volumes: bool) -> None:
        """Forget it."""
        with self._lock:
            self._containers.pop(container_id, None)

    def _change(self, container_id: str, status: str, exit_code: int) -> None:
        with self._lock:
            container = self._containers.get(container_id)
            if container is None:
                raise EngineError("There is no such container.", 404)
            changed = replace(container, status=status, exit_code=exit_code)
            self._containers[container_id] = changed
