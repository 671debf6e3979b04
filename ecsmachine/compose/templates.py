"""Compose templates: services with what each container is made of, checked, in starting order.

Both forms of the guide are read: services at the top (version 1), and below ``services``
(version 2). What is not known is refused by name: nothing of a template is silently left out.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ecsmachine.compose.errors import TemplateError
from ecsmachine.compose.labels import PREFIX, Labels, read_labels
from ecsmachine.compose.placement import Placement, read_placement

PortProtocol = Literal["tcp", "udp"]
RestartPolicy = Literal["no", "always", "on-failure", "unless-stopped"]
_RESTARTS: tuple[RestartPolicy, ...] = get_args(RestartPolicy)

_MOST_BYTES = 256 * 1024
_MOST_VALUES = 100_000
_SERVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_VOLUME_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+")
_KEYS = frozenset(
    (
        *("cap_add", "cap_drop", "command", "container_name", "cpu_shares", "cpuset"),
        *("depends_on", "dns", "dns_search", "domainname", "entrypoint", "environment", "expose"),
        *("extra_hosts", "hostname", "image", "labels", "links", "mem_limit", "oom_kill_disable"),
        *("ports", "privileged", "read_only", "restart", "security_opt", "stdin_open"),
        *("stop_signal", "tmpfs", "tty", "user", "volumes", "working_dir"),
    )
)
_CONTAINER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,127}")
_VARIABLE = re.compile(r"\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?-)([^}]*))?\}|)")
_PORT = re.compile(r"(?:(?:([\d.]+):)?(\d*):)?(\d+)(?:/(tcp|udp))?")
_MEMORY = re.compile(r"(\d+)\s*([kmg]?)b?", re.IGNORECASE)


@dataclass(frozen=True)
class Port:
    """A port of a container; ``host`` 0 lets the engine choose one, None publishes none."""

    container: int
    protocol: PortProtocol = "tcp"
    host: int | None = None
    address: str = ""


@dataclass(frozen=True)
class Mount:
    """A volume of a container: ``source`` is a volume's name, a path of the node, or "" for one
    without a name.
    """

    source: str
    target: str
    mode: str = "rw"

    @property
    def is_volume(self) -> bool:
        """Whether the source is the name of a volume."""
        return bool(self.source) and not self.source.startswith("/")


@dataclass(frozen=True)
class Service:
    """A service of a template.

    ``definition`` are its Compose keys as written, without the labels that are Container
    Service's own; those are ``own``. ``environment`` is without what ``placement`` says.
    ``container_name`` is "" unless its only container is to have a name of its own.
    """

    name: str
    definition: Mapping[str, Any]
    own: Labels
    image: str
    container_name: str = ""
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: tuple[str, ...] = field(default=(), repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    mounts: tuple[Mount, ...] = ()
    restart: RestartPolicy = "no"
    restart_limit: int = 0
    links: tuple[tuple[str, str], ...] = ()
    depends_on: tuple[str, ...] = ()
    memory_bytes: int = 0
    placement: Placement = field(default_factory=Placement)

    @property
    def fixed_ports(self) -> frozenset[tuple[int, str]]:
        """The ports of a node that a container takes, with their protocols."""
        return frozenset((port.host, port.protocol) for port in self.ports if port.host)

    def fixed_port(self, container: int, protocol: PortProtocol) -> int:
        """Return the port of a node that leads to one of a container; 0: the engine chooses it."""
        inside = (p for p in self.ports if (p.container, p.protocol) == (container, protocol))
        return max((p.host or 0 for p in inside), default=0)


def parse_template(text: str, variables: Mapping[str, str]) -> dict[str, Service]:
    """Return the services of a template by name, each after those that it depends on.

    Variables (``$NAME``, ``${NAME}``, ``${NAME:-default}``) are filled in; ``$$`` is a dollar
    sign. Raises :class:`TemplateError` with the place and the reason.
    """
    if len(text.encode()) > _MOST_BYTES:
        raise _refused("it is longer than 256 KiB")
    services = _services_of(_load(text))
    if not services:
        raise _refused("it has no services")
    found = {}
    for name, definition in services.items():
        if not isinstance(name, str) or not _SERVICE_NAME.fullmatch(name):
            raise _refused(f'"{name}" cannot be the name of a service')
        if not isinstance(definition, dict):
            raise _refused(f"the service {name} is no object")
        found[name] = _Reader(name, _filled(definition, variables)).service()
    for service in found.values():
        for other in (*service.depends_on, *(target for target, _ in service.links)):
            if other not in found:
                raise _refused(f"the service {service.name} depends on {other}, which is missing")
    return {name: found[name] for name in _order(found)}


def _load(text: str) -> dict[str, Any]:
    import yaml

    try:
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" in line {mark.line + 1}" if mark is not None else ""
        raise _refused(f"it is not YAML: {error.problem}{place}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise _refused("it is not YAML") from None
    if not isinstance(data, dict):
        raise _refused("it is no object with services")
    # a few aliases of aliases stand for billions of values
    pending: list[Any] = [data]
    for _ in range(_MOST_VALUES):
        if not pending:
            return data
        item = pending.pop()
        if isinstance(item, dict | list):
            pending += item.values() if isinstance(item, dict) else item
    raise _refused("it has too many values")


def _services_of(data: dict[str, Any]) -> dict[str, Any]:
    if "services" not in data and "version" not in data:
        return data
    version = str(data.get("version", "2"))
    if not version.startswith("2"):
        raise _refused(f"version {version} is not known here: 1 and 2 are")
    for key in data:
        if key not in ("version", "services", "volumes") and not str(key).startswith("x-"):
            raise _refused(f"{key} is not supported at the top: services and volumes are")
    volumes = data.get("volumes") or {}
    if not isinstance(volumes, dict):
        raise _refused("volumes is no object")
    for name, options in volumes.items():
        unknown = set(options or {}) - {"driver", "external"}
        if unknown or (options or {}).get("driver", "local") != "local":
            raise _refused(f"volumes.{name}: only external, and the driver local, are supported")
    services = data.get("services")
    if not isinstance(services, dict):
        raise _refused("services is no object")
    return services


class _Reader:
    """Reads one service; every refusal names it."""

    def __init__(self, name: str, definition: dict[str, Any]) -> None:
        self._name = name
        self._definition = definition

    def service(self) -> Service:
        definition = self._definition
        for key in definition:
            if key not in _KEYS:
                raise self._refused(str(key), "it is not supported")
        image = definition.get("image")
        if not isinstance(image, str) or not image.strip() or re.search(r"\s", image):
            raise self._refused("image", "it has to be the name of an image")
        labels = self._pairs("labels")
        own = {
            name.removeprefix(PREFIX): value
            for name, value in labels.items()
            if name.startswith(PREFIX)
        }
        others = {name: value for name, value in labels.items() if not name.startswith(PREFIX)}
        shown = {key: value for key, value in definition.items() if key != "labels"}
        if others:
            shown["labels"] = others
        restart, limit = self._restart()
        read = read_labels(own, self._refused_label)
        placement, variables = self._placement()
        service = Service(
            name=self._name,
            definition=shown,
            own=read,
            image=image,
            container_name=self._container_name(read),
            command=self._words("command"),
            entrypoint=self._words("entrypoint"),
            environment=variables,
            labels=others,
            ports=tuple(self._ports()),
            mounts=tuple(self._mount(text) for text in self._texts("volumes")),
            restart=restart,
            restart_limit=limit,
            links=tuple(self._links()),
            depends_on=(*self._depends_on(), *read.depends_on),
            memory_bytes=self._memory(),
            placement=placement,
        )
        for port, front in read.fronts.items():
            if not service.fixed_port(port, front.transport):
                raise self._refused_label(
                    f"lb.port_{port}", f"it needs a port of the node in ports (8080:{port})"
                )
        return service

    def _placement(self) -> tuple[Placement, tuple[str, ...]]:
        texts = [f"{name}={value}" for name, value in self._pairs("environment").items()]
        if isinstance(self._definition.get("environment"), list):
            texts = self._texts("environment")  # filters may have their first half in common
        try:
            placement, variables = read_placement(texts)
        except ValueError as error:
            raise self._refused("environment", str(error)) from None
        pairs = dict(text.partition("=")[::2] for text in variables)
        return placement, tuple(f"{name}={value}" for name, value in pairs.items())

    def _container_name(self, own: Labels) -> str:
        name = str(self._definition.get("container_name") or "")
        if not name:
            return ""
        if not _CONTAINER_NAME.fullmatch(name):
            raise self._refused("container_name", f'"{name}" cannot be the name of a container')
        if own.everywhere or own.scale > 1:
            raise self._refused("container_name", "several containers cannot have one name")
        return name

    def _restart(self) -> tuple[RestartPolicy, int]:
        text = str(self._definition.get("restart", "no"))
        # YAML 1.1 reads a bare no as false
        name, _, limit = ("no" if text == "False" else text).partition(":")
        policy: RestartPolicy | None = next((p for p in _RESTARTS if p == name), None)
        if policy is None or (limit and (policy != "on-failure" or not limit.isdecimal())):
            raise self._refused("restart", "no, always, on-failure[:N] or unless-stopped")
        return policy, int(limit or 0)

    def _ports(self) -> list[Port]:
        found = []
        for text in self._texts("ports"):
            match = _PORT.fullmatch(text)
            if match is None:
                raise self._refused("ports", f'"{text}" is not [[ADDRESS:]HOST:]CONTAINER')
            port = Port(
                int(match[3]),
                "udp" if match[4] == "udp" else "tcp",
                int(match[2] or 0),
                match[1] or "",
            )
            if not 1 <= port.container <= 65535 or (port.host or 0) > 65535:
                raise self._refused("ports", f"{text} is out of range")
            found.append(port)
        for text in self._texts("expose"):
            if not text.isdecimal() or not 1 <= int(text) <= 65535:
                raise self._refused("expose", f'"{text}" is not a port')
            found.append(Port(int(text)))
        return found

    def _mount(self, text: str) -> Mount:
        parts = text.split(":")
        mode = parts.pop() if parts[-1] in ("ro", "rw") else "rw"
        source, target = ("", parts[0]) if len(parts) == 1 else (parts[0], parts[-1])
        if len(parts) > 2 or not target.startswith("/"):
            raise self._refused("volumes", f'"{text}" is not [SOURCE:]PATH[:ro]')
        if source and not source.startswith("/") and not _VOLUME_NAME.fullmatch(source):
            raise self._refused("volumes", f'"{source}" is no path of a node, and no name')
        return Mount(source, target, mode)

    def _links(self) -> list[tuple[str, str]]:
        pairs = []
        for text in self._texts("links"):
            target, _, alias = text.partition(":")
            pairs.append((target, alias or target))
        return pairs

    def _depends_on(self) -> list[str]:
        value = self._definition.get("depends_on")
        return list(value) if isinstance(value, dict) else self._texts("depends_on")

    def _memory(self) -> int:
        value = self._definition.get("mem_limit")
        if value is None:
            return 0
        match = _MEMORY.fullmatch(str(value))
        if match is None:
            raise self._refused("mem_limit", f'"{value}" is not a size such as 256m')
        amount = int(match[1]) << (10 * " kmg".index(match[2].lower() or " "))
        if amount < 6 * 1024 * 1024:
            raise self._refused("mem_limit", "6m is the least")
        return amount

    def _words(self, key: str) -> tuple[str, ...] | None:
        value = self._definition.get(key)
        if value is None:
            return None
        if isinstance(value, str):
            try:
                return tuple(shlex.split(value))
            except ValueError as error:
                raise self._refused(key, str(error)) from None
        return tuple(self._texts(key))

    def _texts(self, key: str) -> list[str]:
        value = self._definition.get(key)
        if value is None:
            return []
        if isinstance(value, str | int) and not isinstance(value, bool):
            return [str(value)]
        if not isinstance(value, list) or not all(isinstance(item, str | int) for item in value):
            raise self._refused(key, "it has to be a list of texts")
        return [str(item) for item in value]

    def _pairs(self, key: str) -> dict[str, str]:
        """Return what is written as ``NAME: value`` or as a list of ``NAME=value``."""
        value = self._definition.get(key)
        if isinstance(value, dict):
            pairs = {}
            for name, item in value.items():
                if isinstance(item, dict | list):
                    raise self._refused(key, f"the value of {name} is no text")
                pairs[str(name)] = _plain(item)
            return pairs
        found = {}
        for text in self._texts(key):
            name, _, rest = text.partition("=")
            found[name] = rest
        return found

    def _refused_label(self, name: str, reason: str) -> TemplateError:
        return self._refused("labels", f"{PREFIX}{name}: {reason}")

    def _refused(self, key: str, reason: str) -> TemplateError:
        return _refused(f"{self._name}.{key}: {reason}")


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    """Return a part of a template with its variables filled in."""
    if isinstance(value, dict):
        return {key: _filled(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, variables) for item in value]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        dollar, bare, braced, operator, default = match.groups()
        if dollar:
            return "$"
        name = bare or braced
        if not name:
            raise _refused(f'a "$" in "{value}" names no variable: a dollar sign is written $$')
        found = variables.get(name)
        if found is None or (operator == ":-" and not found):
            return default if operator else ""
        return found

    return _VARIABLE.sub(replace, value)


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
            raise _refused(f"the services depend on each other: {circle}")
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


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _refused(reason: str) -> TemplateError:
    return TemplateError(reason)
