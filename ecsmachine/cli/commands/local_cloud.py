"""What the commands about a local cloud share: which one it is, and how its errors are told."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecsmachine.cli.arguments.context import Session
from ecsmachine.errors import MachineError

if TYPE_CHECKING:
    from ecsmachine.localcloud.host.settings import Running

START_HINT = "Start it with: ecsmachine local up"

Root = Annotated[
    Path | None,
    typer.Option(
        "--root",
        help="The cloud's folder [$ECSMACHINE_LOCAL_ROOT]",
        show_default=False,
        file_okay=False,
    ),
]


def environment_of(ctx: typer.Context) -> Mapping[str, str]:
    """Return the environment that the program was called with."""
    return ctx.obj.environment if isinstance(ctx.obj, Session) else os.environ


def root_of(ctx: typer.Context, given: Path | None) -> Path:
    """Return the cloud's folder: the one given, else the variable's, else the usual one."""
    from ecsmachine.localcloud.host.paths import default_root

    named = given or environment_of(ctx).get("ECSMACHINE_LOCAL_ROOT")
    return Path(named).absolute() if named else default_root()


def running_cloud(ctx: typer.Context, root: Path | None) -> Running:
    """Return the cloud that is up. Raises :class:`MachineError` if it is not."""
    from ecsmachine.localcloud.host.paths import CloudPaths
    from ecsmachine.localcloud.host.processes import is_alive
    from ecsmachine.localcloud.host.settings import read_running

    with translated():
        running = read_running(CloudPaths.of(root_of(ctx, root)).daemon_file)
    if running is None or not is_alive(running.process):
        raise MachineError("The local cloud is not up.", hint=START_HINT)
    return running


def require_extra() -> None:
    """Raise an error if the packages of the extra "local" are not installed."""
    if any(find_spec(module) is None for module in ("starlette", "uvicorn")):
        raise MachineError(
            "The local cloud needs more packages.",
            hint="Install them with: pip install 'ecsmachine[local]'",
        )


@contextmanager
def translated() -> Iterator[None]:
    """Turn the local cloud's errors, and those of its files, into those that are shown."""
    from ecsmachine.localcloud.protocol.problems import LocalCloudError

    try:
        yield
    except LocalCloudError as error:
        raise MachineError(error.message, hint=error.hint, details=error.details) from error
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise MachineError(f"{place}{error.strerror or error}") from error
