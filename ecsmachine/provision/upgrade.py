"""The newest engine that the host's package manager has, or the newest of some version."""

from __future__ import annotations

import shlex

from ecsmachine.provision import facts
from ecsmachine.provision.base import HostConnection, Report
from ecsmachine.provision.detect import parse_os_release, provisioner_for
from ecsmachine.provision.errors import NoEngineError, ProvisionError, failure_line, output_of
from ecsmachine.provision.provisioner import PackageManager
from ecsmachine.provision.repository import choosing_version
from ecsmachine.provision.shell import PATH, as_root, engine_journal, run, with_journal
from ecsmachine.provision.steps.installation import LOCK_PATH

_STEP = "engine upgrade"
_TIMEOUT_S = 1800.0
_NO_ENGINE = 101
_NO_PACKAGE = 102
_NO_VERSION = 103

# what belongs to the engine, in the packages of Docker and of the distributions
_COMPANIONS = (
    *("docker-ce-cli", "docker-ce-rootless-extras", "docker-buildx-plugin"),
    *("docker-compose-plugin", "containerd.io", "docker-cli", "docker-engine-cli"),
    *("docker-buildx", "containerd", "runc"),
)


def upgrade_engine(host: HostConnection, report: Report, *, version: str = "") -> tuple[str, str]:
    """Upgrade the engine and what belongs to it, and restart it if that changed something.

    ``version`` is how the version begins that it shall have, newer or older; "" for the newest.
    Returns the old and the new version, such as ("27.3.1", "28.0.4"); they are the same if there
    is no newer one. Raises :class:`ProvisionError` if no engine is installed, it belongs to no
    package, the packages cannot be had, or the engine does not start again.
    """
    seen = facts.gather(host)
    provisioner = provisioner_for(parse_os_release(seen["os_release"]))
    report("Upgrading docker...")
    script = upgrade_script(provisioner.packages, version)
    result = run(host, _STEP, as_root(script, host.user), timeout_s=_TIMEOUT_S)
    if result.exit_status == _NO_ENGINE:
        raise NoEngineError(_STEP)
    if result.exit_status == _NO_PACKAGE:
        raise ProvisionError(
            _STEP,
            f"the engine on the host belongs to no package that {provisioner.packages.name} knows",
            hint="Upgrade it in the way in which it was installed.",
        )
    if result.exit_status == _NO_VERSION:
        raise ProvisionError(
            _STEP,
            (result.stderr.strip().splitlines() or [f"there is no engine {version}"])[-1],
            hint="Name one of these with --engine-version.",
            details=output_of(result),
        )
    if result.exit_status:
        raise ProvisionError(
            _STEP,
            failure_line(provisioner.packages.name, result),
            hint="Can the host reach its sources of packages?",
            details=output_of(result),
        )
    said = dict(line.partition("=")[::2] for line in result.stdout.splitlines() if "=" in line)
    old, new = said.get("engine-old", ""), said.get("engine-new", "")
    unreachable = provisioner.packages.unreachable
    if old == new and unreachable and unreachable in result.stderr:
        raise ProvisionError(
            _STEP,
            f"a source of packages did not answer, and the others have nothing newer than {old}",
            hint="Try again when the host can reach it.",
            details=result.stderr.rstrip(),
        )
    if old != new or said.get("engine-runs") != "new":
        report("Restarting docker...")
        _restart(host)
    return old, new


def upgrade_script(packages: PackageManager, version: str = "") -> str:
    """Return the ``sh`` script that upgrades the engine's packages, or moves them to a version.

    At its end it prints the versions, and whether the new program is the one that runs.
    """
    return f"""\
set -u
export LC_ALL=C PATH="{PATH}"
exec 3>&1 1>&2
version() {{ dockerd --version | sed -n 's/^Docker version \\([^, ]*\\).*/\\1/p'; }}
owner() {{ {packages.owner}; }}
is_installed() {{ {packages.is_installed}; }}
upgrade() {{
{_moving(packages, version) if version else packages.upgrade}
}}
program=$(command -v dockerd) || exit {_NO_ENGINE}
if command -v flock >/dev/null 2>&1; then exec 9>{LOCK_PATH}; flock -w 1200 9; fi
package=$(owner "$(readlink -f "$program")")
[ -n "$package" ] || exit {_NO_PACKAGE}
old=$(version)
set -- "$package"
for name in {" ".join(_COMPANIONS)}; do
    if is_installed "$name"; then set -- "$@" "$name"; fi
done
upgrade "$@" || exit $?
pid=$(systemctl show docker.service -p MainPID); pid=${{pid#MainPID=}}
runs=none
if [ "${{pid:-0}}" -gt 0 ]; then
    case $(readlink /proc/"$pid"/exe) in *deleted*) runs=old ;; *) runs=new ;; esac
fi
printf 'engine-old=%s\\nengine-new=%s\\nengine-runs=%s\\n' "$old" "$(version)" "$runs" >&3
"""


def _moving(packages: PackageManager, version: str) -> str:
    """Return the commands that bring the package ``$1``, and those beside it, to a version.

    What has another version than the engine's, as containerd, is brought to its newest.
    """
    return f"""\
{choosing_version(packages)}{packages.refresh}
wanted=$(choose "$1" {shlex.quote(version)}) || {{
    echo "there is no $1 {version}, but: $(there_are "$1")" >&2; exit {_NO_VERSION}
}}
count=$#
for name in "$@"; do
    if versions "$name" | grep -qxF "$wanted"; then name=$(at "$name" "$wanted"); fi
    set -- "$@" "$name"
done
shift "$count"
install_at "$@"
"""


def _restart(host: HostConnection) -> None:
    script = (
        "set -e\nsystemctl daemon-reload\n"
        "systemctl reset-failed docker.service docker.socket 2>/dev/null || :\n"
        "systemctl restart docker.service\nsystemctl is-active docker.service >/dev/null"
    )
    result = run(host, _STEP, as_root(script, host.user), timeout_s=300)
    if result.exit_status:
        raise ProvisionError(
            _STEP,
            "the new engine does not start",
            details=with_journal(result, engine_journal(host)),
        )
