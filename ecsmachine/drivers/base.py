"""What a driver is: the options it takes and the things it can do to its machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from ecsmachine.errors import MachineError
from ecsmachine.ssh.target import Jump, SSHTarget

OptionValue = str | int | bool | list[str] | None
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


class ChangeKind(Enum):
    """How a machine that exists comes to another value of an option."""

    IN_PLACE = "in place"
    WITH_RESTART = "with a restart"
    NEW_MACHINE = "new machine"
    AT_CREATE = "only at create"
    """It is used only at create: a later change has no effect."""


OPTION_GROUPS = ("Machine", "Where", "Account", "Network", "Login", "Engine", "Money")
"""The groups of options, in the order in which help shows them."""


@dataclass(frozen=True)
class Alternative:
    """Another option that one cannot be together with, or that says the same in another way.

    It counts for the values ``mine`` and ``theirs``, or for any. Of two that are not given alike (a
    flag, a variable) the stronger counts; unless they are ``mutual``, only where that is this one.
    Given alike, ``both`` are refused (``why``), or this one ``wins``, or both ``count``.
    """

    name: str
    both: Literal["refused", "wins", "count"] = "refused"
    mine: tuple[OptionValue, ...] = ()
    theirs: tuple[OptionValue, ...] = ()
    why: str = "they say the same in two ways"
    mutual: bool = True

    def meets(self, mine: OptionValue, theirs: OptionValue) -> bool:
        """Whether the values of the two are ones for which it counts."""
        return all(
            value in values if values else value not in (None, "", False, [])
            for value, values in ((mine, self.mine), (theirs, self.theirs))
        )


@dataclass(frozen=True)
class Option:
    """One option of a driver: a flag, its variable, its default and its help.

    ``name`` is the flag without the leading dashes. A ``list`` option may be repeated on the
    command line; its variable is split on commas. ``choices`` are matched exactly.
    ``deprecated`` is the warning printed when the option is given. A ``credential`` says who asks:
    it may change from one run to the next, and is never written down. A ``private_key`` is the path
    of one, whose passphrase is asked before anything is done; a ``file`` is any other path. Each
    value of a list of ``pairs`` is like key=value. Help shows an option below its
    ``group``, or that of the option before it, and an ``everyday`` one without --all as well.
    ``changes`` is what another value means for a machine that is there already, ``priced`` whether
    it costs something else then; ``alternatives`` are other options that it cannot be with, each
    pair in one of the two.
    """

    name: str
    help: str
    env: str | None = None
    kind: Literal["string", "int", "bool", "list"] = "string"
    default: OptionValue = None
    secret: bool = False
    deprecated: str | None = None
    credential: bool = False
    private_key: bool = False
    file: bool = False
    pairs: bool = False
    choices: tuple[str, ...] = ()
    group: str = ""
    everyday: bool = False
    changes: ChangeKind = ChangeKind.NEW_MACHINE
    priced: bool = False
    alternatives: tuple[Alternative, ...] = ()


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


@dataclass(frozen=True)
class CreatePlan:
    """What a create would make.

    ``lines`` say it in words, each with what it is about; ``data`` is the same as plain data, for
    JSON. Neither holds a secret.
    """

    lines: tuple[tuple[str, str], ...]
    data: dict[str, Any]


@runtime_checkable
class Resuming(Protocol):
    """What a driver adds whose create can go on where another process left it."""

    def resume(self, config: Mapping[str, Any]) -> None:
        """Take what that process had stored of the machine: its :meth:`Driver.config`."""


@runtime_checkable
class ManyAtOnce(Protocol):
    """What a driver adds that can tell what holds for several new machines of the same options."""

    def check_several(self) -> None:
        """Raise :class:`~ecsmachine.errors.UsageError` if an option can be of one machine only."""

    def take_checks(self, checked: Driver) -> bool:
        """Take what the checks of another new machine found out; whether they hold for this one."""


@runtime_checkable
class RemovedTogether(Protocol):
    """What a driver adds whose machines can be removed together, in requests about many of them."""

    def join_removal(self, other: Driver) -> bool:
        """Ask the cloud together with another machine from now on, if that can be.

        What they share is then removed once for all: :meth:`remove_own` has come to its end for
        each of them before :meth:`Driver.remove` is called for the first.
        """

    def remove_own(self, journal: Journal, report: Report) -> None:
        """Remove what create made for this machine alone; the journal lists the rest further."""


@runtime_checkable
class Planning(Protocol):
    """What a driver adds that can say what ``create`` would make."""

    def plan(self) -> CreatePlan:
        """Return what ``create`` would make, without making it.

        Runs the checks if need be, and raises as they do.
        """


@dataclass(frozen=True)
class CredentialUse:
    """Which credentials a machine uses; never a secret.

    ``recorded`` is the reference in the store, or "" if the store has the keys themselves
    (Docker Machine writes them); ``taken`` says in words what would be taken now, or is "" where
    nothing is there; ``account`` is the id of the account, if it is known.
    """

    recorded: str
    taken: str
    account: str


@runtime_checkable
class CloudCredentials(Protocol):
    """What a driver adds whose machines need the rights of an account."""

    def credential_use(self) -> CredentialUse:
        """Return what is recorded and what would be taken now, without asking the cloud."""

    def check_credentials(self) -> CredentialUse:
        """Ask the cloud whose the credentials are.

        Raises :class:`~ecsmachine.errors.MachineError` if they are not of the machine's account.
        """

    def use_credentials(self, reference: str, *, check: bool, store_keys: bool) -> None:
        """Take others from now on: ``environment``, ``profile:NAME``, ``ram-role[:NAME]``.

        "" leaves it at what is recorded. With ``check`` they must be of the machine's account.
        Keys in the store are dropped, or with ``store_keys`` replaced.
        """

    def forget_keys(self) -> None:
        """Drop the keys in the store."""
        ...


@runtime_checkable
class NamedHost(Protocol):
    """What a driver adds whose hosts can be called otherwise than their machines."""

    def host_name(self) -> str:
        """Return the name that the host shall have, or "" for the machine's own."""


