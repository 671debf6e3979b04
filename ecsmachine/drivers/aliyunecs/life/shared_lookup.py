"""Looking at many machines of an account and region at once: one request for a hundred of them.

Their disks are asked for together as well, and what several of them share once: the rules of a
security group, the routes of a VPC, the servers of a load balancer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from ecsmachine.aliyun.errors import ApiError
from ecsmachine.drivers.aliyunecs.resources.instance_watch import instances_by_id, or_raised
from ecsmachine.drivers.aliyunecs.resources.tags import STORE
from ecsmachine.drivers.aliyunecs.resources.together import MOST_AT_ONCE

if TYPE_CHECKING:
    from ecsmachine.aliyun.ecs_values import Disk, Instance, Permission
    from ecsmachine.aliyun.vpc import RouteEntry
    from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
    from ecsmachine.errors import MachineError

T = TypeVar("T")

_FEW = 2
"""So many machines' disks are asked for one by one: that is no more than a page of tagged ones."""


class SharedLookup:
    """Instances of one account and region, asked for together when the first is wanted.

    Safe to use from several threads: who comes while the question is under way waits for its
    answer.
    """

    FRESH_S = 2.0
    """How long an answer counts as what is so now, in seconds."""

    def __init__(
        self,
        cloud: Callable[[], Cloud],
        instance_ids: Iterable[str],
        *,
        store_id: str = "",
        fresh_s: float = FRESH_S,
    ):
        """``store_id`` is in the tags of most of their disks; answers count for ``fresh_s``."""
        self._cloud = cloud
        self._ids = list(dict.fromkeys(instance_ids))
        self._store_id = store_id
        self._fresh_s = fresh_s
        self._lock = threading.Lock()
        self._asked_at: float | None = None
        self._found: dict[str, Instance | MachineError] = {}
        self._disks: dict[str, list[Disk]] | None = None
        self._shared: dict[str, Any] = {}

    @property
    def cloud(self) -> Cloud:
        """The account and region that all of them are in."""
        return self._cloud()

    def instance(self, instance_id: str) -> Instance | None:
        """Return an instance, or None if it is not there. Raises as DescribeInstances does."""
        with self._lock:
            if self._asked_at is None or time.monotonic() - self._asked_at > self._fresh_s:
                self._found = self._ask()
                self._asked_at = time.monotonic()
                self._disks, self._shared = None, {}
            return or_raised(self._found.get(instance_id))

    def disks(self, instance_id: str) -> list[Disk]:
        """Return the disks of an instance, as of the time at which it was asked for."""
        with self._lock:
            if self._disks is None:
                self._disks = {}
                if len(self._ids) > _FEW and self._store_id:
                    for disk in self.cloud.ecs.disks(tags={STORE: self._store_id}):
                        self._disks.setdefault(disk.instance_id, []).append(disk)
            if instance_id not in self._disks:
                self._disks[instance_id] = list(self.cloud.ecs.disks(instance_id=instance_id))
            return self._disks[instance_id]

    def permissions(self, group_id: str) -> list[Permission]:
        """Return the inbound rules of a security group; none of one that is gone."""
        return self._once(group_id, lambda: self.cloud.ecs.permissions(group_id), [])

    def routes(self, vpc_id: str) -> list[RouteEntry]:
        """Return the routes of every table of a VPC; none of one that is gone."""
        from ecsmachine.drivers.aliyunecs.resources.route import routes_in

        return self._once(vpc_id, lambda: routes_in(self.cloud, vpc_id), [])

    def with_ram_role(self, name: str) -> set[str]:
        """Return the instances that have a RAM role."""
        return self._once(
            f"RAM role {name}", lambda: self.cloud.ecs.instances_with_role(name), set()
        )

    def server_ids(self, load_balancer_id: str) -> tuple[str, ...]:
        """Return the instances behind a load balancer; none of one that is gone."""
        slb = self.cloud.slb
        return self._once(
            load_balancer_id, lambda: slb.load_balancer(load_balancer_id).server_ids, ()
        )

    def _once(self, shared_id: str, ask: Callable[[], T], nothing: T) -> T:
        """Return what is known of what several instances share; it is asked for if need be."""
        with self._lock:
            if shared_id not in self._shared:
                try:
                    self._shared[shared_id] = ask()
                except ApiError as error:
                    if not error.is_not_found:
                        raise
                    self._shared[shared_id] = nothing
            found: T = self._shared[shared_id]
            return found

    def _ask(self) -> dict[str, Instance | MachineError]:
        ecs = self._cloud().ecs
        found: dict[str, Instance | MachineError] = {}
        for start in range(0, len(self._ids), MOST_AT_ONCE):
            found |= instances_by_id(ecs, self._ids[start : start + MOST_AT_ONCE])
        return found
