"""The data of Container Service, as frozen values like those of ``model``.

Passwords are never stored. Times are UTC: seconds for clusters, nanoseconds for applications.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Annotated, Literal

ClusterState = Literal["launching", "running", "scaling", "updating", "deleting", "failed"]
NetworkMode = Literal["vpc", "classic"]
TriggerAction = Literal["redeploy", "scaling"]
Moving = Literal["", "launching", "updating", "starting", "stopping", "scaling", "deleting"]


@dataclass(frozen=True)
class Node:
    """A node: its instance, its private address, and how it is called as a machine and a host.

    ``attached``: the instance was there before the cluster, and stays when that is deleted.
    ``engine`` is HOST:PORT of its engine; "" where nothing runs.
    """

    name: str
    instance_id: str
    address: str
    engine: str = ""
    attached: bool = False


@dataclass(frozen=True)
class Cluster:
    """A cluster of any kind; ``kind`` is "" for Swarm, else the request's ``cluster_type``.

    ``settings`` are more fields of the request, which answers return (Kubernetes). ``made_groups``
    and ``load_balancer_id`` are removed with it. ``names_given`` counts all nodes ever created, so
    that no name is used twice.
    """

    id: Annotated[str, "cluster_id"]
    name: Annotated[str, "name"]
    region: Annotated[str, "region_id"]
    state: Annotated[ClusterState, "state"]
    created: Annotated[str, "created"]
    updated: Annotated[str, "updated"]
    kind: str = ""
    size: Annotated[int, "size"] = 0
    network_mode: Annotated[NetworkMode, "network_mode"] = "vpc"
    vpc_id: Annotated[str, "vpc_id"] = ""
    vswitch_id: Annotated[str, "vswitch_id"] = ""
    subnet_cidr: str = ""
    security_group_id: Annotated[str, "security_group_id"] = ""
    load_balancer_id: Annotated[str, "external_loadbalancer_id"] = ""
    master_port: int = 0
    routing_port: int = 0
    nodes: tuple[Node, ...] = ()
    names_given: int = 0
    log: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def is_swarm(self) -> bool:
        """Whether it is a Swarm cluster."""
        return not self.kind


@dataclass(frozen=True)
class Release:
    """One version of an application: its template, and later changes.

    ``weight`` is its share of the traffic in percent; ``scales`` are numbers of containers that
    differ from the template's; ``stopped`` are the stopped services.
    """

    version: str
    template: str
    description: str = ""
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    latest_image: bool = False
    weight: int = 100
    scales: dict[str, int] = field(default_factory=dict)
    stopped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Project:
    """An application: one release, or the old and the new one during a blue-green update.

    ``subnet`` has the addresses of its network ``NAME_default``, and ``further_subnets`` those of
    others by their names. ``moving`` is its state while work is in progress ("" otherwise), and
    ``failure`` the reason why the last work failed.
    """

    id: str
    cluster_id: str
    name: str
    created: str
    updated: str
    subnet: str
    releases: tuple[Release, ...]
    moving: Moving = ""
    failure: str = ""
    further_subnets: dict[str, str] = field(default_factory=dict)

    @property
    def release(self) -> Release:
        """The newest release."""
        return self.releases[-1]

    @property
    def subnets(self) -> dict[str, str]:
        """The addresses of its networks by their names."""
        own = {f"{self.name}_default": self.subnet} if self.subnet else {}
        return {**own, **self.further_subnets}


@dataclass(frozen=True)
class Volume:
    """A volume; secrets among its options are not kept.

    ``project`` is the name of the one whose template declares it; "": the API made it.
    """

    id: str
    cluster_id: str
    name: str
    driver: str
    created: str
    options: dict[str, str] = field(default_factory=dict)
    project: str = ""
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """Where a node has the data of a bucket or a file system; "" for the engine's own place."""
        if self.driver == "ossfs":
            return f"/mnt/acs_mnt/ossfs/{self.options.get('bucket') or self.name}"
        return f"/mnt/acs_mnt/nas/{self.name}" if self.driver == "nas" else ""


@dataclass(frozen=True)
class Trigger:
    """An address that redeploys or scales; only a digest of its secret is kept."""

    id: Annotated[str, "id"]
    cluster_id: Annotated[str, "cluster_id"]
    project: Annotated[str, "project_id"]
    action: Annotated[TriggerAction, "action"]
    service: Annotated[str, "service"]
    token: str
    secret_digest: str = field(repr=False)
    created: Annotated[str, "created"] = ""


def project_id(cluster_id: str, name: str) -> str:
    """Return the key of a project or a volume."""
    return f"{cluster_id}/{name}"


def precise_now() -> str:
    """Return the time as applications have it: RFC 3339 with nanoseconds."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09}Z"
