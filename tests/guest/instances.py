"""Instances and security groups, made through the API as any client would."""

from __future__ import annotations

import json
from typing import Any

from tests.guest.conftest import PASSWORD, wait_for
from tests.guest.machines import MADE_BY_A_TEST, Machines

ANY = "0.0.0.0/0"


def make_group(ecs: Machines, vpc_id: str, name: str) -> str:
    """Make a group that lets SSH in."""
    values = {"SecurityGroupName": name, "VpcId": vpc_id, "Description": MADE_BY_A_TEST}
    group = str(ecs.ecs("CreateSecurityGroup", **values)["SecurityGroupId"])
    rule = {"IpProtocol": "tcp", "PortRange": "22/22", "SourceCidrIp": ANY}
    ecs.ecs("AuthorizeSecurityGroup", SecurityGroupId=group, **rule)
    return group


def launch(ecs: Machines, vswitch_id: str, group: str, name: str = "") -> str:
    """Run an instance; return its id at once."""
    answer = ecs.ecs(
        "RunInstances",
        ImageId=ecs.ecs("DescribeImages", ImageOwnerAlias="system")["Images"]["Image"][0][
            "ImageId"
        ],
        InstanceType="ecs.g6.large",
        SecurityGroupId=group,
        VSwitchId=vswitch_id,
        Password=PASSWORD,
        InstanceName=name,
    )
    return str(answer["InstanceIdSets"]["InstanceIdSet"][0])


def address_of(ecs: Machines, instance_id: str) -> str:
    """Wait until an instance is Running; return its private address."""
    found: list[Any] = []

    def runs() -> bool:
        answer = ecs.ecs("DescribeInstances", InstanceIds=json.dumps([instance_id]))
        found[:] = answer["Instances"]["Instance"]
        return bool(found) and found[0]["Status"] == "Running"

    wait_for(runs, f"{instance_id} to be Running")
    return str(found[0]["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0])
