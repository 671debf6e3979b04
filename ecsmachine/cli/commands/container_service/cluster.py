"""``ecsmachine cluster …``: clusters of Container Service."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ecsmachine.aliyun.container_service import ClusterClient, Task
from ecsmachine.cli.commands.container_service.options import (
    AsJson,
    JsonAnyway,
    Quiet,
    Timeout,
    Wait,
    Yes,
    certificate_folder,
    cluster_client,
    connected,
    environment_of,
    group,
    print_json,
    print_table,
)
from ecsmachine.cli.display.cleaning import one_line
from ecsmachine.cli.display.confirmation import confirm
from ecsmachine.cli.display.printer import complain, say, show
from ecsmachine.cli.display.progress import steps

app = group(
    """Clusters of Alibaba Cloud Container Service.

    Example: ecsmachine cluster create my-cluster --size 2 --wait
    """
)

Name = Annotated[str, typer.Argument(metavar="CLUSTER", help="Name or id of the cluster")]
Password = Annotated[
    str, typer.Option("--password", help="Password of root on the nodes [$ECS_SSH_PASSWORD]")
]
Image = Annotated[str, typer.Option("--image", help='Image of the nodes (see "cluster images")')]
InstanceType = Annotated[
    str, typer.Option("--instance-type", help="Instance type of the nodes [$ECS_INSTANCE_TYPE]")
]
DiskCategory = Annotated[
    str, typer.Option("--data-disk-category", help="cloud, cloud_efficiency or cloud_ssd")
]
DiskSize = Annotated[int, typer.Option("--data-disk-size", help="Size of the data disk in GiB")]
ReleaseEip = Annotated[
    bool, typer.Option("--release-eip", help="Give the nodes' public addresses back afterwards")
]
IoOptimized = Annotated[str, typer.Option("--io-optimized", help="optimized or none")]

_DEFAULT_TYPE = "ecs.n4.small"


class KubernetesKind(str, Enum):
    """How a cluster of Kubernetes kind is laid out."""

    single_zone = "single-zone"
    multi_zone = "multi-zone"
    managed = "managed"


@app.command("ls")
@connected(cluster_client)
def list_clusters(client: ClusterClient, quiet: Quiet = False, as_json: AsJson = False) -> None:
    """List the clusters.

    Example: ecsmachine cluster ls
    """
    clusters = client.clusters()
    if as_json:
        print_json([dict(cluster.raw) for cluster in clusters])
    elif quiet:
        for cluster in clusters:
            show(one_line(cluster.name))
    else:
        rows: list[tuple[str, ...]] = [("NAME", "STATE", "SIZE", "KIND", "REGION", "MASTER", "ID")]
        rows += [
            (
                cluster.name,
                cluster.state.capitalize(),
                str(cluster.size),
                cluster.kind or "Swarm",
                cluster.region,
                cluster.master_url or "-",
                cluster.id,
            )
            for cluster in clusters
        ]
        print_table(rows)


@app.command("inspect")
@connected(cluster_client)
def inspect(client: ClusterClient, name: Name, as_json: JsonAnyway = False) -> None:
    """Print all that the service tells of a cluster, as JSON.

    Example: ecsmachine cluster inspect my-cluster
    """
    print_json(dict(client.find(name).raw))


@app.command("create")
@connected(cluster_client)
def create(
    client: ClusterClient,
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the cluster")],
    size: Annotated[int, typer.Option("--size", help="Number of nodes")] = 1,
    instance_type: InstanceType = "",
    password: Password = "",
    image: Image = "",
    network_mode: Annotated[str, typer.Option("--network-mode", help="vpc or classic")] = "vpc",
    vpc_id: Annotated[str, typer.Option("--vpc-id", help="VPC [$ECS_VPC_ID]")] = "",
    vswitch_id: Annotated[str, typer.Option("--vswitch-id", help="VSwitch [$ECS_VSWITCH_ID]")] = "",
    subnet_cidr: Annotated[
        str, typer.Option("--subnet-cidr", help="Addresses of the containers")
    ] = "172.28.0.0/16",
    data_disk_category: DiskCategory = "cloud_efficiency",
    data_disk_size: DiskSize = 40,
    io_optimized: IoOptimized = "optimized",
    slb: Annotated[bool, typer.Option("--slb/--no-slb", help="With a load balancer")] = True,
    release_eip: ReleaseEip = False,
    rds_instance: Annotated[
        list[str] | None,
        typer.Option("--rds-instance", help="Let the nodes use this database (repeatable)"),
    ] = None,
    wait: Wait = False,
    timeout: Timeout = 1800,
) -> None:
    """Create a Swarm cluster.

    Example: ecsmachine cluster create my-cluster --size 2 --wait
    """
    from ecsmachine.aliyun.container_service import SwarmRequest

    environment = environment_of(ctx)
    request = SwarmRequest(
        name=name,
        size=size,
        instance_type=_instance_type(ctx, instance_type),
        password=_password(ctx, password),
        data_disk_category=data_disk_category,
        data_disk_size=data_disk_size,
        network_mode=network_mode,
        vpc_id=vpc_id or environment.get("ECS_VPC_ID", ""),
        vswitch_id=vswitch_id or environment.get("ECS_VSWITCH_ID", ""),
        subnet_cidr=subnet_cidr if network_mode == "vpc" else "",
        ecs_image_id=image,
        io_optimized=io_optimized,
        need_slb=slb,
        release_eip_flag=release_eip,
        rds_instances=tuple(rds_instance or ()),
        region_id=client.roa.region,
    )
    _follow(client, client.create(request), wait, timeout)
    if wait:
        complain(
            f'To use it, run: ecsmachine cluster certs {name} && eval "$(ecsmachine env --cluster '
            f'{name})"'
        )


@app.command("create-kubernetes")
@connected(cluster_client)
def create_kubernetes(
    client: ClusterClient,
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the cluster")],
    kind: Annotated[KubernetesKind, typer.Option("--kind", help="How it is laid out")],
    workers: Annotated[
        list[int] | None,
        typer.Option("--workers", help="Number of workers (once for each zone) [default: 3]"),
    ] = None,
    worker_type: Annotated[
        list[str] | None,
        typer.Option("--worker-type", help="Instance type of workers (once for each zone)"),
    ] = None,
    master_type: Annotated[
        list[str] | None,
        typer.Option("--master-type", help="Instance type of masters (once for each zone)"),
    ] = None,
    zone: Annotated[str, typer.Option("--zone", help="Zone [$ECS_ZONE]")] = "",
    vpc_id: Annotated[str, typer.Option("--vpc-id", help="VPC [$ECS_VPC_ID]")] = "",
    vswitch_id: Annotated[
        list[str] | None,
        typer.Option("--vswitch-id", help="VSwitch (once for each zone) [$ECS_VSWITCH_ID]"),
    ] = None,
    container_cidr: Annotated[
        str, typer.Option("--container-cidr", help="Addresses of the pods")
    ] = "172.20.0.0/16",
    service_cidr: Annotated[
        str, typer.Option("--service-cidr", help="Addresses of the services")
    ] = "172.21.0.0/20",
    password: Password = "",
    key_pair: Annotated[str, typer.Option("--key-pair", help="Key pair, for no password")] = "",
    charge_type: Annotated[
        str, typer.Option("--charge-type", help="PostPaid or PrePaid, of all nodes")
    ] = "PostPaid",
    period_unit: Annotated[str, typer.Option("--period-unit", help="Month or Year")] = "",
    period: Annotated[int, typer.Option("--period", help="Length of a subscription")] = 0,
    auto_renew: Annotated[bool, typer.Option("--auto-renew", help="Renew subscriptions")] = False,
    system_disk_category: Annotated[
        str, typer.Option("--system-disk-category", help="Kind of system disks")
    ] = "cloud_efficiency",
    system_disk_size: Annotated[
        int, typer.Option("--system-disk-size", help="Size of system disks in GiB")
    ] = 40,
    data_disk_category: Annotated[
        str, typer.Option("--data-disk-category", help="Kind of data disks")
    ] = "cloud_efficiency",
    data_disk_size: Annotated[
        int, typer.Option("--data-disk-size", help="Size of data disks in GiB; 0: none")
    ] = 0,
    ssh: Annotated[bool, typer.Option("--ssh", help="Open SSH to the internet")] = False,
    cloud_monitor: Annotated[
        bool, typer.Option("--cloud-monitor", help="Install the monitoring agent")
    ] = False,
    snat: Annotated[bool, typer.Option("--snat/--no-snat", help="With an SNAT entry")] = True,
    public_slb: Annotated[
        bool, typer.Option("--public-slb", help="The API server at a public address")
    ] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="Undo it if it fails")] = False,
    timeout_mins: Annotated[
        int, typer.Option("--timeout-mins", help="The service gives up after so many minutes")
    ] = 60,
    wait: Wait = False,
    timeout: Timeout = 3600,
) -> None:
    """Create a cluster of Kubernetes kind: in one zone, in three, or managed.

    Example: ecsmachine cluster create-kubernetes my-k8s --kind managed --workers 2
    """
    from ecsmachine.aliyun.container_service import KubernetesRequest
    from ecsmachine.aliyun.container_service.kubernetes import NodeGroup

    environment = environment_of(ctx)
    zones = 3 if kind is KubernetesKind.multi_zone else 1
    types = [environment.get("ECS_INSTANCE_TYPE") or _DEFAULT_TYPE] * zones

    def nodes(instance_types: list[str]) -> NodeGroup:
        return NodeGroup(
            tuple(instance_types),
            charge_type,
            period_unit,
            period,
            auto_renew,
            system_disk_category=system_disk_category,
            system_disk_size=system_disk_size,
            data_disk=data_disk_size > 0,
            data_disk_category=data_disk_category,
            data_disk_size=data_disk_size,
        )

    request = KubernetesRequest(
        kind=kind.value,
        name=name,
        region_id=client.roa.region,
        vpc_id=vpc_id or environment.get("ECS_VPC_ID", ""),
        vswitch_ids=tuple(vswitch_id or [environment.get("ECS_VSWITCH_ID", "")]),
        zone_id="" if zones > 1 else zone or environment.get("ECS_ZONE", ""),
        container_cidr=container_cidr,
        service_cidr=service_cidr,
        workers=nodes(worker_type or types),
        worker_numbers=tuple(workers or [3] * zones),
        masters=None
        if kind is KubernetesKind.managed and not master_type
        else nodes(master_type or types),
        login_password="" if key_pair else _password(ctx, password),
        key_pair=key_pair,
        ssh_flags=ssh,
        cloud_monitor_flags=cloud_monitor,
        snat_entry=snat,
        public_slb=public_slb,
        disable_rollback=not rollback,
        timeout_mins=timeout_mins,
    )
    _follow(client, client.create(request), wait, timeout)


@app.command("scale")
@connected(cluster_client)
def scale(
    client: ClusterClient,
    ctx: typer.Context,
    name: Name,
    size: Annotated[int, typer.Option("--size", help="Number of nodes afterwards")],
    instance_type: InstanceType = "",
    password: Password = "",
    image: Image = "",
    data_disk_category: DiskCategory = "cloud_efficiency",
    data_disk_size: DiskSize = 40,
    io_optimized: IoOptimized = "optimized",
    release_eip: ReleaseEip = False,
    wait: Wait = False,
    timeout: Timeout = 1800,
) -> None:
    """Add nodes to a cluster (workers to one of Kubernetes kind).

    Example: ecsmachine cluster scale my-cluster --size 3 --wait
    """
    from ecsmachine.aliyun.container_service import KubernetesScaleRequest, ScaleRequest

    cluster = client.find(name)
    request: ScaleRequest | KubernetesScaleRequest
    if cluster.is_swarm:
        request = ScaleRequest(
            size=size,
            instance_type=_instance_type(ctx, instance_type),
            password=_password(ctx, password),
            data_disk_category=data_disk_category,
            data_disk_size=data_disk_size,
            ecs_image_id=image,
            io_optimized=io_optimized,
            release_eip_flag=release_eip,
        )
    else:
        request = KubernetesScaleRequest(
            size, _instance_type(ctx, instance_type), _password(ctx, password)
        )
    _follow(client, client.scale(cluster.id, request), wait, timeout)


@app.command("attach")
@connected(cluster_client)
def attach(
    client: ClusterClient,
    ctx: typer.Context,
    name: Name,
    instances: Annotated[list[str], typer.Argument(metavar="INSTANCE...", help="Their ids")],
    image: Image,
    password: Password = "",
    release_eip: ReleaseEip = False,
    yes: Yes = False,
    wait: Wait = False,
    timeout: Timeout = 1800,
) -> None:
    """Make nodes of instances that exist. Their system disks are replaced.

    Example: ecsmachine cluster attach my-cluster i-bp1f5g7h --image centos_7_04_64_20G_alibase
    """
    from ecsmachine.aliyun.container_service import AttachRequest
    from ecsmachine.errors import MachineError

    cluster = client.find(name)
    request = AttachRequest(tuple(instances), _password(ctx, password), image, release_eip)
    request.body()
    confirm(f"About to replace the system disk of {', '.join(instances)}", yes)
    attached, task = client.attach(cluster.id, request)
    for one in attached:
        say(f"{one.instance_id}: {one.message} ({one.code})")
    failed = [one.instance_id for one in attached if one.code != "200"]
    if len(failed) < len(attached):
        _follow(client, task, wait, timeout)
    if failed:
        raise MachineError(f"Not attached: {', '.join(failed)}")


@app.command("remove-node")
@connected(cluster_client)
def remove_node(
    client: ClusterClient,
    name: Name,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="The node's private address")],
    release: Annotated[
        bool, typer.Option("--release", help="Release its instance as well")
    ] = False,
    yes: Yes = False,
    wait: Wait = False,
    timeout: Timeout = 1800,
) -> None:
    """Take a node out of a cluster, with what runs on it.

    Example: ecsmachine cluster remove-node my-cluster 192.168.1.12 --release
    """
    cluster = client.find(name)
    confirm(f"About to take node {address} out of {cluster.name}", yes)
    client.remove_node(cluster.id, address, release=release)
    if wait:
        _await(client, cluster.id, timeout)


@app.command("reset-node")
@connected(cluster_client)
def reset_node(
    client: ClusterClient,
    ctx: typer.Context,
    name: Name,
    instance: Annotated[str, typer.Argument(metavar="INSTANCE", help="The node's instance id")],
    image: Image,
    password: Password = "",
    release_eip: ReleaseEip = False,
    yes: Yes = False,
    wait: Wait = False,
    timeout: Timeout = 1800,
) -> None:
    """Make a node anew. Its disk is replaced.

    Example: ecsmachine cluster reset-node my-cluster i-bp1f5g7h --image centos_7_04_64_20G_alibase
    """
    from ecsmachine.aliyun.container_service import ResetRequest

    cluster = client.find(name)
    request = ResetRequest(_password(ctx, password), image, release_eip)
    request.body()
    confirm(f"About to replace the disk of {instance}", yes)
    _follow(client, client.reset_node(cluster.id, instance, request), wait, timeout)


@app.command("rm")
@connected(cluster_client)
def remove(
    client: ClusterClient,
    names: Annotated[list[str], typer.Argument(metavar="CLUSTER...", help="Names or ids")],
    yes: Yes = False,
    wait: Wait = False,
    timeout: Timeout = 1800,
) -> None:
    """Remove clusters with their nodes.

    Example: ecsmachine cluster rm my-cluster --wait
    """
    clusters = [client.find(name) for name in names]
    confirm(f"About to remove {', '.join(names)} with all nodes and what runs on them", yes)
    for cluster in clusters:
        client.delete(cluster.id)
    if wait:
        for cluster in clusters:
            with steps(sys.stderr, only_steps=True, only_on_terminal=True) as report:
                report(f"{cluster.name}: Deleting")
                client.wait_gone(cluster.id, timeout_s=timeout)
            say(f"Removed {cluster.name}")


@app.command("certs")
@connected(cluster_client)
def certs(
    client: ClusterClient,
    ctx: typer.Context,
    name: Name,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where to [default: ~/.docker/aliyun/NAME]")
    ] = None,
) -> None:
    """Fetch the certificates for a cluster's master, and store them for you alone to read.

    Example: ecsmachine cluster certs my-cluster
    """
    from ecsmachine.cli.commands.container_service.access import store_certificates

    cluster = client.find(name)
    target = folder.absolute() if folder else certificate_folder(ctx, cluster.name)
    store_certificates(client.certificates(cluster.id), target)
    say(f"Stored ca.pem, cert.pem and key.pem in {target}")


@app.command("nodes")
@connected(cluster_client)
def nodes(client: ClusterClient, name: Name, as_json: AsJson = False) -> None:
    """List the nodes of a cluster.

    Example: ecsmachine cluster nodes my-cluster
    """
    found = client.nodes(client.find(name).id)
    if as_json:
        print_json([vars(node) for node in found])
        return
    rows: list[tuple[str, ...]] = [("NAME", "STATE", "ROLE", "ADDRESS", "INSTANCE")]
    rows += [(n.name, n.state.capitalize(), n.role, n.address, n.instance_id) for n in found]
    print_table(rows)


@app.command("log")
@connected(cluster_client)
def log(client: ClusterClient, name: Name, as_json: AsJson = False) -> None:
    """Print what was noted of work on a cluster, what failed above all.

    Example: ecsmachine cluster log my-cluster
    """
    lines = client.log(client.find(name).id)
    if as_json:
        print_json(lines)
        return
    for line in lines:
        show(line)


@app.command("images")
@connected(cluster_client)
def images(
    client: ClusterClient,
    all_regions: Annotated[bool, typer.Option("--all", "-a", help="Those of all regions")] = False,
    as_json: AsJson = False,
) -> None:
    """List the images that nodes can be made of.

    Example: ecsmachine cluster images
    """
    found = [one for one in client.images() if all_regions or one.region == client.roa.region]
    if as_json:
        print_json([{"region": o.region, "id": o.id, "name": o.name} for o in found])
        return
    print_table([("REGION", "NAME", "ID"), *((one.region, one.name, one.id) for one in found)])


def _follow(client: ClusterClient, task: Task, wait: bool, timeout_s: int) -> None:
    """Say what was begun, and wait for its end if that was asked for."""
    say(f"Cluster {task.cluster_id}, task {task.task_id}")
    if wait:
        _await(client, task.cluster_id, timeout_s)


def _await(client: ClusterClient, cluster_id: str, timeout_s: int) -> None:
    """Wait until a cluster is at rest. Raises :class:`MachineError` with what failed meanwhile."""
    from ecsmachine.aliyun.errors import ApiError
    from ecsmachine.errors import MachineError

    try:
        noted = len(client.log(cluster_id))
    except (ApiError, MachineError):
        noted = -1  # a service that has no log
    failure = None
    try:
        with steps(sys.stderr, only_steps=True) as report:
            client.wait(
                cluster_id,
                timeout_s=timeout_s,
                report=lambda cluster: report(f"{cluster.name}: {cluster.state.capitalize()}"),
            )
    except MachineError as error:
        failure = error
    new = client.log(cluster_id)[noted:] if noted >= 0 else []
    if new:
        raise MachineError(f"The work on the cluster failed: {new[-1]}")
    if failure is not None:
        raise failure


def _instance_type(ctx: typer.Context, given: str) -> str:
    return given or environment_of(ctx).get("ECS_INSTANCE_TYPE") or _DEFAULT_TYPE


def _password(ctx: typer.Context, given: str) -> str:
    from ecsmachine.errors import UsageError

    password = given or environment_of(ctx).get("ECS_SSH_PASSWORD", "")
    if not password:
        raise UsageError(
            "No password for the nodes", hint="Set ECS_SSH_PASSWORD, or give --password."
        )
    return password
