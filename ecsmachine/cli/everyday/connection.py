"""How the Docker client connects to a machine: env and config."""

from __future__ import annotations

import os

from ecsmachine.cli.arguments.context import Session, one_machine_name
from ecsmachine.cli.display.printer import show
from ecsmachine.errors import MachineError, UsageError

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ecsmachine.machine.model import Machine

_ENGINE_TIMEOUT_S = 20.0


class _Engine:
    """An engine that has answered: where it is, and where the client's certificates are.

    ``over_ssh`` is the URL by which it is reached through a jump host, or "".
    """

    def __init__(self, url: str, address: str, directory: str, over_ssh: str = ""):
        self.url = url
        self.address = address
        self.directory = directory
        self.over_ssh = over_ssh

    def path(self, name: str) -> str:
        """Return where one of the client's files is: ca.pem, cert.pem or key.pem."""
        return os.path.join(self.directory, name)


def env(
    this: Session,
    *,
    names: list[str] | None = None,
    swarm: bool = False,
    shell: str = "",
    unset: bool = False,
    no_proxy: bool = False,
    json: bool = False,
) -> None:
    """Print the commands that set the Docker client's variables in a shell."""
    print_variables = variable_printer(this, shell, json=json)
    variables: dict[str, str | None] = dict.fromkeys(
        ("DOCKER_TLS_VERIFY", "DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_MACHINE_NAME"), ""
    )
    if unset:
        if names:
            raise UsageError(
                "Expected no machine name when the -u flag is present",
                hint="Leave the name out: the variables are the same for every machine.",
            )
        spared = no_proxy_variables(this.environment, ()) if no_proxy else ()
        print_variables(dict.fromkeys([*variables, *spared]))
        return
    name = one_machine_name(this, names)
    engine = _engine(this, name, swarm, failure="Error checking TLS connection")
    if engine.over_ssh:
        variables["DOCKER_TLS_VERIFY"] = variables["DOCKER_CERT_PATH"] = None
        variables["DOCKER_HOST"] = engine.over_ssh
    else:
        variables["DOCKER_TLS_VERIFY"] = "1"
        variables["DOCKER_HOST"] = engine.url
        variables["DOCKER_CERT_PATH"] = engine.directory
    variables["DOCKER_MACHINE_NAME"] = name
    if no_proxy:
        variables |= no_proxy_variables(this.environment, [engine.address])
    print_variables(variables)


def no_proxy_variables(environment: Mapping[str, str], addresses: Iterable[str]) -> dict[str, str]:
    """Return the variables that keep addresses from the proxies, beside what these spare already.

    Docker's client reads the upper one first, other programs the lower.
    """

    def spared(variable: str) -> str:
        before = (name.strip() for name in environment.get(variable, "").split(","))
        return ",".join(dict.fromkeys([*filter(None, before), *addresses]))

    named = [name for name in ("no_proxy", "NO_PROXY") if environment.get(name)]
    return {name: spared(name) for name in named or ["NO_PROXY"]}


def variable_printer(
    this: Session, shell: str, *, json: bool
) -> Callable[[Mapping[str, str | None]], None]:
    """Return what prints variables with their values; those that are None are unset.

    Raises :class:`MachineError` if it is not known for which shell.
    """
    from ecsmachine.cli.display import shells
    from ecsmachine.cli.display.output import print_json
    from ecsmachine.system.description import system_name

    shell_name = shell or shells.detect(this.environment) or ""
    if json and shell:
        raise UsageError("--json cannot be used with --shell", hint="Give one of them.")
    if not shell_name and not json:
        raise MachineError(
            "Unknown shell: the variable SHELL is not set",
            hint="Name the shell, for example with --shell bash.",
        )

    def print_variables(found: Mapping[str, str | None]) -> None:
        if system_name() == "Windows" and found["DOCKER_HOST"]:
            # Compose then calls C:\site by the name /c/site, as an engine on Linux must have it
            found = {**found, "COMPOSE_CONVERT_WINDOWS_PATHS": "true"}
        if json:
            print_json(found)
        else:
            for line in shells.lines(shell_name, found, this.program):
                show(line)

    return print_variables


