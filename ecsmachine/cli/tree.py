"""The tree of commands that typer parses: global options, the table of commands, help.

A command's module is imported when that command is called, so that no command pays for what
``create`` needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.main

from ecsmachine.cli.arguments.context import Session, configure, is_set
from ecsmachine.cli.arguments.driver_options import driver_name_of
from ecsmachine.cli.arguments.every_command import (
    Group,
    command_of,
    commands_below,
    context_below,
    ready_for_typer,
    refuse_command,
)
from ecsmachine.cli.arguments.from_settings import choose_profile, use_sets_of_create
from ecsmachine.cli.arguments.help import WIDEST, help_of
from ecsmachine.cli.display import printer
from ecsmachine.cli.table import COMMANDS
from ecsmachine.drivers import registry
from ecsmachine.errors import UsageError
from ecsmachine.suggestions import did_you_mean

_HEADINGS = {"": "Commands", "container_service": "Commands of Container Service"}
"""The heading above commands in help, by the room that they live in."""

_HELP = ("help", "h")

_FUNCTIONS = {"import": "import_"}
"""The functions of commands whose names are Python's own words."""


class _Commands(Group):
    """The commands, each imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in _HELP:
            return command_of("help", _help)
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"ecsmachine.cli.commands.{COMMANDS[cmd_name][0]}")
        if hasattr(module, "app"):
            return _group(module.app)
        if hasattr(module, "command"):  # the driver says what flags there are
            session: Session = ctx.obj
            driver_name = driver_name_of(session.program, session.environment)
            driver = registry.module_of(driver_name)
            return _command_of_driver(cmd_name, module.command, driver_name, driver)
        function_name = _FUNCTIONS.get(cmd_name, cmd_name.replace("-", "_"))
        return command_of(cmd_name, getattr(module, function_name))

    def help_of(self, name: str) -> str:
        """Return the line about a command, without importing it."""
        return COMMANDS[name][1]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in (*COMMANDS, *_HELP):
            refuse_command(ctx, args[0], (*COMMANDS, "help"))
        if args[:1] == ["create"]:
            use_sets_of_create(ctx.obj, args[1:])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, (module, text) in COMMANDS.items():
            room, _, _ = module.rpartition(".")
            sections.setdefault(_HEADINGS[room], []).append((name, text))
        for heading, commands in sections.items():
            with formatter.section(heading):
                formatter.write_dl(commands)


@cache
def command_tree() -> Any:
    """Return the group of all commands, with the global options.

    It and each of its commands is made once, and no run changes it: what differs from run to run
    is in the context.
    """
    app = typer.Typer(
        cls=_Commands,
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["--help", "-h"], "max_content_width": WIDEST},
    )
    ready_for_typer(_root)
    app.callback(invoke_without_command=True)(_root)
    return typer.main.get_command(app)


def _root(
    ctx: typer.Context,
    debug: Annotated[
        bool,
        typer.Option("--debug", "-D", help="Log every step to standard error [$MACHINE_DEBUG]"),
    ] = False,
    storage_path: Annotated[
        Path | None,
        typer.Option(
            "--storage-path",
            "-s",
            help="The machine store [default: ~/.docker/machine, $MACHINE_STORAGE_PATH]",
        ),
    ] = None,
    profile: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Use a profile of your settings [$ECSMACHINE_PROFILE]",
            is_eager=True,
            callback=choose_profile,
        ),
    ] = "",
    tls_ca_cert: Annotated[
        Path | None,
        typer.Option(help="CA certificate that verifies engines [$MACHINE_TLS_CA_CERT]"),
    ] = None,
    tls_ca_key: Annotated[
        Path | None,
        typer.Option(help="Private key to sign certificates with [$MACHINE_TLS_CA_KEY]"),
    ] = None,
    tls_client_cert: Annotated[
        Path | None, typer.Option(help="Client certificate for engines [$MACHINE_TLS_CLIENT_CERT]")
    ] = None,
    tls_client_key: Annotated[
        Path | None, typer.Option(help="Private key of that certificate [$MACHINE_TLS_CLIENT_KEY]")
    ] = None,
    tls_key_type: Annotated[
        str,
        typer.Option(
            help="Key type of a new CA and of its certificates: ecdsa (P-256) or rsa (3072) "
            "[default: ecdsa, $MACHINE_TLS_KEY_TYPE]"
        ),
    ] = "",
    native_ssh: Annotated[
        bool | None,
        typer.Option("--native-ssh", help="Do not use the ssh program [$MACHINE_NATIVE_SSH]"),
    ] = None,
    github_api_token: Annotated[str, typer.Option(hidden=True)] = "",
    bugsnag_api_token: Annotated[str, typer.Option(hidden=True)] = "",
    version: Annotated[bool, typer.Option("--version", "-v", help="Print the version")] = False,
) -> None:
    """Create and manage machines running Docker on Alibaba Cloud ECS.

    Example: ecsmachine create -d aliyunecs dev1
    """
    session: Session = ctx.obj
    if version:
        printer.show(session.version_line())
        raise typer.Exit
    session.debug = session.debug or debug or is_set(session.environment, "MACHINE_DEBUG")
    if session.debug:
        from ecsmachine.cli.display.libraries import logged_on_standard_error

        ctx.with_resource(logged_on_standard_error())
    configure(
        session,
        path=storage_path,
        native_ssh=native_ssh,
        tls_key_type=tls_key_type,
        certificates={
            "ca_cert_path": tls_ca_cert,
            "ca_key_path": tls_ca_key,
            "client_cert_path": tls_client_cert,
            "client_key_path": tls_client_key,
        },
    )
    if ctx.invoked_subcommand is None:
        printer.show(help_of(ctx))


def _help(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND", help="The command to explain")
    ] = None,
) -> None:
    """Explain a command.

    Example: ecsmachine help swarm join
    """
    context: Any = ctx.parent
    for word in words or []:
        found = context_below(context, word)
        if found is None:
            raise UsageError(
                f"'{context.command_path}' has no command '{word}'",
                hint=did_you_mean(word, commands_below(context))
                or f"See '{context.command_path} --help'.",
            )
        context = found
    printer.show(help_of(context))


@cache
def _group(app: typer.Typer) -> Any:
    """Return a group of commands, each made when it is asked for."""
    empty = copy(app)
    empty.registered_commands, empty.registered_groups = [], []
    group: Any = typer.main.get_group(empty)
    group.commands = _Parts(app)
    return group


class _Parts(Mapping[str, Any]):
    """The commands and groups in a group by name."""

    def __init__(self, app: typer.Typer):
        infos: list[Any] = [*app.registered_commands, *app.registered_groups]
        name_of = typer.main.get_command_name
        self._infos = {info.name or name_of(info.callback.__name__): info for info in infos}

    def __getitem__(self, name: str) -> Any:
        info = self._infos[name]
        if not hasattr(info, "typer_instance"):
            return command_of(name, info.callback)
        group = _group(info.typer_instance)
        group.name = name
        return group

    def __iter__(self) -> Iterator[str]:
        return iter(self._infos)

    def __len__(self) -> int:
        return len(self._infos)


@cache
def _command_of_driver(
    name: str, make: Callable[[str], Callable[..., Any]], driver_name: str, _driver: object
) -> Any:
    """Return a command with the flags of a driver; another one for another driver of the name."""
    return command_of(name, make(driver_name))
