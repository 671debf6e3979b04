"""Systems that no guest runs: their commands are run in one, with stand-ins for what is theirs.

The guest is told to be the system, by its os-release, and apt is out of the way. The stand-ins for
``dnf``, ``yum``, ``zypper``, ``rpm``, ``SUSEConnect`` and ``curl`` take what their manual pages
take, leave with 64 otherwise, and write down how they were called. What installs the engine's
package brings the real engine back.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from ecsmachine.provision.base import DEFAULT_INSTALL_URL
from ecsmachine.provision.upgrade import upgrade_engine
from tests.guest.test_provisioning import Host, boot
from tests.unit.provision.recorded import HOSTS, NAMES

pytestmark = pytest.mark.guest

__all__ = ["boot"]  # a fixture

SCRIPT_URL = "https://install.example/engine.sh"
DOCKER = "https://download.docker.com/linux/centos/docker-ce.repo"
ALIBABA = "https://mirrors.aliyun.com/docker-ce/linux/centos/docker-ce.repo"
THREE = "docker-ce docker-ce-cli containerd.io"

WANTED: dict[str, tuple[str, str]] = {
    # what installs the engine, and the Enterprise Linux whose packages are taken
    "alinux-2": (f"curl {ALIBABA}; yum {THREE}", "7"),
    "alinux-3": (f"curl {ALIBABA}; dnf {THREE}", "8"),
    "alinux-4": (f"curl {ALIBABA}; dnf {THREE}", "9"),
    "anolis-7": (f"curl {ALIBABA}; yum {THREE}", "7"),
    "anolis-8": (f"curl {ALIBABA}; dnf {THREE}", "8"),
    "anolis-23": (f"curl {ALIBABA}; dnf {THREE}", "9"),
    "almalinux-8": (f"curl {DOCKER}; dnf {THREE}", "8"),
    "almalinux-9": (f"curl {DOCKER}; dnf {THREE}", "9"),
    "almalinux-10": (f"curl {DOCKER}; dnf {THREE}", "10"),
    "rocky-8": (f"curl {DOCKER}; dnf {THREE}", "8"),
    "rocky-9": (f"curl {DOCKER}; dnf {THREE}", "9"),
    "rocky-10": (f"curl {DOCKER}; dnf {THREE}", "10"),
    "ol-9": (f"curl {DOCKER}; dnf {THREE}", "9"),
    "amzn-2023": ("dnf docker", ""),
    "openeuler-22.03": ("dnf moby; dnf docker-engine", ""),
    "openeuler-24.03": ("dnf moby", ""),
    "opensuse-leap-15.6": ("zypper docker", ""),
    "opensuse-tumbleweed": ("zypper docker", ""),
    "sles-12": ("zypper docker; SUSEConnect sle-module-containers/12/x86_64; zypper docker", ""),
    "sles-15": ("zypper docker; SUSEConnect sle-module-containers/15.6/x86_64; zypper docker", ""),
    **dict.fromkeys(("centos-7",), (f"curl {SCRIPT_URL}; yum docker-ce", "")),
    **dict.fromkeys(
        ("centos-stream-8", "centos-stream-9", "centos-stream-10", "fedora-42", "rhel-9"),
        (f"curl {SCRIPT_URL}; dnf docker-ce", ""),
    ),
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
    for package in "$@"; do case $package in -*|*[!A-Za-z0-9.+_-]*) wrong "$package" ;; esac; done
    case $command in
    install) note "$@"; bring_engine "$@" ;;
    upgrade) note "upgrade $*" ;;
    *) wrong "$command" ;;
    esac ;;
zypper)
    [ "$1 $2" = "--non-interactive --quiet" ] || wrong "$@"
    [ "${ZYPP_LOCK_TIMEOUT:-}" = 300 ] || wrong "without a time to wait for its lock"
    command=$3; shift 3
    case $command in
    install)
        [ "$1" = --no-recommends ] || wrong "$@"; shift
        note "$@"
        if [ -e /run/stand-ins/module ]; then exit 104; fi
        bring_engine "$@"
        exit 102 ;;
    refresh) [ $# = 0 ] || wrong "$@"; note refresh; exit 106 ;;
    update) [ $# -gt 0 ] || wrong "$@"; note "update $*" ;;
    *) wrong "$command" ;;
    esac ;;
rpm)
    if [ "$1 $2" = "-qf --queryformat" ]; then
        [ "$3" = '%{NAME}\n' ] && [ "$4" = /usr/bin/dockerd ] || wrong "$@"
        cat /run/stand-ins/package
    elif [ "$1" = -q ] && [ $# = 2 ]; then
        [ "$2" = containerd.io ]
    else
        wrong "$@"
    fi ;;
SUSEConnect)
    [ "$1" = -p ] && [ $# = 2 ] || wrong "$@"
    note "$2"; rm -f /run/stand-ins/module ;;
curl)
    output= ; url= ; code=
    while [ $# -gt 0 ]; do
        case $1 in
        -fsSL|-sSL) ;;
        -o) output=$2; shift ;;
        -w) code=200; shift ;;
        --retry|--retry-delay|--retry-max-time) shift ;;
        -*) wrong "$1" ;;
        *) url=$1 ;;
        esac
        shift
    done
    note "$url"
    mkdir -p "$(dirname "$output")"
    case $url in
    *.repo) echo "baseurl=$(dirname "$url")/\$releasever/stable" > "$output" ;;
    *) echo '"$(command -v dnf || command -v yum)" -y -q install docker-ce' > "$output" ;;
    esac
    printf %s "$code" ;;
esac
"""

PREPARE = """
set -e
mkdir -p /opt/aside /run/stand-ins
for program in apt-get dpkg curl; do mv "$(command -v $program)" /opt/aside/; done
echo SCRIPT | base64 -d > /usr/bin/stand-in
chmod 755 /usr/bin/stand-in
for name in zypper rpm SUSEConnect curl; do ln -sf stand-in /usr/bin/$name; done
rm -f /etc/os-release
"""


def test_every_system_that_no_guest_runs_is_in_the_table() -> None:
    others = {name for name in NAMES if not name.startswith(("debian", "ubuntu"))}
    assert others == set(WANTED)


def test_the_commands_of_every_system_are_taken_and_bring_an_engine(
    boot: Callable[..., Host],
) -> None:
    host = boot()
    host.provision()
    host.run(PREPARE.replace("SCRIPT", base64.b64encode(STAND_IN.encode()).decode()))
    for name, (wanted, release) in WANTED.items():
        become(host, name)
        by_script = SCRIPT_URL in wanted
        url = SCRIPT_URL if by_script else DEFAULT_INSTALL_URL
        assert "engine installation" in host.provision(install_url=url).changed, name
        assert calls(host) == wanted.split("; "), name
        assert host.engine_version()
        if release:
            repository = host.run("cat /etc/yum.repos.d/docker-ce.repo")
            assert repository.endswith(f"/linux/centos/{release}/stable"), name
        assert host.provision(install_url=url).changed == [], name
        with host.connected() as connection:
            old, new = upgrade_engine(connection, host.lines.append)
        assert old == new
        package = host.run("cat /run/stand-ins/package")
        updated = f"{package} containerd.io"
        if "zypper" in wanted:
            upgraded = ["zypper refresh", f"zypper update {updated}"]
        else:
            upgraded = [f"{'yum' if name in ONLY_YUM else 'dnf'} upgrade {updated}"]
        assert calls(host) == upgraded, name


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
