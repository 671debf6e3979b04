"""How a cluster is reached from here: by ~/.docker/aliyun/NAME/{ca,cert,key}.pem, and variables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ecsmachine.cli.commands.container_service import options
from ecsmachine.cli.commands.container_service.hints import for_commands
from ecsmachine.errors import MachineError

if TYPE_CHECKING:
    from ecsmachine.aliyun.container_service import Certificates


def cluster_variables(ctx: typer.Context, name: str, *, unset: bool = False) -> dict[str, str]:
    """Return the variables of a cluster; with ``unset`` their names alone count.

    Raises :class:`MachineError` while the cluster has no master, or its certificates are not
    on this computer.
    """
    names = ("DOCKER_TLS_VERIFY", "DOCKER_HOST", "DOCKER_CERT_PATH", options.CLUSTER_VARIABLE)
    if unset:
        return dict.fromkeys(names, "")
    from ecsmachine.aliyun.container_service.application_client import https_of

    with for_commands():
        cluster = options.cluster_client(ctx).find(name)
    if not cluster.master_url:
        raise MachineError(
            f'The cluster "{cluster.name}" has no master: it is {cluster.state}',
            hint="Only Swarm clusters that run have one.",
        )
    folder = options.certificate_folder(ctx, cluster.name)
    if not (folder / "key.pem").is_file():
        raise MachineError(
            f"There is no {folder / 'key.pem'}",
            hint=f'Fetch it with "ecsmachine cluster certs {cluster.name}".',
        )
    host = https_of(cluster.master_url).replace("https://", "tcp://", 1)
    return dict(zip(names, ("1", host, str(folder), cluster.name), strict=True))


def store_certificates(certificates: Certificates, folder: Path) -> None:
    """Write the three files, readable by their owner alone; the folder too.

    The key goes last: a folder with a key is complete. Raises :class:`MachineError`.
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
            hint="Check the rights of the folder ~/.docker/aliyun.",
        ) from None
