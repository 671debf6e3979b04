"""Create and remove through the API: what is made, what is asked for, what is left."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.aliyun import ecs_changes
from ecsmachine.aliyun.ecs import EcsClient
from ecsmachine.drivers import registry
from ecsmachine.drivers.aliyunecs.resources import key_pair
from ecsmachine.drivers.base import ProtectedError, State
from ecsmachine.drivers.capabilities import FirstPassword
from ecsmachine.drivers.host_name import host_name_for
from ecsmachine.drivers.tagged import tag_of
from ecsmachine.ssh.keys import ensure_key_pair
from tests.api.driver_rig import Rig

PASSWORD = "Passw0rd-x"


def only(items: Any) -> Any:
    (item,) = items
    return item


def test_a_whole_life(rig: Rig) -> None:
    driver, journal = rig.create()
    instance = only(rig.cloud.state.instances)
    assert driver.state() is State.RUNNING
    assert driver.address() == instance.public_ip
    assert driver.url() == f"tcp://{instance.public_ip}:2376"
    assert list(driver.addresses()) == [instance.public_ip, instance.private_ip]
    assert {resource.kind for resource in journal.resources()} == {
        "security-group",
        "key-pair",
        "instance",
    }
    loaded = rig.loaded(driver)
    loaded.stop(rig.report)
    assert loaded.state() is State.STOPPED
    loaded.stop(rig.report)
    loaded.start(rig.report)
    loaded.start(rig.report)
    assert loaded.state() is State.RUNNING
    loaded.restart(rig.report)
    assert loaded.state() is State.RUNNING
    loaded.kill(rig.report)
    assert loaded.state() is State.STOPPED
    loaded.remove(journal, rig.report)
    assert rig.left() == {}
    assert not journal.resources()
    assert driver.state() is State.NOT_FOUND


def test_what_the_instance_is_made_with(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("#!/bin/sh\n")
    driver, _ = rig.create(
        instance_type="ecs.g6.large",
        description="A host",
        tag=["env=prod", "query=a=b"],
        ram_role="my-role",
        user_data=str(tmp_path / "data"),
        internet_max_bandwidth=7,
        internet_charge_type="PayByBandwidth",
        system_disk_size=50,
        system_disk_category="cloud_essd",
        disk_size=100,
        disk_category="cloud_efficiency",
        private_ip=None,
        resource_group_id="rg-1",
        auto_release_time="8h",
        spot_strategy="SpotWithPriceLimit",
        spot_price_limit="0.5",
    )
    instance = only(rig.cloud.state.instances)
    assert (instance.name, instance.host_name, instance.description) == ("dev1", "dev1", "A host")
    assert instance.instance_type == "ecs.g6.large"
    assert (instance.ram_role, instance.resource_group_id) == ("my-role", "rg-1")
    assert (instance.bandwidth_out, instance.internet_charge_type) == (7, "PayByBandwidth")
    assert instance.user_data
    assert instance.auto_release
    assert (instance.spot_strategy, instance.spot_price_limit) == ("SpotWithPriceLimit", 0.5)
    disks = {disk.kind: disk for disk in rig.cloud.state.disks}
    assert (disks["system"].size_gib, disks["system"].category) == (50, "cloud_essd")
    assert (disks["data"].size_gib, disks["data"].category) == (100, "cloud_efficiency")
    assert disks["data"].delete_with_instance
    disk = driver.data_disk()
    assert disk is not None
    assert (disk.size_gib, disk.serial) == (100, disks["data"].serial_number)
    body = next(
        body
        for body in rig.front.bodies
        if "ClientToken" in body and body["Action"] == "RunInstances"
    )
    tags = {body[f"Tag.{n}.Key"]: body[f"Tag.{n}.Value"] for n in range(1, 6)}
    assert tags["env"] == "prod"
    assert tags["query"] == "a=b"
    assert tags["ecsmachine:machine"] == "dev1"
    assert tags["ecsmachine:store"] == "store-1"
    assert len(tags["ecsmachine:create"]) == 16


def test_nothing_travels_in_a_url(rig: Rig) -> None:
    rig.create(ssh_password=PASSWORD)
    assert set(rig.front.urls) == {"/"}


def test_only_ssh_and_the_engine_are_open(rig: Rig) -> None:
    rig.create()
    rules = list(only(rig.cloud.state.security_groups).rules)
    assert {(rule.protocol.lower(), rule.port_range, rule.cidr) for rule in rules} == {
        ("tcp", "22/22", "0.0.0.0/0"),
        ("tcp", "2376/2376", "0.0.0.0/0"),
    }


def test_a_private_machine_has_no_public_address(rig: Rig) -> None:
    driver, _ = rig.create(private_address_only=True)
    instance = only(rig.cloud.state.instances)
    assert (instance.public_ip, instance.bandwidth_out) == ("", 0)
    assert driver.address() == instance.private_ip
    assert list(driver.addresses()) == [instance.private_ip]


def test_a_fixed_private_address(rig: Rig) -> None:
    vswitch = only(rig.cloud.state.vswitches)
    wanted = vswitch.cidr.rsplit(".", 1)[0] + ".77"
    driver, _ = rig.create(private_ip=wanted, vswitch_id=vswitch.id)
    assert wanted in driver.addresses()


def test_a_generated_key_reaches_the_host(rig: Rig) -> None:
    driver, _ = rig.create()
    key = rig.store / "machines" / "dev1" / "id_rsa"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    public = key.with_name("id_rsa.pub").read_text().split()
    assert only(rig.cloud.state.key_pairs).public_key.split()[:2] == public[:2]
    assert only(rig.cloud.state.instances).key_pair == only(rig.cloud.state.key_pairs).name
    target = driver.ssh_target()
    assert (target.key_path, target.password, target.user) == (key, None, "root")
    assert driver.authorized_key() is None


def test_a_password_is_for_the_first_login_only(rig: Rig) -> None:
    driver, journal = rig.create(ssh_password=PASSWORD)
    assert only(rig.cloud.state.instances).has_password
    assert driver.ssh_target().password == PASSWORD
    key = driver.authorized_key()
    assert key is not None
    assert key.startswith("ecdsa-sha2-nistp256 ")
    assert not rig.cloud.state.key_pairs
    loaded = rig.loaded(driver)
    assert loaded.ssh_target().password is None
    assert loaded.ssh_target().key_path == rig.store / "machines" / "dev1" / "id_rsa"
    assert loaded.authorized_key() is None
    # until it is provisioned, the host knows no key: the password may be given again
    given = replace(rig.context(), environment={**rig.environment, "ECS_SSH_PASSWORD": PASSWORD})
    again = registry.load("aliyunecs", given, driver.config())
    assert isinstance(again, FirstPassword)
    assert (again.first_password(), again.authorized_key()) == (PASSWORD, key)
    assert again.ssh_target().password is None
    loaded.remove(journal, rig.report)
    assert rig.left() == {}
    written = b"".join(path.read_bytes() for path in rig.store.rglob("*") if path.is_file())
    assert PASSWORD.encode() not in written
    assert PASSWORD not in repr(driver.config())


def test_a_key_path_alone_puts_its_key_on_the_host(rig: Rig, tmp_path: Path) -> None:
    public = ensure_key_pair(tmp_path / "mine", "me")
    driver, journal = rig.create(ssh_keypath=str(tmp_path / "mine"))
    assert only(rig.cloud.state.key_pairs).public_key.split()[:2] == public.split()[:2]
    assert driver.ssh_target().key_path == rig.store / "machines" / "dev1" / "id_rsa"
    driver.remove(journal, rig.report)
    assert rig.left() == {}
    assert (tmp_path / "mine").exists()


def test_a_key_pair_that_was_given_to_another_instance_stays(rig: Rig) -> None:
    driver, journal = rig.create()
    pair = only(rig.cloud.state.key_pairs)
    other, _ = rig.create("dev2", ssh_password=PASSWORD)
    state = rig.cloud.state
    with state.transaction():
        instance = state.instances.get(other.config()["InstanceId"])
        assert instance is not None
        state.instances.put(replace(instance, key_pair=pair.name))
    rig.loaded(driver).remove(journal, rig.report)
    assert journal.resources() == ()
    assert only(state.key_pairs).name == pair.name
    assert only(state.instances).name == "dev2"


def test_a_removed_instance_whose_id_is_forgotten_is_not_another(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ECS may tell of it for a while, and refuse to remove its key pair until then."""
    _, journal = rig.create()
    state = rig.cloud.state
    tries: list[list[str]] = []
    delete = EcsClient.delete_key_pairs

    def delete_later(self: EcsClient, names: list[str]) -> None:
        tries.append(names)
        if len(tries) == 2:
            rig.change(key_pair="")
        delete(self, names)

    monkeypatch.setattr(EcsClient, "delete_key_pairs", delete_later)
    resource = journal.find(key_pair.KIND)
    assert resource is not None
    cloud = rig.driver()._cloud
    key_pair.remove_key_pair(cloud, resource, "", rig.report, patience_s=0)
    assert len(tries) == 2
    assert list(state.key_pairs) == []


