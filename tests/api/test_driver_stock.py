"""Zones without stock, types that are gone, and every region that there is."""

from __future__ import annotations

import pytest

from ecsmachine.aliyun.errors import ApiError
from ecsmachine.errors import PreCreateCheckError
from ecsmachine.localcloud.faults.fault import Fault
from tests.api.driver_rig import Rig


def home_zone(rig: Rig) -> str:
    (vswitch,) = rig.cloud.state.vswitches
    return vswitch.zone


def test_a_zone_without_stock_is_passed_over(rig: Rig) -> None:
    home = home_zone(rig)
    rig.cloud.faults.add(Fault("no-stock", instance_type="ecs.n4.small", zone=home))
    driver, journal = rig.create(instance_type="ecs.n4.small")
    (instance,) = rig.cloud.state.instances
    assert instance.zone != home
    driver.remove(journal, rig.report)
    assert rig.left() == {}


def test_a_zone_whose_stock_runs_out_at_the_last_moment_is_followed_by_the_next(rig: Rig) -> None:
    home = home_zone(rig)
    driver = rig.driver(instance_type="ecs.n4.small")
    driver.pre_create_check(rig.report)
    rig.cloud.faults.add(Fault("no-stock", instance_type="ecs.n4.small", zone=home))
    journal = rig.journal()
    driver.create(journal, rig.report, lambda: None)
    (instance,) = rig.cloud.state.instances
    assert instance.zone != home
    assert any("Out of stock: trying zone" in line for line in rig.said)
    driver.remove(journal, rig.report)
    assert rig.left() == {}


def test_a_zone_that_was_named_is_not_passed_over(rig: Rig) -> None:
    home = home_zone(rig)
    rig.cloud.faults.add(Fault("no-stock", instance_type="ecs.n4.small", zone=home))
    with pytest.raises(PreCreateCheckError, match=f"not available in zone {home} now") as caught:
        rig.driver(zone=home, instance_type="ecs.n4.small").pre_create_check(rig.report)
    hint = caught.value.hint or ""
    assert "It is in: cn-hangzhou-" in hint
    assert home not in hint.partition(".")[0]
    assert "Closest available: ecs." in hint
    assert "ecs.n4.small (" not in hint
    driver = rig.driver(zone=home, instance_type="ecs.g6.large")
    driver.pre_create_check(rig.report)
    rig.cloud.faults.add(Fault("no-stock", instance_type="ecs.g6.large", zone=home))
    with pytest.raises(ApiError, match=r"OperationDenied\.NoStock.*\(request ") as refused:
        driver.create(rig.journal(), rig.report, lambda: None)
    assert "--aliyunecs-zone" in (refused.value.hint or "")


def test_a_type_that_is_sold_out_everywhere(rig: Rig) -> None:
    rig.cloud.faults.add(Fault("no-stock", instance_type="ecs.g6.large"))
    with pytest.raises(PreCreateCheckError, match="not available in region") as caught:
        rig.driver(instance_type="ecs.g6.large").pre_create_check(rig.report)
    hint = caught.value.hint or ""
    # as large as the one that is wanted
    assert hint.startswith("Closest available: ")
    assert hint.count("(2 vCPU, 8 GiB)") == 3


def test_every_region_that_is_listed_is_accepted(rig: Rig) -> None:
    regions = rig.driver()._cloud.ecs.region_ids()
    assert len(regions) > 20
    for region in regions:
        rig.driver(region=region).pre_create_check(rig.report)
