"""Looking at many machines of an account and region at once: one request for a hundred of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ecsmachine.drivers.aliyunecs.resources.instance_watch import instances_by_id, or_raised
from ecsmachine.drivers.aliyunecs.resources.together import MOST_AT_ONCE

if TYPE_CHECKING:
    from ecsmachine.aliyun.ecs_values import Instance
    from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
    from ecsmachine.errors import MachineError

_FRESH_S = 2.0
"""How long an answer counts as what is so now, in seconds."""


class SharedLookup:
    """Instances of one account and region, asked for together when the first is wanted.

    Safe to use from several threads: who comes while the question is under way waits for its
    answer.
    """

    def __init__(self, cloud: Callable[[], Cloud], instance_ids: Iterable[str]):
        self._cloud = cloud
        self._ids = list(dict.fromkeys(instance_ids))
        self._lock = threading.Lock()
        self._asked_at: float | None = None
        self._found: dict[str, Instance | MachineError] = {}

    @property
    def cloud(self) -> Cloud:
        """The account and region that all of them are in."""
        return self._cloud()

    def instance(self, instance_id: str) -> Instance | None:
        """Return an instance, or None if it is not there. Raises as DescribeInstances does."""
        with self._lock:
            if self._asked_at is None or time.monotonic() - self._asked_at > _FRESH_S:
                self._found = self._ask()
                self._asked_at = time.monotonic()
            return or_raised(self._found.get(instance_id))

    def _ask(self) -> dict[str, Instance | MachineError]:
        ecs = self._cloud().ecs
        found: dict[str, Instance | MachineError] = {}
        for start in range(0, len(self._ids), MOST_AT_ONCE):
            found |= instances_by_id(ecs, self._ids[start : start + MOST_AT_ONCE])
        return found