def test_a_key_pair_of_the_users_stays(rig: Rig, tmp_path: Path) -> None:
    public = ensure_key_pair(tmp_path / "mine", "me")
    ecs = rig.driver()._cloud.ecs
    ecs.import_key_pair("theirs", public, tags={})
    driver, journal = rig.create(ssh_keypath=str(tmp_path / "mine"), ssh_keypair="theirs")
    assert only(rig.cloud.state.instances).key_pair == "theirs"
    assert driver.config()["SSHKeyPairName"] == "theirs"
    driver.remove(journal, rig.report)
    assert rig.left() == {"key pairs": 1}


def test_machines_share_a_security_group_and_the_last_removes_it(rig: Rig) -> None:
    first, first_journal = rig.create("one")
    second, second_journal = rig.create("two")
    assert len(rig.cloud.state.security_groups) == 1
    first.remove(first_journal, rig.report)
    assert not first_journal.resources()
    assert rig.left()["security groups"] == 1
    second.remove(second_journal, rig.report)
    assert rig.left() == {}


def test_a_security_group_of_the_users_is_used_and_stays(rig: Rig) -> None:
    vpc = only(rig.cloud.state.vpcs)
    ecs = rig.driver()._cloud.ecs
    group = ecs.create_security_group(
        "mine", vpc_id=vpc.id, description="x" * 3, tags={}, token="t-1"
    )
    driver, journal = rig.create(security_group="mine")
    assert only(rig.cloud.state.instances).security_group_ids == (group,)
    assert len(only(rig.cloud.state.security_groups).rules) == 2
    driver.remove(journal, rig.report)
    assert rig.left() == {"security groups": 1}
    driver, journal = rig.create("dev2", security_group=group)
    assert only(rig.cloud.state.instances).security_group_ids == (group,)


