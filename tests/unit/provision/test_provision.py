from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from ecsmachine.errors import MachineError
from ecsmachine.provision.base import EngineOptions
from ecsmachine.provision.errors import ProvisionError
from ecsmachine.provision.provision import provision
from ecsmachine.provision.step import Run
from ecsmachine.provision.steps import (
    STEPS,
    authorized_key,
    docker_group,
    firewall,
    first_boot,
    package_lock,
)
from ecsmachine.ssh.command_result import CommandResult
from tests.unit.provision.recorded import CERTIFICATES, RecordedHost, request, sections, situation
from tests.unit.provision.test_configuration import SOCKET, running

HASHES = {
    "hashes": "\n".join(
        f"{digest}  /etc/docker/{name}.pem"
        for name, digest in (
            ("ca", "6959097001d10501ac7d54c0bdb8db61420f658f2922cc26e46d536119a31126"),
            ("server", "b3eacd33433b31b5252351032c9b3e7a2e7aa7738d5decdf0dd6c62680853c06"),
            ("server-key", "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"),
        )
    ),
    "modes": "644 /etc/docker/ca.pem\n644 /etc/docker/server.pem\n600 /etc/docker/server-key.pem",
}


def as_it_shall_be(**changed: str) -> dict[str, str]:
    return sections("debian-12", {**running(), **HASHES, **changed})


def test_a_host_that_is_as_it_shall_be_is_only_looked_at() -> None:
    host = RecordedHost(as_it_shall_be())
    lines: list[str] = []
    result = provision(host, request(), lines.append)
    assert (result.changed, host.commands, host.files) == ([], [], {})
    assert lines == [
        "Detecting operating system of created instance...",
        "Provisioning created instance...",
        "Provisioning with debian...",
        "Copying certs to the remote machine...",
        "Setting Docker configuration on the remote daemon...",
    ]


def test_the_steps_that_changed_something_are_named() -> None:
    shown = as_it_shall_be(hostname="bare", modes="644 /etc/docker/server-key.pem")
    result = provision(RecordedHost(shown), request(), lambda line: None)
    assert result.changed == ["host name", "certificates"]


def test_debugging_tells_of_every_step(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", logger="ecsmachine"):
        provision(RecordedHost(as_it_shall_be(hostname="bare")), request(), lambda line: None)
    assert "host name: differs" in caplog.messages
    assert "certificates: is up to date" in caplog.messages


def test_every_step_is_told_of_before_and_after() -> None:
    told: list[tuple[str, str]] = []

    def observe(step: str, moment: Literal["before", "after"]) -> None:
        told.append((step, moment))

    provision(RecordedHost(as_it_shall_be()), request(), lambda line: None, observe=observe)
    assert told == [(step.name, moment) for step in STEPS for moment in ("before", "after")]


def test_a_step_that_fails_is_named_with_what_was_printed() -> None:
    host = RecordedHost(
        as_it_shall_be(hostname="bare"),
        answers={"hostname dev1": CommandResult(1, "", "hostname: read-only file system")},
    )
    with pytest.raises(ProvisionError, match="host name: a command exited with 1") as raised:
        provision(host, request(), lambda line: None)
    assert raised.value.step == "host name"
    assert raised.value.details == "hostname: read-only file system"


def test_a_lost_connection_names_the_step() -> None:
    class LosingHost(RecordedHost):
        def run(
            self, command: str, *, stdin: bytes | None = None, timeout_s: float | None = None
        ) -> CommandResult:
            if stdin is not None:
                raise MachineError("The SSH connection to 127.0.0.1 was lost: closed")
            return super().run(command)

    with pytest.raises(ProvisionError, match=r"certificates: The SSH connection .* was lost"):
        provision(LosingHost(as_it_shall_be(modes="")), request(), lambda line: None)


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("sudo: a password is required", '"admin" needs sudo without a password on the host.'),
        ("noise\nsudo: sorry, you must have a tty to run sudo", "Remove requiretty from "),
        ("sudo: unable to resolve host dev1: no such name\nno space left", "None"),
    ],
)
def test_a_user_without_sudo_is_told_what_is_missing(said: str, hint: str) -> None:
    class Forbidden(RecordedHost):
        def run(
            self, command: str, *, stdin: bytes | None = None, timeout_s: float | None = None
        ) -> CommandResult:
            assert command.startswith("sudo -n sh -c")
            return CommandResult(1, "", said)

    with pytest.raises(ProvisionError) as raised:
        provision(Forbidden({}, user="admin"), request(), lambda line: None)
    assert str(raised.value.hint).startswith(hint)


