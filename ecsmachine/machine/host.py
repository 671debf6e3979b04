"""From a running computer to a Docker host: SSH, provisioning, and the proof that it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ecsmachine.drivers.base import Checkpoint, Report, no_checkpoint
from ecsmachine.drivers.capabilities import FirstPassword, NamedHost
from ecsmachine.drivers.existing_host import ExistingHost
from ecsmachine.drivers.host_name import host_name_for
from ecsmachine.errors import MachineError
from ecsmachine.machine import certificates as machine_certificates
from ecsmachine.machine import engine_api
from ecsmachine.machine.engine_look import (
    EngineCertificateError,
    EngineConnectionError,
    port_of,
)
from ecsmachine.machine.interruption import Interruption
from ecsmachine.machine.model import Machine
from ecsmachine.machine.watch import watching
from ecsmachine.polling import polls
from ecsmachine.system.files import path_exists

if TYPE_CHECKING:
    from ecsmachine.provision.base import HostConnection, ProvisionRequest
    from ecsmachine.ssh.command_result import CommandResult
    from ecsmachine.ssh.connection import Connection

_SERVES_TIMEOUT_S = 10.0
_LOGIN_TIMEOUT_S = 60.0
_EXISTING_LOGIN_TIMEOUT_S, _EXISTING_LOGIN_PAUSE_S = 20.0, 6.0  # four tries: fail2ban allows five


class WatchedConnection:
    """A connection whose commands are told to a checkpoint."""

    def __init__(self, host: HostConnection, checkpoint: Checkpoint):
        self._host = host
        self._checkpoint = checkpoint

    @property
    def user(self) -> str:
        """The user that commands run as."""
        return self._host.user

    def run(
        self, command: str, *, stdin: bytes | None = None, timeout_s: float | None = None
    ) -> CommandResult:
        """Run a shell command line and wait for its end."""
        self._checkpoint("before ssh run")
        result = self._host.run(command, stdin=stdin, timeout_s=timeout_s)
        self._checkpoint("after ssh run")
        return result


def make_docker_host(
    machine: Machine,
    report: Report,
    *,
    checkpoint: Checkpoint = no_checkpoint,
    interruption: Interruption | None = None,
    first_time: bool = False,
) -> None:
    """Provision the host of ``machine`` over one SSH connection, and see its engine answer.

    Every step compares before it changes: a host that is provisioned already is left as it is.
    ``checkpoint`` is told of every command; ``interruption`` breaks them off. With
    ``first_time`` it is said if the host reaches no registry, or had certificates of another CA.
    Raises :class:`~ecsmachine.errors.MachineError` with the failed command's output.
    """
    from ecsmachine.provision.provision import provision

    report("Waiting for machine to be running, this may take a few minutes...")
    report("Machine is running, waiting for SSH to be available...")
    interruption = interruption or Interruption()
    with logged_in(machine, interruption=interruption) as connection:
        request = replace(provision_request(machine, report), first_time=first_time)
        found = provision(WatchedConnection(connection, checkpoint), request, report)
    machine.engine = found.engine
    machine.auth.former_ca_path.unlink(missing_ok=True)
    report("Checking connection to Docker...")
    wait_for_engine(machine, before_each=interruption.check)
    report("Docker is up and running!")
    if found.unreached_registries:
        _advise_on_images(machine, found.unreached_registries, report)


def _advise_on_images(machine: Machine, unreached: Sequence[str], report: Report) -> None:
    """Say that the host reaches no registry, and where images can be had from."""
    report(f"The host cannot reach a registry: {'; '.join(unreached)}")
    accelerator = ""
    if _is_on_ecs(machine):
        region = machine.driver.config()["Region"]
        report(
            "Images in Container Registry can be pulled, even without the internet: "
            f"registry-vpc.{region}.aliyuncs.com/NAMESPACE/NAME"
        )
        accelerator = " (the accelerator of your account: console of Container Registry)"
    report(
        f"For images of Docker Hub, name a mirror{accelerator}: ecsmachine config set "
        f"{machine.name} --engine-registry-mirror URL"
    )


def _is_on_ecs(machine: Machine) -> bool:
    return machine.driver.name == "aliyunecs"


@contextmanager
def logged_in(
    machine: Machine,
    *,
    login_timeout_s: float | None = None,
    interruption: Interruption | None = None,
) -> Iterator[Connection]:
    """Wait for the machine's host, and log in for the length of a block.

    A host that nobody makes has its keys already: that it refuses the login is told sooner. A
    machine that ends meanwhile ends the wait, or cuts the connection. Raises
    :class:`~ecsmachine.machine.watch.EndedError`, or as
    :func:`~ecsmachine.ssh.wait.wait_for_ssh` does; the block's error of a host without an engine
    says what installs it.
    """
    from ecsmachine.ssh.wait import wait_for_ssh

    interruption = interruption or Interruption()
    existing = isinstance(machine.driver, ExistingHost)
    if login_timeout_s is None:
        login_timeout_s = _EXISTING_LOGIN_TIMEOUT_S if existing else _LOGIN_TIMEOUT_S
    target = machine.ssh_target()
    if isinstance(machine.driver, FirstPassword) and target.password is None:
        target = replace(target, password=machine.driver.first_password())
    with watching(machine) as watch:

        def check() -> None:
            interruption.check()
            watch.check()

        with (
            wait_for_ssh(
                target,
                machine.known_hosts_path,
                login_timeout_s=login_timeout_s,
                login_pause_s=_EXISTING_LOGIN_PAUSE_S if existing else 0.0,
                before_each=check,
            ) as connection,
            interruption.waking(connection.close),
            watch.waking(connection.close),
        ):
            try:
                yield connection
            except MachineError as error:
                from ecsmachine.provision.errors import NoEngineError

                if isinstance(error, NoEngineError):
                    error.hint = f'"ecsmachine provision {machine.name}" installs it.'
                raise


def provision_request(machine: Machine, report: Report) -> ProvisionRequest:
    """Return what the host of ``machine`` shall become; certificates are made when asked for."""
    from ecsmachine.provision.base import DataDisk, HostCertificates, ProvisionRequest

    def certificates() -> HostCertificates:
        report("Copying certs to the local machine directory...")
        renew_certificates(machine)
        return HostCertificates(
            ca=machine.auth.machine_ca_path.read_bytes(),
            server=machine.auth.server_cert_path.read_bytes(),
            server_key=machine.auth.server_key_path.read_bytes(),
            valid=machine_certificates.validity(machine.auth),
        )

    def serves() -> bool | None:
        return engine_api.serves(driver.url(), machine.auth, timeout_s=_SERVES_TIMEOUT_S)

    driver = machine.driver
    disk = driver.data_disk()
    return ProvisionRequest(
        hostname=host_name_of(machine),
        provider=driver.name,
        engine=machine.engine,
        certificates=certificates,
        engine_port=port_of(driver.url()),
        data_disk=None
        if disk is None
        else DataDisk(disk.size_gib, disk.file_system, disk.serial, disk.device_hints),
        authorized_key=driver.authorized_key(),
        serves=serves,
        on_ecs=_is_on_ecs(machine),
    )


def has_fitting_certificate(machine: Machine) -> bool:
    """Whether the server certificate names the machine's addresses, or none was ever made."""
    return not path_exists(machine.auth.server_cert_path) or (
        machine_certificates.server_certificate_covers(machine.auth, machine.driver.addresses())
    )