def test_a_region_without_default_vpc_gets_one_that_machines_share(rig: Rig) -> None:
    first, first_journal = rig.create("one", region="eu-central-1")
    second, second_journal = rig.create("two", region="eu-central-1")
    left = rig.left()
    assert (left["VPCs"], left["VSwitches"], left["instances"]) == (1, 1, 2)
    first.remove(first_journal, rig.report)
    assert rig.left()["VPCs"] == 1
    second.remove(second_journal, rig.report)
    assert rig.left() == {}


@pytest.mark.parametrize("action", ["CreateSecurityGroup", "CreateVSwitch", "RunInstances"])
def test_a_network_that_the_last_rm_has_just_removed_is_made_anew(rig: Rig, action: str) -> None:
    first, first_journal = rig.create("one", region="eu-central-1", security_group="others")
    goes: list[bool] = []

    def remove_the_first(point: str) -> None:
        if goes and point == f"before api {action}":
            goes.clear()
            first.remove(first_journal, rig.report)

    wanted = {"region": "eu-central-1"}
    if action == "CreateVSwitch":
        there = only(each for each in rig.cloud.state.vswitches if not each.is_default).zone
        wanted["zone"] = next(each for each in first._cloud.ecs.zone_ids() if each != there)
    second = rig.driver("two", checkpoint=remove_the_first, **wanted)
    journal = rig.journal("two")
    second.pre_create_check(rig.report)
    goes.append(True)
    second.create(journal, rig.report, lambda: None)
    assert not goes
    left = rig.left()
    assert [left[kind] for kind in ("VPCs", "VSwitches", "security groups", "instances")] == [1] * 4
    second.remove(journal, rig.report)
    assert rig.left() == {}


def test_a_named_zone_without_vswitch_gets_one_in_the_default_vpc(rig: Rig) -> None:
    zone = only(rig.cloud.state.vswitches).zone
    other = next(each for each in rig.driver()._cloud.ecs.zone_ids() if each != zone)
    driver, journal = rig.create(zone=other)
    assert only(rig.cloud.state.instances).zone == other
    driver.remove(journal, rig.report)
    assert rig.left() == {}