def test_a_connection_that_is_lost_amid_the_look_shows_no_facts() -> None:
    class Lost(RecordedHost):
        def run(
            self, command: str, *, stdin: bytes | None = None, timeout_s: float | None = None
        ) -> CommandResult:
            facts = "\n=== os_release\nID=debian\n"
            raise MachineError("The SSH connection to dev1 was lost", details=facts)

    with pytest.raises(ProvisionError, match="looking at the host: The SSH connection") as raised:
        provision(Lost({}), request(), lambda line: None)
    assert raised.value.details is None


def test_a_system_without_systemd() -> None:
    with pytest.raises(ProvisionError, match="does not run systemd"):
        provision(RecordedHost(as_it_shall_be(systemd="")), request(), lambda line: None)


def test_an_engine_that_runs_another_way_after_all_names_the_other_drop_in() -> None:
    host = RecordedHost(
        as_it_shall_be(command_line="dockerd"),
        answers={
            "DropInPaths": CommandResult(
                0,
                "DropInPaths=/etc/systemd/system/docker.service.d/10-machine.conf "
                "/etc/systemd/system/docker.service.d/99-other.conf\n",
                "",
            ),
            "systemctl restart": CommandResult(0, "dockerd\n--other\n", ""),
        },
    )
    with pytest.raises(ProvisionError, match="the machine's command line") as raised:
        provision(host, request(), lambda line: None)
    assert raised.value.hint == (
        "Check /etc/systemd/system/docker.service.d/99-other.conf on the host."
    )


def test_an_engine_that_does_not_start_shows_its_journal() -> None:
    host = RecordedHost(
        as_it_shall_be(command_line="dockerd"),
        answers={
            "systemctl restart": CommandResult(
                1, "unknown flag: --nonsense\n", "Job for docker.service failed"
            ),
        },
    )
    with pytest.raises(ProvisionError, match="does not start: unknown flag: --nonsense") as raised:
        provision(host, request(engine=EngineOptions()), lambda line: None)
    assert raised.value.details == (
        "Job for docker.service failed\nThe engine's journal:\nunknown flag: --nonsense"
    )


@pytest.mark.parametrize(
    ("user", "groups", "changes"),
    [
        ("root", "root", False),
        ("admin", "admin docker", False),
        ("admin", "admin dockers", True),
    ],
)
def test_who_logs_in_may_use_the_engine(user: str, groups: str, changes: bool) -> None:
    actions = docker_group.actions(situation("ubuntu-24.04", {"groups": groups}, user=user))
    expected = [Run("groupadd -f -r docker && usermod -aG docker admin")] if changes else []
    assert actions == expected


@pytest.mark.parametrize(
    ("firewalls", "script"),
    [
        (
            "firewalld",
            "firewall-cmd -q --permanent --add-port=2376/tcp && "
            "firewall-cmd -q --add-port=2376/tcp",
        ),
        ("ufw", "ufw allow 2376/tcp"),
    ],
)
def test_the_engines_port_is_opened_in_a_firewall_that_is_active(
    firewalls: str, script: str
) -> None:
    assert firewall.actions(situation("rocky-9", {"firewall": firewalls})) == [Run(script)]
    assert firewall.actions(situation("rocky-9")) == []


