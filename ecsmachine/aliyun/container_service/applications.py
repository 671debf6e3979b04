"""Applications on the wire: projects, services and volumes of a Swarm cluster (chapter 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from ecsmachine.aliyun.container_service import rules
from ecsmachine.aliyun.roa import refused
from ecsmachine.aliyun.transport import Transport
from ecsmachine.documents.fields import Fields
from ecsmachine.documents.reading import At, all_fields, read
from ecsmachine.documents.rules import ADDRESS, PROSE, Rule
from ecsmachine.errors import UsageError

_DRIVER_OPTIONS = {
    "ossfs": (("bucket", "ak_id", "ak_secret", "url"), ("no_stat_cache", "other_opts")),
    "nas": (("diskid", "host", "path"), ("mode",)),
}
"""The options of each volume driver: those that are required, and the others."""

_TEMPLATE = Rule(PROSE.what, PROSE.accepts, 1 << 20)


@dataclass(frozen=True)
class Container:
    """A container of a service; ``node`` is the address of the node that it runs on."""

    id: str
    name: str
    node: Annotated[str, At("node")]
    ip: Annotated[str, At("ip", ADDRESS)]
    running: Annotated[bool, At("running")]
    status: Annotated[str, At("status")]
    health: Annotated[str, At("health")]


def _containers(fields: Fields) -> tuple[Container, ...]:
    return tuple(
        read(Container, each, id=container_id, name=each.text("name").lstrip("/"))
        for container_id, each in fields.objects_by_name("containers").items()
    )


@dataclass(frozen=True)
class Service:
    """A service: its Compose definition, what Container Service adds, and its containers."""

    id: Annotated[str, At("id", required=True)]
    name: Annotated[str, At("name")]
    project: Annotated[str, At("project")]
    desired_state: Annotated[str, At("desired_state")]
    current_state: Annotated[str, At("current_state")]
    definition: Annotated[Mapping[str, Any], At("definition")]
    extensions: Annotated[Mapping[str, Any], At("extensions")]
    containers: Annotated[tuple[Container, ...], _containers]
    created: Annotated[str, At("created")]
    updated: Annotated[str, At("updated")]
    raw: Annotated[Mapping[str, Any], all_fields] = field(repr=False)

    @property
    def wanted(self) -> int:
        """How many containers it is to have: as many as it has, where that is not told."""
        scale = self.extensions.get("scale")
        return scale if isinstance(scale, int) else len(self.containers)


def _services(fields: Fields) -> tuple[Service, ...]:
    return tuple(read(Service, item) for item in fields.objects("services"))


@dataclass(frozen=True)
class Project:
    """An application; ``services`` are its own, where they were asked for."""

    name: Annotated[str, At("name", required=True)]
    description: Annotated[str, At("description", PROSE)]
    template: Annotated[str, At("template", _TEMPLATE)]
    version: Annotated[str, At("version")]
    environment: Annotated[Mapping[str, str], At("environment", PROSE)] = field(repr=False)
    desired_state: Annotated[str, At("desired_state")]
    current_state: Annotated[str, At("current_state")]
    services: Annotated[tuple[Service, ...], _services]
    created: Annotated[str, At("created")]
    updated: Annotated[str, At("updated")]
    raw: Annotated[Mapping[str, Any], all_fields] = field(repr=False)


def _refs(fields: Fields) -> tuple[str, ...]:
    return tuple(item.text("Name").lstrip("/") for item in fields.objects("Refs"))


@dataclass(frozen=True)
class Volume:
    """A volume; ``refs`` are the names of the containers that use it."""

    name: Annotated[str, At("Name", required=True)]
    driver: Annotated[str, At("Driver")]
    mountpoint: Annotated[str, At("Mountpoint")]
    node: Annotated[str, At("Node")]
    scope: Annotated[str, At("Scope")]
    refs: Annotated[tuple[str, ...], _refs]
    raw: Annotated[Mapping[str, Any], all_fields] = field(repr=False)


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


KINDS = ("scale_out", "scale_in")
MOST_STEPS = 100


def fire(url: str, *, kind: str = "", step: int = 0) -> str:
    """Call a trigger and return what it answers.

    A trigger that scales is told ``kind``, scale_out or scale_in, and ``step``, the number of
    containers. Raises :class:`UsageError` for an address that is none of a trigger,
    :class:`ApiError` and :class:`ConnectionLostError`; none of them shows the secret.
    """
    parts = urlsplit(url)
    pairs = dict(parse_qsl(parts.query))
    if parts.scheme not in ("http", "https") or not {"triggerUrl", "secret"} <= pairs.keys():
        raise UsageError(
            "This is not the address of a trigger: it needs triggerUrl= and secret=",
            hint="Copy it again from the application's page, in quotes.",
        )
    if kind:
        rules.check_choice("type", kind, KINDS)
        rules.check_number("step", step, 1, MOST_STEPS)
        pairs |= {"type": kind, "step": str(step)}
    transport = Transport(f"{parts.scheme}://{parts.netloc}", check="the address of the trigger")
    response = transport.send(
        "The trigger", "POST", f"{parts.path}?{urlencode(pairs)}", data=None, headers={}
    )
    if not 200 <= response.status_code < 300:
        raise refused("The trigger", response, transport.check)
    return response.content.decode("utf-8", errors="replace")
