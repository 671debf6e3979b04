from __future__ import annotations

import base64
from pathlib import Path

import pytest

from ecsmachine.drivers import registry
from ecsmachine.drivers.aliyunecs.life.record import record_from_config
from ecsmachine.drivers.base import DriverContext, State
from ecsmachine.drivers.capabilities import FirstPassword
from ecsmachine.errors import MachineError, UsageError

# what Docker Machine's driver writes, shortened to what matters
DOCKER_MACHINE = {
    "IPAddress": "47.96.1.2",
    "MachineName": "dev1",
    "SSHUser": "root",
    "SSHPort": 22,
    "SSHKeyPath": "/home/me/.docker/machine/machines/dev1/id_rsa",
    "StorePath": "/home/me/.docker/machine",
    "SwarmMaster": False,
    "SwarmHost": "tcp://0.0.0.0:3376",
    "SwarmDiscovery": "",
    "Id": "0123",
    "AccessKey": "LTAI-theirs",
    "SecretKey": "their-secret",
    "Region": "cn-beijing",
    "SSHPassword": "Passw0rd!",
    "InstanceId": "i-2ze",
    "PrivateIPAddress": "172.16.0.5",
    "VpcId": "vpc-1",
    "Tags": None,
    "DiskSize": 40,
    "DiskFS": "xfs",
    "IoOptimized": True,
    "SomethingNew": {"kept": True},
}


def test_a_new_machine_stores_docker_machines_names_and_no_secret(context: DriverContext) -> None:
    driver = registry.new(
        "aliyunecs",
        context,
        {
            "aliyunecs-access-key-id": "id",
            "aliyunecs-access-key-secret": "secret-of-test",
            "aliyunecs-ssh-password": "Passw0rd-x",
            "aliyunecs-tag": ["a=b=c"],
        },
    )
    config = driver.config()
    assert "secret-of-test" not in repr(config)
    assert "Passw0rd-x" not in repr(config)
    assert (config["AccessKey"], config["SecretKey"], config["SSHPassword"]) == ("", "", "")
    assert config["CredentialSource"] == "environment"
    assert config["Tags"] == {"a": "b=c"}
    assert set(DOCKER_MACHINE) - {"SomethingNew"} <= set(config)
    assert driver.url() == ""
    assert driver.addresses() == []


def test_keys_from_flags_are_told_from_variables(context: DriverContext) -> None:
    driver = registry.new(
        "aliyunecs",
        context,
        {"aliyunecs-access-key-id": "other", "aliyunecs-access-key-secret": "key"},
    )
    assert driver.config()["CredentialSource"] == "flags"


def test_the_config_comes_back_as_it_went(context: DriverContext) -> None:
    driver = registry.new("aliyunecs", context, {"aliyunecs-disk-size": 20})
    assert registry.load("aliyunecs", context, driver.config()).config() == driver.config()


def test_a_machine_of_docker_machine_loads_and_keeps_what_it_came_with(
    context: DriverContext,
) -> None:
    driver = registry.load("aliyunecs", context, DOCKER_MACHINE)
    assert driver.url() == "tcp://47.96.1.2:2376"
    assert list(driver.addresses()) == ["47.96.1.2", "172.16.0.5"]
    disk = driver.data_disk()
    assert disk is not None
    assert (disk.size_gib, disk.file_system) == (40, "xfs")
    config = driver.config()
    assert config["SecretKey"] == "their-secret"
    assert config["SomethingNew"] == {"kept": True}
    assert "their-secret" not in repr(driver)
    assert "Passw0rd!" not in repr(driver.ssh_target())


def test_a_machine_of_docker_machine_logs_in_by_the_key_if_it_is_there(
    context: DriverContext,
) -> None:
    config = {**DOCKER_MACHINE, "PublicKey": base64.b64encode(b"ssh-rsa AAAA\n").decode()}
    driver = registry.load("aliyunecs", context, config)
    assert driver.ssh_target().password == "Passw0rd!"
    context.directory.mkdir(parents=True)
    (context.directory / "id_rsa").write_text("a key")
    assert driver.ssh_target().password is None
    # a create that was cut off may have left the host without the key
    assert isinstance(driver, FirstPassword)
    assert driver.first_password() == "Passw0rd!"
    assert driver.authorized_key() == "ssh-rsa AAAA\n"


def test_a_store_that_was_moved_finds_its_key(context: DriverContext) -> None:
    driver = registry.load("aliyunecs", context, DOCKER_MACHINE)
    assert driver.ssh_target().key_path == context.store_path / "machines" / "dev1" / "id_rsa"


def test_a_key_outside_of_the_store_stays_where_it_is(context: DriverContext) -> None:
    driver = registry.load("aliyunecs", context, {**DOCKER_MACHINE, "SSHKeyPath": "/keys/mine"})
    assert driver.ssh_target().key_path == Path("/keys/mine")


def test_without_an_instance_there_is_nothing_to_ask_for(context: DriverContext) -> None:
    driver = registry.load("aliyunecs", context, {})
    assert driver.state() is State.NOT_FOUND
    with pytest.raises(MachineError, match="its create is not that far, or has stopped"):
        driver.start(print)
    with pytest.raises(MachineError, match="has no instance"):
        driver.ssh_target()


def test_missing_credentials_are_wrong_usage(context: DriverContext, tmp_path: Path) -> None:
    bare = DriverContext("dev1", tmp_path, tmp_path / "dev1", environment={"HOME": "/nonexistent"})
    with pytest.raises(UsageError, match="No Alibaba Cloud credentials"):
        registry.new("aliyunecs", bare, {})
    with pytest.raises(UsageError, match="No Alibaba Cloud credentials"):
        registry.load("aliyunecs", bare, {"InstanceId": "i-1"}).state()


def test_the_host_name_that_was_asked_for_is_kept(context: DriverContext) -> None:
    record = record_from_config(context, {"HostName": "web"})
    assert record.host_name == "web"
    assert record.to_config()["HostName"] == "web"
    assert record_from_config(context, {}).host_name == ""
