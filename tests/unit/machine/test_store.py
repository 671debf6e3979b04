from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.drivers.base import DriverContext
from ecsmachine.drivers.base_fields import from_config
from ecsmachine.errors import MachineError
from ecsmachine.machine.model import Machine, SwarmOptions, auth_options
from ecsmachine.machine.names import natural_key
from ecsmachine.machine.store import Store
from ecsmachine.machine.stored import MachineNotFoundError
from ecsmachine.provision.base import EngineOptions
from ecsmachine.system.files import openness
from tests.unit.stand_ins import ToldDriver, add_machine


def rewrite(store: Store, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    path = store.directory(name) / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def test_what_is_saved_is_loaded(store: Store) -> None:
    engine = EngineOptions(
        arbitrary_flags=["log-level=debug"],
        env=["A=b c"],
        labels=["x=y"],
        insecure_registry=["r:5000"],
        registry_mirror=["https://m"],
        storage_driver="overlay2",
        install_url="https://get.example",
        source=["auto", "http://10.0.0.5/docker-ce"],
        source_key="A" * 40,
        version="27.5",
    )
    swarm = SwarmOptions(is_swarm=True, master=True, discovery="token://x", env=["A=b"])
    auth = auth_options(
        store.path,
        "dev1",
        given={"ca_cert_path": Path("/elsewhere/ca.pem")},
        server_cert_sans=["dev1.example"],
    )
    driver = ToldDriver(store.directory("dev1"), {"URL": "tcp://198.18.0.7:2376"})
    store.save(Machine("dev1", driver, auth, engine, swarm))
    loaded = store.load("dev1")
    assert (loaded.name, loaded.engine, loaded.swarm, loaded.auth) == ("dev1", engine, swarm, auth)
    assert loaded.driver.config() == driver.config()
    loaded.engine.version = ""
    store.save(loaded)
    assert store.load("dev1").engine.version == ""
    assert loaded.directory == store.path / "machines" / "dev1"


def test_the_layout_is_docker_machines(store: Store) -> None:
    add_machine(store, "dev1", IPAddress="198.18.0.7")
    config = json.loads((store.path / "machines" / "dev1" / "config.json").read_text())
    assert list(config) == ["ConfigVersion", "Driver", "DriverName", "HostOptions", "Name"]
    assert (config["ConfigVersion"], config["DriverName"], config["Name"]) == (3, "told", "dev1")
    host = config["HostOptions"]
    assert list(host) == [
        *("Driver", "Memory", "Disk", "EngineOptions", "SwarmOptions", "AuthOptions"),
    ]
    assert host["AuthOptions"]["StorePath"] == str(store.directory("dev1"))
    assert host["AuthOptions"]["CaCertPath"] == str(store.path / "certs" / "ca.pem")
    assert host["SwarmOptions"]["Image"] == "swarm:latest"
    assert host["EngineOptions"]["TlsVerify"] is True


def test_only_the_owner_can_read_the_store(store: Store) -> None:
    add_machine(store, "dev1")
    store.store_id()
    public = ("ca.pem", "cert.pem", "server.pem")
    for path in (store.path, *store.path.rglob("*")):
        is_lock = ".lock" in (path.name, path.parent.name[:-1])  # it holds no more than a number
        if path.name not in public and not is_lock:
            assert openness(path, path.stat()) is None, path


@pytest.mark.parametrize("name", ["nope", "..", ".", "", "../machines/dev1", "dev1/"])
def test_a_machine_that_is_not_there(name: str, store: Store) -> None:
    add_machine(store, "dev1")
    assert not store.exists(name)
    with pytest.raises(MachineNotFoundError, match="does not exist"):
        store.load(name)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"Driver": {}}',
        b'{"Driver": null, "DriverName": "told"}',
        b'{"Driver": {}, "DriverName": "told", "HostOptions": "x"}',
        b'{"Driver": {}, "DriverName": "told", "HostOptions": {"EngineOptions": []}}x',
        b'{"Driver": {"StorePath": 7}, "DriverName": "told"}',
        b'{"ConfigVersion": "3", "Driver": {}, "DriverName": "told"}',
        b"\xff\xfe\x00",
        b"[" * 200_000,
    ],
)
def test_a_damaged_configuration_harms_that_machine_alone(content: bytes, store: Store) -> None:
    add_machine(store, "good")
    add_machine(store, "bad")
    path = store.directory("bad") / "config.json"
    path.write_bytes(content)
    with pytest.raises(MachineError) as caught:
        store.load("bad")
    assert '"bad"' in caught.value.message
    assert caught.value.hint
    machines = dict(store.machines())
    assert isinstance(machines["bad"], MachineError)
    assert isinstance(machines["good"], Machine)
    assert path.read_bytes() == content


