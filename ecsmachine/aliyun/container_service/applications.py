"""Applications on the wire: projects, services and volumes of a Swarm cluster (chapter 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ecsmachine.aliyun.container_service import rules
from ecsmachine.aliyun.container_service.answers import mapping, required, text

_DRIVER_OPTIONS = {
    "ossfs": (("bucket", "ak_id", "ak_secret", "url"), ("no_stat_cache", "other_opts")),
    "nas": (("diskid", "host", "path"), ("mode",)),
}
"""The options of each volume driver: those that are required, and the others."""


@dataclass(frozen=True)
class Container:
    """A container of a service; ``node`` is the address of the node that it runs on."""

    id: str
    name: str
    node: str
    ip: str
    running: bool
    status: str
    health: str


@dataclass(frozen=True)
class Service:
    """A service: its Compose definition, what Container Service adds, and its containers."""

    id: str
    name: str
    project: str
    desired_state: str
    current_state: str
    definition: Mapping[str, Any]
    extensions: Mapping[str, Any]
    containers: tuple[Container, ...]
    created: str
    updated: str
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Project:
    """An application; ``services`` are its own, where they were asked for."""

    name: str
    description: str
    template: str
    version: str
    environment: Mapping[str, str] = field(repr=False)
    desired_state: str
    current_state: str
    services: tuple[Service, ...]
    created: str
    updated: str
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Volume:
    """A volume; ``refs`` are the names of the containers that use it."""

    name: str
    driver: str
    mountpoint: str
    node: str
    scope: str
    refs: tuple[str, ...]
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class ProjectRequest:
    """A new application. ``environment`` fills in the template's variables."""

    name: str
    template: str
    description: str = ""
    version: str = "1.0"
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    latest_image: bool = False

    def body(self) -> dict[str, Any]:
        """Return the request's body. Raises :class:`UsageError` for what the guide refuses."""
        rules.require(name=self.name, template=self.template.strip(), version=self.version)
        rules.check_project_name(self.name)
        return {
            "name": self.name,
            "template": self.template,
            "description": self.description,
            "version": self.version,
            "environment": dict(self.environment),
            "latest_image": self.latest_image,
        }


@dataclass(frozen=True)
class ProjectUpdate:
    """A new version of an application; ``blue_green`` lets the old one run beside it."""

    template: str
    version: str
    description: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    latest_image: bool = False
    blue_green: bool = False

    def body(self) -> dict[str, Any]:
        """Return the request's body. Raises :class:`UsageError` for what the guide refuses."""
        rules.require(template=self.template.strip(), version=self.version)
        body: dict[str, Any] = {
            "template": self.template,
            "version": self.version,
            "description": self.description,
            "environment": dict(self.environment),
            "latest_image": self.latest_image,
        }
        if self.blue_green:
            body["update_method"] = "blue-green"
        return body


@dataclass(frozen=True)
class VolumeRequest:
    """A new volume with the options of its driver (``ossfs``, ``nas``, or another)."""

    name: str
    driver: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    def body(self) -> dict[str, Any]:
        """Return the request's body. Raises :class:`UsageError` for what the guide refuses."""
        rules.require(name=self.name, driver=self.driver)
        rules.check_project_name(self.name)
        needed, further = _DRIVER_OPTIONS.get(self.driver, ((), None))
        for option in needed:
            if not self.options.get(option):
                raise rules.FieldError(
                    "driverOpts", f": {self.driver} needs {option}", f"Give {option}=VALUE."
                )
        if further is not None:
            for option in self.options:
                if option not in needed and option not in further:
                    raise rules.FieldError(
                        "driverOpts",
                        f": {self.driver} has no option {option}",
                        f"It has {', '.join(needed + further)}.",
                    )
        return {"name": self.name, "driver": self.driver, "driverOpts": dict(self.options)}


def read_project(data: Any) -> Project:
    """Return a project of an answer."""
    fields = mapping(data, "a project")
    services = fields.get("services")
    return Project(
        name=required(fields, "name", "a project"),
        description=text(fields, "description"),
        template=text(fields, "template"),
        version=text(fields, "version"),
        environment=_texts(fields.get("environment")),
        desired_state=text(fields, "desired_state"),
        current_state=text(fields, "current_state"),
        services=tuple(
            read_service(item) for item in (services if isinstance(services, list) else [])
        ),
        created=text(fields, "created"),
        updated=text(fields, "updated"),
        raw=fields,
    )


def read_service(data: Any) -> Service:
    """Return a service of an answer."""
    fields = mapping(data, "a service")
    containers = fields.get("containers")
    definition, extensions = fields.get("definition"), fields.get("extensions")
    return Service(
        id=required(fields, "id", "a service"),
        name=text(fields, "name"),
        project=text(fields, "project"),
        desired_state=text(fields, "desired_state"),
        current_state=text(fields, "current_state"),
        definition=definition if isinstance(definition, Mapping) else {},
        extensions=extensions if isinstance(extensions, Mapping) else {},
        containers=tuple(
            _container(key, value)
            for key, value in (containers if isinstance(containers, Mapping) else {}).items()
        ),
        created=text(fields, "created"),
        updated=text(fields, "updated"),
        raw=fields,
    )


def read_volume(data: Any) -> Volume:
    """Return a volume of an answer; its fields are in PascalCase."""
    fields = mapping(data, "a volume")
    refs = fields.get("Refs")
    return Volume(
        name=required(fields, "Name", "a volume"),
        driver=text(fields, "Driver"),
        mountpoint=text(fields, "Mountpoint"),
        node=text(fields, "Node"),
        scope=text(fields, "Scope"),
        refs=tuple(
            text(mapping(item, "a reference"), "Name").lstrip("/")
            for item in (refs if isinstance(refs, list) else [])
        ),
        raw=fields,
    )


def _container(container_id: str, data: Any) -> Container:
    fields = mapping(data, "a container")
    return Container(
        id=container_id,
        name=text(fields, "name").lstrip("/"),
        node=text(fields, "node"),
        ip=text(fields, "ip"),
        running=fields.get("running") is True,
        status=text(fields, "status"),
        health=text(fields, "health"),
    )


def _texts(value: Any) -> dict[str, str]:
    return {key: str(item) for key, item in value.items()} if isinstance(value, Mapping) else {}
