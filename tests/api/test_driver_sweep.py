"""Sweeping a local cloud without guests: what is whose, what goes, what stays."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.cli.app import run
from ecsmachine.drivers import registry
from ecsmachine.drivers.aliyunecs.life.driver import AliyunEcsDriver
from ecsmachine.drivers.tagged import TaggedResources
from ecsmachine.localcloud.state.tagging import put_tags
from ecsmachine.machine import sweep as sweeping
from ecsmachine.machine.model import Machine, auth_options
from ecsmachine.machine.removal import Removal
from ecsmachine.machine.store import Store
from ecsmachine.machine.sweep import Found, Standing, Swept, survey, sweep
from tests.api.driver_rig import Rig, rig_in

STORE_ID = "5107e5107e51"
OTHER_ID = "0123456789ab"


class Ground:
    """A rig whose machines are in a store that the engine reads."""

    def __init__(self, rig: Rig):
        self.rig = rig
        self.store = self.store_of("store", STORE_ID)

    def store_of(self, folder: str, store_id: str) -> Store:
        path = self.rig.store.with_name(folder)
        path.mkdir(exist_ok=True)
        (path / ".store-id").write_text(f"{store_id}\n")
        return Store(path, self.rig.environment)

    @property
    def values(self) -> dict[str, Any]:
        given: dict[str, Any] = {option.name: option.default for option in self.options}
        given["aliyunecs-region"] = self.rig.cloud.region
        given["aliyunecs-instance-type"] = self.rig.instance_type
        given["aliyunecs-api-endpoint"] = self.rig.front.endpoint
        return given

    @property
    def options(self) -> tuple[Any, ...]:
        return registry.options_of("aliyunecs")

    def create(self, name: str = "dev1", store: Store | None = None, **values: Any) -> Machine:
        """Make a machine as the engine does, but without a host to provision."""
        store = store or self.store
        given = self.values
        given.update({f"aliyunecs-{key.replace('_', '-')}": value for key, value in values.items()})
        driver = store.new_driver("aliyunecs", name, given)
        machine = Machine(name=name, driver=driver, auth=auth_options(store.path, name))
        driver.pre_create_check(self.rig.report)
        store.save(machine)
        journal = store.journal(name)
        journal.begin()
        driver.create(journal, self.rig.report, lambda: store.save(machine))
        store.save(machine)
        journal.finish()
        return machine

    def tagged(self, store: Store | None = None) -> TaggedResources:
        return registry.tagged_resources(
            "aliyunecs", (store or self.store).context(""), self.values
        )

    def survey(self, store: Store | None = None) -> list[Found]:
        return survey(store or self.store, self.tagged(store))

    def sweep(self, *, stores: tuple[str, ...] = ()) -> Swept:
        chosen = [
            found
            for found in self.survey()
            if found.standing is Standing.ORPHAN
            or (found.standing is Standing.FOREIGN and found.store_id in stores)
        ]
        return sweep(self.store, self.tagged(), chosen, self.rig.report)

    def kinds(self, standing: Standing) -> list[str]:
        return sorted(found.resource.kind for found in self.survey() if found.standing is standing)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with rig_in(tmp_path) as rig:
        yield Ground(rig)


def test_what_a_machine_has_is_no_orphan(ground: Ground) -> None:
    ground.create(allocate_eip=True)
    assert ground.kinds(Standing.ORPHAN) == []
    assert ground.kinds(Standing.OWNED) == ["eip", "instance", "key-pair", "security-group"]
    assert ground.sweep().removed == []
    assert ground.rig.left()["instances"] == 1


def adopted(ground: Ground, name: str) -> AliyunEcsDriver:
    """Lose the machine dev1, and take its instance over under a name."""
    ground.store.remove("dev1")
    (owner,) = [each for each in ground.tagged().find() if each.kind == "instance"]
    context = ground.store.context(name)
    context.directory.mkdir()
    journal = ground.store.journal(name)
    journal.begin_adoption(owner.create_id)
    driver = ground.tagged().adopt(owner, context, ground.values, journal)
    assert isinstance(driver, AliyunEcsDriver)
    return driver


def test_tags_of_alibaba_clouds_own_are_no_user_tags_of_an_adopted_machine(ground: Ground) -> None:
    ground.create(tag=["team=a"])
    state = ground.rig.cloud.state
    (instance,) = state.instances
    with state.transaction():
        theirs = {"acs:ecs:source": "x", "aliyun.job": "y"}
        put_tags(state, "instance", instance.id, instance.region, theirs)
    assert adopted(ground, "dev1").recorded()["aliyunecs-tag"] == ["team=a"]


def test_an_adopted_machine_is_recorded_as_it_is(ground: Ground) -> None:
    before = ground.create(
        allocate_eip=True,
        internet_max_bandwidth=7,
        auto_release_time="48h",
        host_name="db.example.com",
    ).driver
    assert isinstance(before, AliyunEcsDriver)
    driver = adopted(ground, "dev1")
    costs = before.running_cost(), driver.running_cost()
    assert costs[0] and costs[1] and costs[0].hour == costs[1].hour > 0
    known = driver.recorded()
    assert driver.host_name() == "db.example.com"
    assert driver.expires() == before.expires() != ""
    assert {option: known[option] for option in driver.observed().values if option in known} == {
        option: value for option, value in driver.observed().values.items() if option in known
    }


@pytest.mark.parametrize("private", [False, True])
def test_a_machine_that_was_stopped_without_charge_is_adopted(
    ground: Ground, private: bool
) -> None:
    before = ground.create(private_address_only=private).driver
    assert isinstance(before, AliyunEcsDriver)
    before.stop_without_charge(ground.rig.report)
    driver = adopted(ground, "dev1")
    driver.start(ground.rig.report)
    public, own = driver.address(), driver.config()["PrivateIPAddress"]
    assert (public == own) is private


def test_an_instance_whose_host_has_its_machines_name_takes_the_new_one(ground: Ground) -> None:
    ground.create()
    assert adopted(ground, "dev2").host_name() == ""


def test_all_of_a_lost_machine_is_found_and_removed(ground: Ground) -> None:
    ground.create(allocate_eip=True, route_cidr="10.9.0.0/24")
    ground.store.remove("dev1")
    rows = {found.resource.kind: found for found in ground.survey()}
    assert set(rows) == {"eip", "instance", "key-pair", "route-entry", "security-group"}
    assert {found.standing for found in rows.values()} == {Standing.ORPHAN}
    assert rows["instance"].machine_name == rows["eip"].machine_name == "dev1"
    created = rows["instance"].resource.created
    assert created is not None and abs(created.timestamp() - time.time()) < 120
    swept = ground.sweep()
    assert (len(swept.removed), swept.failures) == (5, [])
    assert ground.rig.left() == {}


def test_the_network_that_only_lost_machines_shared_goes_too(ground: Ground) -> None:
    state = ground.rig.cloud.state
    with state.transaction():
        for vswitch in list(state.vswitches):
            state.vswitches.remove(vswitch.id)
        for vpc in list(state.vpcs):
            state.vpcs.remove(vpc.id)
    ground.create("dev1")
    ground.create("dev2")
    ground.store.remove("dev1")
    assert ground.kinds(Standing.ORPHAN) == ["instance", "key-pair"]
    assert ground.sweep().failures == []
    assert ground.rig.left()["VPCs"] == 1
    ground.store.remove("dev2")
    assert ground.sweep().failures == []
    assert ground.rig.left() == {}


def test_what_the_user_brought_is_never_touched(ground: Ground) -> None:
    ecs = ground.rig.driver()._cloud.ecs
    vpc = next(iter(ground.rig.driver()._cloud.vpc.vpcs()))
    ecs.create_security_group("docker-machine", vpc_id=vpc.id, description="", tags={}, token="t")
    ecs.import_key_pair("theirs", _public_key(ground), tags={"team": "a"})
    eip = ground.rig.driver()._cloud.vpc.allocate_eip(
        bandwidth_mbps=1, charge_type="PayByTraffic", name="ecsmachine-mine", token="e"
    )
    ground.create(eip=eip.id)
    ground.store.remove("dev1")
    assert ground.sweep().failures == []
    assert ground.rig.left() == {"security groups": 1, "key pairs": 1, "addresses": 1}


def test_a_group_that_something_else_uses_stays_and_is_told(ground: Ground) -> None:
    lost = ground.create()
    foreign = ground.store_of("other", OTHER_ID)
    ground.create("dev2", foreign, security_group=lost.driver.config()["SecurityGroupId"])
    ground.store.remove("dev1")
    ((what, error),) = ground.sweep().failures
    assert "security-group" in what and "still used by i-" in error.message
    assert ground.rig.left() == {"instances": 1, "disks": 1, "security groups": 1, "key pairs": 1}


def test_another_store_is_told_and_left_alone_unless_it_is_named(ground: Ground) -> None:
    ground.create("dev2", ground.store_of("other", OTHER_ID))
    assert ground.kinds(Standing.FOREIGN) == ["instance", "key-pair", "security-group"]
    assert {found.store_id for found in ground.survey()} == {OTHER_ID}
    assert ground.sweep().removed == []
    assert ground.sweep(stores=(OTHER_ID,)).failures == []
    assert ground.rig.left() == {}


def test_a_create_that_runs_is_in_the_making(ground: Ground) -> None:
    ground.create()
    path = ground.store.directory("dev1") / "journal.json"
    path.write_text(path.read_text().replace('"Complete": true', '"Complete": false'))
    assert ground.kinds(Standing.MAKING) == ["instance", "key-pair", "security-group"]
    os.utime(path, (0, 0))
    assert ground.kinds(Standing.OWNED) == ["instance", "key-pair", "security-group"]
    with ground.store.lock("dev1"):
        assert ground.kinds(Standing.MAKING) == ["instance", "key-pair", "security-group"]


def test_a_machine_whose_journal_is_damaged_keeps_what_names_it(ground: Ground) -> None:
    ground.create()
    (ground.store.directory("dev1") / "journal.json").write_text("{")
    assert ground.kinds(Standing.ORPHAN) == []


def test_rm_f_with_lost_credentials_leaves_a_journal_that_sweep_empties(ground: Ground) -> None:
    ground.create(allocate_eip=True, route_cidr="10.9.0.0/24", slb_id=_balancer(ground))
    blind = Store(ground.store.path, {"HOME": "/nonexistent"})
    Removal(blind, force=True).finish("dev1", ground.rig.report)
    (kept,) = ground.store.abandoned_path.iterdir()
    assert ground.rig.cloud.access_key_secret not in kept.read_text()
    rows = {found.resource.kind: found for found in ground.survey()}
    assert set(rows) == {
        *("eip", "instance", "key-pair", "route-entry", "security-group", "slb-backend")
    }
    assert {found.journal for found in rows.values()} == {kept}
    assert ground.sweep().failures == []
    assert ground.rig.left() == {}
    assert list(ground.store.abandoned_path.iterdir()) == []


def test_what_a_dropped_machine_shared_stays_for_the_others(ground: Ground) -> None:
    for name in ("dev1", "dev2"):
        ground.create(name)
    blind = Store(ground.store.path, {"HOME": "/nonexistent"})
    Removal(blind, force=True).finish("dev1", ground.rig.report)
    swept = ground.sweep()
    assert (swept.failures, list(ground.store.abandoned_path.iterdir())) == ([], [])
    assert {each.kind for each in swept.removed} == {"instance", "key-pair"}
    assert ground.rig.left()["security groups"] == 1


def test_a_route_of_a_released_instance_is_known_from_its_journal(ground: Ground) -> None:
    machine = ground.create(route_cidr="10.9.0.0/24")
    blind = Store(ground.store.path, {"HOME": "/nonexistent"})
    Removal(blind, force=True).finish("dev1", ground.rig.report)
    cloud = ground.rig.driver()._cloud
    state = ground.rig.cloud.state
    (entry,) = state.route_entries
    with state.transaction():
        state.route_entries.remove(entry.id)
    cloud.ecs.delete_instance(machine.driver.config()["InstanceId"])
    with state.transaction():
        state.route_entries.put(entry)
    while cloud.ecs.instance(machine.driver.config()["InstanceId"]):
        time.sleep(0.01)
    assert "route-entry" in ground.kinds(Standing.ORPHAN)
    assert ground.sweep().failures == []
    assert ground.rig.left() == {}


def test_another_account_does_not_take_the_journal_away(ground: Ground) -> None:
    ground.create()
    blind = Store(ground.store.path, {"HOME": "/nonexistent"})
    Removal(blind, force=True).finish("dev1", ground.rig.report)
    (kept,) = ground.store.abandoned_path.iterdir()
    account = ground.rig.cloud.state.account.id
    kept.write_text(kept.read_text().replace(account, "1000000000000000"))
    ((_, error),) = ground.sweep().failures
    assert "account 1000000000000000" in error.message
    assert kept.exists()
    assert ground.rig.left()["instances"] == 1


def test_an_address_that_serves_another_machine_is_no_leftover(ground: Ground) -> None:
    lost = ground.create(allocate_eip=True)
    kept = ground.create("dev2", private_address_only=True)
    (eip,) = ground.rig.cloud.state.eips
    vpc = ground.rig.driver()._cloud.vpc
    vpc.unassociate_eip(eip.id, lost.driver.config()["InstanceId"])
    vpc.associate_eip(eip.id, kept.driver.config()["InstanceId"])
    ground.store.remove("dev1")
    assert ground.kinds(Standing.ORPHAN) == ["instance", "key-pair"]
    assert ground.sweep().failures == []
    (eip,) = ground.rig.cloud.state.eips
    assert eip.instance_id == kept.driver.config()["InstanceId"]
    ground.store.remove("dev2")
    assert ground.sweep().failures == []
    # nothing uses it any more
    assert ground.sweep().failures == []
    assert ground.rig.left() == {}


def test_an_address_whose_tags_did_not_come_is_known_by_its_name(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.create(allocate_eip=True)
    state = ground.rig.cloud.state
    with state.transaction():
        for tag_set in [each for each in state.tag_sets if each.id.startswith("eip/")]:
            state.tag_sets.remove(tag_set.id)
    assert "eip" in ground.kinds(Standing.OWNED)
    ground.store.remove("dev1")
    # what the same create made, and has its tags, says whose it is
    (found,) = [each for each in ground.survey() if each.resource.kind == "eip"]
    assert (found.standing, found.store_id) == (Standing.ORPHAN, STORE_ID)
    # alone it is nobody's: it may be of another store, and stays unless that is named
    monkeypatch.setattr(sweeping, "_with_store_ids", list)
    (found,) = [each for each in ground.survey() if each.resource.kind == "eip"]
    assert (found.standing, found.store_id) == (Standing.FOREIGN, "unknown")


def test_a_protected_instance_keeps_what_it_uses(ground: Ground) -> None:
    ground.create(deletion_protection=True, allocate_eip=True)
    ground.store.remove("dev1")
    swept = ground.sweep()
    assert {what.split()[0] for what, _ in swept.failures} == {
        *("instance", "eip", "key-pair", "security-group")
    }
    assert ground.rig.left()["addresses"] == ground.rig.left()["key pairs"] == 1


def test_a_detached_disk_of_ours_is_an_orphan(ground: Ground) -> None:
    cloud = ground.rig.driver()._cloud
    zone = next(iter(ground.rig.cloud.state.vswitches)).zone
    answer = cloud.ecs.call("CreateDisk", ZoneId=zone, Size=20, DiskCategory="cloud_efficiency")
    cloud.ecs.tag("disk", [answer.required("DiskId")], {"ecsmachine:store": STORE_ID})
    assert ground.kinds(Standing.ORPHAN) == ["disk"]
    assert ground.sweep().failures == []
    assert ground.rig.left() == {}


def interface_of(ground: Ground, group_id: str, **more: Any) -> str:
    """Make a network interface; return its id."""
    cloud = ground.rig.driver()._cloud
    vswitch = next(iter(ground.rig.cloud.state.vswitches))
    values = {"VSwitchId": vswitch.id, "SecurityGroupId": group_id, **more}
    return cloud.ecs.call("CreateNetworkInterface", **values).required("NetworkInterfaceId")


def test_detached_network_interfaces_of_ours_are_orphans(ground: Ground) -> None:
    lost = ground.create()
    config = lost.driver.config()
    group = config["SecurityGroupId"]
    ours = {"Tag.1.Key": "ecsmachine:store", "Tag.1.Value": STORE_ID}
    free = interface_of(ground, group, **ours)
    attached = interface_of(ground, group, DeleteOnRelease="false", **ours)
    cloud = ground.rig.driver()._cloud
    both = {"InstanceId": config["InstanceId"], "NetworkInterfaceId": attached}
    cloud.ecs.call("AttachNetworkInterface", **both)
    interfaces = ground.rig.cloud.state.network_interfaces
    while (there := interfaces.get(attached)) and there.status != "InUse":
        time.sleep(0.01)
    assert ground.kinds(Standing.ORPHAN) == ["network-interface"]
    assert ground.sweep().failures == []
    assert free not in interfaces and attached in interfaces
    # The one that outlives its instance keeps the group, until it is swept itself.
    ground.store.remove("dev1")
    ((_, error),) = ground.sweep().failures
    assert f"security-group {group} is still used by {attached}" in error.message
    assert ground.kinds(Standing.ORPHAN) == ["network-interface", "security-group"]
    assert ground.sweep().failures == []
    assert ground.rig.left() == {}


def test_what_a_foreign_network_interface_uses_stays(ground: Ground) -> None:
    group = ground.create().driver.config()["SecurityGroupId"]
    theirs = interface_of(ground, group)
    ground.store.remove("dev1")
    ((_, error),) = ground.sweep().failures
    assert error.message.endswith(f"is still used by {theirs}")
    assert ground.rig.left() == {"network interfaces": 1, "security groups": 1}


def test_a_removal_that_fails_does_not_keep_the_others(ground: Ground) -> None:
    ground.create()
    ground.store.remove("dev1")
    ground.rig.front.faults["DeleteKeyPairs"] = ["Forbidden.RAM"]
    ((what, error),) = ground.sweep().failures
    assert "key-pair" in what and "Forbidden.RAM" in error.message
    assert ground.rig.left() == {"key pairs": 1}
    assert ground.sweep().failures == []
    assert ground.rig.left() == {}


def test_what_an_hour_costs_is_told_with_the_disks(ground: Ground) -> None:
    ground.create("small")
    ground.create("large", disk_size=200)
    for name in ("small", "large"):
        ground.store.remove(name)
    costs = {
        found.machine_name: found.cost
        for found in ground.survey()
        if found.resource.kind == "instance"
    }
    small, large = costs["small"], costs["large"]
    assert small is not None and large is not None
    assert 0 < small.amount < large.amount
    assert small.currency == large.currency == "CNY"


def test_a_price_that_is_refused_is_not_told(ground: Ground) -> None:
    ground.create()
    ground.store.remove("dev1")
    ground.rig.front.faults["DescribePrice"] = ["Forbidden.RAM"]
    assert {found.cost for found in ground.survey()} == {None}
    assert ground.sweep().failures == []


def test_all_regions_are_known(ground: Ground) -> None:
    assert ground.rig.cloud.region in registry.regions(
        "aliyunecs", ground.store.context(""), ground.values
    )


def test_an_account_without_regions_has_nothing_left(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(registry, "regions", lambda *given: [])
    capsys.readouterr()
    assert run(["sweep", "--dry-run", "--all-regions"], ground.rig.program_environment()) == 0
    assert capsys.readouterr().out == "Nothing is left.\n"


def _public_key(ground: Ground) -> str:
    from ecsmachine.ssh.keys import ensure_key_pair

    return ensure_key_pair(ground.rig.store.with_name("key") / "id_rsa", "theirs")


def _balancer(ground: Ground) -> str:
    answer = ground.rig.driver()._cloud.slb.call("CreateLoadBalancer", LoadBalancerName="lb")
    return answer.required("LoadBalancerId")
