"""``ecsmachine config``: how to connect to an engine, and the engine's options.

``config NAME`` is Docker Machine's; ``config set``, ``unset`` and ``show`` come after it. A machine
that has one of those names is reached by ``config -- set``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecsmachine.cli.arguments.context import session
from ecsmachine.cli.arguments.every_command import Group, command_of
from ecsmachine.cli.arguments.groups import command_group, inject
from ecsmachine.cli.arguments.options import NamedMachine, NamedMachines
from ecsmachine.cli.commands import connect
from ecsmachine.cli.display import printer
from ecsmachine.cli.display.cleaning import without_passwords
from ecsmachine.drivers.base import Report
from ecsmachine.errors import UsageError

if TYPE_CHECKING:
    from ecsmachine.machine.engine_config import EngineChange
    from ecsmachine.machine.store import Store

_CONNECT = "connect"


class _Config(Group):
    """A group whose commands may be left out: what is none of them is the name of a machine."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        args = self.usual_forms(ctx, args)
        if args[:1] not in (["-h"], ["--help"]) and args[:1] not in [[n] for n in self.commands]:
            args = [_CONNECT, *args]
        return super().parse_args(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return self.default_command if cmd_name == _CONNECT else super().get_command(ctx, cmd_name)

    @property
    def default_command(self) -> Any:
        """The command behind ``config NAME``."""
        return command_of("config", connect.config)


app = command_group(
    """Print the options that connect the Docker client to a machine, or change its engine.

    "config NAME" prints one option per line, or JSON with --json. With --swarm, it prints the
    options for the classic Swarm whose master the machine is. For a machine called set, unset or
    show, write "config -- set".

    Example: docker $(ecsmachine config dev1) info
    """,
    cls=_Config,
    subcommand_metavar="[NAME] | set|unset|show NAME ...",
)


def _given(
    engine_opt: Annotated[
        list[str] | None,
        typer.Option(help="An engine flag, as flag=value (repeatable)"),
    ] = None,
    engine_env: Annotated[
        list[str] | None,
        typer.Option(help="An environment variable of the engine, as NAME=value (repeatable)"),
    ] = None,
    engine_label: Annotated[
        list[str] | None,
        typer.Option(help="An engine label, as key=value (repeatable)"),
    ] = None,
    engine_insecure_registry: Annotated[
        list[str] | None,
        typer.Option(help="A registry to use without TLS (repeatable)"),
    ] = None,
    engine_registry_mirror: Annotated[
        list[str] | None,
        typer.Option(help="A registry mirror (repeatable)"),
    ] = None,
) -> dict[str, Sequence[str]]:
    """Return the values by their flags, in the order of the table."""
    from ecsmachine.machine.engine_config import FLAGS

    values: tuple[Sequence[str] | None, ...] = (
        *(engine_opt, engine_env, engine_label),
        *(engine_insecure_registry, engine_registry_mirror),
    )
    return {flag: given for flag, given in zip(FLAGS, values, strict=True) if given}


@app.command("set")
@inject(_given)
def set_(
    added: dict[str, Sequence[str]],
    ctx: typer.Context,
    names: NamedMachines,
    engine_storage_driver: Annotated[
        str | None,
        typer.Option(
            help="The engine's storage driver; images made with the former driver disappear"
        ),
    ] = None,
) -> None:
    """Add options to the engines of machines. An engine restarts if its options change.

    A new value of a key replaces the old one. If an engine does not start with the new options, its
    former ones are restored.

    Example: ecsmachine config set dev1 --engine-label env=test
    """
    from ecsmachine.machine.engine_config import EngineChange

    if not added and engine_storage_driver is None:
        raise UsageError("No option is given", hint="Example: --engine-label env=test")
    _change(ctx, names, EngineChange(added, {}, engine_storage_driver))


@app.command()
@inject(_given)
def unset(
    removed: dict[str, Sequence[str]],
    ctx: typer.Context,
    names: NamedMachines,
    engine_storage_driver: Annotated[
        bool, typer.Option(help="Back to the default storage driver")
    ] = False,
) -> None:
    """Remove options from the engines of machines: by key, or by value if there is no key.

    Example: ecsmachine config unset dev1 --engine-label env
    """
    from ecsmachine.machine.engine_config import EngineChange

    if not removed and not engine_storage_driver:
        raise UsageError("No option is given", hint="Example: --engine-label env")
    _change(ctx, names, EngineChange({}, removed, "" if engine_storage_driver else None))


@app.command()
def show(
    ctx: typer.Context,
    name: NamedMachine,
    json: Annotated[bool, typer.Option(help="As JSON")] = False,
) -> None:
    """Print the engine options of a machine, as flags of "create".

    Example: ecsmachine config show dev1
    """
    from ecsmachine.cli.display.output import print_json
    from ecsmachine.machine.engine_config import option_lines
    from ecsmachine.machine.model import to_config

    machine = session(ctx).store.load(name)
    if json:
        print_json(without_passwords(to_config(machine)["HostOptions"]["EngineOptions"]))
        return
    for line in option_lines(machine):
        printer.show(without_passwords(line))


def _change(ctx: typer.Context, names: list[str], change: EngineChange) -> None:
    from ecsmachine.cli.commands.lifecycle import with_each
    from ecsmachine.machine.engine_config import change_engine

    def change_one(store: Store, name: str, report: Report) -> None:
        if not change_engine(store, name, change, report):
            report(f'The engine of "{name}" already has these options')

    with_each(ctx, names, change_one)
