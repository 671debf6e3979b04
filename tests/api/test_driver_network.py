"""Elastic addresses, routes and load balancers: given to the instance, and taken back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.aliyun.vpc import Eip
from ecsmachine.drivers import registry
from ecsmachine.drivers.aliyunecs.resources import eip
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.errors import MachineError, PreCreateCheckError
from ecsmachine.localcloud.faults.fault import Fault
from ecsmachine.localcloud.state.settings import Delays
from ecsmachine.machine.journal import FileJournal
from tests.api.driver_rig import Rig, rig_in


@pytest.fixture
def patient_rig(tmp_path: Path) -> Iterator[Rig]:
    """A rig for faults that last a while."""
    with rig_in(tmp_path, Delays()) as rig:
        yield rig


def only(items: Any) -> Any:
    (item,) = items
    return item


def balancer(rig: Rig) -> str:
    slb = rig.driver()._cloud.slb
    vswitch = only(rig.cloud.state.vswitches)
    answer = slb.rpc.call(
        "CreateLoadBalancer",
        {
            "RegionId": rig.cloud.region,
            "AddressType": "intranet",
            "VSwitchId": vswitch.id,
            "ClientToken": "t",
        },
    )
    return answer.required("LoadBalancerId")


def test_an_elastic_address_is_taken_bound_and_released(rig: Rig) -> None:
    driver, journal = rig.create(allocate_eip=True, internet_max_bandwidth=5)
    eip = only(rig.cloud.state.eips)
    instance = only(rig.cloud.state.instances)
    assert driver.address() == eip.address
    assert (eip.instance_id, eip.bandwidth) == (instance.id, 5)
    assert instance.public_ip == ""
    loaded = rig.loaded(driver)
    loaded.refresh()
    assert loaded.address() == eip.address
    loaded.remove(journal, rig.report)
    assert rig.left() == {}


def test_nothing_is_taken_from_an_instance_that_may_not_be_released(rig: Rig) -> None:
    driver, journal = rig.create(allocate_eip=True)
    journal.finish()
    before = only(rig.cloud.state.eips)
    rig.cloud.faults.add(Fault("error", action="DeleteInstance*", code="Forbidden.RAM"))
    with pytest.raises(MachineError, match=r"DeleteInstance.*Forbidden\.RAM"):
        rig.loaded(driver).remove(journal, rig.report)
    assert only(rig.cloud.state.eips) == before
    rig.cloud.faults.clear()
    rig.loaded(driver).remove(journal, rig.report)
    assert rig.left() == {}


def test_an_elastic_address_that_serves_another_instance_by_now_stays(rig: Rig) -> None:
    driver, journal = rig.create(allocate_eip=True)
    eip = only(rig.cloud.state.eips)
    other, _ = rig.create("dev2", private_address_only=True)
    vpc = rig.driver()._cloud.vpc
    vpc.unassociate_eip(eip.id, driver.config()["InstanceId"])
    vpc.associate_eip(eip.id, other.config()["InstanceId"])
    rig.loaded(driver).remove(journal, rig.report)
    assert only(rig.cloud.state.eips).instance_id == other.config()["InstanceId"]
    assert only(rig.cloud.state.instances).id == other.config()["InstanceId"]
    assert journal.resources() == ()


def test_an_elastic_address_of_an_instance_that_is_gone_is_released(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ECS refused its release at first, and tells of the instance for a while after its end."""
    driver, journal = rig.create(allocate_eip=True)
    rig.cloud.faults.add(Fault("error", action="ReleaseEipAddress", code="Forbidden", times=1))
    with pytest.raises(MachineError, match="Forbidden"):
        rig.loaded(driver).remove(journal, rig.report)
    assert [each.kind for each in journal.resources()] == [eip.KIND]
    seen = eip._eip

    def bound_to_what_is_gone(cloud: Cloud, allocation_id: str) -> Eip | None:
        found = seen(cloud, allocation_id)
        return found and replace(found, instance_id="i-gone")

    monkeypatch.setattr(eip, "_eip", bound_to_what_is_gone)
    rig.loaded(driver).remove(journal, rig.report)
    assert rig.left() == {}


@pytest.mark.parametrize("by", ["id", "address"])
def test_an_elastic_address_of_the_users_is_bound_and_stays(rig: Rig, by: str) -> None:
    vpc = rig.driver()._cloud.vpc
    own = vpc.allocate_eip(bandwidth_mbps=1, charge_type="PayByTraffic", name="mine", token="t")
    driver, journal = rig.create(eip=own.id if by == "id" else own.address)
    assert driver.address() == own.address
    with pytest.raises(PreCreateCheckError, match="is bound to i-"):
        rig.driver("dev2", eip=own.id).pre_create_check(rig.report)
    driver.remove(journal, rig.report)
    assert rig.left() == {"addresses": 1}
    assert only(rig.cloud.state.eips).instance_id == ""


def test_a_route_is_made_and_removed(rig: Rig) -> None:
    checked_before = rig.driver("dev2", route_cidr="10.9.0.0/24")
    checked_before.pre_create_check(rig.report)
    driver, journal = rig.create(route_cidr="10.9.0.0/24")
    entry = only(rig.cloud.state.route_entries)
    assert (entry.cidr, entry.next_hop_id) == ("10.9.0.0/24", driver.config()["InstanceId"])
    with pytest.raises(PreCreateCheckError, match=r"sends 10\.9\.0\.0/24 to i-"):
        rig.driver("dev3", route_cidr="10.9.0.0/24").pre_create_check(rig.report)
    with pytest.raises(MachineError, match=r"sends 10\.9\.0\.0/24 to i-"):
        checked_before.create(rig.journal("dev2"), rig.report, lambda: None)
    second = rig.loaded(rig.driver("dev2"), "dev2")
    second.remove(rig.journal("dev2"), rig.report)
    assert only(rig.cloud.state.route_entries).next_hop_id == driver.config()["InstanceId"]
    driver.remove(journal, rig.report)
    assert rig.left() == {}


