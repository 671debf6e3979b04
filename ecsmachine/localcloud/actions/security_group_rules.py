"""Rules of security groups: adding, removing, changing, listing."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace
from typing import Any

from ecsmachine.localcloud.actions.call import Call
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.errors import ApiError, invalid_parameter, missing_parameter
from ecsmachine.localcloud.protocol.identifiers import new_id
from ecsmachine.localcloud.protocol.names import checked_description
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.state.model import Direction, Policy, Rule, SecurityGroup
from ecsmachine.localcloud.state.records import api_fields

MAX_RULES = 200
MAX_RULES_OF_REQUEST = 100
_PORTS = re.compile(r"([0-9]{1,5})/([0-9]{1,5})")
_PROTOCOLS = ("TCP", "UDP", "ICMP", "ICMPV6", "GRE", "ALL")


def description_of_request(request: Parameters, *, least: int = 2, most: int = 256) -> str:
    """Return the description of a group or rule; the reference spells its refusal so."""
    error = refusals.of("InvalidSecurityGroupDiscription.Malformed")
    return checked_description(request, error, least=least, most=most)


def _rule_requests(parameters: Parameters) -> list[Parameters]:
    # Several rules as Permissions.N, or one rule as parameters of the request itself.
    several = parameters.structs("Permissions")
    if len(several) > MAX_RULES_OF_REQUEST:
        raise invalid_parameter("Permissions", f"At most {MAX_RULES_OF_REQUEST} rules are allowed.")
    return several or [parameters]


def authorize(call: Call, direction: Direction) -> None:
    """AuthorizeSecurityGroup: add rules; one that is there already stays as it is."""
    group = call.required(call.state.security_groups, "SecurityGroupId")
    rules = list(group.rules)
    for request in _rule_requests(call.parameters):
        rule = _rule_of_request(call, group, request, direction)
        if not any(_same_rule(rule, other) for other in rules):
            rules.append(rule)
    if len(rules) > MAX_RULES:
        raise refusals.of("AuthorizationLimitExceed")
    call.state.security_groups.put(replace(group, rules=tuple(rules)))


def revoke(call: Call, direction: Direction) -> None:
    """RevokeSecurityGroup: remove rules, by id or by content."""
    group = call.required(call.state.security_groups, "SecurityGroupId")
    ids = call.parameters.listed("SecurityGroupRuleId", most=MAX_RULES_OF_REQUEST)
    if ids:
        for rule_id in ids:
            _find_rule(group, direction, rule_id)
        rest = [rule for rule in group.rules if rule.id not in ids]
    else:
        rest = list(group.rules)
        for request in _rule_requests(call.parameters):
            rule = _rule_of_request(call, group, request, direction)
            # A rule that is not there is as good as revoked.
            rest = [other for other in rest if not _same_rule(rule, other)]
    call.state.security_groups.put(replace(group, rules=tuple(rest)))


def modify(call: Call, direction: Direction) -> None:
    """ModifySecurityGroupRule: by id or by content."""
    group = call.required(call.state.security_groups, "SecurityGroupId")
    parameters = call.parameters
    rule_id = parameters.text("SecurityGroupRuleId")
    if rule_id:
        old = _find_rule(group, direction, rule_id)
        values = _as_parameters(old)
        side, own = _sides(direction)
        others = (f"{side}CidrIp", f"Ipv6{side}CidrIp", f"{side}GroupId", f"{side}PrefixListId")
        # Each side is one of these: a new one takes the old one's place.
        for alternatives in (others, (f"{own}CidrIp", f"Ipv6{own}CidrIp")):
            if any(parameters.given(name) for name in alternatives):
                values |= dict.fromkeys(alternatives, "")
        owners = (f"{side}GroupOwnerId", f"{side}GroupOwnerAccount")
        names = (*values, "Description", "NicType", *owners)
        values |= {name: parameters.text(name) for name in names if parameters.given(name)}
        values.setdefault("Description", old.description)
        new = _rule_of_request(call, group, parameters.with_values(values), direction)
    else:
        new = _rule_of_request(call, group, parameters, direction)
        same = [rule for rule in group.rules if _same_rule(new, rule, priority=False)]
        if not same:
            raise refusals.of("InvalidSecurityGroupRule.RuleNotExist")
        old = same[0]
    changed = replace(new, id=old.id, created=old.created)
    call.state.security_groups.put(
        replace(group, rules=tuple(changed if rule is old else rule for rule in group.rules))
    )


def _sides(direction: Direction) -> tuple[str, str]:
    """Return how parameters call the other side of a rule, and its own."""
    return ("Source", "Dest") if direction == "ingress" else ("Dest", "Source")


def _find_rule(group: SecurityGroup, direction: Direction, rule_id: str) -> Rule:
    for rule in group.rules:
        if rule.id == rule_id and rule.direction == direction:
            return rule
    raise refusals.of("InvalidSecurityGroupRuleId.NotFound")


def _as_parameters(rule: Rule) -> dict[str, str]:
    side, own = _sides(rule.direction)
    return {
        "IpProtocol": rule.protocol,
        "PortRange": rule.port_range,
        "Policy": rule.policy,
        "Priority": str(rule.priority),
        f"{side}CidrIp": rule.cidr,
        f"Ipv6{side}CidrIp": rule.ipv6_cidr,
        f"{side}GroupId": rule.group_id,
        f"{own}CidrIp": rule.own_cidr,
        f"Ipv6{own}CidrIp": rule.own_ipv6_cidr,
        "SourcePortRange": rule.source_port_range,
    }


def _rule_of_request(
    call: Call, group: SecurityGroup, request: Parameters, direction: Direction
) -> Rule:
    side, own = _sides(direction)
    protocol = request.require("IpProtocol").upper()
    if protocol not in _PROTOCOLS:
        raise refusals.of("InvalidIpProtocol.ValueNotSupported")
    port_range = request.text("PortRange")
    if not port_range and protocol in ("TCP", "UDP"):
        raise missing_parameter(request.name("PortRange"))
    # The reference has one code for removed rules, and another for added ones.
    what = "IpPortRange" if call.action.startswith("Revoke") else "IpProtocol"
    code = f"Invalid{what}.Malformed"
    port_range = _port_range(port_range or "-1/-1", protocol, code, "PortRange")
    policy: Policy = request.choice(
        "Policy", ("Accept", "Drop"), error=refusals.malformed, spelled=str.capitalize
    )
    priority = request.integer("Priority", 1, least=1, most=100, error=refusals.not_supported)
    description = description_of_request(request, least=1, most=512)
    cidr = _cidr(request, f"{side}CidrIp", 4)
    ipv6_cidr = _cidr(request, f"Ipv6{side}CidrIp", 6)
    group_id = request.text(f"{side}GroupId")
    prefix_list = request.text(f"{side}PrefixListId")
    own_cidr = _cidr(request, f"{own}CidrIp", 4)
    own_ipv6_cidr = _cidr(request, f"Ipv6{own}CidrIp", 6)
    source_ports = request.text("SourcePortRange")
    if source_ports:
        code = "InvalidSourcePortRange.Malformed"
        source_ports = _port_range(source_ports, protocol, code, "SourcePortRange")
    if not (cidr or ipv6_cidr or group_id or prefix_list):
        raise ApiError(
            f"MissingParameter.{side}",
            f"One of the parameters {side}CidrIp, Ipv6{side}CidrIp, {side}GroupId or "
            f"{side}PrefixListId must be specified.",
        )
    for v4, v6, name in ((cidr, ipv6_cidr, side), (own_cidr, own_ipv6_cidr, own)):
        if v4 and v6:
            raise ApiError(
                "InvalidParamter.Conflict",
                f"The parameters {name}CidrIp and Ipv6{name}CidrIp conflict with each other.",
            )
    owners = {request.text(f"{side}GroupOwnerId"), request.text(f"{side}GroupOwnerAccount")}
    # What stands further back in this order is ignored.
    if cidr or ipv6_cidr:
        group_id = ""
    elif not group_id:
        raise refusals.not_found("PrefixListId")
    else:
        if not owners <= {"", call.state.account.id}:  # there is no other account here
            raise refusals.not_found(f"{side}GroupId")
        other = call.state.security_groups.find_or_none(group_id, region=group.region)
        if group_id == group.id:
            # Whether a group's own instances reach each other is InnerAccessPolicy's matter.
            raise ApiError(
                "InvalidParamter.Conflict",
                f"The specified SecurityGroupId should be different from the {side}GroupId.",
                403,
            )
        if other is None:
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
            raise refusals.of("InvalidGroupParameter.OperationDenied")
        if other.kind == "enterprise":
            raise refusals.of("InvalidGroupAuthParameter.OperationDenied")
    return Rule(
        id=new_id("sgr", group.region),
        direction=direction,
        protocol=protocol,
        port_range=port_range,
        policy=policy,
        priority=priority,
        cidr=cidr,
        ipv6_cidr=ipv6_cidr,
        group_id=group_id,
        source_port_range=source_ports,
        own_cidr=own_cidr,
        own_ipv6_cidr=own_ipv6_cidr,
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
    # an IPv6 network is told as it was given
    return text if "/" not in text or version == 6 else str(network)


def _malformed(request: Parameters, name: str) -> ApiError:
    return ApiError(
        f"Invalid{name}.Malformed", f"The specified parameter {request.name(name)} is not valid."
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


def rule_view(call: Call, rule: Rule) -> dict[str, Any]:
    """Return a rule in the form of DescribeSecurityGroupAttribute."""
    other = call.state.security_groups.get(rule.group_id) if rule.group_id else None
    name = other.name if other else ""
    ingress = rule.direction == "ingress"
    return {
        **api_fields(rule, "Rule"),
        "Priority": rule.priority,  # a number in the reference, whatever the SDK calls its type
        "SourceCidrIp": rule.cidr if ingress else rule.own_cidr,
        "Ipv6SourceCidrIp": rule.ipv6_cidr if ingress else rule.own_ipv6_cidr,
        "SourceGroupId": rule.group_id if ingress else "",
        "SourceGroupName": name if ingress else "",
        "DestCidrIp": rule.own_cidr if ingress else rule.cidr,
        "Ipv6DestCidrIp": rule.own_ipv6_cidr if ingress else rule.ipv6_cidr,
        "DestGroupId": "" if ingress else rule.group_id,
        "DestGroupName": "" if ingress else name,
    }
