"""The labels of Container Service (``aliyun.…``) of a service: what they ask for.

What the guide's service documents and this one can do is read here; what it cannot do is told
in warnings, each a line: a label is never silently without effect. A service is healthy if its
probe passes, where it has one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from ecsmachine.compose.values import TemplateError

PREFIX = "aliyun."
MOST_CONTAINERS = 100
MOST_SECONDS = 600
_ROUTING = "routing.port_"
_BALANCED = "lb.port_"
_LONGEST_NAME = 128
_FRONT = re.compile(r"(?P<scheme>tcp|udp|https?)://(?P<balancer>[^\s:/]{1,80}):(?P<port>\d{1,5})")

Refuse = Callable[[str, str], TemplateError]
"""Makes the refusal of a label, by its name and the reason."""

ABOUT_LOGS = ("logs", "log_store_", "log_ttl_", "log.")
"""How labels begin that say where logs go."""

_WITHOUT_EFFECT = (
    (ABOUT_LOGS, "there is no Log Service here: read logs with docker logs"),
    ("auto_scaling", "nothing measures containers here: scale by a trigger"),
    ("monitoring.", "nothing measures containers here"),
)
"""Labels that the guide's service has and this one has not, by how they begin, with the reason."""


ProbeScheme = Literal["", "http", "tcp"]


@dataclass(frozen=True)
class Probe:
    """How to tell whether a container is healthy: by HTTP, by TCP, or by a command in it.

    ``scheme`` is http, tcp, or "" for a ``command``. An answer of 2XX or 3XX, a connection, or
    the exit code 0 is success. Times are seconds.
    """

    scheme: ProbeScheme = ""
    port: int = 0
    path: str = "/"
    command: str = ""
    timeout_s: int = 10
    delay_s: int = 0

    def __str__(self) -> str:
        if self.command:
            return self.command
        return f"{self.scheme}://container:{self.port}{self.path if self.scheme == 'http' else ''}"


@dataclass(frozen=True)
class Route:
    """A host, or the first part of a name below the cluster's domain, and a path below it."""

    host: str
    path: str = "/"


@dataclass(frozen=True)
class Front:
    """A listener of a load balancer, which is named by its name or id; ``port`` is its own."""

    protocol: Literal["tcp", "udp", "http"]
    balancer: str
    port: int

    @property
    def transport(self) -> Literal["tcp", "udp"]:
        """What its connections are made of."""
        return "udp" if self.protocol == "udp" else "tcp"


@dataclass(frozen=True)
class Labels:
    """What a service's labels ask for.

    ``shown`` is what the API shows of them (``extensions``); ``parallelism`` is how many
    containers an update replaces at a time.
    """

    shown: Mapping[str, object]
    scale: int = 1
    everywhere: bool = False
    depends_on: tuple[str, ...] = ()
    latest_image: bool = False
    parallelism: int = 1
    probe: Probe | None = None
    routes: Mapping[int, tuple[Route, ...]] = field(default_factory=dict)
    sticky: bool = False
    fronts: Mapping[int, Front] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def read_labels(own: Mapping[str, str], refuse: Refuse) -> Labels:
    """Return what labels ask for, given by their names after ``aliyun.``.

    Raises what ``refuse`` makes.
    """
    warnings = []
    for name, value in own.items():
        reason = _unsupported(name, value)
        if reason:
            warnings.append(f"{PREFIX}{name} has no effect: {reason}")
    scale = _number(own, "scale", 1, MOST_CONTAINERS, refuse)
    shown: dict[str, object] = {**own, "scale": scale}
    if "logs" in own:
        shown["logs"] = _list(own["logs"])
    return Labels(
        shown=shown,
        scale=scale,
        everywhere=_truth(own, "global", refuse),
        depends_on=tuple(_list(own.get("depends", ""))),
        latest_image=_truth(own, "latest_image", refuse),
        parallelism=_parallelism(own, refuse),
        probe=_probe(own, refuse),
        routes=_routes(own, refuse),
        sticky=_truth(own, "routing.session_sticky", refuse),
        fronts=_fronts(own, refuse),
        warnings=tuple(warnings),
    )


def _unsupported(name: str, value: str) -> str:
    """Return why a label does nothing here; "" for one that does something."""
    for beginning, reason in _WITHOUT_EFFECT:
        if name.startswith(beginning):
            return reason
    if name.startswith("probe.") and name.removeprefix("probe.") in (
        *("url", "cmd", "timeout_seconds", "initial_delay_seconds"),
    ):
        return ""
    if name.startswith(_ROUTING):
        if any(word.strip().startswith("https:") for word in value.split(";")):
            return "only HTTP is routed here: the name is routed without TLS"
        return ""
    if name.startswith(_BALANCED):
        https = value.strip().startswith("https:")
        return "it names no certificate: use http, or tcp and TLS of your own" if https else ""
    known = ("scale", "global", "depends", "latest_image", "rolling_updates")
    if name in (*known, "rolling_updates.parallelism", "routing.session_sticky"):
        return ""
    return "it is not known"


