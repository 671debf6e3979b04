"""Scripts in a guest: by themselves, and as Cloud Assistant runs them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.localcloud.catalog.images import SUITES
from ecsmachine.localcloud.host.guests.scripts import OUTPUT_BYTES, GuestScript, ScriptEnd
from ecsmachine.localcloud.host.processes import wait_gone
from ecsmachine.localcloud.service import daemon
from tests.guest.conftest import PASSWORD, GuestGround, shell, wait_for
from tests.guest.instances import address_of, launch, make_group
from tests.guest.machines import Machines

pytestmark = pytest.mark.guest


@pytest.mark.parametrize("release", SUITES)
def test_scripts(ground: GuestGround, release: str) -> None:
    spec = ground.boot(release=release)

    def run(content: str, user: str = "root", folder: str = "", timeout_s: int = 30) -> ScriptEnd:
        name = f"t-{time.monotonic_ns()}"
        script = GuestScript(name, content.encode(), user, folder, timeout_s)
        return ground.guests.run_script(spec.instance_id, script, lambda: True)

    # At once after the boot: it waits for the guest's systemd.
    end = run("echo out; echo err >&2; pwd; id -un; cat /proc/1/comm; hostname; exit 3")
    lines = ["out", "err", "/root", "root", "systemd", spec.hostname]
    assert (end.outcome, end.exit_code, end.output.decode().split()) == ("exited", 3, lines), (
        end.output
    )
    other = run("#!/usr/bin/env -S sh -e\nid -un; pwd; echo $HOME $0", "nobody", "/tmp")
    assert other.output.decode().split()[:2] == ["nobody", "/tmp"]
    assert run("true", "nobody-else").outcome == "no user"
    assert run("true", folder="/none").outcome == "no folder"
    long = run("seq 20000; echo end")
    assert (len(long.output), long.output[-4:]) == (OUTPUT_BYTES, b"end\n")
    assert long.dropped + OUTPUT_BYTES == len("".join(f"{n}\n" for n in range(1, 20001))) + 4
    late = run("echo before; sleep 600 & sleep 601", timeout_s=5)
    assert (late.outcome, late.exit_code, late.output) == ("timeout", -1, b"before\n")
    left = run("nohup sleep 602 > /dev/null 2>&1 & cat /proc/self/cgroup")
    assert "aliyun-assist-" in left.output.decode()
    with shell(spec.private_ip, password=PASSWORD) as guest:
        assert guest.run("pgrep -af 'sleep 60[01]'").output == ""
        assert guest.check("pgrep -f 'sleep 602'").strip()
        assert guest.check("ls /run/aliyun-assist") == ""


def test_cloud_assistant(cloud_root: Path, engine_packages: Path) -> None:
    running = daemon.up(cloud_root).running
    ecs = Machines({**running.environment()})
    instance_id = launch(
        ecs, running.vswitch_id, make_group(ecs, running.vpc_id, "assistant"), "web"
    )
    address = address_of(ecs, instance_id)

    def run(content: str, **more: object) -> str:
        command = {"Type": "RunShellScript", "CommandContent": content, "InstanceId.1": instance_id}
        return str(ecs.ecs("RunCommand", **{**command, **more})["InvokeId"])

    def result(invoke_id: str) -> dict[str, Any]:
        answer = ecs.ecs(
            "DescribeInvocationResults", InvokeId=invoke_id, ContentEncoding="PlainText"
        )
        (found,) = answer["Invocation"]["InvocationResults"]["InvocationResult"]
        return dict(found)

    def ended(invoke_id: str, status: str) -> dict[str, Any]:
        wait_for(lambda: result(invoke_id)["InvocationStatus"] == status, f"it to be {status}")
        return result(invoke_id)

    said = ended(run("hostname -I; echo {{ACS::InstanceName}}", EnableParameter=True), "Success")
    assert said["Output"].split() == [address, "web"]
    failed = ended(run("echo no >&2; exit 7", Username="nobody", WorkingDir="/tmp"), "Failed")
    assert (failed["ExitCode"], failed["Output"]) == (7, "no\n")
    assert ended(run("sleep 600", Timeout=1), "Timeout")["ErrorCode"] == "ExecutionTimeout"
    stopped = run("echo begun; sleep 610 & sleep 611")
    ended(stopped, "Running")
    ecs.ecs("StopInvocation", InvokeId=stopped)
    ended(stopped, "Terminated")

    left = run("sleep 620")
    ended(left, "Running")
    os.kill(running.pid, signal.SIGKILL)
    assert wait_gone(running.process, 60)
    daemon.up(cloud_root)
    assert ended(left, "Failed")["ErrorCode"] == "ExecutionInterrupted"
    with shell(address, password=PASSWORD) as guest:
        wait_for(lambda: not guest.run("pgrep -af 'sleep 6[0-9][0-9]'").output, "no script to run")

    ecs.ecs("StopInstance", InstanceId=instance_id)
    ended(run("true"), "Aborted")
