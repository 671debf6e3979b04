from __future__ import annotations

import pytest

from ecsmachine.aliyun.ecs_values import Permission
from ecsmachine.drivers.aliyunecs.options.reading import settings_of
from ecsmachine.drivers.aliyunecs.resources.security_group import (
    denied_permissions,
    missing_permissions,
    wanted_permissions,
)

SSH = Permission("tcp", "22/22", "0.0.0.0/0")


def test_only_ssh_and_the_engine_are_opened() -> None:
    assert wanted_permissions(settings_of({})) == [
        SSH,
        Permission("tcp", "2376/2376", "0.0.0.0/0"),
    ]


def test_more_is_opened_where_it_is_asked_for_and_only_to_whom() -> None:
    wanted = wanted_permissions(
        settings_of(
            {
                "aliyunecs-open-port": ["53/udp", "22"],
                "aliyunecs-source-cidr": ["10.0.0.0/8", "203.0.113.7"],
                "aliyunecs-ssh-port": 22,
            }
        )
    )
    assert {(rule.protocol, rule.port_range) for rule in wanted} == {
        ("tcp", "22/22"),
        ("tcp", "2376/2376"),
        ("udp", "53/53"),
    }
    assert {rule.source_cidr for rule in wanted} == {"10.0.0.0/8", "203.0.113.7/32"}
    assert len(wanted) == 6


@pytest.mark.parametrize(
    "present",
    [
        SSH,
        Permission("tcp", "1/65535", "0.0.0.0/0"),
        Permission("all", "-1/-1", "0.0.0.0/0"),
        Permission("tcp", "20/30", "0.0.0.0/0", priority=50),
    ],
)
def test_a_rule_that_covers_is_enough(present: Permission) -> None:
    assert missing_permissions([present], [SSH]) == []


@pytest.mark.parametrize(
    "present",
    [
        Permission("udp", "22/22", "0.0.0.0/0"),
        Permission("tcp", "22/22", "10.0.0.0/8"),
        Permission("tcp", "22/22", "0.0.0.0/0", policy="Drop"),
        Permission("tcp", "22/22", "0.0.0.0/0", direction="egress"),
        Permission("tcp", "2222/2222", "0.0.0.0/0"),
        Permission("icmp", "-1/-1", "0.0.0.0/0"),
        Permission("tcp", "22/22", ""),
    ],
)
def test_a_rule_that_does_not_cover_is_not(present: Permission) -> None:
    assert missing_permissions([present], [SSH]) == [SSH]


def test_a_narrow_source_is_covered_by_a_wider_one() -> None:
    narrow = Permission("tcp", "22/22", "10.1.0.0/16")
    assert missing_permissions([Permission("tcp", "22/22", "10.0.0.0/8")], [narrow]) == []


def test_a_dropping_rule_is_seen_only_if_it_counts() -> None:
    drop = Permission("tcp", "1/1024", "203.0.113.0/24", policy="Drop", priority=1)
    assert denied_permissions([drop], [SSH]) == [SSH]
    later = Permission("tcp", "1/1024", "203.0.113.0/24", policy="Drop", priority=2)
    assert denied_permissions([later], [SSH]) == []
