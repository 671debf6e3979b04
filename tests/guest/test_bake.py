"""Baking for real: what is in an image, what is not, and how a copied machine goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ecsmachine.machine import host
from ecsmachine.machine.store import Store
from ecsmachine.provision.generalise import generalise, seal
from tests.guest.conftest import wait_for
from tests.guest.machines import Machines

pytestmark = pytest.mark.guest

OWN = """
cat /etc/machine-id; cat /etc/ssh/ssh_host_*_key.pub; cat /root/.ssh/authorized_keys
sha256sum /etc/docker/server.pem; docker info -f '{{.ID}}'
"""
"""Shows what no two machines may have in common, a line or more each."""


def of_family(machines: Machines, family: str) -> dict[str, str]:
    """Return the environment in which machines are made from a family."""
    return {**machines.environment, "ECS_IMAGE_ID": "", "ECS_IMAGE_FAMILY": family}


def test_a_machine_from_a_baked_image_installs_nothing(machines: Machines) -> None:
    baked = json.loads(machines.run("bake", "baked1", "--json").stdout)
    assert machines.stored() == []
    assert (baked["Family"], baked["Errors"]) == ("baked1", [])
    (row,) = json.loads(machines.run("bake", "--list", "baked1", "--json").stdout)
    assert (row["Id"], row["Engine"], row["Status"]) == (baked["Id"], baked["Engine"], "Available")
    made = machines.run("create", "from-baked", environment=of_family(machines, "baked1"))
    assert "Installing" not in made.stdout
    version = machines.run("version", "from-baked").stdout.strip()
    assert version == baked["Engine"]
    shown = machines.run(
        *(
            "ssh",
            "from-baked",
            "systemctl is-enabled docker; ls /etc/systemd/system/docker.service.d",
        ),
    ).stdout.split()
    assert shown == ["enabled", "10-machine.conf"]
    machines.run("rm", "-y", "from-baked")
    # without us, the first use of the engine starts it, and has it started from then on
    machines.run("create", "--no-provision", "bare", environment=of_family(machines, "baked1"))
    wait_for(
        lambda: machines.run("ssh", "bare", "docker ps", check=False).returncode == 0,
        "the engine to be used",
    )
    look = ("ssh", "bare", "systemctl is-enabled docker || :")
    wait_for(lambda: machines.run(*look).stdout.strip() == "enabled", "the engine to be enabled")
    machines.run("rm", "-y", "bare")
    assert machines.run("bake", "baked1", "--prune", "0", "-y", "-q").stdout == ""
    assert json.loads(machines.run("bake", "--list", "baked1", "--json").stdout) == []


def test_a_manager_of_a_swarm_is_copied_and_goes_on(machines: Machines) -> None:
    machines.run("create", "--swarm-mode", "manager", "copied")
    machines.run("ssh", "copied", "echo mine > /root/mine; echo secret > /root/.bash_history")
    before = machines.run("ssh", "copied", OWN).stdout
    nodes = machines.run("swarm", "ls", "--json").stdout
    machines.run("bake", "baked2", "--from", "copied")
    assert machines.stored() == ["copied"]
    assert machines.run("ssh", "copied", OWN).stdout == before
    wait_for(
        lambda: machines.run("swarm", "ls", "--json").stdout == nodes,
        "the swarm to be as it was",
        there=lambda: machines.run("swarm", "ls", "--json").stdout,
    )
    machines.run("create", "twin", environment=of_family(machines, "baked2"))
    there = machines.run(
        "ssh", "twin", "cat /root/mine; ls -A /root; docker info -f '{{.Swarm.LocalNodeState}}'"
    ).stdout.split()
    assert there[0] == "mine" and there[-1] == "inactive"
    assert ".bash_history" not in there
    own = machines.run("ssh", "twin", OWN).stdout
    assert not set(own.splitlines()) & set(before.splitlines())
    boots = machines.run("ssh", "twin", "journalctl --list-boots --no-pager -q | wc -l").stdout
    assert boots.strip() == "1"
    machines.run("rm", "-y", "copied", "twin")
    machines.run("bake", "baked2", "--prune", "0", "-y")


def test_a_host_that_was_generalised_boots_with_keys_of_its_own(machines: Machines) -> None:
    machines.run("create", "sealed")
    before = machines.run("ssh", "sealed", OWN).stdout.splitlines()
    store = Store(Path(machines.environment["MACHINE_STORAGE_PATH"]), machines.environment)
    machine = store.load("sealed")
    instance_id = machine.driver.config()["InstanceId"]
    with host.logged_in(machine) as connection:
        generalise(connection, on_demand=True)
        seal(connection)
    wait_for(lambda: machines.run("status", "sealed").stdout.strip() == "Stopped", "it to be off")
    machines.ecs("StartInstance", InstanceId=instance_id)
    wait_for(lambda: machines.run("status", "sealed").stdout.strip() == "Running", "it to run")
    invoked = machines.ecs(
        "RunCommand",
        **{
            "Type": "RunShellScript",
            "CommandContent": "until systemctl -q is-active ssh; do sleep 0.2; done\n"
            "cat /etc/ssh/ssh_host_*_key.pub /etc/machine-id; ls -A /root/.ssh /etc/docker",
            "InstanceId.1": instance_id,
        },
    )["InvokeId"]
    output: list[str] = []

    def ended() -> bool:
        answer = machines.ecs(
            "DescribeInvocationResults", InvokeId=invoked, ContentEncoding="PlainText"
        )
        (result,) = answer["Invocation"]["InvocationResults"]["InvocationResult"]
        output[:] = result["Output"].splitlines()
        return bool(result["FinishedTime"])

    wait_for(ended, "the script to end")
    kinds = [line.split()[0] for line in output if line.startswith(("ssh-", "ecdsa-"))]
    assert {"ssh-ed25519", "ssh-rsa"} <= set(kinds), output
    assert not set(output) & set(before)
    assert not {"authorized_keys", "server.pem", "server-key.pem", "ca.pem"} & set(output)
    machines.run("rm", "-y", "sealed")
