"""The nftables rules that security groups become, and their order."""

from __future__ import annotations

import re
import subprocess
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.localcloud.host.firewall import Firewall, firewall_of, nft_script
from ecsmachine.localcloud.host.network import link_name
from ecsmachine.localcloud.state.model import Instance, Rule, SecurityGroup
from ecsmachine.localcloud.state.state import State, open_state


def rule(direction: str = "ingress", **values: Any) -> Rule:
    defaults = {
        "id": "sgr-1",
        "direction": direction,
        "protocol": "TCP",
        "port_range": "22/22" if values.get("protocol", "TCP") in ("TCP", "UDP") else "-1/-1",
        "policy": "Accept",
        "priority": 1,
        "cidr": "" if values.keys() & {"group_id", "ipv6_cidr"} else "0.0.0.0/0",
    }
    empty = dict.fromkeys(Rule.__dataclass_fields__, "")
    return Rule(**{**empty, **defaults, **values})


def group(name: str, *rules: Rule, **values: Any) -> SecurityGroup:
    defaults = {"kind": "normal", "inner_access": "Accept"}
    empty = dict.fromkeys(("region", "name", "description", "vpc_id", "created"), "")
    return SecurityGroup(id=name, rules=rules, **{**empty, **defaults, **values})


def instance(number: int, *groups: str) -> Instance:
    needed = (each for each in fields(Instance) if each.default is MISSING)
    empty = {each.name: "" for each in needed}
    values = {
        **empty,
        "id": f"i-{number}",
        "private_ip": f"10.0.0.{number}",
        "security_group_ids": groups,
    }
    return Instance(**values)  # type: ignore[arg-type]


@pytest.fixture
def state(tmp_path: Path) -> State:
    return open_state(tmp_path)


def script_of(state: State, instances: list[Instance], groups: list[SecurityGroup]) -> str:
    with state.transaction():
        for each in groups:
            state.security_groups.put(each)
        for one in instances:
            state.instances.put(one)
    return nft_script(firewall_of(state))


def chain(script: str, direction: str, number: int = 1) -> list[str]:
    name = f"{direction}_{link_name(f'i-{number}')}"
    found = re.search(rf"^chain {name} {{\n(.*?)\n}}", script, re.DOTALL | re.MULTILINE)
    assert found, script
    return found[1].splitlines()


def test_nothing_comes_in_and_all_goes_out_without_rules(state: State) -> None:
    script = script_of(state, [instance(1, "sg-a")], [group("sg-a", inner_access="Drop")])
    assert chain(script, "in") == ["drop"]
    assert chain(script, "out") == ["return"]


def test_members_of_a_group_reach_each_other(state: State) -> None:
    groups = [group("sg-a"), group("sg-b", inner_access="Drop")]
    script = script_of(state, [instance(1, "sg-a", "sg-b"), instance(2, "sg-a")], groups)
    assert "set sg_a { type ipv4_addr; elements = { 10.0.0.1, 10.0.0.2 }; }" in script
    assert chain(script, "in") == ["ip saddr @sg_a accept", "drop"]
    assert "sg_b" not in script


def test_an_enterprise_group_lets_nothing_through_by_itself(state: State) -> None:
    groups = [group("sg-a", kind="enterprise", inner_access="Drop")]
    script = script_of(state, [instance(1, "sg-a")], groups)
    assert chain(script, "in") == ["drop"]
    assert chain(script, "out") == ["drop"]


def test_rules_of_all_groups_by_priority_and_drop_first(state: State) -> None:
    groups = [
        group(
            "sg-a",
            rule(port_range="1/1", priority=2),
            rule(port_range="2/2", priority=1),
            rule(port_range="5/5", priority=100, policy="Drop"),
            inner_access="Drop",
        ),
        group(
            "sg-b",
            rule(port_range="3/3", priority=1, policy="Drop"),
            rule(port_range="4/4", priority=2, policy="Drop"),
            inner_access="Drop",
        ),
    ]
    assert chain(script_of(state, [instance(1, "sg-a", "sg-b")], groups), "in") == [
        "tcp dport 3-3 drop",
        "tcp dport 2-2 accept",
        "tcp dport 4-4 drop",
        "tcp dport 1-1 accept",
        "tcp dport 5-5 drop",
        "drop",
    ]


@pytest.mark.parametrize(
    ("values", "statement"),
    [
        ({"cidr": "192.0.2.0/24"}, "ip saddr 192.0.2.0/24 tcp dport 22-22 accept"),
        ({"group_id": "sg-b"}, "ip saddr @sg_b tcp dport 22-22 accept"),
        (
            {"protocol": "UDP", "port_range": "5/9", "source_port_range": "1/65535"},
            "udp sport 1-65535 udp dport 5-9 accept",
        ),
        ({"own_cidr": "10.0.0.1"}, "ip daddr 10.0.0.1 tcp dport 22-22 accept"),
        ({"protocol": "ICMP"}, "meta l4proto 1 accept"),
        ({"protocol": "GRE", "policy": "Drop"}, "meta l4proto 47 drop"),
        ({"protocol": "ALL"}, "accept"),
        ({"protocol": "ICMPV6"}, None),
        ({"ipv6_cidr": "::/0"}, None),
    ],
)
def test_what_a_rule_becomes(state: State, values: dict[str, Any], statement: str | None) -> None:
    groups = [group("sg-a", rule(**values), inner_access="Drop"), group("sg-b")]
    written = chain(script_of(state, [instance(1, "sg-a")], groups), "in")
    assert written == [*filter(None, [statement]), "drop"]


def test_what_may_go_out_is_not_let_in_yet(state: State) -> None:
    groups = [
        group(
            "sg-a",
            rule("egress", cidr="10.1.0.0/16", own_cidr="10.0.0.0/8"),
            rule("egress", protocol="ALL", policy="Drop", priority=100),
        )
    ]
    assert chain(script_of(state, [instance(1, "sg-a")], groups), "out") == [
        "ip daddr 10.1.0.0/16 ip saddr 10.0.0.0/8 tcp dport 22-22 return",
        "drop",
        "ip daddr @sg_a return",
        "return",
    ]


def test_a_firewall_without_guests_lets_nothing_reach_one() -> None:
    script = nft_script(Firewall())
    assert "vmap" not in script
    assert 'oifname != "uplink" drop' in script
    assert script.index("delete table") < script.index("chain forward")


def test_nft_understands_it(state: State) -> None:
    groups = [
        group(
            "sg-bp1a",
            rule(),
            rule("egress", protocol="ICMP"),
            rule(group_id="sg-bp1b", source_port_range="1/65535"),
            rule(protocol="GRE", own_cidr="10.0.0.1", cidr="10.2.3.4"),
        ),
        group("sg-bp1b"),
    ]
    script = script_of(state, [instance(1, "sg-bp1a"), instance(2, "sg-bp1a")], groups)
    # --check asks the kernel as well, which needs root and a namespace to ask in
    argv = ["unshare", "--net", "nft", "--check", "-f", "-"]
    try:
        done = subprocess.run(argv, input=script, text=True, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no nft")
    if "not permitted" in done.stderr:
        pytest.skip("not root")
    assert done.returncode == 0, done.stderr
