from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.state import FILE_NAME, records
from ecsmachine.localcloud.state.addresses import free_addresses, pick_private, pick_public, usable
from ecsmachine.localcloud.state.balancers import Backend, LoadBalancer
from ecsmachine.localcloud.state.model import Eip, Rule, SecurityGroup, TagSet, VSwitch
from ecsmachine.localcloud.state.settings import Delays, Settings, StateError
from ecsmachine.localcloud.state.state import SCHEMA_VERSION, open_state


def tag_set(number: int, value: str = "v") -> TagSet:
    return TagSet(f"instance/i-{number}", "cn-hangzhou", {"k": value})


def test_a_new_cloud_has_keys_and_a_default_network(tmp_path: Path) -> None:
    state = open_state(
        tmp_path / "cloud", Settings(region="cn-beijing", vswitch_cidr="172.20.0.0/20")
    )
    assert state.region == "cn-beijing"
    assert state.account.access_key_id.startswith("LTAI")
    assert state.account.access_key_secret not in repr(state.account)
    vswitch = state.vswitches.get(state.default_vswitch_id)
    assert vswitch is not None
    assert vswitch.cidr == "172.20.0.0/20"
    assert vswitch.vpc_id == state.default_vpc_id
    state.close()


def test_ids_have_the_letters_of_their_region(tmp_path: Path) -> None:
    state = open_state(tmp_path, Settings(region="us-west-1"))
    assert state.default_vpc_id.startswith("vpc-rj9")
    assert state.default_vswitch_id.startswith("vsw-rj9")
    state.close()


def test_it_is_there_again_when_opened_again(tmp_path: Path) -> None:
    first = open_state(tmp_path)
    account, vpc_id = first.account, first.default_vpc_id
    with first.transaction():
        first.tag_sets.put(tag_set(2))
        first.tag_sets.put(tag_set(1))
        first.tag_sets.put(tag_set(2, "changed"))
    first.close()
    again = open_state(tmp_path, Settings(region="cn-beijing", delays=Delays(pending_s=1)))
    assert again.account == account
    assert again.default_vpc_id == vpc_id
    assert again.region == "cn-hangzhou"
    assert again.delays.pending_s == 1
    assert list(again.tag_sets) == [tag_set(2, "changed"), tag_set(1)]
    again.close()


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    open_state(tmp_path / "cloud").close()
    assert (tmp_path / "cloud").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "cloud" / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    state = open_state(tmp_path)
    with state.transaction():
        state.tag_sets.put(tag_set(1))
    called: list[str] = []

    class StopError(Exception):
        pass

    with pytest.raises(StopError), state.transaction():
        state.tag_sets.put(tag_set(1, "changed"))
        state.tag_sets.put(tag_set(2))
        state.vpcs.remove(state.default_vpc_id)
        state.after_commit(lambda: called.append("no"))
        raise StopError
    assert list(state.tag_sets) == [tag_set(1)]
    assert state.default_vpc_id
    assert called == []
    state.close()
    again = open_state(tmp_path)
    assert list(again.tag_sets) == [tag_set(1)]
    assert again.default_vpc_id
    again.close()


def test_an_inner_transaction_belongs_to_the_outer(tmp_path: Path) -> None:
    state = open_state(tmp_path)
    order: list[str] = []
    with pytest.raises(ValueError), state.transaction():
        with state.transaction():
            state.tag_sets.put(tag_set(1))
        raise ValueError
    assert len(state.tag_sets) == 0
    with state.transaction():
        with state.transaction():
            state.after_commit(lambda: order.append("after"))
        order.append("outer")
    assert order == ["outer", "after"]
    state.close()


def test_no_change_without_a_transaction(tmp_path: Path) -> None:
    state = open_state(tmp_path)
    with pytest.raises(RuntimeError):
        state.tag_sets.put(tag_set(1))
    assert len(state.tag_sets) == 0
    state.close()


def test_a_failed_write_is_taken_back(tmp_path: Path) -> None:
    state = open_state(tmp_path)
    other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    state._connection.execute("PRAGMA busy_timeout=0")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError), state.transaction():
        state.tag_sets.put(tag_set(1))
    assert len(state.tag_sets) == 0
    other.execute("ROLLBACK")
    other.close()
    with state.transaction():
        state.tag_sets.put(tag_set(1))
    assert len(state.tag_sets) == 1
    state.close()


