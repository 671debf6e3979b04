"""Applications on the wire: projects, services and volumes of a Swarm cluster (chapter 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ecsmachine.aliyun.container_service import rules
from ecsmachine.documents.fields import Fields
from ecsmachine.documents.rules import ADDRESS, PROSE

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

    @property
    def wanted(self) -> int:
        """How many containers it is to have: as many as it has, where that is not told."""
        scale = self.extensions.get("scale")
        return scale if isinstance(scale, int) else len(self.containers)


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
        return rules.body_of(self)


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
        body = rules.body_of(self)
        return body | {"update_method": "blue-green"} if body.pop("blue_green") else body


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


def read_project(fields: Fields) -> Project:
    """Return a project of an answer."""
    return Project(
        name=fields.required("name"),
        description=fields.prose("description"),
        template=fields.text("template", _TEMPLATE),
        version=fields.text("version"),
        environment=fields.mapping("environment", PROSE),
        desired_state=fields.text("desired_state"),
        current_state=fields.text("current_state"),
        services=tuple(read_service(item) for item in fields.objects("services")),
        created=fields.text("created"),
        updated=fields.text("updated"),
        raw=fields.values,
    )


def read_service(fields: Fields) -> Service:
    """Return a service of an answer."""
    return Service(
        id=fields.required("id"),
        name=fields.text("name"),
        project=fields.text("project"),
        desired_state=fields.text("desired_state"),
        current_state=fields.text("current_state"),
        definition=fields.object("definition").values,
        extensions=fields.object("extensions").values,
        containers=tuple(
            _container(key, value) for key, value in fields.objects_by_name("containers").items()
        ),
        created=fields.text("created"),
        updated=fields.text("updated"),
        raw=fields.values,
    )


def read_volume(fields: Fields) -> Volume:
    """Return a volume of an answer; its fields are in PascalCase."""
    return Volume(
        name=fields.required("Name"),
        driver=fields.text("Driver"),
        mountpoint=fields.text("Mountpoint"),
        node=fields.text("Node"),
        scope=fields.text("Scope"),
        refs=tuple(item.text("Name").lstrip("/") for item in fields.objects("Refs")),
        raw=fields.values,
    )


def _container(container_id: str, fields: Fields) -> Container:
    return Container(
        id=container_id,
        name=fields.text("name").lstrip("/"),
        node=fields.text("node"),
        ip=fields.text("ip", ADDRESS),
        running=fields.flag("running"),
        status=fields.text("status"),
        health=fields.text("health"),
    )


_TEMPLATE = replace(PROSE, longest=1 << 20)
