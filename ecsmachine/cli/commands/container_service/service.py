"""``ecsmachine service …``: the services of applications on a Swarm cluster."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ecsmachine.aliyun.container_service import ApplicationClient
from ecsmachine.cli.commands.container_service.options import (
    AsJson,
    JsonAnyway,
    Quiet,
    application_client,
    connected,
    group,
    print_json,
    print_table,
)
from ecsmachine.cli.commands.container_service.project import Patience, Signal
from ecsmachine.cli.display.cleaning import one_line
from ecsmachine.cli.display.printer import show, warn

app = group(
    """Services of the applications on a Swarm cluster.

    Example: ecsmachine service scale web_front 3 --cluster my-cluster
    """
)

ServiceId = Annotated[str, typer.Argument(metavar="SERVICE", help="Its id: PROJECT_NAME")]


@app.command("ls")
@connected(application_client)
def list_services(
    client: ApplicationClient,
    query: Annotated[str, typer.Option("--filter", help="Only those whose id has it")] = "",
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """List the services of all projects.

    Example: ecsmachine service ls --filter web
    """
    services = client.services(query)
    if as_json:
        print_json([dict(service.raw) for service in services])
    elif quiet:
        for service in services:
            show(one_line(service.id))
    else:
        rows: list[tuple[str, ...]] = [("ID", "PROJECT", "STATE", "CONTAINERS", "IMAGE")]
        rows += [
            (
                service.id,
                service.project,
                service.current_state.capitalize(),
                f"{sum(one.running for one in service.containers)}/{service.wanted}",
                str(service.definition.get("image", "-")),
            )
            for service in services
        ]
        print_table(rows)


@app.command("ps")
@connected(application_client)
def list_containers(
    client: ApplicationClient, service_id: ServiceId, as_json: AsJson = False
) -> None:
    """List the containers of a service, and the nodes that they run on.

    Example: ecsmachine service ps web_front
    """
    containers = client.service(service_id).containers
    if as_json:
        print_json([asdict(one) for one in containers])
        return
    rows: list[tuple[str, ...]] = [("NAME", "STATUS", "HEALTH", "NODE", "IP", "ID")]
    rows += [
        (one.name, one.status, one.health or "-", one.node, one.ip or "-", one.id[:12])
        for one in containers
    ]
    print_table(rows)


@app.command("inspect")
@connected(application_client)
def inspect(client: ApplicationClient, service_id: ServiceId, as_json: JsonAnyway = False) -> None:
    """Print all that the master tells of a service, as JSON.

    Example: ecsmachine service inspect web_front
    """
    print_json(dict(client.service(service_id).raw))


@app.command("start")
@connected(application_client)
def start(client: ApplicationClient, service_id: ServiceId) -> None:
    """Start a service's containers.

    Example: ecsmachine service start web_front
    """
    client.start_service(service_id)


@app.command("stop")
@connected(application_client)
def stop(client: ApplicationClient, service_id: ServiceId, patience: Patience = 10) -> None:
    """Stop a service's containers; they stay.

    Example: ecsmachine service stop web_front
    """
    client.stop_service(service_id, wait_s=patience)


@app.command("kill")
@connected(application_client)
def kill(client: ApplicationClient, service_id: ServiceId, signal: Signal = "KILL") -> None:
    """Send a signal to a service's containers.

    Example: ecsmachine service kill web_front --signal HUP
    """
    client.kill_service(service_id, signal=signal)


@app.command("scale")
@connected(application_client)
def scale(
    client: ApplicationClient,
    service_id: ServiceId,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Containers afterwards")],
) -> None:
    """Bring a service to a number of containers.

    Example: ecsmachine service scale web_front 3
    """
    for warning in client.scale_service(service_id, number):
        warn(warning)


@app.command("weight")
@connected(application_client)
def weight(
    client: ApplicationClient,
    service_id: ServiceId,
    percent: Annotated[int, typer.Argument(metavar="PERCENT", help="0 to 100")],
) -> None:
    """Set what part of the traffic a version gets during a blue-green update.

    The other version gets the rest. Alibaba Cloud has this in its console alone.

    Example: ecsmachine service weight web_front 80
    """
    client.set_weight(service_id, percent)
