"""Other package managers at work, such as unattended-upgrades: waited for before ours begins."""

from __future__ import annotations

from ecsmachine.provision.base import HostConnection, ProvisionRequest
from ecsmachine.provision.errors import ProvisionError
from ecsmachine.provision.step import Action, Run, Situation, Step
from ecsmachine.provision.steps import installation
from ecsmachine.ssh.command_result import CommandResult

_NAME = "package lock"
_TRIES = 300
_PAUSE_S = 2
_HELD = 101

# dpkg and apt lock with fcntl, which /proc/locks lists (proc(5)); the others write their process
# id into a file
_HOLDER = """\
holder() {
    for file in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock; do
        inode=$(stat -c %i "$file" 2>/dev/null) || continue
        pid=$(awk -v inode="$inode" '$2 == "POSIX" {
            n = split($6, where, ":"); if (where[n] == inode) { print $5; exit }
        }' /proc/locks)
        if [ -n "$pid" ]; then echo "$(cat /proc/"$pid"/comm 2>/dev/null) ($pid)"; return; fi
    done
    for file in /run/yum.pid /run/zypp.pid /var/cache/dnf/*.pid /var/lib/dnf/*.pid; do
        pid=$(cat "$file" 2>/dev/null) || continue
        if [ -n "$pid" ] && [ -d /proc/"$pid" ]; then
            echo "$(cat /proc/"$pid"/comm 2>/dev/null) ($pid)"; return
        fi
    done
}
"""


def look(request: ProvisionRequest) -> str:
    """Return the commands that show who holds the package manager's lock."""
    return f"{_HOLDER}mark package_lock; holder\n"


def actions(situation: Situation) -> list[Action]:
    """Return what waits for the lock, if anything is to be installed."""
    if not situation.facts["package_lock"] or not installation.is_needed(situation.facts):
        return []
    return [Run(wait_script(), timeout_s=_TRIES * _PAUSE_S + 60, explain=_explain)]


def wait_script() -> str:
    """Return the script that waits; it prints who holds the lock if that takes too long."""
    return f"""\
{_HOLDER}
tries=0
while who=$(holder); [ -n "$who" ]; do
    tries=$((tries + 1))
    if [ "$tries" -gt {_TRIES} ]; then echo "$who"; exit {_HELD}; fi
    sleep {_PAUSE_S}
done
"""


def _message(situation: Situation) -> str:
    return f"Waiting for {situation.facts['package_lock'].strip()} to finish..."


def _explain(host: HostConnection, situation: Situation, result: CommandResult) -> ProvisionError:
    return ProvisionError(
        _NAME,
        f"{result.stdout.strip() or 'another process'} has held the package manager's lock for "
        f"more than {_TRIES * _PAUSE_S // 60} minutes",
        hint="Wait for it to finish, or stop it, then try again.",
    )


STEP = Step(_NAME, look, actions, _message, look_again=True, changes=False)