def test_the_port_is_added_to_the_settings_of_susefirewall2(tmp_path: Path) -> None:
    settings = tmp_path / "SuSEfirewall2"
    settings.write_text('FW_SERVICES_EXT_TCP="22"\nFW_SERVICES_EXT_UDP=""\n')
    script = firewall.open_port("SuSEfirewall2", 2376).replace("/etc/sysconfig", str(tmp_path))
    subprocess.run(["sh", "-c", f"systemctl() {{ :; }}\n{script}"], check=True)
    assert settings.read_text() == 'FW_SERVICES_EXT_TCP="22 2376"\nFW_SERVICES_EXT_UDP=""\n'


def shown_by(look: str, tmp_path: Path, programs: dict[str, str]) -> str:
    """Run the commands of a look with programs of the test's own, and return the one section."""
    for name, body in programs.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    script = f"PATH={shlex.quote(str(tmp_path))}:/usr/bin:/bin\nmark() {{ :; }}\n{look}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("runtime", "permanent", "shown"),
    [(0, 0, ""), (1, 0, "firewalld"), (0, 1, "firewalld"), (1, 1, "firewalld")],
)
def test_firewalld_has_to_have_the_port_open_now_and_later(
    runtime: int, permanent: int, shown: str, tmp_path: Path
) -> None:
    answer = f"case $* in *--permanent*) exit {permanent} ;; *) exit {runtime} ;; esac"
    programs = {"systemctl": '[ "$3" = firewalld.service ]', "firewall-cmd": answer}
    assert shown_by(firewall.look(request()), tmp_path, programs) == shown


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("Status: inactive", ""),
        ("Status: active\n\n2376/tcp                   ALLOW       Anywhere", ""),
        ("Status: active\n\n22/tcp                     ALLOW       Anywhere", "ufw"),
    ],
)
def test_ufw(status: str, shown: str, tmp_path: Path) -> None:
    programs = {"systemctl": "exit 3", "ufw": f"printf '{status}\\n'"}
    assert shown_by(firewall.look(request()), tmp_path, programs) == shown


def test_the_first_boot_is_waited_for_until_cloud_init_has_a_result(tmp_path: Path) -> None:
    def shown() -> str:
        look = first_boot.look(request()).replace("/run/cloud-init", str(tmp_path))
        return shown_by(look, tmp_path, {"cloud-init": ":"})

    assert shown() == ""  # it is installed, and not at work
    (tmp_path / "enabled").touch()
    assert shown() == "running"
    (tmp_path / "result.json").touch()
    assert shown() == ""


@pytest.mark.parametrize("status", [0, 1, 2])
def test_however_cloud_init_ends(status: int, tmp_path: Path) -> None:
    (action,) = first_boot.actions(situation("ubuntu-24.04", {"cloud_init": "running"}))
    assert isinstance(action, Run)
    program = tmp_path / "cloud-init"
    program.write_text(f'#!/bin/sh\n[ "$*" = "status --wait" ] || exit 9\nexit {status}\n')
    program.chmod(0o755)
    script = f"PATH={tmp_path}:/usr/bin:/bin\n{action.script}"
    assert subprocess.run(["sh", "-c", script]).returncode == 0
    assert action.timeout_s > 600


def test_waiting_is_said_and_is_no_change() -> None:
    shown = as_it_shall_be(cloud_init="running")
    lines: list[str] = []
    result = provision(RecordedHost(shown), request(), lines.append)
    assert "Waiting for cloud-init to finish the first boot..." in lines
    assert result.changed == []


def test_another_package_manager_is_waited_for_by_name() -> None:
    seen = {"package_lock": "unattended-upgr (4711)"}
    (action,) = package_lock.actions(situation("ubuntu-24.04", seen))
    assert isinstance(action, Run)
    assert callable(package_lock.STEP.says)
    said = package_lock.STEP.says(situation("ubuntu-24.04", seen))
    assert said == "Waiting for unattended-upgr (4711) to finish..."
    assert action.explain is not None
    error = action.explain(
        RecordedHost({}), situation("ubuntu-24.04"), CommandResult(101, "apt-get (12)\n", "")
    )
    assert error is not None
    assert "apt-get (12) has held the package manager's lock for more than 10 minutes" in str(error)