def test_other_damage(store: Store) -> None:
    add_machine(store, "newer")
    rewrite(store, "newer", lambda config: config.update(ConfigVersion=4))
    with pytest.raises(MachineError, match="from the future"):
        store.load("newer")
    add_machine(store, "strange")
    rewrite(store, "strange", lambda config: config.update(DriverName=""))
    with pytest.raises(MachineError, match=r'"strange".*DriverName is missing') as caught:
        store.load("strange")
    assert caught.value.exit_code == 1
    store.directory("bare").mkdir()
    (store.directory("bare") / "id_rsa").touch()
    with pytest.raises(MachineError, match=r"no config\.json: what it has .* unknown"):
        store.load("bare")
    journal = store.journal("bare")
    journal.begin()
    with pytest.raises(MachineError, match=r"no config\.json: its create was interrupted"):
        store.load("bare")
    journal.finish()
    with pytest.raises(MachineError, match=r"no config\.json$") as caught:
        store.load("bare")
    assert "by its journal" in (caught.value.hint or "")
    folder = store.directory("folder") / "config.json"
    folder.mkdir(parents=True)
    with pytest.raises(MachineError, match="cannot be read"):
        store.load("folder")
    assert len(dict(store.machines())) == 4


def test_null_and_absent_options_have_their_defaults(store: Store) -> None:
    add_machine(store, "dev1")

    def forget(config: dict[str, Any]) -> None:
        config["HostOptions"]["EngineOptions"] = {"Labels": None}
        config["HostOptions"]["SwarmOptions"] = None
        del config["HostOptions"]["AuthOptions"]

    rewrite(store, "dev1", forget)
    loaded = store.load("dev1")
    assert loaded.engine == EngineOptions()
    assert loaded.swarm == SwarmOptions()
    assert loaded.auth == auth_options(store.path, "dev1")


def test_a_store_that_was_moved(store: Store, tmp_path: Path) -> None:
    machine = add_machine(store, "dev1", StorePath=str(store.path))
    machine.auth.ca_key_path = Path("/elsewhere/ca-key.pem")
    store.save(machine)
    moved = Store(tmp_path / "new place" / "store", {})
    moved.path.parent.mkdir()
    shutil.move(store.path, moved.path)
    auth = moved.load("dev1").auth
    assert auth.ca_cert_path == moved.path / "certs" / "ca.pem"
    assert auth.client_key_path.is_file()
    assert auth.machine_dir == moved.directory("dev1")
    assert auth.server_cert_path.is_file()
    assert auth.ca_key_path == Path("/elsewhere/ca-key.pem")


def test_a_store_that_comes_from_windows(store: Store) -> None:
    add_machine(store, "dev1")
    path = store.directory("dev1") / "config.json"
    config = json.loads(path.read_text())
    there = r"C:\Users\Ann Lee\.docker\machine"
    config["Driver"] |= {"StorePath": there, "SSHKeyPath": rf"{there}\machines\dev1\id_rsa"}
    config["HostOptions"]["AuthOptions"] |= {
        "CaCertPath": r"c:\users\ann lee\.docker\machine\certs\ca.pem",
        "ClientKeyPath": rf"{there}\certs\key.pem",
        "CaPrivateKeyPath": r"D:\safe\ca-key.pem",
        "StorePath": rf"{there}\machines\dev1",
    }
    path.write_text(json.dumps(config))
    auth = store.load("dev1").auth
    assert auth.ca_cert_path == store.path / "certs" / "ca.pem"
    assert auth.client_key_path == store.path / "certs" / "key.pem"
    assert auth.ca_key_path == Path(r"D:\safe\ca-key.pem")
    driver = from_config(
        DriverContext("dev1", store.path, store.directory("dev1")), config["Driver"]
    )
    assert driver.ssh_key_path == store.directory("dev1") / "id_rsa"


