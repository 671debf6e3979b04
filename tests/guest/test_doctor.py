"""A real machine, broken in one way after the other: ``doctor`` names each, and what it says mends.

One machine is made for all of them; a second one has the small disk, and is released at the end.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.machine import certificates, issuing
from ecsmachine.machine.model import auth_options
from ecsmachine.ssh.private_keys import load_unlocked
from tests.guest.conftest import Cloud, shell, wait_for
from tests.guest.instances import ANY
from tests.guest.machines import Machines
from tests.guest.test_certificates import FOREIGN
from tests.guest.test_many import stop_and_take_the_address

pytestmark = pytest.mark.guest


@dataclass
class Ill:
    """The machine, and how it is looked at."""

    machines: Machines
    name: str
    group: str = ""
    taken: list[str] = field(default_factory=list)

    @property
    def instance_id(self) -> str:
        inspected = self.machines.run("inspect", "-f", "{{.Driver.InstanceId}}", self.name)
        return inspected.stdout.strip()

    @property
    def folder(self) -> Path:
        return Path(self.machines.environment["MACHINE_STORAGE_PATH"]) / "machines" / self.name

    def on_host(self, script: str) -> None:
        """Run a script on the host, over a connection that is not kept."""
        self.machines.run("ssh", self.name, script)

    def state(self) -> str:
        answer = self.machines.ecs("DescribeInstances", InstanceIds=json.dumps([self.instance_id]))
        found = answer["Instances"]["Instance"]
        return str(found[0]["Status"]) if found else "gone"

    def examined(
        self, *before: str, environment: Mapping[str, str] | None = None
    ) -> tuple[int, list[dict[str, Any]]]:
        """Return the exit code of the doctor, and what each step found."""
        words = ("doctor", "--json", self.name)
        if before:
            done = subprocess.run(
                [*before, self.machines.program, *words],
                capture_output=True,
                text=True,
                timeout=240,
                stdin=subprocess.DEVNULL,
                env={**self.machines.environment, **(environment or {})},
            )
        else:
            done = self.machines.run(*words, check=False, environment=environment)
        assert "Traceback" not in done.stderr
        (found,) = json.loads(done.stdout)["Machines"]
        return done.returncode, found["Steps"]


@dataclass(frozen=True)
class Way:
    """How the doctor is called while something is broken."""

    before: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


Break = Callable[[Ill], AbstractContextManager[Way]]


@contextmanager
def stopped(ill: Ill) -> Iterator[Way]:
    ill.machines.ecs("StopInstance", InstanceId=ill.instance_id)
    wait_for(lambda: ill.state() == "Stopped", "the instance to be Stopped")
    yield Way()


@contextmanager
def moved(ill: Ill) -> Iterator[Way]:
    ill.taken += stop_and_take_the_address(ill.machines, ill.instance_id)
    ill.machines.ecs("StartInstance", InstanceId=ill.instance_id)
    wait_for(lambda: ill.state() == "Running", "the instance to be Running")
    yield Way()


def closed(port: int) -> Break:
    @contextmanager
    def close(ill: Ill) -> Iterator[Way]:
        rule = {"IpProtocol": "tcp", "PortRange": f"{port}/{port}", "SourceCidrIp": ANY}
        ill.machines.ecs("RevokeSecurityGroup", SecurityGroupId=ill.group, **rule)
        yield Way()
        ill.machines.ecs("AuthorizeSecurityGroup", SecurityGroupId=ill.group, **rule)
        found = ill.machines.ecs("DescribeSecurityGroupAttribute", SecurityGroupId=ill.group)
        for each in found["Permissions"]["Permission"]:
            if each["SourceCidrIp"].endswith("/32"):  # what --let-in has added
                added = {name: each[name] for name in ("PortRange", "SourceCidrIp")}
                ill.machines.ecs(
                    "RevokeSecurityGroup", SecurityGroupId=ill.group, IpProtocol="tcp", **added
                )

    return close


@contextmanager
def dropped(ill: Ill) -> Iterator[Way]:
    rule = {"IpProtocol": "tcp", "PortRange": "1/1024", "SourceCidrIp": ANY, "Policy": "drop"}
    ill.machines.ecs("AuthorizeSecurityGroup", SecurityGroupId=ill.group, Priority=1, **rule)
    yield Way()
    ill.machines.ecs("RevokeSecurityGroup", SecurityGroupId=ill.group, Priority=1, **rule)


@contextmanager
def engine_stopped(ill: Ill) -> Iterator[Way]:
    ill.on_host("systemctl stop docker.socket docker.service")
    yield Way()


@contextmanager
def daemon_json_broken(ill: Ill) -> Iterator[Way]:
    ill.on_host("echo '{ nonsense' > /etc/docker/daemon.json; systemctl restart docker || :")
    yield Way()


@contextmanager
def host_key_changed(ill: Ill) -> Iterator[Way]:
    ill.on_host("rm /etc/ssh/ssh_host_*; ssh-keygen -A > /dev/null; systemctl restart ssh")
    yield Way()
    ill.machines.run("trust", "-y", ill.name)


@contextmanager
def login_key_gone(ill: Ill) -> Iterator[Way]:
    address = ill.machines.run("ip", ill.name).stdout.strip()
    with shell(address, key=load_unlocked(ill.folder / "id_rsa")) as console:
        console.check("mv /root/.ssh/authorized_keys /root/.ssh/gone")
        yield Way()
        console.check("mv /root/.ssh/gone /root/.ssh/authorized_keys")


@contextmanager
def certificate_of_another_ca(ill: Ill) -> Iterator[Way]:
    ill.on_host(
        f"{FOREIGN}cp /tmp/cert.pem server.pem; cp /tmp/key.pem server-key.pem; "
        "systemctl restart docker"
    )
    yield Way()


@contextmanager
def certificate_expired(ill: Ill) -> Iterator[Way]:
    auth = auth_options(Path(ill.machines.environment["MACHINE_STORAGE_PATH"]), ill.name)
    address = ill.machines.run("ip", ill.name).stdout.strip()
    with pytest.MonkeyPatch.context() as past:
        past.setattr(issuing, "_LIFETIME", timedelta(hours=1))  # from a day ago
        certificates.make_server_certificate(auth, ill.name, [address])
    for file in ("server.pem", "server-key.pem"):
        ill.machines.run("scp", str(ill.folder / file), f"{ill.name}:/etc/docker/{file}")
    ill.on_host("systemctl restart docker")
    yield Way()


@contextmanager
def clock_wrong(ill: Ill) -> Iterator[Way]:
    if not shutil.which("faketime"):
        pytest.skip("no faketime program")
    yield Way(before=("faketime", "-f", "+20m"))


@contextmanager
def wrong_key(ill: Ill) -> Iterator[Way]:
    yield Way(environment={"ECS_ACCESS_KEY_SECRET": "x" * 30})


@contextmanager
def context_elsewhere(ill: Ill) -> Iterator[Way]:
    contexts = Path(ill.machines.environment["DOCKER_CONFIG"]) / "contexts" / "meta"
    (meta,) = contexts.glob("*/meta.json")
    text = json.loads(meta.read_text())
    text["Endpoints"]["docker"]["Host"] = "tcp://198.51.100.7:2376"
    meta.write_text(json.dumps(text))
    yield Way()


@contextmanager
def variables_elsewhere(ill: Ill) -> Iterator[Way]:
    variables = {"DOCKER_MACHINE_NAME": ill.name, "DOCKER_HOST": "tcp://198.51.100.7:2376"}
    yield Way(environment=variables)


WAYS: dict[str, tuple[Break, str, str, bool]] = {
    "wrong key": (wrong_key, "account", "SignatureDoesNotMatch", False),
    "clock": (clock_wrong, "clock", "ahead of the cloud's", False),
    "22 closed": (closed(22), "rules for SSH", "no rule lets TCP 22 in from", True),
    "2376 closed": (closed(2376), "rules for the engine", "no rule lets TCP 2376 in from", True),
    "22 dropped": (dropped, "rules for SSH", "drops TCP 22 from", False),
    "login key": (login_key_gone, "login", "does not accept the login", False),
    "engine stopped": (engine_stopped, "engine's service", "is inactive", True),
    "daemon.json": (daemon_json_broken, "engine's service", "/etc/docker/daemon.json", True),
    "another CA": (certificate_of_another_ca, "engine's certificate", "from another CA", True),
    "expired": (certificate_expired, "engine's certificate", "has expired", True),
    "context": (context_elsewhere, "docker context", "points to tcp://198.51.100.7:2376", True),
    "variables": (variables_elsewhere, "environment", "DOCKER_HOST is tcp://198.51.100.7", False),
    "host key": (host_key_changed, "host key", "has changed", False),
    "stopped": (stopped, "instance", "it is Stopped", True),
    "moved": (moved, "address", "it was", True),
}
"""How it is broken; the step that says so first, in which words; whether its commands mend it."""


@pytest.fixture(scope="module")
def ill(machines: Machines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ill]:
    machines.environment["DOCKER_CONFIG"] = str(tmp_path_factory.mktemp("docker-config"))
    machines.environment["MACHINE_SSH_CONTROL_PERSIST"] = "0"
    machines.run("create", "--aliyunecs-security-group", "ill", "ill")
    machines.run("context", "ill")
    inspected = machines.run("inspect", "-f", "{{.Driver.SecurityGroupId}}", "ill")
    found = Ill(machines, "ill", inspected.stdout.strip())
    yield found
    machines.run("rm", "-y", "ill")
    for allocation_id in found.taken:
        machines.ecs("ReleaseEipAddress", AllocationId=allocation_id)


def done_as_told(machines: Machines, command: str) -> None:
    """Run a command that mends; where it asks, the answer is yes."""
    words = shlex.split(command)[1:]
    yes = {"rm": ["-y"], "regenerate-certs": ["-f"]}.get(words[0], [])
    machines.run(*words, *yes)


def first_broken(steps: list[dict[str, Any]]) -> dict[str, Any]:
    return next(each for each in steps if each["Outcome"] == "broken")


def assert_well(ill: Ill) -> None:
    code, steps = ill.examined()
    assert code == 0, [each for each in steps if each["Outcome"] == "broken"]
    assert {each["Outcome"] for each in steps} <= {"ok", "warning"}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_broken_is_named_and_mended(way: str, ill: Ill) -> None:
    bring_about, step, said, mends = WAYS[way]
    with bring_about(ill) as called:
        code, steps = ill.examined(*called.before, environment=called.environment)
        found = first_broken(steps)
        assert (code, found["Step"]) == (1, step), steps
        assert said in found["Found"]
        assert bool(found["Mend"]) == mends, found
        assert found["Hint"]
        for command in found["Mend"]:
            done_as_told(ill.machines, command)
        if mends:
            assert_well(ill)
    if not mends and called == Way():  # else nothing was changed but how it was called
        assert_well(ill)


def test_a_full_disk_and_then_a_release_behind_our_back(
    machines: Machines, ill: Ill, local_cloud: Cloud
) -> None:
    """The machine is made here: a disk that can be filled is chosen before it is there."""
    fault = ["local", "fault", "add", "disk-full", "--instance", "small", "--free-mib", "400"]
    cloud = {"ECSMACHINE_LOCAL_ROOT": str(local_cloud.root)}
    fault_id = machines.run(*fault, environment=cloud).stdout.strip()
    try:
        machines.run("create", "--aliyunecs-security-group", "ill", "small")
    finally:
        machines.run("local", "fault", "rm", fault_id, environment=cloud)
    small = Ill(machines, "small")
    assert_well(small)
    small.on_host("fallocate -l $(($(df -k --output=avail / | tail -n 1) - 9000))KiB /filler")
    code, steps = small.examined()
    assert (code, first_broken(steps)["Step"]) == (1, "disk space")
    assert "/ is full" in first_broken(steps)["Found"]
    machines.ecs("DeleteInstance", InstanceId=small.instance_id, Force=True)
    wait_for(lambda: small.state() == "gone", "the instance to be gone")
    code, steps = small.examined()
    found = first_broken(steps)
    assert (code, found["Step"]) == (1, "instance")
    assert "released outside of ecsmachine" in found["Found"]
    (command,) = found["Mend"]
    done_as_told(machines, command)
    assert "small" not in machines.stored()


def test_several_and_all_machines(machines: Machines, ill: Ill) -> None:
    machines.run("create", "-d", "none", "--url", "tcp://127.0.0.1:1", "fixed")
    done = machines.run("doctor", "ill", "fixed", check=False)
    assert done.returncode == 1
    assert [line for line in done.stdout.splitlines() if line[:1].isalpha()] == ["ill", "fixed"]
    assert done.stderr.startswith('Error: Machine "fixed": engine\'s port: 127.0.0.1:1 does not')
    everything = machines.run("doctor", check=False).stdout
    assert everything.startswith("This computer\n")
    assert re.search(r"^ill\n  (ok|warning) ", everything, re.MULTILINE)
    machines.run("rm", "-y", "fixed")


def test_logs_of_engine_and_console(machines: Machines, ill: Ill) -> None:
    said = machines.run("logs", "-n", "5", "ill").stdout.splitlines()
    assert len(said) == 5
    assert any("dockerd" in line or "docker.service" in line for line in said)
    assert machines.run("logs", "--since", "2100-01-01", "ill").stdout == ""
    assert len(machines.run("logs", "--since", "1d", "ill").stdout.splitlines()) > 5
    with closed(22)(ill):
        assert machines.run("logs", "--console", "-n", "1000", "ill").stdout.strip()
    assert_well(ill)


def test_logs_are_followed_until_they_are_interrupted(machines: Machines, ill: Ill) -> None:
    follower = machines.start("logs", "-f", "-n", "1", "ill")
    assert follower.stdout is not None
    assert follower.stdout.readline()  # it is connected
    ill.on_host("systemctl restart docker")
    while "Started docker.service" not in (line := follower.stdout.readline()):
        assert line, "it ended by itself"
    follower.send_signal(signal.SIGINT)
    _, error = follower.communicate(timeout=60)
    assert (follower.returncode, error) == (130, "Error: Interrupted\n")


def test_logs_end_with_the_machine_that_is_followed(machines: Machines, ill: Ill) -> None:
    follower = machines.start("logs", "-f", "-n", "1", "ill")
    assert follower.stdout is not None
    assert follower.stdout.readline()
    machines.run("restart", "ill")
    _, error = follower.communicate(timeout=120)
    assert follower.returncode == 1
    assert error.startswith("Error: The SSH connection to ")
    assert '"ecsmachine doctor ill" finds out why' in error
