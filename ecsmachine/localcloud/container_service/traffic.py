"""What of a cluster's services is routed: by host name, path and version, to their containers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ecsmachine.localcloud.container_service.deployment import Placed
from ecsmachine.localcloud.container_service.destinations import Destination
from ecsmachine.localcloud.container_service.templates import Service
from ecsmachine.localcloud.state.clusters import Project, Release


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
            places = [(p.node, p.container.ports[port]) for p in own if port in p.container.ports]
            for route in routes:
                destination = Destination(
                    route.path, release.weight, places, sticky=service.own.sticky
                )
                found.setdefault(route.host, []).append(destination)
                if "." not in route.host:
                    found.setdefault(f"{route.host}.{domain}", []).append(destination)
    return found
