"""Systems that no guest runs: their commands are run in one, with stand-ins for what is theirs.

The guest is told to be the system, by its os-release, and apt is out of the way. The stand-ins for
``dnf``, ``yum``, ``zypper``, ``rpm``, ``SUSEConnect`` and ``curl`` take what their manual pages
take, leave with 64 otherwise, and write down how they were called. What installs the engine's
package brings the real engine back.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from ecsmachine.localcloud.host.openpgp import SigningKey, signing_key
from ecsmachine.provision.base import EngineOptions
from ecsmachine.provision.upgrade import upgrade_engine
from tests.guest.test_provisioning import Host, boot
from tests.unit.provision.recorded import HOSTS, NAMES

pytestmark = pytest.mark.guest

__all__ = ["boot"]  # a fixture

SOURCE = "http://mirrors.cloud.aliyuncs.com/docker-ce/linux"
FIVE = "docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin"

WANTED: dict[str, tuple[str, str]] = {
    # what installs the engine, and which of Docker's packages are taken
    "alinux-2": (f"yum {FIVE}", "centos/7"),
    "alinux-3": (f"dnf {FIVE}", "centos/8"),
    "alinux-4": (f"dnf {FIVE}", "centos/9"),
    "anolis-7": (f"yum {FIVE}", "centos/7"),
    "anolis-8": (f"dnf {FIVE}", "centos/8"),
    "anolis-23": (f"dnf {FIVE}", "centos/9"),
    "almalinux-8": (f"dnf {FIVE}", "centos/8"),
    "almalinux-9": (f"dnf {FIVE}", "centos/9"),
    "almalinux-10": (f"dnf {FIVE}", "centos/10"),
    "rocky-8": (f"dnf {FIVE}", "centos/8"),
    "rocky-9": (f"dnf {FIVE}", "centos/9"),
    "rocky-10": (f"dnf {FIVE}", "centos/10"),
    "ol-9": (f"dnf {FIVE}", "centos/9"),
    "centos-7": (f"yum {FIVE}", "centos/7"),
    "centos-stream-8": (f"dnf {FIVE}", "centos/8"),
    "centos-stream-9": (f"dnf {FIVE}", "centos/9"),
    "centos-stream-10": (f"dnf {FIVE}", "centos/10"),
    "fedora-42": (f"dnf {FIVE}", "fedora/42"),
    "rhel-9": (f"dnf {FIVE}", "rhel/9"),
    "amzn-2023": ("dnf docker", ""),
    "openeuler-22.03": ("dnf moby; dnf docker-engine", ""),
    "openeuler-24.03": ("dnf moby", ""),
    "opensuse-leap-15.6": ("zypper docker", ""),
    "opensuse-tumbleweed": ("zypper docker", ""),
    "sles-12": ("zypper docker; SUSEConnect sle-module-containers/12/x86_64; zypper docker", ""),
    "sles-15": ("zypper docker; SUSEConnect sle-module-containers/15.6/x86_64; zypper docker", ""),
}

ONLY_YUM = {"alinux-2", "anolis-7", "centos-7"}
SECOND_CHOICE = {"openeuler-22.03": "docker-engine"}
"""Systems that lack the first of the packages that are tried."""

STAND_IN = r"""#!/bin/sh
called=$(basename "$0")
note() { echo "$called $*" >> /run/stand-ins/calls; }
wrong() { echo "$called: cannot be called so: $*" >&2; exit 64; }
bring_engine() {
    for package in "$@"; do
        case $package in docker|docker-ce|moby|docker-engine)
            if [ -e /run/stand-ins/only ] && [ "$package" != "$(cat /run/stand-ins/only)" ]; then
                echo "No match for argument: $package" >&2; exit 1
            fi
            echo "$package" > /run/stand-ins/package
            mv /opt/aside/dockerd /usr/bin/dockerd ;;
        esac
    done
}
case $called in
dnf|yum)
    [ "$1 $2" = "-y -q" ] || wrong "$@"
    command=$3; shift 3
    [ $# -gt 0 ] || wrong "no package"
    for package in "$@"; do
        case $package in --showduplicates) ;; -*|*[!A-Za-z0-9.+_-]*) wrong "$package" ;; esac
    done
    case $command in
    install) note "$@"; bring_engine "$@" ;;
    upgrade|downgrade) note "$command $*" ;;
    list)
        [ "$1" = --showduplicates ] && [ $# = 2 ] || wrong "$@"
        number=27; [ "$2" != containerd.io ] || number=1
        echo "Available Packages"
        for rest in 4.9 5.1 5.0; do echo "$2.x86_64   3:$number.$rest-1.el9   docker"; done ;;
    *) wrong "$command" ;;
    esac ;;
zypper)
    [ "$1 $2" = "--non-interactive --quiet" ] || wrong "$@"
    [ "${ZYPP_LOCK_TIMEOUT:-}" = 300 ] || wrong "without a time to wait for its lock"
    command=$3; shift 3
    case $command in
    install)
        [ "$1" = --no-recommends ] || wrong "$@"; shift
        if [ "$1" = --oldpackage ]; then note "$@"; exit 0; fi
        note "$@"
        if [ -e /run/stand-ins/module ]; then exit 104; fi
        bring_engine "$@"
        exit 102 ;;
    refresh) [ $# = 0 ] || wrong "$@"; note refresh; exit 106 ;;
    search)
        [ "$1 $2 $3 $4 $#" = "--details --match-exact --type package 5" ] || wrong "$@"
        number=27; [ "$5" != containerd.io ] || number=1
        echo "S  | Name | Type    | Version | Arch   | Repository"
        echo "---+------+---------+---------+--------+-----------"
        echo "i+ | $5   | package | $number.4.9-1.2 | x86_64 | Main"
        echo "v  | $5   | package | $number.5.1-1.2 | x86_64 | Main" ;;
    update) [ $# -gt 0 ] || wrong "$@"; note "update $*" ;;
    *) wrong "$command" ;;
    esac ;;
