"""What provisioning is given: a connection to a host, and what the host shall become."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from ecsmachine.ssh.command_result import CommandResult

AUTO = "auto"
DEFAULT_INSTALL_URL = "https://get.docker.com"
INSTALL_URL_HINT = (
    "Correct --engine-install-url or MACHINE_DOCKER_INSTALL_URL, or leave both out: the engine "
    "then comes from the nearest mirror of Docker's packages."
)

Report = Callable[[str], None]
"""Takes one line of progress, without a newline."""


class HostConnection(Protocol):
    """A host that can be worked on over one connection.

    Commands raise :class:`~ecsmachine.errors.MachineError` when the connection is lost or the time
    is up (as :class:`~ecsmachine.ssh.connection.SSHError` it has what was printed by then); a
    command that leaves with another status than 0 raises nothing here.
    """

    @property
    def user(self) -> str:
        """The user that commands run as."""

    def run(
        self, command: str, *, stdin: bytes | None = None, timeout_s: float | None = None
    ) -> CommandResult:
        """Run a shell command line and wait for its end."""


@dataclass
class EngineOptions:
    """How the Docker Engine of a machine is installed and run (``--engine-…``).

    It comes from the first of the ``source``s that has it; without any from the script at
    ``install_url``. Of the ``registry_mirror``s "auto" stands for those that the host's image
    names. ``source_key`` is the fingerprint of the key that signs the packages, "" for
    Docker's; ``version`` is the beginning of the engine's version, "" for the newest.
    """

    arbitrary_flags: list[str] = field(default_factory=list)
    dns: list[str] | None = None
    graph_dir: str = ""
    env: list[str] = field(default_factory=list)
    ipv6: bool = False
    insecure_registry: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    log_level: str = ""
    storage_driver: str = ""
    selinux_enabled: bool = False
    tls_verify: bool = True
    registry_mirror: list[str] = field(default_factory=list)
    install_url: str = DEFAULT_INSTALL_URL
    source: list[str] = field(default_factory=list)
    source_key: str = ""
    version: str = ""


@dataclass(frozen=True)
class HostCertificates:
    """PEM texts for the host: the CA, and the engine's certificate and private key.

    ``valid`` is from when until when all of them, and the client's, are: seconds since the epoch.
    """

    ca: bytes
    server: bytes
    server_key: bytes = field(repr=False)
    valid: tuple[float, float] | None = None


@dataclass(frozen=True)
class DataDisk:
    """The data disk to format (if empty) and mount on ``/var/lib/docker`` by UUID."""

    size_gib: int
    file_system: Literal["ext4", "xfs"]
    serial: str | None = None
    device_hints: tuple[str, ...] = ("/dev/vdb", "/dev/xvdb", "/dev/nvme1n1")


@dataclass(frozen=True)
class ProvisionRequest:
    """What a host shall become.

    ``certificates`` is asked once the host is known to be one that can be provisioned.
    ``serves`` is asked of an engine that runs: whether it answers with those certificates; None if
    that cannot be seen. ``on_ecs``: the host is an instance of ECS, whatever it says of itself.
    ``first_time``: the machine is being made. It is told then whose certificates were replaced on
    the host, and found out at the end whether a registry answers it.
    """

    hostname: str
    provider: str
    engine: EngineOptions
    certificates: Callable[[], HostCertificates]
    engine_port: int = 2376
    data_disk: DataDisk | None = None
    authorized_key: str | None = None
    serves: Callable[[], bool | None] = lambda: None
    on_ecs: bool = False
    first_time: bool = False
