"""What ECS can be asked about the way from here to a machine; nothing is changed by asking."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from ecsmachine.aliyun.credentials import source_name
from ecsmachine.aliyun.ecs_values import Permission
from ecsmachine.aliyun.error_codes import Meaning
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.drivers.aliyunecs.life.account import check
from ecsmachine.drivers.aliyunecs.life.record import Record
from ecsmachine.drivers.aliyunecs.resources.admission import admission
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.looks import Admission
from ecsmachine.errors import MachineError

if TYPE_CHECKING:
    from ecsmachine.drivers.aliyunecs.life.driver import AliyunEcsDriver


def looks(driver: AliyunEcsDriver) -> AliyunLooks:
    """Return what can be asked about a machine; those that share a look-up share its answers."""
    return AliyunLooks(
        lambda: driver._lookup.cloud if driver._lookup else driver._cloud, driver._record
    )


class AliyunLooks:
    """Implements :class:`ecsmachine.drivers.looks.CloudLooks`.

    ``cloud`` is made when it is first asked for: there may be no credentials. ``record`` is that of
    the machine, if it is about one.
    """

    def __init__(self, cloud: Callable[[], Cloud], record: Record | None = None):
        self._make_cloud = cloud
        self._record = record

    @cached_property
    def _cloud(self) -> Cloud:
        return self._make_cloud()

    @cached_property
    def _rules(self) -> tuple[tuple[str, ...], list[Permission]]:
        """The security groups of the instance, and their rules."""
        instance_id = self._record.instance_id if self._record else ""
        instance = self._cloud.ecs.instance(instance_id)
        if instance is None:
            raise MachineError(f"Instance {instance_id} does not exist")
        groups = instance.security_group_ids
        return groups, [rule for group in groups for rule in self._cloud.ecs.permissions(group)]

    def credentials(self) -> str:
        """Return where the credentials are taken from."""
        return source_name(self._cloud.credentials.reference)

    def clock_offset_s(self) -> float | None:
        """Return by how many seconds this computer's clock is ahead of the cloud's."""
        return self._cloud.ecs.rpc.clock_offset_s()

    def account(self) -> str:
        """Return whose the credentials are (GetCallerIdentity)."""
        return check(self._cloud, self._record).account if self._record else self._cloud.account_id

    def region(self) -> str:
        """Return the region and where its API is (DescribeRegions, which a user may not call)."""
        region = self._cloud.region
        try:
            is_there = region in self._cloud.ecs.region_ids()
        except ApiError as error:
            if error.meaning is not Meaning.NO_PERMISSION:
                raise
            is_there = True
        if not is_there:
            raise MachineError(
                f'The account has no region "{region}"',
                hint="Correct ECS_REGION (--aliyunecs-region).",
            )
        return f"{region} ({self._cloud.ecs.rpc.endpoint})"

    def admission(self, source: str | None, port: int) -> Admission:
        """Return whether the instance's security groups let an address in."""
        groups, rules = self._rules
        return admission(groups, rules, source, port, self._networks)

    def let_in(self, network: str, ports: list[int]) -> str:
        """Add rules to the instance's first security group (AuthorizeSecurityGroup)."""
        group = self._rules[0][0]
        self._cloud.ecs.authorize(
            group, [Permission("tcp", f"{port}/{port}", network) for port in ports]
        )
        return f"security group {group}"

    def _networks(self, rule: Permission) -> Iterable[str]:
        if rule.prefix_list_id:
            return self._cloud.ecs.prefix_list(rule.prefix_list_id)
        return [rule.source_cidr] if rule.source_cidr else []
