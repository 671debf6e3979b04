"""Compose templates: services with what each container is made of, checked, in starting order.

All forms are read: services at the top (version 1), and below ``services`` (versions 2 and 3, and
today's Compose specification, which has no version). What is not known is refused by name, and
what has no effect is told: nothing of a template is silently left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ecsmachine.compose.loading import Variables, load
from ecsmachine.compose.model import BUCKET, DEFAULT_NETWORK, Network, Service, Template, Volume
from ecsmachine.compose.services import Surroundings, read_service
from ecsmachine.compose.values import TemplateError, Values

PROJECT_VARIABLE = "COMPOSE_PROJECT_NAME"

_VERSION = re.compile(r"[23](\.\d+)?")
_TOP = ("version", "name", "services", "volumes", "networks")
_TOP_OF_STACKS = ("configs", "secrets")
_OTHER_TOP = {
    "include": 'write the whole services out ("docker compose config" does)',
    "models": "nothing runs them here",
    **dict.fromkeys(_TOP_OF_STACKS, "files of your computer are not sent to the cluster"),
}
_DRIVERS = ("local", "ossfs", "nas")


def parse_template(text: str, variables: Mapping[str, str], *, for_stack: bool = False) -> Template:
    """Return what a template says; each service stands after those that it depends on.

    Variables are filled in; the project's name is one of them. ``for_stack``: what only stacks of
    Swarm mode have is let pass. Raises :class:`TemplateError` with the place and the reason.
    """
    top, written, missing = filled_in(text, variables)
    strict = bool(top.values)
    if strict:
        _check_top(top, for_stack)
    services = Values("services", written)
    services = Values("services", {n: v for n, v in services.values.items() if n[:2] != "x-"})
    if not services.values:
        raise TemplateError("it has no services")
    project = variables.get(PROJECT_VARIABLE, "")
    volumes = {
        key: _volume(key, of, project, for_stack) for key, of in _declared(top, "volumes").items()
    }
    networks = {DEFAULT_NETWORK: Network(f"{project}_{DEFAULT_NETWORK}")}
    for key, of in _declared(top, "networks").items():
        networks[key] = _network(key, of, project, for_stack)
    around = Surroundings(variables, volumes, networks, strict, for_stack)
    found = {name: read_service(name, value, around) for name, value in services.values.items()}
    for service in found.values():
        for other in (*service.depends_on, *(target for target, _ in service.links)):
            if other not in found:
                raise TemplateError(
                    f"the service {service.name} depends on {other}, which is missing"
                )
    used = {name for service in found.values() for name in service.networks}
    return Template(
        services={name: found[name] for name in _order(found)},
        volumes=volumes,
        networks={key: one for key, one in networks.items() if one.name in used},
        warnings=(
            *(f"the variable {name} has no value: it is empty" for name in missing),
            *(["name has no effect: the project's name is given with it"] if "name" in top else []),
            *(f"{one.name}: {line}" for one in found.values() for line in one.warnings),
        ),
    )


def filled_in(text: str, variables: Mapping[str, str]) -> tuple[Values, Any, list[str]]:
    """Return what stands at the top of a template, its services, and variables without a value.

    In version 1 the services alone are at the top. Raises :class:`TemplateError`.
    """
    filling = Variables(variables)
    data = filling.fill(load(text))
    if "services" in data or "version" in data:
        return Values("template", data), data.get("services"), list(filling.missing)
    return Values("template", {}), data, list(filling.missing)


def _check_top(top: Values, for_stack: bool) -> None:
    version = top.text("version", "3")
    if not _VERSION.fullmatch(version):
        raise TemplateError(
            f"version {version} is not supported: use 1 (services at the top), 2, 3 or none"
        )
    for key in top:
        if key in _TOP or key.startswith("x-") or (for_stack and key in _TOP_OF_STACKS):
            continue
        reason = _OTHER_TOP.get(key, "use services, volumes and networks")
        raise TemplateError(f"{key} is not supported at the top: {reason}")
    if not isinstance(top.values.get("services"), dict):
        raise TemplateError("services is not an object")


def _declared(top: Values, key: str) -> dict[str, Values]:
    """Return what is declared at the top, by name; nothing is needed but the name."""
    of = top.part(key)
    return {
        name: Values(f"{key}.{name}", {} if value is None else value)
        for name, value in of.values.items()
    }


def _external(values: Values) -> tuple[bool, str]:
    """Return whether something is external, and its name, which was below that in version 2."""
    external = values.values.get("external")
    if isinstance(external, dict):
        part = values.part("external")
        part.only("name")
        return True, values.text("name") or part.text("name")
    return values.flag("external"), values.text("name")


def _volume(key: str, values: Values, project: str, for_stack: bool) -> Volume:
    values.only("driver", "driver_opts", "external", "labels", "name")
    external, name = _external(values)
    driver = values.text("driver", "local")
    if driver not in _DRIVERS and not external and not for_stack:
        raise values.refused("driver", f"{driver} is not available: use {', '.join(_DRIVERS)}")
    own = f"{project}_{key}" if project else key
    options = values.pairs("driver_opts")
    if driver == "ossfs" and not BUCKET.fullmatch(options.get("bucket", "")):
        raise values.refused("driver_opts", "ossfs needs bucket, the name of a bucket")
    return Volume(
        name=name or (key if external else own),
        external=external,
        driver=driver,
        options=options,
        labels=values.pairs("labels"),
    )


def _network(key: str, values: Values, project: str, for_stack: bool) -> Network:
    values.only(
        *("attachable", "driver", "driver_opts", "enable_ipv4", "enable_ipv6", "external"),
        *("internal", "ipam", "labels", "name"),
    )
    external, name = _external(values)
    driver = values.text("driver", "overlay")
    if not for_stack:
        if driver not in ("overlay", "bridge", "default"):
            raise values.refused("driver", f"{driver} is not supported: networks are overlays")
        if driver != "overlay" and "driver_opts" in values:
            raise values.refused("driver_opts", f"options of {driver} have no effect on overlays")
        if values.part("ipam").values:
            raise values.refused("ipam", "addresses come from the cluster's subnet_cidr")
        if values.flag("enable_ipv6") or not values.flag("enable_ipv4", True):
            raise values.refused("enable_ipv6", "networks have only IPv4")
    return Network(
        name=name or (key if external else f"{project}_{key}"),
        external=external,
        internal=values.flag("internal"),
        options=values.pairs("driver_opts"),
        labels=values.pairs("labels"),
    )


def _order(services: Mapping[str, Service]) -> list[str]:
    """Return the names so that each stands after those that it depends on.

    A service whose place depends on where another is comes after that too, if it can.
    """
    done: list[str] = []
    under_way: list[str] = []

    def visit(name: str) -> None:
        if name in done:
            return
        if name in under_way:
            circle = " -> ".join([*under_way[under_way.index(name) :], name])
            raise TemplateError(f"the services depend on each other: {circle}")
        under_way.append(name)
        service = services[name]
        for other in (*service.depends_on, *(target for target, _ in service.links)):
            visit(other)
        for other in service.placement.services:
            if other in services and other not in under_way:
                visit(other)
        under_way.pop()
        done.append(name)

    for name in services:
        visit(name)
    return done
