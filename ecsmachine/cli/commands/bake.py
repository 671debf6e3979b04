"""The command ``bake``: images with the engine in them, of machines that are made for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecsmachine.cli.arguments.context import Session, session
from ecsmachine.cli.arguments.create_options import SSH, request_of
from ecsmachine.cli.arguments.driver_options import (
    parameter_name,
    told_flags_and_settings,
    values_for,
    with_options,
)
from ecsmachine.cli.arguments.engine_options import ENGINE
from ecsmachine.cli.arguments.login_keys import ask_for_passphrases
from ecsmachine.cli.arguments.options import AllOptions, AsJson, Driver, Yes
from ecsmachine.cli.commands import orphans
from ecsmachine.cli.display.confirmation import confirm
from ecsmachine.cli.display.output import print_json, print_listing, print_result
from ecsmachine.cli.display.printer import document, say, show
from ecsmachine.drivers import registry
from ecsmachine.drivers.baking import BakedImage, BakedImages, validate_family
from ecsmachine.drivers.options import OptionValue
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.machine.several import summed_up

if TYPE_CHECKING:
    from ecsmachine.machine.create_request import CreateRequest

_EVERYDAY = {"name", "source", "family", "list_images", "prune", "yes", "json", "help"}
"""The command's own options that its help shows first."""

_NOT_HERE = ("aliyunecs-deletion-protection", "aliyunecs-auto-renew", "aliyunecs-eip")
"""Options of machines that stay."""


def command(driver_name: str) -> Callable[..., None]:
    """Return the function behind ``bake``, with the flags of a driver."""
    options = (*ENGINE, *SSH, *registry.options_of(driver_name))

    def bake(
        ctx: typer.Context,
        name: Annotated[str, typer.Argument(help="The name of the image family")] = "",
        source: Annotated[
            str,
            typer.Option(
                "--from",
                metavar="MACHINE",
                help="Copy this machine, which stays as it is",
            ),
        ] = "",
        family: Annotated[str, typer.Option(help="The image family, if it differs from NAME")] = "",
        list_images: Annotated[
            bool, typer.Option("--list", help="List the images of the family, or all of them")
        ] = False,
        prune: Annotated[
            int | None,
            typer.Option(
                metavar="KEEP",
                min=0,
                help="Keep the newest images of the family, this many; remove the others",
            ),
        ] = None,
        yes: Yes = False,
        keep_on_failure: Annotated[
            bool, typer.Option(help="Keep the created resources if the bake fails")
        ] = False,
        all_options: AllOptions = False,
        json: AsJson = False,
        driver: Driver = None,
        **given: Any,
    ) -> None:
        """Make an image that contains the engine: machines created from it install nothing.

        A machine is made, generalised, copied into an image, and removed.

        Example: ecsmachine bake web --engine-version 27.5
        """
        this = session(ctx)
        flags, settings = told_flags_and_settings(ctx, options, given, all_options=all_options)
        _check(name, source, flags, list_images=list_images, prune=prune)
        wanted = family or name
        if wanted:
            validate_family(wanted)
        if list_images or prune is not None:
            account = registry.account_options_of(driver_name)
            values = values_for(this, account, flags, settings)
            images = registry.baked_images(driver_name, this.store.context(""), values)
            if list_images:
                _list(this, images, wanted, as_json=json)
            else:
                _prune(images, wanted, prune or 0, yes=yes, as_json=json)
            return
        create = None
        if not source:
            create = _create_request(ctx, driver_name, name, wanted, flags, settings)
        _bake(this, name, wanted, create, source, keep_on_failure=keep_on_failure)

    function = with_options(bake, options)
    function.everyday = _EVERYDAY | {  # type: ignore[attr-defined]
        parameter_name(option) for option in options if option.everyday
    }
    return function


def _check(
    name: str,
    source: str,
    flags: Mapping[str, OptionValue],
    *,
    list_images: bool,
    prune: int | None,
) -> None:
    """Raise :class:`UsageError` for what does not go together."""
    if list_images and prune is not None:
        raise UsageError("--list cannot be used with --prune", hint="Give one of them.")
    if not name and not list_images:
        raise UsageError("No image family name specified", hint="Example: ecsmachine bake web")
    if (list_images or prune is not None) and source:
        raise UsageError("--from makes an image", hint="Leave --list and --prune out.")
    given = [option for option, value in flags.items() if value not in (None, [])]
    if source and given:
        raise UsageError(
            f"--{given[0]} cannot be used with --from: the copy is like the machine",
            hint="Leave it out.",
        )


