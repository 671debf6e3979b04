"""The security group: found by name or made, with the ports open that a machine needs."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable, Sequence

from ecsmachine.aliyun.ecs import RULE_DESCRIPTION
from ecsmachine.aliyun.ecs_values import Permission, SecurityGroup
from ecsmachine.aliyun.error_codes import Meaning
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.drivers.aliyunecs.options.settings import Settings
from ecsmachine.drivers.aliyunecs.resources import asking
from ecsmachine.drivers.aliyunecs.resources.asking import Making
from ecsmachine.drivers.aliyunecs.resources.batch import FoundGroup
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.drivers.aliyunecs.resources.tags import is_shared_by, shared_tags
from ecsmachine.drivers.base import (
    DriverContext,
    PortRange,
    Report,
    Resource,
)
from ecsmachine.drivers.stored import ENGINE_PORT
from ecsmachine.errors import PreCreateCheckError

KIND = "security-group"

_RULES_AT_ONCE = 100

_METADATA = "100.100.100.200/32"
"""Where an instance learns its login key from."""

_ISOLATING = (
    Permission("tcp", "80/80", _METADATA, priority=1),
    Permission("all", "-1/-1", "0.0.0.0/0", policy="drop", priority=100),
)
"""The outbound rules of a machine that reaches nothing, but answers who reaches it."""

_TRIES = 3
_VISIBLE_TIMEOUT_S = 30.0


def groups_named(cloud: Cloud, name: str, vpc_id: str) -> list[SecurityGroup]:
    """Return the security groups of that name (or id) in a VPC, the oldest first."""
    groups = _groups_named(cloud, name, vpc_id)
    if not groups and name.startswith("sg-"):
        groups = [
            group
            for group in cloud.ecs.security_groups(group_id=name)
            if group.id == name and group.vpc_id == vpc_id
        ]
    return sorted(groups, key=_age)


def with_rules(cloud: Cloud, groups: Iterable[SecurityGroup]) -> FoundGroup | None:
    """Return the first of the groups that is still there."""
    for group in groups:
        # another machine's rm, or its create that made one too many, may be faster
        try:
            return FoundGroup(group, tuple(cloud.ecs.permissions(group.id)))
        except ApiError as error:
            if not error.is_not_found:
                raise
    return None


def ensure_group(making: Making, vpc_id: str, *, found: FoundGroup | None) -> str:
    """Return the id of the security group, making it and opening its ports if need be.

    ``found`` is the group of that name that is there, if one is. A group that we share among
    machines is in the journal of each: the last of them removes it. One that is removed by
    another machine's create or rm at this very moment is followed by another.
    """
    cloud, journal, name = making.cloud, making.journal, making.settings.security_group
    with making.context.shared_lock(f"security group {name}"):
        for remaining in reversed(range(_TRIES)):
            if found is None:  # as it was at the checks; another create may have made it since
                # names need not be unique: of several, all take the oldest
                found = making.batch.group or with_rules(cloud, groups_named(cloud, name, vpc_id))
            making.batch.group = found
            try:
                return _found_or_made(making, vpc_id, found)
            except ApiError as error:
                if error.missing != "SecurityGroupId" or not remaining:
                    raise
            # not any that is listed: the machine may be on its way out of another one
            gone = journal.find(KIND, region=cloud.region, vpc=vpc_id, name=name)
            if gone is not None:
                journal.removed(gone)
            found = making.batch.group = None
    raise AssertionError("the last try returns or raises")


def remove_group(
    cloud: Cloud, resource: Resource, context: DriverContext, *, patience_s: float
) -> bool:
    """Remove the security group if it is ours and no other machine uses it.

    One that is in use stays: the journal of whoever uses it lists it too. Returns whether it is
    gone.
    """
    ids = asking.ids_of(resource, lambda: _made_without_answer(cloud, resource, context))
    gone = [_delete_unused(cloud, group_id, patience_s) for group_id in ids]
    return all(gone)


def check_there(name: str, found: Sequence[SecurityGroup]) -> None:
    """Raise :class:`PreCreateCheckError` if a name is that of no group, and looks like an id."""
    if not found and name.startswith("sg-"):
        raise PreCreateCheckError(
            f'There is no security group "{name}" in that VPC',
            hint="Correct --aliyunecs-security-group (ECS_SECURITY_GROUP), or give a name that "
            "does not begin with sg-: a group of that name is then made.",
        )


def every_port(ssh_port: int) -> tuple[PortRange, PortRange]:
    """Return the ports that are open of every machine: SSH's and the engine's."""
    return PortRange("tcp", ssh_port, ssh_port), PortRange("tcp", ENGINE_PORT, ENGINE_PORT)


def rules_of(ports: Iterable[PortRange], sources: Collection[str]) -> list[Permission]:
    """Return the rules that let networks in at ports, each port once."""
    return [
        Permission(each.protocol, f"{each.first}/{each.last}", cidr)
        for each in dict.fromkeys(ports)
        for cidr in sources
    ]


def wanted_permissions(settings: Settings) -> list[Permission]:
    """Return the rules that a machine needs: SSH, the engine, and what the user asked for."""
    ports = (*every_port(settings.ssh_port), *settings.open_ports)
    return rules_of(ports, settings.source_cidrs)


def missing_permissions(
    present: Iterable[Permission], wanted: Iterable[Permission]
) -> list[Permission]:
    """Return those of ``wanted`` that no present rule already allows."""
    allowed = [
        rule for rule in present if rule.direction == "ingress" and rule.policy.lower() == "accept"
    ]
    return [rule for rule in wanted if not any(_covers(other, rule) for other in allowed)]


def denied_permissions(
    present: Iterable[Permission], wanted: Iterable[Permission]
) -> list[Permission]:
    """Return those of ``wanted`` that a present rule drops with priority over an accepting one."""
    drops = [
        rule for rule in present if rule.direction == "ingress" and rule.policy.lower() == "drop"
    ]
    # ours have priority 1, and of equal priority the dropping one counts
    return [
        rule
        for rule in wanted
        if any(drop.priority <= rule.priority and _overlaps(drop, rule) for drop in drops)
    ]


def _found_or_made(making: Making, vpc_id: str, found: FoundGroup | None) -> str:
    cloud, journal, settings, report = making.cloud, making.journal, making.settings, making.report
    wanted = wanted_permissions(settings)
    details = {"region": cloud.region, "vpc": vpc_id, "name": settings.security_group}
    known = journal.find(KIND, **details)
    if known is not None and known.id is not None:
        open_ports(cloud, known.id, cloud.ecs.permissions(known.id), wanted, report)
        _isolate(making, known.id)
        return known.id
    if found is not None:
        if is_shared_by(found.group.tags, making.context.store_id):
            journal.made(known or journal.intend(KIND, **details), found.group.id)
        open_ports(cloud, found.group.id, found.permissions, wanted, report)
        return found.group.id
    report(f"Creating security group {settings.security_group}...")
    resource = journal.intend(KIND, **details)
    with asking.forget_if_refused(journal, resource, asked_before=known is not None):
        group_id = cloud.ecs.create_security_group(
            settings.security_group,
            vpc_id=vpc_id,
            description="Docker hosts of ecsmachine",
            tags=shared_tags(making.context),
            token=resource.token,
            resource_group_id=settings.resource_group_id,
        )
    journal.made(resource, group_id)
    once_visible(lambda: open_ports(cloud, group_id, (), wanted, lambda line: None))
    _isolate(making, group_id)
    return _settle_on_one(making, resource, wanted)


def _isolate(making: Making, group_id: str) -> None:
    """Let the members of a group that is one machine's own reach nothing by themselves."""
    if making.context.isolated:
        once_visible(lambda: making.cloud.ecs.authorize_egress(group_id, _ISOLATING))


