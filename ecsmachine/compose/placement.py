"""On which nodes the containers of a service may be: Docker Swarm's filters.

They stand in a service's ``environment``, as in Docker Swarm and the guide's service:
``constraint:aliyun.node_index==(1|2)``, ``affinity:service!=db``, ``affinity:image==~redis``.
A ``~`` after the operator makes it a wish.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

_EXPRESSION = re.compile(r"(constraint|affinity):([A-Za-z0-9_.-]+)(==|!=)(~?)(.+)")
_RESCHEDULE = re.compile(r"reschedule:([a-z-]+)=?")
BEGINNINGS = ("constraint:", "affinity:", "reschedule:")
"""How texts of an environment begin that are no variables."""

NODE_KEYS = ("node", "aliyun.node_index")
"""What nodes are told apart by: name, address or instance, and number."""


@dataclass(frozen=True)
class Filter:
    """One expression: what ``key`` names has, or has not, a value like ``pattern``."""

    kind: str
    key: str
    negated: bool
    wished: bool
    pattern: str

    def __str__(self) -> str:
        operator = "!=" if self.negated else "=="
        return f"{self.kind}:{self.key}{operator}{'~' if self.wished else ''}{self.pattern}"

    def admits(self, values: Iterable[str]) -> bool:
        """Return whether a node with these values fits."""
        return any(_is_like(value, self.pattern) for value in values) is not self.negated


@dataclass(frozen=True)
class Placement:
    """The filters of a service; ``stays``: its containers are not moved off a silent node."""

    filters: tuple[Filter, ...] = ()
    stays: bool = False

    @property
    def services(self) -> tuple[str, ...]:
        """The services that it is to be near to, or far from."""
        return tuple(f.pattern for f in self.filters if (f.kind, f.key) == ("affinity", "service"))


@dataclass(frozen=True)
class Candidate:
    """What filters look at of a node: its own values, and those of what it has.

    ``services`` and ``containers`` are those of the same project; ``labels`` are of containers.
    """

    node: str
    values: Mapping[str, Collection[str]]
    services: Collection[str] = ()
    containers: Collection[str] = ()
    images: Collection[str] = ()
    labels: Mapping[str, Collection[str]] | None = None

    def of(self, one: Filter) -> Collection[str]:
        """Return the values that a filter is about."""
        if one.kind == "constraint":
            return self.values.get(one.key, ())
        if one.key == "service":
            return self.services
        if one.key == "container":
            return self.containers
        if one.key == "image":
            return self.images
        return (self.labels or {}).get(one.key, ())


def read_placement(environment: Sequence[str]) -> tuple[Placement, tuple[str, ...]]:
    """Return the placement that ``NAME=VALUE`` texts hold, and the texts that are variables.

    Raises ``ValueError`` with the reason.
    """
    filters, variables, stays = [], [], False
    for text in environment:
        if not text.startswith(BEGINNINGS):
            variables.append(text)
            continue
        rule = _RESCHEDULE.fullmatch(text)
        if rule is not None and rule[1] in ("on-node-failure", "off"):
            stays = rule[1] == "off"
            continue
        match = _EXPRESSION.fullmatch(text)
        if match is None:
            raise ValueError(
                f'"{text.rstrip("=")}" is neither constraint:KEY==VALUE, affinity:KEY==VALUE '
                "(or !=), nor reschedule:on-node-failure or off"
            )
        kind, key, operator, wish, pattern = match.groups()
        if kind == "constraint" and key not in NODE_KEYS:
            raise ValueError(f'"{text}": nodes have no {key}, only {" and ".join(NODE_KEYS)}')
        filters.append(Filter(kind, key, operator == "!=", bool(wish), pattern))
    return Placement(tuple(filters), stays), tuple(variables)


def fitting(placement: Placement, candidates: Iterable[Candidate]) -> list[str]:
    """Return the nodes that fit; of these, those that fit all wishes, if there are any."""
    allowed = [
        candidate
        for candidate in candidates
        if all(f.wished or f.admits(candidate.of(f)) for f in placement.filters)
    ]
    preferred = [c for c in allowed if all(f.admits(c.of(f)) for f in placement.filters)]
    return [candidate.node for candidate in preferred or allowed]


def _is_like(value: str, pattern: str) -> bool:
    """Compare as Docker Swarm does: ``*``, ``(one|another)`` or ``/a regular expression/``."""
    if len(pattern) > 2 and pattern.startswith("/") and pattern.endswith("/"):
        try:
            return re.search(pattern[1:-1], value) is not None
        except re.error:
            return False
    if pattern.startswith("(") and pattern.endswith(")"):
        return any(fnmatchcase(value, one.strip()) for one in pattern[1:-1].split("|"))
    return fnmatchcase(value, pattern)
