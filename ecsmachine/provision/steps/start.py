"""The engine: enabled, and running with exactly our configuration."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from ecsmachine.provision.base import HostConnection, ProvisionRequest
from ecsmachine.provision.engine import DROP_IN_PATH
from ecsmachine.provision.errors import ProvisionError, engine_reason, reason_in
from ecsmachine.provision.shell import ENGINE_JOURNAL, with_journal
from ecsmachine.provision.step import Action, Run, Situation, Step
from ecsmachine.provision.steps.certificates import hashes_of, seen_hashes
from ecsmachine.provision.steps.configuration import OLD_PATH, environment, flags
from ecsmachine.ssh.command_result import CommandResult

NAME = "engine start"
_TIMEOUT_S = 600.0

ENABLE = "SYSTEMCTL_SKIP_SYSV=1 systemctl -q --no-reload enable docker.service"
"""Without the links of init scripts, which systemd does not look at: they take half a second."""

TAKEN_BACK = 101
NOT_TAKEN_BACK = 102

_RESTART = f"""\
restart() {{
systemctl daemon-reload
systemctl reset-failed docker.service docker.socket 2>/dev/null || :
systemctl restart docker.service
}}
since=$(date '+%Y-%m-%d %H:%M:%S')
restart || {{
{ENGINE_JOURNAL} --since "$since"
"""
_TAKE_BACK = f"""\
    if [ -e {OLD_PATH} ]; then mv {OLD_PATH} {DROP_IN_PATH}; else rm -f {DROP_IN_PATH}; fi
    if restart 2>/dev/null; then exit {TAKEN_BACK}; fi
    exit {NOT_TAKEN_BACK}
"""
SHOW_COMMAND_LINE = """\
pid=$(systemctl show docker.service -p MainPID); pid=${pid#MainPID=}
[ "$pid" -gt 0 ] && tr '\\0' '\\n' </proc/"$pid"/cmdline
"""


def restart_script(*, take_back: bool) -> str:
    """Return the commands that restart the engine. If it does not start, they print the end of
    its journal and leave; ``take_back``: once it runs with the drop-in that it had before, or
    with none if it had none.

    They go on to their end then when the connection is lost.
    """
    begin, end = ("trap '' HUP PIPE\n", _TAKE_BACK) if take_back else ("", "    exit 1\n")
    return f"{begin}{_RESTART}{end}}}\nrm -f {OLD_PATH}\n"


def look(request: ProvisionRequest) -> str:
    """Return the commands that show with what the running engine was started: the process that
    the look at its unit has seen.
    """
    return """\
pid=${unit##*MainPID=}; pid=${pid%%[!0-9]*}
mark command_line
[ "${pid:-0}" -gt 0 ] && tr '\\0' '\\n' </proc/"$pid"/cmdline
mark environment
[ "${pid:-0}" -gt 0 ] && tr '\\0' '\\n' </proc/"$pid"/environ
"""


def actions(situation: Situation) -> list[Action]:
    """Return what enables and restarts the engine."""
    commands = []
    if situation.facts.unit.get("UnitFileState") != "enabled":
        commands.append(ENABLE)
    if not _is_in_order(situation):
        commands.append(restart_script(take_back=situation.replaces_drop_in))
    if not commands:
        return []
    script = "\n".join(("set -e", *commands, SHOW_COMMAND_LINE))
    return [restarting(NAME, script)]


def _is_in_order(situation: Situation) -> bool:
    """Whether the engine runs as it shall, and with the certificates that are on the host now.

    They may have been replaced by hand: what was intended says nothing of what it has read.
    """
    wanted = hashes_of(situation.certificates)
    return (
        seen_hashes(situation.facts).items() <= wanted.items()
        and runs_as_wanted(situation, wanted)
        and situation.request.serves() is not False
    )


def runs_as_wanted(situation: Situation, hashes: Mapping[str, str]) -> bool:
    """Return whether the process has the flags, variables and certificates that it shall have.

    ``hashes``: of the certificates, by path.
    """
    facts = situation.facts
    wanted = environment(situation, hashes)
    return (
        facts.engine_running
        and facts.unit.get("NeedDaemonReload") != "yes"
        and facts["command_line"].splitlines()[1:] == flags(situation)
        and wanted.items() <= facts.pairs("environment").items()
    )


def restarting(step: str, script: str) -> Run:
    """Return what runs a script of a step that restarts the engine, and shows its command line."""
    return Run(
        script,
        timeout_s=_TIMEOUT_S,
        explain=lambda host, situation, result: engine_error(step, result),
        check=partial(_other_configuration, step),
    )


def engine_error(step: str, result: CommandResult) -> ProvisionError:
    """Return the error for an engine that does not start. The script printed its journal."""
    journal = result.stdout.strip()
    said = CommandResult(result.exit_status, "", result.stderr)
    reason = engine_reason(journal) if journal else reason_in(said)
    became = {
        TAKEN_BACK: "; its old configuration was restored, and it is running",
        NOT_TAKEN_BACK: "; it does not start with its old configuration either",
    }.get(result.exit_status, "")
    return ProvisionError(
        step,
        f"the engine does not start: {reason}{became}"
        if reason
        else f"the engine does not start{became}",
        hint="The end of its journal is shown above."
        if journal
        else "An engine option may be wrong, or its port be taken.",
        details=with_journal(said, journal),
    )


def _other_configuration(
    step: str, host: HostConnection, situation: Situation, result: CommandResult
) -> ProvisionError | None:
    """Return the error for an engine that runs another way: another drop-in has the last word."""
    running = result.stdout.splitlines()
    wanted = flags(situation)
    if running[-len(wanted) :] == wanted:
        return None
    answer = host.run("systemctl show docker.service -p DropInPaths", timeout_s=60)
    paths = answer.stdout.strip().partition("=")[2].split()
    others = [path for path in paths if path != DROP_IN_PATH]
    return ProvisionError(
        step,
        "docker.service does not run with the machine's command line",
        hint=f"Check {', '.join(others)} on the host." if others else None,
        details=f"It runs: {' '.join(running)}",
    )


STEP = Step(NAME, look, actions, "Starting the engine...")