def renew_certificates(machine: Machine, *, anew: bool = False) -> bool:
    """Make the server certificate if it is missing, expired, or names other addresses.

    Or in any case, ``anew``. Returns whether it was made. The client's certificates are copied
    beside it.
    """
    return machine_certificates.equip(
        machine.auth,
        machine.name,
        machine.driver.addresses(),
        swarm_master=machine.swarm.master,
        anew=anew,
    )


def wait_for_engine(
    machine: Machine, *, timeout_s: float = 60.0, before_each: Callable[[], None] = lambda: None
) -> None:
    """Return once the machine's engine answers over TLS.

    A refused connection is tried again until ``timeout_s`` is over; a certificate that is not
    accepted raises at once, and so does a machine that ends meanwhile.
    """
    with watching(machine) as watch:
        for spent_s in polls(timeout_s, first_pause_s=0.05, longest_pause_s=1.0):
            before_each()
            watch.check()
            left_s = timeout_s - spent_s
            try:
                engine_api.ask_version(
                    machine.driver.url(), machine.auth, timeout_s=max(1.0, min(10.0, left_s))
                )
                return
            except EngineConnectionError as error:
                if left_s <= 0 or isinstance(error, EngineCertificateError):
                    raise


def host_name_of(machine: Machine) -> str:
    """Return what a machine's host is called: the name that was given, or that of the machine.

    A machine's name that no host can bear gives way to one that is made from it.
    """
    driver = machine.driver
    given = driver.host_name() if isinstance(driver, NamedHost) else ""
    return given or host_name_for(machine.name)