rpm)
    if [ "$1 $2" = "-qf --queryformat" ]; then
        [ "$3" = '%{NAME}\n' ] && [ "$4" = /usr/bin/dockerd ] || wrong "$@"
        cat /run/stand-ins/package
    elif [ "$1" = -q ] && [ $# = 2 ]; then
        case $2 in containerd.io|docker-ce) ;; *-27.5.1-*) command -v dnf ;; *) false ;; esac
    else
        wrong "$@"
    fi ;;
SUSEConnect)
    [ "$1" = -p ] && [ $# = 2 ] || wrong "$@"
    note "$2"; rm -f /run/stand-ins/module ;;
curl)
    output= ; url=
    while [ $# -gt 0 ]; do
        case $1 in
        -fsSL) ;;
        -o) output=$2; shift ;;
        --connect-timeout|--max-time) shift ;;
        -*) wrong "$1" ;;
        *) url=$1 ;;
        esac
        shift
    done
    [ "$url" = SOURCE/centos/gpg ] || wrong "$url"
    cp /opt/aside/key "$output" ;;
esac
"""

PREPARE = """
set -e
mkdir -p /opt/aside /run/stand-ins
for program in apt-get dpkg curl; do mv "$(command -v $program)" /opt/aside/; done
echo SCRIPT | base64 -d > /usr/bin/stand-in
echo KEY | base64 -d > /opt/aside/key
chmod 755 /usr/bin/stand-in
for name in zypper rpm SUSEConnect curl; do ln -sf stand-in /usr/bin/$name; done
rm -f /etc/os-release
"""


def test_every_system_that_no_guest_runs_is_in_the_table() -> None:
    others = {name for name in NAMES if not name.startswith(("debian", "ubuntu"))}
    assert others == set(WANTED)


def test_the_commands_of_every_system_are_taken_and_bring_an_engine(
    boot: Callable[..., Host], engine_root: str, tmp_path: Path
) -> None:
    host = boot(root_snapshot_id=engine_root)
    host.provision()
    key = signing_key(tmp_path / "key.pem", "the test")
    stand_in = STAND_IN.replace("SOURCE", SOURCE)
    host.run(PREPARE.replace("SCRIPT", encoded(stand_in)).replace("KEY", encoded(key.public_key())))
    with host.keeping_a_connection():
        for name, (wanted, release) in WANTED.items():
            take_commands(host, name, wanted, release, key)


def take_commands(host: Host, name: str, wanted: str, release: str, key: SigningKey) -> None:
    """Install, repeat, upgrade and move an engine on one of the systems."""
    become(host, name)

    def provision() -> list[str]:
        engine = EngineOptions(source=["auto"], source_key=key.fingerprint)
        return host.provision(engine=engine, on_ecs=True).changed

    assert "engine installation" in provision(), name
    assert calls(host) == wanted.split("; "), name
    assert host.engine_version()
    if release:
        repository = host.run("cat /etc/yum.repos.d/docker-ce.repo")
        assert f"\nbaseurl={SOURCE}/{release}/$basearch/stable\n" in repository, name
        assert "\ngpgcheck=1\n" in repository
        imported = host.run("cat /etc/pki/rpm-gpg/RPM-GPG-KEY-docker-ce")
        assert imported == key.public_key().strip()
    assert provision() == [], name
    package = host.run("cat /run/stand-ins/package")
    updated = f"{package} containerd.io"
    program = "yum" if name in ONLY_YUM else "dnf"
    if "zypper" in wanted:
        upgraded = ["zypper refresh", f"zypper update {updated}"]
        moved = ["zypper refresh", f"zypper --oldpackage {package}=27.5.1-1.2 containerd.io"]
    else:
        upgraded = [f"{program} upgrade {updated}"]
        moved = [f"{program} {package}-27.5.1-1.el9 containerd.io"]
        if name in ONLY_YUM:  # it installs no older version
            moved.append(f"yum downgrade {package}-27.5.1-1.el9 containerd.io")
    for version, expected in (("", upgraded), ("27.5", moved)):
        with host.connected() as connection:
            old, new = upgrade_engine(connection, host.lines.append, version=version)
        assert old == new
        assert calls(host) == expected, name


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def become(host: Host, name: str) -> None:
    """Make a system of the guest that has no engine."""
    text = base64.b64encode((HOSTS / name / "os-release").read_bytes()).decode()
    lines = [
        "set -e",
        "mv $(command -v dockerd) /opt/aside/dockerd",
        f"echo {text} | base64 -d > /etc/os-release",
        "rm -rf /run/stand-ins /etc/yum.repos.d; mkdir /run/stand-ins",
        "rm -f /usr/bin/dnf /usr/bin/yum",
    ]
    if not name.startswith(("sles", "opensuse")):
        lines.append("ln -s stand-in /usr/bin/yum")
        if name not in ONLY_YUM:
            lines.append("ln -s stand-in /usr/bin/dnf")
    if name in SECOND_CHOICE:
        lines.append(f"echo {SECOND_CHOICE[name]} > /run/stand-ins/only")
    if name.startswith("sles"):
        lines.append("touch /run/stand-ins/module")
    host.run("\n".join(lines))


def calls(host: Host) -> list[str]:
    """Return how the stand-ins were called since this was asked last."""
    said = host.run("cat /run/stand-ins/calls; rm -f /run/stand-ins/calls")
    return said.splitlines()
