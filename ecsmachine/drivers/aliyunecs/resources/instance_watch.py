"""Looking at many instances of a region at once: one request for a hundred of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecsmachine.aliyun.errors import AnswerError
from ecsmachine.drivers.aliyunecs.resources.together import by_halves

if TYPE_CHECKING:
    from ecsmachine.aliyun.ecs import EcsClient
    from ecsmachine.aliyun.ecs_values import Instance
    from ecsmachine.errors import MachineError


def instances_by_id(ecs: EcsClient, ids: list[str]) -> dict[str, Instance | MachineError]:
    """Return instances by their ids; in place of one that cannot be read, the error.

    Raises as DescribeInstances does.
    """

    def ask(some: list[str]) -> dict[str, Instance]:
        return {instance.id: instance for instance in ecs.instances(ids=some)}

    found = by_halves(ids, ask, lambda error: isinstance(error, AnswerError))
    for error in found.values():
        if isinstance(error, Exception) and not isinstance(error, AnswerError):
            raise error
    return found


def or_raised(found: Instance | MachineError | None) -> Instance | None:
    """Return what :func:`instances_by_id` found of one instance; raise it if it is an error."""
    if isinstance(found, Exception):
        raise found
    return found
