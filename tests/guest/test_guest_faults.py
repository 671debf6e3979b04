"""Faults of guests and of the mirror, and what ecsmachine makes of them."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import paramiko
import pytest

from ecsmachine.localcloud.faults.book import FaultBook
from ecsmachine.localcloud.faults.fault import Fault
from ecsmachine.localcloud.host.guests.faults import dropped_set, fault_table
from ecsmachine.localcloud.host.mounts import loops_below
from ecsmachine.localcloud.host.network import link_name
from ecsmachine.localcloud.host.paths import CloudPaths
from tests.guest.conftest import PASSWORD, Cloud, shell, wait_for
from tests.guest.instances import address_of, launch, make_group
from tests.guest.machines import Machines

pytestmark = pytest.mark.guest


@pytest.fixture
def faults(local_cloud: Cloud) -> Iterator[FaultBook]:
    with closing(FaultBook(local_cloud.root)) as book:
        yield book
        book.clear()


@pytest.fixture(scope="module")
def ecs(local_cloud: Cloud) -> Machines:
    return Machines({**local_cloud.environment})


@pytest.fixture(scope="module")
def group(local_cloud: Cloud, ecs: Machines) -> Iterator[str]:
    group = make_group(ecs, local_cloud.running.vpc_id, "faults")
    yield group

    def deleted() -> bool:
        try:
            ecs.ecs("DeleteSecurityGroup", SecurityGroupId=group)
        except Exception:
            return False
        return True

    wait_for(deleted, "the group to be deleted")


class Runs:
    """Runs instances that are gone when the test ends."""

    def __init__(self, cloud: Cloud, ecs: Machines, group: str):
        self._cloud, self._ecs, self._group = cloud, ecs, group
        self.ids: list[str] = []

    def __call__(self, name: str = "") -> str:
        """Run an instance; return its address once it is Running."""
        vswitch = self._cloud.running.vswitch_id
        self.ids.append(launch(self._ecs, vswitch, self._group, name))
        return address_of(self._ecs, self.ids[-1])

    def wait_for_drops(self, fault_id: int) -> None:
        """Wait until the router has the rules of a fault of the last instance's SSH."""
        router = CloudPaths.of(self._cloud.root).router
        table = fault_table(link_name(self.ids[-1]))
        look = ["nsenter", f"--net={router}", "nft", "list", "set", "ip", table]
        look.append(dropped_set(fault_id))
        wait_for(
            lambda: subprocess.run(look, capture_output=True, check=False).returncode == 0,
            "the fault to begin",
        )


@pytest.fixture
def run(local_cloud: Cloud, ecs: Machines, group: str) -> Iterator[Runs]:
    runs = Runs(local_cloud, ecs, group)
    yield runs
    for instance_id in runs.ids:
        ecs.ecs("DeleteInstance", InstanceId=instance_id, Force=True)


def struck(faults: FaultBook) -> int:
    return sum(entry.struck for entry in faults.entries())


def test_one_that_never_boots_until_the_fault_is_removed(
    faults: FaultBook, run: Runs, ecs: Machines
) -> None:
    faults.add(Fault("never-boots", times=1))
    address = run()
    with pytest.raises(TimeoutError):
        socket.create_connection((address, 22), timeout=1)
    with shell(run(), password=PASSWORD) as other:  # the next one after it boots
        other.check("true")
    assert struck(faults) == 1
    faults.clear()
    ecs.ecs("RebootInstance", InstanceId=run.ids[0])
    assert address_of(ecs, run.ids[0]) == address
    with shell(address, password=PASSWORD) as guest:
        guest.check("true")


def test_ssh_that_comes_late(faults: FaultBook, run: Runs) -> None:
    faults.add(Fault("ssh-late", instance="late*", seconds=3))
    begun = time.monotonic()
    address = run("late1")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, 22), timeout=5)
    with shell(address, password=PASSWORD):
        assert time.monotonic() - begun >= 3
    assert struck(faults) == 1


