"""Many machines removed by one command: few requests, and nothing lost whatever ends the work."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import pytest

from ecsmachine.aliyun import ecs_changes
from ecsmachine.cli.app import run
from ecsmachine.drivers.aliyunecs.resources import instance, network
from ecsmachine.machine import several
from ecsmachine.machine.removal import Removal
from ecsmachine.machine.store import Store
from tests.api.deaths import Crash, Death
from tests.api.driver_rig import Rig


def create(rig: Rig, *names: str) -> None:
    arguments = ["create", "-d", "aliyunecs", "--no-provision", *names]
    assert run(arguments, rig.program_environment()) == 0


def remove(store: Store, names: Sequence[str], rig: Rig) -> None:
    removal = Removal(store)
    several.for_each(
        names,
        lambda name: removal.begin(name, rig.report),
        lambda name: removal.finish(name, rig.report),
    )


def test_seventy_machines_take_few_requests(rig: Rig) -> None:
    create(rig, "web", "--count", "70")
    rig.front.asked.clear()
    assert run(["rm", "-y", "*"], rig.program_environment()) == 0
    asked = rig.front.asked
    assert rig.left() == {}
    assert sum(asked.values()) <= 2.2 * 70, asked  # on a computer that is not busy it is ten
    assert asked["DeleteSecurityGroup"] == 1, asked


def test_one_that_cannot_be_removed_keeps_itself_alone(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    create(rig, "web", "--count", "5")
    store = Store(rig.store, rig.environment)
    instance_id = store.config("web-3")["Driver"]["InstanceId"]
    ecs = rig.driver()._cloud.ecs
    ecs_changes.set_attribute(ecs, instance_id, "DeletionProtection", True)
    capsys.readouterr()
    assert run(["rm", "-y", "*"], rig.program_environment()) == 1
    said = capsys.readouterr()
    assert store.names() == ["web-3"]
    assert "DeletionProtection" in said.err
    assert sorted(line for line in said.out.splitlines() if line.startswith("Succ")) == [
        f"Successfully removed web-{number}" for number in (1, 2, 4, 5)
    ]
    assert rig.left() == {"instances": 1, "disks": 1, "key pairs": 1, "security groups": 1}
    ecs_changes.set_attribute(ecs, instance_id, "DeletionProtection", False)
    assert run(["rm", "-y", "web-3"], rig.program_environment()) == 0
    assert rig.left() == {}


def test_instances_that_cannot_be_released_together_are_released_apart(rig: Rig) -> None:
    create(rig, "web", "--count", "6")
    rig.front.faults["DeleteInstances"] = ["Forbidden.RAM"] * 6
    assert run(["rm", "-y", "*"], rig.program_environment()) == 0
    assert rig.left() == {}


def test_a_refusal_of_what_they_share_is_told_of_each(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    create(rig, "web", "--count", "3")
    rig.front.faults["DeleteSecurityGroup"] = ["Forbidden.RAM"]
    capsys.readouterr()
    assert run(["rm", "-y", "*"], rig.program_environment()) == 1
    err = capsys.readouterr().err
    assert [f"web-{number}: DeleteSecurityGroup" in err for number in (1, 2, 3)] == [True] * 3
    assert rig.left() == {"security groups": 1}
    assert run(["rm", "-y", "*"], rig.program_environment()) == 0
    assert rig.left() == {}


def test_a_forced_removal_that_the_cloud_refuses_drops_the_machines(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    create(rig, "web", "--count", "3")
    rig.front.faults["DeleteInstance"] = ["Forbidden.RAM"] * 9
    rig.front.faults["DeleteInstances"] = ["Forbidden.RAM"] * 9
    capsys.readouterr()
    assert run(["rm", "-f", "*"], rig.program_environment()) == 0
    said = capsys.readouterr().out
    assert [said.count(f"Successfully removed web-{number}") for number in (1, 2, 3)] == [1, 1, 1]
    assert Store(rig.store, rig.environment).names() == []
    assert len(list((rig.store / ".abandoned").glob("web-*.json"))) == 3
    rig.front.faults.clear()
    assert run(["sweep", "-y"], rig.program_environment()) == 0
    assert rig.left() == {}


def test_a_network_goes_with_the_last_machine_that_has_something_in_it(rig: Rig) -> None:
    """As a create leaves it that was killed: one machine has but the VPC, one is to be looked for.

    The other one tries to remove the VPC while the group of this one is still in it.
    """
    words = ["--aliyunecs-region", "eu-central-1", "web", "--count", "2"]
    create(rig, *words)
    store = Store(rig.store, rig.environment)
    journal = store.journal("web-2")
    for resource in journal.resources():
        if resource.kind == instance.KIND:
            rig.driver(region="eu-central-1")._cloud.ecs.delete_instance(resource.id or "")
        if resource.kind != network.VPC_KIND:
            journal.removed(resource)
    (vpc,) = journal.resources()
    store.journal("web-1").intend(
        network.VSWITCH_KIND,
        region="eu-central-1",
        vpc=vpc.id or "",
        zone="eu-central-1b",
        name=vpc.details["name"],
    )
    remove(store, ("web-1", "web-2"), rig)
    assert rig.left() == {}


@pytest.mark.parametrize("first", range(2))
def test_a_removal_that_died_leaves_each_machine_removable(rig: Rig, first: int) -> None:
    died = 0
    for number in range(first, 200, 6):
        create(rig, "web", "--count", "3")
        death = Death(number)
        with contextlib.suppress(Crash):
            remove(Store(rig.store, rig.environment, checkpoint=death), ("web-1", "web-2"), rig)
        store = Store(rig.store, rig.environment)
        assert "web-3" in store.names()
        assert rig.left()["security groups"] == 1, death.at
        remove(store, store.names(), rig)
        assert store.names() == [], death.at
        assert rig.left() == {}, death.at
        if not death.at:
            break
        died += 1
    assert died > 2
