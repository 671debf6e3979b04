"""Systems of Red Hat's family: dnf or yum.

The script of get.docker.com knows centos, fedora and rhel. The others take Docker's packages for
the Enterprise Linux that they are made from, or their own.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping

from ecsmachine.errors import MachineError
from ecsmachine.provision.provisioner import OperatingSystem, PackageManager, Provisioner

DOCKER_PACKAGES = "https://download.docker.com"
ALIBABA_MIRROR = "https://mirrors.aliyun.com/docker-ce"

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


def docker_ce(source: str, versions: Mapping[str, str]) -> Callable[[OperatingSystem], str]:
    """Return what gives the commands that install Docker's own packages from ``source``.

    ``versions``: the version of Enterprise Linux whose packages a version of the system takes.
    What they give raises :class:`MachineError` for a version that is not among them.
    """

    def commands(system: OperatingSystem) -> str:
        version = versions.get(system.major)
        if version is None:
            raise MachineError(
                f"{system.pretty_name}: there are no packages of Docker Engine for this version",
                hint="Give --engine-install-url a script that installs it, or choose an image "
                f"with version {', '.join(versions)}.",
            )
        return (
            f"curl -fsSL -o {_REPOSITORY} {source}/linux/centos/docker-ce.repo &&\n"
            f"sed -i 's/\\$releasever/{version}/g' {_REPOSITORY} &&\n"
            + install("docker-ce", "docker-ce-cli", "containerd.io")
        )

    return commands


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

DNF = PackageManager(
    name="dnf",
    install=install,
    upgrade=f'{_DNF} -y -q upgrade "$@"',
    owner="rpm -qf --queryformat '%{NAME}\\n' \"$1\"",
    is_installed='rpm -q "$1" >/dev/null 2>&1',
    engine_needs=_MODULES,
)

PROVISIONERS = (
    Provisioner(
        "alinux",
        ids=("alinux",),
        packages=DNF,
        engine_install=docker_ce(ALIBABA_MIRROR, _ALIBABA_CLOUD_LINUX),
    ),
    Provisioner(
        "anolis", ids=("anolis",), packages=DNF, engine_install=docker_ce(ALIBABA_MIRROR, _ANOLIS)
    ),
    # its package has no docker.socket
    Provisioner(
        "openeuler",
        ids=("openeuler",),
        packages=DNF,
        engine_install=own_packages("moby", "docker-engine"),
        socket=False,
    ),
    Provisioner("amazon", ids=("amzn",), packages=DNF, engine_install=own_packages("docker")),
    Provisioner(
        "rocky", ids=("rocky",), packages=DNF, engine_install=docker_ce(DOCKER_PACKAGES, _SAME)
    ),
    Provisioner(
        "almalinux",
        ids=("almalinux",),
        packages=DNF,
        engine_install=docker_ce(DOCKER_PACKAGES, _SAME),
    ),
    Provisioner("ol", ids=("ol",), packages=DNF, engine_install=docker_ce(DOCKER_PACKAGES, _SAME)),
    Provisioner("centos", ids=("centos",), packages=DNF),
    Provisioner("fedora", ids=("fedora",), packages=DNF),
    Provisioner("redhat", ids=("rhel",), packages=DNF),
    Provisioner(
        "redhat",
        ids=(),
        like=("rhel", "centos"),
        packages=DNF,
        engine_install=docker_ce(DOCKER_PACKAGES, _SAME),
    ),
)
