"""Whom the rules of security groups let in: which rule decides, as ECS chooses it.

Of the rules for a port and a source the one with the lowest number of priority decides, and of
equal ones one that drops; what no rule speaks of is dropped (ECS, "Security group rules").
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence

from ecsmachine.aliyun.ecs_values import Permission
from ecsmachine.drivers.looks import Admission

_ANYWHERE = "0.0.0.0/0"

Networks = Callable[[Permission], Iterable[str]]
"""Returns the networks that a rule is for: its own, or those of its prefix list."""


def admission(
    group_ids: Sequence[str],
    rules: Iterable[Permission],
    source: str | None,
    port: int,
    networks: Networks,
) -> Admission:
    """Return whether rules let an address in at a TCP port; ``source`` None is one not known."""
    where = f"security group {', '.join(group_ids)}"
    fitting = sorted(
        (rule for rule in rules if _is_for(rule, port)),
        key=lambda rule: (rule.priority, not _drops(rule)),
    )
    spans = [(rule, [*networks(rule)]) for rule in fitting]
    for rule, covered in spans:
        if source is not None and any(_has(network, source) for network in covered):
            verb = "drops" if _drops(rule) else "lets in"
            named = f"the rule of priority {rule.priority} for {_told(rule, covered)}"
            return Admission(not _drops(rule), f"{named} {verb} TCP {port} from {source}", where)
        if source is None and not _drops(rule) and _ANYWHERE in covered:
            return Admission(True, f"TCP {port} is open to {_ANYWHERE}", where)
        if source is None and _drops(rule) and _ANYWHERE in covered:
            break
    let_in = [_told(rule, covered) for rule, covered in spans if not _drops(rule)]
    if source is None and let_in:
        told = f"TCP {port} is open to {', '.join(let_in)}"
        return Admission(None, f"{told}; your address as the cloud sees it is unknown", where)
    whom = f" from {source}" if source else ""
    return Admission(False, f"no rule lets TCP {port} in{whom}", where)


def _is_for(rule: Permission, port: int) -> bool:
    first, _, last = rule.port_range.partition("/")
    if rule.direction != "ingress" or rule.protocol not in ("tcp", "all"):
        return False
    return first in ("-1", "") or int(first) <= port <= int(last or first)


def _drops(rule: Permission) -> bool:
    return rule.policy.lower() == "drop"


def _told(rule: Permission, covered: Sequence[str]) -> str:
    return rule.prefix_list_id or ", ".join(covered) or rule.source_group_id or "IPv6"


def _has(network: str, address: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
