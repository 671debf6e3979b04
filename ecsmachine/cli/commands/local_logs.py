"""``ecsmachine local logs``: the daemon's log, a guest's console, what was asked of the API."""

from __future__ import annotations

import os
import time
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecsmachine.cli.commands import local_cloud
from ecsmachine.cli.display.cleaning import one_line
from ecsmachine.cli.display.output import print_json, with_our_keys
from ecsmachine.cli.display.printer import document, finish, show
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.system.files import file_exists, is_open_at, path_exists

if TYPE_CHECKING:
    from ecsmachine.localcloud.service.request_log import RecordedRequest

_FOLLOW_S = 0.2
_LONGEST_VALUE = 60


def logs(
    ctx: typer.Context,
    instance: Annotated[
        str | None, typer.Argument(help="An instance's id: print its console")
    ] = None,
    root: local_cloud.Root = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new lines")] = False,
    lines: Annotated[
        int | None,
        typer.Option("--lines", "-n", min=0, help="Print only this many of the last lines"),
    ] = None,
    requests: Annotated[bool, typer.Option(help="Print the API's requests and answers")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the requests as JSON, in full")
    ] = False,
) -> None:
    """Print the local cloud's log, the console of an instance, or the requests.

    The last 1,000 requests since "up" are kept, without secrets. With --follow, --json prints a
    request a line.

    \b
    Examples:
      ecsmachine local logs -n 50 --follow
      ecsmachine local logs --requests --json
    """
    if instance is not None and requests:
        raise UsageError(
            "An instance has no requests of its own",
            hint=f"Leave out {instance}, or --requests",
        )
    if as_json and not requests:
        raise UsageError(
            "The log cannot be printed as JSON", hint="Use --json together with --requests"
        )
    if requests:
        _show_requests(ctx, root, follow=follow, lines=lines, as_json=as_json)
    else:
        _show_file(_file(ctx, root, instance), follow=follow, lines=lines)


def _file(ctx: typer.Context, root: Path | None, instance: str | None) -> Path:
    from ecsmachine.localcloud.host.paths import CloudPaths

    paths = CloudPaths.of(local_cloud.root_of(ctx, root))
    file = paths.log if instance is None else paths.instances / instance / "console.log"
    if instance is not None and (os.sep in instance or not file_exists(file)):
        raise MachineError(
            f"There is no instance {instance}, and no console of it.",
            hint='"ecsmachine local status" lists the instances.',
        )
    if not file_exists(file):
        raise MachineError(f"There is no local cloud in {paths.root}.", hint=local_cloud.START_HINT)
    return file


def _show_file(file: Path, *, follow: bool, lines: int | None) -> None:
    from ecsmachine.localcloud.host.guests.console import legible

    while True:
        with file.open(encoding="utf-8", errors="replace", newline="") as stream:
            text = legible(stream.read())
            if lines is not None:
                text = "".join(text.splitlines(keepends=True)[-lines:] if lines else [])
            show(text, end="")
            while follow and is_open_at(stream.fileno(), file):
                finish()
                time.sleep(_FOLLOW_S)
                show(legible(stream.read()), end="")
        # A guest that starts anew has a new console; one that is removed has none any more.
        while follow and not path_exists(file) and path_exists(file.parent):
            time.sleep(_FOLLOW_S)
        if not follow or not path_exists(file):
            return
        lines = None


def _show_requests(
    ctx: typer.Context, root: Path | None, *, follow: bool, lines: int | None, as_json: bool
) -> None:
    local_cloud.require_extra()
    from ecsmachine.localcloud.service.remote import RemoteCloud

    running = local_cloud.running_cloud(ctx, root)
    log = RemoteCloud(running.endpoint, running.access_key_id, running.access_key_secret)
    with local_cloud.as_machine_errors():
        found = log.after()
    last = found[-1].number if found else 0
    if lines is not None:
        found = found[-lines:] if lines else []
    if as_json and not follow:
        print_json([with_our_keys(one.as_data()) for one in found])
        return
    with local_cloud.as_machine_errors():
        for one in chain(found, log.follow(last) if follow else ()):
            made = document()
            if made is not None:
                made.row(with_our_keys(one.as_data()))
            else:
                show(_line(one))
                finish()


def _line(one: RecordedRequest) -> str:
    """Return a request in a line: time, action, HTTP status, code, duration, parameters."""
    values = " ".join(
        f"{name}={text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + '...'}"
        for name, text in ((name, str(value)) for name, value in one.parameters.items())
    )
    outcome = f"{one.status} {one.code}".strip() if one.status else "cut"
    what = one.action or f"{one.method} {one.path}"
    return one_line(
        f"{one.time}  {what}  {outcome}  {one.seconds * 1000:.0f} ms  {values}".rstrip()
    )
