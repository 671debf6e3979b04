"""The command ``forward``: ports of this computer that lead to a machine."""

from __future__ import annotations

from typing import Annotated

import typer

from ecsmachine.cli.arguments.context import one_machine_name, session
from ecsmachine.cli.display.printer import document, finish, show, warn
from ecsmachine.cli.everyday.login import at_its_address


def forward(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of a machine")],
    ports: Annotated[
        list[str],
        typer.Argument(
            metavar="PORT:PORT",
            help="A local port and one of the machine: [ADDRESS:]PORT:[HOST:]PORT",
        ),
    ],
) -> None:
    """Forward ports of this computer to ports of a machine, until Ctrl-C.

    Traffic goes over SSH, and through the machine's jump host if it has one. The port need not be
    open in the security group. 8080:80 forwards 127.0.0.1:8080 here to port 80 there. 8080 forwards
    to the same port. 8080:10.0.0.5:80 forwards to another host that the machine reaches. 0:80 uses
    any free port. 0.0.0.0:8080:80 also listens for other computers.

    Example: ecsmachine forward dev1 8080:80
    """
    from ecsmachine.ssh import forwarding

    wanted = [forwarding.forward_of(text) for text in ports]
    this = session(ctx)
    machine = this.store.load(one_machine_name(this, [name]))
    this.until_interrupted = True

    def listening(found: forwarding.Forward) -> None:
        made = document()
        if made is None:
            show(f"{found.place} forwards to {found.goal} of {machine.name}")
            finish()
        else:
            made.row(
                {
                    "Name": machine.name,
                    "Address": found.address,
                    "Port": found.port,
                    "Host": found.host,
                    "HostPort": found.host_port,
                }
            )

    code = at_its_address(
        this,
        machine,
        lambda target: forwarding.forward(
            target,
            machine.known_hosts_path,
            wanted,
            native=this.native_ssh,
            listening=listening,
            told=warn,
        ),
    )
    raise typer.Exit(code if code >= 0 else 128 - code)
