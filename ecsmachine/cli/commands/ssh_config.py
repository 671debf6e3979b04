"""The command ``ssh-config``: how OpenSSH's programs reach machines by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ecsmachine.cli.arguments.context import Session, existing_machine_names, session
from ecsmachine.cli.commands.docker_context import docker_of
from ecsmachine.cli.display.printer import document, say, show, warn
from ecsmachine.errors import MachineError, UsageError

if TYPE_CHECKING:
    from ecsmachine.machine.model import Machine


def ssh_config(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Names of machines; all if none is given"),
    ] = None,
    install: Annotated[bool, typer.Option(help="Include them in ~/.ssh/config")] = False,
    rm: Annotated[bool, typer.Option(help="Remove them from ~/.ssh/config")] = False,
) -> None:
    """Print entries for ~/.ssh/config, or install them. Then "ssh ecsmachine-dev1" reaches dev1.

    One line in ~/.ssh/config includes them all. "ecsmachine rm" removes a machine's entry; "start"
    and "restart" update its address.

    Example: ecsmachine ssh-config --install dev1 && ssh ecsmachine-dev1
    """
    from ecsmachine.machine import ssh_configuration

    if install and rm:
        raise UsageError("--install cannot be used with --rm", hint="Give one of them.")
    this = session(ctx)
    machines = (
        [this.store.load(name) for name in existing_machine_names(this, names)]
        if names
        else _all_with_a_host(this)
    )
    chosen = [machine.name for machine in machines]
    made = document()
    if rm:
        for machine in machines:
            if _is_used(this, machine.name):
                raise MachineError(
                    f'The docker context of "{machine.name}" uses ssh, and needs the entry',
                    hint=f'Remove it first: "ecsmachine context --rm {machine.name}".',
                )
        for machine in machines:
            ssh_configuration.remove_entry(machine)
        ssh_configuration.leave_out_entries(this.store)
    elif install:
        for machine in machines:
            ssh_configuration.write_entry(machine)
        own = ssh_configuration.own_path()
        if machines:  # ssh refuses all of a configuration with the path of a store it cannot read
            ssh_configuration.include_entries(this.store)
        say(f"{own} has {', '.join(f'ecsmachine-{name}' for name in chosen) or 'no machine'}")
    else:
        show(ssh_configuration.entries(machines), end="")
    if made is not None:
        for name in chosen:
            made.done(name)


def _all_with_a_host(this: Session) -> list[Machine]:
    """Return the machines that can have an entry, and warn of the others."""
    from ecsmachine.machine.ssh_configuration import entries

    able: list[Machine] = []
    for name in this.store.names():
        try:
            machine = this.store.load(name)
            entries([machine])
        except MachineError as error:
            warn(f"{name} is left out: {error.message}")
        else:
            able.append(machine)
    return able


def _is_used(this: Session, name: str) -> bool:
    from ecsmachine.machine.docker_context import endpoint

    return (endpoint(docker_of(this), this.store.load(name)) or "").startswith("ssh:")
