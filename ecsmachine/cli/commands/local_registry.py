"""``ecsmachine local registry …``: what fills a local cloud's registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecsmachine.cli.arguments.groups import command_group
from ecsmachine.cli.commands.local_cloud import Root, as_machine_errors, running_cloud
from ecsmachine.cli.display.output import print_result
from ecsmachine.cli.display.printer import say
from ecsmachine.errors import MachineError

app = command_group(
    """The local cloud's registry: a mirror for its engines.

    Example: ecsmachine local registry push nginx.tar nginx:1.25
    """
)


@app.command()
def push(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(help='A tar file of "docker save", or an OCI image layout')
    ],
    name: Annotated[str, typer.Argument(metavar="NAME:TAG", help="Name to pull it by")],
    root: Root = None,
) -> None:
    """Push an image from a file to the local cloud's registry.

    Example: ecsmachine local registry push nginx.tar nginx:1.25
    """
    import tempfile

    from ecsmachine.localcloud.registry.archive import read_archive
    from ecsmachine.localcloud.registry.push import parse_reference
    from ecsmachine.localcloud.registry.push import push as push_image

    with as_machine_errors(), tempfile.TemporaryDirectory(prefix="ecsmachine-push-") as work:
        repository, tag = parse_reference(name)
        image = read_archive(file, Path(work), name)
        running = running_cloud(ctx, root)
        if running.registry is None:
            raise MachineError(
                "This local cloud has no registry, because it has no guests",
                hint="Start one with guests: ecsmachine local up --root DIR --guests nspawn",
            )
        digest = push_image(running.registry, repository, tag, image)
    say(f"{repository}:{tag} {digest}")
    print_result({"Name": f"{repository}:{tag}", "Digest": digest})
