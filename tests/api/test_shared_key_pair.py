"""Machines of one create have one key pair: it goes with the last of them, and is never lost."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.aliyun.ecs import EcsClient
from ecsmachine.cli.app import run
from ecsmachine.drivers import registry
from ecsmachine.drivers.options import OptionValue
from ecsmachine.machine import sweep, transfer
from ecsmachine.machine.create_many import create_many
from ecsmachine.machine.create_request import CreateRequest
from ecsmachine.machine.removal import Removal
from ecsmachine.machine.store import Store
from tests.api.deaths import Crash, Death
from tests.api.driver_rig import ENGINE, Rig

PASSPHRASE = "correct horse"


def program(rig: Rig, *arguments: str, status: int = 0) -> None:
    assert run(list(arguments), rig.program_environment()) == status


def create(rig: Rig, *arguments: str) -> None:
    program(rig, "create", "-d", "aliyunecs", "--no-provision", *arguments)


def values_of(rig: Rig) -> dict[str, OptionValue]:
    defaults = {each.name: each.default for each in registry.options_of("aliyunecs")}
    place = {
        "aliyunecs-region": rig.cloud.region,
        "aliyunecs-instance-type": rig.instance_type,
        "aliyunecs-api-endpoint": rig.front.endpoint,
    }
    return {**defaults, **place}


def public_keys(rig: Rig) -> set[str]:
    return {path.read_text() for path in (rig.store / "machines").glob("*/id_rsa.pub")}


def shared_in(store: Store, name: str) -> list[str | None]:
    resources = store.journal(name).resources()
    return [each.id for each in resources if each.kind == "shared-key-pair"]


def test_the_last_machine_takes_the_key_pair_with_it(rig: Rig) -> None:
    create(rig, "web", "--count", "4")
    (pair,) = rig.cloud.state.key_pairs
    store = Store(rig.store, rig.environment)
    assert [shared_in(store, name) for name in store.names()] == [[pair.name]] * 4
    assert {store.config(name)["Driver"]["SSHKeyPairName"] for name in store.names()} == {pair.name}
    assert len(public_keys(rig)) == 1
    assert pair.public_key.split()[:2] == public_keys(rig).pop().split()[:2]
    assert {each.key_pair for each in rig.cloud.state.instances} == {pair.name}
    program(rig, "rm", "-y", "web-1")
    program(rig, "rm", "-y", "web-2", "web-3")
    assert [each.name for each in rig.cloud.state.key_pairs] == [pair.name]
    program(rig, "rm", "-y", "web-4")
    assert rig.left() == {}


def test_each_machine_may_have_a_key_of_its_own(rig: Rig) -> None:
    create(rig, "web", "--count", "3", "--aliyunecs-ssh-key-per-machine")
    assert len(public_keys(rig)) == rig.left()["key pairs"] == 3
    program(rig, "rm", "-y", "*")
    assert rig.left() == {}


def test_no_create_takes_the_key_of_another(rig: Rig) -> None:
    other = Rig(rig.cloud, rig.front, rig.store.with_name("other"))
    create(rig, "web", "--count", "2")
    create(rig, "db", "--count", "2")
    create(other, "web", "--count", "2")
    assert len(public_keys(rig)) == 2
    assert rig.left()["key pairs"] == 3
    program(rig, "rm", "-y", "*")
    assert {each.key_pair for each in rig.cloud.state.instances} == {
        each.name for each in rig.cloud.state.key_pairs
    }
    program(other, "rm", "-y", "*")
    # the group was made by one of the stores, and the other's machines used it
    assert set(rig.left()) <= {"security groups"}


def test_a_key_of_the_users_is_imported_once(rig: Rig, tmp_path: Path) -> None:
    from ecsmachine.ssh.keys import ensure_key_pair

    ensure_key_pair(tmp_path / "mine", "me")
    own = ("--aliyunecs-ssh-keypath", str(tmp_path / "mine"))
    create(rig, "web", "--count", "2", *own)
    create(rig, "db", "--count", "2", *own)
    assert rig.left()["key pairs"] == 1
    program(rig, "rm", "-y", "web-*")
    assert rig.left()["key pairs"] == 1
    program(rig, "rm", "-y", "db-*")
    assert rig.left() == {}


def test_one_that_another_rm_removed_is_imported_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    imports = EcsClient.import_key_pair
    asked: list[str] = []

    def import_from_the_second_on(self: EcsClient, name: str, *rest: Any, **more: Any) -> Any:
        asked.append(name)
        return imports(self, name, *rest, **more) if len(asked) > 1 else None

    monkeypatch.setattr(EcsClient, "import_key_pair", import_from_the_second_on)
    create(rig, "web", "--count", "2")
    assert len(asked) > 1
    assert len(set(asked)) == rig.left()["key pairs"] == 1
    program(rig, "rm", "-y", "*")
    assert rig.left() == {}


def test_what_is_left_of_lost_machines_is_swept(rig: Rig) -> None:
    create(rig, "web", "--count", "3")
    store = Store(rig.store, rig.environment)
    for name in ("web-1", "web-2"):
        store.remove(name)
    program(rig, "sweep", "-y")
    assert (rig.left()["instances"], rig.left()["key pairs"]) == (1, 1)
    store.remove("web-3")
    program(rig, "sweep", "-y")
    assert rig.left() == {}


def test_a_machine_that_moved_to_another_store_keeps_it(rig: Rig) -> None:
    create(rig, "web", "--count", "2")
    store = Store(rig.store, rig.environment)
    other = Store(rig.store.with_name("other"), rig.environment)
    transfer.import_machine(other, transfer.export_machine(store, "web-2", PASSPHRASE), PASSPHRASE)
    store.remove("web-2")
    program(rig, "rm", "-y", "web-1")
    assert (rig.left()["instances"], rig.left()["key pairs"]) == (1, 1)
    tagged = registry.tagged_resources("aliyunecs", store.context(""), values_of(rig))
    (found,) = [
        each for each in sweep.survey(store, tagged) if each.resource.kind == "shared-key-pair"
    ]
    assert found.standing is sweep.Standing.ORPHAN
    ((_, error),) = sweep.sweep(store, tagged, [found], rig.report).failures
    assert "is still used by i-" in error.message
    Removal(other).finish("web-2", rig.report)
    assert rig.left() == {}


def test_a_machine_that_is_adopted_again_has_it(rig: Rig) -> None:
    create(rig, "web", "--count", "2")
    store = Store(rig.store, rig.environment)
    (pair,) = rig.cloud.state.key_pairs
    instance_id = store.config("web-2")["Driver"]["InstanceId"]
    store.remove("web-2")
    tagged = registry.tagged_resources("aliyunecs", store.context(""), values_of(rig))
    (owner,) = [each for each in tagged.find() if each.id == instance_id]
    context = store.context("web-2")
    context.directory.mkdir()
    journal = store.journal("web-2")
    journal.begin_adoption(owner.create_id)
    key = {"aliyunecs-ssh-keypath": str(rig.store / "machines" / "web-1" / "id_rsa")}
    driver = tagged.adopt(owner, context, {**values_of(rig), **key}, journal)
    tagged.mark(context, journal, shared=True)
    journal.finish()
    assert shared_in(store, "web-2") == [pair.name]
    driver.remove(journal, rig.report)
    assert (rig.left()["instances"], rig.left()["key pairs"]) == (1, 1)
    store.remove("web-2")
    program(rig, "rm", "-y", "web-1")
    assert rig.left() == {}


@pytest.mark.parametrize("first", range(2))
def test_a_create_that_died_leaves_each_machine_removable(rig: Rig, first: int) -> None:
    values = {**values_of(rig), "aliyunecs-instance-type": ""}  # some die while they choose one
    requests = [
        CreateRequest(f"web-{number}", "aliyunecs", values, ENGINE, provision=False)
        for number in (1, 2)
    ]
    died = 0
    for number in range(first * 8, 300, 16):
        death = Death(number)
        with contextlib.suppress(Crash):
            create_many(
                Store(rig.store, rig.environment, checkpoint=death),
                requests,
                lambda name: rig.report,
                lambda outcome: None,
                parallel=2,
            )
        store = Store(rig.store, rig.environment)
        if number % 4 == 0:
            outcomes = create_many(
                store, requests, lambda name: rig.report, lambda outcome: None, parallel=2
            )
            assert [each.error for each in outcomes] == [None] * 2, death.at
            assert rig.left()["instances"] == 2, death.at
        listed = {each for name in store.names() for each in shared_in(store, name) if each}
        there = {pair.name for pair in rig.cloud.state.key_pairs}
        assert listed <= there, death.at
        for name in store.names():
            Removal(store).finish(name, rig.report)
        assert rig.left() == {}, death.at
        if not death.at:
            break
        died += 1
    assert died > 1
