"""What an every-day command reads of a machine is refused where the store refuses it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.drivers.aliyunecs.life.record import Record
from ecsmachine.drivers.aliyunecs.options.stored import FIELDS
from ecsmachine.drivers.base_fields import BaseFields
from ecsmachine.errors import MachineError
from ecsmachine.machine.store import Store
from ecsmachine.machine.stored import certificates_last, stored_config, stored_machine
from tests.unit.stand_ins import add_machine

ODD: tuple[Any, ...] = (
    *("a\nb", "\u2028", "a b", "-x", "198.18.0.1 ", "tcp://x:99999"),
    *(7, -1, 0.5, True, None, ["a\nb"], {"a": 7}, {"a\n": "b"}),
)


def configuration(store: Store, driver: str) -> tuple[Path, dict[str, Any]]:
    """Return the place of a sound configuration, and what it holds."""
    add_machine(store, "dev1")
    path = store.directory("dev1") / "config.json"
    config: dict[str, Any] = json.loads(path.read_text())
    base = BaseFields("dev1", store.path, ip_address="198.51.100.7", ssh_key_path=path / "id_rsa")
    config["DriverName"] = driver
    config["Driver"] = Record(base, region="cn-hangzhou", host_name="dev1").to_config()
    if driver == "generic":
        config["Driver"] = {**base.to_config(), "EnginePort": 2377, "SSHKey": "/home/me/key"}
    path.write_text(json.dumps(config))
    return path, config


def places(config: dict[str, Any], *above: str) -> Iterator[tuple[str, ...]]:
    """Yield the place of every value in a configuration, that of objects as well."""
    for name, value in config.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from places(value, *above, name)


def changed(config: dict[str, Any], place: tuple[str, ...], value: Any) -> dict[str, Any]:
    first, *rest = place
    return {**config, first: changed(config[first], tuple(rest), value) if rest else value}


@pytest.mark.parametrize("driver", ["aliyunecs", "generic"])
def test_what_the_store_refuses_is_not_read_in_the_short_way(driver: str, store: Store) -> None:
    path, config = configuration(store, driver)
    taken = stored_machine(str(store.path), "dev1")
    assert taken is not None
    assert taken.address == store.load("dev1").driver.address() == "198.51.100.7"
    assert taken.url == store.load("dev1").driver.url()
    refused = 0
    for place in places(config):
        for value in ODD:
            path.write_text(json.dumps(changed(config, place, value)))
            short = stored_machine(str(store.path), "dev1")
            try:
                machine = store.load("dev1")
            except MachineError:
                refused += 1
                assert short is None, (place, value)
                continue
            if short is not None:
                told = (short.address, short.url, short.driver_name)
                known = machine.driver
                assert told == (known.address(), known.url(), known.name), (place, value)
                assert str(machine.auth.machine_dir) == short.machine_dir
                assert str(machine.auth.client_dir) == short.client_dir
    assert refused > len(FIELDS)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"ConfigVersion": 3}', b"\xff", b"{}" * 9])
def test_what_is_no_configuration_is_left_to_the_store(content: bytes, store: Store) -> None:
    path, _ = configuration(store, "generic")
    path.write_bytes(content)
    assert stored_machine(str(store.path), "dev1") is None
    assert stored_config(str(store.path), "dev1") is None


@pytest.mark.parametrize("name", ["", ".", "..", "dev2", ".locks", "x/../dev1", "dev1/"])
def test_another_name_is_left_to_the_store(name: str, store: Store) -> None:
    configuration(store, "generic")
    assert stored_machine(str(store.path), name) is None
    assert stored_config(str(store.path), name) is None


def test_a_store_without_its_name_is_left_to_the_store(store: Store) -> None:
    configuration(store, "generic")
    (store.path / ".store-id").write_text("two words")
    assert stored_machine(str(store.path), "dev1") is None
    with pytest.raises(MachineError, match="what it holds is not an id: "):
        store.load("dev1")


def test_the_ends_of_certificates_are_looked_at(store: Store) -> None:
    add_machine(store, "dev1")
    assert certificates_last(str(store.path), "dev1")
    (store.directory("dev1") / "cert.pem").write_bytes(b"none")
    assert certificates_last(str(store.path), "dev1")