def config(
    this: Session, *, names: list[str] | None = None, swarm: bool = False, json: bool = False
) -> None:
    """Print the options that connect the Docker client."""
    name = one_machine_name(this, names)
    engine = _engine(this, name, swarm, failure="Error running connection boilerplate")
    over_ssh = engine.over_ssh
    if json:
        from ecsmachine.cli.display.output import print_json

        print_json(
            {
                "Host": over_ssh or engine.url,
                "TLSVerify": not over_ssh,
                "TLSCACert": None if over_ssh else engine.path("ca.pem"),
                "TLSCert": None if over_ssh else engine.path("cert.pem"),
                "TLSKey": None if over_ssh else engine.path("key.pem"),
            }
        )
        return
    if over_ssh:
        show(f"-H={over_ssh}")
        return
    import re

    from ecsmachine.cli.display.shells import option

    is_bare = re.fullmatch(r"[\w.:/\[\]-]+", engine.url)
    host = f"-H={engine.url}" if is_bare else option("-H", engine.url)
    show("--tlsverify")
    show(option("--tlscacert", engine.path("ca.pem")))
    show(option("--tlscert", engine.path("cert.pem")))
    show(option("--tlskey", engine.path("key.pem")))
    show(host)


def _over_ssh(this: Session, machine: Machine) -> str:
    """Return the URL for a machine behind a jump host, which ssh alone gets to."""
    from ecsmachine.machine.ssh_configuration import write_entry

    missing = write_entry(machine)
    if missing:
        this.warn(f"Docker reaches {machine.name} over ssh, which does not know it yet. {missing}")
    return machine.ssh_url


def _engine(this: Session, name: str, swarm: bool, *, failure: str) -> _Engine:
    """Return a machine's engine, after it has answered over verified TLS.

    Raises :class:`MachineError` that begins with ``failure``.
    """
    from ecsmachine.machine.stored import stored_machine

    stored = None if swarm else stored_machine(this.storage, name)
    is_silent = False
    if stored is not None:
        from ecsmachine.machine.engine_look import PATIENCE_S, quick_version

        if quick_version(stored.url, stored, timeout_s=PATIENCE_S):
            return _Engine(stored.url, stored.address, stored.machine_dir)
        is_silent = True
    machine = this.store.load(name)
    url = _checked_url(this, machine, swarm, failure=failure, is_silent=is_silent)
    over_ssh = _over_ssh(this, machine) if machine.auth.jump else ""
    directory = str(machine.auth.client_dir)
    return _Engine(url, machine.driver.address(), directory, over_ssh)


def _checked_url(
    this: Session, machine: Machine, swarm: bool, *, failure: str, is_silent: bool
) -> str:
    """Return the URL to connect to, after the engine has answered over verified TLS.

    Raises :class:`MachineError` that begins with ``failure``.
    """
    from ecsmachine.drivers.base import State
    from ecsmachine.machine.address import saving_new_addresses
    from ecsmachine.machine.engine_look import EngineConnectionError
    from ecsmachine.machine.probe import NotRunningError, probe

    if swarm and not machine.swarm.master:
        raise MachineError(
            f'{failure}: "{machine.name}" is not a swarm master',
            hint="Classic Swarm is no longer supported: --swarm is only for masters that Docker "
            "Machine made.",
        )
    with saving_new_addresses(this.store, [machine]):
        seen = probe(machine, timeout_s=_ENGINE_TIMEOUT_S, is_silent=is_silent)
    if seen.error:
        is_over = seen.state is State.NOT_FOUND and "ecsmachine" not in seen.error
        hint = NotRunningError(machine, seen.state, "").hint if is_over else seen.hint
        raise EngineConnectionError(f"{failure}: {seen.error}", hint=hint)
    if seen.state is not State.RUNNING or not seen.url:
        raise NotRunningError(machine, seen.state, f"{failure}: Host is not running")
    if not swarm:
        return seen.url
    from ecsmachine.cli.display.rows import swarm_url
    from ecsmachine.machine.engine_api import exchange

    url = swarm_url(machine, seen.url)
    try:
        exchange(url, machine.auth, "GET", "/version", timeout_s=_ENGINE_TIMEOUT_S)
    except EngineConnectionError as error:
        raise EngineConnectionError(
            f"{failure}: Connection to Swarm cannot be checked but the certs are valid. "
            "Maybe swarm is not started",
            hint=f"The engine answers. {error.message}.",
        ) from error
    return url