def test_names_are_in_natural_order(store: Store) -> None:
    assert store.names() == []
    for name in ("web10", "Web2", "web1", "db", "10", "9", "a²"):
        store.directory(name).mkdir(parents=True)
        (store.directory(name) / "config.json").touch()
    store.directory(".removing").mkdir()
    (store.machines_path / "a-file").touch()
    assert store.names() == ["9", "10", "a²", "db", "web1", "Web2", "web10"]


def test_a_folder_in_which_nothing_was_begun_is_no_machine(store: Store) -> None:
    folder = store.directory("dev1")
    for leftover in ("", ".journal.json.0a1b2c3d"):
        folder.mkdir(parents=True)
        if leftover:
            (folder / leftover).touch()
        assert store.names() == []
        assert not store.exists("dev1")
        assert store.is_taken("dev1")
        with store.lock("dev1"):
            assert not store.is_taken("dev1")
    with store.lock(".sweep"):
        assert store.machines_path.is_dir()


def test_a_lock_goes_with_its_machine(store: Store) -> None:
    add_machine(store, "dev1")
    for name in ("dev1", "dev2"):
        with store.lock(name):
            assert (store.path / ".locks" / name).exists()
        assert [path.name for path in (store.path / ".locks").iterdir()] == ["dev1"]
    with store.lock("dev1"):
        store.remove("dev1")
    assert not list((store.path / ".locks").iterdir())


def test_what_begins_another_name_stands_before_it() -> None:
    assert sorted(["t10", "t2", "t", "T3"], key=natural_key) == ["t", "t2", "T3", "t10"]


def test_natural_keys_can_always_be_compared() -> None:
    names = ["1", "a", "1a", "a1", "a01", "", "-", "a-1", "a.1", "٣", "²", "A"]
    assert len(sorted(names, key=natural_key)) == len(names)


def test_a_store_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "machines").touch()
    with pytest.raises(MachineError, match="cannot be read"):
        Store(tmp_path, {}).names()
    assert Store(tmp_path / "nowhere", {}).names() == []


def test_remove(store: Store) -> None:
    add_machine(store, "dev1")
    add_machine(store, "dev2")
    store.remove("dev1")
    assert store.names() == ["dev2"]
    assert [path.name for path in store.machines_path.iterdir()] == ["dev2"]
    store.remove("dev1")


def test_what_a_dead_process_left_of_a_folder_is_gone_with_the_next_lock(store: Store) -> None:
    store.machines_path.mkdir(parents=True)
    folder = store.temporary_directory("dev1")
    folder.mkdir()
    (folder / "id_rsa").write_text("a key")
    users = store.machines_path / ".dev1.disabled"
    users.mkdir()
    with contextlib.ExitStack() as at_it:
        others = {name: store.temporary_directory(name) for name in ("dev1.a", "dev", "dev11")}
        for name, other in others.items():
            at_it.enter_context(store.lock(name))
            other.mkdir()
        assert store.names() == []
        with store.lock("dev1"):
            assert set(store.machines_path.iterdir()) == {*others.values(), users}
    with store.lock("new"):
        assert set(store.machines_path.iterdir()) == {users}
    assert list((store.path / ".locks").iterdir()) == []


def test_what_a_dead_process_was_writing_is_gone_with_the_next_lock(store: Store) -> None:
    folder = add_machine(store, "dev1").directory
    old, fresh, own = (folder / name for name in (".config.json.0123abcd", ".a.76543210", ".mine"))
    for file in (old, fresh, own):
        file.write_text("a secret")
    for file in (old, own):
        os.utime(file, (1, 1))
    before = {path.name for path in folder.iterdir()}
    with store.lock("dev1"):
        assert {path.name for path in folder.iterdir()} == before - {old.name}


def test_the_name_of_a_store_is_given_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: Store(tmp_path, {}).store_id(), range(16)))
    assert len(found) == 1
    assert Store(tmp_path, {}).store_id() in found
    assert Store(tmp_path / "other", {}).store_id() not in found


def test_an_abandoned_machine_leaves_its_journal(store: Store) -> None:
    add_machine(store, "dev1")
    assert store.abandon("dev1") is None
    journal = store.journal("dev1")
    resource = journal.intend("instance", region="cn-hangzhou")
    journal.made(resource, "i-1")
    kept = store.abandon("dev1")
    assert kept
    assert kept.parent == store.path / ".abandoned"
    assert json.loads(kept.read_text())["Resources"][0]["id"] == "i-1"
    journal.removed(resource)
    assert store.abandon("dev1") is None
