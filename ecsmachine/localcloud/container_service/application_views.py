"""Projects, services and volumes as the application API shows them (chapter 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from ecsmachine.compose.model import Service, Template
from ecsmachine.compose.templates import PROJECT_VARIABLE, parse_template
from ecsmachine.compose.values import TemplateError
from ecsmachine.localcloud.container_service.deployment import Placed, containers_of, wanted_number
from ecsmachine.localcloud.container_service.fields import invalid
from ecsmachine.localcloud.state.clusters import Project, Release, Volume


def variables_of(project: str, release: Release) -> dict[str, str]:
    """Return the variables of a release's template; the project's name is one of them."""
    return {**release.environment, PROJECT_VARIABLE: project}


def template_of(project: str, release: Release) -> Template:
    """Return the parsed template of a release; it is parsed once."""
    return _parsed(release.template, tuple(variables_of(project, release).items()))


def services_of(project: str, release: Release) -> Mapping[str, Service]:
    """Return the services of a release by name, in starting order."""
    return template_of(project, release).services


@lru_cache(maxsize=512)
def _parsed(template: str, variables: tuple[tuple[str, str], ...]) -> Template:
    try:
        return parse_template(template, dict(variables))
    except TemplateError as error:
        raise invalid("template", error.reason) from None


def warnings_of(project: str, release: Release) -> list[str]:
    """Return the parts of a release that have no effect here, a line each."""
    return list(template_of(project, release).warnings)


def service_id(project: Project, release: Release, service: str) -> str:
    """Return a service's id: PROJECT_NAME; that of a release beside another has its version."""
    plain = f"{project.name}_{service}"
    return plain if release is project.releases[0] else f"{plain}@{release.version}"


def project_view(
    project: Project, placed: Sequence[Placed], *, services: bool = True, containers: bool = True
) -> dict[str, Any]:
    """Return a project with its services, as they are now."""
    views = [
        service_view(project, release, service, placed, containers=containers)
        for release in project.releases
        for service in services_of(project.name, release).values()
    ]
    release = project.release
    view = {
        "name": project.name,
        "description": release.description,
        "template": release.template,
        "version": release.version,
        "environment": variables_of(project.name, release),
        "created": project.created,
        "updated": project.updated,
        "desired_state": _desired(project, [view["desired_state"] for view in views]),
        "current_state": _current(project, [view["current_state"] for view in views]),
        "services": views if services else [],
    }
    warnings = warnings_of(project.name, release)
    if warnings:
        view["warnings"] = warnings
    if project.failure:
        view["message"] = project.failure
    return view


def service_view(
    project: Project,
    release: Release,
    service: Service,
    placed: Iterable[Placed],
    *,
    containers: bool = True,
) -> dict[str, Any]:
    """Return a service with its containers, as they are now."""
    own = containers_of(placed, project, release, service)
    number = len(own) if service.own.everywhere else wanted_number(release, service)
    extensions = {**service.own.shown, "scale": number}
    if len(project.releases) > 1:
        extensions |= {"version": release.version, "weight": release.weight}
    desired = "stopped" if service.name in release.stopped else "running"
    return {
        "id": service_id(project, release, service.name),
        "name": service.name,
        "project": project.name,
        "description": release.description,
        "definition": dict(service.definition),
        "extensions": extensions,
        "created": project.created,
        "updated": project.updated,
        "desired_state": desired,
        "current_state": project.moving or _state_of(own, number, desired),
        "containers": {p.container.id: _container_view(p) for p in own} if containers else {},
    }


def volume_view(volume: Volume, node: str, placed: Iterable[Placed]) -> dict[str, Any]:
    """Return a volume, with the containers that use it."""
    users = [p.container for p in placed if volume.name in p.container.volumes]
    return {
        "Name": volume.name,
        "Driver": volume.driver,
        "Mountpoint": volume.folder or f"/var/lib/docker/volumes/{volume.name}/_data",
        "Labels": volume.labels or None,
        "Scope": "",
        "Node": node,
        "Refs": [{"Name": f"/{user.name}", "ID": user.id} for user in users],
    }


def _container_view(placed: Placed) -> dict[str, Any]:
    container = placed.container
    health = "success"
    if not container.running or container.health == "unhealthy":
        health = "failure"
    elif "starting" in container.health:
        health = "starting"
    return {
        "name": f"/{container.name}",
        "node": placed.node,
        "ip": next(iter(container.addresses.values()), ""),
        "running": container.running,
        "status": container.status,
        "health": health,
    }


def _state_of(own: Sequence[Placed], number: int, desired: str) -> str:
    """Return the state of a service whose containers are these, and at rest."""
    running = sum(p.container.running for p in own)
    if any(p.container.status == "restarting" for p in own):
        return "restarting"
    if running:
        crashed = any(not p.container.running and p.container.exit_code for p in own)
        return "failed" if desired == "running" and (crashed or running < number) else "running"
    if desired == "running" and own and any(p.container.exit_code for p in own):
        return "failed"
    if desired == "running" and not own:
        return "running" if number == 0 else "failed"
    return "stopped"


def _desired(project: Project, states: Sequence[str]) -> str:
    if project.moving == "deleting":
        return "deleted"
    return "stopped" if states and all(state == "stopped" for state in states) else "running"


def _current(project: Project, states: Sequence[str]) -> str:
    if project.moving:
        return project.moving
    if project.failure:
        return "failed"
    for state in ("failed", "restarting", "running"):
        if state in states:
            return state
    return "stopped"
