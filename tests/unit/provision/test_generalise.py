"""What generalising a host does to it, as text; on real hosts it is run in tests/guest."""

from __future__ import annotations

import base64
import json
import re
import subprocess

import pytest

from ecsmachine.provision.engine import CERTIFICATE_FILES, DROP_IN_PATH
from ecsmachine.provision.errors import ProvisionError
from ecsmachine.provision.generalise import clean_script, generalise, seal, seal_script
from ecsmachine.ssh.command_result import CommandResult


class PlayedHost:
    """A host that answers the first command, and takes all others."""

    def __init__(self, answer: str, user: str = "root"):
        self.user = user
        self.commands: list[str] = []
        self._answer = answer

    def run(
        self, command: str, *, stdin: bytes | None = None, timeout_s: float | None = None
    ) -> CommandResult:
        self.commands.append(command)
        return CommandResult(0, self._answer if len(self.commands) == 1 else "", "")


def written(daemon_json: object) -> object:
    """Return what is left in daemon.json; None if the file is removed, "" if it stays."""
    script = clean_script(json.dumps(daemon_json), "root", on_demand=True)
    found = re.search(r"^echo (\S+) \| base64 -d > /etc/docker/daemon.json", script, re.M)
    if found:
        return json.loads(base64.b64decode(found[1]))
    return None if "rm -f /etc/docker/daemon.json\n" in script else ""


@pytest.mark.parametrize("user", ["root", "ecs-user", "we; reboot"])
@pytest.mark.parametrize("on_demand", [True, False])
def test_the_scripts_are_read_by_a_shell(user: str, on_demand: bool) -> None:
    for script in (clean_script('{"tls": true}', user, on_demand=on_demand), seal_script(user)):
        assert subprocess.run(["sh", "-n"], input=script, text=True).returncode == 0
        assert "; reboot" not in script.replace("'we; reboot'", "")


def test_certificates_and_configuration_of_the_machine_go() -> None:
    script = clean_script("", "root", on_demand=False)
    for path in (*CERTIFICATE_FILES, DROP_IN_PATH, "/etc/docker/key.json", "engine-id", "/swarm"):
        assert path in script
    assert "disable docker.service" not in script
    assert "disable docker.service" in clean_script("", "root", on_demand=True)


def test_of_daemon_json_what_holds_for_every_machine_stays() -> None:
    log = {"log-driver": "local", "data-root": "/data"}
    assert written({**log, "hosts": ["tcp://192.0.2.7:2376"], "tlscacert": "/a"}) == log
    assert written({"hosts": [], "tlsverify": True}) is None
    assert written(log) == ""
    with pytest.raises(ProvisionError, match="on the host cannot be used"):
        clean_script("{", "root", on_demand=False)


def test_what_nobody_logs_in_after_comes_last_and_by_itself() -> None:
    script = seal_script("ecs-user")
    ways_in = (script.index("/etc/ssh/ssh_host_*"), script.index("authorized_keys"))
    assert max(ways_in) < script.index("systemctl poweroff")
    assert "authorized_keys" not in clean_script("", "ecs-user", on_demand=True)
    host = PlayedHost("", "ecs-user")
    seal(host)
    assert host.commands[0].startswith("sudo -n sh -c 'systemd-run /bin/sh -c ")


def test_a_host_without_an_engine_is_no_image() -> None:
    with pytest.raises(ProvisionError, match="no engine is installed"):
        generalise(PlayedHost("=== dockerd\n"), on_demand=True)
    there = PlayedHost("\n=== dockerd\nDocker version 27.5.1, build 4c9b3b0\n=== daemon_json\n")
    assert generalise(there, on_demand=True) == "27.5.1"
    assert len(there.commands) == 2
