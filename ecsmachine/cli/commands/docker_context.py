"""The command ``context``: a machine as a context of the docker client."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecsmachine.cli.arguments.context import Session, existing_machine_names, session
from ecsmachine.cli.arguments.options import MachineNames
from ecsmachine.cli.display.printer import say, warn
from ecsmachine.cli.display.progress import about
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.machine.several import for_each

if TYPE_CHECKING:
    from ecsmachine.machine.docker_context import DockerConfig
    from ecsmachine.machine.model import Machine


def context(
    ctx: typer.Context,
    names: MachineNames = None,
    ssh: Annotated[
        bool, typer.Option(help="Connect the docker client over SSH instead of TLS")
    ] = False,
    use: Annotated[bool, typer.Option(help="Make it the current context")] = False,
    rm: Annotated[bool, typer.Option(help="Remove the context")] = False,
    json: Annotated[bool, typer.Option(help="Print the names as JSON")] = False,
) -> None:
    """Make machines known to the docker client as contexts, or refresh them, and print their names.

    "ecsmachine rm" removes a machine's context as well.

    Example: ecsmachine context dev1 && docker --context dev1 info
    """
    this = session(ctx)
    if rm and (use or ssh):
        raise UsageError("--rm cannot be used with --use or --ssh", hint="Give one of them.")
    if rm:
        _remove(this, names)
        return
    chosen = existing_machine_names(this, names)
    if use and len(chosen) > 1:
        raise UsageError("Only one context can be the current one", hint="Name one machine.")
    docker = docker_of(this)
    contexts = {}

    def make(name: str) -> None:
        machine = this.store.load(name)
        if ssh:
            from ecsmachine.machine.address import login

            login(machine)  # it may have moved
        written = _write(this, docker, machine, over_ssh=ssh)
        contexts[name] = written
        if not json:
            say(written)
        if use:
            _use(this, docker, written)

    try:
        for_each(chosen, make, at_once=1)
    finally:
        if json:
            from ecsmachine.cli.display.output import print_json

            print_json([{"Name": name, "Context": written} for name, written in contexts.items()])


def refresh_contexts(this: Session, names: Iterable[str]) -> None:
    """Bring the contexts of machines up to date, as far as they have any.

    What the command was for is done by then: a context that cannot be written is a warning.
    """
    from ecsmachine.machine import docker_context, ssh_configuration

    docker = docker_of(this)
    for name in names:
        try:
            machine = this.store.load(name)
            ssh_configuration.refresh_entry(machine)
            known = docker_context.endpoint(docker, machine)
            if known is not None:
                _write(this, docker, machine, over_ssh=known.startswith("ssh:"))
        except MachineError as error:
            warn(f'The docker context of "{name}" was not refreshed: {error.message}')


def remove_contexts(this: Session, names: Iterable[str]) -> None:
    """Remove the contexts of machines that are gone from the store.

    One that cannot be removed is a warning, as for :func:`refresh_contexts`.
    """
    from ecsmachine.machine import docker_context

    docker = docker_of(this)
    for name in names:
        if this.store.exists(name):
            continue
        try:
            docker_context.remove(docker, name, this.store.path)
        except MachineError as error:
            warn(f"{error.message}. {error.hint}")


def docker_of(this: Session) -> DockerConfig:
    """Return the configuration of the docker client that this user calls."""
    from ecsmachine.machine.docker_context import docker_config

    return docker_config(this.environment, Path.home())


def _write(this: Session, docker: DockerConfig, machine: Machine, *, over_ssh: bool) -> str:
    from ecsmachine.machine import docker_context, ssh_configuration

    over_ssh = over_ssh or machine.auth.jump is not None
    url = machine.ssh_url if over_ssh else machine.driver.url()
    if not url:
        raise MachineError(
            f'IP address is not set: machine "{machine.name}" has none',
            hint=f'"ecsmachine status {machine.name}" says whether it runs.',
        )
    if over_ssh:
        missing = ssh_configuration.write_entry(machine)
        if missing:
            warn(f"ssh does not know the machine yet. {missing}")
    return docker_context.write(docker, machine, url, over_ssh=over_ssh)


def _use(this: Session, docker: DockerConfig, name: str) -> None:
    from ecsmachine.machine import docker_context

    docker_context.use(docker, name)
    for variable in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        if this.environment.get(variable):
            warn(f"{variable} is set, and overrides the current context")


def _remove(this: Session, names: list[str] | None) -> None:
    from ecsmachine.machine import docker_context

    docker = docker_of(this)

    def remove(name: str) -> None:
        with about(name):
            if not docker_context.remove(docker, name, this.store.path):
                raise MachineError(
                    f'Machine "{name}" has no docker context in this store',
                    hint='"docker context ls" lists all of them.',
                )

    for_each(names or existing_machine_names(this, None), remove, at_once=1)
