"""Stores as Docker Machine wrote them, from its first releases to its last."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.drivers import registry
from ecsmachine.drivers.base import DriverContext, UnsupportedOperationError
from ecsmachine.errors import MachineError
from ecsmachine.machine import removal
from ecsmachine.machine.store import Store
from ecsmachine.machine.stored import without_secrets
from ecsmachine.provision.base import AUTO, EngineOptions
from ecsmachine.system.files import openness

RELEASES = ("0.2", "0.3", "0.5.0-beta", "0.16")
MACHINES = ("cloudy", "desk", "fixed", "metal")


@pytest.fixture(params=RELEASES)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store of one release, in another place than where it was made."""
    path = tmp_path / "moved"
    shutil.copytree(Path(__file__).parent / "stores" / request.param, path)
    for name in ("cloudy", "desk", "metal"):
        (path / "machines" / name / "id_rsa").touch(mode=0o600)
    return Store(path, {"ECS_ACCESS_KEY_ID": "id", "ECS_ACCESS_KEY_SECRET": "secret-of-test"})


def stored(store: Store, name: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((store.directory(name) / "config.json").read_text())
    return config


def test_every_machine_is_loaded(old: Store) -> None:
    machines = dict(old.machines())
    assert not [machine for machine in machines.values() if isinstance(machine, MachineError)]
    assert tuple(machines) == MACHINES
    urls = {name: old.load(name).driver.url() for name in MACHINES}
    port = 2377 if stored(old, "metal")["Driver"].get("EnginePort") else 2376
    assert urls == {
        "cloudy": "tcp://198.51.100.7:2376",
        "desk": "tcp://192.168.99.100:2376",
        "fixed": "tcp://198.51.100.9:2376",
        "metal": f"tcp://198.51.100.8:{port}",
    }


def test_logins_are_those_of_docker_machine(old: Store) -> None:
    targets = {name: old.load(name).driver.ssh_target() for name in ("cloudy", "desk", "metal")}
    assert {name: (each.user, each.host, each.port) for name, each in targets.items()} == {
        "cloudy": ("root", "198.51.100.7", 22),
        "desk": ("docker", "127.0.0.1", 53507),
        "metal": ("admin", "198.51.100.8", 2222),
    }
    for name, target in targets.items():
        assert target.key_path == old.directory(name) / "id_rsa"
        assert target.password is None  # the one that it stored put the key on the host


def test_certificates_are_where_the_store_is_now(old: Store) -> None:
    auth = old.load("cloudy").auth
    certs = old.path / "certs"
    assert (auth.ca_cert_path, auth.ca_key_path) == (certs / "ca.pem", certs / "ca-key.pem")
    assert (auth.client_cert_path, auth.client_key_path) == (certs / "cert.pem", certs / "key.pem")
    assert auth.server_cert_path == old.directory("cloudy") / "server.pem"


def test_options_of_the_engine_and_the_swarm(old: Store) -> None:
    machine = old.load("cloudy")
    assert machine.engine.labels == ["purpose=test"]
    assert machine.engine.tls_verify is True
    assert machine.engine.install_url == "https://get.docker.com"
    assert machine.engine.source == []  # the script goes on to install it
    assert (machine.swarm.image, machine.swarm.strategy) == ("swarm:latest", "spread")
    flat = "SwarmDiscovery" in stored(old, "cloudy")
    assert machine.swarm.master is flat
    assert machine.swarm.discovery == ("token://stored" if flat else "")


def test_looking_changes_nothing(old: Store) -> None:
    before = {path: path.read_bytes() for path in old.path.rglob("*") if path.is_file()}
    for name in MACHINES:
        old.load(name)
        old.config(name)
    after = {path: path.read_bytes() for path in old.path.rglob("*") if path.is_file()}
    assert before == after


@pytest.mark.parametrize("name", MACHINES)
def test_what_is_saved_is_of_version_3_and_the_old_is_kept(old: Store, name: str) -> None:
    path = old.directory(name) / "config.json"
    before = path.read_bytes()
    older = json.loads(before).get("ConfigVersion", 0) < 3
    machine = old.load(name)
    old.save(machine)
    old.save(machine)
    backup = path.with_name("config.json.bak")
    assert backup.exists() is older
    if older:
        assert backup.read_bytes() == before
        assert openness(backup, backup.stat()) is None
    config = stored(old, name)
    assert (config["ConfigVersion"], config["Name"]) == (3, name)
    assert_docker_machine_can_read(config)
    again = old.load(name)
    assert (again.auth, again.engine, again.swarm) == (machine.auth, machine.engine, machine.swarm)
    assert again.driver.url() == machine.driver.url()


@pytest.mark.parametrize("name", MACHINES)
def test_fields_of_other_programs_stay(old: Store, name: str) -> None:
    path = old.directory(name) / "config.json"
    config = json.loads(path.read_text())
    host = config.setdefault("HostOptions", {})
    for where in (config, config["Driver"], host, host.setdefault("EngineOptions", {})):
        where["OfAnotherProgram"] = {"a": [1]}
    path.write_text(json.dumps({**config, "RawDriver": "c2VjcmV0"}))
    assert "c2Vj" not in str(without_secrets(old.config(name)))
    old.save(old.load(name))
    after = stored(old, name)
    kept = [after["Driver"], after["HostOptions"], after["HostOptions"]["EngineOptions"]]
    if config.get("ConfigVersion") == 3:
        kept.append(after)
    assert all(where["OfAnotherProgram"] == {"a": [1]} for where in kept)
    assert "RawDriver" not in after


def test_secrets_that_docker_machine_stored_are_not_lost(old: Store) -> None:
    machine = old.load("cloudy")
    old.save(machine)
    driver = stored(old, "cloudy")["Driver"]
    assert (driver["AccessKey"], driver["SecretKey"]) == ("LTAItest", "stored-secret")
    assert driver["PublicKey"] == "c3NoLXJzYSBBQUFBQjNOemFDMXljMkU="


def test_a_machine_whose_driver_is_not_here(old: Store) -> None:
    said: list[str] = []
    driver = old.load("desk").driver
    for operation in (driver.start, driver.stop, driver.restart, driver.kill):
        with pytest.raises(UnsupportedOperationError, match='driver "virtualbox" is not installed'):
            operation(said.append)
    with pytest.raises(UnsupportedOperationError) as caught:
        removal.Removal(old).finish("desk", said.append)
    assert "rm -f desk" in (caught.value.hint or "")
    assert old.exists("desk")
    removal.Removal(old, force=True).finish("desk", said.append)
    assert not old.exists("desk")
    with pytest.raises(MachineError, match='Driver "virtualbox" not found'):
        old.new_driver("virtualbox", "desk", {}, to_be_made=False)


def test_its_own_fields_are_kept(old: Store) -> None:
    before = stored(old, "desk")["Driver"]
    old.save(old.load("desk"))
    after = stored(old, "desk")["Driver"]
    assert before.items() <= after.items()
    assert stored(old, "desk")["DriverName"] == "virtualbox"


@pytest.mark.parametrize("driver_name", ["aliyunecs", "generic", "none"])
def test_docker_machine_can_read_what_we_make(driver_name: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "url": "tcp://198.51.100.9:2376",
        "generic-ip-address": "198.51.100.8",
        "aliyunecs-tag": ["team=a"],
    }
    values = {
        option.name: given.get(option.name, option.default)
        for option in registry.options_of(driver_name)
    }
    store = Store(tmp_path, {"ECS_ACCESS_KEY_ID": "id", "ECS_ACCESS_KEY_SECRET": "secret-of-test"})
    from ecsmachine.machine.model import Machine, auth_options

    driver = store.new_driver(driver_name, "dev1", values)
    if driver_name == "aliyunecs":
        driver._record.public_key = "ssh-rsa AAAA me"  # type: ignore[attr-defined]
    engine = EngineOptions(source=[AUTO], registry_mirror=["https://a.example", AUTO])
    store.save(Machine("dev1", driver, auth_options(tmp_path, "dev1"), engine))
    assert_docker_machine_can_read(stored(store, "dev1"))
    assert store.load("dev1").engine == engine
    context = DriverContext("dev1", tmp_path, store.directory("dev1"))
    loaded = registry.load(driver_name, context, stored(store, "dev1")["Driver"])
    assert loaded.config() == driver.config()


# The types of Docker Machine 0.16: encoding/json refuses a value of another type, takes null for
# any, and passes over fields that it does not know.
BASE = {
    **dict.fromkeys(("IPAddress", "MachineName", "SSHUser", "SSHKeyPath", "StorePath"), "string"),
    **dict.fromkeys(("SwarmHost", "SwarmDiscovery"), "string"),
    "SSHPort": "int",
    "SwarmMaster": "bool",
}
DRIVERS: dict[str, Mapping[str, str]] = {
    "none": {"URL": "string"},
    "generic": {"EnginePort": "int", "SSHKey": "string"},
    "aliyunecs": {
        **dict.fromkeys(
            (
                *("Id", "AccessKey", "SecretKey", "Region", "ImageID", "SSHPassword"),
                *("SSHKeyPairName", "SSHPrivateKeyPath", "InstanceId", "InstanceType"),
                *("PrivateIPAddress", "SecurityGroupId", "SecurityGroupName", "ReservationId"),
                *("VpcId", "VSwitchId", "Zone", "InternetChargeType", "RouteCIDR", "SLBID"),
                *("SLBIPAddress", "DiskFS", "DiskCategory", "Description", "APIEndpoint"),
                *("SystemDiskCategory", "ResourceGroupId"),
            ),
            "string",
        ),
        **dict.fromkeys(("InternetMaxBandwidthOut", "DiskSize", "SystemDiskSize"), "int"),
        "PrivateIPOnly": "bool",
        "IoOptimized": "bool",
        "PublicKey": "bytes",
        "Tags": "map",
    },
    "virtualbox": {},
}
ENGINE = {
    **dict.fromkeys(("ArbitraryFlags", "Dns", "Env", "InsecureRegistry", "Labels"), "list"),
    **dict.fromkeys(("GraphDir", "LogLevel", "StorageDriver", "InstallURL"), "string"),
    **dict.fromkeys(("Ipv6", "SelinuxEnabled", "TlsVerify"), "bool"),
    "RegistryMirror": "list",
}
SWARM = {
    **dict.fromkeys(("IsSwarm", "Agent", "Master", "IsExperimental"), "bool"),
    **dict.fromkeys(("Address", "Discovery", "Host", "Image", "Strategy"), "string"),
    **dict.fromkeys(("ArbitraryFlags", "ArbitraryJoinFlags", "Env"), "list"),
    "Heartbeat": "int",
    "Overcommit": "float",
}
AUTH = {
    **dict.fromkeys(
        (
            *("CertDir", "CaCertPath", "CaPrivateKeyPath", "CaCertRemotePath", "ServerCertPath"),
            *("ServerKeyPath", "ClientKeyPath", "ServerCertRemotePath", "ServerKeyRemotePath"),
            *("ClientCertPath", "StorePath"),
        ),
        "string",
    ),
    "ServerCertSANs": "list",
}


def assert_docker_machine_can_read(config: dict[str, Any]) -> None:
    host = config["HostOptions"]
    for where, table in (
        (config["Driver"], {**BASE, **DRIVERS[config["DriverName"]]}),
        (host["EngineOptions"], ENGINE),
        (host["SwarmOptions"], SWARM),
        (host["AuthOptions"], AUTH),
        (host, {"Driver": "string", "Memory": "int", "Disk": "int"}),
        (config, {"ConfigVersion": "int", "DriverName": "string", "Name": "string"}),
    ):
        for name, kind in table.items():
            if config["DriverName"] == "virtualbox" and name not in where:
                continue
            assert name in where, f"{name} is missing"
            assert _fits(where[name], kind), f"{name} is no {kind}: {where[name]!r}"
    # it hands them to the engine, which does not start with one that is no URL
    assert all("://" in each for each in host["EngineOptions"]["RegistryMirror"] or ())


def _fits(value: Any, kind: str) -> bool:
    import base64

    if value is None:
        return True
    if kind == "bool":
        return isinstance(value, bool)
    if kind in ("int", "float"):
        return isinstance(value, int if kind == "int" else (int, float)) and value is not True
    if kind == "list":
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    if kind == "map":
        return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
    if kind == "bytes":
        return isinstance(value, str) and bool(base64.b64decode(value, validate=True))
    return isinstance(value, str)
