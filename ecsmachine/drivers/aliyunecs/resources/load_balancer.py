"""The place of an instance behind a load balancer that the user has."""

from __future__ import annotations

from ecsmachine.aliyun.errors import ApiError
from ecsmachine.aliyun.slb import LoadBalancer
from ecsmachine.drivers.aliyunecs.resources.asking import find_or_intend
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.base import Journal, Report, Resource
from ecsmachine.errors import PreCreateCheckError

KIND = "slb-backend"
_WEIGHT = 100


def find_load_balancer(cloud: Cloud, load_balancer_id: str) -> LoadBalancer:
    """Return a load balancer. Raises :class:`PreCreateCheckError` if it is not there."""
    try:
        return cloud.slb.load_balancer(load_balancer_id)
    except ApiError as error:
        if not error.is_not_found:
            raise
        raise PreCreateCheckError(
            f'There is no load balancer "{load_balancer_id}" in region {cloud.region} '
            "(--aliyunecs-slb-id, ECS_SLB_ID)",
            hint="Correct it, or leave it out.",
        ) from error


def ensure_backend(
    cloud: Cloud, journal: Journal, load_balancer_id: str, instance_id: str, report: Report
) -> None:
    """Put the instance behind the load balancer; twice is as once."""
    resource = find_or_intend(
        journal, KIND, region=cloud.region, slb=load_balancer_id, instance=instance_id
    )
    report(f"Adding the instance to load balancer {load_balancer_id}...")
    cloud.slb.add_backend_server(load_balancer_id, instance_id, weight=_WEIGHT)
    if resource.id is None:
        journal.made(resource, f"{load_balancer_id}>{instance_id}")


def remove_backend(cloud: Cloud, resource: Resource) -> None:
    """Take the instance from behind the load balancer; not being there is success."""
    detach_instance(cloud, resource.details["slb"], resource.details["instance"])


def detach_instance(cloud: Cloud, load_balancer_id: str, instance_id: str) -> None:
    """Take an instance from behind a load balancer, which may be gone itself."""
    try:
        if instance_id in cloud.slb.load_balancer(load_balancer_id).server_ids:
            cloud.slb.remove_backend_server(load_balancer_id, instance_id)
    except ApiError as error:
        if not error.is_not_found:
            raise
