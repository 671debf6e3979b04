"""What every driver does for its machine, and what it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Protocol

from ecsmachine.drivers.options import Option as Option  # other packages' drivers know it here
from ecsmachine.errors import MachineError
from ecsmachine.ssh.target import Jump, SSHTarget

Report = Callable[[str], None]
"""Takes one line of progress, without a newline.

It raises nothing that has to do with telling: the work goes on whether or not it can be read of."""

Checkpoint = Callable[[str], None]
"""Is told each point that the work comes to, such as ``before api RunInstances``.

What it raises ends the work there."""


def driver_report(name: str, report: Report) -> Report:
    """Mark a driver's lines with the machine's name, as Docker Machine does."""
    return lambda line: report(f"({name}) {line}")


def no_checkpoint(point: str) -> None:
    """Let the work go on, whatever the point."""


def no_lock(what: str) -> AbstractContextManager[None]:
    """Keep nobody out, for drivers on their own."""
    return nullcontext()


class State(Enum):
    """The state of a machine; the values are the words that Docker Machine prints."""

    NONE = ""
    RUNNING = "Running"
    PAUSED = "Paused"
    SAVED = "Saved"
    STOPPED = "Stopped"
    STOPPING = "Stopping"
    STARTING = "Starting"
    ERROR = "Error"
    TIMEOUT = "Timeout"
    NOT_FOUND = "Not Found"


@dataclass(frozen=True)
class PortRange:
    """Ports of a protocol (tcp or udp), from ``first`` to ``last``."""

    protocol: str
    first: int
    last: int

    def __str__(self) -> str:
        ports = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return ports if self.protocol == "tcp" else f"{ports}/{self.protocol}"


@dataclass
class Resource:
    """A cloud resource in the journal.

    ``token`` is the ClientToken of the request that makes it, kept across retries and
    processes. ``id`` is None until the cloud has answered. ``details`` hold what is needed to
    find and remove the resource again (region, name, …), never a secret.
    """

    kind: str
    token: str
    id: str | None = None
    details: dict[str, str] = field(default_factory=dict)


class Journal(Protocol):
    """Every cloud resource of one machine, on disk before it is asked for.

    Each method returns only after the change is on disk (fsync).
    """

    @property
    def create_id(self) -> str:
        """Identifies this create; goes into the tags of what it makes."""

    @property
    def complete(self) -> bool:
        """Whether the create that this journal is of came to its end."""

    @property
    def changing(self) -> bool:
        """Whether the machine is being changed, or a change of it was cut off."""

    def find(self, kind: str, **details: str) -> Resource | None:
        """Return the resource of that kind (and with those details) that is not removed."""

    def intend(self, kind: str, **details: str) -> Resource:
        """Write down that a resource is about to be asked for, with a fresh token.

        If one of that kind with those details is already there and has no id, that one is
        returned: the same request is then made again with the same token.
        """

    def made(self, resource: Resource, resource_id: str) -> None:
        """Write down the id that the cloud gave."""

    def removed(self, resource: Resource) -> None:
        """Write down that the resource is gone, or was never made."""

    def resources(self) -> Sequence[Resource]:
        """Return what is not removed, newest first (the order of removal)."""


@dataclass(frozen=True)
class DriverContext:
    """What every driver knows of its machine.

    ``directory`` is the machine's folder in the store (for keys). ``store_id`` names the store
    in tags. ``environment`` is the process's environment, for credentials. ``shared_lock`` keeps
    other creates of this store out while something is made that its machines share; it is given
    what that is. ``checkpoint`` is told of every request, before it and after its answer. ``warn``
    is told, in a line, what the user should know of. ``passphrases`` are those that the
    user was asked for, by the paths of the keys; ``jump`` is the host through which the
    machine is reached. An ``isolated`` machine shall reach nothing by itself.
    """

    machine_name: str
    store_path: Path
    directory: Path
    store_id: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    warn: Report = lambda line: None
    passphrases: Mapping[Path, str] = field(default_factory=dict, repr=False)
    jump: Jump | None = None
    isolated: bool = False
    shared_lock: Callable[[str], AbstractContextManager[None]] = no_lock
    checkpoint: Checkpoint = no_checkpoint


@dataclass(frozen=True)
class DataDiskRequest:
    """A data disk that the host shall format and mount: what the driver knows of it.

    ``serial`` is the disk's serial number as the host sees it, if the cloud tells it.
    """

    size_gib: int
    file_system: Literal["ext4", "xfs"]
    serial: str | None = None
    device_hints: tuple[str, ...] = ("/dev/vdb", "/dev/xvdb", "/dev/nvme1n1")


class Driver(Protocol):
    """One machine at its provider. Docker Machine's driver interface, typed.

    Methods raise :class:`~ecsmachine.errors.MachineError` (``PreCreateCheckError`` from
    ``pre_create_check``) with a line that a person can act on.
    """

    @property
    def name(self) -> str:
        """The driver's name, as in ``--driver``."""

    @property
    def provisions(self) -> bool:
        """Whether the engine is installed on the host after ``create`` (not so for ``none``)."""

    def config(self) -> dict[str, Any]:
        """Return the ``Driver`` object of ``config.json``: Docker Machine's names, no secrets."""

    def pre_create_check(self, report: Report) -> None:
        """Check all that can be checked before anything is made or paid for."""

    def create(self, journal: Journal, report: Report, save: Callable[[], None]) -> None:
        """Make the machine, or go on making it where the journal says that it stopped.

        ``save`` writes ``config()`` to the store; it is called the moment the id is known.
        """

    def remove(self, journal: Journal, report: Report) -> None:
        """Remove all that create made, in the right order; done already is success."""

    def state(self) -> State:
        """Ask the provider for the state; the addresses of one that runs are fresh afterwards."""

    def start(self, report: Report) -> None:
        """Start the machine and wait until it runs; addresses are fresh afterwards."""

    def stop(self, report: Report) -> None:
        """Stop the machine in an orderly way and wait until it has stopped."""

    def restart(self, report: Report) -> None:
        """Restart the machine and wait until it runs again."""

    def kill(self, report: Report) -> None:
        """Stop the machine at once, as by pulling the plug, and wait until it has stopped."""

    def address(self) -> str:
        """Return the known address (no request), or "" while there is none."""

    def addresses(self) -> Sequence[str]:
        """Return every address of the machine, public and private, for its certificate."""

    def refresh(self) -> None:
        """Ask the provider for the current addresses and remember them."""

    def url(self) -> str:
        """Return the engine's URL (``tcp://ADDRESS:PORT``), or "" without an address."""

    def ssh_target(self) -> SSHTarget:
        """Return where and as whom to log in."""

    def data_disk(self) -> DataDiskRequest | None:
        """Return the data disk that provisioning shall mount, if the machine has one."""

    def authorized_key(self) -> str | None:
        """Return the public key that provisioning shall authorize on the host, if any.

        Given where the first login is by password.
        """


class ProtectedError(MachineError):
    """The provider keeps the machine, as its owner wants it to: it was not removed."""

    @property
    def is_refusal(self) -> bool:
        """Whether it was turned down: it was."""
        return True


class UnsupportedOperationError(MachineError):
    """The driver cannot do that."""
