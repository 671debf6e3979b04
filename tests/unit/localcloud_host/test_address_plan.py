from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from ecsmachine.localcloud.host.address_plan import choose, plan_of
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.state.settings import NOBODYS_POOL


def test_a_cloud_gets_what_it_prefers() -> None:
    plan = choose(7, [])
    assert str(plan.public) == "198.18.7.0/24"
    assert str(plan.vpc) == "10.131.128.0/17"
    assert str(plan.vswitch) == "10.131.128.0/20"
    assert str(plan.gateway) == "198.18.7.1"
    assert str(plan.host) == "198.18.7.254"


def test_what_the_host_routes_is_left_alone() -> None:
    taken = [IPv4Network("198.18.0.0/16"), IPv4Network("10.131.128.0/28")]
    plan = choose(7, taken)
    assert str(plan.public) == "198.19.8.0/24"
    assert not any(network.overlaps(plan.vpc) for network in taken)


def test_the_search_goes_round() -> None:
    plan = choose(255, [IPv4Network("198.18.255.0/24"), IPv4Network("198.19.255.0/24")])
    assert str(plan.public) == "198.18.1.0/24"


def test_another_cloud_that_prefers_the_same_has_its_vpc_too() -> None:
    other = choose(7, [])
    plan = choose(7, [other.public])
    assert not plan.vpc.overlaps(other.vpc)


def test_a_kept_plan_is_the_same_again() -> None:
    plan = choose(0x3FA9C1, [])
    assert plan_of(str(plan.public)) == plan


def test_no_guest_has_an_address_of_clouds_without_guests() -> None:
    for preference in range(256):
        assert not choose(preference, []).public.overlaps(IPv4Network(NOBODYS_POOL))


def test_nothing_free_is_said() -> None:
    with pytest.raises(LocalCloudError, match="in use"):
        choose(0, [IPv4Network("10.0.0.0/8")])