@pytest.mark.parametrize(
    "settings",
    [
        Settings(region="nowhere"),
        Settings(public_pool="x"),
        Settings(public_pool="198.18.0.0/30"),
        Settings(vswitch_cidr="10.0.0.0/24"),
        Settings(delays=Delays(pending_s=-1)),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(StateError):
        open_state(tmp_path, settings)
    assert not (tmp_path / FILE_NAME).exists()


def test_a_file_of_a_newer_version(tmp_path: Path) -> None:
    open_state(tmp_path).close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(StateError, match="newer version"):
        open_state(tmp_path)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("this is no database, but it is long enough to look at")
    with pytest.raises(StateError, match="not a local cloud's database"):
        open_state(tmp_path)


def test_records_come_back_as_they_were() -> None:
    rule = Rule(
        id="sgr-1", direction="ingress", protocol="TCP", port_range="22/22", policy="Accept",
        priority=1, cidr="0.0.0.0/0", ipv6_cidr="", group_id="",
        source_port_range="", own_cidr="", own_ipv6_cidr="",
        description="é", created="2024-05-01T08:00:00Z",
    )  # fmt: skip
    group = SecurityGroup(
        id="sg-1", region="r", name="n", description="", vpc_id="v", kind="normal",
        created="c", rules=(rule, replace(rule, id="sgr-2")),
    )  # fmt: skip
    assert records.load(SecurityGroup, records.dump(group)) == group
    balancer = LoadBalancer(
        id="lb-1", region="r", name="n", address="198.18.0.2", address_type="internet",
        network_type="classic", vpc_id="", vswitch_id="", status="active", created="c",
        internet_charge_type="paybytraffic", bandwidth=1, spec="s", charge_type="p",
        master_zone="a", slave_zone="b", backends=(Backend("i-1", 100),),
    )  # fmt: skip
    assert records.load(LoadBalancer, records.dump(balancer)) == balancer


def test_fields_of_older_and_newer_versions() -> None:
    text = '{"id":"a/b","region":"r","tags":{"k":"v"},"of_a_newer_version":1}'
    assert records.load(TagSet, text) == TagSet("a/b", "r", {"k": "v"})
    assert records.load(TagSet, '{"id":"a/b","region":"r"}') == TagSet("a/b", "r", {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "it is not JSON"),
        ("[]", "it is of a kind (list)"),
        ('{"id":"a/b"}', "it has no region"),
        ('{"id":"a/b","region":null}', "region is of a kind (NoneType)"),
        ('{"id":"a/b","region":"r","tags":{"k":1}}', "tags.k is of a kind (int)"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(records.RecordError) as caught:
        records.load(TagSet, text)
    assert said in caught.value.message
    (tmp_path / "file").write_text(text)
    with pytest.raises(records.RecordError, match=r"/file cannot be read: (it|region|tags)"):
        records.read(TagSet, tmp_path / "file")
    open_state(tmp_path).close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("INSERT INTO resource (kind, id, body) VALUES ('TagSet', 'a/b', ?)", [text])
    connection.commit()
    connection.close()
    with pytest.raises(StateError, match="the TagSet a/b cannot be read") as refused:
        open_state(tmp_path)
    assert "local reset" in (refused.value.hint or "")


def small_vswitch() -> VSwitch:
    return VSwitch(
        id="vsw-1", region="cn-hangzhou", zone="cn-hangzhou-h", vpc_id="vpc-1", name="",
        description="", cidr="192.168.0.0/29", created="",
    )  # fmt: skip


def test_addresses_of_the_cloud_itself_are_never_given_out(tmp_path: Path) -> None:
    vswitch = small_vswitch()
    assert [a for a in range(8) if usable(vswitch, f"192.168.0.{a}")] == [1, 2, 3, 4]
    assert not usable(vswitch, "nonsense")
    state = open_state(tmp_path, Settings(reserved=("192.168.0.1", "198.18.0.2")))
    assert pick_private(state, vswitch) == "192.168.0.2"
    assert pick_public(state) == "198.18.0.3"
    assert free_addresses(state, vswitch) == 4
    state.close()


def test_the_public_pool_is_given_out_once_and_can_be_empty(tmp_path: Path) -> None:
    state = open_state(tmp_path, Settings(public_pool="198.18.5.0/29"))
    given = []
    with state.transaction(), pytest.raises(ApiError) as caught:
        for number in range(10):
            address = pick_public(state)
            given.append(address)
            state.eips.put(Eip(f"eip-{number}", "cn-hangzhou", address, "Available", ""))
    assert caught.value.code == "InsufficientPublicIp"
    assert given == [f"198.18.5.{n}" for n in (2, 3, 4, 5, 6)]
    state.close()
