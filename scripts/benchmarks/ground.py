"""What is measured on: local clouds, machines and relays, made when a line first asks for them."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from lines import Figure
from relay import Relay

PROGRAM = str(Path(sys.executable).with_name("ecsmachine"))
FAR = "127.9.0.1"
"""The address of the computer's own at which the relays to a guest listen."""

_CLEAN = ("ECS_", "DOCKER_", "MACHINE_", "ALIBABA_CLOUD_", "PYTHON")


@dataclass(frozen=True)
class Run:
    """What one run of a program took, in seconds, and of CPU (with its children's), in seconds."""

    wall_s: float
    cpu_s: float
    output: str = ""


class Cloud:
    """A local cloud with a store of its own, and a relay before its API, for a block."""

    def __init__(self, guests: str = "nspawn"):
        self.work = Path(tempfile.mkdtemp(prefix="ecsmachine-bench."))
        self.store = self.work / "store"
        self.environment = {n: v for n, v in os.environ.items() if not n.startswith(_CLEAN)}
        self.environment |= {
            "ECSMACHINE_LOCAL_ROOT": str(self.work / "cloud"),
            "MACHINE_STORAGE_PATH": str(self.store),
            "SHELL": "/bin/bash",
            "HOME": str(self.work),
        }
        self.run("local", "up", "--guests", guests)
        for text in self.run("local", "env", "--shell", "bash").output.splitlines():
            if text.startswith("export "):
                name, _, value = text.removeprefix("export ").partition("=")
                self.environment[name] = value.strip("\"'")
        if guests == "none":
            # nothing fetches it: no engine is installed there
            self.environment["MACHINE_DOCKER_INSTALL_URL"] = "http://127.0.0.1:1/"
        endpoint = urlsplit(self.environment["ECS_API_ENDPOINT"])
        self.api = Relay(endpoint.hostname or "", endpoint.port or 80)
        self.environment["ECS_API_ENDPOINT"] = f"http://127.0.0.1:{self.api.port}"

    def close(self) -> None:
        """Remove it with all that is in it."""
        self.api.close()
        self.run("local", "reset", "-y")
        shutil.rmtree(self.work)

    def run(self, *words: str, status: int = 0) -> Run:
        """Run ecsmachine; anything but the exit status that is expected ends the bench."""
        return run([PROGRAM, *words], self.environment, status)

    def peak_mib(self, *words: str) -> float:
        """Return the most memory that ecsmachine holds at once, in MiB.

        It is begun by a small process: the most of a process counts from what began it.
        """
        script = (
            "import os, sys\n"
            "pid = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:])\n"
            "print('\\n', os.wait4(pid, 0)[2].ru_maxrss, file=sys.stderr)\n"
        )
        done = run([sys.executable, "-S", "-c", script, PROGRAM, *words], self.environment)
        return int(done.output.split()[-1]) / 1024

    def requests(self, *words: str) -> int:
        """Return how many requests a command makes to the API."""
        self.api.reset()
        self.run(*words)
        return self.api.requests


class Far:
    """A machine as seen from afar: its SSH, its engine and the API are behind relays.

    ``ours`` and ``theirs`` are the environments in which we and Docker Machine know it.
    """

    def __init__(self, cloud: Cloud, name: str):
        driver = _driver(cloud.store, name)
        where = str(driver["IPAddress"])
        self.relays = [Relay(where, port, listen=(FAR, port)) for port in (22, 2376)]
        self._api = cloud.api
        known = {"IPAddress": FAR}
        self.ours = self._copied(cloud, "far", name, {**driver, **known}, "aliyunecs")
        login = ("SSHUser", "SSHPort", "SSHKeyPath")
        kept = {key: driver[key] for key in login} | {"MachineName": name, "EnginePort": 2376}
        self.theirs = self._copied(cloud, "peer", name, {**kept, **known}, "generic")
        near = {**kept, "IPAddress": where}
        self.theirs_near = self._copied(cloud, "peer-near", name, near, "generic")

    def set_delay(self, delay_ms: int) -> None:
        """Put so long a way between here and the machine and its cloud."""
        for each in (*self.relays, self._api):
            each.delay_s = delay_ms / 1000

    def turns(self) -> int:
        """Return how many turns were taken on the way since the last time."""
        found = sum(each.turns for each in (*self.relays, self._api))
        for each in (*self.relays, self._api):
            each.reset()
        return found

    def close(self) -> None:
        """End the relays."""
        self.set_delay(0)
        for each in self.relays:
            each.close()

    @staticmethod
    def _copied(
        cloud: Cloud, folder: str, name: str, driver: dict[str, object], kind: str
    ) -> dict[str, str]:
        store = cloud.work / folder
        shutil.copytree(cloud.store, store)
        path = store / "machines" / name / "config.json"
        text = path.read_text().replace(f"{cloud.store}/", f"{store}/")
        config = {**json.loads(text), "DriverName": kind}
        key = str(driver["SSHKeyPath"]).replace(f"{cloud.store}/", f"{store}/")
        config["Driver"] = {**driver, "SSHKeyPath": key, "StorePath": str(store)}
        path.write_text(json.dumps(config))
        return {**cloud.environment, "MACHINE_STORAGE_PATH": str(store)}


