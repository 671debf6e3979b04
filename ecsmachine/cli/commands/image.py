"""``ecsmachine image …``: the images of a registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecsmachine.cli.arguments.context import session
from ecsmachine.cli.arguments.groups import command_group
from ecsmachine.cli.arguments.options import AsJson
from ecsmachine.cli.display.printer import say, show
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.system.folders import home

if TYPE_CHECKING:
    from ecsmachine.container_registry.client import Image, RegistryClient

app = command_group(
    """Images of a registry (Docker Registry HTTP API v2).

    Example: ecsmachine image ls --registry http://127.0.0.1:5000
    """
)

Registry = Annotated[str, typer.Option(help="Address of the registry [$ENGINE_REGISTRY_MIRROR]")]


@app.command("ls")
def list_images(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A repository (default: all)")] = "",
    registry: Registry = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only NAME:TAG")] = False,
    as_json: AsJson = False,
) -> None:
    """List the images of a registry.

    Example: ecsmachine image ls --registry http://127.0.0.1:5000
    """
    from ecsmachine.cli.display.output import print_listing, with_our_keys
    from ecsmachine.container_registry.reference import Reference, parse_name

    client = _client(ctx, registry)
    repositories = [parse_name(name)] if name else client.repositories()
    tagged = [(one, tag) for one in repositories for tag in client.tags(one)]
    if quiet and not as_json:
        for one, tag in tagged:
            show(f"{one}:{tag}")
        return
    images = [client.image(Reference(one, tag)) for one, tag in tagged]
    print_listing(
        images,
        {"NAME": "name", "TAG": "tag", "DIGEST": lambda one: one.digest[:19], "SIZE": _size},
        as_json=as_json,
        value=lambda one: with_our_keys(vars(one)),
    )


@app.command("rm")
def remove(
    ctx: typer.Context,
    names: Annotated[
        list[str], typer.Argument(metavar="NAME:TAG...", help="Images; @DIGEST works too")
    ],
    registry: Registry = "",
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Remove the image even if it has other tags")
    ] = False,
) -> None:
    """Remove images from a registry.

    A registry removes an image with all its tags. Without --force, an image that has other tags is
    kept.

    Example: ecsmachine image rm nginx:1.25 --registry http://127.0.0.1:5000
    """
    from ecsmachine.container_registry.reference import Reference, parse_reference
    from ecsmachine.machine.several import for_each

    references = {str(each): each for each in map(parse_reference, names)}
    client = _client(ctx, registry)

    def remove_one(name: str) -> None:
        reference = references[name]
        digest = client.image(reference).digest
        others = [
            tag
            for tag in client.tags(reference.name)
            if tag != reference.version
            and client.image(Reference(reference.name, tag)).digest == digest
        ]
        if others and not force:
            raise MachineError(
                f"{reference} has other tags: {', '.join(others)}",
                hint="Give --force to remove it with all its tags.",
            )
        client.remove(reference.name, digest)
        say(f"Removed {reference} ({digest})")

    for_each(references, remove_one, at_once=1, what="images")


def _client(ctx: typer.Context, given: str) -> RegistryClient:
    from ecsmachine.container_registry.client import RegistryClient
    from ecsmachine.container_registry.credentials import stored_login
    from ecsmachine.container_registry.reference import registry_url

    session(ctx).repeat("image", registry=given)
    environment = session(ctx).environment
    named = given or environment.get("ENGINE_REGISTRY_MIRROR", "")
    if not named:
        raise UsageError(
            "No registry specified", hint="Name it with --registry, or set ENGINE_REGISTRY_MIRROR."
        )
    url = registry_url(named)
    folder = environment.get("DOCKER_CONFIG") or str(
        Path(home(environment) or Path.home()) / ".docker"
    )
    return RegistryClient(url, stored_login(Path(folder) / "config.json", url))


def _size(image: Image) -> str:
    if image.size is None:
        return "-"
    size, units = float(image.size), ["B", "kB", "MB", "GB"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:.3g} {units[0]}"
