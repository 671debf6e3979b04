"""What a template says, as values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ecsmachine.compose.labels import Labels
from ecsmachine.compose.placement import Placement

PortProtocol = Literal["tcp", "udp"]
RestartPolicy = Literal["no", "always", "on-failure", "unless-stopped"]
RESTARTS: tuple[RestartPolicy, ...] = get_args(RestartPolicy)

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
"""The name of a bucket, which becomes a folder of nodes."""

DEFAULT_NETWORK = "default"
"""The network that services are on which name none."""


@dataclass(frozen=True)
class Port:
    """A port of a container; ``host`` 0 lets the engine choose one, None publishes none."""

    container: int
    protocol: PortProtocol = "tcp"
    host: int | None = None
    address: str = ""


@dataclass(frozen=True)
class Mount:
    """A volume of a container: ``source`` is a volume's name on the nodes, a path of the node, or
    "" for one without a name.
    """

    source: str
    target: str
    mode: str = "rw"

    @property
    def is_volume(self) -> bool:
        """Whether the source is the name of a volume."""
        return bool(self.source) and not self.source.startswith("/")


@dataclass(frozen=True)
class HealthCheck:
    """What an engine asks a container, as Docker's API has it; times are seconds."""

    test: tuple[str, ...]
    interval_s: float = 30
    timeout_s: float = 30
    retries: int = 3
    start_period_s: float = 0


@dataclass(frozen=True)
class Volume:
    """A volume that a template declares; ``name`` is what it is called on the nodes."""

    name: str
    external: bool = False
    driver: str = "local"
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Network:
    """A network that services of a template are on; ``name`` is what the engines call it."""

    name: str
    external: bool = False
    internal: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Service:
    """A service of a template.

    ``definition`` are its Compose keys as written, without the labels that are Container
    Service's own; those are ``own``. ``environment`` is without what ``placement`` says.
    ``settings`` are further keys, their values as Docker's API has them. ``networks`` are further
    names of a container by the name of a network. ``container_name`` is "" unless its only
    container is to have a name of its own.
    """

    name: str
    definition: Mapping[str, Any]
    own: Labels
    image: str
    container_name: str = ""
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: tuple[str, ...] = field(default=(), repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    mounts: tuple[Mount, ...] = ()
    restart: RestartPolicy = "no"
    restart_limit: int = 0
    links: tuple[tuple[str, str], ...] = ()
    depends_on: tuple[str, ...] = ()
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    health_check: HealthCheck | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    placement: Placement = field(default_factory=Placement)
    warnings: tuple[str, ...] = ()

    @property
    def fixed_ports(self) -> frozenset[tuple[int, str]]:
        """The ports of a node that a container takes, with their protocols."""
        return frozenset((port.host, port.protocol) for port in self.ports if port.host)

    def fixed_port(self, container: int, protocol: PortProtocol) -> int:
        """Return the port of a node that leads to one of a container; 0: the engine chooses it."""
        inside = (p for p in self.ports if (p.container, p.protocol) == (container, protocol))
        return max((p.host or 0 for p in inside), default=0)


@dataclass(frozen=True)
class Template:
    """A template: its services in starting order, and what they share.

    ``warnings`` are what of it has no effect, a line each.
    """

    services: Mapping[str, Service]
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    networks: Mapping[str, Network] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
