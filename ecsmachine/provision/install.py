"""Installing the engine by the script at the install URL."""

from __future__ import annotations

import shlex

from ecsmachine.provision.base import HostConnection
from ecsmachine.provision.errors import ProvisionError, output_of
from ecsmachine.provision.shell import as_root
from ecsmachine.ssh.command_result import CommandResult

LOCK_PATH = "/run/ecsmachine-install.lock"
_STEP = "installing the engine"
_TIMEOUT_S = 1800.0
_CANNOT_FETCH = 101
_NO_SCRIPT = 102


def install_script(url: str) -> str:
    """Return the ``sh`` script that fetches the install script and runs it.

    It is fetched whole before it is run: piped into a shell, half a script would be run and an
    answer of 404 would pass as success. Locks of apt are waited for, and so are cloud-init and
    an install of ours that is still under way.
    """
    quoted = shlex.quote(url)
    return f"""\
set -u
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
# an install that an interrupted run left behind goes on by itself: wait for its end
if command -v flock >/dev/null 2>&1; then exec 9>{LOCK_PATH}; flock -w 1200 9; fi
if command -v dockerd >/dev/null 2>&1; then echo "installed meanwhile"; exit 0; fi
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
if command -v cloud-init >/dev/null 2>&1; then
    timeout 300 cloud-init status --wait >/dev/null 2>&1
fi
if [ -d /etc/apt ]; then
    printf 'DPkg::Lock::Timeout "300";\\n' > "$folder/apt.conf"
    export APT_CONFIG="$folder/apt.conf"
    if [ -n "$(dpkg --audit 2>/dev/null)" ]; then dpkg --configure -a || :; fi
    if ! command -v curl >/dev/null 2>&1; then
        apt-get -qq update && apt-get -qq -y install curl ca-certificates || exit 1
    fi
fi
code=$(curl -sSL --connect-timeout 20 --speed-limit 1 --speed-time 60 --retry 3 --retry-delay 1 \\
    -o "$folder/install.sh" -w '%{{http_code}}' {quoted}) || exit {_CANNOT_FETCH}
case $code in 2*) ;; *) echo "answered $code" >&2; exit {_NO_SCRIPT} ;; esac
if ! [ -s "$folder/install.sh" ]; then echo "answered with nothing" >&2; exit {_NO_SCRIPT}; fi
if head -c 512 "$folder/install.sh" | grep -qi '<html\\|<!doctype'; then
    echo "answered with a web page" >&2; exit {_NO_SCRIPT}
fi
sh "$folder/install.sh"
"""


def install(host: HostConnection, url: str) -> None:
    """Install the engine. Raises :class:`ProvisionError` with the end of what was printed."""
    result = host.run(as_root(install_script(url), host.user), timeout_s=_TIMEOUT_S)
    if result.exit_status:
        raise _error(url, result)


def _error(url: str, result: CommandResult) -> ProvisionError:
    last = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
    if result.exit_status == _NO_SCRIPT:
        return ProvisionError(
            _STEP,
            f"the install script at {url} {last}",
            hint="Correct --engine-install-url or MACHINE_DOCKER_INSTALL_URL.",
        )
    if result.exit_status == _CANNOT_FETCH:
        return ProvisionError(
            _STEP,
            f"the host cannot fetch {url}: {last}",
            hint="Choose a mirror that the host can reach with --engine-install-url.",
        )
    return ProvisionError(
        _STEP,
        f"the install script of {url} left with {result.exit_status}",
        details=output_of(result),
    )
