"""Which faults strike a guest, and the router's rules for those of SSH."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ecsmachine.localcloud.faults.book import FaultBook
from ecsmachine.localcloud.faults.fault import Fault
from ecsmachine.localcloud.faults.guests import guest_faults
from ecsmachine.localcloud.host.guests.fault_rules import FaultRules
from ecsmachine.localcloud.host.guests.faults import NO_FAULTS, GuestFaults, SshDrop, nft_script
from ecsmachine.localcloud.host.network import Network
from tests.unit.localcloud.test_firewall import instance


@pytest.fixture
def book(tmp_path: Path) -> Iterator[FaultBook]:
    with closing(FaultBook(tmp_path)) as book:
        yield book


def test_each_kind_at_its_moment(book: FaultBook) -> None:
    book.add(Fault("never-boots"))
    book.add(Fault("ssh-late", seconds=2))
    book.add(Fault("ssh-late", seconds=3))
    book.add(Fault("disk-full", free_mib=4))
    drop = SshDrop(book.add(Fault("ssh-drops", bytes=9)), bytes=9)
    one = instance(1)
    assert guest_faults(book, one, "make") == GuestFaults(free_mib=4)
    assert guest_faults(book, one, "start") == GuestFaults(
        never_boots=True, ssh_late_s=3, ssh_drops=(drop,)
    )
    assert guest_faults(book, one, "run") == GuestFaults(ssh_drops=(drop,))
    assert [entry.struck for entry in book.entries()] == [1, 1, 1, 1, 0]


def test_the_next_instance_is_one_that_starts(book: FaultBook) -> None:
    book.add(Fault("ssh-drops", bytes=9, times=1))
    running, starting = instance(1), instance(2)
    assert guest_faults(book, running, "run") == NO_FAULTS
    assert guest_faults(book, starting, "start").ssh_drops
    assert guest_faults(book, running, "start") == NO_FAULTS
    assert guest_faults(book, starting, "run").ssh_drops


def test_other_instances_are_well(book: FaultBook) -> None:
    book.add(Fault("never-boots", instance="i-2"))
    assert guest_faults(book, instance(1), "start") == NO_FAULTS
    assert guest_faults(book, instance(2), "start").never_boots


def test_without_faults_there_is_no_table() -> None:
    lines = nft_script("gabc", "10.0.0.1", NO_FAULTS).split("\n")
    assert lines == ["table ip fault_gabc {}", "delete table ip fault_gabc", ""]


class Listed(Network):
    """A router whose table is listed as nft 1.0 has listed one of two connections that broke."""

    def __init__(self) -> None:
        self.connections: list[int] = []

    def _inside(self, argv: list[str], stdin: str | None = None) -> str:
        if argv[:2] != ["nft", "-j"]:
            return ""
        broken = {"name": "dropped_7", "table": "fault_x", "type": "integer", "size": 65535}
        if self.connections:
            broken["elem"] = [{"elem": {"val": n, "expires": 291}} for n in self.connections]
        young = {"name": "young_7", "elem": [{"elem": {"val": {"concat": ["10.0.0.9", 4000]}}}]}
        late = {"name": "late", "elem": ["10.0.0.1"]}
        items = [{"table": {"name": "fault_x"}}, {"set": broken}, {"set": young}, {"set": late}]
        return json.dumps({"nftables": items})


def test_a_connection_that_broke_off_is_counted_once() -> None:
    network = Listed()
    rules = FaultRules(network)
    rules.set("i-1", "10.0.0.1", GuestFaults(ssh_drops=(SshDrop(7, bytes=9),)))
    assert rules.take_drops() == {7: 0}
    network.connections = [4294967295]
    assert rules.take_drops() == {7: 1}
    assert rules.take_drops() == {7: 0}
    network.connections = [4294967295, 5, 6]
    rules.forget("i-1")  # its rules go, what they have struck is still told
    assert rules.take_drops() == {7: 2}


def test_nft_understands_the_rules() -> None:
    drops = (SshDrop(1, seconds=1.5), SshDrop(2, bytes=9), SshDrop(3, connection=2))
    script = nft_script("gabc", "10.0.0.1", GuestFaults(ssh_late_s=0.5, ssh_drops=drops))
    try:
        done = subprocess.run(
            ["unshare", "--net", "nft", "--check", "-f", "-"],
            input=script,
            text=True,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("no nft")
    if "not permitted" in done.stderr:
        pytest.skip("not root")
    assert done.returncode == 0, done.stderr
