"""``ecsmachine service …``: the services of applications on a Swarm cluster."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ecsmachine.aliyun.container_service.application_client import ApplicationClient
from ecsmachine.cli.arguments.groups import command_group
from ecsmachine.cli.arguments.options import AsJson, Quiet
from ecsmachine.cli.commands.container_service import options
from ecsmachine.cli.commands.container_service.project import Patience, Signal
from ecsmachine.cli.display.output import print_json, print_listing, with_our_keys
from ecsmachine.cli.display.printer import warn

app = command_group(
    """Services of the applications on a Swarm cluster.

    Example: ecsmachine service scale web_front 3 --cluster my-cluster
    """
)
command = options.commands(app, options.application_client)

ServiceId = Annotated[str, typer.Argument(metavar="SERVICE", help="Its id: PROJECT_NAME")]


@command("ls")
def list_services(
    client: ApplicationClient,
    query: Annotated[
        str, typer.Option("--filter", help="List only ids that contain this text")
    ] = "",
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """List the services of all projects.

    Example: ecsmachine service ls --filter web
    """
    print_listing(
        client.services(query),
        {
            "ID": "id",
            "PROJECT": "project",
            "STATE": lambda s: s.current_state.capitalize(),
            "CONTAINERS": lambda s: f"{sum(one.running for one in s.containers)}/{s.wanted}",
            "IMAGE": lambda s: str(s.definition.get("image", "-")),
        },
        as_json=as_json,
        quiet=quiet,
    )


@command("ps")
def list_containers(
    client: ApplicationClient, service_id: ServiceId, as_json: AsJson = False
) -> None:
    """List the containers of a service, and the nodes that they run on.

    Example: ecsmachine service ps web_front
    """
    print_listing(
        client.service(service_id).containers,
        {
            "NAME": "name",
            "STATUS": "status",
            "HEALTH": lambda c: c.health or "-",
            "NODE": "node",
            "IP": lambda c: c.ip or "-",
            "ID": lambda c: c.id[:12],
        },
        as_json=as_json,
        value=lambda one: with_our_keys(asdict(one)),
    )


@command("inspect")
def inspect(
    client: ApplicationClient, service_id: ServiceId, as_json: options.JsonAnyway = False
) -> None:
    """Print everything the master knows about a service, as JSON.

    Example: ecsmachine service inspect web_front
    """
    print_json(dict(client.service(service_id).raw))


@command("start")
def start(client: ApplicationClient, service_id: ServiceId) -> None:
    """Start a service's containers.

    Example: ecsmachine service start web_front
    """
    client.start_service(service_id)


@command("stop")
def stop(client: ApplicationClient, service_id: ServiceId, patience: Patience = None) -> None:
    """Stop a service's containers without removing them.

    Example: ecsmachine service stop web_front
    """
    client.stop_service(service_id, wait_s=patience)


@command("kill")
def kill(client: ApplicationClient, service_id: ServiceId, signal: Signal = "KILL") -> None:
    """Send a signal to a service's containers.

    Example: ecsmachine service kill web_front --signal HUP
    """
    client.kill_service(service_id, signal=signal)


@command("scale")
def scale(
    client: ApplicationClient,
    service_id: ServiceId,
    number: Annotated[int, typer.Argument(help="Containers afterwards")],
) -> None:
    """Set the number of containers of a service.

    Example: ecsmachine service scale web_front 3
    """
    for warning in client.scale_service(service_id, number):
        warn(warning)


@command("weight")
def weight(
    client: ApplicationClient,
    service_id: ServiceId,
    percent: Annotated[int, typer.Argument(help="0 to 100")],
) -> None:
    """Set the share of the traffic that a version gets during a blue-green update.

    The other version gets the rest. On Alibaba Cloud, only the console offers this.

    Example: ecsmachine service weight web_front 80
    """
    client.set_weight(service_id, percent)
