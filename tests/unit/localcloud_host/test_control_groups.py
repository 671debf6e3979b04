from __future__ import annotations

from pathlib import Path

import pytest

from ecsmachine.localcloud.host.control_groups import (
    DirectGroups,
    Hierarchies,
    SystemdGroups,
    mounted_hierarchies,
)

LEGACY = """\
23 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
31 23 0:27 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
33 31 0:29 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
34 31 0:30 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
UNIFIED = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_hierarchies_of_both_versions_are_found() -> None:
    found = mounted_hierarchies(LEGACY)
    assert found.legacy == (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup/systemd"))
    assert found.unified == Path("/sys/fs/cgroup/unified")
    assert mounted_hierarchies(UNIFIED) == Hierarchies((), Path("/sys/fs/cgroup"))
    assert mounted_hierarchies("").all == ()


def test_groups_made_by_hand_are_in_every_hierarchy() -> None:
    groups = DirectGroups("ecsmachine-abc123", mounted_hierarchies(LEGACY))
    folders = groups.folders("i-1")
    assert folders.legacy == (
        Path("/sys/fs/cgroup/memory/ecsmachine-abc123/i-1"),
        Path("/sys/fs/cgroup/systemd/ecsmachine-abc123/i-1"),
    )
    assert folders.unified == Path("/sys/fs/cgroup/unified/ecsmachine-abc123/i-1")


def test_groups_of_systemd_are_services_in_a_slice() -> None:
    groups = SystemdGroups("ecsmachine-abc123", mounted_hierarchies(UNIFIED))
    assert groups.folders("i-1") == Hierarchies(
        (),
        Path("/sys/fs/cgroup/ecsmachine_abc123.slice/ecsmachine-abc123-i-1.service"),
    )


def test_processes_are_those_of_a_group_and_all_below_it(tmp_path: Path) -> None:
    inner = tmp_path / "ecsmachine-abc123/i-1/payload/init.scope"
    inner.mkdir(parents=True)
    (tmp_path / "ecsmachine-abc123/i-1/cgroup.procs").write_text("20\n")
    (inner / "cgroup.procs").write_text("21\n22\n0\n")
    groups = DirectGroups("ecsmachine-abc123", Hierarchies((), tmp_path))
    assert groups.processes("i-1") == [20, 21, 22]  # 0 is a process of a foreign namespace
    assert groups.processes("i-2") == []
    assert groups.running() == {"i-1"}


def test_a_process_that_moves_down_meanwhile_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guest whose supervisor had just gone into a group below was said not to have booted."""
    group = tmp_path / "ecsmachine-abc123/i-1"
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text("20\n")
    read = Path.read_text

    def moved_first(self: Path) -> str:
        if self.parent == group and not (below := group / "supervisor").exists():
            below.mkdir()
            self.rename(below / self.name)
            self.touch()
        return read(self)

    monkeypatch.setattr(Path, "read_text", moved_first)
    groups = DirectGroups("ecsmachine-abc123", Hierarchies((), tmp_path))
    assert groups.processes("i-1") == [20]


def test_a_group_runs_while_processes_are_in_it_or_below_it(tmp_path: Path) -> None:
    groups = DirectGroups("ecsmachine-abc123", Hierarchies((tmp_path / "no such",), tmp_path))
    cloud = tmp_path / "ecsmachine-abc123"
    (cloud / "i-empty").mkdir(parents=True)
    (cloud / "cgroup.procs").write_text("20\n")  # a file of the kernel, and no guest
    for name, populated in (("i-on", 1), ("i-off", 0)):  # version 2
        (cloud / name).mkdir()
        (cloud / name / "cgroup.events").write_text(f"populated {populated}\nfrozen 0\n")
    (cloud / "i-old/below").mkdir(parents=True)  # version 1
    (cloud / "i-old/below/cgroup.procs").write_text("21\n")
    assert groups.running() == {"i-on", "i-old"}


def test_a_host_without_control_groups_has_no_groups() -> None:
    groups = DirectGroups("ecsmachine-abc123", Hierarchies((), None))
    assert groups.processes("i-1") == []
    assert groups.running() == set()
    groups.remove_all()
