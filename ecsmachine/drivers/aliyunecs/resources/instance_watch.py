"""Waiting for many instances of a region at once: one request for a hundred of them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecsmachine.aliyun.ecs import EcsClient, Instance

MOST_AT_ONCE = 100


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
                ids = list(dict.fromkeys([instance_id, *self._wanted]))[:MOST_AT_ONCE]
                for each in ids:
                    self._wanted.pop(each, None)
                self._begun += 1
                number = self._begun
            seen = {instance.id: instance for instance in ecs.instances(ids=ids)}
            self._answers.update({each: (number, seen.get(each)) for each in ids})
            return seen.get(instance_id)
