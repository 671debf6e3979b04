"""A template as a stack file of Docker's Swarm mode (``docker stack deploy``).

What has no equal there is told: each note names the service, and the key or label, and says what
to put in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ecsmachine.compose.model import Template
from ecsmachine.compose.stack_service import VERSION, stack_service
from ecsmachine.compose.templates import filled_in, parse_template
from ecsmachine.compose.values import Values

_NETWORK_KEYS = ("attachable", "driver", "driver_opts", "external", "internal", "ipam", "labels")


@dataclass(frozen=True)
class Stack:
    """A stack file: its text, and notes, a line each, of what is not in it.

    ``ports`` are those of the nodes that it takes: a number, or a number and ``/udp``.
    """

    text: str
    notes: tuple[str, ...]
    ports: tuple[str, ...]


def convert(text: str, variables: Mapping[str, str]) -> Stack:
    """Convert a template. Raises :class:`~ecsmachine.compose.values.TemplateError`."""
    template = parse_template(text, variables, for_stack=True)
    top, services, missing = filled_in(text, variables)
    notes = [f"the variable {name} has no value: it is empty" for name in missing]
    aliases: dict[str, set[str]] = {}
    for service in template.services.values():
        for target, alias in service.links:
            if alias != target:
                aliases.setdefault(target, set()).add(alias)

    def note(name: str, key: str, advice: str) -> None:
        notes.append(f"{name}: {key}: {advice}")

    made = {
        name: stack_service(
            template.services[name], raw, aliases.get(name, set()), partial(note, name)
        )
        for name, raw in Values("services", services).values.items()
        if name in template.services
    }
    unbound = [n for n, one in made.items() if "restart_policy" not in one["deploy"]]
    if unbound:
        notes.append(
            f"{', '.join(unbound)}: no restart is given: a stack restarts all containers that end "
            "(deploy.restart_policy.condition: none prevents that)"
        )
    stack: dict[str, Any] = {"version": VERSION, "services": made}
    stack["volumes"] = _volumes(template, top, notes)
    stack["networks"] = _networks(top, notes)
    stack |= {key: top.values[key] for key in ("configs", "secrets") if key in top}
    ports = sorted(
        {(p.host, p.protocol) for one in template.services.values() for p in one.ports if p.host}
    )
    return Stack(
        _written({key: value for key, value in stack.items() if value}),
        tuple(notes),
        tuple(str(n) if protocol == "tcp" else f"{n}/{protocol}" for n, protocol in ports),
    )


def _volumes(template: Template, top: Values, notes: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, one in template.volumes.items():
        of: dict[str, Any] = {}
        if one.external:
            of = {"external": True, **({"name": one.name} if one.name != key else {})}
            notes.append(f"volumes.{key}: make it on every node: docker volume create {one.name}")
        elif one.driver == "nas":
            options = {name: one.options.get(name, "") for name in ("host", "path")}
            device = {"o": f"addr={options['host']},nfsvers=4.0", "device": f":{options['path']}"}
            of = {"driver": "local", "driver_opts": {"type": "nfs", **device}}
            notes.append(f"volumes.{key}: every node needs an NFS client (nfs-common)")
        elif one.driver == "ossfs":
            folder = f"/mnt/acs_mnt/ossfs/{one.options.get('bucket', key)}"
            device = {"o": "bind", "device": folder}
            of = {"driver": "local", "driver_opts": {"type": "none", **device}}
            notes.append(f"volumes.{key}: mount the bucket at {folder} of every node with ossfs")
        elif one.driver != "local":
            of = {"driver": one.driver, "driver_opts": dict(one.options)}
            notes.append(f"volumes.{key}: every node needs the plugin {one.driver}")
        elif one.options:
            of = {"driver": "local", "driver_opts": dict(one.options)}
        if not one.external:
            of |= {"labels": dict(one.labels)} if one.labels else {}
            of |= {"name": one.name} if one.name != key else {}
        found[key] = of
    used = {m.source for s in template.services.values() for m in s.mounts if m.is_volume}
    names = {one.name for one in template.volumes.values()}
    for name in sorted(used - names):
        if not name.startswith((".", "~")):
            found[name] = {"external": True}
            notes.append(f"volumes.{name}: make it on every node: docker volume create {name}")
    return found


def _networks(top: Values, notes: list[str]) -> dict[str, Any]:
    found = {}
    for key, value in top.part("networks").values.items():
        of = dict(value or {})
        for name in list(of):
            if name not in (*_NETWORK_KEYS, "name"):
                notes.append(f"networks.{key}.{name}: version {VERSION} has none: leave it out")
                del of[name]
        if isinstance(of.get("external"), dict):
            of = {"external": True, **of["external"]}
        if of.get("driver") in ("bridge", "default"):
            of["driver"] = "overlay"
        found[key] = of
    return found


def _written(stack: Mapping[str, Any]) -> str:
    """Return a stack as YAML, in which a dollar sign names no variable."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Quotes what another reader might take for a number."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
        style = '"' if value[:1] in "+-.0123456789" else None
        style = "|" if "\n" in value else style
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    written: str = yaml.dump(
        _escaped(stack), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1000
    )
    return written


def _escaped(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _escaped(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(item) for item in value]
    return value.replace("$", "$$") if isinstance(value, str) else value
