"""Which instance type is taken where none is named: on offer, large enough, and cheapest."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ecsmachine.errors import PreCreateCheckError
from ecsmachine.localcloud.faults.fault import Fault
from tests.api.driver_rig import Rig

CHEAPEST = "ecs.t6-c1m2.large"
NEXT = "ecs.e-c1m2.large"


@pytest.fixture
def rig(rig: Rig) -> Rig:
    rig.instance_type = ""
    return rig


def price(rig: Rig, **prices: float) -> None:
    """Let types of the cloud have other prices of an hour, by the words of their names."""
    state = rig.cloud.state
    named = {
        f"ecs.{name.replace('_', '-', 1).replace('_', '.')}": each for name, each in prices.items()
    }
    with state.transaction():
        state.offers.put(dataclasses.replace(state.offer, prices=named))


def chosen(rig: Rig, **values: Any) -> str:
    return rig.planned(**values).places[0].instance_type


def test_the_cheapest_that_is_large_enough(rig: Rig) -> None:
    assert chosen(rig) == CHEAPEST
    (said,) = [line for line in rig.said if line.startswith("Instance type")]
    assert said.startswith(f"Instance type: {CHEAPEST} (2 vCPU, 4 GiB) in zone cn-hangzhou-")
    assert said.endswith("0.1552 CNY an hour")
    # few questions: the dozen smallest are priced, and the three that are tried with their disks
    assert rig.front.asked["DescribePrice"] == 12 + 3
    assert rig.front.asked["DescribeInstanceTypes"] == 1
    price(rig, u1_c1m2_large=0.01)
    assert chosen(rig) == "ecs.u1-c1m2.large"


def test_the_size_and_the_architecture_that_are_asked_for(rig: Rig) -> None:
    plan = rig.planned(cpus=4, memory=16)
    assert plan.places[0].instance_type == "ecs.t6-c1m4.xlarge"
    assert chosen(rig, cpus=1, memory=1) == "ecs.s6-c1m1.small"
    arm = rig.planned(architecture="arm64")
    assert (arm.places[0].instance_type, arm.image.architecture) == ("ecs.c8y.large", "arm64")
    # beyond four times the size is looked as well
    assert chosen(rig, cpus=1, memory=30).startswith("ecs.")


def test_a_named_type_is_taken_as_it_is(rig: Rig) -> None:
    assert chosen(rig, instance_type="ecs.n4.small", cpus=16) == "ecs.n4.small"
    assert rig.front.asked["DescribePrice"] == 1
    with pytest.raises(PreCreateCheckError, match="is x86_64, not arm64"):
        rig.planned(instance_type="ecs.g6.large", architecture="arm64")


def test_stock_counts_and_what_is_withdrawn_comes_last(rig: Rig) -> None:
    fault = rig.cloud.faults.add(Fault("no-stock", instance_type=CHEAPEST))
    assert chosen(rig) == NEXT
    rig.cloud.faults.remove(fault)
    price(rig, n4_large=0.001)
    assert chosen(rig) == CHEAPEST
    rig.cloud.faults.add(Fault("no-stock", instance_type="ecs.[!n]*"))
    assert chosen(rig) == "ecs.n4.large"


def test_stock_that_runs_out_at_the_last_moment_is_followed_by_the_next_type(rig: Rig) -> None:
    driver = rig.driver()
    driver.pre_create_check(rig.report)
    rig.cloud.faults.add(Fault("no-stock", instance_type=CHEAPEST))
    journal, saved = rig.journal(), []
    driver.create(journal, rig.report, lambda: saved.append(driver.config()["InstanceType"]))
    (instance,) = rig.cloud.state.instances
    assert instance.instance_type == NEXT == driver.config()["InstanceType"]
    assert any(f"Out of stock: trying {NEXT} in zone" in line for line in rig.said)
    # what is asked for is in the record before
    assert saved[0] == NEXT
    driver.remove(journal, rig.report)
    assert rig.left() == {}


def test_the_type_is_in_the_record_before_anything_is_made(rig: Rig) -> None:
    driver = rig.driver()
    driver.pre_create_check(rig.report)
    assert driver.config()["InstanceType"] == CHEAPEST


def test_a_create_that_goes_on_keeps_the_type_that_it_began_with(rig: Rig) -> None:
    driver = rig.driver()
    driver.pre_create_check(rig.report)
    price(rig, e_c1m2_large=0.001)
    again = rig.driver()
    again.resume(driver.config())
    again.pre_create_check(rig.report)
    assert again.config()["InstanceType"] == CHEAPEST
    rig.cloud.faults.add(Fault("no-stock", instance_type=CHEAPEST))
    again.pre_create_check(rig.report)
    assert again.config()["InstanceType"] == NEXT


def test_a_price_that_is_not_told_is_no_obstacle(rig: Rig) -> None:
    rig.front.faults["DescribePrice"] = ["Forbidden.RAM"] * 12
    assert chosen(rig).endswith(".large")
    assert any(line.endswith("in zone cn-hangzhou-h") for line in rig.said)


def test_nothing_that_is_large_enough(rig: Rig) -> None:
    with pytest.raises(PreCreateCheckError, match="at least 999 vCPU and 4 GiB") as refused:
        rig.planned(cpus=999)
    assert "Closest available: ecs." in (refused.value.hint or "")


def test_disks_that_only_other_types_take(rig: Rig) -> None:
    plan = rig.planned(
        system_disk_category="cloud_efficiency", disk_size=20, disk_category="cloud_ssd"
    )
    assert plan.places[0].system_disk_category == "cloud_efficiency"