def test_a_lock_is_nothing_to_a_host_that_installs_nothing() -> None:
    seen = {**SOCKET, "package_lock": "unattended-upgr (4711)"}
    assert package_lock.actions(situation("ubuntu-24.04", seen)) == []


def test_who_holds_the_lock_is_seen(tmp_path: Path) -> None:
    import fcntl
    import os

    lock = tmp_path / "lock-frontend"
    lock.touch()
    look = package_lock.look(request())
    look = look.replace("/var/lib/dpkg", str(tmp_path)).replace("/var/lib/apt/lists", "/nowhere")
    look = look.replace("/run/", "/nowhere/").replace("/var/cache/dnf", "/nowhere")
    look = look.replace("/var/lib/dnf", "/nowhere")
    assert shown_by(look, tmp_path, {}) == ""
    with lock.open("r+") as stream:
        fcntl.lockf(stream, fcntl.LOCK_EX)
        assert shown_by(look, tmp_path, {}).endswith(f"({os.getpid()})")


def add_key(tmp_path: Path, key: str) -> str:
    script = authorized_key.script(key)
    subprocess.run(["sh", "-c", script], check=True, env={"HOME": str(tmp_path), "PATH": "/bin"})
    return (tmp_path / ".ssh" / "authorized_keys").read_text()


def test_our_key_comes_after_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "authorized_keys").write_text("ssh-rsa AAAA other")  # no end of line
    assert add_key(tmp_path, "ssh-ed25519 BBBB it's ours\n") == (
        "ssh-rsa AAAA other\nssh-ed25519 BBBB it's ours\n"
    )


def test_a_key_that_is_there_is_not_added() -> None:
    key = "ssh-ed25519 BBBB ours"
    there = situation("debian-12", {"authorized_key": "there"}, authorized_key=key)
    assert authorized_key.actions(there) == []
    (action,) = authorized_key.actions(situation("debian-12", authorized_key=key))
    assert isinstance(action, Run)
    assert action.as_user


@pytest.mark.parametrize(
    ("clocks", "said"),
    [
        (f"{1_000_000 - 259_200} 1000000", "3 days behind this computer's"),
        (f"{1_000_000 + 7_200} 1000000", "2 hours ahead of this computer's"),
        ("999000 999000", "either here or on the host"),
    ],
)
def test_a_clock_by_which_the_certificates_are_not_valid_is_named(clocks: str, said: str) -> None:
    certificates = replace(CERTIFICATES, valid=(999_999.0, 1_000_600.0))
    host = RecordedHost(as_it_shall_be(clocks=clocks, modes=""))
    with pytest.raises(ProvisionError) as raised:
        provision(host, request(certificates=lambda: certificates), lambda line: None)
    assert said in raised.value.message
    assert "clock" in (raised.value.hint or "")
    assert host.files == {}


def test_clocks_that_differ_by_less_are_said() -> None:
    certificates = replace(CERTIFICATES, valid=(900_000.0, 2_000_000.0))
    lines: list[str] = []
    host = RecordedHost(as_it_shall_be(clocks="999400 1000000"))
    provision(host, request(certificates=lambda: certificates), lines.append)
    assert (
        "Copying certs to the remote machine... "
        "(the clock of the host is 10 minutes behind this computer's)"
    ) in lines


@pytest.mark.parametrize("first_time", [True, False])
def test_who_is_locked_out_by_a_new_machine_is_said(first_time: bool) -> None:
    """Two people who ran `create -d generic` for one host took it from each other."""
    lines: list[str] = []
    runs = CommandResult(0, as_it_shall_be()["command_line"], "")
    shown = as_it_shall_be(hashes=f"{'0' * 64}  /etc/docker/ca.pem")
    host = RecordedHost(shown, answers={"systemctl restart": runs})
    provision(host, request(first_time=first_time), lines.append)
    (line,) = (line for line in lines if line.startswith("Copying certs to the remote"))
    assert ("(it had those of another CA" in line) is first_time
    host = RecordedHost(as_it_shall_be())
    provision(host, request(first_time=True), lines.append)
    assert "Copying certs to the remote machine..." in lines
