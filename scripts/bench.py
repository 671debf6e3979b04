"""Benchmarks of ecsmachine on the local cloud; every ratio is of two figures of one run."""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench_api import measure_api
from bench_many import measure_listing, measure_many

from ecsmachine.aliyun.access_key import Credentials, FixedCredentials
from ecsmachine.aliyun.rpc import RpcClient
from ecsmachine.ssh.connection import Connection
from ecsmachine.ssh.target import SSHTarget
from ecsmachine.ssh.wait import wait_for_ssh

PROGRAM = str(Path(sys.executable).with_name("ecsmachine"))
PASSWORD = "Bench-mark-1"


class Bench:
    """A local cloud for the length of the benchmarks."""

    def __init__(self, work: Path):
        self.work = work
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ECS_", "DOCKER_", "MACHINE_"))
        }
        self.environment["ECSMACHINE_LOCAL_ROOT"] = str(work / "cloud")
        self.environment["MACHINE_STORAGE_PATH"] = str(work / "store")
        self.run("local", "up")
        for line in self.run("local", "env", "--shell", "bash").splitlines():
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").partition("=")
                self.environment[name] = value.strip("\"'")
        key = Credentials(
            self.environment["ECS_ACCESS_KEY_ID"], self.environment["ECS_ACCESS_KEY_SECRET"]
        )
        self.ecs = RpcClient(
            self.environment["ECS_API_ENDPOINT"], "2014-05-26", FixedCredentials("bench", key)
        )
        self.region = self.environment["ECS_REGION"]

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [PROGRAM, *arguments], env=self.environment, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"ecsmachine {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def seconds(self, *command: str, times: int = 15) -> float:
        """Return the median time of a command."""
        taken = []
        for _ in range(times):
            begun = time.perf_counter()
            subprocess.run(command, env=self.environment, check=True, capture_output=True)
            taken.append(time.perf_counter() - begun)
        return statistics.median(taken)

    def peak_memory_mib(self, *command: str) -> float:
        """Return the most memory that a command held at once, in MiB."""
        script = (
            "import os, sys\n"
            "pid = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:])\n"
            "print(os.wait4(pid, 0)[2].ru_maxrss, file=sys.stderr)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, *command],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stderr.splitlines()[-1]) / 1024

    def boot(self, name: str) -> tuple[str, str, float]:
        """Run an instance; return its id, its address and the seconds until SSH answers."""
        image = self.ecs.call("DescribeImages", {"RegionId": self.region})["Images"]["Image"][0]
        group = self.ecs.call(
            "CreateSecurityGroup",
            {"RegionId": self.region, "VpcId": self.environment["ECS_VPC_ID"]},
        )["SecurityGroupId"]
        for port in ("22/22", "2376/2376"):
            self.ecs.call(
                "AuthorizeSecurityGroup",
                {
                    "RegionId": self.region,
                    "SecurityGroupId": group,
                    "IpProtocol": "tcp",
                    "PortRange": port,
                    "SourceCidrIp": "0.0.0.0/0",
                },
            )
        begun = time.perf_counter()
        answer = self.ecs.call(
            "RunInstances",
            {
                "RegionId": self.region,
                "ImageId": image["ImageId"],
                "InstanceType": "ecs.n4.small",
                "SecurityGroupId": group,
                "VSwitchId": self.environment["ECS_VSWITCH_ID"],
                "InstanceName": name,
                "Password": PASSWORD,
                "InternetMaxBandwidthOut": 1,
            },
        )
        instance_id = answer["InstanceIdSets"]["InstanceIdSet"][0]
        while True:
            instance = self.ecs.call(
                "DescribeInstances",
                {"RegionId": self.region, "InstanceIds": f'["{instance_id}"]'},
            )["Instances"]["Instance"][0]
            if instance["Status"] == "Running" and instance["PublicIpAddress"]["IpAddress"]:
                break
            time.sleep(0.05)
        address = instance["PublicIpAddress"]["IpAddress"][0]
        pin = self.work / name / "known_hosts"
        pin.parent.mkdir()
        wait_for_ssh(SSHTarget(address, password=PASSWORD), pin).close()
        return instance_id, address, time.perf_counter() - begun

    def delete(self, instance_id: str) -> None:
        self.ecs.call("DeleteInstance", {"InstanceId": instance_id, "Force": True})

    def by_hand(self, address: str, certificates: Path) -> float:
        """Return the seconds of the same install and one engine restart over one connection."""
        target = SSHTarget(address, password=PASSWORD)
        begun = time.perf_counter()
        with wait_for_ssh(target, self.work / "by-hand" / "known_hosts") as host:
            self._must(host, f"curl -sSL {self.environment['MACHINE_DOCKER_INSTALL_URL']} | sh")
            for name in ("ca.pem", "server.pem", "server-key.pem"):
                host.sftp().write(f"/etc/docker/{name}", [(certificates / name).read_bytes()])
            self._must(host, "mkdir -p /etc/systemd/system/docker.service.d")
            unit = (
                "[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd -H tcp://0.0.0.0:2376 "
                "-H fd:// --storage-driver overlay2 --tlsverify --tlscacert /etc/docker/ca.pem "
                "--tlscert /etc/docker/server.pem --tlskey /etc/docker/server-key.pem\n"
            )
            host.sftp().write(
                "/etc/systemd/system/docker.service.d/10-hand.conf", [unit.encode()]
            )
            self._must(host, "systemctl daemon-reload && systemctl restart docker")
            self._must(host, "docker version")
        return time.perf_counter() - begun

    @staticmethod
    def _must(host: Connection, command: str) -> None:
        result = host.run(command, timeout_s=300)
        if result.exit_status:
            raise SystemExit(f"{command}: {result.stdout}{result.stderr}")


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that some work takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def show(what: str, figure: str, wanted: str) -> None:
    """Print one result."""
    print(f"{what:<58} {figure:<28} {wanted}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--guests", type=int, default=10, help="guests to boot at once")
    parser.add_argument("--creates", type=int, default=3, help="how often create is timed")
    parser.add_argument("--api", action="store_true", help="the API's figures alone")
    parser.add_argument("--many", action="store_true", help="the figures of many machines alone")
    arguments = parser.parse_args()
    show("what", "figure", "wanted")
    if not arguments.many:
        measure_api(show)
    if arguments.api:
        return
    measure_listing(show)
    measure_many(show)
    if arguments.many:
        return
    work = Path(tempfile.mkdtemp(prefix="ecsmachine-bench."))
    bench = Bench(work)
    try:
        measure(bench, arguments.guests, arguments.creates)
    finally:
        bench.run("local", "reset", "-y")
        shutil.rmtree(work)


def measure(bench: Bench, guests: int, creates: int) -> None:
    """Take and print all figures of machines and guests."""
    create_s = []
    for number in range(creates):
        create_s.append(timed(lambda n=number: bench.run("create", "-d", "aliyunecs", f"dev{n}")))  # type: ignore[misc]
    certificates = bench.work / "store" / "machines" / "dev0"
    hand_s = []
    for _ in range(creates):
        instance_id, address, boot_s = bench.boot("by-hand")
        hand_s.append(bench.by_hand(address, certificates))
        bench.delete(instance_id)
        shutil.rmtree(bench.work / "by-hand")
    create, hand = statistics.median(create_s), statistics.median(hand_s)
    show(
        "create, against install and restart by hand",
        f"{create / hand:.2f} ({create:.1f} s / {hand:.1f} s)",
        "<= 1.30",
    )
    show("boot of a guest to SSH", f"{boot_s:.2f} s", "<= 3 s")
    for number in range(1, creates):
        bench.run("rm", "-y", f"dev{number}")

    typer = bench.seconds(sys.executable, "-c", "import typer")
    names = bench.seconds(PROGRAM, "ls", "-q")
    show(
        "ls -q, against python -c 'import typer'",
        f"{names / typer:.2f} ({names * 1000:.0f} ms / {typer * 1000:.0f} ms)",
        "<= 1.50",
    )
    show("ls with one reachable machine", f"{bench.seconds(PROGRAM, 'ls'):.3f} s", "<= 0.25 s")
    show("ls, peak memory", f"{bench.peak_memory_mib(PROGRAM, 'ls'):.0f} MiB", "<= 60 MiB")
    bench.run("rm", "-y", "dev0")

    begun = time.perf_counter()
    with ThreadPoolExecutor(guests) as pool:
        booted = list(pool.map(bench.boot, [f"many{number}" for number in range(guests)]))
    taken = time.perf_counter() - begun
    show(
        f"{guests} guests at once, until SSH answers on all",
        f"{taken:.1f} s (slowest {max(one[2] for one in booted):.1f} s)",
        "",
    )
    for instance_id, _, _ in booted:
        bench.delete(instance_id)
    show(
        "this benchmark's own peak memory",
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB",
        "",
    )


if __name__ == "__main__":
    main()
