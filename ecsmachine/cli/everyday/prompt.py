"""``prompt``: the active machine, for a shell's prompt; nobody is asked."""

from __future__ import annotations

import os

from ecsmachine.cli.arguments.context import Session
from ecsmachine.cli.display.cleaning import one_line
from ecsmachine.cli.display.printer import show


def prompt(this: Session, *, json: bool = False) -> None:
    """Print the machine that ``DOCKER_HOST`` names; nothing if it names none of the store."""
    name = _active(this)
    if json:
        from ecsmachine.cli.display.output import print_json

        print_json({"Name": name})
    elif name:
        show(one_line(name))


def _active(this: Session) -> str | None:
    docker_host = this.environment.get("DOCKER_HOST")
    if not docker_host:
        return None
    from ecsmachine.machine.names import is_machine, names_in

    name = this.environment.get("DOCKER_MACHINE_NAME", "")
    machines = os.path.join(this.storage, "machines")
    if name and os.path.basename(name) == name and is_machine(os.path.join(machines, name)):
        return name
    from ecsmachine.machine.stored import stored_machine

    for name in names_in(machines):
        machine = stored_machine(this.storage, name)
        if machine is not None and machine.url == docker_host:
            return name
    return None
