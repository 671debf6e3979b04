"""One service of a template as one of a stack file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecsmachine.compose.keys import KEYS
from ecsmachine.compose.labels import PREFIX
from ecsmachine.compose.model import DEFAULT_NETWORK, HealthCheck, Port, Service
from ecsmachine.compose.placement import BEGINNINGS, read_placement
from ecsmachine.compose.stack_labels import Note, note_labels, place, probe_check
from ecsmachine.compose.values import Kind, Values

VERSION = "3.9"
"""The form that is written: the last one; engines have known it since 20.10."""

_CONDITIONS = {"no": "none", "always": "any", "unless-stopped": "any", "on-failure": "on-failure"}
_CHECK_KEYS = ("test", "interval", "timeout", "retries", "start_period", "disable")
_PARTS_OF_VOLUMES: dict[str, dict[str, Kind]] = {
    "bind": {"propagation": "text"},
    "volume": {"nocopy": "flag"},
    "tmpfs": {"size": "size"},
}
_NONE = f"version {VERSION} has none: leave it out"


def stack_service(
    service: Service, raw: Mapping[str, Any], aliases: set[str], note: Note
) -> dict[str, Any]:
    """Return a service of a stack; ``raw`` is what the template says of it, filled in.

    ``aliases`` are names that others have for it. What is not in it is told by ``note``.
    """
    values = Values(service.name, raw)
    found: dict[str, Any] = {}
    for name in values:
        key = KEYS.get(name)
        if key is None or name not in values:
            continue
        if not key.stack:
            value = _value(service, values, name)
            if value not in (None, [], {}):
                found[name] = value
        elif key.stack != "-":
            note(name, f"it has no equivalent: {key.stack}")
    volumes = [*_volumes(values, note), *_in_memory(service, values)]
    check = _health_check(service, values, note)
    found |= {
        name: value
        for name, value in (
            ("volumes", volumes),
            ("healthcheck", check),
            ("networks", _networks(values, aliases)),
            ("deploy", _deploy(service, values, note)),
        )
        if value
    }
    _note_others(service, values, note)
    note_labels(service, note)
    return found


def _value(service: Service, values: Values, name: str) -> Any:
    """Return the value of a key as a stack has it; None if it is written elsewhere."""
    if name in ("volumes", "healthcheck", "networks", "deploy", "tmpfs"):
        return None
    if name == "labels":
        return dict(service.labels)
    if name == "environment":
        return {
            key: value
            for key, value in values.pairs_in_order(name)
            if not key.startswith(BEGINNINGS)
        }
    if name == "ports":
        return [_port(port, values) for port in service.ports if port.host is not None]
    if name == "extra_hosts":
        return service.settings["ExtraHosts"]
    kind = KEYS[name].kind
    return (
        values.read(name, kind)
        if kind in ("flag", "number", "texts", "pairs", "text")
        else (values.values[name])
    )


def _port(port: Port, values: Values) -> dict[str, Any]:
    """Return a port at the nodes of the containers, as it is here, unless it says otherwise."""
    everywhere = any(
        isinstance(item, dict)
        and item.get("mode") == "ingress"
        and str(item.get("target")) == str(port.container)
        for item in values.items("ports")
    )
    return {
        "target": port.container,
        **({"published": port.host} if port.host else {}),
        "protocol": port.protocol,
        "mode": "ingress" if everywhere else "host",
    }


def _volumes(values: Values, note: Note) -> list[Any]:
    found: list[Any] = []
    for item in values.items("volumes"):
        source = item.get("source", "") if isinstance(item, dict) else str(item).partition(":")[0]
        bound = item.get("type") == "bind" if isinstance(item, dict) else ":" in str(item)
        if bound and str(source).startswith(("/", ".", "~")):
            note(
                f"volumes {source}",
                "a stack does not create folders: create it on every node first",
            )
        if isinstance(item, dict):
            found.append(_long_volume(Values(f"{values.place}.volumes", item), note))
        else:
            found.append(str(item))
    return found


def _long_volume(values: Values, note: Note) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in values:
        if key in _PARTS_OF_VOLUMES:
            part, allowed = values.part(key), _PARTS_OF_VOLUMES[key]
            for name in part:
                if name not in allowed:
                    note(f"volumes {values.text('target')}: {key}.{name}", _NONE)
            kept = {name: part.read(name, kind) for name, kind in allowed.items() if name in part}
            if kept:
                found[key] = kept
        elif key == "read_only":
            found[key] = values.flag(key)
        elif key in ("type", "source", "target", "consistency"):
            found[key] = values.text(key)
    return found


def _in_memory(service: Service, values: Values) -> list[dict[str, Any]]:
    """Return folders in memory, and the size of that for shared memory, as volumes."""
    found = []
    for text in values.texts("tmpfs"):
        path, _, options = text.partition(":")
        sizes = [word.partition("=")[2] for word in options.split(",") if word.startswith("size=")]
        size = Values(service.name, {"tmpfs": sizes[0]}).size("tmpfs") if sizes else 0
        found.append((path, size))
    if "shm_size" in values:
        found.append(("/dev/shm", values.size("shm_size")))  # noqa: S108 - a folder of containers
    return [
        {"type": "tmpfs", "target": path, **({"tmpfs": {"size": size}} if size else {})}
        for path, size in found
    ]


def _health_check(service: Service, values: Values, note: Note) -> dict[str, Any] | None:
    if "healthcheck" in values:
        part = values.part("healthcheck")
        for name in part:
            if name not in _CHECK_KEYS:
                note(f"healthcheck.{name}", _NONE)
        return {name: value for name, value in part.values.items() if name in _CHECK_KEYS}
    check = probe_check(service, note)
    return None if check is None else _written(check)


def _written(check: HealthCheck) -> dict[str, Any]:
    return {
        "test": list(check.test),
        "interval": f"{check.interval_s:g}s",
        "timeout": f"{check.timeout_s:g}s",
        "retries": check.retries,
        "start_period": f"{check.start_period_s:g}s",
    }


def _networks(values: Values, aliases: set[str]) -> Any:
    named = values.values.get("networks")
    if not aliases:
        return named
    of = named if isinstance(named, dict) else dict.fromkeys(values.texts("networks"))
    return {
        name: {
            **(options or {}),
            "aliases": sorted({*(options or {}).get("aliases", ()), *aliases}),
        }
        for name, options in (of or {DEFAULT_NETWORK: None}).items()
    }


def _deploy(service: Service, values: Values, note: Note) -> dict[str, Any]:
    raw, own = dict(values.part("deploy").values), service.own
    deploy: dict[str, Any] = {
        key: dict(value) if isinstance(value, dict) else value for key, value in raw.items()
    }
    labels = {
        name: value
        for name, value in values.part("deploy").pairs("labels").items()
        if not name.startswith(PREFIX)
    }
    deploy.pop("labels", None)
    if labels:
        deploy["labels"] = labels
    if own.everywhere:
        deploy["mode"] = "global"
    elif own.scale != 1:
        deploy["replicas"] = own.scale
    if own.parallelism != 1 and "update_config" not in deploy:
        deploy["update_config"] = {"parallelism": own.parallelism, "failure_action": "rollback"}
    if "restart" in values and "restart_policy" not in deploy:
        policy: dict[str, Any] = {"condition": _CONDITIONS[service.restart]}
        if service.restart_limit:
            policy["max_attempts"] = service.restart_limit
        deploy["restart_policy"] = policy
    for name, part, key in (
        ("mem_limit", "limits", "memory"),
        ("cpus", "limits", "cpus"),
        ("pids_limit", "limits", "pids"),
        ("mem_reservation", "reservations", "memory"),
    ):
        if name in values:
            resources = deploy.setdefault("resources", {})
            bounds = resources[part] = dict(resources.get(part) or {})
            bounds[key] = values.number(name) if key == "pids" else values.text(name)
    texts = [
        name if value is None else f"{name}={value}"
        for name, value in values.pairs_in_order("environment")
    ]
    placement = place(read_placement(texts)[0], service.name, note)
    if placement:
        before = deploy.get("placement") or {}
        constraints = [*before.get("constraints", ()), *placement.pop("constraints", ())]
        deploy["placement"] = before | placement
        if constraints:
            deploy["placement"]["constraints"] = constraints
    if not any(port["mode"] == "ingress" for port in _value(service, values, "ports") or ()):
        deploy.setdefault("endpoint_mode", "dnsrr")
    return deploy


def _note_others(service: Service, values: Values, note: Note) -> None:
    """Tell of keys that are written elsewhere, and do not say the same there."""
    for port in service.ports:
        if port.address:
            note("ports", f"{port.address} is left out: {port.host} is open on every address")
    if service.container_name:
        note("container_name", f"tasks have their own names: reach it as {service.name}")
    if "depends_on" in values:
        note(
            "depends_on",
            "a stack starts everything at once: make the program retry until it reaches the other",
        )
    if values.text("pull_policy") == "always":
        note("pull_policy", "docker stack deploy looks for the newest image each time")
