"""The options that the commands of Container Service share, and the clients that come of them."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from ecsmachine.aliyun.container_service import ApplicationClient, ClusterClient
from ecsmachine.cli.arguments.context import Session
from ecsmachine.errors import UsageError

T = TypeVar("T")

_ENDPOINT_NAMED = "--endpoint, CS_API_ENDPOINT or ECS_API_ENDPOINT"

CLUSTER_VARIABLE = "ECSMACHINE_CLUSTER"

Region = Annotated[str, typer.Option("--region", help="Region [default: cn-hangzhou, $ECS_REGION]")]
Endpoint = Annotated[
    str,
    typer.Option(
        "--endpoint",
        help="Address of the API [default: https://cs.aliyuncs.com, $CS_API_ENDPOINT, "
        "$ECS_API_ENDPOINT]",
    ),
]
Profile = Annotated[
    str,
    typer.Option(
        "--profile", help='Profile of the "aliyun" command to take credentials from [$ECS_PROFILE]'
    ),
]
ClusterName = Annotated[
    str, typer.Option("--cluster", "-c", help=f"Name or id of the cluster [${CLUSTER_VARIABLE}]")
]
Insecure = Annotated[
    bool, typer.Option("--insecure", help="Do not verify the master's certificate")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]
JsonAnyway = Annotated[bool, typer.Option("--json", help="Print JSON, as is done anyway")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the names")]
Wait = Annotated[bool, typer.Option("--wait", "-w", help="Wait until it is done")]
Timeout = Annotated[
    int, typer.Option("--timeout", min=1, help="How long to wait at most, in seconds")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")]


def group(text: str) -> typer.Typer:
    """Return an empty group of commands."""
    return typer.Typer(
        help=text,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["--help", "-h"]},
    )


def environment_of(ctx: typer.Context) -> Mapping[str, str]:
    """Return the environment that the program was called with."""
    return ctx.obj.environment if isinstance(ctx.obj, Session) else os.environ


def connected(connect: Callable[..., T]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Turn a function whose first parameter is a client into one that makes the client itself.

    It has the function's options and, after them, those of ``connect``, which makes the client
    of them.
    """

    def wrap(function: Callable[..., None]) -> Callable[..., None]:
        own = dict(list(inspect.signature(function).parameters.items())[1:])
        needed = inspect.signature(connect).parameters
        hints = {
            **get_type_hints(connect, include_extras=True),
            **get_type_hints(function, include_extras=True),
        }

        @functools.wraps(function)
        def call(**given: Any) -> None:
            client = connect(**{name: given[name] for name in needed})
            with for_commands():
                function(client, **{name: given[name] for name in own})

        parameters = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name])
            for name, parameter in {**own, **needed}.items()
        ]
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        call.__annotations__ = {parameter.name: hints[parameter.name] for parameter in parameters}
        return call

    return wrap


@contextmanager
def for_commands() -> Iterator[None]:
    """Let errors speak of commands: of the option that a field comes from, of what to do."""
    from ecsmachine.aliyun.container_service.rules import FieldError
    from ecsmachine.aliyun.errors import ApiError

    try:
        yield
    except FieldError as error:
        from ecsmachine.cli.commands.container_service.field_names import on_command_line

        raise on_command_line(error) from None
    except ApiError as error:
        from ecsmachine.cli.commands.container_service.hints import hint_for

        error.hint = hint_for(error)
        raise


def cluster_client(
    ctx: typer.Context, region: Region = "", endpoint: Endpoint = "", profile: Profile = ""
) -> ClusterClient:
    """Return the client of the management API that the options and variables name."""
    from ecsmachine.aliyun.container_service.client import ENDPOINT
    from ecsmachine.aliyun.credentials import CredentialFlags, resolve
    from ecsmachine.aliyun.endpoints import validate_endpoint

    environment = environment_of(ctx)
    given = endpoint or environment.get("CS_API_ENDPOINT") or environment.get("ECS_API_ENDPOINT")
    flags = CredentialFlags(profile=profile or environment.get("ECS_PROFILE", ""))
    return ClusterClient(
        region or environment.get("ECS_REGION") or "cn-hangzhou",
        resolve(flags, environment),
        endpoint=validate_endpoint(given, _ENDPOINT_NAMED) if given else ENDPOINT,
    )


def application_client(
    ctx: typer.Context,
    cluster: ClusterName = "",
    insecure: Insecure = False,
    region: Region = "",
    endpoint: Endpoint = "",
    profile: Profile = "",
) -> ApplicationClient:
    """Return the client of a cluster's application API."""
    name = cluster_name(ctx, cluster)
    found = cluster_client(ctx, region, endpoint, profile).find(name)
    return ApplicationClient(
        found.master_url, certificate_folder(ctx, found.name), insecure=insecure
    )


def cluster_name(ctx: typer.Context, given: str) -> str:
    """Return the name of the cluster that the option or the variable gives."""
    name = given or environment_of(ctx).get(CLUSTER_VARIABLE, "")
    if not name:
        raise UsageError(
            "No cluster specified", hint=f"Name it with --cluster, or set {CLUSTER_VARIABLE}."
        )
    return name


def certificate_folder(ctx: typer.Context, name: str) -> Path:
    """Return where the certificates of a cluster are: ~/.docker/aliyun/NAME."""
    if not name or name in (".", "..") or "/" in name or "\0" in name:
        raise UsageError(f'"{name}" cannot be the name of a folder', hint="Name a cluster.")
    home = environment_of(ctx).get("HOME")
    return (Path(home) if home else Path.home()) / ".docker" / "aliyun" / name


def pairs(values: list[str] | None, option: str) -> dict[str, str]:
    """Return ``NAME=VALUE`` words as a dictionary."""
    found = {}
    for word in values or []:
        name, equals, value = word.partition("=")
        if not equals or not name.strip():
            raise UsageError(f'{option}: "{word}" is not NAME=VALUE', hint="Put = between the two.")
        found[name.strip()] = value
    return found


def print_table(rows: list[tuple[str, ...]]) -> None:
    """Print rows in columns; the first one is the heading."""
    from ecsmachine.cli.display.output import table
    from ecsmachine.cli.display.printer import show

    show(table(rows))


def print_json(value: object) -> None:
    """Print a value as JSON."""
    from ecsmachine.cli.display import output

    output.print_json(value)
