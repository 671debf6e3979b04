"""Whom the rules of security groups let in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ecsmachine.aliyun.ecs_values import Permission
from ecsmachine.drivers.aliyunecs.resources.admission import admission

ANY = "0.0.0.0/0"
SSH = Permission("tcp", "22/22", ANY)
LIST = Permission("tcp", "22/22", "", prefix_list_id="pl-1")
DROP = replace(SSH, policy="Drop")


def decided(*rules: Permission, source: str | None, port: int = 22) -> bool | None:
    def networks(rule: Permission) -> list[str]:
        return ["192.0.2.0/28", "198.51.100.7/32"] if rule.prefix_list_id else [rule.source_cidr]

    return admission(["sg-1"], rules, source, port, networks).lets_in


@pytest.mark.parametrize(
    ("rules", "source", "lets_in"),
    [
        ([], "192.0.2.1", False),
        ([SSH], "192.0.2.1", True),
        ([SSH], None, True),
        ([replace(SSH, port_range="80/80")], "192.0.2.1", False),
        ([replace(SSH, port_range="1/3000")], "192.0.2.1", True),
        ([replace(SSH, protocol="all", port_range="-1/-1")], "192.0.2.1", True),
        ([replace(SSH, protocol="udp")], "192.0.2.1", False),
        ([replace(SSH, direction="egress")], "192.0.2.1", False),
        ([replace(SSH, source_cidr="203.0.113.0/24")], "203.0.113.9", True),
        ([replace(SSH, source_cidr="203.0.113.0/24")], "192.0.2.1", False),
        ([replace(SSH, source_cidr="203.0.113.0/24")], None, None),
        ([replace(SSH, source_cidr="", source_group_id="sg-2")], "192.0.2.1", False),
        ([SSH, DROP], "192.0.2.1", False),
        ([replace(SSH, priority=1), replace(DROP, priority=2)], "192.0.2.1", True),
        ([replace(SSH, priority=5), replace(DROP, priority=2)], "192.0.2.1", False),
        ([replace(SSH, priority=5), replace(DROP, source_cidr="192.0.2.1/32")], "192.0.2.9", True),
        ([SSH, replace(DROP, priority=2)], None, True),
        ([replace(SSH, priority=5), DROP], None, None),
        ([LIST], "192.0.2.1", True),
        ([LIST], "198.51.100.7", True),
        ([LIST], "198.51.100.8", False),
        ([LIST, SSH, replace(LIST, policy="Drop")], "192.0.2.1", False),
        ([DROP], None, False),
    ],
)
def test_the_rule_that_decides(
    rules: list[Permission], source: str | None, lets_in: bool | None
) -> None:
    assert decided(*rules, source=source) is lets_in


def test_what_is_told() -> None:
    found = admission(
        ["sg-1", "sg-2"], [replace(DROP, priority=7)], "192.0.2.1", 22, lambda _: [ANY]
    )
    assert found.told == ("the rule of priority 7 for 0.0.0.0/0 drops TCP 22 from 192.0.2.1")
    assert found.where == "security group sg-1, sg-2"
