"""New options for an engine that runs: validated, and taken back if it does not start with them."""

from __future__ import annotations

import shlex

from ecsmachine.provision.base import HostConnection, ProvisionRequest, Report
from ecsmachine.provision.engine import DROP_IN_PATH, validate_engine_options
from ecsmachine.provision.errors import ProvisionError, output_of
from ecsmachine.provision.provision import look
from ecsmachine.provision.shell import PATH, as_root, run, run_as_root
from ecsmachine.provision.step import Situation
from ecsmachine.provision.steps.certificates import seen_hashes
from ecsmachine.provision.steps.configuration import flags, refuse_conflicts, unit_text
from ecsmachine.provision.steps.start import (
    RESTART,
    SHOW_COMMAND_LINE,
    other_configuration,
    runs_as_wanted,
)

_STEP = "engine configuration"
_NEW_PATH = f"{DROP_IN_PATH}.new"  # systemd reads names that end in .conf
_OLD_PATH = f"{DROP_IN_PATH}.old"
_TAKEN_BACK = 101
_NOT_TAKEN_BACK = 102


def reconfigure(host: HostConnection, request: ProvisionRequest, report: Report) -> bool:
    """Give the engine other options, and restart it; containers stop unless it has live-restore.

    Returns whether anything had to be changed. The certificates of ``request`` are not asked
    for: those on the host stay. If the engine does not come back, its old configuration is put
    back and it is started with that: this happens on the host, so that a connection that is
    lost does not leave it half way. Raises
    :class:`~ecsmachine.errors.UsageError` for options that cannot be, and
    :class:`ProvisionError` if the engine refuses them (with its words), is not installed, or
    does not come back (with the end of its journal).
    """
    validate_engine_options(request.engine)
    situation = look(host, request)
    if not situation.facts["dockerd"]:
        raise ProvisionError(
            _STEP,
            "no engine is installed on the host",
            hint="Install it first: ecsmachine provision NAME",
        )
    refuse_conflicts(situation)
    hashes = seen_hashes(situation.facts)
    text = unit_text(situation, hashes)
    if situation.facts["drop_in"].strip() == text.strip() and runs_as_wanted(situation, hashes):
        return False
    _validate(host, situation)
    report("Setting Docker configuration on the remote daemon...")
    run_as_root(host, _STEP, f"mkdir -p {DROP_IN_PATH.rpartition('/')[0]}")
    host.upload(text.encode(), _NEW_PATH, mode=0o644)
    report("Restarting docker...")
    result = run(host, _STEP, as_root(apply_script(), host.user), timeout_s=600)
    if result.exit_status:
        taken_back = result.exit_status == _TAKEN_BACK
        raise ProvisionError(
            _STEP,
            "the engine does not start with these options; "
            + (
                "its old configuration is back, and it runs"
                if taken_back
                else "its old configuration is back, but it does not start with that either"
            ),
            hint="The end of its journal is shown above."
            if taken_back
            else "Log in and look: systemctl status docker.service",
            details=output_of(result),
        )
    running = result.stdout.splitlines()
    wanted = flags(situation)
    if running[-len(wanted) :] != wanted:
        raise other_configuration(host, _STEP, running)
    return True


def validate_script(words: list[str]) -> str:
    """Return the script that has the engine look at its flags and daemon.json (23.0 and later).

    It says nothing where the engine cannot do that.
    """
    return f"""\
export LC_ALL=C PATH="{PATH}"
if dockerd --help 2>/dev/null | grep -q -- --validate; then
    dockerd --validate {shlex.join(words)}
fi
"""


def apply_script() -> str:
    """Return the script that puts the new drop-in into its place, or the old one back.

    It goes on to its end when the connection is lost.
    """
    return f"""\
trap '' HUP PIPE
export LC_ALL=C PATH="{PATH}"
restart() {{
{RESTART}}}
if [ -e {DROP_IN_PATH} ]; then cp -p {DROP_IN_PATH} {_OLD_PATH}; else rm -f {_OLD_PATH}; fi
mv {_NEW_PATH} {DROP_IN_PATH} || exit 1
since=$(date '+%Y-%m-%d %H:%M:%S')
if restart 2>/dev/null; then
    rm -f {_OLD_PATH}
{SHOW_COMMAND_LINE}
    exit 0
fi
journalctl -u docker.service --no-pager -q -n 30 -o cat --since "$since"
if [ -e {_OLD_PATH} ]; then mv {_OLD_PATH} {DROP_IN_PATH}; else rm -f {DROP_IN_PATH}; fi
if restart 2>/dev/null; then exit {_TAKEN_BACK}; fi
exit {_NOT_TAKEN_BACK}
"""


def _validate(host: HostConnection, situation: Situation) -> None:
    script = validate_script(flags(situation))
    result = run(host, _STEP, as_root(script, host.user), timeout_s=60)
    if result.exit_status:
        raise ProvisionError(
            _STEP,
            "the engine refuses these options; it runs on as it was",
            hint="Correct the options.",
            details=output_of(result),
        )