def _create_request(
    ctx: typer.Context,
    driver_name: str,
    name: str,
    family: str,
    flags: Mapping[str, OptionValue],
    settings: Mapping[str, OptionValue],
) -> CreateRequest:
    """Return what the machine is made with that the image is made of."""
    from ecsmachine.machine.bake import machine_name

    request = request_of(session(ctx), machine_name(name), driver_name, flags, settings)
    values = request.driver_values
    of_no_use = [option for option in _NOT_HERE if values.get(option)]
    if values.get("aliyunecs-charge-type") == "PrePaid":
        of_no_use.append("aliyunecs-charge-type PrePaid")
    if of_no_use:
        raise UsageError(
            f"--{of_no_use[0]} cannot be used with bake: its machine is removed",
            hint="Leave it out, and unset its variable.",
        )
    ask_for_passphrases(session(ctx), request)
    return replace(request, bake={"Family": family})


def _bake(
    this: Session,
    name: str,
    family: str,
    create: CreateRequest | None,
    source: str,
    *,
    keep_on_failure: bool,
) -> None:
    from ecsmachine.cli.display.progress import steps_of
    from ecsmachine.machine.bake import BakeRequest, bake, machine_name
    from ecsmachine.machine.interruption import Interruption, in_own_thread
    from ecsmachine.machine.model import validate_name

    machine = validate_name(machine_name(name))
    if create is not None:
        create = replace(create, keep_on_failure=keep_on_failure)
    request = BakeRequest(machine, family, create, source, keep_on_failure)
    this.under_way = [machine]
    this.interruption = interruption = Interruption()
    with steps_of(machine) as report:
        image = in_own_thread(lambda: bake(this.store, request, report, interruption=interruption))
    print_result(_row(this, image))
    say(f"Image {image.id} of family {image.family}, with Docker {image.engine}, is ready")
    say(this.as_called(f"To use it, run: ecsmachine create {flags_for(image)} NAME"))


def flags_for(image: BakedImage) -> str:
    """Return the options of ``create`` for an image: its disk may be larger than the default."""
    size = "aliyunecs-system-disk-size"
    (usual,) = (one.default for one in registry.options_of("aliyunecs") if one.name == size)
    larger = isinstance(usual, int) and image.size_gib > usual
    return f"--aliyunecs-image-family {image.family}" + (
        f" --{size} {image.size_gib}" if larger else ""
    )


def _list(this: Session, images: BakedImages, family: str, *, as_json: bool) -> None:
    rows = [_row(this, image) for image in images.find(family)]
    if as_json or document() is not None:
        print_json(rows)
    elif not rows:
        show(f"There are no baked images{f' of family {family}' if family else ''}.")
    else:
        columns: dict[str, Callable[[dict[str, Any]], str]] = {
            "FAMILY": lambda row: row["Family"],
            "IMAGE": lambda row: row["Id"],
            "ENGINE": lambda row: row["Engine"] or "-",
            "CREATED": lambda row: f"{row['Age']} ago" if row["Age"] else "-",
            "SIZE": lambda row: f"{row['SizeGiB']} GiB",
            "STATUS": lambda row: row["Status"],
            "STORE": lambda row: row["Store"] or "-",
        }
        print_listing(rows, columns, as_json=False)


def _row(this: Session, image: BakedImage) -> dict[str, Any]:
    """Return an image as JSON has it."""
    own = image.store_id == this.store.context("").store_id
    return {
        "Family": image.family,
        "Id": image.id,
        "ImageName": image.name,
        "Engine": image.engine,
        "Region": image.region,
        "Status": image.status,
        "SizeGiB": image.size_gib,
        **orphans.created_and_age(image.created),
        "Store": "this" if own else image.store_id,
        "Snapshots": list(image.snapshot_ids),
    }


def _prune(images: BakedImages, family: str, keep: int, *, yes: bool, as_json: bool) -> None:
    if as_json and not yes:
        raise UsageError("--json does not ask", hint="Give -y as well.")
    doomed = images.find(family)[keep:]
    if doomed:
        names = ", ".join(image.id for image in doomed)
        confirm(f"About to remove from image family {family}: {names}", yes)
    removed: list[str] = []
    kept: list[str] = []
    failures: list[tuple[str, MachineError]] = []
    for image in doomed:
        try:
            gone = images.remove(image, say)
        except MachineError as error:
            error.machine = image.id
            failures.append((image.id, error))
            continue
        (removed if gone else kept).append(image.id)
        if not gone:
            say(f"Image {image.id} is kept: machines use it")
    say(f"{len(removed)} removed, {len(kept)} in use, {len(failures)} failed")
    print_result({"Removed": removed, "InUse": kept})
    if failures:
        message = f"{len(failures)} of {len(doomed)} images could not be removed"
        raise summed_up(message, failures, hint="The same command tries again.")
