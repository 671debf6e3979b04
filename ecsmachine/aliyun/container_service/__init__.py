"""Alibaba Cloud Container Service (version 2015-12-15): clusters and what runs on them.

:class:`ClusterClient` speaks the management API, :class:`ApplicationClient` that of a Swarm
cluster's master, :func:`fire` calls a trigger. Source: the Container Service developer guide.
"""

from ecsmachine.aliyun.container_service.application_client import ApplicationClient
from ecsmachine.aliyun.container_service.applications import (
    Container,
    Project,
    ProjectRequest,
    ProjectUpdate,
    Service,
    Volume,
    VolumeRequest,
    fire,
)
from ecsmachine.aliyun.container_service.client import ClusterClient
from ecsmachine.aliyun.container_service.clusters import (
    Attached,
    AttachRequest,
    Certificates,
    Cluster,
    Image,
    ResetRequest,
    ScaleRequest,
    SwarmRequest,
    Task,
)
from ecsmachine.aliyun.container_service.kubernetes import KubernetesRequest, KubernetesScaleRequest

__all__ = [
    "ApplicationClient",
    "AttachRequest",
    "Attached",
    "Certificates",
    "Cluster",
    "ClusterClient",
    "Container",
    "Image",
    "KubernetesRequest",
    "KubernetesScaleRequest",
    "Project",
    "ProjectRequest",
    "ProjectUpdate",
    "ResetRequest",
    "ScaleRequest",
    "Service",
    "SwarmRequest",
    "Task",
    "Volume",
    "VolumeRequest",
    "fire",
]
