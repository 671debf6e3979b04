"""Debian, Ubuntu and their relatives: apt."""

from __future__ import annotations

import shlex

from ecsmachine.provision.provisioner import PackageManager, Provisioner

# a lock is waited for; a configuration that is there already stays as it is, and nothing is asked
_APT = (
    "DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "
    "-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold"
)
# an install that was cut short leaves packages that are unpacked only
_MEND = 'if [ -n "$(dpkg --audit 2>/dev/null)" ]; then dpkg --configure -a || :; fi'


def install(*packages: str) -> str:
    """Return a command that installs packages.

    The lists of packages are fetched only if the ones at hand do not do.
    """
    command = f"{_APT} -y install {shlex.join(packages)}"
    return f"{{ {command} 2>/dev/null || {{ {_APT} update && {command}; }}; }}"


APT = PackageManager(
    name="apt",
    install=install,
    upgrade=f'{_MEND}\n{_APT} update && {_APT} -y install --only-upgrade "$@"',
    owner='dpkg-query -S "$1" | sed -n "s/:.*//p" | head -n 1',
    is_installed="dpkg-query -W -f '${Status}' \"$1\" 2>/dev/null | grep -q 'ok installed'",
    unreachable="Failed to fetch",
)

# systemd 239 and later look a bare name up: Debian's packages and Docker's put the engine into
# different folders
PROVISIONERS = (
    Provisioner("ubuntu(systemd)", ids=("ubuntu",), packages=APT, engine_command="dockerd"),
    Provisioner(
        "debian", ids=("debian",), like=("debian",), packages=APT, engine_command="dockerd"
    ),
)
