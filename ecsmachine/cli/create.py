"""The command ``create``. The flags of the driver that it names are among its own."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecsmachine.cli.context import session
from ecsmachine.cli.driver_options import (
    driver_name_of,
    option_parameters,
    parameter_name,
    resolve,
    warnings_of,
)
from ecsmachine.drivers import registry
from ecsmachine.drivers.base import Option
from ecsmachine.errors import UsageError

if TYPE_CHECKING:
    from ecsmachine.machine.create_request import CreateRequest

_ENGINE = (
    Option(
        "engine-install-url",
        "Where the engine's install script is",
        env="MACHINE_DOCKER_INSTALL_URL",
        default="https://get.docker.com",
    ),
    Option("engine-opt", "A flag of the engine, as flag=value (repeatable)", kind="list"),
    Option("engine-insecure-registry", "A registry without TLS (repeatable)", kind="list"),
    Option(
        "engine-registry-mirror",
        "A mirror of Docker's registry (repeatable)",
        env="ENGINE_REGISTRY_MIRROR",
        kind="list",
    ),
    Option("engine-label", "A label of the engine, as key=value (repeatable)", kind="list"),
    Option("engine-storage-driver", "The engine's storage driver", default=""),
    Option("engine-env", "A variable of the engine, as NAME=value (repeatable)", kind="list"),
    Option(
        "tls-san", "A further name or address in the engine's certificate (repeatable)", kind="list"
    ),
)

_CLASSIC_SWARM_IS_GONE = "classic Swarm is gone; this does nothing. Use Docker's Swarm mode."

_SWARM = (
    Option("swarm", "Classic Swarm", kind="bool", deprecated=_CLASSIC_SWARM_IS_GONE),
    Option("swarm-master", "Classic Swarm", kind="bool", deprecated=_CLASSIC_SWARM_IS_GONE),
    Option(
        "swarm-image",
        "Classic Swarm",
        env="MACHINE_SWARM_IMAGE",
        default="swarm:latest",
        deprecated=_CLASSIC_SWARM_IS_GONE,
    ),
    Option("swarm-discovery", "Classic Swarm", default="", deprecated=_CLASSIC_SWARM_IS_GONE),
    Option("swarm-strategy", "Classic Swarm", default="spread", deprecated=_CLASSIC_SWARM_IS_GONE),
    Option("swarm-opt", "Classic Swarm", kind="list", deprecated=_CLASSIC_SWARM_IS_GONE),
    Option("swarm-join-opt", "Classic Swarm", kind="list", deprecated=_CLASSIC_SWARM_IS_GONE),
    Option(
        "swarm-host",
        "Classic Swarm",
        default="tcp://0.0.0.0:3376",
        deprecated=_CLASSIC_SWARM_IS_GONE,
    ),
    Option("swarm-addr", "Classic Swarm", default="", deprecated=_CLASSIC_SWARM_IS_GONE),
    Option("swarm-experimental", "Classic Swarm", kind="bool", deprecated=_CLASSIC_SWARM_IS_GONE),
)


def command(program: list[str], environment: Mapping[str, str]) -> Callable[..., None]:
    """Return the function behind ``create``, with the flags of the driver that is named.

    ``program`` is the command line as typed: the driver must be known before it is parsed.
    """
    driver_name = driver_name_of(program, environment)
    options = (*_ENGINE, *_SWARM, *registry.options_of(driver_name))

    def create(ctx: typer.Context, **given: Any) -> None:
        flags = {option.name: given[parameter_name(option)] for option in options}
        for line in warnings_of(options, flags, environment):
            print(f"Warning: {line}", file=sys.stderr)
        values = resolve(options, flags, environment)
        _check_output(given["dry_run"], given["json"])
        request = _request(ctx, given["name"], driver_name, values, given["keep_on_failure"])
        if given["dry_run"]:
            _show_plan(ctx, request, as_json=given["json"])
        else:
            _create(ctx, request)

    create.__doc__ = f"""Create a machine with the driver {driver_name}.

        Example: ecsmachine create -d aliyunecs dev1

        The flags of another driver are shown by: ecsmachine create -d DRIVER --help
        """
    create.__signature__ = _signature(options)  # type: ignore[attr-defined]
    create.__annotations__ = {
        parameter.name: parameter.annotation
        for parameter in create.__signature__.parameters.values()  # type: ignore[attr-defined]
    }
    return create


def _signature(options: tuple[Option, ...]) -> inspect.Signature:
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
        inspect.Parameter(
            "name",
            keyword,
            default="",
            annotation=Annotated[
                str, typer.Argument(metavar="NAME", help="The name of the machine")
            ],
        ),
        inspect.Parameter(
            "driver",
            keyword,
            default=None,
            annotation=Annotated[
                str | None,
                typer.Option(
                    "--driver", "-d", help="The driver [default: aliyunecs, $MACHINE_DRIVER]"
                ),
            ],
        ),
        inspect.Parameter(
            "keep_on_failure",
            keyword,
            default=False,
            annotation=Annotated[
                bool,
                typer.Option("--keep-on-failure", help="Keep what was made if the create fails"),
            ],
        ),
        inspect.Parameter(
            "dry_run",
            keyword,
            default=False,
            annotation=Annotated[
                bool,
                typer.Option(
                    "--dry-run", help="Check all, and say what would be made; make nothing"
                ),
            ],
        ),
        inspect.Parameter(
            "json",
            keyword,
            default=False,
            annotation=Annotated[
                bool, typer.Option("--json", help="With --dry-run: say it as JSON")
            ],
        ),
    ]
    return inspect.Signature([*parameters, *option_parameters(options)])


def _check_output(dry_run: bool, as_json: bool) -> None:
    if as_json and not dry_run:
        raise UsageError("--json goes with --dry-run alone", hint="Leave it out.")


def _request(
    ctx: typer.Context,
    name: str,
    driver_name: str,
    values: dict[str, Any],
    keep_on_failure: bool,
) -> CreateRequest:
    from ecsmachine.machine.create_request import CreateRequest
    from ecsmachine.machine.model import SwarmOptions
    from ecsmachine.provision.base import EngineOptions

    if not name:
        raise UsageError("No machine name specified", hint="Example: ecsmachine create dev1")
    own = {option.name for option in (*_ENGINE, *_SWARM)}
    return CreateRequest(
        name=name,
        driver_name=driver_name,
        driver_values={key: value for key, value in values.items() if key not in own},
        engine=EngineOptions(
            arbitrary_flags=values["engine-opt"] or [],
            env=values["engine-env"] or [],
            insecure_registry=values["engine-insecure-registry"] or [],
            labels=values["engine-label"] or [],
            registry_mirror=values["engine-registry-mirror"] or [],
            storage_driver=values["engine-storage-driver"],
            install_url=values["engine-install-url"],
        ),
        swarm=SwarmOptions(
            is_swarm=values["swarm"] or False,
            master=values["swarm-master"] or False,
            image=values["swarm-image"],
            discovery=values["swarm-discovery"],
            strategy=values["swarm-strategy"],
            host=values["swarm-host"],
            address=values["swarm-addr"],
            arbitrary_flags=values["swarm-opt"] or [],
            arbitrary_join_flags=values["swarm-join-opt"] or [],
            is_experimental=values["swarm-experimental"] or False,
        ),
        tls_sans=values["tls-san"] or [],
        certificate_paths=session(ctx).certificate_paths,
        key_type=session(ctx).tls_key_type,
        keep_on_failure=keep_on_failure,
    )


def _create(ctx: typer.Context, request: CreateRequest) -> None:
    from ecsmachine.machine.create import create

    create(session(ctx).store, request, _report)
    print(f"To see how to connect Docker to this machine, run: ecsmachine env {request.name}")


def _show_plan(ctx: typer.Context, request: CreateRequest, *, as_json: bool) -> None:
    """Say what would be made: in words, or as JSON with nothing else on standard output."""
    from ecsmachine.cli.output import align, print_json
    from ecsmachine.machine.create import plan

    made = plan(session(ctx).store, request, (lambda line: None) if as_json else _report)
    if as_json:
        print_json(made.data if made is not None else {"Name": request.name})
        return
    if made is None:
        print(f"The checks passed. The driver {request.driver_name} makes nothing in a cloud.")
        return
    print(f'Machine "{request.name}" would be made of:')
    print(align("\n".join(f"  {label}\t{words}" for label, words in made.lines)))
    print("Nothing was made.")


def _report(line: str) -> None:
    print(line, flush=True)
