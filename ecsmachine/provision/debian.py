"""Debian, Ubuntu and their relatives: apt."""

from __future__ import annotations

import shlex
from functools import partial

from ecsmachine.errors import MachineError
from ecsmachine.provision.engine_source import APT_KEY
from ecsmachine.provision.provisioner import OperatingSystem, PackageManager, Provisioner

# a lock is waited for; a configuration that is there already stays as it is, and nothing is asked
_APT = (
    "DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "
    "-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold"
)
# an install that was cut short leaves packages that are unpacked only
_MEND = 'if [ -n "$(dpkg --audit 2>/dev/null)" ]; then dpkg --configure -a || :; fi'


def install(*packages: str) -> str:
    """Return a command that installs packages.

    The lists of packages are fetched only if the ones at hand do not do. One source that cannot be
    fetched fails them all for apt, but what is wanted may be in another.
    """
    command = f"{_APT} -y install {shlex.join(packages)}"
    anew = f"if {_APT} update; then {command}; else {command} 2>/dev/null; fi"
    return f"{{ {command} 2>/dev/null || {anew}; }}"


def docker_release(system: OperatingSystem) -> tuple[str, str]:
    """Return the folder and the suite of Docker's packages for a system.

    Raises :class:`MachineError` for one that does not say which release it is.
    """
    if not system.codename:
        raise MachineError(
            f"{system.pretty_name}: the Debian or Ubuntu release that it is based on is unknown",
            hint="Name an install script with --engine-install-url.",
        )
    ubuntu = "ubuntu" in (system.id, *system.like)
    return "ubuntu" if ubuntu else "debian", system.codename


_KEY = "/etc/apt/keyrings/docker.asc"
_LIST = "/etc/apt/sources.list.d/docker.list"
# the list of this one source alone is fetched: what the others are like is no matter here
_ADD_REPOSITORY = f"""\
install -m 0755 -d {_KEY.rpartition("/")[0]} && install -m 0644 "$work/key.asc" {_KEY} || exit 1
echo "deb [arch=$(dpkg --print-architecture) signed-by={_KEY}] $1/linux/$2 $3 stable" > {_LIST}
{_APT} update -o Dir::Etc::sourcelist={_LIST} -o Dir::Etc::sourceparts=- \\
    -o APT::Get::List-Cleanup=0 > "$work/update" 2>&1
code=$?
cat "$work/update"
if [ $code != 0 ] || grep -Eq '^E:|Failed to fetch|GPG error' "$work/update"; then exit 1; fi
apt-cache madison docker-ce | grep -qF " $1/" || why "it has no docker-ce for $2 $3"
"""

APT = PackageManager(
    name="apt",
    install=install,
    upgrade=f'{_MEND}\n{_APT} update && {_APT} -y install --only-upgrade "$@"',
    owner='dpkg-query -S "$1" | sed -n "s/:.*//p" | head -n 1',
    is_installed="dpkg-query -W -f '${Status}' \"$1\" 2>/dev/null | grep -q 'ok installed'",
    refresh=f"{_MEND}\n{_APT} update",
    versions="apt-cache madison \"$1\" | awk -F '[ |]+' '{ print $3 }'",
    at='echo "$1=$2"',
    install_at=f'{_APT} -y install --allow-downgrades "$@"',
    add_repository=_ADD_REPOSITORY,
    drop_repository=f"rm -f {_LIST} {_KEY}",
    docker_key=APT_KEY,
    docker_key_path="linux/debian/gpg",
    unreachable="Failed to fetch",
)

# systemd 239 and later look a bare name up: Debian's packages and Docker's put the engine into
# different folders
_of_debian = partial(
    Provisioner,
    packages=APT,
    engine_command="dockerd",
    docker_release=docker_release,
    script=True,
)
PROVISIONERS = (
    _of_debian("ubuntu(systemd)", ids=("ubuntu",)),
    _of_debian("debian", ids=("debian",), like=("debian",)),
)
