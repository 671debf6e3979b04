"""``ecsmachine volume …``: volumes of a Swarm cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from ecsmachine.aliyun.container_service.application_client import ApplicationClient
from ecsmachine.aliyun.container_service.applications import VolumeRequest
from ecsmachine.cli.arguments.groups import command_group
from ecsmachine.cli.arguments.options import AsJson, Quiet, Yes
from ecsmachine.cli.commands.container_service.options import (
    JsonAnyway,
    application_client,
    commands,
    one_of,
    pairs,
)
from ecsmachine.cli.display.confirmation import confirm
from ecsmachine.cli.display.output import print_json, print_listing, print_result
from ecsmachine.cli.display.printer import say
from ecsmachine.machine.several import for_each

app = command_group(
    """Volumes of a Swarm cluster.

    Example: ecsmachine volume ls --cluster my-cluster
    """
)
command = commands(app, application_client)

Name = Annotated[str, typer.Argument(metavar="VOLUME", help="Name of the volume")]


@command("ls")
def list_volumes(client: ApplicationClient, quiet: Quiet = False, as_json: AsJson = False) -> None:
    """List the volumes of a cluster.

    Example: ecsmachine volume ls --cluster my-cluster
    """
    print_listing(
        client.volumes(),
        {
            "NAME": "name",
            "DRIVER": "driver",
            "NODE": lambda v: v.node or "-",
            "MOUNTPOINT": lambda v: v.mountpoint or "-",
            "USED BY": lambda v: " ".join(v.refs) or "-",
        },
        as_json=as_json,
        quiet=quiet,
    )


@command("create")
def create(
    client: ApplicationClient,
    name: Name,
    driver: Annotated[
        str, one_of("Volume driver", "ossfs", "nas", "local", flags=["--driver", "-d"])
    ],
    options: Annotated[
        list[str] | None,
        typer.Option("--opt", "-o", help="An option of the driver, NAME=VALUE (repeatable)"),
    ] = None,
) -> None:
    """Create a volume.

    Example: ecsmachine volume create data --driver local
    """
    request = VolumeRequest(name, driver, pairs(options, "--opt"))
    created = client.create_volume(request).name
    print_result({"Name": created})
    say(created)


@command("inspect")
def inspect(client: ApplicationClient, name: Name, as_json: JsonAnyway = False) -> None:
    """Print everything the master knows about a volume, as JSON.

    Example: ecsmachine volume inspect data
    """
    print_json(dict(client.volume(name).raw))


@command("rm")
def remove(
    client: ApplicationClient,
    names: Annotated[list[str], typer.Argument(metavar="VOLUME...", help="Names of volumes")],
    yes: Yes = False,
) -> None:
    """Remove volumes with their contents.

    Example: ecsmachine volume rm data
    """
    confirm(f"About to remove {', '.join(names)}", yes)

    def remove_one(name: str) -> None:
        client.delete_volume(name)
        say(f"Removed {name}")

    for_each(names, remove_one, at_once=1, what="volumes")
