"""Security groups and their rules."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from typing import Any

from ecsmachine.localcloud.actions import listing as by
from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.listing import Filter, Listing, Test
from ecsmachine.localcloud.actions.security_group_rules import (
    description_of_request,
    rule_view,
)
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.errors import ApiError, missing_parameter
from ecsmachine.localcloud.protocol.identifiers import new_id
from ecsmachine.localcloud.protocol.names import checked_text, matches, valid_name
from ecsmachine.localcloud.protocol.paging import page
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.state.interfaces import (
    all_interfaces,
    find_interface,
    primary_interface,
    put_interface,
)
from ecsmachine.localcloud.state.model import (
    NetworkInterface,
    Policy,
    Rule,
    SecurityGroup,
    SecurityGroupKind,
)
from ecsmachine.localcloud.state.records import api_fields
from ecsmachine.localcloud.state.resources import check_status
from ecsmachine.localcloud.state.tagging import ecs_tags, put_tags, tags_of_request

MAX_GROUPS_OF_INSTANCE = 5
MAX_INSTANCES = 2000
_TYPES_DIFFER = Refusal("InvalidOperation.MultiGroupType#interface")
_CANNOT_JOIN = Refusal("InvalidOperation.MultiGroupType#join")


def create_security_group(call: Call) -> Answer:
    """CreateSecurityGroup: in a VPC; without ``VpcId``, in the region's default VPC."""
    parameters = call.parameters
    region = call.region
    name = _name_of_request(parameters)
    description = description_of_request(parameters)
    kind: SecurityGroupKind = parameters.choice("SecurityGroupType", ("normal", "enterprise"))
    tags = tags_of_request(parameters)
    vpc = call.optional(call.state.vpcs, "VpcId")
    if vpc is None:
        # New accounts have no classic network: without a VPC, use the default one.
        vpc = next((v for v in call.state.vpcs.in_region(region.id) if v.is_default), None)
    if vpc is None:
        raise missing_parameter("VpcId")
    most = call.state.offer.quota("security-groups")
    if len(call.state.security_groups.in_region(region.id)) >= most:
        raise refusals.QUOTA_OF_SECURITY_GROUPS()
    group = call.state.security_groups.put(
        SecurityGroup(
            id=new_id("sg", region.id),
            region=region.id,
            name=name,
            description=description,
            vpc_id=vpc.id,
            kind=kind,
            created=timestamp(),
            inner_access="Accept" if kind == "normal" else "Drop",
            resource_group_id=parameters.text("ResourceGroupId"),
        )
    )
    put_tags(call.state, "securitygroup", group.id, region.id, tags)
    return {"SecurityGroupId": group.id}


def describe_security_groups(call: Call) -> Answer:
    """DescribeSecurityGroups: by id, name, VPC, kind, tags; newest first."""
    region = call.region
    return {"RegionId": region.id, **_GROUPS.answer(call)}


def describe_security_group_attribute(call: Call) -> Answer:
    """DescribeSecurityGroupAttribute: a group and its rules, in one direction or both."""
    group = call.required(call.state.security_groups, "SecurityGroupId")
    answer = _RULES.answer(call)
    return {
        "RegionId": group.region,
        "SecurityGroupId": group.id,
        "SecurityGroupName": group.name,
        "Description": group.description,
        "VpcId": group.vpc_id,
        "InnerAccessPolicy": group.inner_access,
        "Permissions": answer["Permissions"],
        "SnapshotPolicyIds": {"SnapshotPolicyId": []},
        "NextToken": answer["NextToken"],
    }


def describe_security_group_references(call: Call) -> Answer:
    """DescribeSecurityGroupReferences: which groups have rules that name these."""
    ids = call.parameters.listed("SecurityGroupId", most=10)
    if not ids:
        raise missing_parameter("SecurityGroupId.1")
    references = []
    for group_id in ids:
        call.find(call.state.security_groups, group_id)
        naming = [
            other.id
            for other in call.state.security_groups
            if other.id != group_id and any(rule.group_id == group_id for rule in other.rules)
        ]
        if naming:
            references.append(
                {
                    "SecurityGroupId": group_id,
                    "ReferencingSecurityGroups": {
                        "ReferencingSecurityGroup": [
                            {"AliUid": call.state.account.id, "SecurityGroupId": other}
                            for other in naming
                        ]
                    },
                }
            )
    return {"SecurityGroupReferences": {"SecurityGroupReference": references}}


def modify_security_group_attribute(call: Call) -> None:
    """ModifySecurityGroupAttribute: name and description."""
    group = call.required(call.state.security_groups, "SecurityGroupId")
    name = _name_of_request(call.parameters) or group.name
    description = description_of_request(call.parameters) or group.description
    call.state.security_groups.put(replace(group, name=name, description=description))


def modify_security_group_policy(call: Call) -> None:
    """ModifySecurityGroupPolicy: whether the group's instances reach each other."""
    group = call.required(call.state.security_groups, "SecurityGroupId")
    policy: Policy = call.parameters.require_choice(
        "InnerAccessPolicy", ("Accept", "Drop"), spelled=str.capitalize
    )
    if group.kind == "enterprise":
        raise refusals.of("InvalidSecurityGroupType.NotSupported")
    call.state.security_groups.put(replace(group, inner_access=policy))


def delete_security_group(call: Call) -> None:
    """DeleteSecurityGroup: only one without instances, that no other group's rule names."""
    group = call.required(call.state.security_groups, "SecurityGroupId")
    if any(group.id in each.security_group_ids for each in all_interfaces(call.state)):
        raise refusals.of("DependencyViolation#members")
    if any(
        rule.group_id == group.id
        for other in call.state.security_groups
        if other.id != group.id
        for rule in other.rules
    ):
        raise refusals.of("DependencyViolation#named-by-a-rule")
    call.state.security_groups.remove(group.id)


