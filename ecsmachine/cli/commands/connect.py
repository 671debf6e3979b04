"""The commands that connect to machines: env, config, ssh."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from ecsmachine.cli.arguments.context import Session, one_machine_name, session
from ecsmachine.cli.display.printer import show
from ecsmachine.errors import MachineError, UsageError

if TYPE_CHECKING:
    from ecsmachine.machine.model import Machine
    from ecsmachine.ssh.target import SSHTarget

_ENGINE_TIMEOUT_S = 20.0

_Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME", help='Name of a machine; "default" if none is given'),
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
_Swarm = Annotated[
    bool, typer.Option("--swarm", help="The classic Swarm that the machine is master of")
]


def env(
    ctx: typer.Context,
    names: _Names = None,
    swarm: _Swarm = False,
    shell: Annotated[
        str,
        typer.Option(
            "--shell",
            help="bash, zsh, sh, fish, powershell, cmd, tcsh or emacs [default: by $SHELL]",
        ),
    ] = "",
    unset: Annotated[
        bool, typer.Option("--unset", "-u", help="Unset the variables instead")
    ] = False,
    no_proxy: Annotated[
        bool, typer.Option("--no-proxy", help="Add the machine's address to NO_PROXY")
    ] = False,
    cluster: Annotated[
        str, typer.Option("--cluster", help="For this cluster of Container Service, not a machine")
    ] = "",
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON; null for what is unset")
    ] = False,
) -> None:
    """Print the commands that set up the environment for the Docker client.

    Example: eval $(ecsmachine env dev1)
    """
    from ecsmachine.cli.display import shells
    from ecsmachine.cli.display.output import print_json

    this = session(ctx)
    shell_name = shell or shells.detect(this.environment) or ""
    if json and shell:
        raise UsageError("--json does not go with --shell", hint="Give one of them.")
    if not shell_name and not json:
        raise MachineError(
            "Unknown shell: the variable SHELL is not set",
            hint="Name the shell, for example with --shell bash.",
        )

    def print_variables(found: Mapping[str, str] | list[str]) -> None:
        if json:
            print_json(dict.fromkeys(found) if isinstance(found, list) else dict(found))
        else:
            _print_lines(shells.lines(shell_name, found, this.program))

    if cluster:
        from ecsmachine.cli.commands.container_service.access import cluster_variables

        if names:
            raise UsageError(
                "Expected no machine name beside --cluster", hint="Leave one of them out."
            )
        found = cluster_variables(ctx, cluster, unset=unset)
        print_variables(list(found) if unset else found)
        return
    variables: dict[str, str] = dict.fromkeys(
        ("DOCKER_TLS_VERIFY", "DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_MACHINE_NAME"), ""
    )
    proxy_variable, spared = _no_proxy(this.environment)
    if unset:
        if names:
            raise UsageError(
                "Expected no machine name when the -u flag is present",
                hint="Leave the name out: the variables are the same for every machine.",
            )
        unwanted = [*variables, *([proxy_variable] if no_proxy else [])]
        print_variables(unwanted)
        return
    machine = this.store.load(one_machine_name(this, names))
    url = _checked_url(this, machine, swarm, failure="Error checking TLS connection")
    variables["DOCKER_TLS_VERIFY"] = "1"
    variables["DOCKER_HOST"] = url
    variables["DOCKER_CERT_PATH"] = str(machine.auth.machine_dir)
    variables["DOCKER_MACHINE_NAME"] = machine.name
    if no_proxy:
        address = machine.driver.address()
        hosts = [host.strip() for host in spared.split(",") if host.strip()]
        variables[proxy_variable] = ",".join(dict.fromkeys([*hosts, address]))
    print_variables(variables)


def config(
    ctx: typer.Context, names: _Names = None, swarm: _Swarm = False, json: _Json = False
) -> None:
    """Print the options that connect the Docker client to a machine.

    Example: eval docker $(ecsmachine config dev1) info
    """
    this = session(ctx)
    machine = this.store.load(one_machine_name(this, names))
    url = _checked_url(this, machine, swarm, failure="Error running connection boilerplate")
    if json:
        from ecsmachine.cli.display.output import print_json

        print_json(
            {
                "Host": url,
                "TLSVerify": True,
                "TLSCACert": str(machine.auth.machine_ca_path),
                "TLSCert": str(machine.auth.machine_cert_path),
                "TLSKey": str(machine.auth.machine_key_path),
            }
        )
        return
    from ecsmachine.cli.display.shells import option

    host = f"-H={url}" if re.fullmatch(r"[\w.:/\[\]-]+", url) else option("-H", url)
    show("--tlsverify")
    show(option("--tlscacert", str(machine.auth.machine_ca_path)))
    show(option("--tlscert", str(machine.auth.machine_cert_path)))
    show(option("--tlskey", str(machine.auth.machine_key_path)))
    show(host)


def ssh(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help='Name of a machine; "default" if none is given')
    ] = "",
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="What to run there, instead of a shell"),
    ] = None,
) -> None:
    """Log into a machine, or run a command on it and leave with its exit code.

    All that follows the name of the machine is given to the ssh program: its options first
    (-L 8080:localhost:80, -t, -N), then the command.

    Example: ecsmachine ssh dev1 df -h /
    """
    from ecsmachine.ssh.connection import SSHError
    from ecsmachine.ssh.host_keys import HostKeyChangedError
    from ecsmachine.ssh.interactive import CONNECTION_FAILED, run_session

    this = session(ctx)
    machine = this.store.load(one_machine_name(this, [name] if name else None))
    words = command or []
    if words[:1] == ["--help"]:  # ssh has no such option
        show(ctx.get_help())
        return

    def run(target: SSHTarget) -> int:
        return run_session(target, machine.known_hosts_path, words, native=this.native_ssh)

    target = machine.driver.ssh_target() if machine.driver.address() else None
    code = CONNECTION_FAILED
    failure: MachineError | None = None
    try:
        code = run(target) if target else CONNECTION_FAILED
    except (SSHError, HostKeyChangedError) as error:
        # another host may have the machine's former address by now
        failure = error
    if code == CONNECTION_FAILED:
        from ecsmachine.machine.address import saving_new_addresses

        # a command that itself leaves with that code costs a question to the provider
        with saving_new_addresses(this.store, [machine]):
            _refresh_address(machine)
        moved = machine.driver.ssh_target()
        if moved != target:
            code, failure = run(moved), None
    if failure:
        raise failure
    # a session that a signal ended leaves with what a shell would
    raise typer.Exit(code if code >= 0 else 128 - code)


ssh.context_settings = {  # type: ignore[attr-defined]
    "allow_interspersed_args": False
}


def _refresh_address(machine: Machine) -> None:
    """Learn the address of a machine that did not answer.

    Raises :class:`MachineError` if it does not run. A provider that cannot be asked adds nothing
    to what was said about the connection.
    """
    from ecsmachine.drivers.base import State
    from ecsmachine.machine.probe import NotRunningError

    try:
        state = machine.driver.state()
    except MachineError:
        return
    if state is not State.RUNNING:
        message = f'Cannot run SSH command: Host "{machine.name}" is not running'
        raise NotRunningError(machine, state, message)


def _checked_url(this: Session, machine: Machine, swarm: bool, *, failure: str) -> str:
    """Return the URL to connect to, after the engine has answered over verified TLS.

    Raises :class:`MachineError` that begins with ``failure``.
    """
    from ecsmachine.drivers.base import State
    from ecsmachine.machine.address import saving_new_addresses
    from ecsmachine.machine.probe import NotRunningError, probe

    if swarm and not machine.swarm.master:
        raise MachineError(
            f'{failure}: "{machine.name}" is not a swarm master',
            hint="Classic Swarm is gone: --swarm is only for masters that Docker Machine made.",
        )
    with saving_new_addresses(this.store, [machine]):
        seen = probe(machine, timeout_s=_ENGINE_TIMEOUT_S)
    if seen.error:
        raise MachineError(f"{failure}: {seen.error}", hint=seen.hint)
    if seen.state is not State.RUNNING or not seen.url:
        raise NotRunningError(machine, seen.state, f"{failure}: Host is not running")
    if not swarm:
        return seen.url
    from ecsmachine.cli.display.rows import swarm_url

    return swarm_url(machine, seen.url)


def _no_proxy(environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the variable that names hosts to reach without a proxy, and its value."""
    lower = environment.get("no_proxy", "")
    return ("no_proxy", lower) if lower else ("NO_PROXY", environment.get("NO_PROXY", ""))


def _print_lines(lines: list[str]) -> None:
    for line in lines:
        show(line)
