"""Which provisioner a system gets, and how its engine is installed: checked as text."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ecsmachine.errors import MachineError
from ecsmachine.provision import redhat, suse
from ecsmachine.provision.base import EngineOptions
from ecsmachine.provision.detect import PROVISIONERS, provisioner_for
from ecsmachine.provision.provisioner import OperatingSystem
from ecsmachine.provision.step import Run, Step
from ecsmachine.provision.steps import STEPS, data_disk, installation
from ecsmachine.provision.upgrade import upgrade_script
from tests.unit.provision.recorded import HOSTS, NAMES, request, situation

PROVISIONER = {
    "alinux": "alinux",
    "almalinux": "almalinux",
    "amzn": "amazon",
    "anolis": "anolis",
    "centos": "centos",
    "debian": "debian",
    "fedora": "fedora",
    "ol": "ol",
    "openeuler": "openeuler",
    "opensuse": "openSUSE",
    "rhel": "redhat",
    "rocky": "rocky",
    "sles": "SLES",
    "ubuntu": "ubuntu(systemd)",
}
# what the script of get.docker.com knows; the others are never sent there
KNOWN_TO_THE_SCRIPT = {"debian", "ubuntu", "centos", "fedora", "rhel"}


def installing(name: str, **engine: str) -> str:
    (action,) = installation.actions(situation(name, engine=EngineOptions(**engine)))  # type: ignore[arg-type]
    assert isinstance(action, Run)
    return action.script


@pytest.mark.parametrize("name", NAMES)
def test_each_system_has_its_provisioner(name: str) -> None:
    seen = situation(name)
    family = name.partition("-")[0]
    assert seen.provisioner.name == PROVISIONER[family]
    expected = {"debian": "apt", "ubuntu": "apt", "opensuse": "zypper", "sles": "zypper"}
    assert seen.provisioner.packages.name == expected.get(family, "dnf")
    assert seen.facts.systemd_version > 200


@pytest.mark.parametrize("name", NAMES)
def test_the_engine_is_installed_by_what_knows_the_system(name: str) -> None:
    script = installing(name)
    recorded = HOSTS / name / "engine-install"
    if name.partition("-")[0] in KNOWN_TO_THE_SCRIPT:
        assert "https://get.docker.com" in script
        assert not recorded.exists()
    else:
        assert "https://get.docker.com" not in script
        assert f"<<'commands'\n{recorded.read_text()}commands\n" in script


@pytest.mark.parametrize("name", NAMES)
def test_an_install_url_of_ones_own_is_used_everywhere(name: str) -> None:
    assert "https://mirror.example/install" in installing(
        name, install_url="https://mirror.example/install"
    )


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("name", NAMES)
def test_all_that_is_sent_to_a_host_is_good_shell(name: str, shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    scripts = [installing(name), upgrade_script(situation(name).provisioner.packages)]
    scripts += [step.look(request(authorized_key="ssh-rsa A a")) for step in STEPS]
    done = subprocess.run([program, "-n"], input="\n".join(scripts), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_version_without_packages_is_refused() -> None:
    seen = situation("rocky-9", {"os_release": 'ID=rocky\nVERSION_ID=12\nPRETTY_NAME="Rocky 12"'})
    with pytest.raises(MachineError, match="Rocky 12: there are no packages") as raised:
        installation.actions(seen)
    assert "--engine-install-url" in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("system", "name"),
    [
        (OperatingSystem("kylin", ("rhel", "fedora", "centos")), "redhat"),
        (OperatingSystem("linuxmint", ("ubuntu", "debian")), "debian"),
        (OperatingSystem("sle-micro", ("suse",)), "SUSE"),
    ],
)
def test_a_relative_gets_the_provisioner_of_its_family(system: OperatingSystem, name: str) -> None:
    assert provisioner_for(system).name == name


def test_no_id_belongs_to_two_provisioners() -> None:
    ids = [name for provisioner in PROVISIONERS for name in provisioner.ids]
    assert len(ids) == len(set(ids))


def run_with_programs(
    folder: Path, script: str, **programs: str
) -> subprocess.CompletedProcess[str]:
    """Run a script of ``sh`` with programs of the test's own before those of this machine."""
    for name, body in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    return subprocess.run(
        ["sh", "-c", script],
        capture_output=True,
        text=True,
        env={"PATH": f"{folder}:/usr/bin:/bin"},
    )


@pytest.mark.parametrize(("code", "left_with"), [(0, 0), (102, 0), (106, 0), (104, 104), (4, 4)])
def test_zypper_that_did_its_work_has_not_failed(code: int, left_with: int, tmp_path: Path) -> None:
    done = run_with_programs(tmp_path, suse.install("docker"), zypper=f"exit {code}")
    assert done.returncode == left_with
    script = f"set -- docker\n{suse.ZYPPER.upgrade}"
    done = run_with_programs(tmp_path, script, zypper=f'[ "$3" = refresh ] || exit {code}')
    assert done.returncode == left_with


@pytest.mark.parametrize(("found", "asked"), [("exit 0", False), ("exit 1", True)])
def test_the_module_for_firewall_rules_is_installed_where_it_is_missing(
    found: str, asked: bool, tmp_path: Path
) -> None:
    (tmp_path / "6.12.0-55.el10.x86_64").mkdir()
    needs = redhat.DNF.engine_needs.replace("/lib/modules", str(tmp_path))
    for name in ("rocky-10", "centos-stream-10"):
        assert redhat.DNF.engine_needs in installing(name)
    programs = {"uname": "echo 6.12.0-55.el10.x86_64", "modinfo": found, "dnf": 'echo "$@"; exit 1'}
    done = run_with_programs(tmp_path, needs, **programs)
    assert done.returncode == 0
    said = "-y -q install kernel-modules-extra-6.12.0-55.el10.x86_64\n"
    assert done.stdout == (said if asked else "")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("debian-12", "apt-get"),
        ("rocky-9", '"$(command -v dnf || command -v yum)" -y -q install xfsprogs'),
        ("opensuse-leap-15.6", "zypper --non-interactive --quiet install"),
    ],
)
def test_xfs_is_installed_by_the_systems_package_manager(name: str, command: str) -> None:
    from ecsmachine.provision.base import DataDisk

    empty = "SIZE=21474836480\nPROBE=2\nZEROS=yes\nREAL=/dev/vdb\n"
    seen = situation(name, {"device /dev/vdb": empty}, data_disk=DataDisk(20, "xfs"))
    (action,) = data_disk.actions(seen)
    assert isinstance(action, Run)
    assert command in action.script
    assert "xfsprogs" in action.script


def test_every_step_has_a_name_of_its_own() -> None:
    names = [step.name for step in STEPS]
    assert len(names) == len(set(names))
    assert all(isinstance(step, Step) for step in STEPS)
