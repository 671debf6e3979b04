"""The options of ``create``: its own and those of a driver, and the request that they make."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ecsmachine.cli.arguments.context import Session
from ecsmachine.cli.arguments.driver_options import given_of, values_or_defaults
from ecsmachine.cli.arguments.engine_options import ENGINE, engine_options
from ecsmachine.cli.arguments.precedence import settle
from ecsmachine.drivers import registry
from ecsmachine.drivers.base import Option, OptionValue, Report

if TYPE_CHECKING:
    from ecsmachine.machine.create_request import CreateRequest

SSH = (
    Option(
        "ssh-jump",
        "Reach the machine through this host, as ssh -J does: USER@HOST[:PORT]",
        env="ECSMACHINE_SSH_JUMP",
        default="",
        group="Login",
        everyday=True,
    ),
)

_CLASSIC_SWARM_IS_GONE = (
    "classic Swarm is no longer supported; this option does nothing. Use --swarm-mode."
)

_SWARM_MODE = (
    Option(
        "swarm-mode",
        "Join a Docker swarm as manager or worker; a manager without --swarm-join starts a new "
        "swarm",
        default="",
        choices=("manager", "worker"),
        group="Engine",
        everyday=True,
    ),
    Option("swarm-join", "A manager of the swarm to join", default=""),
)

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


_OWN = (*ENGINE, *SSH, *_SWARM_MODE, *_SWARM)


def options_of_create(driver_name: str) -> tuple[Option, ...]:
    """Return the options that ``create`` takes with a driver, its own first.

    Raises :class:`~ecsmachine.errors.MachineError` if there is no such driver.
    """
    return (*_OWN, *registry.options_of(driver_name))


def request_of(
    this: Session,
    name: str,
    driver_name: str,
    flags: Mapping[str, OptionValue],
    settings: Mapping[str, OptionValue] = MappingProxyType({}),
    strengths: Mapping[str, int] = MappingProxyType({}),
    warn: Report | None = None,
    file: str = "",
) -> CreateRequest:
    """Return what is asked for by flags, by settings and variables, and by defaults.

    ``strengths`` are those of flags that stand in a ``file``; ``warn`` is told what does not count,
    if the user is not. Raises :class:`~ecsmachine.errors.UsageError` for a value that cannot be.
    """
    from ecsmachine.machine.create_request import CreateRequest
    from ecsmachine.machine.model import SwarmOptions

    options = options_of_create(driver_name)
    strengths = {**this.settings.strengths(), **strengths}
    given = given_of(options, flags, this.environment, settings, strengths)
    given = settle(options, given, warn or this.warn)
    values: dict[str, Any] = values_or_defaults(options, given)
    own = {option.name for option in _OWN}
    return CreateRequest(
        name=name,
        driver_name=driver_name,
        driver_values={key: value for key, value in values.items() if key not in own},
        engine=engine_options(values),
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
        certificate_paths=this.certificate_paths,
        key_type=this.tls_key_type,
        swarm_role=values["swarm-mode"],
        swarm_join=values["swarm-join"],
        ssh_jump=values["ssh-jump"],
        file=file,
        given=tuple(name for name in flags if name in given) if file else (),
    )
