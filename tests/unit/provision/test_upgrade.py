from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ecsmachine.provision.errors import ProvisionError
from ecsmachine.provision.provisioner import PackageManager
from ecsmachine.provision.upgrade import upgrade_engine, upgrade_script
from ecsmachine.ssh.command_result import CommandResult
from tests.unit.provision.recorded import RecordedHost, sections

RUNS_OLD = "engine-old=27.3.1\nengine-new=28.0.4\nengine-runs=old\n"


def upgrade(*, script: CommandResult, restart: CommandResult | None = None) -> tuple[object, ...]:
    answers = {"is_installed()": script}
    if restart is not None:
        answers["systemctl restart"] = restart
    host = RecordedHost(sections("debian-12"), answers=answers)
    lines: list[str] = []
    versions = upgrade_engine(host, lines.append)
    restarted = any("systemctl restart docker.service" in command for command in host.commands)
    return versions, lines, restarted


def test_a_newer_engine_is_installed_and_restarted() -> None:
    assert upgrade(script=CommandResult(0, RUNS_OLD, "")) == (
        ("27.3.1", "28.0.4"),
        ["Upgrading docker...", "Restarting docker..."],
        True,
    )


def test_the_newest_engine_is_left_running() -> None:
    said = "engine-old=28.0.4\nengine-new=28.0.4\nengine-runs=new\n"
    assert upgrade(script=CommandResult(0, said, "")) == (
        ("28.0.4", "28.0.4"),
        ["Upgrading docker..."],
        False,
    )


@pytest.mark.parametrize("runs", ["old", "none"])
def test_an_engine_that_an_interrupted_upgrade_left_behind_is_restarted(runs: str) -> None:
    said = f"engine-old=28.0.4\nengine-new=28.0.4\nengine-runs={runs}\n"
    assert upgrade(script=CommandResult(0, said, ""))[2] is True


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (CommandResult(101, "", ""), "no engine is installed"),
        (CommandResult(102, "", ""), "belongs to no package that apt knows"),
        (CommandResult(100, "", "E: no space left"), "apt exited with 100"),
        (
            CommandResult(
                0,
                "engine-old=1\nengine-new=1\nengine-runs=new\n",
                "W: Failed to fetch http://deb.debian.org/ Connection refused",
            ),
            "did not answer, and the others have nothing newer than 1",
        ),
    ],
)
def test_what_went_wrong_is_said(result: CommandResult, said: str) -> None:
    with pytest.raises(ProvisionError, match=said):
        upgrade(script=result)


def test_a_new_engine_that_does_not_start_shows_its_journal() -> None:
    with pytest.raises(ProvisionError, match="new engine does not start") as raised:
        upgrade(script=CommandResult(0, RUNS_OLD, ""), restart=CommandResult(1, "", "Job failed"))
    assert "Job failed" in (raised.value.details or "")


def run_script(
    tmp_path: Path, *, installed: str, upgrade: str = "false", version: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the script with an engine, a package manager and a systemd of the test's own."""
    programs = {
        "dockerd": f'echo "Docker version $(cat {tmp_path}/version), build 1"',
        "systemctl": "echo MainPID=0",
    }
    for name, body in programs.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    (tmp_path / "version").write_text("27.3.1")
    packages = PackageManager(
        "test",
        install=lambda *names: "false",
        upgrade=upgrade,
        owner='[ "${1##*/}" = dockerd ] && echo docker-ce',
        is_installed=f'[ "$1" = {installed} ]',
        refresh="echo refreshing",
        versions="case $1 in docker-ce*) echo 5:28.0.4-1 5:27.50.0-1 5:27.5.1-1 5:27.5.0-1 ;; "
        "*) echo 1.7.2 ;; esac | tr ' ' '\\n'",
        at='echo "$1=$2"',
        install_at=f'echo "installing $*"; printf 27.5.1 > {tmp_path}/version',
    )
    script = upgrade_script(packages, version).replace("/run/ecsmachine", f"{tmp_path}/ecsmachine")
    return subprocess.run(
        ["sh", "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"},
    )


def test_the_script_upgrades_the_engines_package_and_its_companions(tmp_path: Path) -> None:
    done = run_script(
        tmp_path,
        installed="containerd.io",
        upgrade=f'echo "upgrading $*"; printf 28.0.4 > {tmp_path}/version',
    )
    assert done.stdout == "engine-old=27.3.1\nengine-new=28.0.4\nengine-runs=none\n"
    assert done.stderr == "upgrading docker-ce containerd.io\n"


def test_the_script_leaves_with_what_the_package_manager_left_with(tmp_path: Path) -> None:
    done = run_script(tmp_path, installed="none", upgrade="exit 42")
    assert (done.returncode, done.stdout) == (42, "")


def test_the_script_moves_the_engine_to_a_version(tmp_path: Path) -> None:
    done = run_script(tmp_path, installed="docker-ce-cli", version="27.5")
    assert done.stdout == "engine-old=27.3.1\nengine-new=27.5.1\nengine-runs=none\n"
    assert done.stderr == ("refreshing\ninstalling docker-ce=5:27.5.1-1 docker-ce-cli=5:27.5.1-1\n")
    # what has a version of its own gets its newest
    done = run_script(tmp_path, installed="containerd.io", version="27.5.0-1")
    assert done.stderr == "refreshing\ninstalling docker-ce=5:27.5.0-1 containerd.io\n"


def test_a_version_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    done = run_script(tmp_path, installed="none", version="27.6")
    assert (done.returncode, done.stdout) == (103, "")
    assert done.stderr.splitlines()[-1] == (
        "there is no docker-ce 27.6, but: 28.0.4-1 27.50.0-1 27.5.1-1 27.5.0-1 "
    )
    with pytest.raises(ProvisionError, match=r"there is no docker-ce 27\.6, but: 28\.0\.4"):
        upgrade(script=CommandResult(103, "", done.stderr))