def open_ports(
    cloud: Cloud,
    group_id: str,
    present: Sequence[Permission],
    wanted: Sequence[Permission],
    report: Report,
) -> None:
    """Add those of the rules that a group has not yet; say which of them another rule drops."""
    missing = missing_permissions(present, wanted)
    for start in range(0, len(missing), _RULES_AT_ONCE):
        cloud.ecs.authorize(group_id, missing[start : start + _RULES_AT_ONCE])
    for rule in denied_permissions(present, wanted):
        report(
            f"Warning: a rule of security group {group_id} drops {rule.protocol} "
            f"{rule.port_range} from {rule.source_cidr}; it was left as it is"
        )


def close_ports(
    cloud: Cloud, group_id: str, present: Iterable[Permission], unwanted: Iterable[Permission]
) -> None:
    """Remove those of the rules that are there and that we made."""
    made = [rule for rule in present if rule.description == RULE_DESCRIPTION]
    staying = without(made, unwanted)
    ours = [rule for rule in made if rule not in staying]
    for start in range(0, len(ours), _RULES_AT_ONCE):
        cloud.ecs.revoke(group_id, ours[start : start + _RULES_AT_ONCE])


def without(rules: Iterable[Permission], unwanted: Iterable[Permission]) -> list[Permission]:
    """Return the rules but for those that let the same in from the same network."""
    left_out = {(each.protocol, each.port_range, each.source_cidr) for each in unwanted}
    return [
        rule for rule in rules if (rule.protocol, rule.port_range, rule.source_cidr) not in left_out
    ]


