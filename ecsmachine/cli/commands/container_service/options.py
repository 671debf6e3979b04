"""Shared parts of the commands of Container Service: options, clients, variables, certificates."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ecsmachine.aliyun.container_service.application_client import ApplicationClient, https_of
from ecsmachine.aliyun.container_service.client import ENDPOINT, ClusterClient
from ecsmachine.aliyun.container_service.clusters import Certificates
from ecsmachine.aliyun.container_service.rules import DATA_DISK_SIZES
from ecsmachine.cli.arguments.context import session
from ecsmachine.cli.arguments.groups import inject
from ecsmachine.cli.commands.container_service.hints import for_commands
from ecsmachine.documents.rules import REGION
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.system.files import file_exists
from ecsmachine.system.folders import home
from ecsmachine.system.names import why_no_folder

_ENDPOINT_NAMED = "--endpoint, CS_API_ENDPOINT or ECS_API_ENDPOINT"

CLUSTER_VARIABLE = "ECSMACHINE_CLUSTER"

_OF_APPLICATIONS = ("project", "service", "volume", "trigger")
"""The groups of commands that are told which cluster they are for."""

Region = Annotated[str, typer.Option(help="Region [default: cn-hangzhou, $ECS_REGION]")]
Endpoint = Annotated[
    str,
    typer.Option(
        help="Address of the API [default: https://cs.aliyuncs.com, $CS_API_ENDPOINT, "
        "$ECS_API_ENDPOINT]"
    ),
]
Profile = Annotated[
    str,
    typer.Option(help='Profile of the "aliyun" command to take credentials from [$ECS_PROFILE]'),
]
ClusterName = Annotated[
    str, typer.Option("--cluster", "-c", help=f"Name or id of the cluster [${CLUSTER_VARIABLE}]")
]
Insecure = Annotated[bool, typer.Option(help="Do not verify the master's certificate")]
JsonAnyway = Annotated[bool, typer.Option("--json", help="Print JSON (this command always does)")]
Wait = Annotated[bool, typer.Option("--wait", "-w", help="Wait until the work is done")]
Timeout = Annotated[int, typer.Option(min=1, help="How long to wait at most, in seconds")]


def one_of(help: str, *values: str, flags: Sequence[str] = ()) -> Any:  # noqa: A002  (typer's name)
    """Return an option that has these values: completion offers them."""
    return typer.Option(*flags, help=help, autocompletion=lambda: list(values))


Password = Annotated[str, typer.Option(help="Password of root on the nodes [$ECS_SSH_PASSWORD]")]
Image = Annotated[str, typer.Option(help='Image of the nodes (see "cluster images")')]
ReleaseEip = Annotated[bool, typer.Option(help="Release the nodes' public addresses afterwards")]


_Command = Callable[..., None]

connected = functools.partial(inject, within=for_commands)
"""Hands a command its client; errors speak of commands."""


def commands(
    app: typer.Typer, client: Callable[..., Any]
) -> Callable[..., Callable[[_Command], _Command]]:
    """Return what adds a command to a group: one that is handed ``client``, and what else is named.

    It is used as ``@command("ls")`` and ``@command("create", node_fields)``.
    """

    def command(name: str, *makers: Callable[..., Any]) -> Callable[[_Command], _Command]:
        return lambda function: app.command(name)(connected(client, *makers)(function))

    return command


def cluster_client(
    ctx: typer.Context, region: Region = "", endpoint: Endpoint = "", profile: Profile = ""
) -> ClusterClient:
    """Return the client of the management API that the options and variables name."""
    from ecsmachine.aliyun.credentials import CredentialFlags, resolve
    from ecsmachine.aliyun.endpoints import validate_endpoint

    typed = {"region": region, "endpoint": endpoint, "profile": profile}
    session(ctx).repeat("cluster", **typed)
    for group in _OF_APPLICATIONS:
        session(ctx).repeat(group, **typed, cluster=ctx.params.get("cluster"))
    environment = session(ctx).environment
    given = endpoint or environment.get("CS_API_ENDPOINT") or environment.get("ECS_API_ENDPOINT")
    if not (profile or environment.get("ECS_ACCESS_KEY_ID")):  # which wins over ECS_PROFILE
        profile = environment.get("ECS_PROFILE", "")
    flags = CredentialFlags(profile=profile)
    region = region or environment.get("ECS_REGION") or "cn-hangzhou"
    if not REGION.fits(region):
        raise UsageError(
            f'"{region}" is not a region such as cn-hangzhou',
            hint="Correct it: --region, or ECS_REGION.",
        )
    return ClusterClient(
        region,
        resolve(flags, environment),
        endpoint=validate_endpoint(given, _ENDPOINT_NAMED) if given else ENDPOINT,
        check="the endpoint (--endpoint, CS_API_ENDPOINT)",
    )


def application_client(
    ctx: typer.Context,
    cluster: ClusterName = "",
    insecure: Insecure = False,
    region: Region = "",
    endpoint: Endpoint = "",
    profile: Profile = "",
) -> ApplicationClient:
    """Return the client of a cluster's application API."""
    name = cluster_name(ctx, cluster)
    found = cluster_client(ctx, region, endpoint, profile).find(name)
    folder = certificate_folder(ctx, found.name)
    fetch = f'fetch them with "ecsmachine cluster certs {found.name}".'
    return ApplicationClient(
        found.master_url,
        folder,
        insecure=insecure,
        untrusted=f"The certificates in {folder} may belong to another cluster: {fetch}",
    )


