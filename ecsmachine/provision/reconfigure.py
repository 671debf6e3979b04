"""New options for an engine that runs: validated, and taken back if it does not start with them."""

from __future__ import annotations

import shlex

from ecsmachine.provision import batch
from ecsmachine.provision.base import HostConnection, ProvisionRequest, Report
from ecsmachine.provision.batch import Part
from ecsmachine.provision.engine import DROP_IN_PATH, validate_engine_options
from ecsmachine.provision.errors import NoEngineError, ProvisionError, output_of
from ecsmachine.provision.provision import look
from ecsmachine.provision.shell import PATH
from ecsmachine.provision.step import Run, Situation, Upload
from ecsmachine.provision.steps.certificates import seen_hashes
from ecsmachine.provision.steps.configuration import (
    KEEP_OLD,
    NAME,
    flags,
    refuse_conflicts,
    unit_text,
)
from ecsmachine.provision.steps.start import (
    SHOW_COMMAND_LINE,
    restart_script,
    restarting,
    runs_as_wanted,
)
from ecsmachine.ssh.command_result import CommandResult

_NEW_PATH = f"{DROP_IN_PATH}.new"  # systemd reads names that end in .conf


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
        raise NoEngineError(NAME)
    refuse_conflicts(situation)
    hashes = seen_hashes(situation.facts)
    text = unit_text(situation, hashes)
    if situation.facts["drop_in"].strip() == text.strip() and runs_as_wanted(situation, hashes):
        return False
    report("Setting Docker configuration on the remote daemon...")
    report("Restarting docker...")
    batch.run(
        host,
        situation,
        [
            Part(NAME, Run(validate_script(flags(situation)), timeout_s=60, explain=_refused)),
            Part(NAME, Upload(text.encode(), _NEW_PATH, 0o644)),
            Part(NAME, restarting(NAME, apply_script())),
        ],
    )
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
    """Return the script that puts the new drop-in into its place, or the old one back."""
    return f"""\
export LC_ALL=C PATH="{PATH}"
{KEEP_OLD}
mv {_NEW_PATH} {DROP_IN_PATH} || exit 1
{restart_script(take_back=True)}{SHOW_COMMAND_LINE}exit 0
"""


def _refused(host: HostConnection, situation: Situation, result: CommandResult) -> ProvisionError:
    return ProvisionError(
        NAME,
        "the engine refuses these options; it keeps running with the old ones",
        hint="Correct the options.",
        details=output_of(result),
    )
