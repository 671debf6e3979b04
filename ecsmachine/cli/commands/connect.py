"""The commands that connect to machines: env, config, ssh."""

from __future__ import annotations

from typing import Annotated

import typer

from ecsmachine.cli.arguments.context import session
from ecsmachine.cli.arguments.help import help_of
from ecsmachine.cli.arguments.options import AsJson, MachineName, OneMachineName
from ecsmachine.cli.display.printer import show
from ecsmachine.cli.everyday import connection, login
from ecsmachine.errors import UsageError

_Swarm = Annotated[bool, typer.Option(help="The classic Swarm whose master the machine is")]


def env(
    ctx: typer.Context,
    names: OneMachineName = None,
    swarm: _Swarm = False,
    shell: Annotated[
        str,
        typer.Option(
            help="bash, zsh, sh, fish, powershell, cmd, tcsh or emacs [default: by $SHELL]"
        ),
    ] = "",
    unset: Annotated[
        bool, typer.Option("--unset", "-u", help="Unset the variables instead")
    ] = False,
    no_proxy: Annotated[bool, typer.Option(help="Add the machine's address to NO_PROXY")] = False,
    cluster: Annotated[
        str,
        typer.Option(help="Connect to this Container Service cluster instead of a machine"),
    ] = "",
    json: Annotated[bool, typer.Option(help="Print JSON; unset variables are null")] = False,
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

    print_variables(cluster_variables(ctx, cluster, unset=unset))


def config(
    ctx: typer.Context, names: OneMachineName = None, swarm: _Swarm = False, json: AsJson = False
) -> None:
    """Print the options that connect the Docker client to a machine.

    Example: eval docker $(ecsmachine config dev1) info
    """
    connection.config(session(ctx), names=names, swarm=swarm, json=json)


def ssh(
    ctx: typer.Context,
    name: MachineName = None,
    command: Annotated[
        list[str] | None, typer.Argument(help="Command to run instead of a shell")
    ] = None,
) -> None:
    """Log into a machine, or run a command on it and exit with the command's exit code.

    USER@NAME logs in as another user.
    Everything after the machine's name goes to the ssh program: first options (-L
    8080:localhost:80, -t, -N), then the command. As root, the connection stays open for a
    minute, for the next ssh and scp. MACHINE_SSH_CONTROL_PERSIST sets another number of seconds,
    for all users; 0 turns this off.

    Example: ecsmachine ssh dev1 df -h /
    """
    if (command or [])[:1] == ["--help"]:  # ssh has no such option
        show(help_of(ctx))
        return
    raise typer.Exit(login.ssh(session(ctx), name=name, command=command))


ssh.context_settings = {  # type: ignore[attr-defined]
    "allow_interspersed_args": False
}