def test_ssh_that_drops(faults: FaultBook, run: Runs) -> None:
    address = run()
    broken = (OSError, EOFError, paramiko.SSHException, AssertionError)
    with shell(address, password=PASSWORD) as guest:
        guest.check("head -c 300000 /dev/zero")
    mine = run.ids[-1]  # somebody may be connected to another guest of this cloud
    fault_id = faults.add(Fault("ssh-drops", instance=mine, bytes=100_000))  # on one that runs
    run.wait_for_drops(fault_id)
    with shell(address, password=PASSWORD) as guest:
        guest.check("true")
        with pytest.raises(broken) as caught:
            guest.check("head -c 300000 /dev/zero", timeout_s=30)
        assert not isinstance(caught.value, TimeoutError), "the client is not told"
    wait_for(lambda: struck(faults) == 1, "one connection to be counted", there=faults.entries)
    faults.remove(fault_id)
    wait_for(lambda: holds(address), "the fault to end")

    # a login takes its time on a busy host
    run.wait_for_drops(faults.add(Fault("ssh-drops", instance=mine, seconds=5)))
    with shell(address, password=PASSWORD) as guest:
        guest.check("true")
        with pytest.raises(broken):
            guest.check("sleep 6; echo lost", timeout_s=12)
    # a login that took longer was counted as well
    wait_for(lambda: struck(faults) >= 1, "the connection to be counted", there=faults.entries)


def test_a_connection_that_was_closed_before_is_not_broken_off(
    faults: FaultBook, run: Runs
) -> None:
    """Its server, which takes its time to close its end as well, speaks after the fault began."""
    address = run()
    with shell(address, password=PASSWORD) as older:
        older.check("head -c 300000 /dev/zero")
        server = older.check("echo $PPID").strip()
        with shell(address, password=PASSWORD) as other:
            other.check(f"kill -STOP {server}")
    mine = run.ids[-1]
    with shell(address, password=PASSWORD) as guest:  # it has its minute too, if not all of one
        run.wait_for_drops(faults.add(Fault("ssh-drops", instance=mine, seconds=60)))
        guest.check("true")
        run.wait_for_drops(faults.add(Fault("ssh-drops", instance=mine, bytes=100_000)))
        guest.check(f"kill -CONT {server}; while kill -0 {server}; do sleep 0.1; done")
        with pytest.raises((OSError, EOFError, paramiko.SSHException, AssertionError)):
            guest.check("head -c 300000 /dev/zero", timeout_s=5)
    wait_for(lambda: struck(faults) >= 1, "the connection to be counted")
    time.sleep(1.2)  # what broke off later is counted with the next look at the router
    assert [entry.struck for entry in faults.entries()] == [0, 1]


def holds(address: str) -> bool:
    try:
        with shell(address, password=PASSWORD) as guest:
            guest.check("head -c 300000 /dev/zero", timeout_s=3)
    except (OSError, EOFError, paramiko.SSHException, AssertionError):
        return False
    return True


def test_one_connection_of_many_that_drops(faults: FaultBook, run: Runs) -> None:
    address = run()
    outcomes = []
    with shell(address, password=PASSWORD) as older:
        run.wait_for_drops(faults.add(Fault("ssh-drops", instance=run.ids[-1], connection=2)))
        older.check("true")  # is not the first of those that count
        for _ in range(3):
            try:
                with socket.create_connection((address, 22), timeout=5) as connection:
                    outcomes.append(connection.recv(4))
            except ConnectionResetError:
                outcomes.append(b"")
        older.check("true")
    assert outcomes == [b"SSH-", b"", b"SSH-"]
    wait_for(lambda: struck(faults) == 1, "one connection to be counted", there=faults.entries)


def test_a_disk_that_is_full(
    faults: FaultBook, run: Runs, ecs: Machines, local_cloud: Cloud
) -> None:
    faults.add(Fault("disk-full", free_mib=2))
    address = run()
    with shell(address, password=PASSWORD) as guest:
        guest.check("head -c 1000000 /dev/zero > /root/file")
        result = guest.run("head -c 5000000 /dev/zero > /root/larger")
        assert "No space left on device" in result.output
    ecs.ecs("RebootInstance", InstanceId=run.ids[0])
    address_of(ecs, run.ids[0])
    with shell(address, password=PASSWORD) as guest:
        assert guest.run("head -c 5000000 /dev/zero > /root/larger").status != 0
        assert guest.check("stat -c %s /root/file").strip() == "1000000"
    faults.clear()
    run()  # whose namespace has a copy of the mounts of the first
    folder = local_cloud.root / "instances" / run.ids[0]
    assert loops_below(folder)
    ecs.ecs("DeleteInstance", InstanceId=run.ids.pop(0), Force=True)
    wait_for(lambda: not folder.exists() and not loops_below(folder), "its disk to be gone")