@pytest.mark.parametrize("status", ["Running", "Stopped", "gone"])
def test_rm_in_whatever_state(rig: Rig, status: str) -> None:
    driver, journal = rig.create()
    if status == "Stopped":
        driver.kill(rig.report)
    if status == "gone":
        driver._cloud.ecs.delete_instance(driver.config()["InstanceId"])
    rig.loaded(driver).remove(journal, rig.report)
    assert rig.left() == {}
    assert not journal.resources()


def test_rm_of_a_protected_machine_refuses_until_it_is_unprotected(rig: Rig) -> None:
    driver, journal = rig.create(deletion_protection=True)
    journal.finish()
    with pytest.raises(ProtectedError, match="DeletionProtection") as caught:
        driver.remove(journal, rig.report)
    assert "disable deletion protection" in (caught.value.hint or "")
    assert rig.left()["instances"] == 1
    assert len(journal.resources()) == 3
    instance_id = driver.config()["InstanceId"]
    ecs_changes.set_attribute(driver._cloud.ecs, instance_id, "DeletionProtection", False)
    driver.remove(journal, rig.report)
    assert rig.left() == {}


@pytest.mark.parametrize("kept", [{"deletion_protection": True}, {"charge_type": "PrePaid"}])
def test_rm_takes_nothing_from_an_instance_that_stays(rig: Rig, kept: dict[str, Any]) -> None:
    driver, journal = rig.create(allocate_eip=True, **kept)
    journal.finish()
    before = rig.left()
    for remove in (driver.remove, driver.remove_own):
        with pytest.raises(ProtectedError, match=r"deletion protection|is a subscription until"):
            remove(journal, rig.report)
    assert (rig.left(), before["addresses"]) == (before, 1)


def test_a_half_made_protected_machine_can_be_taken_back(rig: Rig) -> None:
    driver, journal = rig.create(deletion_protection=True)
    driver.remove(journal, rig.report)
    assert rig.left() == {}


def test_with_keys_of_another_account_nothing_counts_as_gone(rig: Rig) -> None:
    from ecsmachine.errors import MachineError

    driver, journal = rig.create()
    config = driver.config()
    config["AccountId"] = "999"
    driver._cloud.ecs.delete_instance(config["InstanceId"])
    from ecsmachine.drivers import registry

    other = registry.load("aliyunecs", rig.context(), config)
    with pytest.raises(MachineError, match="belongs to account 999"):
        other.remove(journal, rig.report)
    assert any(resource.kind == "instance" for resource in journal.resources())


def test_a_machine_of_docker_machine_is_removed_by_its_config(rig: Rig) -> None:
    driver, journal = rig.create()
    for resource in list(journal.resources()):
        journal.removed(resource)
    rig.loaded(driver).remove(journal, rig.report)
    left = rig.left()
    assert "instances" not in left
    assert "disks" not in left


def test_refresh_learns_a_new_address(rig: Rig) -> None:
    driver, _ = rig.create()
    config = driver.config()
    config["IPAddress"] = "192.0.2.1"
    from ecsmachine.drivers import registry

    loaded = registry.load("aliyunecs", rig.context(), config)
    loaded.refresh()
    assert loaded.address() == driver.address()


def test_eight_at_once_share_what_is_shared(rig: Rig) -> None:
    from concurrent.futures import ThreadPoolExecutor

    names = [f"web-{number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        made = dict(zip(names, pool.map(lambda name: rig.create(name), names), strict=True))
    assert len(rig.cloud.state.instances) == 8
    addresses = {driver.address() for driver, _ in made.values()}
    assert len(addresses) == 8
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda each: each[0].remove(each[1], rig.report), made.values()))
    assert rig.left() == {}


@pytest.mark.parametrize("name", ["runner-" + "x" * 63, "a..b", "x-", "1", "x" * 200])
def test_names_that_the_cloud_or_a_host_cannot_bear(name: str, rig: Rig) -> None:
    driver, journal = rig.create(name, disk_size=20)
    instance = only(rig.cloud.state.instances)
    if name != "1":  # ECS takes no host name of one character: provisioning gives it
        assert instance.host_name == host_name_for(name)
    sent = next(body for body in rig.front.bodies if body["Action"] == "RunInstances")
    assert len(sent["InstanceName"]) <= 128
    assert len(sent["DataDisk.1.DiskName"]) <= 128
    assert tag_of(name) in sent.values()
    driver.remove(journal, rig.report)
    assert rig.left() == {}
