"""Ports that machines open to each other alone, by the rules that the cloud then has."""

from __future__ import annotations

import pytest

from ecsmachine.drivers.aliyunecs.resources import asking
from ecsmachine.drivers.base import PortRange
from ecsmachine.drivers.capabilities import MemberPorts
from ecsmachine.errors import MachineError
from tests.api.driver_rig import Rig

PORTS = (PortRange("tcp", 2377, 2377), PortRange("udp", 7946, 7946))


def rules(rig: Rig, group_name: str) -> set[tuple[str, str, str]]:
    """Return protocol, ports and source of a group's rules, without those of every machine."""
    names = {group.id: group.name for group in rig.cloud.state.security_groups}
    (group,) = (g for g in rig.cloud.state.security_groups if g.name == group_name)
    return {
        (rule.protocol, rule.port_range, names.get(rule.group_id) or rule.cidr)
        for rule in rig.cloud.state.security_groups.get(group.id).rules  # type: ignore[union-attr]
        if rule.port_range in ("2377/2377", "7946/7946")
    }


def test_members_of_one_group_reach_each_other_already(rig: Rig) -> None:
    one, _ = rig.create("one")
    two, _ = rig.create("two")
    assert isinstance(one, MemberPorts)
    one.open_between([two], PORTS, rig.report)
    assert rules(rig, "docker-machine") == set()


def test_groups_let_each_other_in_and_nobody_else(rig: Rig) -> None:
    one, _ = rig.create("one", security_group="first")
    two, _ = rig.create("two", security_group="second")
    three, _ = rig.create("three", security_group="second")
    for _ in range(2):  # the second time changes nothing
        one.open_between([two, three], PORTS, rig.report)
    assert rules(rig, "first") == {
        ("TCP", "2377/2377", "second"),
        ("UDP", "7946/7946", "second"),
    }
    assert rules(rig, "second") == {
        ("TCP", "2377/2377", "first"),
        ("UDP", "7946/7946", "first"),
    }
    three.close_between([one, two], PORTS, rig.report)
    assert rules(rig, "first") != set(), "the other member of the group needs them still"
    two.close_between([one], PORTS, rig.report)
    assert rules(rig, "first") == rules(rig, "second") == set()


def test_a_group_whose_members_are_kept_apart(rig: Rig) -> None:
    one, _ = rig.create("one")
    two, _ = rig.create("two")
    (group,) = rig.cloud.state.security_groups
    one._cloud.ecs.call(
        "ModifySecurityGroupPolicy", SecurityGroupId=group.id, InnerAccessPolicy="Drop"
    )
    one.open_between([two], PORTS, rig.report)
    addresses = [f"{driver.addresses()[-1]}/32" for driver in (one, two)]
    assert rules(rig, "docker-machine") == {
        (protocol, ports, address)
        for protocol, ports in (("TCP", "2377/2377"), ("UDP", "7946/7946"))
        for address in addresses
    }
    two.close_between([one], PORTS, rig.report)
    assert {source for _, _, source in rules(rig, "docker-machine")} == {addresses[0]}


def test_a_group_that_a_rule_of_ours_names_is_removed_all_the_same(rig: Rig) -> None:
    one, journal = rig.create("one", security_group="first")
    two, _ = rig.create("two", security_group="second")
    one.open_between([two], PORTS, rig.report)
    one.remove(journal, rig.report)  # without leaving the swarm first
    assert [group.name for group in rig.cloud.state.security_groups] == ["second"]
    assert rules(rig, "second") == set()


def test_a_group_that_somebody_elses_rule_names_stays_in_the_journal(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_UNUSED_TIMEOUT_S", 0.3)
    one, journal = rig.create("one", security_group="first")
    rig.create("two", security_group="second")
    groups = {group.name: group.id for group in rig.cloud.state.security_groups}
    one._cloud.ecs.call(
        "AuthorizeSecurityGroup",
        SecurityGroupId=groups["second"],
        SourceGroupId=groups["first"],
        IpProtocol="tcp",
        PortRange="80/80",
    )
    with pytest.raises(MachineError, match="DependencyViolation"):
        one.remove(journal, rig.report)
    assert [each.kind for each in journal.resources()] == ["security-group"]
