"""Ports that machines open to each other alone.

Members of one security group reach each other at every port, unless the group's inner access
policy is Drop: then each has rules for its private address. Members of different groups have
rules whose source is the other group.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ecsmachine.aliyun.ecs_values import Permission
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.aliyunecs.resources.security_group import rules_of
from ecsmachine.drivers.base import PortRange


@dataclass(frozen=True)
class Peer:
    """A machine among those that reach each other."""

    group_id: str
    private_ip: str


def open_between(
    cloud: Cloud, own: Peer, others: Iterable[Peer], ports: Sequence[PortRange]
) -> None:
    """Let ``own`` and the others reach each other at the ports; rules that are there stay."""
    others = list(others)
    if any(other.group_id == own.group_id for other in others) and not cloud.ecs.inner_access(
        own.group_id
    ):
        for peer in (own, *others):
            if peer.group_id == own.group_id:
                cloud.ecs.authorize(own.group_id, _from_address(peer, ports))
    for receiving, sending in _between_groups(own, others):
        cloud.ecs.authorize(receiving, _from_group(sending, ports))


def close_between(
    cloud: Cloud, own: Peer, others: Iterable[Peer], ports: Sequence[PortRange]
) -> None:
    """Take the rules of ``own`` back; those that the others need among themselves stay."""
    others = list(others)
    _revoke(cloud, own.group_id, _from_address(own, ports))
    if any(other.group_id == own.group_id for other in others):
        return
    for receiving, sending in _between_groups(own, others):
        _revoke(cloud, receiving, _from_group(sending, ports))


def _between_groups(own: Peer, others: Iterable[Peer]) -> list[tuple[str, str]]:
    """Return who receives from whom, by groups."""
    pairs = []
    for other in sorted({other.group_id for other in others} - {own.group_id}):
        pairs += [(own.group_id, other), (other, own.group_id)]
    return pairs


def _from_group(group_id: str, ports: Sequence[PortRange]) -> list[Permission]:
    return [replace(rule, source_group_id=group_id) for rule in rules_of(ports, [""])]


def _from_address(peer: Peer, ports: Sequence[PortRange]) -> list[Permission]:
    return rules_of(ports, [f"{peer.private_ip}/32"])


def _revoke(cloud: Cloud, group_id: str, rules: Sequence[Permission]) -> None:
    try:
        cloud.ecs.revoke(group_id, rules)
    except ApiError as error:
        if not error.is_not_found:  # a group that is gone has no rules
            raise
