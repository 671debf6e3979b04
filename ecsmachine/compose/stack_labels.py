"""What Container Service's labels and filters are in a stack of Swarm mode, and what has no equal.

A note names a place, and says what to put there instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ecsmachine.compose.labels import ABOUT_LOGS, PREFIX, Labels
from ecsmachine.compose.model import HealthCheck, Service
from ecsmachine.compose.placement import Filter, Placement

Note = Callable[[str, str], None]
"""Takes a place of a service, and what is to be done about it."""

_MEASURE = "nothing measures a stack: scale it yourself (docker service scale)"
_BY_BEGINNING = (
    (ABOUT_LOGS, "read them with docker service logs, or name a driver in logging"),
    (("auto_scaling", "monitoring."), _MEASURE),
    (
        "lb.port_",
        "publish the port (ports), put the nodes behind the balancer (create "
        "--aliyunecs-slb-id), and create its listener there",
    ),
    (
        "depends",
        "a stack starts everything at once: make the program retry until it reaches the other",
    ),
    (
        "latest_image",
        "docker stack deploy looks for the newest image each time; until the next one, all tasks "
        "have the same image",
    ),
    (("routing.session_sticky", "routing.port_"), ""),
    (("scale", "global", "rolling_updates", "probe."), ""),
)
"""Labels by how they begin; those without a text are written in the stack, or told elsewhere."""


def note_labels(service: Service, note: Note) -> None:
    """Name each label that has no equal, and what to put in its place."""
    own = service.own
    for name in own.shown:
        label = PREFIX + name
        advice = next(
            (text for start, text in _BY_BEGINNING if name.startswith(start)),
            "it is not known: leave it out",
        )
        if advice:
            note(label, advice)
        elif name.startswith("routing.port_"):
            note(label, _routing(service.name, name.removeprefix("routing.port_"), own))
        elif name == "routing.session_sticky" and own.sticky:
            rule = _traefik(service.name, "loadbalancer.sticky.cookie", "true")
            note(label, f"let the proxy keep a client at its task: {rule} in deploy.labels")


def _routing(service: str, port: str, own: Labels) -> str:
    """Return the rules of a proxy that do what a label for routing does."""
    rules = []
    for route in own.routes[int(port)]:
        host = f"Host(`{route.host}`)" if "." in route.host else f"HostRegexp(`^{route.host}\\.`)"
        path = f" && PathPrefix(`{route.path}`)" if route.path != "/" else ""
        rules.append(host + path)
    return (
        "Swarm mode routes no host names: run a proxy that does on the stack's network, for "
        f"instance Traefik, and give it in deploy.labels traefik.http.routers.{service}.rule: "
        f"{' || '.join(rules)} and {_traefik(service, 'loadbalancer.server.port', port)}; weights "
        "of two versions are its weighted services"
    )


def _traefik(service: str, key: str, value: str) -> str:
    return f'traefik.http.services.{service}.{key}: "{value}"'


def probe_check(service: Service, note: Note) -> HealthCheck | None:
    """Return the health check that does what the label for a probe does; None without one."""
    probe = service.own.probe
    if probe is None:
        return None
    if probe.command:
        return service.health_check
    if probe.scheme == "http":
        command = f"wget -q -O /dev/null http://localhost:{probe.port}{probe.path} || exit 1"
    else:
        command = f"nc -w 1 localhost {probe.port} </dev/null || exit 1"
    note(
        f"{PREFIX}probe.url",
        f"a stack checks from inside the container: its image needs {command.split()[0]} for the "
        "healthcheck written there",
    )
    return HealthCheck(("CMD-SHELL", command), 5, probe.timeout_s, 3, probe.delay_s)


def place(placement: Placement, service: str, note: Note) -> dict[str, Any]:
    """Return what filters are in ``deploy.placement``."""
    constraints: list[str] = []
    found: dict[str, Any] = {}
    for one in placement.filters:
        text = str(one)
        if one.wished:
            note(text, "a stack has no preferences: make it a constraint, or leave it out")
        elif one.kind == "constraint" and re.fullmatch(r"[\w.-]+", one.pattern) is not None:
            constraints.append(_constraint(one, note))
        elif one.kind == "constraint":
            note(
                text,
                f"label those nodes (docker node update --label-add {service}=true NODE), and "
                f"constrain node.labels.{service} == true",
            )
        elif one.negated and (one.key, one.pattern) == ("service", service):
            found["max_replicas_per_node"] = 1
        else:
            note(
                text,
                "a stack can only constrain nodes: label some (docker node update --label-add "
                f"{service}=true NODE), and constrain both services to them, or away from them",
            )
    if placement.stays:
        note("reschedule:off", "constrain it to a node: node.hostname == NODE")
    if constraints:
        found["constraints"] = constraints
    return found


def _constraint(one: Filter, note: Note) -> str:
    operator = "!=" if one.negated else "=="
    if one.key == "node":
        note(str(one), "node names differ between clusters: see docker node ls")
        return f"node.hostname {operator} {one.pattern}"
    note(str(one), f"number the nodes: docker node update --label-add index={one.pattern} NODE")
    return f"node.labels.index {operator} {one.pattern}"
