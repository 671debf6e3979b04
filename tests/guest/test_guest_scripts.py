"""Scripts in a guest, without the API."""

from __future__ import annotations

import time

import pytest

from ecsmachine.localcloud.host.guests.scripts import OUTPUT_BYTES, GuestScript, ScriptEnd
from tests.guest.conftest import PASSWORD, GuestGround, shell

pytestmark = pytest.mark.guest


def test_scripts(ground: GuestGround) -> None:
    spec = ground.boot()

    def run(content: str, user: str = "root", folder: str = "", timeout_s: int = 30) -> ScriptEnd:
        name = f"t-{time.monotonic_ns()}"
        script = GuestScript(name, content.encode(), user, folder, timeout_s)
        return ground.guests.run_script(spec.instance_id, script, lambda: True)

    # At once after the boot: it waits for the guest's systemd.
    end = run("echo out; echo err >&2; pwd; id -un; cat /proc/1/comm; hostname; exit 3")
    lines = ["out", "err", "/root", "root", "systemd", spec.hostname]
    assert (end.outcome, end.exit_code, end.output.decode().split()) == ("exited", 3, lines)
    other = run("#!/usr/bin/env -S sh -e\nid -un; pwd; echo $HOME $0", "nobody", "/tmp")
    assert other.output.decode().split()[:2] == ["nobody", "/tmp"]
    assert run("true", "nobody-else").outcome == "no user"
    assert run("true", folder="/none").outcome == "no folder"
    long = run("seq 20000; echo end")
    assert (len(long.output), long.output[-4:]) == (OUTPUT_BYTES, b"end\n")
    assert long.dropped + OUTPUT_BYTES == len("".join(f"{n}\n" for n in range(1, 20001))) + 4
    late = run("echo before; sleep 600 & sleep 601", timeout_s=1)
    assert (late.outcome, late.exit_code, late.output) == ("timeout", -1, b"before\n")
    left = run("nohup sleep 602 > /dev/null 2>&1 & cat /proc/self/cgroup")
    assert "aliyun-assist-" in left.output.decode()
    with shell(spec.private_ip, password=PASSWORD) as guest:
        assert guest.run("pgrep -af 'sleep 60[01]'").output == ""
        assert guest.check("pgrep -f 'sleep 602'").strip()
        assert guest.check("ls /run/aliyun-assist") == ""
