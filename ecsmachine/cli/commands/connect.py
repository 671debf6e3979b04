"""The commands that connect to machines: env, config, ssh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ecsmachine.cli.arguments.context import one_machine_name, session
from ecsmachine.cli.arguments.groups import AsJson
from ecsmachine.cli.display.printer import show
from ecsmachine.cli.everyday import connection
from ecsmachine.errors import MachineError, UsageError

if TYPE_CHECKING:
    from ecsmachine.machine.model import Machine
    from ecsmachine.ssh.target import SSHTarget

_ENGINE_TIMEOUT_S = 20.0

_Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME", help='Name of a machine; "default" if none is given'),
]
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
    this = session(ctx)
    if not cluster:
        connection.env(
            this, names=names, swarm=swarm, shell=shell, unset=unset, no_proxy=no_proxy, json=json
        )
        return
    print_variables = connection.variable_printer(this, shell, json=json)
    if names:
        raise UsageError("Expected no machine name beside --cluster", hint="Leave one of them out.")
    from ecsmachine.cli.commands.container_service.options import cluster_variables

    found = cluster_variables(ctx, cluster, unset=unset)
    print_variables(list(found) if unset else found)


def config(
    ctx: typer.Context, names: _Names = None, swarm: _Swarm = False, json: AsJson = False
) -> None:
    """Print the options that connect the Docker client to a machine.

    Example: eval docker $(ecsmachine config dev1) info
    """
    connection.config(session(ctx), names=names, swarm=swarm, json=json)


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
    (-L 8080:localhost:80, -t, -N), then the command. The connection is kept for a minute, for the
    next ssh and scp: MACHINE_SSH_CONTROL_PERSIST has another number of seconds, 0 for none.

    Example: ecsmachine ssh dev1 df -h /
    """
    from ecsmachine.ssh.connection import SSHError
    from ecsmachine.ssh.host_keys import HostKeyChangedError
    from ecsmachine.ssh.interactive import CONNECTION_FAILED, run_session
    from ecsmachine.ssh.sharing import persist_s

    this = session(ctx)
    seconds = persist_s(this.environment)
    machine = this.store.load(one_machine_name(this, [name] if name else None))
    words = command or []
    if words[:1] == ["--help"]:  # ssh has no such option
        show(ctx.get_help())
        return

    def run(target: SSHTarget) -> int:
        return run_session(
            target,
            machine.known_hosts_path,
            words,
            native=this.native_ssh,
            persist_s=seconds,
        )

    target = machine.ssh_target() if machine.driver.address() else None
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
        moved = machine.ssh_target()
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
