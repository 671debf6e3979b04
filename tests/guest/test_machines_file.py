"""Machines of a file on real guests: a swarm is made, changed, broken, mended and removed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.guest.conftest import wait_for
from tests.guest.machines import Machines

pytestmark = pytest.mark.guest

FILE = """\
defaults: {{engine-labels: {{made-by: file}}}}
machines:
  boss: {{swarm-mode: manager}}
  worker:
    count: 1
    swarm-mode: worker
    swarm-join: boss
    engine-labels: {labels}
    copy: {{greeting: /etc/greeting}}
    run: ["echo {text} >> /root/ran"]
"""


def actions(machines: Machines, file: Path) -> dict[str, str]:
    done = machines.run("plan", "--json", "-f", str(file))
    return {each["Name"]: each["Action"] for each in json.loads(done.stdout)["Machines"]}


def roles(machines: Machines) -> dict[str, str]:
    rows = json.loads(machines.run("swarm", "ls", "--json").stdout)
    return {row["Name"]: row["Role"] for row in rows if row["State"] == "ready"}


def test_a_swarm_of_a_file(machines: Machines, tmp_path: Path) -> None:
    file = tmp_path / "ecsmachine.yaml"
    (tmp_path / "greeting").write_text("hello\n")

    def write(*, labels: str = "{made-by: file}", text: str = "once") -> None:
        file.write_text(FILE.format(labels=labels, text=text))

    def apply() -> None:
        machines.run("apply", "-y", "-f", str(file))
        assert actions(machines, file) == {"boss": "keep", "worker-1": "keep"}
        wanted = {"boss": "manager", "worker-1": "worker"}
        # a worker whose engine was started anew is ready again in its own time
        wait_for(lambda: roles(machines) == wanted, "both to be in the swarm")

    write()
    apply()
    look = ("ssh", "worker-1", "cat /etc/greeting /root/ran")
    assert machines.run(*look).stdout.split() == ["hello", "once"]

    # a text and a file that have changed are run and copied again, and labels changed in place
    (tmp_path / "greeting").write_text("good morning\n")
    write(labels="{made-by: file, tier: web}", text="twice")
    assert actions(machines, file) == {"boss": "keep", "worker-1": "change"}
    apply()
    assert machines.run(*look).stdout.split() == ["good", "morning", "once", "twice"]
    assert "tier=web" in machines.run("config", "show", "worker-1").stdout

    # a command that fails is told, and the next apply runs it as it is then
    labels = "{made-by: file, tier: web}"
    write(labels=labels, text="thrice && exit 3")
    failed = machines.run("apply", "-y", "-f", str(file), check=False)
    assert failed.returncode == 1
    assert 'A command of "worker-1" exited with 3' in failed.stderr
    write(labels=labels, text="thrice")
    apply()
    assert machines.run(*look).stdout.split()[-1] == "thrice"

    # the manager is lost: a new one is made, and the worker joins that
    instance = json.loads(machines.run("inspect", "boss").stdout)["Driver"]["InstanceId"]
    machines.ecs("DeleteInstance", InstanceId=instance, Force="true")
    assert actions(machines, file) == {"boss": "replace", "worker-1": "change"}
    process = machines.start("apply", "-y", "-f", str(file))
    assert process.stdout is not None
    while not process.stdout.readline().startswith("1 made"):
        assert process.poll() is None
    process.kill()  # before the worker has joined, or while it does
    process.communicate()
    assert actions(machines, file)["boss"] == "keep"
    apply()

    machines.run("destroy", "-y", "-f", str(file))
    assert machines.stored() == []