def _probe(own: Mapping[str, str], refuse: Refuse) -> Probe | None:
    url, command = own.get("probe.url", "").strip(), own.get("probe.cmd", "").strip()
    timeout_s = _number(own, "probe.timeout_seconds", 10, MOST_SECONDS, refuse, least=1)
    delay_s = _number(own, "probe.initial_delay_seconds", 0, MOST_SECONDS, refuse)
    if url and command:
        raise refuse("probe.url", "use it or aliyun.probe.cmd, not both")
    if command:
        return Probe(command=command, timeout_s=timeout_s, delay_s=delay_s)
    if not url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port or (80 if parts.scheme == "http" else 0)
    except ValueError:
        raise refuse("probe.url", f'"{url}" is not an address') from None
    if parts.scheme not in ("http", "tcp") or parts.hostname != "container" or not port:
        raise refuse("probe.url", "http://container[:PORT]/PATH or tcp://container:PORT")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii() or any(character.isspace() for character in path):
        raise refuse("probe.url", f'"{path}" must be encoded')
    scheme: ProbeScheme = "tcp" if parts.scheme == "tcp" else "http"
    return Probe(scheme, port, path, timeout_s=timeout_s, delay_s=delay_s)


def _routes(own: Mapping[str, str], refuse: Refuse) -> dict[int, tuple[Route, ...]]:
    """Return what is routed to each port: ``routing.port_80: web;http://www.example.com/shop``."""
    routes = {}
    for name, value in own.items():
        if not name.startswith(_ROUTING):
            continue
        port = _port_of_name(name, _ROUTING, refuse)
        found = []
        for word in filter(None, (word.strip() for word in value.split(";"))):
            host, _, path = (word.partition("://")[2] or word).partition("/")
            host = host.partition(":")[0].lower()
            if not host or len(host) > _LONGEST_NAME or len(path) > _LONGEST_NAME:
                raise refuse(name, f'"{word}" is not a name with a path of {_LONGEST_NAME} each')
            found.append(Route(host, f"/{path}"))
        routes[port] = tuple(found)
    return routes


def _fronts(own: Mapping[str, str], refuse: Refuse) -> dict[int, Front]:
    """Return what leads to each port: ``lb.port_80: http://front:8080``; HTTPS does not."""
    fronts = {}
    for name, value in own.items():
        if not name.startswith(_BALANCED):
            continue
        port = _port_of_name(name, _BALANCED, refuse)
        found = _FRONT.fullmatch(value.strip())
        if found is None or not 1 <= int(found["port"]) <= 65535:
            raise refuse(name, f'"{value}" is not SCHEME://BALANCER:PORT (tcp, udp, http, https)')
        for protocol in ("tcp", "udp", "http"):
            if found["scheme"] == protocol:
                fronts[port] = Front(protocol, found["balancer"], int(found["port"]))
    return fronts


def _port_of_name(name: str, prefix: str, refuse: Refuse) -> int:
    port = name.removeprefix(prefix)
    # a second way to write a port would be a second label for it
    if not port.isdecimal() or not 1 <= int(port) <= 65535 or port != str(int(port)):
        raise refuse(name, f"{port} is not a port")
    return int(port)


def _parallelism(own: Mapping[str, str], refuse: Refuse) -> int:
    """Return how many containers are replaced at a time; as documented, nonsense counts as 1."""
    if not _truth(own, "rolling_updates", refuse):
        return 1
    text = own.get("rolling_updates.parallelism", "1")
    return min(MOST_CONTAINERS, int(text)) if text.isdecimal() and int(text) else 1


def _number(
    own: Mapping[str, str], name: str, default: int, most: int, refuse: Refuse, least: int = 0
) -> int:
    text = own.get(name, str(default))
    if not text.isdecimal() or not least <= int(text) <= most:
        raise refuse(name, f"{least} to {most}")
    return int(text)


def _truth(own: Mapping[str, str], name: str, refuse: Refuse) -> bool:
    text = own.get(name, "false").lower()
    if text not in ("true", "false"):
        raise refuse(name, "true or false")
    return text == "true"


def _list(text: str) -> list[str]:
    return [word.strip() for word in text.replace(";", ",").split(",") if word.strip()]
