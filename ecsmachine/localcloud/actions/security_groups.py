"""Security groups and their rules."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace
from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.errors import ApiError, invalid_parameter, missing_parameter
from ecsmachine.localcloud.protocol.identifiers import new_id
from ecsmachine.localcloud.protocol.names import check, valid_description, valid_name
from ecsmachine.localcloud.protocol.paging import page
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.state.filters import has_tags, matches, tag_filter
from ecsmachine.localcloud.state.model import Instance, Rule, SecurityGroup
from ecsmachine.localcloud.state.resources import (
    check_status,
    find_security_group,
    find_vpc,
    forget_tags,
    resource_tags,
)
from ecsmachine.localcloud.state.tagging import ecs_tags, put_tags, tags_of_request

MAX_GROUPS = 100
MAX_RULES = 200
MAX_GROUPS_OF_INSTANCE = 5
MAX_INSTANCES = 2000
MAX_RULES_OF_REQUEST = 100
_PORTS = re.compile(r"([0-9]{1,5})/([0-9]{1,5})")
_PROTOCOLS = ("TCP", "UDP", "ICMP", "ICMPV6", "GRE", "ALL")


def create_security_group(call: Call) -> Answer:
    """CreateSecurityGroup: in a VPC; without ``VpcId``, in the region's default VPC."""
    parameters = call.parameters
    region = call.region
    name = parameters.text("SecurityGroupName")
    check(
        not name or valid_name(name),
        "InvalidSecurityGroupName.Malformed",
        "The specified parameter SecurityGroupName is not valid.",
    )
    description = parameters.text("Description")
    check(
        not description or valid_description(description),
        "InvalidSecurityGroupDiscription.Malformed",
        "The specified parameter Description is not valid.",
    )
    kind = parameters.choice("SecurityGroupType", ("normal", "enterprise"), "normal")
    tags = tags_of_request(parameters)
    vpc_id = parameters.text("VpcId")
    if vpc_id:
        vpc = find_vpc(call.state, vpc_id)
        if vpc.region != region.id:
            raise ApiError("InvalidVpcId.NotFound", "Specified VPC does not exist.", 404)
    else:
        # Accounts of today have no classic network: what names no VPC goes to the default one.
        vpc_id = next((v.id for v in call.state.vpcs if v.is_default and v.region == region.id), "")
        if not vpc_id:
            raise missing_parameter("VpcId")
    if sum(group.region == region.id for group in call.state.security_groups) >= MAX_GROUPS:
        raise ApiError(
            "QuotaExceed.SecurityGroup", "The maximum number of security groups is reached.", 403
        )
    group = call.state.security_groups.put(
        SecurityGroup(
            id=new_id("sg", region.id),
            region=region.id,
            name=name,
            description=description,
            vpc_id=vpc_id,
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
    parameters = call.parameters
    region = call.region
    ids = parameters.json_list("SecurityGroupIds")
    one = parameters.text("SecurityGroupId")
    name = parameters.text("SecurityGroupName")
    fuzzy = parameters.boolean("FuzzyQuery")
    wanted = tag_filter(parameters)
    found = [
        group
        for group in call.state.security_groups
        if group.region == region.id
        and (ids is None or group.id in ids)
        and one in ("", group.id)
        and (not name or (name.strip("*") in group.name if fuzzy else matches(name, group.name)))
        and parameters.text("VpcId") in ("", group.vpc_id)
        and parameters.text("SecurityGroupType") in ("", group.kind)
        and parameters.text("ResourceGroupId") in ("", group.resource_group_id)
        and parameters.text("NetworkType") in ("", "vpc")
        and not parameters.boolean("ServiceManaged")
        and has_tags(resource_tags(call.state, "securitygroup", group.id), wanted)
    ]
    part, fields = page(parameters, found[::-1])
    return {
        **fields,
        "RegionId": region.id,
        "SecurityGroups": {"SecurityGroup": [_group(call, group) for group in part]},
    }


def describe_security_group_attribute(call: Call) -> Answer:
    """DescribeSecurityGroupAttribute: a group and its rules, in one direction or both."""
    parameters = call.parameters
    group = _group_of_request(call)
    direction = parameters.text("Direction", "all").lower()
    if direction not in ("all", "ingress", "egress"):
        raise invalid_parameter("Direction")
    nic_type = parameters.text("NicType").lower()
    if nic_type not in ("", "internet", "intranet"):
        raise ApiError("InvalidNicType.ValueNotSupported", "The specified NicType does not exist.")
    rules = [
        rule
        for rule in group.rules
        if direction in ("all", rule.direction)
        # In a VPC every rule is of the inner network, whatever is asked for.
    ]
    part, fields = page(parameters, rules[::-1], size=1000, most=1000)
    return {
        "RegionId": group.region,
        "SecurityGroupId": group.id,
        "SecurityGroupName": group.name,
        "Description": group.description,
        "VpcId": group.vpc_id,
        "InnerAccessPolicy": group.inner_access,
        "Permissions": {"Permission": [_permission(call, rule) for rule in part]},
        "SnapshotPolicyIds": {"SnapshotPolicyId": []},
        "NextToken": fields["NextToken"],
    }


def describe_security_group_references(call: Call) -> Answer:
    """DescribeSecurityGroupReferences: which groups have rules that name these."""
    call.check_region()
    ids = call.parameters.listed("SecurityGroupId", most=10)
    if not ids:
        raise missing_parameter("SecurityGroupId.1")
    references = []
    for group_id in ids:
        find_security_group(call.state, group_id)
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


def modify_security_group_attribute(call: Call) -> Answer:
    """ModifySecurityGroupAttribute: name and description."""
    group = _group_of_request(call)
    name = call.parameters.text("SecurityGroupName", group.name)
    description = call.parameters.text("Description", group.description)
    check(
        name == group.name or valid_name(name),
        "InvalidSecurityGroupName.Malformed",
        "The specified parameter SecurityGroupName is not valid.",
    )
    check(
        description == group.description or valid_description(description),
        "InvalidSecurityGroupDiscription.Malformed",
        "The specified parameter Description is not valid.",
    )
    call.state.security_groups.put(replace(group, name=name, description=description))
    return {}


def modify_security_group_policy(call: Call) -> Answer:
    """ModifySecurityGroupPolicy: whether the group's instances reach each other."""
    group = _group_of_request(call)
    policy = call.parameters.require("InnerAccessPolicy").capitalize()
    if policy not in ("Accept", "Drop"):
        raise invalid_parameter("InnerAccessPolicy")
    if group.kind == "enterprise":
        raise ApiError(
            "InvalidSecurityGroupType.NotSupported",
            "The type of the specified security group does not support this operation.",
            403,
        )
    call.state.security_groups.put(replace(group, inner_access=policy))
    return {}


def delete_security_group(call: Call) -> Answer:
    """DeleteSecurityGroup: only one without instances, that no other group's rule names."""
    group = _group_of_request(call)
    if any(group.id in instance.security_group_ids for instance in call.state.instances):
        raise ApiError(
            "DependencyViolation",
            "There is still instance(s) in the specified security group.",
            403,
        )
    if any(
        rule.group_id == group.id
        for other in call.state.security_groups
        if other.id != group.id
        for rule in other.rules
    ):
        raise ApiError(
            "DependencyViolation",
            "The specified security group has been authorized in another security group.",
            403,
        )
    call.state.security_groups.remove(group.id)
    forget_tags(call.state, "securitygroup", group.id)
    return {}


def authorize_security_group(call: Call) -> Answer:
    """AuthorizeSecurityGroup: add ingress rules; one that is there already stays as it is."""
    return _authorize(call, "ingress")


def authorize_security_group_egress(call: Call) -> Answer:
    """AuthorizeSecurityGroupEgress: add egress rules."""
    return _authorize(call, "egress")


def revoke_security_group(call: Call) -> Answer:
    """RevokeSecurityGroup: remove ingress rules, by id or by what they say."""
    return _revoke(call, "ingress")


def revoke_security_group_egress(call: Call) -> Answer:
    """RevokeSecurityGroupEgress: remove egress rules, by id or by what they say."""
    return _revoke(call, "egress")


def modify_security_group_rule(call: Call) -> Answer:
    """ModifySecurityGroupRule: change an ingress rule."""
    return _modify_rule(call, "ingress")


def modify_security_group_egress_rule(call: Call) -> Answer:
    """ModifySecurityGroupEgressRule: change an egress rule."""
    return _modify_rule(call, "egress")


def join_security_group(call: Call) -> Answer:
    """JoinSecurityGroup: put an instance into one more group of its VPC."""
    group = _group_of_request(call)
    instance = call.required(call.state.instances, "InstanceId")
    _check_movable(instance)
    if instance.vpc_id != group.vpc_id:
        raise ApiError(
            "InvalidInstanceId.Mismatch",
            "Specified instance and security group are not in the same VPC.",
        )
    if group.id in instance.security_group_ids:
        raise ApiError(
            "InvalidInstanceId.AlreadyExists",
            "The specified instance already exists in the specified security group.",
            403,
        )
    if len(instance.security_group_ids) >= MAX_GROUPS_OF_INSTANCE:
        raise ApiError(
            "InstanceSecurityGroupLimitExceeded",
            "The maximum number of security groups of the instance is exceeded.",
            403,
        )
    check_room(call, group)
    _change_groups(call, instance, (*instance.security_group_ids, group.id))
    return {}


def leave_security_group(call: Call) -> Answer:
    """LeaveSecurityGroup: take an instance out of a group, unless it is its last."""
    group = _group_of_request(call)
    instance = call.required(call.state.instances, "InstanceId")
    _check_movable(instance)
    if group.id not in instance.security_group_ids:
        raise ApiError(
            "InstanceNotInSecurityGroup",
            "The instance not in the group.",
            403,
        )
    if len(instance.security_group_ids) == 1:
        raise ApiError(
            "InstanceLastSecurityGroup",
            "The specified security group is the last security group for the instance.",
            403,
        )
    rest = tuple(item for item in instance.security_group_ids if item != group.id)
    _change_groups(call, instance, rest)
    return {}


def check_room(call: Call, group: SecurityGroup, more: int = 1) -> None:
    """Raise ``SecurityGroupInstanceLimitExceed`` if ``more`` instances do not fit in a group."""
    members = sum(group.id in item.security_group_ids for item in call.state.instances)
    if members + more > MAX_INSTANCES:
        raise ApiError(
            "SecurityGroupInstanceLimitExceed",
            "The maximum number of instances in a security group is exceeded.",
            403,
        )


def _change_groups(call: Call, instance: Instance, groups: tuple[str, ...]) -> None:
    call.state.instances.put(replace(instance, security_group_ids=groups))


def _check_movable(instance: Instance) -> None:
    check_status(instance, "Running", "Stopped")


def _group_of_request(call: Call) -> SecurityGroup:
    group_id = call.parameters.require("SecurityGroupId")
    group = find_security_group(call.state, group_id)
    if not call.in_region(group.region):
        raise ApiError(
            "InvalidSecurityGroupId.NotFound", "The specified SecurityGroupId does not exist.", 404
        )
    return group


def _requests(parameters: Parameters) -> list[Parameters]:
    # Several rules as Permissions.N, or one rule as parameters of the request itself.
    several = parameters.structs("Permissions")
    if len(several) > MAX_RULES_OF_REQUEST:
        raise invalid_parameter("Permissions", f"At most {MAX_RULES_OF_REQUEST} are accepted.")
    return several or [parameters]


def _authorize(call: Call, direction: str) -> Answer:
    group = _group_of_request(call)
    rules = list(group.rules)
    for request in _requests(call.parameters):
        rule = _rule(call, group, request, direction)
        if not any(_same_rule(rule, other) for other in rules):
            rules.append(rule)
    if len(rules) > MAX_RULES:
        raise ApiError(
            "AuthorizationLimitExceed",
            "The limit of authorization records in the security group reaches.",
            403,
        )
    call.state.security_groups.put(replace(group, rules=tuple(rules)))
    return {}


def _revoke(call: Call, direction: str) -> Answer:
    group = _group_of_request(call)
    ids = call.parameters.listed("SecurityGroupRuleId", most=MAX_RULES_OF_REQUEST)
    if ids:
        known = {rule.id for rule in group.rules if rule.direction == direction}
        for rule_id in ids:
            if rule_id not in known:
                raise ApiError(
                    "InvalidSecurityGroupRuleId.NotFound",
                    "The specified SecurityGroupRuleId does not exist.",
                    404,
                )
        rest = [rule for rule in group.rules if rule.id not in ids]
    else:
        rest = list(group.rules)
        for request in _requests(call.parameters):
            rule = _rule(call, group, request, direction)
            # A rule that is not there is as good as revoked.
            rest = [other for other in rest if not _same_rule(rule, other)]
    call.state.security_groups.put(replace(group, rules=tuple(rest)))
    return {}


def _modify_rule(call: Call, direction: str) -> Answer:
    group = _group_of_request(call)
    parameters = call.parameters
    rule_id = parameters.text("SecurityGroupRuleId")
    if rule_id:
        old = next((r for r in group.rules if r.id == rule_id and r.direction == direction), None)
        if old is None:
            raise ApiError(
                "InvalidSecurityGroupRuleId.NotFound",
                "The specified SecurityGroupRuleId does not exist.",
                404,
            )
        values = _as_parameters(old)
        values.update({name: parameters.text(name) for name in values if parameters.given(name)})
        values["Description"] = parameters.text("Description", old.description)
        new = _rule(call, group, Parameters(values), direction)
    else:
        new = _rule(call, group, parameters, direction)
        old = next((r for r in group.rules if _same_rule(new, r, priority=False)), None)
        if old is None:
            raise ApiError(
                "InvalidSecurityGroupRule.RuleNotExist", "The specified rule does not exist.", 404
            )
    changed = replace(new, id=old.id, created=old.created)
    call.state.security_groups.put(
        replace(group, rules=tuple(changed if rule is old else rule for rule in group.rules))
    )
    return {}


def _as_parameters(rule: Rule) -> dict[str, str]:
    side, own = ("Source", "Dest") if rule.direction == "ingress" else ("Dest", "Source")
    return {
        "IpProtocol": rule.protocol,
        "PortRange": rule.port_range,
        "Policy": rule.policy,
        "Priority": str(rule.priority),
        f"{side}CidrIp": rule.cidr,
        f"Ipv6{side}CidrIp": rule.ipv6_cidr,
        f"{side}GroupId": rule.group_id,
        f"{side}PrefixListId": rule.prefix_list_id,
        f"{own}CidrIp": rule.own_cidr,
        f"Ipv6{own}CidrIp": rule.own_ipv6_cidr,
        "SourcePortRange": rule.source_port_range,
    }


def _rule(call: Call, group: SecurityGroup, request: Parameters, direction: str) -> Rule:
    side, own = ("Source", "Dest") if direction == "ingress" else ("Dest", "Source")
    protocol = request.require("IpProtocol").upper()
    if protocol not in _PROTOCOLS:
        raise ApiError(
            "InvalidIpProtocol.ValueNotSupported",
            "The parameter IpProtocol must be specified with case insensitive TCP, UDP, ICMP, "
            "GRE or All.",
        )
    port_range = request.text("PortRange")
    if not port_range and protocol in ("TCP", "UDP"):
        raise missing_parameter(request.name("PortRange"))
    # The reference has one code for what is removed, and another for what is added.
    what = "IpPortRange" if call.action.startswith("Revoke") else "IpProtocol"
    code = f"Invalid{what}.Malformed"
    port_range = _port_range(port_range or "-1/-1", protocol, code, "PortRange")
    policy = request.text("Policy", "accept").capitalize()
    if policy not in ("Accept", "Drop"):
        raise ApiError("InvalidPolicy.Malformed", "The specified parameter Policy is not valid.")
    priority = request.integer(
        "Priority",
        1,
        least=1,
        most=100,
        error=ApiError("InvalidPriority.ValueNotSupported", "The parameter Priority is invalid."),
    )
    nic_type = request.text("NicType").lower()
    if nic_type not in ("", "internet", "intranet"):
        raise ApiError("InvalidNicType.ValueNotSupported", "The specified NicType does not exist.")
    description = request.text("Description")
    check(
        not description or valid_description(description, least=1, most=512),
        "InvalidSecurityGroupDiscription.Malformed",
        "The specified parameter Description is not valid.",
    )
    cidr = _cidr(request, f"{side}CidrIp", 4)
    ipv6_cidr = _cidr(request, f"Ipv6{side}CidrIp", 6)
    group_id = request.text(f"{side}GroupId")
    prefix_list = request.text(f"{side}PrefixListId")
    if not (cidr or ipv6_cidr or group_id or prefix_list):
        raise ApiError(
            f"MissingParameter.{side}",
            f"One of the parameters {side}CidrIp, Ipv6{side}CidrIp, {side}GroupId or "
            f"{side}PrefixListId must be specified.",
        )
    if cidr and ipv6_cidr:
        raise ApiError(
            "InvalidParamter.Conflict",
            f"The parameters {side}CidrIp and Ipv6{side}CidrIp conflict with each other.",
        )
    if prefix_list and not (cidr or ipv6_cidr or group_id):
        raise ApiError(
            "InvalidPrefixListId.NotFound", "The specified prefix list was not found.", 404
        )
    owner = ""
    if cidr or ipv6_cidr:
        group_id = ""
    elif group_id:
        other = call.state.security_groups.get(group_id)
        if group_id == group.id:
            # Whether a group's own instances reach each other is InnerAccessPolicy's matter.
            raise ApiError(
                "InvalidParamter.Conflict",
                f"The specified SecurityGroupId should be different from the {side}GroupId.",
                403,
            )
        if other is None or other.region != group.region:
            raise ApiError(
                f"Invalid{side}GroupId.NotFound",
                f"The {side}GroupId provided does not exist in our records.",
                404,
            )
        if other.vpc_id != group.vpc_id:
            raise ApiError(
                f"Invalid{side}GroupId.Mismatch",
                "Specified security group and source group are not in the same VPC.",
            )
        if group.kind == "enterprise":
            raise ApiError(
                "InvalidGroupAuthItem.NotSupported",
                "A rule of an enterprise security group cannot name another group.",
                403,
            )
        owner = call.state.account.id
    source_ports = request.text("SourcePortRange")
    if source_ports:
        code = "InvalidSourcePortRange.Malformed"
        source_ports = _port_range(source_ports, protocol, code, "SourcePortRange")
    return Rule(
        id=new_id("sgr", group.region),
        direction=direction,
        protocol=protocol,
        port_range=port_range,
        policy=policy,
        priority=priority,
        nic_type="intranet",
        cidr=cidr,
        ipv6_cidr=ipv6_cidr,
        group_id=group_id,
        group_owner=owner,
        prefix_list_id="",
        source_port_range=source_ports,
        own_cidr=_cidr(request, f"{own}CidrIp", 4),
        own_ipv6_cidr=_cidr(request, f"Ipv6{own}CidrIp", 6),
        description=description,
        created=timestamp(),
    )


def _port_range(text: str, protocol: str, code: str, name: str) -> str:
    error = ApiError(code, f'The specified parameter "{name}" is not valid.')
    if protocol not in ("TCP", "UDP"):
        if text != "-1/-1":
            raise error
        return text
    match = _PORTS.fullmatch(text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]) <= 65535:
        raise error
    return f"{int(match[1])}/{int(match[2])}"


def _cidr(request: Parameters, name: str, version: int) -> str:
    text = request.text(name)
    if not text:
        return ""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise _malformed(request, name) from error
    if network.version != version:
        raise _malformed(request, name)
    return text if "/" not in text else str(network)


def _malformed(request: Parameters, name: str) -> ApiError:
    return ApiError(
        f"Invalid{name}.Malformed",
        f"The specified parameter {request.name(name)} is not valid.",
    )


def _same_rule(one: Rule, other: Rule, *, priority: bool = True) -> bool:
    keys = [
        "direction",
        "protocol",
        "port_range",
        "cidr",
        "ipv6_cidr",
        "group_id",
        "source_port_range",
        "own_cidr",
        "own_ipv6_cidr",
    ]
    if priority:
        keys += ["policy", "priority"]
    return all(getattr(one, key) == getattr(other, key) for key in keys)


def _group(call: Call, group: SecurityGroup) -> dict[str, Any]:
    members = sum(group.id in item.security_group_ids for item in call.state.instances)
    tags = resource_tags(call.state, "securitygroup", group.id)
    return {
        "SecurityGroupId": group.id,
        "SecurityGroupName": group.name,
        "SecurityGroupType": group.kind,
        "Description": group.description,
        "VpcId": group.vpc_id,
        "CreationTime": group.created,
        "ResourceGroupId": group.resource_group_id,
        "AvailableInstanceAmount": MAX_INSTANCES - members,
        "EcsCount": members,
        "RuleCount": len(group.rules),
        "GroupToGroupRuleCount": sum(bool(rule.group_id) for rule in group.rules),
        "ServiceManaged": False,
        "ServiceID": 0,
        "Tags": ecs_tags(tags),
    }


def _permission(call: Call, rule: Rule) -> dict[str, Any]:
    other = call.state.security_groups.get(rule.group_id) if rule.group_id else None
    name = other.name if other else ""
    ingress = rule.direction == "ingress"
    return {
        "SecurityGroupRuleId": rule.id,
        "Direction": rule.direction,
        "IpProtocol": rule.protocol,
        "PortRange": rule.port_range,
        "SourcePortRange": rule.source_port_range,
        "NicType": rule.nic_type,
        "Policy": rule.policy,
        "Priority": str(rule.priority),
        "SourceCidrIp": rule.cidr if ingress else rule.own_cidr,
        "Ipv6SourceCidrIp": rule.ipv6_cidr if ingress else rule.own_ipv6_cidr,
        "SourceGroupId": rule.group_id if ingress else "",
        "SourceGroupName": name if ingress else "",
        "SourceGroupOwnerAccount": rule.group_owner if ingress else "",
        "SourcePrefixListId": "",
        "SourcePrefixListName": "",
        "DestCidrIp": rule.own_cidr if ingress else rule.cidr,
        "Ipv6DestCidrIp": rule.own_ipv6_cidr if ingress else rule.ipv6_cidr,
        "DestGroupId": "" if ingress else rule.group_id,
        "DestGroupName": "" if ingress else name,
        "DestGroupOwnerAccount": "" if ingress else rule.group_owner,
        "DestPrefixListId": "",
        "DestPrefixListName": "",
        "PortRangeListId": "",
        "PortRangeListName": "",
        "Description": rule.description,
        "CreateTime": rule.created,
    }
