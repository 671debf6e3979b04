"""Installing the engine: from Docker's packages, the system's own, or by an install script."""

from __future__ import annotations

from ecsmachine.errors import MachineError
from ecsmachine.provision.base import (
    AUTO,
    DEFAULT_INSTALL_URL,
    INSTALL_URL_HINT,
    HostConnection,
    ProvisionRequest,
)
from ecsmachine.provision.engine_source import addresses
from ecsmachine.provision.errors import ProvisionError, failure_line, output_of
from ecsmachine.provision.facts import Facts
from ecsmachine.provision.provisioner import PackageManager
from ecsmachine.provision.repository import NO_SOURCE, docker_commands, failures, own_commands
from ecsmachine.provision.shell import PATH, engine_journal, with_journal
from ecsmachine.provision.step import Action, Run, Situation, Step
from ecsmachine.ssh.command_result import CommandResult

LOCK_PATH = "/run/ecsmachine-install.lock"
UNFINISHED_PATH = "/var/tmp/ecsmachine-install-unfinished"  # noqa: S108 (on the host)
"""Is there while an install runs, and after one that was cut short."""

STALLED_S = 30
"""A transfer that moves no byte for so long is given up."""

NAME = "engine installation"
_SCRIPT_TIMEOUT_S = 1500
_TIMEOUT_S = _SCRIPT_TIMEOUT_S + 1800.0  # locks and another install may come first
_TIME_IS_UP = 124  # of timeout(1)
_CANNOT_FETCH = 101
_NO_SCRIPT = 102
_PRODUCT = "Alibaba Cloud ECS"
"""What the firmware of an instance of ECS says that it is."""


def look(request: ProvisionRequest) -> str:
    """Return the commands that show an install that was cut short, and whose computer it is."""
    return (
        f"mark unfinished; [ -e {UNFINISHED_PATH} ] && echo yes\n"
        "mark product; cat /sys/class/dmi/id/product_name 2>/dev/null\n"
    )


def is_needed(facts: Facts) -> bool:
    """Return whether the engine is missing, or half installed."""
    return not facts["dockerd"] or bool(facts["unfinished"])


def actions(situation: Situation) -> list[Action]:
    """Return what installs the engine.

    Raises :class:`~ecsmachine.errors.MachineError` if there are no packages for the system.
    """
    if not is_needed(situation.facts):
        return []
    engine, packages = situation.request.engine, situation.provisioner.packages
    if _by_script(situation):
        script = install_script(engine.install_url, packages)
    else:
        script = package_script(packages, _commands(situation))
    return [Run(script, timeout_s=_TIMEOUT_S, explain=_explain)]


def _by_script(situation: Situation) -> bool:
    """Return whether the install script is used: get.docker.com's only where it knows the system.

    Without a source that is so: the machines of Docker Machine, and those with a script of
    their own.
    """
    engine = situation.request.engine
    if engine.source:
        return False
    return engine.install_url != DEFAULT_INSTALL_URL or situation.provisioner.script


def _commands(situation: Situation) -> str:
    """Return the commands that install packages. Raises :class:`MachineError` if there are none."""
    engine, provisioner, system = (
        situation.request.engine,
        situation.provisioner,
        situation.system,
    )
    sources = engine.source or [AUTO]
    if provisioner.docker_release is None:
        if AUTO not in sources or provisioner.own_engine is None:
            raise MachineError(
                f"{system.pretty_name}: Docker has no packages for it, but the system has its own",
                hint=f"--engine-source {AUTO} installs those.",
            )
        own = provisioner.own_engine(system)
        return own_commands(provisioner.packages, own, version=engine.version)
    on_ecs = situation.request.on_ecs or situation.facts["product"] == _PRODUCT
    return docker_commands(
        provisioner.packages,
        addresses(sources, on_ecs=on_ecs),
        provisioner.docker_release(system),
        key=engine.source_key,
        version=engine.version,
        nearest_first=sources == [AUTO] and not on_ecs,
    )


def install_script(url: str, packages: PackageManager) -> str:
    """Return the ``sh`` script that fetches the install script and runs it.

    It is fetched whole before it is run: piped into a shell, half a script would be run and an
    answer of 404 would pass as success. The address may hold a password: it is in no command line.
    """
    quoted = url.replace("\\", "\\\\").replace('"', '\\"')
    fetch = f"""\
code=$(curl -sSL --retry 3 --retry-delay 1 --retry-max-time {2 * STALLED_S} \\
    -o "$folder/install.sh" -w '%{{http_code}}' -K - <<'address'
url = "{quoted}"
address
) || exit {_CANNOT_FETCH}
case $code in 2*) ;; *) echo "answered $code" >&2; exit {_NO_SCRIPT} ;; esac
if ! [ -s "$folder/install.sh" ]; then echo "answered with nothing" >&2; exit {_NO_SCRIPT}; fi
if head -c 512 "$folder/install.sh" | grep -qi '<html\\|<!doctype'; then
    echo "answered with a web page" >&2; exit {_NO_SCRIPT}
fi
"""
    return _prepare(packages) + fetch + _RUN


