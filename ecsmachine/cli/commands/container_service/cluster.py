"""``ecsmachine cluster …``: clusters of Container Service."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ecsmachine.aliyun.container_service.client import ClusterClient
from ecsmachine.aliyun.container_service.clusters import (
    AttachRequest,
    ResetRequest,
    ScaleRequest,
    SwarmRequest,
)
from ecsmachine.aliyun.container_service.kubernetes import KubernetesScaleRequest
from ecsmachine.aliyun.container_service.rules import NETWORK_MODES
from ecsmachine.cli.arguments.context import session
from ecsmachine.cli.arguments.groups import command_group
from ecsmachine.cli.arguments.options import AsJson, Quiet, Yes
from ecsmachine.cli.commands.container_service import options
from ecsmachine.cli.commands.container_service.kubernetes import create_kubernetes
from ecsmachine.cli.commands.container_service.waiting import await_cluster, follow
from ecsmachine.cli.display.confirmation import confirm
from ecsmachine.cli.display.output import print_json, print_listing, with_our_keys
from ecsmachine.cli.display.printer import complain, say, show
from ecsmachine.cli.display.progress import steps
from ecsmachine.errors import MachineError
from ecsmachine.machine.several import for_each

app = command_group(
    """Clusters of Alibaba Cloud Container Service.

    Example: ecsmachine cluster create my-cluster --size 2 --wait
    """
)
command = options.commands(app, options.cluster_client)

Name = Annotated[str, typer.Argument(metavar="CLUSTER", help="Name or id of the cluster")]


@command("ls")
def list_clusters(client: ClusterClient, quiet: Quiet = False, as_json: AsJson = False) -> None:
    """List the clusters.

    Example: ecsmachine cluster ls
    """
    print_listing(
        client.clusters(),
        {
            "NAME": "name",
            "STATE": lambda c: c.state.capitalize(),
            "SIZE": lambda c: str(c.size),
            "KIND": lambda c: c.kind or "Swarm",
            "REGION": "region",
            "MASTER": lambda c: c.master_url or "-",
            "ID": "id",
        },
        as_json=as_json,
        quiet=quiet,
    )


@command("inspect")
def inspect(client: ClusterClient, name: Name, as_json: options.JsonAnyway = False) -> None:
    """Print everything the service knows about a cluster, as JSON.

    Example: ecsmachine cluster inspect my-cluster
    """
    print_json(dict(client.find(name).raw))


@command("create", options.node_fields)
def create(
    client: ClusterClient,
    nodes: dict[str, Any],
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The name of the cluster")],
    size: Annotated[int, typer.Option(help="Number of nodes")] = 1,
    network_mode: Annotated[str, options.one_of("Kind of network", *NETWORK_MODES)] = "vpc",
    vpc_id: Annotated[str, typer.Option(help="VPC [$ECS_VPC_ID]")] = "",
    vswitch_id: Annotated[str, typer.Option(help="VSwitch [$ECS_VSWITCH_ID]")] = "",
    subnet_cidr: Annotated[str, typer.Option(help="Addresses of the containers")] = "172.28.0.0/16",
    slb: Annotated[bool, typer.Option("--slb/--no-slb", help="Create a load balancer")] = True,
    rds_instance: Annotated[
        list[str] | None,
        typer.Option(help="Allow the nodes to use this database (repeatable)"),
    ] = None,
    wait: options.Wait = False,
    timeout: options.Timeout = 1800,
) -> None:
    """Create a Swarm cluster.

    Example: ecsmachine cluster create my-cluster --size 2 --wait
    """
    environment = session(ctx).environment
    request = SwarmRequest(
        name=name,
        size=size,
        network_mode=network_mode,
        vpc_id=vpc_id or environment.get("ECS_VPC_ID", ""),
        vswitch_id=vswitch_id or environment.get("ECS_VSWITCH_ID", ""),
        subnet_cidr=subnet_cidr if network_mode == "vpc" else "",
        need_slb=slb,
        rds_instances=tuple(rds_instance or ()),
        region_id=client.roa.region,
        **nodes,
    )
    follow(client, name, client.create(request), wait, timeout)
    if wait:
        line = (
            f'To use it, run: ecsmachine cluster certs {name} && eval "$(ecsmachine env --cluster '
            f'{name})"'
        )
        complain(session(ctx).as_called(line))


app.command("create-kubernetes")(create_kubernetes)


@command("scale", options.node_fields)
def scale(
    client: ClusterClient,
    nodes: dict[str, Any],
    name: Name,
    size: Annotated[int, typer.Option(help="New number of nodes")],
    wait: options.Wait = False,
    timeout: options.Timeout = 1800,
) -> None:
    """Add nodes to a cluster (in a Kubernetes cluster: workers).

    Example: ecsmachine cluster scale my-cluster --size 3 --wait
    """
    cluster = client.find(name)
    request: ScaleRequest | KubernetesScaleRequest
    if cluster.is_swarm:
        request = ScaleRequest(size=size, **nodes)
    else:
        request = KubernetesScaleRequest(size, nodes["instance_type"], nodes["password"])
    follow(client, cluster.name, client.scale(cluster.id, request), wait, timeout)


@command("attach")
def attach(
    client: ClusterClient,
    ctx: typer.Context,
    name: Name,
    instances: Annotated[list[str], typer.Argument(metavar="INSTANCE...", help="Their ids")],
    image: options.Image,
    password: options.Password = "",
    release_eip: options.ReleaseEip = False,
    yes: Yes = False,
    wait: options.Wait = False,
    timeout: options.Timeout = 1800,
) -> None:
    """Add existing instances as nodes. Their system disks are replaced.

    Example: ecsmachine cluster attach my-cluster i-bp1f5g7h --image centos_7_04_64_20G_alibase
    """
    cluster = client.find(name)
    request = AttachRequest(
        tuple(instances), options.password_of(ctx, password), image, release_eip
    )
    request.body()
    confirm(f"About to replace the system disk of {', '.join(instances)}", yes)
    attached, task = client.attach(cluster.id, request)
    for one in attached:
        say(f"{one.instance_id}: {one.message} ({one.code})")
    failed = [one.instance_id for one in attached if one.code != "200"]
    if len(failed) < len(attached):
        follow(client, cluster.name, task, wait, timeout)
    if failed:
        raise MachineError(f"Not attached: {', '.join(failed)}")


@command("remove-node")
def remove_node(
    client: ClusterClient,
    name: Name,
    address: Annotated[str, typer.Argument(help="The node's private address")],
    release: Annotated[bool, typer.Option(help="Release its instance as well")] = False,
    yes: Yes = False,
    wait: options.Wait = False,
    timeout: options.Timeout = 1800,
) -> None:
    """Remove a node from a cluster, with everything that runs on it.

    Example: ecsmachine cluster remove-node my-cluster 192.168.1.12 --release
    """
    cluster = client.find(name)
    confirm(f"About to remove node {address} from {cluster.name}", yes)
    client.remove_node(cluster.id, address, release=release)
    if wait:
        await_cluster(client, cluster.id, timeout)


@command("reset-node")
def reset_node(
    client: ClusterClient,
    ctx: typer.Context,
    name: Name,
    instance: Annotated[str, typer.Argument(help="The node's instance id")],
    image: options.Image,
    password: options.Password = "",
    release_eip: options.ReleaseEip = False,
    yes: Yes = False,
    wait: options.Wait = False,
    timeout: options.Timeout = 1800,
) -> None:
    """Reset a node. Its disk is replaced.

    Example: ecsmachine cluster reset-node my-cluster i-bp1f5g7h --image centos_7_04_64_20G_alibase
    """
    cluster = client.find(name)
    request = ResetRequest(options.password_of(ctx, password), image, release_eip)
    request.body()
    confirm(f"About to replace the disk of {instance}", yes)
    task = client.reset_node(cluster.id, instance, request)
    follow(client, cluster.name, task, wait, timeout)


@command("rm")
def remove(
    client: ClusterClient,
    names: Annotated[list[str], typer.Argument(metavar="CLUSTER...", help="Names or ids")],
    yes: Yes = False,
    wait: options.Wait = False,
    timeout: options.Timeout = 1800,
) -> None:
    """Remove clusters with their nodes.

    Example: ecsmachine cluster rm my-cluster --wait
    """
    found = [(name, client.find(name)) for name in names]
    by_name = dict({cluster.id: (name, cluster) for name, cluster in found}.values())
    confirm(
        f"About to remove {', '.join(names)} with all nodes and everything that runs on them", yes
    )

    def remove_one(name: str) -> None:
        client.delete(by_name[name].id)

    def wait_for_one(name: str) -> None:
        cluster = by_name[name]
        with steps(sys.stderr, only_steps=True, only_on_terminal=True) as report:
            report(f"{cluster.name}: Deleting")
            client.wait_gone(cluster.id, timeout_s=timeout)
        say(f"Removed {cluster.name}")

    work = (remove_one, wait_for_one) if wait else (remove_one,)
    for_each(by_name, *work, at_once=1, what="clusters")


@command("certs")
def certs(
    client: ClusterClient,
    ctx: typer.Context,
    name: Name,
    folder: Annotated[
        Path | None, typer.Option(help="Target folder [default: ~/.docker/aliyun/NAME]")
    ] = None,
) -> None:
    """Fetch the certificates for a cluster's master, and store them so that only you can read them.

    Example: ecsmachine cluster certs my-cluster
    """
    cluster = client.find(name)
    target = folder.absolute() if folder else options.certificate_folder(ctx, cluster.name)
    options.store_certificates(client.certificates(cluster.id), target)
    say(f"Stored ca.pem, cert.pem and key.pem in {target}")


@command("nodes")
def nodes(client: ClusterClient, name: Name, as_json: AsJson = False) -> None:
    """List the nodes of a cluster.

    Example: ecsmachine cluster nodes my-cluster
    """
    print_listing(
        client.nodes(client.find(name).id),
        {
            "NAME": "name",
            "STATE": lambda node: node.state.capitalize(),
            "ROLE": "role",
            "ADDRESS": "address",
            "INSTANCE": "instance_id",
        },
        as_json=as_json,
        value=lambda one: with_our_keys(vars(one)),
    )


@command("log")
def log(client: ClusterClient, name: Name, as_json: AsJson = False) -> None:
    """Print the log of a cluster's tasks, including the errors.

    Example: ecsmachine cluster log my-cluster
    """
    lines = client.log(client.find(name).id)
    if as_json:
        print_json(lines)
        return
    for line in lines:
        show(line)


@command("images")
def images(
    client: ClusterClient,
    all_regions: Annotated[bool, typer.Option("--all", "-a", help="Include all regions")] = False,
    as_json: AsJson = False,
) -> None:
    """List the images that nodes can use.

    Example: ecsmachine cluster images
    """
    found = [one for one in client.images() if all_regions or one.region == client.roa.region]
    columns = {"REGION": "region", "NAME": "name", "ID": "id"}
    print_listing(found, columns, as_json=as_json, value=lambda one: with_our_keys(vars(one)))
