"""``ecsmachine cluster create-kubernetes``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ecsmachine.aliyun.container_service.client import ClusterClient
from ecsmachine.aliyun.container_service.kubernetes import KubernetesRequest, NodeGroup
from ecsmachine.cli.arguments.context import session
from ecsmachine.cli.commands.container_service import options
from ecsmachine.cli.commands.container_service.waiting import follow


@options.connected(options.cluster_client)
def create_kubernetes(
    client: ClusterClient,
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The name of the cluster")],
    kind: Annotated[
        Literal["single-zone", "multi-zone", "managed"],
        typer.Option(help="Layout: single-zone, multi-zone or managed"),
    ],
    workers: Annotated[
        list[int] | None,
        typer.Option(help="Number of workers (once for each zone) [default: 3]"),
    ] = None,
    worker_type: Annotated[
        list[str] | None,
        typer.Option(help="Instance type of workers (once for each zone)"),
    ] = None,
    master_type: Annotated[
        list[str] | None,
        typer.Option(help="Instance type of masters (once for each zone)"),
    ] = None,
    zone: Annotated[str, typer.Option(help="Zone [$ECS_ZONE]")] = "",
    vpc_id: Annotated[str, typer.Option(help="VPC [$ECS_VPC_ID]")] = "",
    vswitch_id: Annotated[
        list[str] | None,
        typer.Option(help="VSwitch (once for each zone) [$ECS_VSWITCH_ID]"),
    ] = None,
    container_cidr: Annotated[str, typer.Option(help="Addresses of the pods")] = "172.20.0.0/16",
    service_cidr: Annotated[str, typer.Option(help="Addresses of the services")] = "172.21.0.0/20",
    password: options.Password = "",
    key_pair: Annotated[str, typer.Option(help="Key pair, instead of a password")] = "",
    charge_type: Annotated[
        str, options.one_of("How all nodes are charged", "PostPaid", "PrePaid")
    ] = "PostPaid",
    period_unit: Annotated[str, options.one_of("Unit of --period", "Month", "Year")] = "",
    period: Annotated[int, typer.Option(help="Length of a subscription")] = 0,
    auto_renew: Annotated[bool, typer.Option(help="Renew subscriptions")] = False,
    system_disk_category: Annotated[
        str, typer.Option(help="Kind of system disks")
    ] = "cloud_efficiency",
    system_disk_size: Annotated[int, typer.Option(help="Size of system disks in GiB")] = 40,
    data_disk_category: Annotated[
        str, typer.Option(help="Kind of data disks")
    ] = "cloud_efficiency",
    data_disk_size: Annotated[int, typer.Option(help="Size of data disks in GiB; 0: none")] = 0,
    ssh: Annotated[bool, typer.Option(help="Open SSH to the internet")] = False,
    cloud_monitor: Annotated[bool, typer.Option(help="Install the monitoring agent")] = False,
    snat: Annotated[bool, typer.Option("--snat/--no-snat", help="Create an SNAT entry")] = True,
    public_slb: Annotated[bool, typer.Option(help="Give the API server a public address")] = False,
    rollback: Annotated[bool, typer.Option(help="Roll back if creation fails")] = False,
    timeout_mins: Annotated[
        int, typer.Option(help="Minutes after which the service gives up")
    ] = 60,
    wait: options.Wait = False,
    timeout: options.Timeout = 3600,
) -> None:
    """Create a Kubernetes cluster: in one zone, in three zones, or managed.

    Example: ecsmachine cluster create-kubernetes my-k8s --kind managed --workers 2
    """
    environment = session(ctx).environment
    zones = 3 if kind == "multi-zone" else 1
    types = [options.default_instance_type(ctx)] * zones

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
        kind=kind,
        name=name,
        region_id=client.roa.region,
        vpc_id=vpc_id or environment.get("ECS_VPC_ID", ""),
        vswitch_ids=tuple(vswitch_id or [environment.get("ECS_VSWITCH_ID", "")]),
        zone_id="" if zones > 1 else zone or environment.get("ECS_ZONE", ""),
        container_cidr=container_cidr,
        service_cidr=service_cidr,
        workers=nodes(worker_type or types),
        worker_numbers=tuple(workers or [3] * zones),
        masters=None if kind == "managed" and not master_type else nodes(master_type or types),
        login_password="" if key_pair else options.password_of(ctx, password),
        key_pair=key_pair,
        ssh_flags=ssh,
        cloud_monitor_flags=cloud_monitor,
        snat_entry=snat,
        public_slb=public_slb,
        disable_rollback=not rollback,
        timeout_mins=timeout_mins,
    )
    follow(client, name, client.create(request), wait, timeout)
