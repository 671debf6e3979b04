"""Systems of Red Hat's family: dnf or yum.

They take Docker's packages for the Enterprise Linux that they are made from, or their own.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from functools import partial

from ecsmachine.errors import MachineError
from ecsmachine.provision.engine_source import RPM_KEY
from ecsmachine.provision.provisioner import OperatingSystem, PackageManager, Provisioner

_REPOSITORY = "/etc/yum.repos.d/docker-ce.repo"
# both wait by themselves for another that runs
_DNF = '"$(command -v dnf || command -v yum)"'

# which Enterprise Linux the packages are taken from, by the major version of the system
_ALIBABA_CLOUD_LINUX = {"2": "7", "3": "8", "4": "9"}
_ANOLIS = {"7": "7", "8": "8", "23": "9"}
_SAME = {"7": "7", "8": "8", "9": "9", "10": "10"}


def install(*packages: str) -> str:
    """Return a command that installs packages."""
    return f"{_DNF} -y -q install {shlex.join(packages)}"


def docker_ce(
    versions: Mapping[str, str], *, folder: str = "centos"
) -> Callable[[OperatingSystem], tuple[str, str]]:
    """Return what gives the folder and the release of Docker's packages for a system.

    ``versions``: the version of Enterprise Linux (or Fedora) whose packages a version of the
    system takes; without any it is the system's own. What is returned raises
    :class:`MachineError` for a version that is not among them.
    """

    def release(system: OperatingSystem) -> tuple[str, str]:
        version = versions.get(system.major) if versions else system.major
        if not version:
            raise MachineError(
                f"{system.pretty_name}: Docker Engine has no packages for this version",
                hint="Name an install script with --engine-install-url, or choose an image with "
                f"version {', '.join(versions)}.",
            )
        return folder, version

    return release


def own_packages(*alternatives: str) -> Callable[[OperatingSystem], str]:
    """Return what gives the commands that install the first of the system's own packages."""

    def commands(system: OperatingSystem) -> str:
        return " || ".join(install(package) for package in alternatives)

    return commands


# the engine's firewall rules need a module that Enterprise Linux 10 keeps in a package of its own,
# which iptables asks for no longer; that of another kernel would be of no use
_MODULES = (
    'if [ -d "/lib/modules/$(uname -r)" ] && ! modinfo xt_addrtype >/dev/null 2>&1; then\n'
    f'    {_DNF} -y -q install "kernel-modules-extra-$(uname -r)" || :\n'
    "fi\n"
)

_KEY = "/etc/pki/rpm-gpg/RPM-GPG-KEY-docker-ce"
_ADD_REPOSITORY = f"""\
mkdir -p {_KEY.rpartition("/")[0]} {_REPOSITORY.rpartition("/")[0]}
install -m 0644 "$work/key.asc" {_KEY} || exit 1
cat > {_REPOSITORY} <<repository
[docker-ce-stable]
name=Docker CE Stable
baseurl=$1/linux/$2/$3/\\$basearch/stable
enabled=1
gpgcheck=1
gpgkey=file://{_KEY}
repository
"""

DNF = PackageManager(
    name="dnf",
    install=install,
    upgrade=f'{_DNF} -y -q upgrade "$@"',
    owner="rpm -qf --queryformat '%{NAME}\\n' \"$1\"",
    is_installed='rpm -q "$1" >/dev/null 2>&1',
    refresh=":",
    versions=f'{_DNF} -y -q list --showduplicates "$1" 2>/dev/null |\n'
    "    awk -v name=\"$1.\" 'index($1, name) == 1 { print $2 }' | sort -rV",
    at='echo "$1-${2#*:}"',
    # yum installs no older version; dnf does
    install_at=f'{_DNF} -y -q install "$@" || return\n'
    f'rpm -q "$1" >/dev/null 2>&1 || {_DNF} -y -q downgrade "$@"',
    add_repository=_ADD_REPOSITORY,
    drop_repository=f"rm -f {_REPOSITORY} {_KEY}",
    docker_key=RPM_KEY,
    docker_key_path="linux/centos/gpg",
    engine_needs=_MODULES,
)

_dnf = partial(Provisioner, packages=DNF)
_as_enterprise_linux = partial(_dnf, docker_release=docker_ce(_SAME))
PROVISIONERS = (
    _dnf("alinux", ids=("alinux",), docker_release=docker_ce(_ALIBABA_CLOUD_LINUX)),
    _dnf("anolis", ids=("anolis",), docker_release=docker_ce(_ANOLIS)),
    # its package has no docker.socket
    _dnf(
        "openeuler",
        ids=("openeuler",),
        own_engine=own_packages("moby", "docker-engine"),
        socket=False,
    ),
    _dnf("amazon", ids=("amzn",), own_engine=own_packages("docker")),
    _as_enterprise_linux("rocky", ids=("rocky",)),
    _as_enterprise_linux("almalinux", ids=("almalinux",)),
    _as_enterprise_linux("ol", ids=("ol",)),
    _as_enterprise_linux("centos", ids=("centos",), script=True),
    _dnf("fedora", ids=("fedora",), docker_release=docker_ce({}, folder="fedora"), script=True),
    _dnf("redhat", ids=("rhel",), docker_release=docker_ce(_SAME, folder="rhel"), script=True),
    _as_enterprise_linux("redhat", ids=(), like=("rhel", "centos")),
)
