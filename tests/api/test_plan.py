"""Machines of a file, on a local cloud without guests: plan, apply, destroy."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.aliyun import ecs_changes
from ecsmachine.documents.rules import ID
from ecsmachine.drivers.aliyunecs.resources.instance import remove_instance
from ecsmachine.localcloud.state.settings import Delays
from ecsmachine.localcloud.state.tagging import resource_tags
from tests.api.driver_rig import Rig, rig_in
from tests.loaded_program import Process
from tests.unit.cli.test_json import documented

LARGER = "provision: false, instance-type: ecs.e-c1m2.large"
OURS = "provision: false, instance-type: ecs.e-c1m1.large"


class Files:
    """A file of machines, and the commands that read it."""

    def __init__(self, rig: Rig, folder: Path):
        self.rig = rig
        self.path = folder / "ecsmachine.yaml"

    def write(self, machines: str, defaults: str = OURS) -> None:
        self.path.write_text(f"defaults: {{{defaults}}}\nmachines:\n" + machines)

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        done = Process(
            arguments,
            environment={**self.rig.program_environment(), **environment},
            folder=self.path.parent,
        ).wait(120)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def apply(self, *arguments: str) -> str:
        code, out, err = self.run("apply", "-y", *arguments)
        assert (code, err) == (0, ""), out
        return out

    def plan(self, *arguments: str) -> dict[str, str]:
        """Return what would be done to each machine."""
        code, out, err = self.run("plan", "--json", "--detailed-exitcode", *arguments)
        document = json.loads(out)
        assert {*document} == documented("### plan\n")
        assert all({*each} == documented("A machine of a plan") for each in document["Machines"])
        assert code == (0 if document["Empty"] else 2), err
        return {each["Name"]: each["Action"] for each in document["Machines"]}

    def names(self) -> list[str]:
        return self.run("ls", "-q")[1].split()

    def change_journal(self, name: str, **values: Any) -> None:
        """Write other values into the journal of a machine."""
        (path,) = self.path.parent.glob(f"*/machines/{name}/journal.json")
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    def change_data_disk(self, **values: Any) -> None:
        """Let the only data disk of the cloud be another, as by a hand in the console."""
        state = self.rig.cloud.state
        with state.transaction():
            (disk,) = (each for each in state.disks if each.kind == "data")
            state.disks.put(replace(disk, **values))


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    with rig_in(tmp_path, Delays(pending_s=0.05, starting_s=0.05)) as rig:
        yield Files(rig, tmp_path)


def test_engine_options_of_a_machine_without_an_engine_are_kept_for_it(files: Files) -> None:
    files.write("  a: {}\n")
    files.apply()
    files.write("  a: {engine-labels: {tier: data}}\n")
    assert files.plan() == {"a": "change"}
    files.apply()
    assert files.plan() == {"a": "keep"}
    shown = json.loads(files.run("config", "show", "a", "--json")[1])
    assert shown["Labels"] == ["tier=data"]


def test_quietly_there_are_names_alone(files: Files) -> None:
    files.write("  a: {count: 3}\n")
    files.apply("--target", "a-2")
    assert files.run("plan", "-q") == (0, "a-1\na-3\n", "")
    (folder,) = files.path.parent.glob("*/machines/a-2")
    shutil.rmtree(folder)
    (instance,) = files.rig.cloud.state.instances
    assert files.run("adopt", "-q") == (0, "a-2\n", "")
    found = files.run("sweep", "--dry-run", "-q")[1].split()
    assert instance.id in found
    assert files.run("ls", "--orphans", "-q")[1].split() == found
    assert files.run("sweep", "-yq") == (0, "\n".join(found) + "\n", "")
    assert files.run("sweep", "-yq") == files.run("adopt", "-q") == (0, "", "")


def test_made_changed_and_removed_as_the_file_says(files: Files) -> None:
    files.write("  db: {disk-size: 100}\n  web: {count: 3, spot-strategy: NoSpot}\n")
    code, out, err = files.run("plan", "--detailed-exitcode")
    assert (code, err) == (2, "")
    assert "+ db is made" in out
    assert "To do: 4 made\n" in out
    assert files.rig.left() == {}
    files.apply()
    assert files.names() == ["db", "web-1", "web-2", "web-3"]
    assert set(files.plan().values()) == {"keep"}
    assert files.apply().startswith("Nothing to do: 4 machines")

    # a machine that another command has made is none of the file's
    assert files.run("create", "--no-provision", "mine")[0] == 0
    files.write("  web: {count: 2, spot-strategy: SpotAsPriceGo}\n")
    assert files.plan() == {
        "web-1": "replace",
        "web-2": "replace",
        "web-3": "remove",
        "db": "remove",
    }
    before = {each.id for each in files.rig.cloud.state.instances}
    assert "IS LOST" in files.apply()
    assert len(before & {each.id for each in files.rig.cloud.state.instances}) == 1
    assert files.names() == ["mine", "web-1", "web-2"]
    assert set(files.plan().values()) == {"keep"}

    code, out, _ = files.run("destroy", "-y", "--target", "web-2")
    assert (code, "- web-2 is removed" in out) == (0, True)
    assert files.run("destroy", "-y")[0] == 0
    assert files.names() == ["mine"]
    assert (
        files.run("destroy", "-y")[1] == "Nothing to do: there is no machine of ecsmachine.yaml\n"
    )
    code, out, err = files.run("destroy", "-y", "-f", "typo.yaml")
    assert (code, out) == (1, "") and err.startswith("Error: There is no typo.yaml, and no machine")


def test_a_variable_of_another_day_changes_no_machine(files: Files) -> None:
    files.write("  a:\n")
    files.apply()
    code, out, _ = files.run("plan", "--detailed-exitcode", ECS_SYSTEM_DISK_SIZE="60")
    assert (code, "Nothing to do" in out) == (0, True)
    files.write("  a: {system-disk-size: 60}\n")
    assert files.plan() == {"a": "change"}


def test_another_ram_role_keeps_the_machine(files: Files) -> None:
    files.write("  a: {ram-role: reader}\n")
    files.apply()
    (before,) = files.rig.cloud.state.instances
    files.write("  a: {ram-role: writer}\n")
    assert files.plan() == {"a": "change"}
    files.apply()
    assert files.plan() == {"a": "keep"}
    (now,) = files.rig.cloud.state.instances
    assert (now.id, now.ram_role) == (before.id, "writer")
    ecs_changes.set_ram_role(files.rig.driver()._cloud.ecs, now.id, "")  # by somebody else
    assert files.plan() == {"a": "change"}
    files.apply()
    assert [each.ram_role for each in files.rig.cloud.state.instances] == ["writer"]
    files.write("  a: {}\n")
    assert files.plan() == {"a": "change"}
    files.apply()
    assert files.plan() == {"a": "keep"}
    assert [each.ram_role for each in files.rig.cloud.state.instances] == [""]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("system-disk-category: cloud_essd", "system-disk-category: cloud_auto"),
        ("internet-charge-type: PayByTraffic", "internet-charge-type: PayByBandwidth"),
    ],
)
def test_a_plan_tells_the_price_after_a_change_in_place(
    files: Files, before: str, after: str
) -> None:
    files.write(f"  a: {{{before}}}\n")
    files.apply()
    files.write(f"  a: {{{after}}}\n")
    (planned,) = json.loads(files.run("plan", "--json")[1])["Machines"]
    assert planned["Action"] == "change"
    assert planned["PriceAfter"] != planned["PriceBefore"]
    files.apply()
    (now,) = json.loads(files.run("plan", "--json")[1])["Machines"]
    assert (now["Action"], now["PriceBefore"]) == ("keep", planned["PriceAfter"])


def test_how_a_machine_is_reached_changes_in_place_and_what_it_had_of_it_goes(
    files: Files,
) -> None:
    state = files.rig.cloud.state
    files.write("  a: {security-group: first}\n  b: {}\n")
    files.apply()
    before = {each.id for each in state.instances}
    slb = files.rig.driver()._cloud.slb.call("CreateLoadBalancer", LoadBalancerName="lb")
    reached = f"slb-id: {slb.required('LoadBalancerId', ID)}, route-cidr: 10.9.0.0/24"
    free = files.rig.driver()._cloud.vpc.allocate_eip(
        bandwidth_mbps=5, charge_type="PayByTraffic", name="mine", token="t"
    )
    for machine, changed in (
        ("security-group: second, allocate-eip: true", {"security-group", "allocate-eip"}),
        (f"security-group: second, eip: {free.id}", {"allocate-eip", "eip"}),
        (f"security-group: second, {reached}", {"eip", "slb-id", "route-cidr"}),
        ("security-group: second", {"slb-id", "route-cidr"}),
    ):
        files.write(f"  a: {{{machine}}}\n  b: {{}}\n")
        assert files.plan() == {"a": "change", "b": "keep"}
        (planned, _) = json.loads(files.run("plan", "--json")[1])["Machines"]
        assert {each["Option"] for each in planned["Changes"]} == changed
        files.apply()
        assert files.plan() == {"a": "keep", "b": "keep"}
        address = json.loads(files.run("inspect", "a")[1])["Driver"]["IPAddress"]
        assert files.run("ip", "a")[1].strip() == address
    assert {each.id for each in state.instances} == before
    assert {each.name for each in state.security_groups} == {"second", "docker-machine"}
    assert not list(state.route_entries)
    assert not any(each.backends for each in state.load_balancers)
    files.run("destroy", "-y")
    assert files.rig.left() == {"addresses": 1}


def test_ways_to_a_machine_that_others_have_taken_are_made_again(files: Files) -> None:
    cloud, state = files.rig.driver()._cloud, files.rig.cloud.state
    slb = cloud.slb.call("CreateLoadBalancer", LoadBalancerName="lb").required("LoadBalancerId", ID)
    mine, other = (
        cloud.vpc.allocate_eip(bandwidth_mbps=5, charge_type="PayByTraffic", name=name, token=name)
        for name in ("mine", "other")
    )
    files.write(
        f"  a: {{allocate-eip: true, slb-id: {slb}, route-cidr: 10.9.0.0/24}}\n"
        f"  b: {{eip: {mine.address}}}\n"
        f"  c: {{internet-max-bandwidth: 7}}\n"
    )
    files.apply()
    assert set(files.plan().values()) == {"keep"}
    ids = {n: json.loads(files.run("inspect", n)[1])["Driver"]["InstanceId"] for n in "ab"}
    own = next(each.eip_id for each in state.instances if each.id == ids["a"])

    cloud.vpc.unassociate_eip(own, ids["a"])
    cloud.slb.remove_backend_server(slb, ids["a"])
    (entry,) = state.route_entries
    cloud.vpc.delete_route_entry(entry.route_table_id, cidr=entry.cidr, instance_id=ids["a"])
    cloud.vpc.unassociate_eip(mine.id, ids["b"])
    cloud.vpc.associate_eip(other.id, ids["b"])
    a, b, c = json.loads(files.run("plan", "--json")[1])["Machines"]
    assert {each["Option"]: each["Before"] for each in a["Changes"]} == {
        "allocate-eip": False,
        "slb-id": "",
        "route-cidr": "",
    }
    assert [(each["Before"], each["After"]) for each in b["Changes"]] == [(other.id, mine.address)]
    assert c["Action"] == "keep"
    files.apply()
    assert set(files.plan().values()) == {"keep"}
    bound = {each.id: each.eip_id for each in state.instances if each.id in ids.values()}
    assert bound == {ids["a"]: own, ids["b"]: mine.id}
    assert len(list(state.route_entries)) == 1
    files.run("destroy", "-y")
    assert files.rig.left() == {"addresses": 2}


def test_what_only_one_machine_can_have_goes_over_to_another(files: Files) -> None:
    vpc, state = files.rig.driver()._cloud.vpc, files.rig.cloud.state
    one, two = (
        vpc.allocate_eip(bandwidth_mbps=5, charge_type="PayByTraffic", name=name, token=name)
        for name in ("one", "two")
    )
    first = f"{{eip: {one.id}, route-cidr: 10.1.0.0/24}}"
    second = f"{{eip: {two.address}, route-cidr: 10.2.0.0/24}}"

    def held() -> dict[str, tuple[str, str]]:
        """Return the elastic address and the route of each machine."""
        routes = {each.next_hop_id: each.cidr for each in state.route_entries}
        return {
            each.name.removeprefix("ecsmachine-"): (each.eip_id, routes.get(each.id, ""))
            for each in state.instances
        }

    held_first, held_second = (one.id, "10.1.0.0/24"), (two.id, "10.2.0.0/24")
    for machines, wanted in (
        (f"  a: {first}\n  b: {{}}\n", {"a": held_first, "b": ("", "")}),
        (f"  a: {{}}\n  b: {first}\n", {"a": ("", ""), "b": held_first}),
        (f"  a: {second}\n  b: {first}\n", {"a": held_second, "b": held_first}),
        (f"  a: {first}\n  b: {second}\n", {"a": held_first, "b": held_second}),  # exchanged
        (f"  a: {{}}\n  c: {first}\n  d: {second}\n", None),  # of one that stays, and one that goes
        (f"  a: {first}\n  d: {second}\n", {"a": held_first, "d": held_second}),
        (f"  c: {{private-ip: 172.16.0.77, {second[1:]}\n", {"c": held_second}),
        ("  e: {private-ip: 172.16.0.77}\n", {"e": ("", "")}),
    ):
        files.write(machines)
        starts = 0
        if machines.startswith("  a: {}\n  b:"):  # one that is stopped hands over, too
            files.run("stop", "a")
            starts = 1
        assert files.apply().count('Starting "a"') == starts
        assert set(files.plan().values()) == {"keep"}
        assert held() == (wanted or {"a": ("", ""), "c": held_first, "d": held_second})
    files.run("destroy", "-y")
    assert files.rig.left() == {"addresses": 2}


def test_a_change_that_failed_is_made_again_even_if_the_file_takes_it_back(files: Files) -> None:
    files.write("  a: {}\n")
    files.apply()
    files.write("  a: {allocate-eip: true}\n")
    files.rig.front.faults["AssociateEipAddress"] = ["Forbidden.RAM"]
    code, _, err = files.run("apply", "-y")
    assert (code, "AssociateEipAddress failed: Forbidden" in err) == (1, True)
    assert files.rig.left()["addresses"] == 1
    files.write("  a: {}\n")
    assert files.plan() == {"a": "change"}
    assert "its change was interrupted" in files.apply()
    assert "addresses" not in files.rig.left()
    assert files.plan() == {"a": "keep"}
    assert files.run("ip", "a")[0] == 0


def test_what_only_one_machine_can_have_is_planned_for_the_one_that_has_it(files: Files) -> None:
    free = files.rig.driver()._cloud.vpc.allocate_eip(
        bandwidth_mbps=5, charge_type="PayByTraffic", name="mine", token="t"
    )
    its = f"eip: {free.id}, private-ip: 172.16.0.77"
    files.write(f"  a: {{{its}}}\n")
    files.apply()
    files.write(f"  a: {{{its}, instance-type: ecs.e-c1m2.large}}\n")
    (planned,) = json.loads(files.run("plan", "--json")[1])["Machines"]
    assert planned["PriceAfter"] > planned["PriceBefore"]
    files.write(f"  a: {{{its}, spot-strategy: SpotAsPriceGo}}\n")
    assert files.plan() == {"a": "replace"}
    files.apply()
    assert files.plan() == {"a": "keep"}
    (instance,) = files.rig.cloud.state.instances
    assert instance.eip_id == free.id


def test_a_plan_tells_the_price_with_the_disks_that_were_chosen_at_the_create(
    files: Files,
) -> None:
    files.write("  a: {instance-type: ecs.n4.small, disk-size: 20}\n")
    files.apply()
    stored = json.loads(files.run("inspect", "a")[1])["Driver"]
    assert (stored["SystemDiskCategory"], stored["DiskCategory"]) == ("cloud_ssd", "cloud_ssd")
    # a machine that is made with this type gets disks of another category
    files.write("  a: {instance-type: ecs.g6.large, disk-size: 20}\n")
    (planned,) = json.loads(files.run("plan", "--json")[1])["Machines"]
    assert planned["Action"] == "restart"
    files.apply()
    (now,) = json.loads(files.run("plan", "--json")[1])["Machines"]
    assert (now["Action"], now["PriceBefore"]) == ("keep", planned["PriceAfter"])


def test_a_price_that_cannot_be_told_is_not_told_to_be_nothing(files: Files) -> None:
    files.write("  a: {}\n")
    files.apply()
    files.write("  a: {system-disk-category: cloud_efficiency}\n")  # not with this type
    (planned,) = json.loads(files.run("plan", "--json")[1])["Machines"]
    assert planned["PriceAfter"] == planned["PriceBefore"] > 0
    code, _, err = files.run("apply", "-y")
    assert (code, "ECS does not make cloud_efficiency of disk" in err) == (1, True)


def test_what_can_be_changed_in_place_is_and_drift_is_undone(files: Files) -> None:
    files.write("  web: {count: 2, tags: {team: a}, open-ports: [80], disk-size: 20}\n")
    files.apply()
    before = {each.id for each in files.rig.cloud.state.instances}
    files.write("  web: {count: 2, tags: {team: b}, open-ports: [443], disk-size: 20}\n")
    assert files.plan() == {"web-1": "change", "web-2": "change"}
    code, out, _ = files.run("plan")
    assert (code, "tag: team=a -> team=b" in out, "open-port: 80 -> 443" in out) == (0, True, True)
    files.apply("--target", "web-1")
    assert files.plan() == {"web-1": "keep", "web-2": "change"}
    files.apply()
    assert set(files.plan().values()) == {"keep"}

    files.write("  web: {count: 2, tags: {team: b}, open-ports: [443], disk-size: 20}\n", LARGER)
    assert files.plan() == {"web-1": "restart", "web-2": "restart"}
    (changed, *_) = json.loads(files.run("plan", "--json")[1])["Machines"]
    assert changed["PriceAfter"] > changed["PriceBefore"]
    files.apply()
    assert set(files.plan().values()) == {"keep"}
    state = files.rig.cloud.state
    assert {each.instance_type for each in state.instances} == {"ecs.e-c1m2.large"}
    assert {each.id for each in state.instances} == before

    # somebody else has changed what the file says, in the console
    files.rig.driver()._cloud.ecs.tag("instance", sorted(before), {"team": "z"})
    assert files.plan() == {"web-1": "change", "web-2": "change"}
    files.apply()
    assert {resource_tags(state, "instance", each)["team"] for each in before} == {"b"}
    assert set(files.plan().values()) == {"keep"}


def test_a_plan_after_an_apply_is_empty_whatever_the_file_gives(files: Files) -> None:
    (files.path.parent / "init").write_text("#!/bin/sh\n")
    files.write(
        """
  a:
    description: one of many
    auto-release-time: 8h
    auto-release: ""
    max-price: 10
    image-os: debian
    host-name: www
    user-data: init
    io-optimized: true
    tags: {team: a, "x y": "1"}
    zone: cn-hangzhou-i
    internet-max-bandwidth: 5
    internet-charge-type: PayByTraffic
    security-group: mine
    open-ports: [80/tcp, 8000-8100, 53/udp]
    source-cidrs: [10.0.0.0/8, 192.0.2.7/24]
    system-disk-size: 50
    disk-size: 30
    disk-fs: xfs
    ssh-key-per-machine: true
    tls-sans: [a.example.com]
    engine-labels: {tier: web}
    engine-opts: [log-level=debug]
    engine-registry-mirrors: auto
  b: {auto-release: 3d, spot-strategy: SpotAsPriceGo, allocate-eip: true, cpus: 2, memory: 2}
  c: {private-address-only: true, private-ip: "172.16.0.77"}
