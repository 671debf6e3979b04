"""Creates: of one machine against the same by hand, near and far, and what they ask for."""

from __future__ import annotations

import statistics
import time
from functools import partial
from pathlib import Path
from typing import Any

from api import Api
from ground import FAR, PROGRAM, Cloud, Ground, Run, run
from hosts import turns
from lines import Figure, line
from relay import Relay

from ecsmachine.ssh.connection import Connection
from ecsmachine.ssh.target import SSHTarget
from ecsmachine.ssh.wait import wait_for_ssh

_GROUP = "creates"
_PASSWORD = "Bench-mark-1"
_TIMES = 3
_CREATE = ("create", "-d", "aliyunecs")


class ByHand:
    """An instance that is made by hand, and its engine."""

    def __init__(self, cloud: Cloud):
        self._cloud = cloud
        group = self._call("CreateSecurityGroup", VpcId=cloud.environment["ECS_VPC_ID"])
        self._group = group["SecurityGroupId"]
        for port in ("22/22", "2376/2376"):
            self._call(
                "AuthorizeSecurityGroup",
                SecurityGroupId=self._group,
                IpProtocol="tcp",
                PortRange=port,
                SourceCidrIp="0.0.0.0/0",
            )

    def _call(self, action: str, **parameters: Any) -> dict[str, Any]:
        return Api(self._cloud.environment).call(action, **parameters)

    def boot(self) -> tuple[str, SSHTarget, Path]:
        """Run an instance, and wait until it can be logged in to."""
        image = self._call("DescribeImages")["Images"]["Image"][0]
        answer = self._call(
            "RunInstances",
            ImageId=image["ImageId"],
            InstanceType="ecs.n4.small",
            SecurityGroupId=self._group,
            VSwitchId=self._cloud.environment["ECS_VSWITCH_ID"],
            InstanceName="by-hand",
            Password=_PASSWORD,
            InternetMaxBandwidthOut=1,
        )
        instance_id = answer["InstanceIdSets"]["InstanceIdSet"][0]
        while True:
            asked = self._call("DescribeInstances", InstanceIds=f'["{instance_id}"]')
            instance = asked["Instances"]["Instance"][0]
            if instance["Status"] == "Running" and instance["PublicIpAddress"]["IpAddress"]:
                break
            time.sleep(0.05)
        target = SSHTarget(instance["PublicIpAddress"]["IpAddress"][0], password=_PASSWORD)
        pin = self._cloud.work / instance_id / "known_hosts"
        pin.parent.mkdir()
        wait_for_ssh(target, pin).close()
        return instance_id, target, pin

    def install(self, target: SSHTarget, pin: Path, certificates: Path) -> None:
        """Install the engine, and restart it once with certificates, over one connection."""
        with wait_for_ssh(target, pin) as host:
            url = self._cloud.environment["MACHINE_DOCKER_INSTALL_URL"]
            _must(host, f"curl -sSL {url} | sh")
            for name in ("ca.pem", "server.pem", "server-key.pem"):
                _write(host, (certificates / name).read_text(), f"/etc/docker/{name}")
            _must(host, "mkdir -p /etc/systemd/system/docker.service.d")
            unit = (
                "[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd -H tcp://0.0.0.0:2376 "
                "-H fd:// --storage-driver overlay2 --tlsverify --tlscacert /etc/docker/ca.pem "
                "--tlscert /etc/docker/server.pem --tlskey /etc/docker/server-key.pem\n"
            )
            _write(host, unit, "/etc/systemd/system/docker.service.d/10-hand.conf")
            _must(host, "systemctl daemon-reload && systemctl restart docker")
            _must(host, "docker version")

    def delete(self, instance_id: str) -> None:
        """Delete the instance."""
        self._call("DeleteInstance", InstanceId=instance_id, Force=True)


def _must(host: Connection, command: str, stdin: str = "") -> None:
    result = host.run(command, timeout_s=300, stdin=stdin.encode())
    if result.exit_status:
        raise SystemExit(f"{command}: {result.stdout}{result.stderr}")


def _write(host: Connection, content: str, path: str) -> None:
    _must(host, f"umask 077; cat >{path}", content)


@line(_GROUP, "boot of a guest to SSH, in seconds", 3)
def boot(ground: Ground) -> Figure:
    by_hand = ByHand(ground.cloud)
    begun = time.perf_counter()
    instance_id, _, _ = by_hand.boot()
    taken = time.perf_counter() - begun
    by_hand.delete(instance_id)
    return Figure(taken)