# What ecsmachine itself makes of them. Its patience is cut to what a test has time for, where that
# is what comes to its end: a guest beside other work takes a while.

_LOGIN = "import ecsmachine.ssh.wait as it; it.wait_for_ssh.__kwdefaults__['timeout_s'] = 4.0"
IMPATIENT = {
    "never-boots": _LOGIN,
    "ssh-late": _LOGIN,
    "mirror-hangs": "import ecsmachine.provision.steps.installation as it; it.STALLED_S = 1",
}
RUN = "from ecsmachine.__main__ import main; main()"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            Fault("never-boots", instance="struck"),
            "Too many retries waiting for SSH to be available",
        ),
        (
            Fault("ssh-late", instance="struck", seconds=60),
            "Too many retries waiting for SSH to be available",
        ),
        (Fault("disk-full", instance="struck", free_mib=8), "No space left on device"),
        (Fault("mirror-404", path="*.deb"), "a package cannot be fetched"),
        (Fault("mirror-hangs", path="*.deb"), "a package cannot be fetched"),
        (Fault("ssh-drops", instance="struck", bytes=12_000), "connection"),
    ],
    ids=lambda value: f"{value.kind}{value.path}" if isinstance(value, Fault) else "",
)
def test_create_says_what_is_wrong_in_one_line_and_leaves_nothing(
    bare_machines: Machines, faults: FaultBook, fault: Fault, said: str
) -> None:
    before = set(bare_machines.left_in_the_cloud())
    faults.add(fault)
    done = subprocess.run(
        [sys.executable, "-c", f"{IMPATIENT.get(fault.kind, '')}\n{RUN}", "create", "struck"],
        capture_output=True,
        text=True,
        timeout=240,
        stdin=subprocess.DEVNULL,
        env=bare_machines.environment,
    )
    assert done.returncode not in (0, 2), done.stdout
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    wait_for(lambda: struck(faults) >= 1, "the fault to be counted")
    assert bare_machines.run("ls", "-q").stdout == ""
    assert set(bare_machines.left_in_the_cloud()) <= before


def test_a_guest_that_dies_at_boot_is_logged_and_not_waited_for(
    local_cloud: Cloud, bare_machines: Machines, tmp_path: Path
) -> None:
    script = tmp_path / "die.sh"
    script.write_text("#!/bin/sh\nsystemctl exit 3\n")
    done = bare_machines.run("create", "dies", "--aliyunecs-user-data", str(script), check=False)
    assert done.returncode == 1
    assert 'Machine "dies" stopped: it ' in done.stderr
    assert "The end of its console:" in done.stderr
    assert "Traceback" not in done.stderr
    log = CloudPaths.of(local_cloud.root).log.read_text(errors="replace")
    assert "died: its first process exited with status 3; its console ends with:" in log
    assert "Exiting container." in log
    assert bare_machines.run("ls", "-q").stdout == ""


def test_create_gets_over_what_passes(machines: Machines, faults: FaultBook) -> None:
    faults.add(Fault("ssh-late", seconds=2))
    faults.add(Fault("throttle", rate=10))
    faults.add(Fault("cut-after", action="RunInstances", times=1))
    faults.add(Fault("error", action="CreateSecurityGroup", code="ServiceUnavailable", times=1))
    faults.add(Fault("eventual-consistency", action="RunInstances", seconds=1))
    machines.run("create", "passes")
    assert machines.run("status", "passes").stdout == "Running\n"
    machines.run("rm", "-y", "passes")
    counts = {entry.fault.kind: entry.struck for entry in faults.entries()}
    assert all(counts[kind] for kind in counts if kind != "throttle"), counts
