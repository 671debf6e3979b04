"""Which provisioner a system gets, and how its engine is installed: checked as text."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.errors import MachineError
from ecsmachine.provision import debian, redhat, suse
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


RELEASES = {
    "alinux-2": "centos 7",
    "alinux-3": "centos 8",
    "alinux-4": "centos 9",
    "almalinux-8": "centos 8",
    "almalinux-9": "centos 9",
    "almalinux-10": "centos 10",
    "anolis-7": "centos 7",
    "anolis-8": "centos 8",
    "anolis-23": "centos 9",
    "centos-7": "centos 7",
    "centos-stream-8": "centos 8",
    "centos-stream-9": "centos 9",
    "centos-stream-10": "centos 10",
    "debian-11": "debian bullseye",
    "debian-12": "debian bookworm",
    "debian-13": "debian trixie",
    "fedora-42": "fedora 42",
    "ol-9": "centos 9",
    "rhel-9": "rhel 9",
    "rocky-8": "centos 8",
    "rocky-9": "centos 9",
    "rocky-10": "centos 10",
    "ubuntu-20.04": "ubuntu focal",
    "ubuntu-22.04": "ubuntu jammy",
    "ubuntu-24.04": "ubuntu noble",
    "ubuntu-26.04": "ubuntu resolute",
}
"""Which of Docker's packages a system takes; the others have an engine of their own."""


def installing(name: str, seen: dict[str, str] | None = None, **engine: Any) -> str:
    on_ecs = engine.pop("on_ecs", True)
    options = EngineOptions(**engine)
    (action,) = installation.actions(situation(name, seen, engine=options, on_ecs=on_ecs))
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
    script = installing(name, source=["auto"])
    recorded = HOSTS / name / "engine-install"
    assert "https://get.docker.com" not in script
    if name in RELEASES:
        assert not recorded.exists()
        assert f'    add_repository "$1" {RELEASES[name]}\n' in script
        key = "9DC8" if name.startswith(("debian", "ubuntu")) else "060A"
        assert f"accepted() {{ echo {key}" in script
    else:
        assert f"<<'commands'\n{recorded.read_text()}commands\n" in script


@pytest.mark.parametrize("name", NAMES)
def test_a_machine_without_a_source_is_installed_by_the_script_that_knows_it(name: str) -> None:
    known = name.partition("-")[0] in KNOWN_TO_THE_SCRIPT
    assert ("https://get.docker.com" in installing(name)) is known
    if not known:
        assert installing(name) == installing(name, source=["auto"])


VPC, PUBLIC, DOCKER = (
    "http://mirrors.cloud.aliyuncs.com/docker-ce",
    "https://mirrors.aliyun.com/docker-ce",
    "https://download.docker.com",
)
ECS = {"product": "Alibaba Cloud ECS"}


@pytest.mark.parametrize(
    ("source", "on_ecs", "seen", "tried"),
    [
        (["auto"], True, {}, [VPC, PUBLIC, DOCKER]),
        (["auto"], False, ECS, [VPC, PUBLIC, DOCKER]),
        (["auto"], False, {}, [DOCKER, PUBLIC]),
        (["mirror"], True, {}, [VPC, PUBLIC]),
        (["mirror"], False, {}, [PUBLIC]),
        (["docker"], True, {}, [DOCKER]),
        (["http://10.0.0.5/ce/", "docker"], True, {}, ["http://10.0.0.5/ce", DOCKER]),
    ],
)
def test_the_sources_that_are_tried(
    source: list[str], on_ecs: bool, seen: dict[str, str], tried: list[str]
) -> None:
    script = installing("debian-12", seen, source=source, on_ecs=on_ecs)
    assert f"\nset -- {' '.join(tried)}\n" in script
    # elsewhere, what is near is found out on the host
    assert ("time_total" in script) is (source == ["auto"] and not on_ecs and not seen)


def test_a_system_without_packages_of_docker_takes_its_own() -> None:
    with pytest.raises(MachineError, match=r"openEuler.* Docker has no packages for it"):
        installing("openeuler-24.03", source=["docker"])
    script = installing("openeuler-24.03", source=["auto"], version="27.5")
    assert 'choose "$package" 27.5' in script


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
    packages = situation(name).provisioner.packages
    scripts = [installing(name), installing(name, source=["auto"], version="27.5")]
    scripts += [installing(name, source=["auto"], on_ecs=False)]
    scripts += [upgrade_script(packages), upgrade_script(packages, "27.5")]
    scripts += [step.look(request(authorized_key="ssh-rsa A a")) for step in STEPS]
    done = subprocess.run([program, "-n"], input="\n".join(scripts), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_version_without_packages_is_refused() -> None:
    seen = situation("rocky-9", {"os_release": 'ID=rocky\nVERSION_ID=12\nPRETTY_NAME="Rocky 12"'})
    with pytest.raises(MachineError, match="Rocky 12: Docker Engine has no packages") as raised:
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


@pytest.mark.parametrize("code", [0, 100])
def test_a_source_that_cannot_be_fetched_does_not_keep_a_package_back(
    tmp_path: Path, code: int
) -> None:
    # the lists that are there do not do at first, and of the new ones some cannot be fetched
    apt = f"""\
case "$*" in
    *update*) echo 'E: The repository x does not have a Release file.' >&2; touch {tmp_path}/new
        exit 100 ;;
esac
if [ -e {tmp_path}/new ]; then code={code}; else code=100; fi
[ $code = 0 ] || echo 'E: Unable to locate package curl' >&2
exit $code"""
    done = run_with_programs(tmp_path, debian.install("curl"), **{"apt-get": apt})
    assert done.returncode == code
    # what is said is why, and not what follows from it
    assert done.stderr == "E: The repository x does not have a Release file.\n"
