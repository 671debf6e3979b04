"""Machines that are there, seen by their options and brought to other values of them."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.aliyun import ecs_changes
from ecsmachine.aliyun.ecs_values import Permission
from ecsmachine.aliyun.vpc import Eip
from ecsmachine.documents.rules import ID
from ecsmachine.drivers import registry
from ecsmachine.drivers.aliyunecs.life.driver import AliyunEcsDriver
from ecsmachine.drivers.base import Driver, ProtectedError, Report, State
from ecsmachine.drivers.changes import Changeable, Observed
from ecsmachine.drivers.options import ChangeKind, OptionValue
from ecsmachine.errors import MachineError
from ecsmachine.localcloud.state.settings import Delays
from ecsmachine.localcloud.state.tagging import put_tags
from ecsmachine.machine import changes
from ecsmachine.machine.model import Machine, auth_options
from ecsmachine.machine.removal import Removal
from ecsmachine.machine.several import for_each
from ecsmachine.machine.store import Store
from ecsmachine.machine.swarm import members
from tests.api.deaths import Crash, Death
from tests.api.driver_rig import Rig, rig_in
from tests.torture.ground import journalled

CHANGES: list[tuple[str, OptionValue]] = [
    ("description", "another purpose"),
    ("deletion-protection", True),
    ("tag", ["team=b", "owner=me"]),
    ("open-port", ["443", "8000-8100", "53/udp"]),
    ("source-cidr", ["203.0.113.0/24", "198.51.100.0/24"]),
    ("internet-max-bandwidth", 20),
    ("internet-charge-type", "PayByBandwidth"),
    ("auto-release-time", "2028-01-31T12:00:00Z"),
    ("host-name", "renamed"),
    ("system-disk-size", 60),
    ("disk-size", 50),
    ("disk-category", "cloud_auto"),
    ("system-disk-category", "cloud_efficiency"),
    ("resource-group-id", "rg-others"),
    ("security-group", "others"),
]
MADE_WITH: dict[str, Any] = {
    "tag": ["team=a", "cost=low"],
    "open_port": ["80", "443"],
    "disk_size": 20,
    "description": "its purpose",
    "resource_group_id": "rg-mine",
}


def no_others() -> tuple[Driver, ...]:
    return ()


ALONE = (no_others, lambda: None)
"""The other machines of the store, and what saves the record before they look at it."""


def change(rig: Rig, driver: AliyunEcsDriver, option: str, value: OptionValue) -> AliyunEcsDriver:
    """Change what a process of its own would: the machine as it is stored."""
    loaded = rig.loaded(driver)
    loaded.check_change(f"aliyunecs-{option}", value)
    loaded.change(f"aliyunecs-{option}", value, rig.journal(), rig.report, *ALONE)
    return loaded


def values(rig: Rig, driver: AliyunEcsDriver) -> dict[str, Any]:
    return dict(rig.loaded(driver).observed().values)


def test_what_was_just_made_is_seen_as_it_is_recorded(rig: Rig) -> None:
    driver, _ = rig.create(**MADE_WITH)
    loaded = rig.loaded(driver)
    assert isinstance(loaded, Changeable)
    seen, recorded = loaded.observed(), loaded.recorded()
    assert not seen.gone
    assert seen.address == loaded.address()
    for option, value in recorded.items():
        if option in seen.values and value not in ("", 0):
            assert seen.values[option] == value, option


@pytest.mark.parametrize(("option", "value"), CHANGES, ids=[option for option, _ in CHANGES])
def test_a_change_is_made_and_given_twice_asks_for_nothing(
    rig: Rig, option: str, value: OptionValue
) -> None:
    driver, _ = rig.create(**MADE_WITH)
    name = f"aliyunecs-{option}"
    wanted = registry.comparable("aliyunecs", name, value)
    assert values(rig, driver)[name] != wanted
    changed = change(rig, driver, option, value)
    assert values(rig, changed)[name] == wanted
    assert changed.recorded().get(name, wanted) == wanted
    rig.front.asked.clear()
    change(rig, changed, option, value)
    writing = {each for each in rig.front.asked if not each.startswith("Describe")}
    assert writing <= {"ModifyInstanceAutoReleaseTime"}, writing


TYPE = ("instance-type", "ecs.g6.xlarge")
WRITING = (
    *("ModifyInstanceAttribute", "TagResources", "UntagResources", "ModifyInstanceNetworkSpec"),
    *("AuthorizeSecurityGroup", "RevokeSecurityGroup", "ModifyInstanceAutoReleaseTime"),
    *("ResizeDisk", "ModifyDiskSpec", "JoinResourceGroup", "ModifyInstanceSpec"),
    *("CreateSecurityGroup", "DeleteSecurityGroup"),
)


@pytest.mark.parametrize(
    ("option", "value"), [*CHANGES, TYPE], ids=[option for option, _ in [*CHANGES, TYPE]]
)
def test_a_change_whose_answer_is_lost_is_made_all_the_same(
    rig: Rig, option: str, value: OptionValue
) -> None:
    driver, _ = rig.create(**MADE_WITH)
    if option == TYPE[0]:
        driver.stop(rig.report)
    name = f"aliyunecs-{option}"
    rig.front.faults.update({action: ["cut-after"] for action in WRITING})
    rig.front.faults["ModifyDiskSpec"].insert(0, "")  # the check asks first (DryRun)
    loaded = rig.loaded(driver)
    loaded.check_change(name, value)
    loaded.change(name, value, rig.journal(), rig.report, *ALONE)
    assert any(not rig.front.faults[action] for action in WRITING)
    assert loaded.observed().values[name] == registry.comparable("aliyunecs", name, value)


def hundred(rig: Rig) -> list[Driver]:
    """Return a hundred machines in one security group, of which one was made."""
    driver, _ = rig.create(disk_size=20)
    state = rig.cloud.state
    (instance,), disks = state.instances, list(state.disks)
    drivers: list[Driver] = []
    originals: list[tuple[str, Any]] = [("instance", instance), *(("disk", one) for one in disks)]
    with state.transaction():
        for number in range(100):
            copy = f"{instance.id}{number:03}"
            for kind, original in originals:
                key = f"{original.id}{number:03}"
                tags = state.tag_sets.get(f"{kind}/{original.id}")
                put_tags(state, kind, key, rig.cloud.region, tags.tags if tags else {})
                if kind == "instance":
                    state.instances.put(replace(original, id=key))
                else:
                    state.disks.put(replace(original, id=key, instance_id=copy))
            config = {**driver.config(), "InstanceId": copy}
            drivers.append(registry.load("aliyunecs", rig.context(f"web{number}"), config))
    return drivers


def test_a_hundred_machines_are_seen_in_few_requests(rig: Rig) -> None:
    drivers = hundred(rig)
    rig.front.asked.clear()
    found = registry.observe_many(drivers)
    assert all(isinstance(each, Observed) and not each.gone for each in found)
    sizes = {each.values["aliyunecs-disk-size"] for each in found if isinstance(each, Observed)}
    assert sizes == {20}
    assert dict(rig.front.asked) == {
        "DescribeInstances": 1,
        "DescribeDisks": 3,
        "DescribeSecurityGroupAttribute": 1,
    }


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("disk-size", 10, "cannot shrink to 10"),
        ("system-disk-size", 30, "cannot shrink to 30"),
        ("instance-type", "ecs.none.large", "there is no instance type"),
        ("internet-max-bandwidth", 0, "public address only at create"),
        ("zone", "cn-hangzhou-x", "can only be given at create"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_done(
    rig: Rig, option: str, value: OptionValue, words: str
) -> None:
    driver, _ = rig.create(**MADE_WITH)
    rig.front.asked.clear()
    with pytest.raises(MachineError, match=words):
        change(rig, driver, option, value)
    assert all(each.startswith("Describe") for each in rig.front.asked)


def test_a_category_that_no_disk_can_change_to_takes_a_new_machine(rig: Rig) -> None:
    driver, _ = rig.create()
    for option in ("aliyunecs-disk-category", "aliyunecs-system-disk-category"):
        assert driver.how_to_change(option, "cloud_ssd", "cloud_auto") is ChangeKind.IN_PLACE
        for others in (("cloud", "cloud_ssd"), ("cloud_ssd", "cloud"), (None, "ephemeral_ssd")):
            assert driver.how_to_change(option, *others) is ChangeKind.NEW_MACHINE


def test_ecs_is_asked_whether_a_disk_can_change_its_category(rig: Rig) -> None:
    driver, _ = rig.create(**MADE_WITH)
    with pytest.raises(MachineError, match="ECS does not make cloud_essd_entry of disk d-"):
        change(rig, driver, "disk-category", "cloud_essd_entry")  # not with this type
    rig.front.faults["ModifyDiskSpec"] = ["Forbidden.RAM"]
    with pytest.raises(MachineError, match="ModifyDiskSpec failed: Forbidden"):
        change(rig, driver, "disk-category", "cloud_auto")
    change(rig, rig.create("other")[0], "disk-category", "cloud_auto")  # it has no data disk
    assert {disk.category for disk in rig.cloud.state.disks} == {"cloud_essd"}


def test_the_disks_follow_into_another_resource_group(rig: Rig) -> None:
    driver, _ = rig.create(**MADE_WITH)
    state = rig.cloud.state
    with state.transaction():
        elsewhere = next(disk for disk in state.disks if disk.kind == "data")
        state.disks.put(replace(elsewhere, resource_group_id="rg-its-own"))
    change(rig, driver, "resource-group-id", "rg-others")
    assert {disk.kind: disk.resource_group_id for disk in state.disks} == {
        "system": "rg-others",
        "data": "rg-its-own",
    }
    assert [each.resource_group_id for each in state.instances] == ["rg-others"]


def test_a_ram_role_is_given_exchanged_and_taken_away(rig: Rig) -> None:
    driver, _ = rig.create()

    def role() -> str:
        (instance,) = rig.cloud.state.instances
        return instance.ram_role

    for wanted, asked in (("reader", 1), ("reader", 0), ("writer", 2), ("", 1), ("", 0)):
        rig.front.asked.clear()
        change(rig, driver, "ram-role", wanted)
        assert role() == wanted
        assert (
            sum(n for each, n in rig.front.asked.items() if each.endswith("achInstanceRamRole"))
            == asked
        )
    for wanted in ("reader", "writer", ""):
        lost = "AttachInstanceRamRole" if wanted else "DetachInstanceRamRole"
        rig.front.faults[lost] = ["cut-after"]
        change(rig, driver, "ram-role", wanted)
        assert (role(), rig.front.faults[lost]) == (wanted, [])
    # the instance is refused within an answer that is none
    refused = {"InstanceId": "i-1", "Success": False, "Code": "NoSuchRole", "Message": "Not there"}
    results = {"AttachInstanceRamRoleResult": [refused]}
    rig.front.answers["AttachInstanceRamRole"] = json.dumps(
        {"RequestId": "R1", "FailCount": 1, "AttachInstanceRamRoleResults": results}
    )
    with pytest.raises(MachineError, match=r"NoSuchRole: Not there \(request R1\)"):
        change(rig, driver, "ram-role", "reader")


def stored(rig: Rig, driver: AliyunEcsDriver, name: str = "dev1") -> Store:
    """Return the store with a machine that has no engine."""
    store = Store(rig.store, rig.environment)
    machine = Machine(name, driver, auth_options(rig.store, name))
    store.save(machine)
    return store


def test_another_type_stops_the_machine_once_and_starts_it_again(rig: Rig) -> None:
    driver, _ = rig.create(**MADE_WITH)
    store = stored(rig, driver)
    cost = driver.config()["Cost"]
    rig.front.asked.clear()
    wanted: dict[str, OptionValue] = {
        "aliyunecs-instance-type": "ecs.g6.xlarge",
        "aliyunecs-tag": ["team=z"],
    }
    changes.change_machine(store, "dev1", wanted, rig.report)
    machine = store.load("dev1")
    assert changes.recorded(machine)["aliyunecs-instance-type"] == "ecs.g6.xlarge"
    assert machine.driver.state() is State.RUNNING
    assert not changes.is_unfinished(machine)
    asked = rig.front.asked
    assert asked["UntagResources"] == asked["TagResources"] == 1
    assert asked["StopInstance"] == asked["ModifyInstanceSpec"] == asked["StartInstance"] == 1
    assert float(machine.driver.config()["Cost"]["Hour"]) > float(cost["Hour"])
    changes.change_machine(store, "dev1", wanted, rig.report)
    assert asked["StopInstance"] == 1


def test_several_changes_in_place_ask_little(rig: Rig) -> None:
    driver, _ = rig.create(**MADE_WITH)
    store = stored(rig, driver)
    rig.front.asked.clear()
    wanted: dict[str, OptionValue] = {
        "aliyunecs-description": "another purpose",
        "aliyunecs-deletion-protection": True,
        "aliyunecs-tag": ["cost=high", "team=a"],
    }
    changes.change_machine(store, "dev1", wanted, rig.report)
    assert dict(rig.front.asked) == {
        "DescribeInstances": 1,
        "ModifyInstanceAttribute": 2,
        "TagResources": 1,
    }


def test_what_is_checked_before_a_change_is_not_asked_again(rig: Rig) -> None:
    driver, _ = rig.create(**MADE_WITH)
    store = stored(rig, driver)
    rig.front.asked.clear()
    wanted: dict[str, OptionValue] = {
        "aliyunecs-disk-category": "cloud_auto",
        "aliyunecs-system-disk-category": "cloud_efficiency",
        "aliyunecs-resource-group-id": "rg-others",
        "aliyunecs-instance-type": TYPE[1],
    }
    changes.change_machine(store, "dev1", wanted, rig.report)
    asked = rig.front.asked
    assert asked["DescribeInstanceTypes"] == asked["DescribeAvailableResource"] == 1
    dry_runs = [body for body in rig.front.bodies if body.get("DryRun") == "true"]
    assert [body["Action"] for body in dry_runs].count("ModifyDiskSpec") == 2
    assert asked["ModifyDiskSpec"] == 4
    # before all changes, for the look whether the type is so already, and for three prices
    assert asked["DescribeDisks"] == 5


def test_the_price_follows_what_was_changed_back(rig: Rig) -> None:
    driver, _ = rig.create(**MADE_WITH, instance_type="ecs.g6.large")
    store = stored(rig, driver)
    cost = driver.config()["Cost"]["Hour"]
    ecs, instance_id = driver._cloud.ecs, driver.config()["InstanceId"]
    driver.stop(rig.report)
    ecs_changes.set_instance_type(ecs, instance_id, "ecs.g6.xlarge")
    driver.start(rig.report)
    for option, value in (("internet-max-bandwidth", 5), ("instance-type", "ecs.g6.large")):
        changes.change_machine(store, "dev1", {f"aliyunecs-{option}": value}, rig.report)
    changes.change_machine(store, "dev1", {"aliyunecs-internet-max-bandwidth": 1}, rig.report)
    assert store.load("dev1").driver.config()["Cost"]["Hour"] == cost


def test_a_refused_type_leaves_the_machine_running_as_it_was(rig: Rig) -> None:
    driver, _ = rig.create(**MADE_WITH)
    store = stored(rig, driver)
    before = changes.recorded(store.load("dev1"))
    rig.front.faults["ModifyInstanceSpec"] = ["OperationDenied.NoStock"]
    wanted = {"aliyunecs-instance-type": "ecs.g6.xlarge"}
    with pytest.raises(MachineError, match="NoStock"):
        changes.change_machine(store, "dev1", wanted, rig.report)
    machine = store.load("dev1")
    assert machine.driver.state() is State.RUNNING
    assert not changes.is_unfinished(machine)
    assert changes.recorded(machine) == before


def test_a_stopped_machine_gets_another_type_and_stays_stopped(rig: Rig) -> None:
    driver, _ = rig.create(**MADE_WITH)
    driver.stop(rig.report)
    store = stored(rig, driver)
    changes.change_machine(store, "dev1", {"aliyunecs-instance-type": TYPE[1]}, rig.report)
    machine = store.load("dev1")
    assert machine.driver.state() is State.STOPPED
    assert changes.recorded(machine)["aliyunecs-instance-type"] == TYPE[1]


@pytest.mark.parametrize("ends", [State.STOPPED, State.RUNNING])
def test_one_that_is_on_its_way_is_changed_once_it_has_stopped(tmp_path: Path, ends: State) -> None:
    with rig_in(tmp_path, Delays(starting_s=1, stopping_s=1)) as rig:
        driver, _ = rig.create(**MADE_WITH)
        store, ecs = stored(rig, driver), driver._cloud.ecs
        instance_id = driver.config()["InstanceId"]
        ecs.stop_instance(instance_id)
        if ends is State.RUNNING:
            driver.stop(rig.report)
            ecs.start_instance(instance_id)
        changes.change_machine(store, "dev1", {f"aliyunecs-{TYPE[0]}": TYPE[1]}, rig.report)
        machine = store.load("dev1")
        assert changes.recorded(machine)["aliyunecs-instance-type"] == TYPE[1]
        assert machine.driver.state() is ends


@pytest.mark.parametrize(
    ("state", "option", "value", "words"),
    [
        ({"charge_type": "PrePaid"}, *TYPE, "a subscription, and its type with it"),
        ({"charge_type": "PrePaid"}, "internet-max-bandwidth", 9, "and its bandwidth with it"),
        ({"spot_strategy": "SpotAsPriceGo"}, *TYPE, "type of a spot instance"),
        ({"status": "Stopped"}, "disk-size", 90, "it is Stopped, and only a running host"),
        ({"status": "Stopped"}, "host-name", "other", "it is Stopped, and only a running host"),
    ],
)
def test_what_a_cloud_refuses_is_said_before_the_machine_is_stopped(
    rig: Rig, state: dict[str, Any], option: str, value: OptionValue, words: str
) -> None:
    driver, _ = rig.create(**MADE_WITH)
    store = stored(rig, driver)
    rig.change(expires="2031-01-01T00:00Z", **state)
    rig.front.asked.clear()
    with pytest.raises(MachineError, match=words):
        changes.change_machine(store, "dev1", {f"aliyunecs-{option}": value}, rig.report)
    assert all(each.startswith("Describe") for each in rig.front.asked)


@pytest.mark.parametrize(
    ("option", "value"), [*CHANGES, TYPE], ids=[option for option, _ in [*CHANGES, TYPE]]
)
def test_a_change_that_is_cut_off_anywhere_is_given_again(
    rig: Rig, option: str, value: OptionValue
) -> None:
    name = f"aliyunecs-{option}"
    driver, _ = rig.create(**MADE_WITH)
    store = stored(rig, driver)
    former = changes.observe([store.load("dev1")])["dev1"]
    assert isinstance(former, Observed)

    def give(store: Store, wanted: OptionValue) -> None:
        if not option.endswith("disk-size"):
            changes.change_machine(store, "dev1", {name: wanted}, lambda line: None)
            return
        machine = store.load("dev1")  # its file system would follow, on a host
        assert isinstance(machine.driver, Changeable)
        machine.driver.change(name, wanted, store.journal("dev1"), lambda line: None, *ALONE)
        store.save(machine)

    # a stop that takes its time is looked at again and again, and each look counts
    for number in (*range(40), *range(40, 2000, 40)):
        grown = value + number if type(value) is int else value
        wanted = registry.comparable("aliyunecs", name, grown)
        death = Death(number)
        with contextlib.suppress(Crash):
            give(Store(rig.store, rig.environment, checkpoint=death), wanted)
        give(store, wanted)
        machine = store.load("dev1")
        found = changes.observe([machine])["dev1"]
        assert isinstance(found, Observed)
        assert found.values[name] == wanted, death.at
        assert changes.recorded(machine).get(name, wanted) == wanted, death.at
        assert found.state is State.RUNNING, death.at
        assert not changes.is_unfinished(machine)
        assert made_of(rig) == listed(store), death.at
        if not death.at:
            assert number > 2
            return
        if type(value) is not int:
            give(store, former.values[name])
    raise AssertionError("it never came to its end")


REACHED: list[tuple[str, OptionValue]] = [
    *(("security-group", "others"), ("allocate-eip", True)),
    *(("slb-id", "lb"), ("route-cidr", "10.9.0.0/24")),
]


def made_of(rig: Rig) -> set[str]:
    """Return what the cloud has beside instances and their keys."""
    state = rig.cloud.state
    return {
        *(f"security-group {each.id}" for each in state.security_groups),
        *(f"eip {each.id}" for each in state.eips if each.name != "mine"),
        *(f"route-entry {each.cidr}>{each.next_hop_id}" for each in state.route_entries),
        *(f"eip-binding {each.instance_id}" for each in state.eips if each.name == "mine"),
        *(
            f"slb-backend {each.id}>{backend.server_id}"
            for each in state.load_balancers
            for backend in each.backends
        ),
    } - {"eip-binding "}


def listed(store: Store) -> set[str]:
    """Return what the journals of the store list beside those."""
    return {
        each for each in journalled(store.path) if not each.startswith(("instance ", "key-pair "))
    }


class DeathAfterWriting(Death):
    """The death of a process at one of the points at which it has changed something, or is to."""

    def __call__(self, point: str) -> None:
        if "Describe" not in point:
            super().__call__(point)


@pytest.mark.parametrize(("option", "value"), REACHED, ids=[option for option, _ in REACHED])
def test_what_a_change_made_is_removed_with_the_machine_wherever_it_was_cut_off(
    rig: Rig, option: str, value: OptionValue
) -> None:
    number = 0
    if value == "lb":
        value = balancer(rig)
    while True:
        driver, journal = rig.create(**MADE_WITH)
        journal.finish()
        store = stored(rig, driver)
        death = DeathAfterWriting(number)
        with contextlib.suppress(Crash):
            dying = Store(rig.store, rig.environment, checkpoint=death)
            wanted = {f"aliyunecs-{option}": value}
            changes.change_machine(dying, "dev1", wanted, lambda line: None)
        Removal(store).finish("dev1", rig.report)
        assert (rig.left(), made_of(rig)) == ({}, set()), death.at
        if not death.at:
            assert number > 5
            return
        number += 1


def balancer(rig: Rig) -> str:
    """Return the id of a load balancer that the user has."""
    answer = rig.driver()._cloud.slb.call("CreateLoadBalancer", LoadBalancerName="lb")
    return answer.required("LoadBalancerId", ID)


def test_a_machine_comes_behind_another_load_balancer(rig: Rig) -> None:
    one, other = balancer(rig), balancer(rig)
    store = stored(rig, rig.create(slb_id=one)[0])
    addresses = {each.id: each.address for each in rig.cloud.state.load_balancers}
    with pytest.raises(MachineError, match='no load balancer "lb-none"'):
        give(store, slb_id="lb-none")
    assert give(store, slb_id=other).config()["SLBIPAddress"] == addresses[other]
    assert {each.id: len(each.backends) for each in rig.cloud.state.load_balancers} == {
        one: 0,
        other: 1,
    }
    config = give(store, slb_id="").config()
    assert (config["SLBIPAddress"], config["SLBID"]) == ("", "")
    assert made_of(rig) == listed(store)


def test_another_network_is_sent_to_a_machine(rig: Rig) -> None:
    store = stored(rig, rig.create(route_cidr="10.8.0.0/24")[0])
    rig.create("other", route_cidr="10.7.0.0/24")
    rig.front.asked.clear()
    with pytest.raises(MachineError, match=r"sends 10\.7\.0\.0/24 to i-.* already"):
        give(store, route_cidr="10.7.0.0/24")
    assert all(each.startswith("Describe") for each in rig.front.asked)
    for wanted in ("10.9.0.0/24", ""):
        assert give(store, route_cidr=wanted).config()["RouteCIDR"] == wanted
        there = {each.cidr for each in rig.cloud.state.route_entries}
        assert there == {"10.7.0.0/24", wanted} - {""}
        own = f">{store.load('dev1').driver.config()['InstanceId']}"
        assert {each for each in listed(store) if each.endswith(own)} == (
            {f"route-entry {wanted}{own}"} if wanted else set()
        )


def test_another_group_takes_the_place_of_the_former(rig: Rig) -> None:
    first, _ = rig.create("web1", open_port=["80"])
    store = stored(rig, first, "web1")
    second, _ = rig.create("web2")
    stored(rig, second, "web2")
    ecs, former = first._cloud.ecs, first.config()["SecurityGroupId"]
    instance_id, vpc_id = first.config()["InstanceId"], first.config()["VpcId"]
    beside = ecs.create_security_group(
        "beside", vpc_id=vpc_id, description="by hand", tags={}, token="t"
    )
    ecs_changes.set_security_groups(ecs, instance_id, [former, beside])
    wanted: dict[str, OptionValue] = {"aliyunecs-security-group": "others"}
    changes.change_machine(store, "web1", wanted, rig.report)

    def ports(group_id: str) -> list[str]:
        return sorted(rule.port_range.partition("/")[0] for rule in ecs.permissions(group_id))

    def group_seen() -> OptionValue:
        found = changes.observe([store.load("web1")])["web1"]
        assert isinstance(found, Observed)
        return found.values["aliyunecs-security-group"]

    config = store.load("web1").driver.config()
    assert config["SecurityGroupName"] == "others"
    found = ecs.instance(instance_id)
    assert found is not None
    assert set(found.security_group_ids) == {beside, config["SecurityGroupId"]}
    assert ports(config["SecurityGroupId"]) == ["22", "2376", "80"]
    assert ports(former) == ["22", "2376"]  # another machine is in it
    # whoever takes it out of the group by hand has it put back
    ecs_changes.set_security_groups(ecs, instance_id, [beside])
    assert group_seen() == beside
    changes.change_machine(store, "web1", wanted, rig.report)
    assert group_seen() == "others"
    changes.change_machine(store, "web2", wanted, rig.report)
    assert made_of(rig) - listed(store) == {f"security-group {beside}"}
    assert former not in {each.id for each in rig.cloud.state.security_groups}
    Removal(store).finish("web1", rig.report)
    Removal(store).finish("web2", rig.report)
    assert [each.id for each in rig.cloud.state.security_groups] == [beside]


def test_the_former_group_is_not_forgotten_in_place_of_one_that_has_just_gone(rig: Rig) -> None:
    other, _ = rig.create("web2", security_group="others")
    stored(rig, other, "web2")
    driver, _ = rig.create("web1", open_port=["80"])
    store = stored(rig, driver, "web1")
    rig.front.faults["AuthorizeSecurityGroup"] = ["InvalidSecurityGroupId.NotFound"]
    changes.change_machine(store, "web1", {"aliyunecs-security-group": "others"}, rig.report)
    assert rig.front.faults["AuthorizeSecurityGroup"] == []
    assert {each.name for each in rig.cloud.state.security_groups} == {"others"}
    assert made_of(rig) == listed(store)


def test_machines_that_change_their_group_at_once_leave_nothing_of_the_former(rig: Rig) -> None:
    made = {name: rig.create(name)[0] for name in ("web1", "web2", "web3")}
    for name, driver in made.items():
        store = stored(rig, driver, name)
    wanted: dict[str, OptionValue] = {"aliyunecs-security-group": "others"}
    for_each(made, lambda name: changes.change_machine(store, name, wanted, lambda line: None))
    assert {each.name for each in rig.cloud.state.security_groups} == {"others"}
    assert made_of(rig) == listed(store)


def test_a_group_that_is_brought_stays_and_loses_the_rules_of_the_machine(rig: Rig) -> None:
    ecs = rig.driver()._cloud.ecs
    plan = rig.planned()
    mine = ecs.create_security_group(
        "mine", vpc_id=plan.vpc_id, description="by hand", tags={}, token="t"
    )
    driver, _ = rig.create(security_group="mine")
    store = stored(rig, driver)
    with pytest.raises(MachineError, match='There is no security group "sg-none" in that VPC'):
        changes.change_machine(store, "dev1", {"aliyunecs-security-group": "sg-none"}, rig.report)
    for wanted in ("docker-machine", mine):
        changes.change_machine(store, "dev1", {"aliyunecs-security-group": wanted}, rig.report)
        assert bool(ecs.permissions(mine)) is (wanted == mine)
    assert made_of(rig) == {f"security-group {mine}"}
    assert listed(store) == set()


def test_another_group_is_opened_to_the_members_of_the_swarm(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, _ = rig.create()
    store = stored(rig, driver)
    opened: list[str] = []

    def open_to_members(store: Store, machine: Machine, report: Report) -> None:
        opened.append(machine.driver.config()["SecurityGroupName"])

    monkeypatch.setattr(members, "open_to_members", open_to_members)
    give(store, security_group="first")  # it has no engine
    store.load("dev1").auth.server_cert_path.write_text("")
    give(store, security_group="others")
    assert opened == ["others"]


def give(store: Store, **wanted: OptionValue) -> AliyunEcsDriver:
    """Change the machine of a store, and return its driver."""
    options = {f"aliyunecs-{name.replace('_', '-')}": value for name, value in wanted.items()}
    changes.change_machine(store, "dev1", options, lambda line: None)
    driver = store.load("dev1").driver
    assert isinstance(driver, AliyunEcsDriver)
    return driver


def mine(rig: Rig, token: str) -> Eip:
    """Return an elastic address that the user has."""
    return rig.driver()._cloud.vpc.allocate_eip(
        bandwidth_mbps=50, charge_type="PayByTraffic", name="mine", token=token
    )


def address_of(rig: Rig, driver: AliyunEcsDriver) -> tuple[str, str]:
    """Return the id of the elastic address of a machine, or "", and the address; it is recorded."""
    found = driver._cloud.ecs.instance(driver.config()["InstanceId"])
    assert found is not None
    assert found.public_address == driver.address() != ""
    return found.eip_allocation_id, found.public_address


def test_the_public_address_changes_in_place(rig: Rig) -> None:
    driver, _ = rig.create(**MADE_WITH, internet_charge_type="PayByBandwidth")
    store, before = stored(rig, driver), address_of(rig, driver)
    one, other = mine(rig, "1"), mine(rig, "2")
    bound = give(store, allocate_eip=True, internet_max_bandwidth=7)
    own = address_of(rig, bound)
    assert own[0] and own[1] != before[1]
    (eip,) = (each for each in rig.cloud.state.eips if each.id == own[0])
    assert (eip.bandwidth, len(rig.cloud.state.eips)) == (7, 3)
    assert made_of(rig) == listed(store)
    costs = bound.config()["Cost"]
    assert float(costs["StoppedHour"]) > float(driver.config()["Cost"]["StoppedHour"])
    rig.front.asked.clear()
    # the one takes the place of the other: there is no fixed address in between
    for wanted in (one.address, other.id):
        bound = give(store, allocate_eip=False, eip=wanted)
        assert address_of(rig, bound)[0] == (one if wanted == one.address else other).id
        assert float(bound.config()["Cost"]["Hour"]) < float(costs["Hour"])
        assert made_of(rig) == listed(store)
    bound = give(store, allocate_eip=True, eip="")
    assert address_of(rig, bound)[0] not in ("", own[0], one.id, other.id)
    assert not rig.front.asked["ModifyInstanceNetworkSpec"]
    bound = give(store, allocate_eip=False)
    assert address_of(rig, bound)[0] == ""
    (instance,) = rig.cloud.state.instances
    assert (instance.bandwidth_out, len(rig.cloud.state.eips)) == (7, 2)
    assert made_of(rig) == listed(store)
    # by hand it lost its address: that takes no new machine either
    ecs_changes.set_network(bound._cloud.ecs, instance.id, bandwidth_mbps=0)
    assert bound.how_to_change("aliyunecs-internet-max-bandwidth", 0, 7) is ChangeKind.IN_PLACE
    assert address_of(rig, give(store, internet_max_bandwidth=7))[0] == ""


def test_an_address_that_cannot_be_had_is_refused_before_the_other_goes(rig: Rig) -> None:
    driver, _ = rig.create(allocate_eip=True)
    store, before = stored(rig, driver), address_of(rig, driver)
    taken, _ = rig.create("other", eip=mine(rig, "1").id)
    for wanted, words in (
        (address_of(rig, taken)[0], "is bound to i-"),
        ("eip-none", "There is no elastic address"),
    ):
        with pytest.raises(MachineError, match=words):
            give(store, eip=wanted, allocate_eip=False)
        assert address_of(rig, store.load("dev1").driver) == before  # type: ignore[arg-type]
    with pytest.raises(MachineError, match=r"its elastic address .* was not made with the machine"):
        give(store, eip=mine(rig, "2").id, internet_max_bandwidth=9)


@pytest.mark.parametrize(
    ("made_with", "changed"),
    [
        ({}, {"allocate_eip": True}),
        ({"allocate_eip": True}, {"allocate_eip": False, "eip": "mine"}),
        ({"eip": "mine"}, {"eip": ""}),
        ({"slb_id": "one"}, {"slb_id": "other"}),
        ({"route_cidr": "10.8.0.0/24"}, {"route_cidr": "10.9.0.0/24"}),
    ],
    ids=["an address of its own", "mine for it", "a fixed one", "another balancer", "a route"],
)
def test_another_way_to_a_machine_that_is_cut_off_anywhere_is_made_again(
    rig: Rig, made_with: dict[str, Any], changed: dict[str, Any]
) -> None:
    there = {"mine": mine(rig, "1").id, "one": balancer(rig), "other": balancer(rig)}
    former = {name: there.get(value, value) for name, value in made_with.items()}
    wanted = {name: there.get(value, value) for name, value in changed.items()}
    back = {name: former.get(name, False if name == "allocate_eip" else "") for name in wanted}
    driver, _ = rig.create(**former)
    store, elastic = stored(rig, driver), bool(address_of(rig, driver)[0])
    for number in range(60):
        death = DeathAfterWriting(number)
        with contextlib.suppress(Crash):
            give(Store(rig.store, rig.environment, checkpoint=death), **wanted)
        bound = give(store, **(back if number % 2 else wanted))
        now = bool(wanted.get("allocate_eip") or wanted.get("eip"))
        assert bool(address_of(rig, bound)[0]) is (elastic if number % 2 else now)
        assert made_of(rig) == listed(store), death.at
        of_balancers = {each for each in listed(store) if each.startswith("slb-backend")}
        behind = (back if number % 2 else wanted).get("slb_id")
        assert {each.split()[1].split(">")[0] for each in of_balancers} == ({behind} - {None, ""})
        if not death.at:
            assert number > 3
            return
        give(store, **back)
    raise AssertionError("it never came to its end")


def test_in_a_shared_group_a_port_stays_open_for_who_needs_it(rig: Rig) -> None:
    first, _ = rig.create("web1", open_port=["80", "443"])
    store = stored(rig, first, "web1")
    second, _ = rig.create("web2", open_port=["443"])
    stored(rig, second, "web2")

    def is_open() -> list[str]:
        group = first.config()["SecurityGroupId"]
        rules = first._cloud.ecs.permissions(group)
        return sorted(rule.port_range.partition("/")[0] for rule in rules)

    assert is_open() == ["22", "2376", "443", "80"]
    none: dict[str, OptionValue] = {"aliyunecs-open-port": []}
    changes.change_machine(store, "web1", none, rig.report)
    assert is_open() == ["22", "2376", "443"]
    changes.change_machine(store, "web2", none, rig.report)
    assert is_open() == ["22", "2376"]


def test_ports_that_two_machines_close_at_once_are_closed(rig: Rig) -> None:
    made = {name: rig.create(name, open_port=["443"])[0] for name in ("web1", "web2")}
    for name, driver in made.items():
        store = stored(rig, driver, name)
    none: dict[str, OptionValue] = {"aliyunecs-open-port": []}
    for_each(made, lambda name: changes.change_machine(store, name, none, lambda line: None))
    driver = made["web1"]
    rules = driver._cloud.ecs.permissions(driver.config()["SecurityGroupId"])
    assert sorted(rule.port_range for rule in rules) == ["22/22", "2376/2376"]


def test_a_port_stays_open_where_a_machine_of_another_store_is(rig: Rig) -> None:
    first, _ = rig.create("web1", open_port=["80"])
    store = stored(rig, first, "web1")
    group = first.config()["SecurityGroupId"]
    rig.create("web2")  # as another store's: this one does not know it
    changes.change_machine(store, "web1", {"aliyunecs-open-port": []}, rig.report)
    ports = {rule.port_range for rule in first._cloud.ecs.permissions(group)}
    assert "80/80" in ports
    assert any("stay open" in line for line in rig.said)


def test_our_own_tags_are_neither_seen_nor_touched(rig: Rig) -> None:
    driver, _ = rig.create(**MADE_WITH)
    change(rig, driver, "tag", [])
    found = driver._cloud.ecs.instance(driver.config()["InstanceId"])
    assert found is not None
    assert sorted(found.tags) == ["ecsmachine:create", "ecsmachine:machine", "ecsmachine:store"]
    assert values(rig, driver)["aliyunecs-tag"] == []


def test_a_tag_may_be_without_a_value(rig: Rig) -> None:
    driver, _ = rig.create(tag=["old="], allocate_eip=True)
    changed = change(rig, driver, "tag", ["new=", "team=a"])
    assert values(rig, changed)["aliyunecs-tag"] == ["new=", "team=a"]


def test_drift_is_seen(rig: Rig) -> None:
    driver, _ = rig.create(**MADE_WITH)
    ecs, instance_id = driver._cloud.ecs, driver.config()["InstanceId"]
    ecs.tag("instance", [instance_id], {"by": "hand"})
    ecs.revoke(driver.config()["SecurityGroupId"], [Permission("tcp", "80/80", "0.0.0.0/0")])
    ecs_changes.set_network(ecs, instance_id, bandwidth_mbps=7)
    found = values(rig, driver)
    assert found["aliyunecs-tag"] == ["by=hand", "cost=low", "team=a"]
    assert found["aliyunecs-open-port"] == ["443"]
    assert found["aliyunecs-internet-max-bandwidth"] == 7
    ecs.delete_instance(instance_id)
    assert rig.loaded(driver).observed().gone


def test_the_bandwidth_of_an_elastic_address_is_that_of_the_address(rig: Rig) -> None:
    driver, _ = rig.create(allocate_eip=True)
    changed = change(rig, driver, "internet-max-bandwidth", 9)
    (eip,) = rig.cloud.state.eips
    assert eip.bandwidth == 9
    assert values(rig, changed)["aliyunecs-internet-max-bandwidth"] == 9
    with pytest.raises(MachineError, match="an elastic address keeps its charge type"):
        change(rig, changed, "internet-charge-type", "PayByBandwidth")


def test_an_elastic_address_of_the_users_own_keeps_its_bandwidth(rig: Rig) -> None:
    driver, _ = rig.create(eip=mine(rig, "1").id)
    assert "aliyunecs-internet-max-bandwidth" not in values(rig, driver)
    with pytest.raises(MachineError, match="was not made with the machine"):
        change(rig, driver, "internet-max-bandwidth", 9)


def test_a_protected_machine_that_rm_refuses_is_whole(rig: Rig) -> None:
    driver, journal = rig.create(deletion_protection=True)
    journal.finish()
    store = stored(rig, driver)
    with pytest.raises(ProtectedError, match="deletion protection"):
        Removal(store).finish("dev1", rig.report)
    assert not store.journal("dev1").removing
    changes.change_machine(store, "dev1", {"aliyunecs-deletion-protection": False}, rig.report)
    Removal(store).finish("dev1", rig.report)
    assert rig.left() == {}