def join_security_group(call: Call) -> None:
    """JoinSecurityGroup: put an instance, or a network interface, into one more group."""
    group = call.required(call.state.security_groups, "SecurityGroupId")
    interface = _member_of_request(call)
    if interface.vpc_id != group.vpc_id:
        raise refusals.of("InvalidInstanceId.Mismatch")
    if group.id in interface.security_group_ids:
        raise refusals.of("InvalidInstanceId.AlreadyExists")
    if len(interface.security_group_ids) >= MAX_GROUPS_OF_INSTANCE:
        raise refusals.of("InstanceSecurityGroupLimitExceeded")
    its = interface.security_group_ids
    groups = [call.find(call.state.security_groups, group_id) for group_id in its]
    check_membership(call, [*groups, group], its, types_differ=_CANNOT_JOIN)
    put_interface(call.state, replace(interface, security_group_ids=(*its, group.id)))


def leave_security_group(call: Call) -> None:
    """LeaveSecurityGroup: take an instance, or an interface, out of a group, but not its last."""
    group = call.required(call.state.security_groups, "SecurityGroupId")
    interface = _member_of_request(call)
    if group.id not in interface.security_group_ids:
        raise ApiError("InstanceNotInSecurityGroup", "The instance not in the group.", 403)
    if len(interface.security_group_ids) == 1:
        raise refusals.of("InstanceLastSecurityGroup")
    rest = tuple(item for item in interface.security_group_ids if item != group.id)
    put_interface(call.state, replace(interface, security_group_ids=rest))


def check_room(call: Call, group: SecurityGroup, more: int = 1) -> None:
    """Raise ``SecurityGroupInstanceLimitExceed`` if ``more`` members do not fit in a group."""
    members = (*call.state.instances, *call.state.network_interfaces)
    if sum(group.id in item.security_group_ids for item in members) + more > MAX_INSTANCES:
        raise refusals.of("SecurityGroupInstanceLimitExceed")


def check_membership(
    call: Call,
    groups: Sequence[SecurityGroup],
    before: Container[str] = (),
    *,
    types_differ: Refusal = _TYPES_DIFFER,
) -> None:
    """Refuse groups that an interface cannot be in together; ``before`` are those it is in now.

    They need room for it, and have to be of one type, or ``types_differ`` is raised.
    """
    for group in groups:
        if group.id not in before:
            check_room(call, group)
    if len({group.kind for group in groups}) > 1:
        raise types_differ()


def _member_of_request(call: Call) -> NetworkInterface:
    """Return the interface that a request names, itself or by its instance."""
    if call.parameters.given("NetworkInterfaceId"):
        if call.parameters.given("InstanceId"):
            raise refusals.of("InvalidParam.EniIdAndInstanceId.Conflict")
        wanted = call.parameters.text("NetworkInterfaceId")
        return find_interface(call.state, wanted, region=call.region_id)
    instance = call.required(call.state.instances, "InstanceId")
    check_status(instance, "Running", "Stopped")
    return primary_interface(instance)


def _group_view(call: Call, group: SecurityGroup) -> dict[str, Any]:
    members = sum(group.id in item.security_group_ids for item in call.state.instances)
    return {
        **api_fields(group),
        "AvailableInstanceAmount": MAX_INSTANCES - members,
        "EcsCount": members,
        "RuleCount": len(group.rules),
        "GroupToGroupRuleCount": sum(bool(rule.group_id) for rule in group.rules),
        "ServiceManaged": False,
        "ServiceID": 0,
        "Tags": ecs_tags(call.state.security_groups.tags(group.id)),
    }


def _name_of_request(parameters: Parameters) -> str:
    return checked_text(parameters, "SecurityGroupName", valid_name)


def _by_name(call: Call) -> Test[SecurityGroup] | None:
    name = call.parameters.text("SecurityGroupName")
    if not name:
        return None
    if call.parameters.boolean("FuzzyQuery"):
        return lambda group: name.strip("*") in group.name
    return lambda group: matches(name, group.name)


def _of_any_interface(call: Call) -> None:
    # In a VPC every rule is for the inner network, whatever the request says.
    if call.parameters.text("NicType").lower() not in ("", "internet", "intranet"):
        raise ApiError("InvalidNicType.ValueNotSupported", "The specified NicType does not exist.")


_GROUPS = Listing(
    SecurityGroup,
    "SecurityGroups.SecurityGroup",
    by.newest(lambda state: state.security_groups),
    _group_view,
    (
        by.one_of("SecurityGroupIds", "id", Parameters.json_list),
        by.equals("SecurityGroupId", "id"),
        Filter(("SecurityGroupName", "FuzzyQuery"), _by_name),
        by.equals("VpcId", "vpc_id"),
        by.equals("SecurityGroupType", "kind"),
        by.equals("ResourceGroupId", "resource_group_id"),
        by.always("NetworkType", "vpc"),
        by.never_true("ServiceManaged"),
        by.tagged("securitygroup"),
    ),
    paging=page,
)
_RULES = Listing(
    Rule,
    "Permissions.Permission",
    lambda call: call.required(call.state.security_groups, "SecurityGroupId").rules[::-1],
    rule_view,
    (
        by.equals(
            "Direction",
            "direction",
            ("ingress", "egress", "all"),
            everything="all",
            spelled=str.lower,
        ),
        Filter(("NicType",), _of_any_interface),
    ),
    paging=page,
    size=1000,
    most=1000,
)