class Ground:
    """All of it, made when it is first asked for, and closed at the end."""

    def __init__(self, times: int) -> None:
        self.times = times
        self._closing = ExitStack()

    def close(self) -> None:
        """Remove what was made."""
        self._closing.close()

    @cached_property
    def cloud(self) -> Cloud:
        """A cloud with guests."""
        return self.new_cloud()

    @cached_property
    def empty_cloud(self) -> Cloud:
        """A cloud without guests."""
        return self.new_cloud("none")

    def new_cloud(self, guests: str = "nspawn") -> Cloud:
        """Return a cloud, which is removed at the end."""
        cloud = Cloud(guests)
        self._closing.callback(cloud.close)
        return cloud

    @cached_property
    def dev(self) -> Cloud:
        """The cloud, after a machine ``dev`` was made in it, alone in the store."""
        self.cloud.run("create", "-d", "aliyunecs", "--tls-san", FAR, "dev")
        return self.cloud

    @cached_property
    def far(self) -> Far:
        """The machine ``dev`` from afar."""
        far = Far(self.dev, "dev")
        self._closing.callback(far.close)
        return far

    @cached_property
    def peer(self) -> str | None:
        """Docker Machine, where the variable ``PEERS`` names its binaries or their folder."""
        found = [Path(each) for each in os.environ.get("PEERS", "").split(os.pathsep) if each]
        folders = [str(each if each.is_dir() else each.parent) for each in found]
        return shutil.which("docker-machine", path=os.pathsep.join(folders)) if found else None

    def against_python(self, *words: str) -> Figure:
        """Return how often a Python that does nothing fits into a command, in pairs of runs."""
        return self.in_pairs(
            [PROGRAM, *words], self.dev.environment, [sys.executable, "-c", "pass"]
        )

    def in_pairs(
        self,
        ours: Sequence[str],
        environment: dict[str, str],
        other: Sequence[str],
        other_environment: dict[str, str] | None = None,
        between: Callable[[], object] = lambda: None,
    ) -> Figure:
        """Return the median of what ours takes against the other, of runs that take turns."""
        pairs = []
        for _ in range(self.times):
            between()
            second = run(other, other_environment or environment).wall_s
            between()
            pairs.append((run(ours, environment).wall_s, second))
        first, second = (statistics.median(each) for each in zip(*pairs, strict=True))
        ratio = statistics.median(one / two for one, two in pairs)
        return Figure(ratio, f"({first * 1000:.0f} ms / {second * 1000:.0f} ms)")


def run(command: Sequence[str], environment: dict[str, str], status: int = 0) -> Run:
    """Run a program to its end. Another exit status than is expected ends the bench."""
    with tempfile.TemporaryFile() as output:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, left, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(left)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if process.returncode != status:
        raise SystemExit(f"{' '.join(command)} left with {process.returncode}:\n{text}")
    return Run(wall_s, used.ru_utime + used.ru_stime, text)


def _driver(store: Path, name: str) -> dict[str, object]:
    driver: dict[str, object] = json.loads((store / "machines" / name / "config.json").read_text())[
        "Driver"
    ]
    return driver
