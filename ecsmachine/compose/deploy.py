"""The part ``deploy`` of a service: how many containers, where, and within which bounds."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ecsmachine.compose.labels import MOST_CONTAINERS, PREFIX
from ecsmachine.compose.model import RestartPolicy
from ecsmachine.compose.placement import Filter
from ecsmachine.compose.values import Values

_CONSTRAINT = re.compile(r"\s*(node\.[\w.-]+|engine\.[\w.-]+)\s*(==|!=)\s*(\S+)\s*")
_RESTARTS: dict[str, RestartPolicy] = {"none": "no", "on-failure": "on-failure", "any": "always"}
_UPDATES = ("delay", "failure_action", "max_failure_ratio", "monitor", "order")
_NODES_OF_CLUSTER = "nodes of a cluster have none: constrain node.hostname or node.ip"


@dataclass(frozen=True)
class Deploy:
    """What ``deploy`` says; None and "" where it says nothing.

    ``settings`` are keys of Docker's API. ``labels`` are Container Service's own.
    """

    replicas: int | None = None
    everywhere: bool | None = None
    parallelism: int | None = None
    restart: RestartPolicy | None = None
    restart_limit: int = 0
    filters: tuple[Filter, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def read_deploy(values: Values, service: str, *, for_stack: bool) -> Deploy:
    """Read it. What only Swarm mode has is refused, unless it is read for a stack.

    Raises :class:`~ecsmachine.compose.values.TemplateError`.
    """
    values.only(
        *("mode", "replicas", "labels", "endpoint_mode", "placement", "resources"),
        *("restart_policy", "update_config", "rollback_config"),
    )
    warnings: list[str] = []

    def idle(key: str, reason: str) -> None:
        warnings.append(f"{key} has no effect: {reason}")

    mode = values.text("mode", "replicated")
    if mode not in ("replicated", "global") and not for_stack:
        raise values.refused("mode", f'"{mode}" is not supported: use replicated or global')
    labels = values.pairs("labels")
    for name in labels:
        if not name.startswith(PREFIX):
            idle(f"deploy.labels {name}", "only containers have labels here: use labels")
    if values.text("endpoint_mode", "dnsrr") != "dnsrr":
        idle("deploy.endpoint_mode", "a service's name leads to all its containers (dnsrr)")
    if "rollback_config" in values:
        idle("deploy.rollback_config", "a failed update is rolled back")
    restart, limit = _restart(values.part("restart_policy"), idle)
    update = values.part("update_config")
    update.only("parallelism", *_UPDATES)
    for key in _UPDATES:
        if key in update and (key, update.text(key)) not in (
            ("order", "stop-first"),
            ("failure_action", "rollback"),
        ):
            idle(
                f"deploy.update_config.{key}",
                "the next containers are replaced when these are healthy, and all go back if not",
            )
    parallelism = update.number("parallelism", -1, -1, MOST_CONTAINERS)
    return Deploy(
        replicas=values.number("replicas", 0, 0, MOST_CONTAINERS) if "replicas" in values else None,
        everywhere=mode == "global" if "mode" in values else None,
        parallelism=None if parallelism < 0 else parallelism or MOST_CONTAINERS,
        restart=restart,
        restart_limit=limit,
        filters=_placement(values.part("placement"), service, idle, for_stack),
        labels={name: value for name, value in labels.items() if name.startswith(PREFIX)},
        settings=_resources(values.part("resources"), idle, for_stack),
        warnings=tuple(warnings),
    )


_Idle = Callable[[str, str], None]


def _restart(values: Values, idle: _Idle) -> tuple[RestartPolicy | None, int]:
    values.only("condition", "delay", "max_attempts", "window")
    for key in ("delay", "window"):
        if key in values:
            idle(f"deploy.restart_policy.{key}", "the engine waits longer after every restart")
    if not values.values:
        return None, 0
    condition = values.text("condition", "any")
    if condition not in _RESTARTS:
        raise values.refused("condition", f'"{condition}" is not none, on-failure or any')
    limit = values.number("max_attempts", 0, 0, 10_000)
    if limit and condition == "any":
        idle("deploy.restart_policy.max_attempts", "it counts only with condition: on-failure")
        limit = 0
    return _RESTARTS[condition], limit


def _placement(values: Values, service: str, idle: _Idle, for_stack: bool) -> tuple[Filter, ...]:
    values.only("constraints", "preferences", "max_replicas_per_node")
    filters = []
    for text in values.texts("constraints"):
        match = _CONSTRAINT.fullmatch(text)
        if match is None:
            raise values.refused("constraints", f'"{text}" is not node.KEY == VALUE (or !=)')
        key, operator, value = match.groups()
        if key in ("node.hostname", "node.ip"):
            filters.append(Filter("constraint", "node", operator == "!=", False, value))
        elif not for_stack:
            raise values.refused("constraints", f"{key}: {_NODES_OF_CLUSTER}")
    if values.parts("preferences"):
        idle("deploy.placement.preferences", "containers are always spread over the nodes")
    most = values.number("max_replicas_per_node", 0, 0)
    if most == 1:
        filters.append(Filter("affinity", "service", True, False, service))
    elif most and not for_stack:
        raise values.refused("max_replicas_per_node", "only 1 is supported")
    return tuple(filters)


def _resources(values: Values, idle: _Idle, for_stack: bool) -> dict[str, Any]:
    values.only("limits", "reservations")
    limits, reserved = values.part("limits"), values.part("reservations")
    limits.only("cpus", "memory", "pids")
    reserved.only("cpus", "memory", "devices", "generic_resources")
    for key in ("devices", "generic_resources"):
        if key in reserved and not for_stack:
            raise reserved.refused(key, "nodes have no such resources")
    if "cpus" in reserved:
        idle("deploy.resources.reservations.cpus", "nodes do not manage their processors")
    found: dict[str, Any] = {}
    for where, api in ((limits, "Memory"), (reserved, "MemoryReservation")):
        if "memory" in where:
            found[api] = where.size("memory")
    if "cpus" in limits:
        found["NanoCpus"] = int(limits.decimal("cpus") * 1_000_000_000)
    if "pids" in limits:
        found["PidsLimit"] = limits.number("pids")
    return found