def node_fields(
    ctx: typer.Context,
    instance_type: Annotated[
        str, typer.Option(help="Instance type of the nodes [$ECS_INSTANCE_TYPE]")
    ] = "",
    password: Password = "",
    image: Image = "",
    data_disk_category: Annotated[
        str, one_of("Kind of data disk", *DATA_DISK_SIZES)
    ] = "cloud_efficiency",
    data_disk_size: Annotated[int, typer.Option(help="Size of the data disk in GiB")] = 40,
    io_optimized: Annotated[
        str, one_of("Whether I/O is optimized", "optimized", "none")
    ] = "optimized",
    release_eip: ReleaseEip = False,
) -> dict[str, Any]:
    """Return the fields of a request for new nodes."""
    return {
        "instance_type": instance_type or default_instance_type(ctx),
        "password": password_of(ctx, password),
        "data_disk_category": data_disk_category,
        "data_disk_size": data_disk_size,
        "ecs_image_id": image,
        "io_optimized": io_optimized,
        "release_eip_flag": release_eip,
    }


def default_instance_type(ctx: typer.Context) -> str:
    """Return the type of nodes for which none is named."""
    return session(ctx).environment.get("ECS_INSTANCE_TYPE") or "ecs.n4.small"


def password_of(ctx: typer.Context, given: str) -> str:
    """Return the nodes' password, of the option or the variable."""
    password = given or session(ctx).environment.get("ECS_SSH_PASSWORD", "")
    if not password:
        raise UsageError(
            "No password for the nodes", hint="Set ECS_SSH_PASSWORD, or give --password."
        )
    return password


def cluster_name(ctx: typer.Context, given: str) -> str:
    """Return the name of the cluster that the option or the variable gives."""
    name = given or session(ctx).environment.get(CLUSTER_VARIABLE, "")
    if not name:
        raise UsageError(
            "No cluster specified", hint=f"Name it with --cluster, or set {CLUSTER_VARIABLE}."
        )
    return name


def certificate_folder(ctx: typer.Context, name: str) -> Path:
    """Return where the certificates of a cluster are: ~/.docker/aliyun/NAME."""
    if not name or name in (".", "..") or "/" in name or "\0" in name or why_no_folder(name):
        raise UsageError(f'"{name}" cannot be the name of a folder', hint="Name a cluster.")
    return Path(home(session(ctx).environment) or Path.home()) / ".docker" / "aliyun" / name


def pairs(values: list[str] | None, option: str) -> dict[str, str]:
    """Return ``NAME=VALUE`` words as a dictionary."""
    found = {}
    for word in values or []:
        name, equals, value = word.partition("=")
        if not equals or not name.strip():
            raise UsageError(
                f'{option}: "{word}" is not NAME=VALUE', hint="Write it as NAME=VALUE."
            )
        found[name.strip()] = value
    return found


def cluster_variables(ctx: typer.Context, name: str, *, unset: bool) -> dict[str, str | None]:
    """Return the variables of a cluster; with ``unset`` they have no values.

    Raises :class:`MachineError` while the cluster has no master, or its certificates are not
    on this computer.
    """
    names = ("DOCKER_TLS_VERIFY", "DOCKER_HOST", "DOCKER_CERT_PATH", CLUSTER_VARIABLE)
    if unset:
        return dict.fromkeys(names)
    with for_commands():
        cluster = cluster_client(ctx).find(name)
    if not cluster.master_url:
        raise MachineError(
            f'The cluster "{cluster.name}" has no master: it is {cluster.state}',
            hint="Only running Swarm clusters have one.",
        )
    folder = certificate_folder(ctx, cluster.name)
    if not file_exists(folder / "key.pem"):
        raise MachineError(
            f"There is no {folder / 'key.pem'}",
            hint=f'Fetch it with "ecsmachine cluster certs {cluster.name}".',
        )
    host = https_of(cluster.master_url).replace("https://", "tcp://", 1)
    return dict(zip(names, ("1", host, str(folder), cluster.name), strict=True))


def store_certificates(certificates: Certificates, folder: Path) -> None:
    """Write the three files; only their owner can read them and the folder.

    The key is written last: a folder with a key is complete. Raises :class:`MachineError`.
    """
    from ecsmachine.ssh.private_files import write_private

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        for name in ("ca", "cert", "key"):
            text = getattr(certificates, name)
            write_private(folder / f"{name}.pem", text.encode())
    except OSError as error:
        raise MachineError(
            f"{error.filename or folder}: {error.strerror}",
            hint="Check the permissions of the folder ~/.docker/aliyun.",
        ) from None
