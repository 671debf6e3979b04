"""``ecsmachine local fault …``: things that go wrong in a local cloud, on demand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecsmachine.cli.arguments.groups import command_group
from ecsmachine.cli.arguments.options import AsJson
from ecsmachine.cli.commands.local_cloud import (
    START_HINT,
    Root,
    as_machine_errors,
    require_extra,
    root_of,
)
from ecsmachine.cli.display.output import print_json, print_result, table, with_our_keys
from ecsmachine.cli.display.printer import say, show
from ecsmachine.errors import MachineError, UsageError

if TYPE_CHECKING:
    from ecsmachine.localcloud.faults.book import FaultBook

app = command_group(
    """Inject faults into a local cloud.

    Example: ecsmachine local fault add no-stock --instance-type "ecs.n4.*"
    """
)


def _kinds() -> list[str]:
    from ecsmachine.localcloud.faults.fault import KINDS

    return list(KINDS)


def _option(help: str, *names: str) -> Any:  # noqa: A002  (the name that typer has)
    return typer.Option(*names, help=help)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _pattern(help: str) -> Any:  # noqa: A002
    return typer.Option(metavar="PATTERN", help=help)


@app.command()
def add(
    ctx: typer.Context,
    kind: Annotated[
        str, typer.Argument(help="The kind of fault (see above)", autocompletion=_kinds)
    ],
    root: Root = None,
    action: Annotated[str, _pattern("For requests: only these actions")] = "",
    region: Annotated[str, _pattern("For requests: only these regions")] = "",
    code: Annotated[str, _option("error: the error code")] = "",
    message: Annotated[str, _option("error: a message other than the code's")] = "",
    status: Annotated[int | None, _option("error: an HTTP status other than the code's")] = None,
    seconds: Annotated[float | None, _option("Duration, or delay")] = None,
    rate: Annotated[float | None, _option("throttle: allowed requests per second")] = None,
    instance_type: Annotated[str, _pattern("no-stock: only these instance types")] = "",
    zone: Annotated[str, _pattern("no-stock: only these zones")] = "",
    instance: Annotated[
        str, _pattern("For guests and the mirror: only these instances, by name or id")
    ] = "",
    bytes_: Annotated[
        int | None, _option("ssh-drops: after this many bytes of a connection", "--bytes")
    ] = None,
    connection: Annotated[
        int | None, _option("ssh-drops: only this connection, counted from the start")
    ] = None,
    free_mib: Annotated[int | None, _option("disk-full: free space in MiB")] = None,
    path: Annotated[str, _pattern("For the mirror: only these paths, such as '*.deb'")] = "",
    nth: Annotated[
        int | None, _option("Strike at this occurrence only; with --times, from this one on")
    ] = None,
    times: Annotated[int | None, _option("Strike this many times, then no more")] = None,
    probability: Annotated[float | None, _option("Strike with this probability")] = None,
    seed: Annotated[
        int | None, _option("Seed of --probability: the same seed repeats the outcome")
    ] = None,
) -> None:
    """Add a fault, and print its id. It strikes from now on, until it is removed.

    Its action, type, zone or region must exist: a fault that can never strike is refused.

    \b
    For requests (after the signature check; a dry run is RunInstances/DryRun):
      error                 refused with --code
      quota                 refused as if a quota were used up
      throttle              Throttling.User beyond --rate
      delay                 answered --seconds later
      cut-before            connection cut, nothing done
      cut-after             connection cut, the work was done
      eventual-consistency  new resources are not found or listed for --seconds
      no-stock              an --instance-type is sold out in a --zone

    \b
    For guests (--times counts instances: 1 is the next one):
      never-boots           the instance is Running, nothing answers
      ssh-late              port 22 refuses for --seconds after the start
      ssh-drops             connections break off after --seconds or --bytes,
                            or only the one with the number --connection
      disk-full             the system disk of a new instance has --free-mib left

    \b
    For the install mirror (--times counts downloads):
      mirror-404            not found
      mirror-hangs          stops half way

    \b
    Examples:
      ecsmachine local fault add error --action RunInstances --code InternalError --times 2
      ecsmachine local fault add cut-after --action RunInstances --nth 1
      ecsmachine local fault add throttle --rate 5
      ecsmachine local fault add delay --action 'Describe*' --seconds 3
      ecsmachine local fault add eventual-consistency --seconds 5
      ecsmachine local fault add no-stock --instance-type 'ecs.g6.*' --zone cn-hangzhou-i
      ecsmachine local fault add error --code ServiceUnavailable --probability 0.1 --seed 7
      ecsmachine local fault add never-boots --times 1
      ecsmachine local fault add ssh-late --instance web1 --seconds 20
      ecsmachine local fault add mirror-404 --path '*.deb'
    """
    # but for these two, the options are the fields of a fault
    given: dict[str, Any] = {
        name.rstrip("_"): value
        for name, value in locals().items()
        if value is not None and name not in ("ctx", "root")
    }
    from ecsmachine.localcloud.faults.fault import fault_of
    from ecsmachine.localcloud.service.fault_reach import check_names

    with _refused():
        fault = fault_of(given.pop("kind"), given, _flag)
        check_names(fault, _flag)
    with _book(root_of(ctx, root), to_add=True) as book:
        number = book.add(fault)
    say(str(number))
    print_result({"Id": number})


@app.command()
def ls(ctx: typer.Context, root: Root = None, as_json: AsJson = False) -> None:
    """List the faults, and how often each has struck.

    Example: ecsmachine local fault ls
    """
    with _book(root_of(ctx, root)) as book:
        entries = book.entries()
    if as_json:
        print_json([with_our_keys(entry.as_data()) for entry in entries])
        return
    rows = [("ID", "KIND", "OF", "WHAT", "WHEN", "STRUCK")]
    for entry in entries:
        fault = entry.fault
        when = fault.when() + (" (spent)" if entry.spent else "")
        row = (str(entry.id), fault.kind, fault.where(), fault.what() or "-", when)
        rows.append((*row, str(entry.struck)))
    show(table(rows))


@app.command()
def rm(
    ctx: typer.Context,
    ids: Annotated[list[int] | None, typer.Argument(metavar="ID", help="Ids of faults")] = None,
    root: Root = None,
    every: Annotated[bool, typer.Option("--all", help="Remove all faults")] = False,
) -> None:
    """Remove faults; they no longer strike.

    Example: ecsmachine local fault rm --all
    """
    if every == bool(ids):
        raise UsageError(
            "Give the ids of faults, or --all",
            hint='"ecsmachine local fault ls" lists them.',
        )
    with _book(root_of(ctx, root)) as book:
        if every:
            book.clear()
            return
        missing = [str(fault_id) for fault_id in ids or () if not book.remove(fault_id)]
    if missing:
        raise MachineError(
            f"There is no fault {', '.join(missing)}.", hint="See: ecsmachine local fault ls"
        )


@contextmanager
def _book(folder: Path, *, to_add: bool = False) -> Iterator[FaultBook]:
    require_extra()
    from ecsmachine.localcloud.faults.book import FaultBook
    from ecsmachine.localcloud.host.paths import CloudPaths
    from ecsmachine.localcloud.host.settings import read_settings

    with as_machine_errors():
        settings = read_settings(CloudPaths.of(folder).settings_file)
    if settings is None:
        raise MachineError(f"There is no local cloud in {folder}.", hint=START_HINT)
    reach = None
    if to_add:
        from ecsmachine.localcloud.service.fault_reach import reach_of

        reach = reach_of(folder, guests=settings.guests != "none")
    with as_machine_errors():
        book = FaultBook(folder, reach)
        try:
            with _refused():
                yield book
        finally:
            book.close()


@contextmanager
def _refused() -> Iterator[None]:
    """Turn the refusal of a fault into an error of usage."""
    from ecsmachine.localcloud.faults.fault import FaultError

    try:
        yield
    except FaultError as error:
        hint = error.hint or "See: ecsmachine local fault add --help"
        raise UsageError(error.message, hint=hint) from error
