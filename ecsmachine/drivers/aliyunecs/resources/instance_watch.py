"""Waiting for many instances of a region at once: one request for a hundred of them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ecsmachine.aliyun.errors import AnswerError

if TYPE_CHECKING:
    from ecsmachine.aliyun.ecs import EcsClient
    from ecsmachine.aliyun.ecs_values import Instance

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
        self._answers: dict[str, tuple[int, Instance | AnswerError | None]] = {}

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
                return or_raised(found)
            with self._guard:
                ids = list(dict.fromkeys([instance_id, *self._wanted]))[:MOST_AT_ONCE]
                for each in ids:
                    self._wanted.pop(each, None)
                self._begun += 1
                number = self._begun
            seen = instances_by_id(ecs, ids)
            self._answers.update({each: (number, seen.get(each)) for each in ids})
            return or_raised(seen.get(instance_id))


def instances_by_id(ecs: EcsClient, ids: list[str]) -> dict[str, Instance | AnswerError]:
    """Return instances by their ids; in place of one that cannot be read, the error.

    One that is shown wrongly must not hide the others: the halves are asked for anew.
    """
    try:
        return {instance.id: instance for instance in ecs.instances(ids=ids)}
    except AnswerError as error:
        if len(ids) == 1:
            return {ids[0]: error}
    half = len(ids) // 2
    return instances_by_id(ecs, ids[:half]) | instances_by_id(ecs, ids[half:])


def or_raised(found: Instance | AnswerError | None) -> Instance | None:
    """Return what :func:`instances_by_id` found of one instance; raise it if it is an error."""
    if isinstance(found, AnswerError):
        raise found
    return found
