"""``ecsmachine swarm …``: machines in Docker's Swarm mode."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ecsmachine.cli.arguments.context import machine_names, one_machine_name, session
from ecsmachine.cli.arguments.groups import command_group
from ecsmachine.cli.arguments.options import AsJson, NamedMachine, NamedMachines
from ecsmachine.cli.display.output import print_listing
from ecsmachine.cli.display.progress import for_each, steps_of
from ecsmachine.cli.display.terminal import coloured_state

app = command_group(
    """Join machines in Docker's Swarm mode.

    Example: ecsmachine swarm init dev1 && ecsmachine swarm join --manager dev1 dev2
    """
)


_Role = Literal["manager", "worker"]
_Availability = Literal["active", "pause", "drain"]
_Advertise = Annotated[
    str,
    typer.Option(
        "--advertise-addr",
        help="The address at which other nodes reach it [default: its private address]",
    ),
]


@app.command()
def init(ctx: typer.Context, name: NamedMachine, advertise: _Advertise = "") -> None:
    """Start a swarm with a machine as its first manager.

    Example: ecsmachine swarm init dev1
    """
    from ecsmachine.machine.swarm.join import init as init_swarm

    this = session(ctx)
    name = one_machine_name(this, [name])
    with steps_of(name) as report:
        init_swarm(this.store, name, report, advertise=advertise)


@app.command()
def join(
    ctx: typer.Context,
    names: NamedMachines,
    manager: Annotated[
        str,
        typer.Option("--manager", "-m", metavar="NAME", help="A manager of the swarm"),
    ],
    role: Annotated[_Role, typer.Option(help="Role of the machines")] = "worker",
    availability: Annotated[_Availability, typer.Option(help="Whether they get tasks")] = "active",
    advertise: _Advertise = "",
) -> None:
    """Join machines to a swarm, and wait until they are ready.

    The ports that a swarm needs are opened only between its members.

    Example: ecsmachine swarm join --manager dev1 dev2 dev3
    """
    from ecsmachine.machine.swarm.join import join as join_swarm

    this = session(ctx)
    for_each(
        list(dict.fromkeys(machine_names(this, names))),
        lambda name, report: join_swarm(
            this.store,
            name,
            manager,
            report,
            role=role,
            availability=availability,
            advertise=advertise,
        ),
    )


@app.command()
def leave(
    ctx: typer.Context,
    names: NamedMachines,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            "-f",
            help="Also remove the last manager (the swarm ends), or a machine that does not answer",
        ),
    ] = False,
) -> None:
    """Remove machines from their swarm. Their tasks move first; the join tokens are renewed.

    Example: ecsmachine swarm leave dev3
    """
    from ecsmachine.machine.swarm.leave import leave as leave_swarm

    this = session(ctx)
    for name in dict.fromkeys(machine_names(this, names)):
        with steps_of(name) as report:
            leave_swarm(this.store, name, report, force=force)


@app.command()
def update(
    ctx: typer.Context,
    name: NamedMachine,
    role: Annotated[_Role | None, typer.Option(help="Role of the machine")] = None,
    availability: Annotated[
        _Availability | None,
        typer.Option(help="Whether it gets tasks; drain moves its tasks to other nodes"),
    ] = None,
) -> None:
    """Promote or demote a machine in its swarm, or drain it.

    Example: ecsmachine swarm update --availability drain dev3
    """
    from ecsmachine.machine.swarm.nodes import update as update_member

    this = session(ctx)
    name = one_machine_name(this, [name])
    with steps_of(name) as report:
        update_member(this.store, name, report, role=role, availability=availability)


@app.command()
def rotate(ctx: typer.Context, manager: NamedMachine) -> None:
    """Renew the join tokens; the old ones no longer work.

    Example: ecsmachine swarm rotate dev1
    """
    from ecsmachine.machine.swarm.nodes import rotate as rotate_tokens

    this = session(ctx)
    manager = one_machine_name(this, [manager])
    with steps_of(manager) as report:
        rotate_tokens(this.store, manager, report)


@app.command("ls")
def list_members(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the machines that are in a swarm, and the other nodes of their swarms.

    Example: ecsmachine swarm ls
    """
    from ecsmachine.machine.swarm.members import members as members_of

    print_listing(
        members_of(session(ctx).store),
        {
            "NAME": lambda one: one.machine or f"({one.hostname})",
            "SWARM": lambda one: one.cluster_id or "-",
            "ROLE": "role",
            "AVAILABILITY": lambda one: one.node.availability if one.node else "-",
            "STATE": lambda one: coloured_state(one.node.state if one.node else "Unknown"),
            "MANAGER": lambda one: (one.node.manager if one.node else "") or "-",
            "ERRORS": "error",
        },
        as_json=as_json,
        value=lambda one: {
            "Name": one.machine,
            "Swarm": one.cluster_id,
            "Hostname": one.hostname,
            "Role": one.role,
            "Availability": one.node.availability if one.node else "",
            "State": one.node.state if one.node else "",
            "Manager": one.node.manager if one.node else "",
            "Error": one.error,
        },
    )
