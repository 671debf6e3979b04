"""Where a request for a service of a cluster goes: by path, weight and cookie."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ecsmachine.compose.model import Service
from ecsmachine.localcloud.container_service.deployment import Placed
from ecsmachine.localcloud.state.clusters import Project, Release

COOKIE = "acs_route"

Place = tuple[str, int]
"""A node's address, and the port there that leads to a container."""


@dataclass(frozen=True)
class Destination:
    """A version of a service, for what is asked of a host below ``path``.

    ``weight`` is its part among those of the same path. ``sticky``: a client stays with the
    container that it got first.
    """

    path: str
    weight: int
    places: Sequence[Place]
    sticky: bool = False


Routes = Mapping[str, Sequence[Destination]]
"""Destinations by host name."""


def choose(
    destinations: Sequence[Destination], path: str, cookie: str = ""
) -> tuple[Destination, Place] | None:
    """Return where a request for a path goes: the longest path that it is below decides.

    Of several versions each gets as many as its weight says; one without a container is passed
    over, unless it is the only one with a weight. A cookie leads to the container that it is of.
    """
    below = [one for one in destinations if _is_below(path, one.path)]
    longest = max((len(one.path) for one in below), default=0)
    usable = [d for d in below if len(d.path) == longest and d.weight > 0 and d.places]
    total = sum(one.weight for one in usable)
    if not total:
        return None
    for one in usable:
        for place in one.places:
            if one.sticky and cookie and token_of(place) == cookie:
                return one, place
    drawn = secrets.randbelow(total)
    for one in usable:
        if drawn < one.weight:
            return one, secrets.choice(one.places)
        drawn -= one.weight
    return None


def token_of(place: Place) -> str:
    """Return what the cookie says of a place."""
    return hashlib.sha256(f"{place[0]}:{place[1]}".encode()).hexdigest()[:16]


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder if folder.endswith("/") else f"{folder}/")


def routes_of(
    services: Iterable[tuple[Project, Release, Service]], placed: Sequence[Placed], domain: str
) -> dict[str, list[Destination]]:
    """Return the destinations by host name. Containers that are not healthy are none.

    A name without a dot is also one below ``domain``.
    """
    found: dict[str, list[Destination]] = {}
    for project, release, service in services:
        own = [
            p
            for p in placed
            if (p.project, p.version, p.service) == (project.name, release.version, service.name)
            and p.container.running
            and p.container.health in ("", "healthy")
        ]
        for port, routes in service.own.routes.items():
            reached = [(p.node, p.container.reached_at(port)) for p in own]
            places = [(node, at) for node, at in reached if at is not None]
            for route in routes:
                destination = Destination(
                    route.path, release.weight, places, sticky=service.own.sticky
                )
                found.setdefault(route.host, []).append(destination)
                if "." not in route.host:
                    found.setdefault(f"{route.host}.{domain}", []).append(destination)
    return found
