"""The settings of a cloud from one ``up`` to the next, what its daemon is told, and its running
state.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from ecsmachine.localcloud.catalog.images import USUAL
from ecsmachine.localcloud.host.processes import ProcessId
from ecsmachine.localcloud.state import records

_AFRESH = "Start over: ecsmachine local reset"
ELSEWHERE = "Choose another folder with --root or ECSMACHINE_LOCAL_ROOT."
GuestKind = Literal["nspawn", "none"]
KEY_VARIABLES = ("ECSMACHINE_LOCAL_ACCESS_KEY_ID", "ECSMACHINE_LOCAL_ACCESS_KEY_SECRET")
"""Variables with the access key that a cloud is to have, for a daemon that is started."""


@dataclass(frozen=True)
class CloudSettings:
    """Chosen at the first ``up``: kind of guests, the API's port, the public addresses.

    ``releases`` are those of the base images; a later ``up`` may add more.
    """

    guests: GuestKind
    port: int
    public: str
    releases: tuple[str, ...] = (USUAL,)


@dataclass(frozen=True)
class Serving:
    """The options of the API until the next ``up``.

    ``lenient``: official parameters that are not implemented are ignored. ``settled``: a request is
    answered when its work is done. ``listen`` is an address or a host name of
    this machine besides 127.0.0.1, "" for none. ``delay`` sets how long states last, each as
    ``pending=2`` (seconds). ``no_page``: no page for browsers.
    """

    lenient: bool = False
    settled: bool = False
    listen: str = ""
    delay: tuple[str, ...] = ()
    no_page: bool = False

    def options(self) -> list[str]:
        """Return the options of ``local up`` that say so."""
        words: list[str] = []
        for item in fields(self):
            value = getattr(self, item.name)
            several = value if isinstance(value, tuple) else [value]
            option = f"--{item.name.replace('_', '-')}"
            words += [option if one is True else f"{option}={one}" for one in several if one]
        return words


@dataclass(frozen=True)
class BaseImage:
    """The sources of guests of a release: their root file system, and the engine's packages.

    ``others`` are folders with more packages for their apt.
    """

    release: str
    image: str
    packages: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Downloads:
    """The sources of real guests: base images with the engine's packages, the registry's programs.

    ``docker_ce`` are the packages of the tree that Alibaba Cloud's mirror has, if it is there.
    """

    bases: tuple[BaseImage, ...]
    registry: str
    docker_ce: str | None = None


@dataclass(frozen=True)
class Order:
    """What a daemon is to serve; ``up`` tells it on its command line. ``seed`` is a file."""

    guests: GuestKind
    port: int
    serving: Serving
    seed: str | None = None
    downloads: Downloads | None = None


@dataclass(frozen=True)
class Running:
    """A running cloud: its daemon, and the data for clients. No secret in its repr.

    ``registry`` is the address (HOST:PORT) of its registry. ``networks`` are its addresses, which
    no proxy reaches. ``source_key`` is the fingerprint of the key of its tree of Docker's packages.
    ``page_token`` opens its page, "" if it has none.
    """

    pid: int
    started: str
    endpoint: str
    guests: GuestKind
    region: str
    vpc_id: str
    vswitch_id: str
    access_key_id: str
    access_key_secret: str
    install_url: str | None
    registry: str | None = None
    serving: Serving = Serving()
    networks: tuple[str, ...] = ()
    source_key: str | None = None
    page_token: str = ""

    def __repr__(self) -> str:
        return f"Running(pid={self.pid}, endpoint={self.endpoint!r}, guests={self.guests!r})"

    @property
    def process(self) -> ProcessId:
        """The daemon's process."""
        return ProcessId(self.pid, self.started)

    def environment(self) -> dict[str, str]:
        """Return the variables that make ecsmachine use this cloud."""
        values = {
            "ECS_ACCESS_KEY_ID": self.access_key_id,
            "ECS_ACCESS_KEY_SECRET": self.access_key_secret,
            "ECS_REGION": self.region,
            "ECS_API_ENDPOINT": self.endpoint,
            "ECS_VPC_ID": self.vpc_id,
            "ECS_VSWITCH_ID": self.vswitch_id,
        }
        if self.install_url is not None:
            values["MACHINE_DOCKER_INSTALL_URL"] = self.install_url
        if self.registry is not None:
            values["ENGINE_REGISTRY_MIRROR"] = f"http://{self.registry}"
        if self.source_key is not None:
            values["ENGINE_SOURCE_KEY"] = self.source_key
        return values


def read_settings(file: Path) -> CloudSettings | None:
    """Return the settings; None if there are none yet.

    Raises :class:`~ecsmachine.localcloud.protocol.errors.LocalCloudError` if they are unreadable.
    """
    return records.read(CloudSettings, file, hint=_AFRESH, refused=ELSEWHERE)


def read_running(file: Path) -> Running | None:
    """Return the data that the daemon has stored about itself; None if there is none."""
    return records.read(Running, file, hint=_AFRESH, refused=ELSEWHERE)
