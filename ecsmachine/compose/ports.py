"""The ports of a service, in both forms, with ranges."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from ecsmachine.compose.model import Port, PortProtocol
from ecsmachine.compose.values import Values

_RANGE = r"\d{1,5}(?:-\d{1,5})?"
_SHORT = re.compile(
    rf"(?:(?:(?P<address>[\d.]+|\[[0-9a-fA-F:.]+\]):)?(?P<host>(?:{_RANGE})?):)?"
    rf"(?P<container>{_RANGE})(?:/(?P<protocol>tcp|udp))?"
)
_EXPOSED = re.compile(rf"(?P<container>{_RANGE})(?:/(?P<protocol>tcp|udp))?")
_MOST_PORTS = 1000


def read_ports(values: Values) -> tuple[Port, ...]:
    """Return the ports that ``ports`` and ``expose`` name, each once.

    Raises :class:`~ecsmachine.compose.values.TemplateError`.
    """
    found = list(dict.fromkeys((*_published(values), *_exposed(values))))
    if len(found) > _MOST_PORTS:
        raise values.refused("ports", f"at most {_MOST_PORTS} are allowed")
    taken = Counter((port.host, port.protocol, port.address) for port in found if port.host)
    for (host, protocol, _), number in taken.items():
        if number > 1:
            raise values.refused(
                "ports", f"two containers cannot share {host}/{protocol} of the node"
            )
    return tuple(found)


def _published(values: Values) -> Iterator[Port]:
    for item in values.items("ports"):
        if isinstance(item, dict):
            yield from _long(Values(f"{values.place}.ports", item))
            continue
        match = _SHORT.fullmatch(str(item))
        if match is None:
            raise values.refused("ports", f'"{item}" is not [[ADDRESS:]HOST:]CONTAINER[/PROTOCOL]')
        yield from _each(
            *(values, "ports", str(item), match["container"], match["host"] or ""),
            *(match["protocol"] or "tcp", (match["address"] or "").strip("[]")),
        )


def _long(values: Values) -> Iterator[Port]:
    values.only("target", "published", "protocol", "mode", "host_ip", "name", "app_protocol")
    protocol = values.text("protocol", "tcp")
    if protocol not in ("tcp", "udp"):
        raise values.refused("protocol", f'"{protocol}" is neither tcp nor udp')
    if values.text("mode", "ingress") not in ("ingress", "host"):
        raise values.refused("mode", "host or ingress")
    target, published = values.text("target"), values.text("published")
    for key, text in (("target", target), ("published", published)):
        if not re.fullmatch(r"\d{1,5}", text) and (text or key == "target"):
            raise values.refused(key, f'"{text}" is not a port')
    host_ip = values.text("host_ip").strip("[]")
    yield from _each(values, "target", target, target, published, protocol, host_ip)


def _exposed(values: Values) -> Iterator[Port]:
    for text in values.texts("expose"):
        match = _EXPOSED.fullmatch(text)
        if match is None:
            raise values.refused("expose", f'"{text}" is not a port')
        protocol: PortProtocol = "udp" if match["protocol"] == "udp" else "tcp"
        for number in _numbers(values, "expose", match["container"]):
            yield Port(number, protocol)


def _each(
    values: Values, key: str, text: str, container: str, host: str, protocol: str, address: str
) -> Iterator[Port]:
    inside = _numbers(values, key, container)
    outside = _numbers(values, key, host) if host else [0] * len(inside)
    if len(inside) != len(outside):
        raise values.refused(key, f'"{text}" has ranges of different lengths')
    for one, other in zip(inside, outside, strict=True):
        yield Port(one, "udp" if protocol == "udp" else "tcp", other, address)


def _numbers(values: Values, key: str, text: str) -> range:
    first, _, last = text.partition("-")
    numbers = range(int(first), int(last or first) + 1)
    if not numbers or not 1 <= numbers[0] <= numbers[-1] <= 65535:
        raise values.refused(key, f"{text} is out of range")
    if len(numbers) > _MOST_PORTS:
        raise values.refused(key, f"{text}: at most {_MOST_PORTS} ports are allowed")
    return numbers
