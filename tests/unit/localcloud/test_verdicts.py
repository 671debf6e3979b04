"""What is said of a packet: by the filters that the router's rules are written from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ecsmachine.localcloud.host.firewall import firewall_of
from ecsmachine.localcloud.host.network import link_name
from ecsmachine.localcloud.host.verdicts import Packet, verdicts
from ecsmachine.localcloud.state.model import SecurityGroup
from ecsmachine.localcloud.state.state import State, open_state
from tests.unit.localcloud.test_firewall import group, instance, rule

ANY = "0.0.0.0/0"


@pytest.fixture
def state(tmp_path: Path) -> State:
    return open_state(tmp_path)


def said(state: State, groups: list[SecurityGroup], **packet: Any) -> list[tuple[str, bool]]:
    """Return what is said of a packet from instance 1 (group a) to 2 (group b)."""
    with state.transaction():
        for each in groups:
            state.security_groups.put(each)
        state.instances.put(instance(1, "a"))
        state.instances.put(instance(2, "b"))
    values = {"source": "10.0.0.1", "target": "10.0.0.2", "protocol": "tcp", "port": 22, **packet}
    leaves = link_name("i-1") if values["source"] == "10.0.0.1" else None
    found = verdicts(firewall_of(state), Packet(**values), leaves, link_name("i-2"))
    return [(each.direction, each.passes) for each in found]


THROUGH = [("egress", True), ("ingress", True)]
CLOSED = [("egress", True), ("ingress", False)]


@pytest.mark.parametrize(
    ("rules", "packet", "expected"),
    [
        ([], {}, CLOSED),
        ([rule()], {}, THROUGH),
        ([rule()], {"port": 23}, CLOSED),
        ([rule(port_range="20/30")], {"port": 30}, THROUGH),
        ([rule()], {"protocol": "udp"}, CLOSED),
        ([rule(protocol="ALL")], {"protocol": "udp", "port": 9}, THROUGH),
        ([rule(protocol="ICMP")], {"protocol": "icmp", "port": 0}, THROUGH),
        ([rule(protocol="ICMP")], {}, CLOSED),
        ([rule(cidr="10.0.0.0/24")], {}, THROUGH),
        ([rule(cidr="10.0.1.0/24")], {}, CLOSED),
        ([rule(cidr="10.0.1.0/24")], {"source": "10.0.1.7"}, [("ingress", True)]),
        ([rule(group_id="a")], {}, THROUGH),
        ([rule(group_id="c")], {}, CLOSED),
        ([rule(source_port_range="1/1023")], {}, CLOSED),
        ([rule(source_port_range="1/1023")], {"source_port": 1000}, THROUGH),
        ([rule(own_cidr="10.0.0.2/32")], {}, THROUGH),
        ([rule(own_cidr="10.0.0.3/32")], {}, CLOSED),
        ([rule(ipv6_cidr="::/0")], {}, CLOSED),
        ([rule(), rule(policy="Drop")], {}, CLOSED),  # of equal ones Drop
        ([rule(), rule(policy="Drop", priority=2)], {}, THROUGH),
    ],
)
def test_what_comes_in(
    state: State, rules: list[Any], packet: dict[str, Any], expected: list[tuple[str, bool]]
) -> None:
    assert said(state, [group("a"), group("b", *rules)], **packet) == expected


def test_what_is_closed_on_its_way_out_goes_no_further(state: State) -> None:
    closed = rule("egress", policy="Drop", protocol="ALL")
    assert said(state, [group("a", closed), group("b", rule())]) == [("egress", False)]


def test_an_enterprise_group_lets_nothing_out_by_itself(state: State) -> None:
    groups = [group("a", kind="enterprise"), group("b", rule())]
    assert said(state, groups) == [("egress", False)]


def test_members_of_a_group_reach_each_other(state: State) -> None:
    with state.transaction():
        state.security_groups.put(group("one"))
        state.instances.put(instance(1, "one"))
        state.instances.put(instance(2, "one"))
    packet = Packet("10.0.0.1", "10.0.0.2", "tcp", 22)
    found = verdicts(firewall_of(state), packet, link_name("i-1"), link_name("i-2"))
    assert [(each.passes, each.filter.peer_group) for each in found] == [(True, "one")] * 2


def test_a_link_of_which_nothing_is_known_lets_nothing_in(state: State) -> None:
    found = verdicts(firewall_of(state), Packet("10.0.0.1", "10.0.0.9", "tcp", 1), None, "unknown")
    assert [each.passes for each in found] == [False]