def package_script(packages: PackageManager, commands: str) -> str:
    """Return the ``sh`` script that installs the engine by a system's own commands."""
    write = f"cat > \"$folder/install.sh\" <<'commands'\n{commands}\ncommands\n"
    return _prepare(packages) + write + _RUN


def _prepare(packages: PackageManager) -> str:
    """Return the beginning: other installs are waited for, and nothing may hang for ever."""
    apt = f"""\
    printf '%s;\\n' 'DPkg::Lock::Timeout "300"' 'Acquire::Retries "3"' \\
        'Acquire::http::Timeout "{STALLED_S}"' 'Acquire::https::Timeout "{STALLED_S}"' \\
        > "$folder/apt.conf"
    export APT_CONFIG="$folder/apt.conf"
    if [ -n "$(dpkg --audit 2>/dev/null)" ]; then dpkg --configure -a || :; fi
"""
    return f"""\
set -u
export LC_ALL=C DEBIAN_FRONTEND=noninteractive ZYPP_LOCK_TIMEOUT=300
export PATH="{PATH}"
# an install that an interrupted run left behind goes on by itself: wait for its end
if command -v flock >/dev/null 2>&1; then exec 9>{LOCK_PATH}; flock -w 1200 9; fi
if command -v dockerd >/dev/null 2>&1 && ! [ -e {UNFINISHED_PATH} ]; then
    echo "installed meanwhile"; exit 0
fi
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
if command -v apt-get >/dev/null 2>&1; then
{apt}fi
command -v curl >/dev/null 2>&1 || {packages.install("curl", "ca-certificates")} || exit 1
command -v sudo >/dev/null 2>&1 || {packages.install("sudo")} || exit 1
{packages.engine_needs}# every curl from here on gives a transfer up that stands still
{{ cat ~/.curlrc 2>/dev/null; printf '%s\\n' 'connect-timeout = 20' 'speed-limit = 1' \\
    'speed-time = {STALLED_S}'; }} > "$folder/.curlrc"
export CURL_HOME="$folder"
"""


_RUN = f"""\
touch {UNFINISHED_PATH}
timeout -k 10 {_SCRIPT_TIMEOUT_S} sh "$folder/install.sh" || exit $?
rm -f {UNFINISHED_PATH}
"""


def _explain(host: HostConnection, situation: Situation, result: CommandResult) -> ProvisionError:
    """The error's line has the reason; the whole output and the engine's journal are told too."""
    if not _by_script(situation):
        return _explain_packages(host, situation, result)
    url = situation.request.engine.install_url
    last = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
    if result.exit_status == _NO_SCRIPT:
        return ProvisionError(
            NAME,
            f"the install script at {url} {last}",
            hint=INSTALL_URL_HINT,
        )
    if result.exit_status == _CANNOT_FETCH:
        return ProvisionError(
            NAME,
            f"the host cannot fetch {url}: {last}",
            hint=INSTALL_URL_HINT,
        )
    return _failed(
        host,
        result,
        f"the install script of {url}",
        "Choose a nearer mirror with --engine-install-url.",
    )


def _explain_packages(
    host: HostConnection, situation: Situation, result: CommandResult
) -> ProvisionError:
    reasons = failures(result)
    if result.exit_status == NO_SOURCE and reasons:
        listed = "; ".join(f"{address}: {reason}" for address, reason in reasons.items())
        return ProvisionError(
            NAME,
            f"no source provided the engine: {listed}",
            hint="With --engine-source, name a source that the host can reach; or name an "
            "install script with --engine-install-url.",
            details=output_of(result),
        )
    return _failed(
        host,
        result,
        f"{situation.provisioner.packages.name}, with Docker Engine's packages,",
        "Choose a nearer source with --engine-source.",
    )


def _failed(host: HostConnection, result: CommandResult, what: str, nearer: str) -> ProvisionError:
    details = with_journal(result, engine_journal(host))
    if result.exit_status == _TIME_IS_UP:
        return ProvisionError(
            NAME,
            f"{what} did not finish in {_SCRIPT_TIMEOUT_S // 60} minutes",
            hint=nearer,
            details=details,
        )
    return ProvisionError(NAME, failure_line(what, result), details=details)


STEP = Step(NAME, look, actions, "Installing Docker...", look_again=True)