@line(_GROUP, "create, of install and one restart by hand", 1.3)
def against_by_hand(ground: Ground) -> Figure:
    cloud, by_hand = ground.dev, ByHand(ground.dev)
    certificates = cloud.store / "machines" / "dev"
    pairs = []
    for number in range(_TIMES):
        begun = time.perf_counter()
        instance_id, target, pin = by_hand.boot()
        by_hand.install(target, pin, certificates)
        hand_s = time.perf_counter() - begun
        by_hand.delete(instance_id)
        pairs.append((cloud.run(*_CREATE, f"made{number}").wall_s, hand_s))
        cloud.run("rm", "-y", f"made{number}")
    ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    ours_s, hand_s = (statistics.median(each) for each in zip(*pairs, strict=True))
    return Figure(ratio, f"({ours_s:.1f} s / {hand_s:.1f} s)")


def _of_a_plain_one(words: tuple[str, ...], ground: Ground) -> Figure:
    """Return what a create from a baked image takes of a plain one, in runs that take turns."""
    cloud, pairs = ground.cloud, []
    cloud.run("bake", "bench", *words)
    for number in range(_TIMES):
        baked = cloud.run(*_CREATE, "--aliyunecs-image-family", "bench", *words, f"baked{number}")
        plain = cloud.run(*_CREATE, *words, f"plain{number}")
        pairs.append((baked.wall_s, plain.wall_s))
        cloud.run("rm", "-y", f"baked{number}", f"plain{number}")
    cloud.run("bake", "bench", "--prune", "0", "-y")
    ratio = statistics.median(baked / plain for baked, plain in pairs)
    baked_s, plain_s = (statistics.median(each) for each in zip(*pairs, strict=True))
    return Figure(ratio, f"({baked_s:.1f} s / {plain_s:.1f} s)")


for _from, _words in (
    ("Docker's packages", ("--engine-source", "auto")),
    ("an install script", ()),
):
    line(_GROUP, f"create from a baked image, of one with {_from}", 0.4)(
        partial(_of_a_plain_one, _words)
    )


def _created(cloud: Cloud, *words: str) -> Run:
    done = cloud.run("--debug", *_CREATE, *words, "counted")
    cloud.run("rm", "-y", "counted")
    return done


@line("turns", "create: turns over SSH", 25)
def create_turns(ground: Ground) -> Figure:
    done = _created(ground.cloud)
    return Figure(turns(done), f"({done.cpu_s:.2f} s of CPU)")


@line("turns", "create without an engine: requests to the API")
def create_requests(ground: Ground) -> Figure:
    cloud = ground.empty_cloud
    count = cloud.requests(*_CREATE, "--no-provision", "asking")
    cloud.run("rm", "-y", "asking")
    return Figure(count)


@line("turns", "create without an engine: API turns in sequence")
def create_in_sequence(ground: Ground) -> Figure:
    """Tell it by the time that a way of 100 ms costs: what is asked at once costs it once."""
    cloud, taken = ground.empty_cloud, {}
    for delay_ms in (0, 100):
        cloud.api.delay_s = delay_ms / 1000
        taken[delay_ms] = cloud.run(*_CREATE, "--no-provision", "asking").wall_s
        cloud.api.delay_s = 0
        cloud.run("rm", "-y", "asking")
    return Figure((taken[100] - taken[0]) / 0.1, f"({taken[0]:.2f} s; {taken[100]:.2f} s)")


def _provisioned_at_a_distance(delay_ms: int, ground: Ground) -> Figure:
    """Return the seconds in which a bare host becomes a machine.

    Docker Machine is not put beside it: it asks for netstat, which the host has not.
    """
    cloud = ground.cloud
    cloud.run(*_CREATE, "--no-provision", "bare")
    where = cloud.run("ip", "bare").output.strip()
    relays = [Relay(where, port, listen=(FAR, port)) for port in (22, 2376)]
    for each in relays:
        each.delay_s = delay_ms / 1000
    store = str(cloud.work / f"far-{delay_ms}")
    key = str(cloud.store / "machines" / "bare" / "id_rsa")
    words = ("create", "-d", "generic", "--generic-ip-address", FAR, "--generic-ssh-key", key)
    done = run([PROGRAM, *words, "far"], {**cloud.environment, "MACHINE_STORAGE_PATH": store})
    for each in relays:
        each.close()
    cloud.run("rm", "-y", "bare")
    return Figure(done.wall_s, f"s; {sum(each.turns for each in relays)} turns")


for _delay in (0, 25, 100):
    line(_GROUP, f"create of a host that is there, {_delay} ms away")(
        partial(_provisioned_at_a_distance, _delay)
    )


@line(_GROUP, "CPU of a guest from its boot to its engine, in seconds")
def guest_cpu(ground: Ground) -> Figure:
    ground.cloud.run(*_CREATE, "fresh")
    there = "cd /sys/fs/cgroup; cat cpu.stat 2>/dev/null || cat cpuacct/cpuacct.usage"
    used = ground.cloud.run("ssh", "fresh", there).output.split()
    ground.cloud.run("rm", "-y", "fresh")
    # microseconds in version 2 of control groups, nanoseconds in version 1
    return Figure(int(used[1]) / 1e6 if used[0] == "usage_usec" else int(used[0]) / 1e9)