"""
    )
    files.apply()
    assert files.plan() == {"a": "keep", "b": "keep", "c": "keep"}
    # by another name it is the same file
    (files.path.parent / "folder").mkdir()
    assert files.plan("-f", "folder/../ecsmachine.yaml") == {"a": "keep", "b": "keep", "c": "keep"}
    files.run("destroy", "-y", "-f", "folder/../ecsmachine.yaml")
    assert files.rig.left() == {}


def test_hosts_of_other_drivers_stay_and_one_failure_is_that_machine_s_alone(files: Files) -> None:
    none = "  b: {{driver: none, url: 'tcp://127.0.0.1:{}'}}\n"
    files.write("  a: {}\n" + none.format(2375), defaults="provision: false")
    files.apply()
    files.write(none.format(2376), defaults="")
    keys = {"ECS_ACCESS_KEY_ID": "", "ECS_ACCESS_KEY_SECRET": ""}
    code, out, err = files.run("apply", "-y", **keys)
    assert (code, "Set ECS_ACCESS_KEY_ID" in err) == (2, True)
    assert "± b is taken out of the store and made again; its host stays as it is" in out
    assert files.plan() == {"b": "keep", "a": "remove"}
    files.apply()
    assert files.plan() == {"b": "keep"}


def test_a_machine_of_somebody_else_is_not_taken(files: Files) -> None:
    assert files.run("create", "--no-provision", "a")[0] == 0
    files.write("  a:\n  b: {}\n")
    code, _, err = files.run("apply", "-y")
    assert (code, files.names()) == (1, ["a"])
    assert 'Machine "a" is in the store already, made by a "create"' in err
    other = files.path.parent / "other"
    other.mkdir()
    files.write("  b: {}\n")
    files.apply()
    (other / "ecsmachine.yaml").write_text(files.path.read_text())
    code, _, err = files.run("plan", "-f", "other/ecsmachine.yaml")
    assert (code, f"made by {files.path}" in err) == (1, True)


def test_a_file_that_has_moved_says_so_before_it_has_its_machines(files: Files) -> None:
    files.write("  a: {}\n  b: {}\n")
    files.apply()
    moved = files.path.parent / "moved.yaml"
    files.path.rename(moved)
    words: tuple[str, ...] = ("-f", "moved.yaml")
    code, _, err = files.run("apply", "-y", *words)
    assert (code, f"give --moved-from {files.path}" in err) == (1, True)
    words = (*words, "--moved-from", "ecsmachine.yaml")
    assert files.plan(*words) == {"a": "keep", "b": "keep"}
    code, out, _ = files.run("apply", "-y", *words)
    assert (code, "Nothing to do" in out) == (0, True)
    assert files.plan("-f", "moved.yaml") == {"a": "keep", "b": "keep"}
    files.write("  a: {}\n")
    code, _, err = files.run("plan", *words)
    assert (code, "ecsmachine.yaml is still there" in err) == (2, True)
    code, _, err = files.run("plan")
    assert (code, f"made by {moved}" in err) == (1, True)


def test_what_was_changed_by_hand_costs_no_machine(files: Files) -> None:
    files.write("  a: {disk-size: 20}\n  b: {}\n")
    files.apply()
    before = {each.id for each in files.rig.cloud.state.instances}
    files.change_data_disk(size_gib=30)
    for size in (20, 25):  # what the file said, and growth that came too late
        files.write(f"  a: {{disk-size: {size}}}\n  b: {{}}\n")
        code, out, err = files.run("apply", "-y")
        assert (code, out) == (1, "")
        assert f"disk-size is 30 now, and not {size}" in err
        assert "write disk-size: 30 for it in the file" in err
    files.write("  a: {disk-size: 30}\n  b: {}\n")
    assert files.plan() == {"a": "change", "b": "keep"}
    assert {each.id for each in files.rig.cloud.state.instances} == before


def test_what_a_file_comes_to_follow_is_no_reason_for_a_new_machine(files: Files) -> None:
    files.write("  a: {private-ip: 172.16.0.8}\n")
    files.apply()
    state = files.rig.cloud.state
    with state.transaction():
        (instance,) = state.instances
        state.instances.put(replace(instance, private_ip="172.16.0.9"))
    code, _, err = files.run("plan")
    assert (code, "private-ip is 172.16.0.9 now, and not 172.16.0.8" in err) == (1, True)
    files.write("  a: {private-ip: 172.16.0.9}\n")
    assert files.plan() == {"a": "keep"}
    files.write("  a: {private-ip: 172.16.0.8}\n")
    code, _, err = files.run("plan")
    assert (code, 'After "ecsmachine rm a" it is created again' in err) == (1, True)
    assert files.run("rm", "-y", "a")[0] == 0
    assert files.plan() == {"a": "create"}


def test_a_destroy_that_the_cloud_refused_leaves_machines_whole(files: Files) -> None:
    files.write("  web: {count: 2}\n")
    files.apply()
    before = {each.id for each in files.rig.cloud.state.instances}
    code, _, err = files.run("destroy", "-y", ECS_ACCESS_KEY_SECRET="wrong")
    assert (code, "SignatureDoesNotMatch" in err) == (1, True)
    assert files.plan() == {"web-1": "keep", "web-2": "keep"}
    assert {each.id for each in files.rig.cloud.state.instances} == before


def test_a_protected_machine_goes_if_the_file_says_so_alone(files: Files) -> None:
    files.write("  a: {deletion-protection: true}\n  b: {}\n")
    files.apply()
    before = {each.id for each in files.rig.cloud.state.instances}
    files.write("  a: {deletion-protection: true, disk-size: 20}\n  b: {}\n")
    code, out, err = files.run("apply", "-y")
    assert (code, out) == (1, "")
    assert 'Machine "a" is protected from being removed, and another disk-size' in err
    files.write("  b: {}\n")
    for command in (("destroy",), ("apply", "--target", "a")):
        code, _, err = files.run(*command, "-y")
        assert (code, "Name it in the file with deletion-protection: false" in err) == (1, True)
    assert {each.id for each in files.rig.cloud.state.instances} == before
    files.write("  a: {deletion-protection: false, disk-size: 20}\n  b: {}\n")
    out = files.apply()
    assert "deletion-protection: true -> false (first of all)" in out
    assert len(before & {each.id for each in files.rig.cloud.state.instances}) == 1
    assert files.plan() == {"a": "keep", "b": "keep"}


@pytest.mark.parametrize("whole", [True, False])
def test_a_subscription_is_not_removed_before_its_end(files: Files, whole: bool) -> None:
    files.write("  a: {charge-type: PrePaid}\n  b: {}\n")
    files.apply()
    before = {each.id for each in files.rig.cloud.state.instances}
    if not whole:  # as a create that was cut off leaves it
        files.change_journal("a", Complete=False)
    (paid,) = (each for each in files.rig.cloud.state.instances if each.charge_type == "PrePaid")
    said = f'Machine "a" is a subscription (PrePaid) until {paid.expires} and cannot be released'
    anew, postpaid = (
        "  a: {charge-type: PrePaid, disk-size: 20}\n",
        "  a: {charge-type: PostPaid}\n",
    )
    for machines, command, keep in (
        (anew, ("plan",), "take back in the file"),
        (anew, ("apply", "-y"), "take back in the file"),
        (postpaid, ("plan",), "take back in the file"),
        ("", ("apply", "-y"), "keep it in the file, and name the others with --target"),
        ("", ("destroy", "-y"), "keep it in the file, and name the others with --target"),
    ):
        files.write(machines + "  b: {}\n")
        code, out, err = files.run(*command)
        assert (code, out, said in err, keep in err) == (1, "", True, True), err
    assert {each.id for each in files.rig.cloud.state.instances} == before
    files.run("destroy", "-y", "--target", "b")
    assert [each.id for each in files.rig.cloud.state.instances] == [paid.id]
    with files.rig.cloud.state.transaction():
        files.rig.cloud.state.instances.put(replace(paid, charge_type="PostPaid"))
    files.run("destroy", "-y")
    assert files.names() == []


def test_one_that_fails_does_not_stop_the_others_and_is_gone_on_with(files: Files) -> None:
    files.write("  web: {count: 3}\n")
    files.rig.front.faults["RunInstances"] = ["", "QuotaExceed.ElasticQuota"]
    code, _, err = files.run("apply", "-y", "--parallel", "1")
    assert code == 1
    assert "QuotaExceed" in err
    assert files.names() == ["web-1", "web-3"]
    assert files.plan() == {"web-1": "keep", "web-2": "create", "web-3": "keep"}
    # what is asked for is tried twice before, by the plan and by the create
    files.rig.front.faults["RunInstances"] = ["", "", "QuotaExceed.ElasticQuota"]
    code, out, _ = files.run("apply", "-y", "--json")
    document = json.loads(out)
    assert code == 1
    assert [each["Machine"] for each in document["Errors"]] == ["web-2"]
    files.apply()
    assert set(files.plan().values()) == {"keep"}


def test_one_that_joins_waits_for_its_manager_and_is_not_begun_if_that_fails(files: Files) -> None:
    files.write(
        "  web: {count: 2, swarm-mode: worker, swarm-join: boss}\n  boss: {swarm-mode: manager}\n",
        defaults="",
    )
    files.rig.front.faults["RunInstances"] = ["QuotaExceed.ElasticQuota"] * 2
    code, out, err = files.run("apply", "-y", "--parallel", "3")
    assert code == 1
    assert '"web-1" was not started: "boss", whose swarm it joins, failed' in err
    assert "web-1: Creating" not in out
    assert files.plan("--target", "web-1") == {"web-1": "create", "boss": "create"}


def test_what_is_wrong_with_a_group_makes_nothing(files: Files) -> None:
    for option in ("private-ip: 10.0.0.9", "eip: eip-1", "route-cidr: 10.9.0.0/24"):
        files.write(f"  web: {{count: 2, {option}}}\n")
        code, _, err = files.run("apply", "-y")
        assert (code, "fits only one machine" in err) == (1, True)
    files.write("  a: {}\n  b: {zone: nowhere}\n  c: {instance-type: ecs.nosuch.large}\n")
    code, _, err = files.run("apply", "-y")
    assert code == 3
    assert "b: " in err
    assert "c: " in err
    assert files.rig.left() == {}
    assert files.run("plan", "--detailed-exitcode")[0] == 1
    code, _, err = files.run("plan", "--target", "x")
    assert (code, 'there is no "x" in the file' in err) == (2, True)


def test_what_only_one_machine_can_have_stands_at_one(files: Files) -> None:
    route = "{route-cidr: 10.9.0.0/24}"
    for machines, defaults in (
        ("  a: {eip: eip-1}\n  b: {eip: eip-1}\n", OURS),
        ("  a: {}\n  b: {}\n", f"{OURS}, eip: eip-1"),
        (f"  a: {route}\n  b: {route}\n", OURS),
    ):
        files.write(machines, defaults)
        code, _, err = files.run("plan")
        assert (code, "fits only one machine, and a has it" in err) == (1, True), err
    files.write("  a: {private-ip: 10.9.0.9}\n  b: {private-ip: 10.9.0.9, vpc-id: vpc-2}\n")
    assert "fits only one machine" not in files.run("plan")[2]
    assert files.rig.left() == {}


def test_a_stopped_machine_is_started_and_a_lost_one_made_anew(files: Files) -> None:
    files.write("  a: {}\n  b: {}\n")
    files.apply()
    assert files.run("stop", "a")[0] == 0
    lost = json.loads(files.run("inspect", "b")[1])["Driver"]["InstanceId"]
    remove_instance(
        files.rig.driver()._cloud, lost, seen=True, unprotect=False, report=files.rig.report
    )
    assert files.plan() == {"a": "change", "b": "replace"}
    out = files.apply()
    assert "~ a is changed (it is stopped)" in out
    assert "± b is removed and made again" in out
    assert set(files.plan().values()) == {"keep"}
    assert files.run("status", "a", "b")[1].split() == ["Running", "Running"]


def test_a_hundred_machines_half_changed_are_looked_at_in_few_requests(files: Files) -> None:
    files.write("  a: {count: 50, tags: {team: a}}\n  b: {count: 50, tags: {team: a}}\n")
    files.apply("--parallel", "20")
    files.write("  a: {count: 60, tags: {team: a}}\n  b: {count: 50, tags: {team: b}}\n")
    files.rig.front.asked.clear()
    actions = Counter(files.plan().values())
    assert actions == {"keep": 50, "create": 10, "change": 50}
    asked = files.rig.front.asked
    assert sum(asked.values()) < 30, asked


def test_a_question_is_asked_again_if_the_plan_has_changed(files: Files) -> None:
    files.write("  a: {}\n")
    primary, secondary = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ecsmachine", "apply"],
        stdin=secondary,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=files.path.parent,
        env={**files.rig.program_environment(), "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None
    try:
        said = ""
        while "Do it?" not in said:
            said += process.stdout.read(1)
        files.write("  a: {}\n  b: {}\n")
        os.write(primary, b"y\n")
        said = ""
        while "Do it?" not in said:
            said += process.stdout.read(1)
        assert "The plan has changed in the meantime" in said
        assert "+ b is made" in said
        os.write(primary, b"n\n")
        process.stdout.read()
        assert process.wait(60) == 1
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        os.close(primary)
        os.close(secondary)
    assert files.names() == []
