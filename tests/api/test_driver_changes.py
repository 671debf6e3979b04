"""Machines that are there, seen by their options and brought to other values of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.drivers import registry
from ecsmachine.drivers.aliyunecs.life.driver import AliyunEcsDriver
from ecsmachine.drivers.base import Driver, OptionValue
from ecsmachine.drivers.changes import Changeable, Observed
from ecsmachine.errors import MachineError
from ecsmachine.localcloud.state.tagging import put_tags
from tests.api.driver_rig import Rig, rig_in


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rig_in(tmp_path) as rig:
        yield rig


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
]
MADE_WITH: dict[str, Any] = {
    "tag": ["team=a", "cost=low"],
    "open_port": ["80", "443"],
    "disk_size": 20,
    "description": "its purpose",
}


def change(rig: Rig, driver: AliyunEcsDriver, option: str, value: OptionValue) -> AliyunEcsDriver:
    """Change what a process of its own would: the machine as it is stored."""
    loaded = rig.loaded(driver)
    loaded.check_change(f"aliyunecs-{option}", value)
    loaded.change(f"aliyunecs-{option}", value, rig.report)
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
        ("disk-size", 10, "no disk shrinks to 10"),
        ("system-disk-size", 30, "no disk shrinks to 30"),
        ("instance-type", "ecs.none.large", "there is no instance type"),
        ("internet-max-bandwidth", 0, "a public address is of its create"),
        ("zone", "cn-hangzhou-x", "is of its create alone"),
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