def once_visible(ask: Callable[[], None]) -> None:
    """Ask something of a group that was just made, and may not be found for a moment."""
    asking.until_accepted(_VISIBLE_TIMEOUT_S, ask, lambda error, _: error.is_not_found)


def _settle_on_one(making: Making, resource: Resource, wanted: Sequence[Permission]) -> str:
    """Return the group that all creates settle on, when several made one of this name at once."""
    cloud, journal = making.cloud, making.journal
    own = resource.id or ""
    name, vpc_id = resource.details["name"], resource.details["vpc"]
    groups = _groups_named(cloud, name, vpc_id)
    chosen = min(groups, key=_age, default=None)
    if chosen is None or chosen.id == own or not any(group.id == own for group in groups):
        return own
    try:
        cloud.ecs.delete_security_group(own)
    except ApiError as error:
        if error.meaning is not Meaning.IN_USE:
            raise
        return own
    if is_shared_by(chosen.tags, making.context.store_id):
        journal.made(resource, chosen.id)
    else:
        journal.removed(resource)
    open_ports(cloud, chosen.id, cloud.ecs.permissions(chosen.id), wanted, making.report)
    return chosen.id


def _age(group: SecurityGroup) -> tuple[str, str]:
    return group.created, group.id


def _groups_named(cloud: Cloud, name: str, vpc_id: str) -> list[SecurityGroup]:
    return [
        group
        for group in cloud.ecs.security_groups(name=name, vpc_id=vpc_id)
        if group.name == name and group.vpc_id == vpc_id
    ]


def _made_without_answer(cloud: Cloud, resource: Resource, context: DriverContext) -> list[str]:
    """Return the groups that a request without an answer may have made."""
    found = _groups_named(cloud, resource.details["name"], resource.details["vpc"])
    return [group.id for group in found if is_shared_by(group.tags, context.store_id)]


def _delete_unused(cloud: Cloud, group_id: str, patience_s: float) -> bool:
    """Remove a group; one that instances use stays, one that is gone is success.

    Raises :class:`ApiError` if it can be neither: somebody's rule names it.
    """

    def is_used(spent_s: float) -> bool:
        # the group of an instance that has just gone counts as used for a moment
        if any(cloud.ecs.instances(security_group_id=group_id)):
            return True
        try:
            _revoke_references(cloud, group_id)
        except ApiError as error:
            if not error.is_not_found:  # another machine's rm was faster: the next try says so
                raise
        return False

    return asking.delete_unused(
        lambda: cloud.ecs.delete_security_group(group_id), is_used, patience_s
    )


def _revoke_references(cloud: Cloud, group_id: str) -> None:
    """Take back the rules of ours, in other groups, that let the members of this one in."""
    for other in cloud.ecs.referencing_groups(group_id):
        ours = [
            rule
            for rule in cloud.ecs.permissions(other)
            if rule.source_group_id == group_id and rule.description == RULE_DESCRIPTION
        ]
        if ours:
            cloud.ecs.revoke(other, ours)


def _covers(rule: Permission, wanted: Permission) -> bool:
    """Whether ``rule`` speaks of all that ``wanted`` speaks of."""
    first, last = ports_of(rule)
    wanted_first, wanted_last = ports_of(wanted)
    return (
        rule.protocol in (wanted.protocol, "all")
        and first <= wanted_first
        and wanted_last <= last
        and _contains(rule.source_cidr, wanted.source_cidr)
    )


def _overlaps(rule: Permission, wanted: Permission) -> bool:
    """Whether ``rule`` speaks of some of what ``wanted`` speaks of."""
    first, last = ports_of(rule)
    wanted_first, wanted_last = ports_of(wanted)
    return (
        rule.protocol in (wanted.protocol, "all")
        and first <= wanted_last
        and wanted_first <= last
        and (
            _contains(rule.source_cidr, wanted.source_cidr)
            or _contains(wanted.source_cidr, rule.source_cidr)
        )
    )


def ports_of(rule: Permission) -> tuple[int, int]:
    """Return the first and the last port that a rule is about."""
    first, _, last = rule.port_range.partition("/")
    if first in ("-1", ""):
        return 0, 65535
    return int(first), int(last or first)


def _contains(outer: str, inner: str) -> bool:
    try:
        return ipaddress.IPv4Network(inner, strict=False).subnet_of(
            ipaddress.IPv4Network(outer, strict=False)
        )
    except ValueError:
        # rules for other groups, prefix lists or IPv6 say nothing of an IPv4 network
        return False
