"""Faults on the way: the process dies, connections are cut, the cloud refuses. Nothing is lost."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.aliyun.errors import ApiError
from ecsmachine.drivers.aliyunecs.resources.placement import Plan
from ecsmachine.drivers.base import State
from ecsmachine.errors import MachineError
from ecsmachine.localcloud.state.settings import Delays
from ecsmachine.machine.journal import FileJournal
from ecsmachine.ssh.keys import ensure_key_pair
from tests.api.driver_rig import Rig, rig_in

# one machine with everything that a create can make
EVERYTHING: dict[str, Any] = {
    "region": "eu-central-1",
    "allocate_eip": True,
    "route_cidr": "10.9.0.0/24",
    "disk_size": 20,
}
WRITES = 15
"""How often such a create writes its journal."""


_PLANS: dict[tuple[str, str], Plan] = {}


class Crash(BaseException):
    """Stands for the end of the process: nothing of the create runs after it."""


class Death:
    """A checkpoint at which the process dies: the n-th point that begins with some words.

    It stays dead: whatever comes after, in any thread, dies as well.
    """

    def __init__(self, beginning: str, number: int):
        self._beginning = beginning
        self._remaining = number
        self.at = ""

    def __call__(self, point: str) -> None:
        if not self.at and point.startswith(self._beginning):
            self._remaining -= 1
            if self._remaining < 0:
                self.at = point
        if self.at:
            raise Crash(point)


@pytest.fixture(scope="module")
def shared_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig_in(tmp_path_factory.mktemp("faults")) as rig:
        ensure_key_pair(rig.store / "id_rsa", "made once, for all tests")
        yield rig


@pytest.fixture
def rig(shared_rig: Rig) -> Iterator[Rig]:
    """A cloud that holds nothing at first, nor at the end; the machine has its key already."""
    directory = shared_rig.context().directory
    for name in ("id_rsa", "id_rsa.pub"):
        shutil.copy(shared_rig.store / name, directory / name)
    yield shared_rig
    shutil.rmtree(shared_rig.store / "machines")
    shared_rig.front.faults.clear()
    shared_rig.front.bodies.clear()
    left = shared_rig.left()
    if left:
        pytest.fail(f"this was left behind: {left}")


def planned(rig: Rig, **values: Any) -> Plan:
    """Return what the checks find; where the cloud holds nothing, they find the same each time."""
    if rig.left():
        return rig.planned(**values)
    key = (rig.front.endpoint, repr(values))
    if key not in _PLANS:
        _PLANS[key] = rig.planned(**values)
    return _PLANS[key]


def die_at(rig: Rig, beginning: str, number: int, **values: Any) -> str:
    """Let a create die at a point; return which it was, or "" if it did not come that far."""
    rig.journal()  # a create begins with an empty journal on disk
    death = Death(beginning, number)
    journal = FileJournal(rig.store / "machines" / "dev1" / "journal.json", death)
    driver = rig.driver(checkpoint=death, **values)
    driver._plan = planned(rig, **values)
    with contextlib.suppress(Crash):
        driver.create(journal, rig.report, rig.save(driver))
    return death.at


def die(rig: Rig, write: int, *, after: bool, **values: Any) -> bool:
    """Let a create die at a change of its journal; return whether it came that far."""
    return bool(die_at(rig, f"{'after' if after else 'before'} journal", write, **values))


CHANGING = (
    "CreateVpc",
    "CreateSecurityGroup",
    "AuthorizeSecurityGroup",
    "ImportKeyPair",
    "CreateVSwitch",
    "RunInstances",
    "AllocateEipAddress",
    "AssociateEipAddress",
    "CreateRouteEntry",
)
"""What such a create asks for beside questions and tags, each of them once."""

WHOLE = {
    "instances": 1,
    "disks": 2,
    "security groups": 1,
    "key pairs": 1,
    "addresses": 1,
    "routes": 1,
    "VPCs": 1,
    "VSwitches": 1,
}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", range(WRITES))
def test_a_create_that_died_goes_on_and_makes_nothing_twice(
    rig: Rig, write: int, after: bool
) -> None:
    assert die(rig, write, after=after, **EVERYTHING) is True
    driver, journal = rig.create(**EVERYTHING)
    assert rig.left() == WHOLE
    assert driver.state() is State.RUNNING
    assert driver.address() == next(iter(rig.cloud.state.eips)).address
    driver.remove(journal, rig.report)
    assert rig.left() == {}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", range(WRITES))
def test_a_create_that_died_is_removed_whole(rig: Rig, write: int, after: bool) -> None:
    assert die(rig, write, after=after, **EVERYTHING) is True
    driver = rig.loaded(rig.driver(**EVERYTHING))
    journal = rig.journal()
    driver.remove(journal, rig.report)
    assert rig.left() == {}
    assert not journal.resources()


@pytest.mark.parametrize("then", ["create", "rm"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("action", CHANGING)
def test_a_create_that_died_at_a_request(rig: Rig, action: str, when: str, then: str) -> None:
    point = f"{when} api {action}"
    assert die_at(rig, point, 0, **EVERYTHING) == point
    if then == "create":
        rig.create(**EVERYTHING)
        assert rig.left() == WHOLE
    journal = rig.journal()
    rig.driver(**EVERYTHING).remove(journal, rig.report)
    assert rig.left() == {}
    assert not journal.resources()


@pytest.mark.parametrize("number", range(3))
def test_tags_that_a_death_left_out_are_put_on_later(rig: Rig, number: int) -> None:
    assert die_at(rig, "before api TagResources", number, **EVERYTHING)
    driver, journal = rig.create(**EVERYTHING)
    cloud = driver._cloud.vpc
    (vpc,) = [each for each in cloud.vpcs() if not each.is_default]
    (vswitch,) = cloud.vswitches(vpc_id=vpc.id)
    (address,) = cloud.eips()
    assert all("ecsmachine:store" in each.tags for each in (vpc, vswitch, address))
    driver.remove(journal, rig.report)


@pytest.mark.parametrize(
    "action", ["CreateVpc", "CreateVSwitch", "CreateSecurityGroup", "RunInstances"]
)
def test_a_refusal_after_a_cut_does_not_mean_that_nothing_was_made(rig: Rig, action: str) -> None:
    rig.front.faults[action] = ["cut-after", "Forbidden.RAM"]
    with pytest.raises(ApiError, match="Forbidden"):
        rig.create(**EVERYTHING)
    rig.driver(**EVERYTHING).remove(rig.journal(), rig.report)
    assert rig.left() == {}


def test_a_refusal_after_a_death_does_not_mean_that_nothing_was_made(rig: Rig) -> None:
    assert die_at(rig, "after api ImportKeyPair", 0, **EVERYTHING)
    rig.front.faults["ImportKeyPair"] = ["Forbidden.RAM"]
    with pytest.raises(ApiError, match="Forbidden"):
        rig.create(**EVERYTHING)
    assert rig.left()["key pairs"] == 1
    rig.driver(**EVERYTHING).remove(rig.journal(), rig.report)
    assert rig.left() == {}


@pytest.mark.parametrize("then", ["create", "rm"])
@pytest.mark.parametrize(
    "action", ["CreateVpc", "CreateVSwitch", "CreateSecurityGroup", "AllocateEipAddress"]
)
def test_what_was_made_with_a_token_that_has_expired_is_found(
    rig: Rig, action: str, then: str
) -> None:
    assert die_at(rig, f"after api {action}", 0, **EVERYTHING)
    with rig.cloud.state.transaction():
        for used in list(rig.cloud.state.tokens):
            rig.cloud.state.tokens.remove(used.id)
    if then == "create":
        rig.create(**EVERYTHING)
        assert rig.left() == WHOLE
    rig.driver(**EVERYTHING).remove(rig.journal(), rig.report)
    assert rig.left() == {}


def test_a_request_that_is_still_being_worked_on_is_waited_for(rig: Rig) -> None:
    rig.front.faults["RunInstances"] = ["IdempotentProcessing"]
    rig.front.faults["CreateSecurityGroup"] = ["OperationFailed.LastTokenProcessing"]
    driver, journal = rig.create()
    assert not any(rig.front.faults.values())
    driver.remove(journal, rig.report)


def test_an_address_of_the_user_that_moved_on_stays_where_it_is(rig: Rig) -> None:
    address = rig.driver()._cloud.vpc.allocate_eip(
        bandwidth_mbps=1, charge_type="PayByTraffic", name="mine", token="t"
    )
    assert die_at(rig, "after journal intend eip-binding", 0, eip=address.id)
    other, journal = rig.create("other", allocate_eip=False, eip=address.id)
    rig.driver(eip=address.id).remove(rig.journal(), rig.report)
    (bound,) = other._cloud.vpc.eips()
    assert bound.instance_id == other.config()["InstanceId"]
    other.remove(journal, rig.report)
    other._cloud.vpc.release_eip(address.id)


def test_the_points_of_death_are_all_there_are(rig: Rig) -> None:
    assert die(rig, WRITES, after=True, **EVERYTHING) is False
    rig.driver(**EVERYTHING).remove(rig.journal(), rig.report)


@pytest.mark.parametrize("fault", ["cut-after", "Throttling.User", "OperationConflict"])
@pytest.mark.parametrize(
    "action",
    [
        "DescribeRegions",
        "DescribeImages",
        "CreateVpc",
        "CreateVSwitch",
        "CreateSecurityGroup",
        "AuthorizeSecurityGroup",
        "ImportKeyPair",
        "RunInstances",
        "DescribeInstances",
        "DescribeDisks",
        "AllocateEipAddress",
        "AssociateEipAddress",
        "CreateRouteEntry",
        "TagResources",
    ],
)
def test_a_fault_on_the_way_of_create_passes(rig: Rig, action: str, fault: str) -> None:
    rig.front.faults[action] = [fault]
    rig.front.asked.clear()
    driver, journal = rig.create(**EVERYTHING)
    assert not rig.front.faults[action], "the fault was not met"
    assert action.startswith("Describe") or rig.front.asked[action] < 20
    assert rig.left() == WHOLE
    driver.remove(journal, rig.report)
    assert rig.left() == {}


@pytest.mark.parametrize("fault", ["cut-after", "Throttling.User", "OperationConflict"])
@pytest.mark.parametrize(
    "action",
    [
        "DeleteInstance",
        "DeleteKeyPairs",
        "DeleteSecurityGroup",
        "DeleteVpc",
        "DeleteVSwitch",
        "UnassociateEipAddress",
        "ReleaseEipAddress",
        "DeleteRouteEntry",
    ],
)
def test_a_fault_on_the_way_of_rm_passes(rig: Rig, action: str, fault: str) -> None:
    driver, journal = rig.create(**EVERYTHING)
    rig.front.faults[action] = [fault]
    rig.front.asked.clear()
    driver.remove(journal, rig.report)
    assert not rig.front.faults[action], "the fault was not met"
    assert rig.front.asked[action] < 20
    assert rig.left() == {}
    assert not journal.resources()


def test_a_key_pair_that_ecs_still_counts_as_attached_is_removed_a_moment_later(rig: Rig) -> None:
    driver, journal = rig.create()
    rig.front.faults["DeleteKeyPairs"] = ["InvalidParameter.KeypairAlreadyAttachedInstance"]
    driver.remove(journal, rig.report)
    assert not rig.front.faults["DeleteKeyPairs"], "the fault was not met"
    assert rig.left() == {}


@pytest.mark.parametrize("fault", ["cut-before", "InternalError", "ServiceUnavailable"])
@pytest.mark.parametrize("action", ["CreateSecurityGroup", "RunInstances", "DeleteInstance"])
def test_other_faults_pass_as_well(rig: Rig, action: str, fault: str) -> None:
    rig.front.faults[action] = [fault]
    driver, journal = rig.create()
    driver.remove(journal, rig.report)
    assert not rig.front.faults[action], "the fault was not met"


def test_retries_of_run_instances_carry_one_token(rig: Rig) -> None:
    rig.front.faults["RunInstances"] = ["cut-after", "InternalError", "Throttling"]
    driver, journal = rig.create()
    bodies = [body for body in rig.front.bodies if body["Action"] == "RunInstances"]
    assert len(bodies) == 4
    assert len({body["ClientToken"] for body in bodies}) == 1
    assert rig.left()["instances"] == 1
    driver.remove(journal, rig.report)


def test_a_refusal_leaves_nothing_in_the_journal_that_was_not_made(rig: Rig) -> None:
    rig.front.faults["RunInstances"] = ["QuotaExceed.ElasticQuota"]
    with pytest.raises(ApiError, match="QuotaExceed"):
        rig.create()
    journal = rig.journal()
    assert {resource.kind for resource in journal.resources()} == {"key-pair", "security-group"}
    rig.driver().remove(journal, rig.report)
    assert rig.left() == {}


@pytest.mark.parametrize(
    "code",
    [
        *("OperationDenied.NoStock", "InstanceType.Offline", "InvalidVSwitchId.IpNotEnough"),
        *("QuotaExceeded.PrivateIpAddress", "InvalidSystemDiskCategory.ValueNotSupported"),
    ],
)
def test_a_zone_that_lacks_something_is_followed_by_the_next(rig: Rig, code: str) -> None:
    rig.front.faults["RunInstances"] = [code]
    driver, journal = rig.create()
    default = next(each for each in rig.cloud.state.vswitches if each.is_default)
    assert driver.config()["Zone"] != default.zone
    driver.remove(journal, rig.report)
    assert rig.left() == {}


def test_a_named_zone_without_stock_is_an_error(rig: Rig) -> None:
    zone = next(iter(rig.cloud.state.vswitches)).zone
    rig.front.faults["RunInstances"] = ["OperationDenied.NoStock"]
    with pytest.raises(ApiError, match="NoStock") as caught:
        rig.create(zone=zone, instance_type="ecs.g6.large")
    assert "--aliyunecs-zone" in (caught.value.hint or "")
    rig.driver().remove(rig.journal(), rig.report)


def test_an_instance_that_is_not_found_at_first_is_waited_for(tmp_path: Path) -> None:
    with rig_in(tmp_path, Delays(invisible_s=1.0, pending_s=0.2, starting_s=0.2)) as rig:
        driver, journal = rig.create()
        assert driver.state() is State.RUNNING
        driver.remove(journal, rig.report)
        assert rig.left() == {}


def test_an_instance_too_new_to_be_found_is_removed_all_the_same(tmp_path: Path) -> None:
    with rig_in(tmp_path, Delays(invisible_s=1.0)) as rig:
        # the death follows the id of the instance: security group, key pair, instance
        assert die(rig, 5, after=True)
        assert rig.journal().resources()[0].kind == "instance"
        rig.driver().remove(rig.journal(), rig.report)
        assert rig.left() == {}


def test_an_instance_whose_id_never_came_is_found_though_it_is_new(tmp_path: Path) -> None:
    with rig_in(tmp_path, Delays(invisible_s=1.0)) as rig:
        assert die(rig, 5, after=False)
        assert rig.journal().resources()[0].id is None
        assert rig.left()["instances"] == 1
        rig.driver().remove(rig.journal(), rig.report)
        assert rig.left() == {}


def test_rm_while_the_instance_is_on_its_way_up(tmp_path: Path) -> None:
    with rig_in(tmp_path, Delays(pending_s=0.5, starting_s=0.5)) as rig:
        assert die(rig, 5, after=True)
        rig.driver().remove(rig.journal(), rig.report)
        assert rig.left() == {}


def test_stop_and_start_while_the_instance_is_on_its_way(tmp_path: Path) -> None:
    with rig_in(tmp_path, Delays(starting_s=1, stopping_s=1)) as rig:
        driver, _ = rig.create()
        instance_id = driver.config()["InstanceId"]
        driver._cloud.ecs.stop_instance(instance_id)
        assert driver.state() is State.STOPPING
        driver.start(rig.report)
        assert driver.state() is State.RUNNING
        driver.kill(rig.report)
        driver._cloud.ecs.start_instance(instance_id)
        assert driver.state() is State.STARTING
        driver.stop(rig.report)
        assert driver.state() is State.STOPPED
        driver.start(rig.report)
        driver.restart(rig.report)
        assert driver.state() is State.RUNNING


def test_an_instance_that_is_released_while_it_is_waited_for(rig: Rig) -> None:
    driver, journal = rig.create()
    driver._cloud.ecs.delete_instance(driver.config()["InstanceId"])
    with pytest.raises(MachineError, match="no longer exists"):
        driver.start(rig.report)
    assert driver.state() is State.NOT_FOUND
    driver.remove(journal, rig.report)
    assert rig.left() == {}


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "there"])
def test_a_resume_makes_another_instance_if_the_first_is_gone(rig: Rig, gone: bool) -> None:
    point = "before api AssociateEipAddress"
    assert die_at(rig, point, 0, **EVERYTHING) == point
    (first,) = rig.cloud.state.instances
    pin = rig.context().directory / "known_hosts"
    pin.write_text("the host key of the first")
    if gone:
        rig.driver(**EVERYTHING)._cloud.ecs.delete_instance(first.id)
        while list(rig.cloud.state.instances):
            time.sleep(0.01)
    driver, journal = rig.create(**EVERYTHING)
    assert rig.left() == WHOLE
    assert (driver.config()["InstanceId"] != first.id) is gone
    assert pin.exists() is not gone
    driver.remove(journal, rig.report)
    assert rig.left() == {}


def test_all_is_removed_though_the_journal_cannot_be_written(rig: Rig) -> None:
    driver, journal = rig.create(**EVERYTHING)

    def full(point: str) -> None:
        raise MachineError("The machine store cannot be written: No space left on device")

    path = rig.context().directory / "journal.json"
    driver.remove(FileJournal(path, full), rig.report)
    assert rig.left() == {}
    driver.remove(FileJournal(path), rig.report)
    assert journal.resources() and not FileJournal(path).resources()