def test_an_instance_is_put_behind_a_load_balancer_and_taken_out(rig: Rig) -> None:
    slb_id = balancer(rig)
    driver, journal = rig.create(slb_id=slb_id)
    config = driver.config()
    backend = only(only(rig.cloud.state.load_balancers).backends)
    assert (backend.server_id, backend.weight) == (config["InstanceId"], 100)
    assert config["SLBIPAddress"] == only(rig.cloud.state.load_balancers).address
    driver.remove(journal, rig.report)
    assert only(rig.cloud.state.load_balancers).backends == ()
    assert rig.left() == {}


def test_a_load_balancer_that_is_not_there(rig: Rig) -> None:
    with pytest.raises(PreCreateCheckError, match='no load balancer "lb-none"'):
        rig.driver(slb_id="lb-none").pre_create_check(rig.report)


def test_rm_when_load_balancer_and_address_have_gone_already(rig: Rig) -> None:
    slb_id = balancer(rig)
    driver, journal = rig.create(slb_id=slb_id, allocate_eip=True)
    driver._cloud.slb.rpc.call(
        "DeleteLoadBalancer", {"RegionId": rig.cloud.region, "LoadBalancerId": slb_id}
    )
    eip = only(rig.cloud.state.eips)
    driver._cloud.vpc.unassociate_eip(eip.id, driver.config()["InstanceId"])
    driver._cloud.vpc.release_eip(eip.id)
    driver.remove(journal, rig.report)
    assert rig.left() == {}


def test_a_docker_machine_of_a_vpc_gives_its_address_and_route_back(rig: Rig) -> None:
    driver, journal = rig.create(allocate_eip=True, route_cidr="10.9.0.0/24")
    config = driver.config()
    # Docker Machine keeps no journal
    for resource in list(journal.resources()):
        journal.removed(resource)
    registry.load("aliyunecs", rig.context(), config).remove(journal, rig.report)
    left = rig.left()
    assert not {"instances", "addresses", "routes", "disks"} & set(left)


def test_an_address_that_docker_machine_did_not_take_stays(rig: Rig) -> None:
    vpc = rig.driver()._cloud.vpc
    own = vpc.allocate_eip(bandwidth_mbps=1, charge_type="PayByTraffic", name="mine", token="t")
    driver, journal = rig.create(eip=own.id)
    config = {**driver.config(), "IPAddress": "192.0.2.5"}
    for resource in list(journal.resources()):
        journal.removed(resource)
    registry.load("aliyunecs", rig.context(), config).remove(journal, rig.report)
    assert rig.left()["addresses"] == 1


@pytest.mark.parametrize(
    "action",
    [
        *("CreateVpc", "CreateVSwitch", "CreateSecurityGroup", "ImportKeyPair", "RunInstances"),
        "AllocateEipAddress",
    ],
)
def test_what_is_made_may_be_found_only_after_a_moment(patient_rig: Rig, action: str) -> None:
    patient_rig.cloud.faults.add(Fault("eventual-consistency", action=action, seconds=1.2))
    driver, journal = patient_rig.create(region="eu-central-1", allocate_eip=True)
    (fault,) = patient_rig.cloud.faults.entries()
    assert fault.struck > 0
    assert {**patient_rig.left(), "disks": 1} == {
        **dict.fromkeys(("instances", "security groups", "key pairs", "addresses"), 1),
        **dict.fromkeys(("VPCs", "VSwitches", "disks"), 1),
    }
    driver.remove(journal, patient_rig.report)
    assert patient_rig.left() == {}


@pytest.mark.parametrize(
    "action", ["CreateVpc", "CreateVSwitch", "CreateSecurityGroup", "ImportKeyPair"]
)
def test_what_is_not_found_yet_is_not_taken_for_gone(patient_rig: Rig, action: str) -> None:
    patient_rig.cloud.faults.add(Fault("eventual-consistency", action=action, seconds=1.2))
    patient_rig.cloud.faults.add(Fault("error", action="RunInstances", code="InvalidParameter"))
    with pytest.raises(MachineError):
        patient_rig.create(region="eu-central-1")
    journal = FileJournal(patient_rig.context().directory / "journal.json")
    assert len(journal.resources()) == 4
    patient_rig.loaded(patient_rig.driver(region="eu-central-1")).remove(
        journal, patient_rig.report
    )
    time.sleep(1.3)
    assert patient_rig.left() == {}


def test_an_elastic_address_that_is_not_found_yet_is_released(patient_rig: Rig) -> None:
    patient_rig.cloud.faults.add(
        Fault("eventual-consistency", action="AllocateEipAddress", seconds=1.2)
    )
    patient_rig.cloud.faults.add(Fault("error", action="TagResources", code="InvalidParameter"))
    with pytest.raises(MachineError):
        patient_rig.create(allocate_eip=True)
    journal = FileJournal(patient_rig.context().directory / "journal.json")
    assert "eip" in [each.kind for each in journal.resources()]
    patient_rig.loaded(patient_rig.driver()).remove(journal, patient_rig.report)
    assert patient_rig.left() == {}
