"""Clusters on the wire: requests that are checked, answers that are typed.

Field names are the guide's (chapter 4). Sizes of disks are GiB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from ecsmachine.aliyun.container_service import rules
from ecsmachine.documents.fields import Fields
from ecsmachine.documents.reading import At, all_fields
from ecsmachine.documents.rules import ADDRESS, ID, PROSE, REGION, URL, Rule

MOVING = frozenset(("initial", "launching", "starting", "stopping", "restarting"))
MOVING |= {"updating", "scaling", "deleting"}
"""States that a cluster or an application leaves by itself."""

FAILED = frozenset(("failed", "deleteFailed", "inactive"))
"""States that it does not leave by itself, and is not wanted in."""

_MOST_NODES = 200

_LEFT_OUT_IF_EMPTY = (
    *("vpc_id", "vswitch_id", "subnet_cidr", "region_id", "ecs_image_id", "rds_instances"),
)


_PEM = Rule("a PEM text", PROSE.accepts, PROSE.longest, secret=True)


def _address(fields: Fields) -> str:
    return next(iter(fields.texts("ip_address", rule=ADDRESS)), "")


@dataclass(frozen=True)
class Cluster:
    """A cluster as the service describes it; ``kind`` is "" for Swarm where none is told."""

    id: Annotated[str, At("cluster_id", ID, required=True)]
    name: Annotated[str, At("name")]
    state: Annotated[str, At("state", ID, required=True)]
    size: Annotated[int, At("size")]
    region: Annotated[str, At("region_id", REGION)]
    network_mode: Annotated[str, At("network_mode", ID)]
    vpc_id: Annotated[str, At("vpc_id", ID)]
    vswitch_id: Annotated[str, At("vswitch_id")]
    security_group_id: Annotated[str, At("security_group_id", ID)]
    load_balancer_id: Annotated[str, At("external_loadbalancer_id", ID)]
    master_url: Annotated[str, At("master_url", URL)]
    kind: Annotated[str, At("cluster_type", ID)]
    created: Annotated[str, At("created")]
    updated: Annotated[str, At("updated")]
    raw: Annotated[Mapping[str, Any], all_fields] = field(repr=False)

    @property
    def is_swarm(self) -> bool:
        """Whether it is a Swarm cluster, with a master for applications."""
        return self.kind.lower() in ("", "swarm", "aliyun")


@dataclass(frozen=True)
class Task:
    """Work that was begun: poll the cluster's state for its end."""

    cluster_id: str
    request_id: str
    task_id: str


@dataclass(frozen=True)
class Attached:
    """How it went with one instance that was to be attached; ``code`` "200" is success."""

    instance_id: Annotated[str, At("instanceId", ID)]
    code: Annotated[str, At("code")]
    message: Annotated[str, At("message", PROSE)]


@dataclass(frozen=True)
class Certificates:
    """What a client needs to speak to a cluster's master: three PEM texts."""

    ca: Annotated[str, At("ca", _PEM, required=True)]
    cert: Annotated[str, At("cert", _PEM, required=True)]
    key: Annotated[str, At("key", _PEM, required=True)] = field(repr=False)


@dataclass(frozen=True)
class Node:
    """A node; ``role`` is Master or Worker."""

    instance_id: Annotated[str, At("instance_id", ID, required=True)]
    name: Annotated[str, At("instance_name", PROSE)]
    address: Annotated[str, _address]
    role: Annotated[str, At("instance_role")]
    state: Annotated[str, At("state")]


@dataclass(frozen=True)
class Image:
    """An image for nodes, in a region."""

    region: str
    id: Annotated[str, At("value", ID, required=True)]
    name: Annotated[str, At("text", PROSE)]


