"""``ecsmachine local run``: programs that know Alibaba Cloud alone, on the local cloud."""

from __future__ import annotations

import shutil
import signal
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from ecsmachine.cli.arguments.context import session
from ecsmachine.cli.commands import local_cloud
from ecsmachine.errors import INTERRUPTED, MachineError
from ecsmachine.system import stand_in_program

if TYPE_CHECKING:
    from ecsmachine.localcloud.host.settings import Running


def run(
    ctx: typer.Context,
    program: Annotated[list[str], typer.Argument(help="The program, and its arguments")],
    root: local_cloud.Root = None,
) -> None:
    """Run a program for which Alibaba Cloud's own addresses lead to the local cloud.

    For programs that take no endpoint, such as Packer. The program has a hosts file of its own,
    and variables with the cloud's access key, its region, and the authority of its certificate.
    Needs root.

    Example: ecsmachine local run packer build image.json
    """
    local_cloud.require_extra()
    from ecsmachine.localcloud.service.stand_in import stand_in

    environment = session(ctx).environment
    if shutil.which(program[0], path=environment.get("PATH")) is None:
        raise MachineError(
            f'There is no program "{program[0]}"', hint="Install it, or correct its name."
        )
    running = local_cloud.running_cloud(ctx, root)
    port = urlsplit(running.endpoint).port or 80
    with local_cloud.as_machine_errors(), stand_in(port) as place:
        spared = local_cloud.no_proxy_variables(running, environment, ".aliyuncs.com")
        variables = {**environment, **spared, **_credentials(running), **place.variables}
        status = stand_in_program.run(place.command(program), variables)
    if status == -signal.SIGINT:
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(status if status >= 0 else 128 - status)


run.context_settings = {  # type: ignore[attr-defined]
    "allow_interspersed_args": False
}


def _credentials(running: Running) -> dict[str, str]:
    """Return the variables by which Alibaba Cloud's tools are given access key and region."""
    key, secret, region = running.access_key_id, running.access_key_secret, running.region
    return {
        **running.environment(),
        "ALICLOUD_ACCESS_KEY": key,
        "ALICLOUD_SECRET_KEY": secret,
        "ALICLOUD_REGION": region,
        "ALIBABA_CLOUD_ACCESS_KEY_ID": key,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": secret,
        "ALIBABA_CLOUD_REGION_ID": region,
    }