@runtime_checkable
class FirstPassword(Protocol):
    """What a driver adds whose hosts may know a password before they know the machine's key."""

    def first_password(self) -> str | None:
        """Return that password, which is never stored, if this process was given it."""


@runtime_checkable
class StateReason(Protocol):
    """What a driver adds whose machines get into states that nobody has put them in."""

    def state_reason(self) -> str:
        """Return, in words, what is behind the state that was asked for last, or ""."""


@dataclass(frozen=True)
class RunningCost:
    """What a machine costs by the price that was told at its create: computed, not billed.

    ``hour`` is what an hour costs while it runs, ``now`` what one costs as it is now.
    """

    currency: str
    hour: float
    now: float
    spent: float


@runtime_checkable
class Priced(Protocol):
    """What a driver adds whose machines cost money."""

    def running_cost(self) -> RunningCost | None:
        """Return what the machine costs, without asking the provider; None if that is not known."""

    def stop_without_charge(self, report: Report) -> None:
        """Stop the machine so that it itself costs nothing until it is started; its disks do.

        Raises :class:`~ecsmachine.errors.MachineError` if it is stopped otherwise already.
        """


@runtime_checkable
class Expiring(Protocol):
    """What a driver adds whose machines can be released by the provider at a time."""

    def expires(self) -> str:
        """Return when (UTC, as 2030-01-31T12:00:00Z), as far as it is known, or ""."""

    def expire(self, when: str) -> str:
        """Set when: a time, 8h or 3d from now, or "" for never. Returns the time.

        Raises :class:`~ecsmachine.errors.UsageError` for a text that is none of them.
        """


@runtime_checkable
class ConsoleOutput(Protocol):
    """What a driver adds whose machines have a console that the provider shows."""

    def console(self, *, only_end: bool = False) -> str:
        """Return what the machine's console shows, or its last lines; "" if it shows nothing.

        Raises :class:`~ecsmachine.errors.MachineError` if the provider refuses.
        """


@runtime_checkable
class MemberPorts(Protocol):
    """What a driver adds that can open ports between machines, and to nobody else."""

    def open_between(
        self, others: Sequence[Driver], ports: Sequence[PortRange], report: Report
    ) -> None:
        """Let this machine and the others reach each other at the ports; done already is success.

        Those of other providers are left out: their firewalls are not this driver's.
        """

    def close_between(
        self, others: Sequence[Driver], ports: Sequence[PortRange], report: Report
    ) -> None:
        """Take back what :meth:`open_between` opened; ``others`` still need theirs."""


class ProtectedError(MachineError):
    """The provider keeps the machine, as its owner wants it to: it was not removed."""

    @property
    def is_refusal(self) -> bool:
        """Whether it was turned down: it was."""
        return True


class UnsupportedOperationError(MachineError):
    """The driver cannot do that."""