@dataclass(frozen=True)
class SwarmRequest:
    """A new Swarm cluster (POST /clusters without ``cluster_type``)."""

    name: str
    size: int
    instance_type: str
    password: str = field(repr=False)
    data_disk_category: str
    data_disk_size: int
    network_mode: str = "vpc"
    vpc_id: str = ""
    vswitch_id: str = ""
    subnet_cidr: str = ""
    ecs_image_id: str = ""
    io_optimized: str = "optimized"
    need_slb: bool = True
    release_eip_flag: bool = False
    rds_instances: tuple[str, ...] = ()
    region_id: str = ""

    def body(self) -> dict[str, Any]:
        """Return the request's body. Raises :class:`UsageError` for what the guide refuses."""
        rules.require(name=self.name, instance_type=self.instance_type, password=self.password)
        rules.check_cluster_name(self.name)
        rules.check_number("size", self.size, 1, _MOST_NODES)
        rules.check_choice("network_mode", self.network_mode, rules.NETWORK_MODES)
        if self.network_mode == "vpc":
            rules.require(
                vpc_id=self.vpc_id, vswitch_id=self.vswitch_id, subnet_cidr=self.subnet_cidr
            )
        if self.subnet_cidr:
            rules.check_cidr("subnet_cidr", self.subnet_cidr)
        _check_nodes(self)
        return rules.body_of(self, _LEFT_OUT_IF_EMPTY)


@dataclass(frozen=True)
class ScaleRequest:
    """More nodes for a Swarm cluster (PUT /clusters/ID); ``size`` is their number afterwards."""

    size: int
    instance_type: str
    password: str = field(repr=False)
    data_disk_category: str
    data_disk_size: int
    ecs_image_id: str = ""
    io_optimized: str = "optimized"
    release_eip_flag: bool = False

    def body(self) -> dict[str, Any]:
        """Return the request's body. Raises :class:`UsageError` for what the guide refuses."""
        rules.require(instance_type=self.instance_type, password=self.password)
        rules.check_number("size", self.size, 1, _MOST_NODES)
        _check_nodes(self)
        return rules.body_of(self, _LEFT_OUT_IF_EMPTY)


@dataclass(frozen=True)
class AttachRequest:
    """Instances that become nodes (POST /clusters/ID/attach); their system disks are replaced."""

    instances: tuple[str, ...]
    password: str = field(repr=False)
    ecs_image_id: str
    release_eip_flag: bool = False

    def body(self) -> dict[str, Any]:
        """Return the request's body. Raises :class:`UsageError` for what the guide refuses."""
        rules.require(
            instances=self.instances, password=self.password, ecs_image_id=self.ecs_image_id
        )
        rules.check_password(self.password)
        for instance in self.instances:
            if not instance.startswith("i-"):
                reason = f': "{instance}" is not the id of an instance'
                raise rules.FieldError("instances", reason, "Ids begin with i-.")
        return rules.body_of(self)


@dataclass(frozen=True)
class ResetRequest:
    """A node made anew (POST /clusters/ID/instances/ID/reset); its disk is replaced."""

    password: str = field(repr=False)
    ecs_image_id: str
    release_eip_flag: bool = False

    def body(self) -> dict[str, Any]:
        """Return the request's body. Raises :class:`UsageError` for what the guide refuses."""
        rules.require(password=self.password, ecs_image_id=self.ecs_image_id)
        rules.check_password(self.password)
        return rules.body_of(self)


def read_task(fields: Fields, cluster_id: str = "") -> Task:
    """Return the task of an answer."""
    return Task(
        fields.text("cluster_id", ID, cluster_id),
        fields.text("request_id") or fields.text("requestId"),
        fields.required("task_id"),
    )


def _check_nodes(request: SwarmRequest | ScaleRequest) -> None:
    """Refuse what neither creating nor scaling may say about nodes."""
    rules.check_password(request.password)
    category = request.data_disk_category
    rules.check_choice("data_disk_category", category, tuple(rules.DATA_DISK_SIZES))
    rules.check_number("data_disk_size", request.data_disk_size, *rules.DATA_DISK_SIZES[category])
    rules.check_choice("io_optimized", request.io_optimized, rules.IO_OPTIMIZED)
