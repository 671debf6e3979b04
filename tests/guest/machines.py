"""ecsmachine in a process of its own, on a local cloud of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecsmachine.aliyun.access_key import Credentials, FixedCredentials
from ecsmachine.aliyun.rpc import RpcClient
from tests.answers import items_at
from tests.loaded_program import Process


def environment_of(cloud: Mapping[str, str], store: Path) -> dict[str, str]:
    """Return the environment that leads the program to a cloud and a store, and nowhere else."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ECS_", "ALIBABA_CLOUD_", "DOCKER_", "MACHINE_"))
    }
    return {
        **inherited,
        **cloud,
        "MACHINE_STORAGE_PATH": str(store),
        "SHELL": "/bin/bash",
        "PYTHONUNBUFFERED": "1",
    }


MADE_BY_A_TEST = "made by a test"

_AT_MOST_S = 240

CONSOLE_SCRIPT = str(Path(sys.executable).with_name("ecsmachine"))


@dataclass
class Machines:
    """The program, with the environment of one local cloud and one store.

    What is run to its end is a fork of a program that is loaded, unless it is ``started`` each
    time, as a user does: the main job, the scripts and the pages of commands do that.
    """

    environment: dict[str, str]
    program: str = CONSOLE_SCRIPT
    started: bool = False

    def run(
        self,
        *arguments: str,
        check: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; unless told otherwise, it must succeed."""
        environment = {**self.environment, **(environment or {})}
        if self.started or self.program != CONSOLE_SCRIPT:
            done = subprocess.run(
                [self.program, *arguments],
                capture_output=True,
                text=True,
                timeout=_AT_MOST_S,
                stdin=subprocess.DEVNULL,
                env=environment,
            )
        else:
            ended = Process(arguments, environment=environment).wait(_AT_MOST_S)
            said = (ended.stdout.decode(), ended.stderr.decode())
            done = subprocess.CompletedProcess(ended.args, ended.returncode, *said)
        assert not check or done.returncode == 0, done
        return done

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Run a command and come back at once."""
        return subprocess.Popen(
            [self.program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env=self.environment,
        )

    def shell(self, script: str) -> str:
        """Run a bash script and return what it printed."""
        done = subprocess.run(
            ["bash", "-c", script],
            capture_output=True,
            text=True,
            timeout=240,
            env=self.environment,
        )
        assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
        return done.stdout

    def ecs(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Ask the cloud itself."""
        return self._ask("2014-05-26", action, parameters)

    def slb(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Ask the cloud itself for load balancers."""
        return self._ask("2014-05-15", action, parameters)

    def vpc(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Ask the cloud itself for networks."""
        return self._ask("2016-04-28", action, parameters)

    def _ask(self, version: str, action: str, parameters: dict[str, Any]) -> dict[str, Any]:
        key = Credentials(
            self.environment["ECS_ACCESS_KEY_ID"], self.environment["ECS_ACCESS_KEY_SECRET"]
        )
        client = RpcClient(
            self.environment["ECS_API_ENDPOINT"], version, FixedCredentials("test", key)
        )
        region = {"RegionId": self.environment["ECS_REGION"]}
        return dict(client.call(action, {**region, **parameters}).values)

    def stored(self) -> list[str]:
        """Return the names of the machines in the store, whole or not."""
        folder = Path(self.environment["MACHINE_STORAGE_PATH"], "machines")
        return [path.name for path in folder.iterdir()] if folder.is_dir() else []

    def groups_of_tests(self) -> list[str]:
        """Return the security groups that tests made for themselves."""
        groups = self.ecs("DescribeSecurityGroups", PageSize=50)["SecurityGroups"]["SecurityGroup"]
        return [
            f"security group {group['SecurityGroupId']}"
            for group in groups
            if group["Description"] == MADE_BY_A_TEST
        ]

    def left_in_the_cloud(
        self, kinds: tuple[str, ...] = ("instance", "key pair", "security group", "disk")
    ) -> list[str]:
        """Return what exists in the cloud, by kind and id."""
        lists = {
            "instance": ("DescribeInstances", "InstanceId", "Instances", "Instance"),
            "key pair": ("DescribeKeyPairs", "KeyPairName", "KeyPairs", "KeyPair"),
            "security group": (
                *("DescribeSecurityGroups", "SecurityGroupId"),
                *("SecurityGroups", "SecurityGroup"),
            ),
            "disk": ("DescribeDisks", "DiskId", "Disks", "Disk"),
            "VPC": ("DescribeVpcs", "VpcId", "Vpcs", "Vpc"),
            "VSwitch": ("DescribeVSwitches", "VSwitchId", "VSwitches", "VSwitch"),
            "EIP": ("DescribeEipAddresses", "AllocationId", "EipAddresses", "EipAddress"),
            "own image": ("DescribeImages", "ImageId", "Images", "Image"),
        }
        return [
            f"{kind} {item[lists[kind][1]]}"
            for kind in kinds
            for item in items_at(self.ecs(lists[kind][0], PageSize=50), *lists[kind][2:])
        ]


def wait_for_line(process: subprocess.Popen[str], beginning: str) -> None:
    """Read what a program says until a line begins so."""
    assert process.stdout
    for line in process.stdout:
        if line.startswith(beginning):
            return
    raise AssertionError(f"never said {beginning!r}; {os.linesep}{process.communicate()}")
