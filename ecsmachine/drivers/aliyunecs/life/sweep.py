"""Removing what carries our tags, one resource at a time, and seeing that it is gone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ecsmachine.aliyun.ecs_values import NetworkInterface
from ecsmachine.aliyun.error_codes import Meaning
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.aliyun.rpc import Parameter
from ecsmachine.drivers.aliyunecs.life import tagged
from ecsmachine.drivers.aliyunecs.life.record import record_from_config
from ecsmachine.drivers.aliyunecs.life.remove import remove
from ecsmachine.drivers.aliyunecs.resources import (
    eip,
    instance,
    key_pair,
    load_balancer,
    network,
    own_images,
    route,
    security_group,
)
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.base import DriverContext, Journal, Report
from ecsmachine.drivers.options import OptionValue
from ecsmachine.drivers.tagged import HourlyCost, TaggedResource
from ecsmachine.errors import MachineError
from ecsmachine.polling import polls

if TYPE_CHECKING:
    from ecsmachine.drivers.aliyunecs.life.driver import AliyunEcsDriver

_ORDER = (
    load_balancer.KIND,
    route.KIND,
    instance.KIND,
    own_images.KIND,
    own_images.SNAPSHOT_KIND,
    eip.KIND,
    tagged.DISK_KIND,
    tagged.INTERFACE_KIND,
    key_pair.KIND,
    key_pair.SHARED_KIND,
    security_group.KIND,
    network.VSWITCH_KIND,
    network.VPC_KIND,
)
_CONFIGURED = (
    (instance.KIND, "InstanceId"),
    (security_group.KIND, "SecurityGroupId"),
    (network.VPC_KIND, "VpcId"),
    (network.VSWITCH_KIND, "VSwitchId"),
    (key_pair.KIND, "SSHKeyPairName"),
    (key_pair.SHARED_KIND, "SSHKeyPairName"),
)
"""The fields of ``config.json`` that name a resource: Docker Machine keeps no journal."""

_GONE_TIMEOUT_S = 20.0
_UNUSED_TIMEOUT_S = 15.0


class AliyunTaggedResources:
    """The tagged resources of a region.

    Implements :class:`ecsmachine.drivers.tagged.TaggedResources`.
    """

    def __init__(self, cloud: Cloud, context: DriverContext):
        self.region = cloud.region
        self._cloud = cloud
        self._context = context
        self._costs: dict[tuple[str, ...], HourlyCost | None] = {}

    def find(self) -> list[TaggedResource]:
        """Return all that carries our tags, of whatever store."""
        return tagged.find(self._cloud)

    def attached_to(self, owner: TaggedResource) -> Iterator[TaggedResource]:
        """Yield the routes to an instance, and its places behind load balancers."""
        return tagged.attached_to(self._cloud, owner)

    def listed_in(self, journal: Journal) -> list[TaggedResource]:
        """Return the routes and places behind load balancers that a journal lists."""
        return [
            TaggedResource(
                each.kind,
                each.id or "",
                self.region,
                create_id=journal.create_id,
                details=each.details,
            )
            for each in journal.resources()
            if tagged.is_attached(self._cloud, each.kind, each.details)
        ]

    def named_in(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return the keys of what the ``Driver`` object of a machine's configuration names."""
        return [(kind, str(config[name])) for kind, name in _CONFIGURED if config.get(name)]

    def hourly_cost(self, resource: TaggedResource) -> HourlyCost | None:
        """Return the price of an instance with its disks, or of a disk; None if it is refused.

        Source: DescribePrice. Traffic, and an elastic address, are not in it.
        """
        details = resource.details
        parameters: dict[str, Parameter] = {}
        try:
            if resource.kind == instance.KIND:
                disks = self._cloud.ecs.disks(instance_id=resource.id)
                parameters = instance.disks_as_parameters(disks)
                parameters["InstanceType"] = details.get("type", "")
            elif resource.kind == tagged.DISK_KIND:
                category, size = details.get("category", ""), details.get("size", "")
                parameters = instance.disk_parameters("DataDisk.1", category, size)
            else:
                return None
            key = tuple(map(str, parameters.items()))
            if key not in self._costs:
                price = self._cloud.ecs.price(resource.kind, parameters)
                self._costs[key] = HourlyCost(price.amount, price.currency) if price else None
        except MachineError:
            return None  # not every account may ask, nor is every type on sale
        return self._costs[key]

    def removal_order(self, resource: TaggedResource) -> int:
        """Return a number by which resources are sorted so that none is in use when it goes."""
        return _ORDER.index(resource.kind)

    def remove(self, resource: TaggedResource, report: Report) -> None:
        """Remove a resource; one that is gone is success. What is still used is an error."""
        cloud, details = self._cloud, resource.details
        match resource.kind:
            case load_balancer.KIND:
                load_balancer.detach_instance(cloud, details["slb"], details["instance"])
            case route.KIND:
                route.remove_routes_to(
                    cloud, details["router"], details["cidr"], details["instance"]
                )
            case instance.KIND:
                instance.remove_instance(
                    cloud, resource.id, seen=True, unprotect=False, report=report
                )
            case eip.KIND:
                eip.release_eip(cloud, resource.id, details["instance"], report)
            case own_images.KIND:
                self._delete(resource, lambda: cloud.images.delete_image(resource.id, used=True))
            case own_images.SNAPSHOT_KIND:
                self._delete(resource, lambda: cloud.images.delete_snapshot(resource.id))
            case tagged.DISK_KIND:
                self._delete(resource, lambda: cloud.ecs.delete_disk(resource.id))
            case tagged.INTERFACE_KIND:
                self._delete(resource, lambda: cloud.ecs.delete_network_interface(resource.id))
            case key_pair.KIND | key_pair.SHARED_KIND:
                self._delete(resource, lambda: cloud.ecs.delete_key_pairs([resource.id]))
            case security_group.KIND:
                self._delete(resource, lambda: cloud.ecs.delete_security_group(resource.id))
            case network.VSWITCH_KIND:
                self._delete(resource, lambda: cloud.vpc.delete_vswitch(resource.id))
            case network.VPC_KIND:
                self._delete(resource, lambda: cloud.vpc.delete_vpc(resource.id))

    def remove_listed(
        self, journal: Journal, machine_name: str, config: Mapping[str, Any], report: Report
    ) -> None:
        """Remove all that the journal of a dropped machine lists, as ``rm`` does."""
        context = replace(self._context, machine_name=machine_name)
        record = record_from_config(context, config)
        if record.account_id and record.account_id != self._cloud.sts.account_id():
            raise MachineError(
                f'What is left of "{machine_name}" is in account {record.account_id}, but the '
                "credentials are of another account",
                hint="Use credentials of the account that made the machine.",
            )
        remove(self._cloud, journal, context, record, report)

    def adopt(
        self,
        owner: TaggedResource,
        context: DriverContext,
        values: Mapping[str, OptionValue],
        journal: Journal,
    ) -> AliyunEcsDriver:
        """Return the driver of a machine whose computer is that instance."""
        from ecsmachine.drivers.aliyunecs.life.adopt import adopt

        return adopt(self._cloud, owner, self.find(), context, values, journal)

    def mark(self, context: DriverContext, journal: Journal, *, shared: bool) -> None:
        """Tag what the journal lists as the machine's and its store's."""
        from ecsmachine.drivers.aliyunecs.life.adopt import mark

        mark(self._cloud, context, journal, shared=shared)

    def wait_until_gone(self, resources: Collection[TaggedResource]) -> list[TaggedResource]:
        """Return those of ``resources`` that the cloud still shows after 20 s."""
        left: list[TaggedResource] = []
        for _ in polls(_GONE_TIMEOUT_S):
            there = {each.key for each in self.find()}
            left = [
                each
                for each in resources
                if each.key in there or tagged.is_attached(self._cloud, each.kind, each.details)
            ]
            if not left:
                break
        return left

    def _delete(self, resource: TaggedResource, delete: Callable[[], None]) -> None:
        """Remove a resource; what has just gone from it counts as using it for a while."""
        refusal: ApiError | None = None
        user = ""
        for spent_s in polls(_UNUSED_TIMEOUT_S):
            try:
                delete()
                return
            except ApiError as error:
                if error.is_not_found:
                    return
                if error.meaning is not Meaning.IN_USE:
                    raise
                refusal = error
            user = next(self._users_of(resource), "")
            if user and spent_s > 1:
                break
        raise _still_used(resource, user) from refusal

    def _users_of(self, resource: TaggedResource) -> Iterator[str]:
        """Yield what is in a network, or has a security group or a key pair."""
        cloud, one = self._cloud, resource.id
        match resource.kind:
            case key_pair.KIND | key_pair.SHARED_KIND:
                yield from (each.id for each in cloud.ecs.instances(key_pair=one))
            case security_group.KIND:
                yield from (each.id for each in cloud.ecs.instances(security_group_id=one))
                yield from _free(cloud.ecs.network_interfaces(security_group_id=one))
            case network.VSWITCH_KIND:
                yield from (each.id for each in cloud.ecs.instances(vswitch_id=one))
                yield from _free(cloud.ecs.network_interfaces(vswitch_id=one))
            case network.VPC_KIND:
                yield from (each.id for each in cloud.vpc.vswitches(vpc_id=one))
                yield from (each.id for each in cloud.ecs.security_groups(vpc_id=one))


def _still_used(resource: TaggedResource, user: str) -> MachineError:
    return MachineError(
        f"{resource.kind} {resource.id} is still used by {user or 'something else'}",
        hint="Remove that first, then sweep again.",
    )


def _free(interfaces: Iterator[NetworkInterface]) -> Iterator[str]:
    """Yield the ids of those that are attached to nothing; others go with their instances."""
    return (each.id for each in interfaces if not each.instance_id)
