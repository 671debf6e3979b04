"""``ecsmachine trigger …``: addresses that redeploy or scale an application.

The guide's service creates triggers only in its console; the local cloud creates them by an API
like that of the newer service (POST, GET and DELETE below /clusters/ID/triggers).
"""

from __future__ import annotations

import json
from typing import Annotated
from urllib.parse import quote

import typer

from ecsmachine.aliyun.container_service.applications import fire
from ecsmachine.aliyun.container_service.client import ClusterClient
from ecsmachine.cli.arguments.groups import command_group
from ecsmachine.cli.arguments.options import AsJson
from ecsmachine.cli.commands.container_service import options
from ecsmachine.cli.commands.container_service.hints import for_commands
from ecsmachine.cli.display.confirmation import read_input
from ecsmachine.cli.display.output import print_json, print_listing
from ecsmachine.cli.display.printer import say, show
from ecsmachine.documents.rules import WEB_URL
from ecsmachine.errors import MachineError

app = command_group(
    """Triggers: secret addresses that redeploy or scale an application.

    Example: ecsmachine trigger create web --cluster my-cluster
    """
)
command = options.commands(app, options.cluster_client)

Url = Annotated[
    str,
    typer.Argument(
        metavar="URL", help='The trigger\'s address, in quotes; "-" reads it from stdin'
    ),
]
Step = Annotated[int, typer.Argument(metavar="STEP", help="Number of containers, 1 to 100")]


@app.command("redeploy")
def redeploy(url: Url) -> None:
    """Call a trigger that redeploys.

    Example: ecsmachine trigger redeploy - < address.txt
    """
    _fire(url)


@app.command("scale-out")
def scale_out(url: Url, step: Step) -> None:
    """Call a scaling trigger: add containers.

    Example: ecsmachine trigger scale-out - 2 < address.txt
    """
    _fire(url, "scale_out", step)


@app.command("scale-in")
def scale_in(url: Url, step: Step) -> None:
    """Call a scaling trigger: remove containers.

    Example: ecsmachine trigger scale-in - 1 < address.txt
    """
    _fire(url, "scale_in", step)


@command("create")
def create(
    client: ClusterClient,
    ctx: typer.Context,
    project: Annotated[str, typer.Argument(help="Name of the project")],
    service: Annotated[
        str, typer.Option("--scale", help="Scale this service [default: redeploy the project]")
    ] = "",
    as_json: AsJson = False,
    cluster: options.ClusterName = "",
) -> None:
    """Make a trigger, and print its address. Anyone who has the address can use it.

    Example: ecsmachine trigger create web --scale front --cluster my-cluster
    """
    found = client.find(options.cluster_name(ctx, cluster))
    body = {
        "project_id": project,
        "action": "scaling" if service else "redeploy",
        **({"service": service} if service else {}),
    }
    answer = client.roa.call(
        "POST", f"/clusters/{found.id}/triggers", body=json.dumps(body).encode()
    )
    made = answer.object()
    if not made.has("url"):
        raise MachineError(
            "The service created no trigger", hint="Create the trigger in the console."
        )
    if as_json:
        print_json(made.values)
    else:
        show(made.required("url", WEB_URL))


@command("ls")
def list_triggers(
    client: ClusterClient,
    ctx: typer.Context,
    as_json: AsJson = False,
    cluster: options.ClusterName = "",
) -> None:
    """List a cluster's triggers, without their secrets.

    Example: ecsmachine trigger ls --cluster my-cluster
    """
    found = client.find(options.cluster_name(ctx, cluster))
    triggers = client.roa.call("GET", f"/clusters/{found.id}/triggers").objects()
    print_listing(
        triggers,
        {
            "ID": lambda one: one.text("id") or "-",
            "PROJECT": lambda one: one.text("project_id") or "-",
            "ACTION": lambda one: one.text("action") or "-",
            "SERVICE": lambda one: one.text("service") or "-",
        },
        as_json=as_json,
        value=lambda one: one.values,
    )


@command("rm")
def remove(
    client: ClusterClient,
    ctx: typer.Context,
    trigger_id: Annotated[str, typer.Argument(metavar="TRIGGER", help="Id of the trigger")],
    cluster: options.ClusterName = "",
) -> None:
    """Remove a trigger: its address no longer works.

    Example: ecsmachine trigger rm 1f3a5c7e --cluster my-cluster
    """
    found = client.find(options.cluster_name(ctx, cluster))
    client.roa.call("DELETE", f"/clusters/{found.id}/triggers/{quote(trigger_id, safe='')}")
    say(f"Removed {trigger_id}")


def _fire(url: str, kind: str = "", step: int = 0) -> None:
    given = read_input().decode(errors="replace") if url == "-" else url
    address = given.partition("\n")[0].strip()
    with for_commands():
        answer = fire(address, kind=kind, step=step)
    if answer.strip():
        say(answer.strip())
