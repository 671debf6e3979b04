"""The options of ``create``: its own and those of a driver, and the request that they make."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ecsmachine.cli.arguments.context import Session
from ecsmachine.cli.arguments.driver_options import given_of, values_or_defaults
from ecsmachine.cli.arguments.engine_options import ENGINE, engine_options
from ecsmachine.drivers import registry
from ecsmachine.drivers.base import Report
from ecsmachine.drivers.options import Option, OptionValue

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

_classic_swarm = partial(Option, help="Classic Swarm", deprecated=_CLASSIC_SWARM_IS_GONE)
_SWARM = {
    "is_swarm": _classic_swarm("swarm", kind="bool"),
    "master": _classic_swarm("swarm-master", kind="bool"),
    "image": _classic_swarm("swarm-image", env="MACHINE_SWARM_IMAGE", default="swarm:latest"),
    "discovery": _classic_swarm("swarm-discovery", default=""),
    "strategy": _classic_swarm("swarm-strategy", default="spread"),
    "arbitrary_flags": _classic_swarm("swarm-opt", kind="list"),
    "arbitrary_join_flags": _classic_swarm("swarm-join-opt", kind="list"),
    "host": _classic_swarm("swarm-host", default="tcp://0.0.0.0:3376"),
    "address": _classic_swarm("swarm-addr", default=""),
    "is_experimental": _classic_swarm("swarm-experimental", kind="bool"),
}
"""The options of classic Swarm by the fields of the machine that keep them."""

_OWN = (*ENGINE, *SSH, *_SWARM_MODE, *_SWARM.values())


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
    warn = warn or this.warn
    given = given_of(options, flags, this.environment, settings, strengths, warn)
    values: dict[str, Any] = values_or_defaults(options, given)
    own = {option.name for option in _OWN}
    return CreateRequest(
        name=name,
        driver_name=driver_name,
        driver_values={key: value for key, value in values.items() if key not in own},
        engine=engine_options(values),
        swarm=SwarmOptions(
            **{
                field: values[option.name]
                for field, option in _SWARM.items()
                if values[option.name] is not None
            }
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
