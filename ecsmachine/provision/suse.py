"""openSUSE and SUSE Linux Enterprise: zypper, and the distribution's own engine."""

from __future__ import annotations

import shlex

from ecsmachine.provision.provisioner import OperatingSystem, PackageManager, Provisioner

# libzypp waits for another one that runs as long as ZYPP_LOCK_TIMEOUT says, in seconds
_ZYPPER = "ZYPP_LOCK_TIMEOUT=300 zypper --non-interactive --quiet"


# zypper leaves so where it did its work and has something to say: reboot, or itself to be
# started again (102, 103), a source passed over (106), a package's own script failed (107)
_DONE = "102|103|106|107"


def _zypper(arguments: str) -> str:
    """Return a command that leaves with 0 if the work was done."""
    return (
        f"{{ {_ZYPPER} {arguments} || "
        f"{{ code=$?; case $code in {_DONE}) ;; *) (exit $code) ;; esac; }}; }}"
    )


def install(*packages: str) -> str:
    """Return a command that installs packages."""
    return _zypper(f"install --no-recommends {shlex.join(packages)}")


def opensuse_engine(system: OperatingSystem) -> str:
    """Return the commands that install the engine of openSUSE."""
    return install("docker")


def sles_engine(system: OperatingSystem) -> str:
    """Return the commands that install SUSE's engine: it is in the Containers Module."""
    version = "12" if system.major == "12" else system.version
    module = shlex.quote(f"sle-module-containers/{version}/")
    return (
        f'{install("docker")} || {{ SUSEConnect -p {module}"$(uname -m)" && {install("docker")}; }}'
    )


ZYPPER = PackageManager(
    name="zypper",
    install=install,
    upgrade=" && ".join((_zypper("refresh"), _zypper('update "$@"'))),
    owner="rpm -qf --queryformat '%{NAME}\\n' \"$1\"",
    is_installed='rpm -q "$1" >/dev/null 2>&1',
    refresh=_zypper("refresh"),
    versions=f'{_ZYPPER} search --details --match-exact --type package "$1" |\n'
    "    awk -F '[ |]+' -v name=\"$1\" '$2 == name { print $4 }' | sort -rV",
    at='echo "$1=$2"',
    install_at=_zypper('install --no-recommends --oldpackage "$@"'),
)

PROVISIONERS = (
    Provisioner(
        "openSUSE",
        ids=("opensuse-leap", "opensuse-tumbleweed", "opensuse"),
        packages=ZYPPER,
        own_engine=opensuse_engine,
    ),
    Provisioner("SLES", ids=("sles", "sles_sap"), packages=ZYPPER, own_engine=sles_engine),
    Provisioner(
        "SUSE", ids=(), like=("suse", "opensuse"), packages=ZYPPER, own_engine=opensuse_engine
    ),
)
