"""What is changed of an instance through the API is in its guest after the next start."""

from __future__ import annotations

import json

import paramiko
import pytest

from tests.guest.conftest import PASSWORD, Cloud, remove, shell, wait_for
from tests.guest.instances import address_of, launch, make_group

pytestmark = pytest.mark.guest
OTHER_PASSWORD = "Other-Secret-2"


def test_name_password_key_and_address(local_cloud: Cloud) -> None:
    ecs, running = local_cloud.account, local_cloud.running
    before = set(ecs.left_in_the_cloud())
    group = make_group(ecs, running.vpc_id, "changed")
    instance_id = launch(ecs, running.vswitch_id, group)
    address = address_of(ecs, instance_id)
    with shell(address, password=PASSWORD) as guest:
        guest.check("echo '192.0.2.1 neighbour' >> /etc/hosts")
    change = {"HostName": "renamed", "Password": OTHER_PASSWORD}
    ecs.ecs("ModifyInstanceAttribute", InstanceId=instance_id, **change)
    ecs.ecs("RebootInstance", InstanceId=instance_id)
    address_of(ecs, instance_id)
    with pytest.raises(paramiko.AuthenticationException), shell(address, password=PASSWORD):
        pass
    with shell(address, password=OTHER_PASSWORD) as guest:
        assert guest.check("hostname; hostname -f; cat /etc/hostname").split() == ["renamed"] * 3
        assert guest.check("getent hosts renamed").split() == [address, "renamed"]
        assert guest.check("getent hosts neighbour").split() == ["192.0.2.1", "neighbour"]

    key = paramiko.RSAKey.generate(2048)
    public = f"ssh-rsa {key.get_base64()}"
    ecs.ecs("ImportKeyPair", KeyPairName="changed", PublicKeyBody=public)
    ecs.ecs("AttachKeyPair", KeyPairName="changed", InstanceIds=json.dumps([instance_id]))
    ecs.ecs("RebootInstance", InstanceId=instance_id)
    address_of(ecs, instance_id)
    with shell(address, key=key) as guest:
        assert guest.check("hostname").strip() == "renamed"

    ecs.ecs("StopInstance", InstanceId=instance_id)
    wait_for(lambda: _status(local_cloud, instance_id) == "Stopped", "it to be Stopped")
    move = {"VSwitchId": running.vswitch_id, "PrivateIpAddress": _free_address(address)}
    ecs.ecs("ModifyInstanceVpcAttribute", InstanceId=instance_id, **move)
    ecs.ecs("StartInstance", InstanceId=instance_id)
    assert address_of(ecs, instance_id) == move["PrivateIpAddress"]
    with shell(move["PrivateIpAddress"], key=key) as guest:
        assert guest.check("hostname -I").split() == [move["PrivateIpAddress"]]
        assert guest.check("getent hosts renamed").split() == [move["PrivateIpAddress"], "renamed"]
        assert address not in guest.check("cat /etc/hosts").split()
    remove(ecs, set(ecs.left_in_the_cloud()) - before)


def _status(cloud: Cloud, instance_id: str) -> str:
    answer = cloud.account.ecs("DescribeInstances", InstanceIds=json.dumps([instance_id]))
    return str(answer["Instances"]["Instance"][0]["Status"])


def _free_address(address: str) -> str:
    """Return one in the same VSwitch that is far from those that are given out by themselves."""
    return f"{address.rpartition('.')[0]}.201"
