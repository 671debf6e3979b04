"""``ecsmachine project …``: applications on a Swarm cluster."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from ecsmachine.aliyun.container_service.application_client import ApplicationClient
from ecsmachine.aliyun.container_service.applications import ProjectRequest, ProjectUpdate
from ecsmachine.cli.arguments.groups import command_group
from ecsmachine.cli.arguments.options import AsJson, Quiet, Yes
from ecsmachine.cli.commands.container_service import options
from ecsmachine.cli.commands.container_service.waiting import Follow, following
from ecsmachine.cli.display.confirmation import confirm, read_input
from ecsmachine.cli.display.output import print_json, print_listing
from ecsmachine.cli.display.printer import complain, say, show, warn
from ecsmachine.documents.text import read_named
from ecsmachine.errors import MachineError
from ecsmachine.machine.several import for_each

app = command_group(
    """Applications (projects) on a Swarm cluster.

    Example: ecsmachine project create web --file docker-compose.yml --cluster my-cluster
    """
)
command = options.commands(app, options.application_client)

Name = Annotated[str, typer.Argument(metavar="PROJECT", help="Name of the project")]
TemplateFile = Annotated[
    Path, typer.Option("--file", "-f", help='Compose template; "-" reads standard input')
]
Variables = Annotated[
    list[str] | None,
    typer.Option("--env", "-e", help="A variable of the template, NAME=VALUE (repeatable)"),
]
Description = Annotated[str, typer.Option(help="Description")]
LatestImage = Annotated[bool, typer.Option(help="Pull the newest images")]
Patience = Annotated[
    int | None,
    typer.Option(
        *("--time", "-t"),
        min=0,
        help="Seconds to wait before containers are killed (default: stop_grace_period, or 10)",
    ),
]
Signal = Annotated[str, typer.Option("--signal", "-s", help="The signal to send")]


@command("ls")
def list_projects(
    client: ApplicationClient,
    query: Annotated[
        str, typer.Option("--filter", help="List only names that contain this text")
    ] = "",
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """List the projects of a cluster.

    Example: ecsmachine project ls --cluster my-cluster
    """
    print_listing(
        client.projects(query),
        {
            "NAME": "name",
            "STATE": lambda p: p.current_state.capitalize(),
            "VERSION": "version",
            "SERVICES": lambda p: (
                " ".join(one.id.removeprefix(f"{p.name}_") for one in p.services) or "-"
            ),
            "UPDATED": lambda p: p.updated.partition(".")[0].rstrip("Z"),
        },
        as_json=as_json,
        quiet=quiet,
    )


@command("inspect")
def inspect(client: ApplicationClient, name: Name, as_json: options.JsonAnyway = False) -> None:
    """Print everything the master knows about a project, as JSON.

    Example: ecsmachine project inspect web
    """
    print_json(dict(client.project(name).raw))


@command("create", following)
def create(
    client: ApplicationClient,
    follow: Follow,
    name: Name,
    file: TemplateFile,
    version: Annotated[str, typer.Option(help="Its version")] = "1.0",
    description: Description = "",
    variables: Variables = None,
    latest_image: LatestImage = False,
) -> None:
    """Create a project from a Compose template, and start it.

    Example: ecsmachine project create web --file docker-compose.yml --wait
    """
    request = ProjectRequest(
        name, _read(file), description, version, options.pairs(variables, "--env"), latest_image
    )
    _warn(client.create_project(request))
    follow(client, name)


@command("update", following)
def update(
    client: ApplicationClient,
    follow: Follow,
    name: Name,
    file: TemplateFile,
    version: Annotated[str, typer.Option(help="The new version")],
    description: Description = "",
    variables: Variables = None,
    latest_image: LatestImage = False,
    blue_green: Annotated[
        bool, typer.Option(help="Keep the old version running beside the new one")
    ] = False,
) -> None:
    """Replace the version of a project, or run a new version beside it.

    Example: ecsmachine project update web --file docker-compose.yml --version 2.0 --blue-green
    """
    request = ProjectUpdate(
        _read(file),
        version,
        description,
        options.pairs(variables, "--env"),
        latest_image,
        blue_green,
    )
    _warn(client.update_project(name, request))
    follow(client, name)


@command("confirm-update", following)
def confirm_update(
    client: ApplicationClient,
    follow: Follow,
    name: Name,
    force: Annotated[
        bool, typer.Option(help="Send all traffic to the new version, whatever its weight")
    ] = False,
) -> None:
    """End a blue-green update: the new version stays, the old one is removed.

    Example: ecsmachine project confirm-update web --wait
    """
    client.confirm_update(name, force=force)
    follow(client, name)


@command("rollback-update", following)
def rollback_update(client: ApplicationClient, follow: Follow, name: Name) -> None:
    """End a blue-green update: the old version stays, the new one is removed.

    Example: ecsmachine project rollback-update web --wait
    """
    client.rollback_update(name)
    follow(client, name)


@command("start", following)
def start(client: ApplicationClient, follow: Follow, name: Name) -> None:
    """Start the containers of a project that do not run.

    Example: ecsmachine project start web
    """
    client.start_project(name)
    follow(client, name)


@command("stop", following)
def stop(client: ApplicationClient, follow: Follow, name: Name, patience: Patience = None) -> None:
    """Stop a project's containers without removing them.

    Example: ecsmachine project stop web --time 30
    """
    client.stop_project(name, wait_s=patience)
    follow(client, name)


@command("kill")
def kill(client: ApplicationClient, name: Name, signal: Signal = "KILL") -> None:
    """Send a signal to a project's containers.

    Example: ecsmachine project kill web --signal HUP
    """
    client.kill_project(name, signal=signal)


@command("redeploy", following)
def redeploy(client: ApplicationClient, follow: Follow, name: Name) -> None:
    """Recreate a project's containers from the newest images.

    Example: ecsmachine project redeploy web --wait
    """
    client.redeploy_project(name)
    follow(client, name)


@app.command("convert")
def convert(
    file: Annotated[Path, typer.Argument(help='Compose template; "-" reads standard input')],
    variables: Variables = None,
) -> None:
    """Convert a template to a stack file for Docker's Swarm mode, and print it.

    The stack file is for "docker stack deploy". Standard error lists each label and key that has no
    equivalent, with a replacement, and the ports to open on the nodes. The command needs no
    cluster.

    Example: ecsmachine project convert web.yml
    """
    from ecsmachine.compose.stack import convert as converted
    from ecsmachine.compose.values import TemplateError

    try:
        stack = converted(_read(file), options.pairs(variables, "--env"))
    except TemplateError as error:
        raise MachineError(f"{file}: {error.reason}", hint="Correct the template.") from None
    show(stack.text, end="")
    _warn(stack.notes)
    if stack.ports:
        flags = " ".join(f"--aliyunecs-open-port {port}" for port in stack.ports)
        complain(f"Open its ports on the nodes: ecsmachine create {flags} …")


@command("rm")
def remove(
    client: ApplicationClient,
    names: Annotated[list[str], typer.Argument(metavar="PROJECT...", help="Names of projects")],
    force: Annotated[bool, typer.Option("--force", "-f", help="Remove running ones too")] = False,
    volumes: Annotated[
        bool,
        typer.Option("--volumes", "-v", help="Also remove their volumes, except external ones"),
    ] = False,
    yes: Yes = False,
) -> None:
    """Remove projects with their containers.

    Example: ecsmachine project rm web --force
    """
    confirm(f"About to remove {', '.join(names)}", yes)

    def remove_one(name: str) -> None:
        client.delete_project(name, force=force, volumes=volumes)
        say(f"Removed {name}")

    for_each(names, remove_one, at_once=1, what="projects")


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        warn(warning)


def _read(file: Path) -> str:
    def fault(reason: str) -> MachineError:
        return MachineError(f"{file}: {reason}", hint="Name a Compose template.")

    content = read_input() if str(file) == "-" else read_named(file, fault)
    try:
        text = content.decode()
    except ValueError:
        raise MachineError(f"{file}: it is not text in UTF-8") from None
    if not text.strip():
        raise MachineError(f"{file}: it is empty", hint="Name a Compose template.")
    return text
