"""Looking at many instances of a region at once: one request for a hundred of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecsmachine.aliyun.ecs import EcsClient, Instance
    from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud

_FRESH_S = 2.0
"""How long an answer counts as what is so now, in seconds."""

_PAGE = 100


class InstanceWatch:
    """Instances that several threads wait for, each asking again and again, asked for together.

    While one question is under way, the others gather; the next one is about all of them. Who is
    alone asks at once.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._guard = threading.Lock()
        self._wanted: dict[str, None] = {}
        self._begun = 0
        self._answers: dict[str, tuple[int, Instance | None]] = {}

    def instance(self, ecs: EcsClient, instance_id: str) -> Instance | None:
        """Return an instance as it is now, or None. Raises as DescribeInstances does.

        ``ecs`` is asked if it is this thread's turn.
        """
        with self._guard:
            entered = self._begun
            self._wanted[instance_id] = None
        with self._turn:
            number, found = self._answers.get(instance_id, (0, None))
            if number > entered:
                return found
            with self._guard:
                ids = list(dict.fromkeys([instance_id, *self._wanted]))[:_PAGE]
                for each in ids:
                    self._wanted.pop(each, None)
                self._begun += 1
                number = self._begun
            seen = {instance.id: instance for instance in ecs.instances(ids=ids)}
            self._answers.update({each: (number, seen.get(each)) for each in ids})
            return seen.get(instance_id)


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
        self._found: dict[str, Instance] = {}

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
            return self._found.get(instance_id)

    def _ask(self) -> dict[str, Instance]:
        ecs = self._cloud().ecs
        return {
            instance.id: instance
            for start in range(0, len(self._ids), _PAGE)
            for instance in ecs.instances(ids=self._ids[start : start + _PAGE])
        }
