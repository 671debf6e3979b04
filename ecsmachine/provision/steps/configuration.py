"""The engine's unit: flags and variables in a systemd drop-in of ours, beside daemon.json."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace

from ecsmachine.documents.fields import read_object
from ecsmachine.provision.base import ProvisionRequest
from ecsmachine.provision.engine import (
    CONFIGURATION_VARIABLE,
    DAEMON_JSON_PATH,
    DROP_IN_PATH,
    MIRRORS_PATH,
    conflicts,
    drop_in,
    engine_flags,
)
from ecsmachine.provision.errors import ProvisionError
from ecsmachine.provision.facts import Facts
from ecsmachine.provision.step import Action, Run, Situation, Step, Upload
from ecsmachine.provision.steps import installation
from ecsmachine.provision.steps.certificates import hashes_of

NAME = "engine configuration"
OLD_PATH = f"{DROP_IN_PATH}.old"  # systemd reads names that end in .conf
_FOLDER, _, _FILE = DROP_IN_PATH.removeprefix("/etc").rpartition("/")
_DROP_INS = " ".join(f"{root}{_FOLDER}/*.conf" for root in ("/etc", "/run", "/usr/lib"))
KEEP_OLD = (
    f"if [ -e {DROP_IN_PATH} ]; then cp -p {DROP_IN_PATH} {OLD_PATH}; else rm -f {OLD_PATH}; fi"
)
_IMAGE_STORE = "containerd-snapshotter"  # the feature with which overlay2 cannot be used
_BARE_NAMES_SINCE = 239  # systemd looks up a command without a path from this version on


def look(request: ProvisionRequest) -> str:
    """Return the commands that show the drop-in, daemon.json, and what the unit needs.

    ``$unit`` has the unit's properties then, for the looks that come after.
    """
    return f"""\
mark dockerd; command -v dockerd
mark drop_in; cat {DROP_IN_PATH} 2>/dev/null
mark command_lines; grep -ls '^ *ExecStart *=' {_DROP_INS} 2>/dev/null
mark registry_mirrors; cat {MIRRORS_PATH} 2>/dev/null
mark daemon_json; cat {DAEMON_JSON_PATH} 2>/dev/null
mark docker_root; path=/var/lib/docker; [ -d $path ] || path=/var/lib; stat -f -c %T $path
mark unit; unit=$(systemctl show docker.service -p ActiveState -p MainPID -p UnitFileState \\
    -p Requires -p NeedDaemonReload 2>/dev/null); printf '%s\\n' "$unit"
mark own_driver; grep -qs tlsverify {DROP_IN_PATH} || case $unit in *ActiveState=active*)
    timeout 10 docker info -f '{{{{.Driver}}}}' 2>/dev/null;; esac
"""


def actions(situation: Situation) -> list[Action]:
    """Return what writes the drop-in if it differs; the engine need not be installed yet.

    Raises :class:`ProvisionError` if something else on the host sets what we set: the engine would
    not start, or not our way, and this is said before one that runs is stopped.
    """
    refuse_conflicts(situation)
    text = unit_text(situation, hashes_of(situation.certificates))
    if situation.facts["drop_in"].strip() == text.strip():
        return []
    upload = Upload(text.encode(), DROP_IN_PATH, 0o644)
    if situation.replaces_drop_in or not situation.facts.engine_running:
        return [upload]
    situation.replaces_drop_in = True
    return [Run(KEEP_OLD), upload]


def _after_installation(situation: Situation) -> list[Action]:
    """Return what writes the drop-in again, if what was installed asks for another one."""
    return actions(situation) if installation.NAME in situation.changed else []


def unit_text(situation: Situation, hashes: Mapping[str, str]) -> str:
    """Return the text of the drop-in. ``hashes``: of the certificates, by path."""
    command = situation.provisioner.engine_command
    facts = situation.facts
    if facts["dockerd"] and facts.systemd_version < _BARE_NAMES_SINCE:
        command = facts["dockerd"]
    variables = environment(situation, hashes)
    return drop_in(
        command, flags(situation), [f"{key}={value}" for key, value in variables.items()]
    )


def flags(situation: Situation) -> list[str]:
    """Return the arguments that the engine shall run with."""
    facts, provisioner = situation.facts, situation.provisioner
    return engine_flags(
        situation.request.engine,
        port=situation.request.engine_port,
        provider=situation.request.provider,
        storage_driver=_storage_driver(situation),
        socket=needs_socket(facts) if facts["dockerd"] else provisioner.socket,
    )


def environment(situation: Situation, hashes: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the engine shall have.

    Ours tells with what it was started: certificates are read once, and that a variable is gone
    could not be seen otherwise. ``hashes``: of the certificates, by path.
    """
    variables = situation.request.engine.env
    parts = [sorted(hashes.values()), flags(situation), variables]
    configuration = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
    pairs = (variable.partition("=") for variable in variables)
    return {**{name: value for name, _, value in pairs}, CONFIGURATION_VARIABLE: configuration}


def needs_socket(facts: Facts) -> bool:
    """Return whether docker.service cannot be without docker.socket, which hands it a socket."""
    return "docker.socket" in facts.unit.get("Requires", "").split()


def refuse_conflicts(situation: Situation) -> None:
    """Raise :class:`ProvisionError` for what the host sets, and the machine as well.

    Of drop-ins that set the command line, systemd takes the last by name (systemd.unit(5)).
    """
    later = [
        path
        for path in situation.facts["command_lines"].splitlines()
        if path.rpartition("/")[2] > _FILE
    ]
    if later and situation.facts["command_line"].splitlines()[1:] != flags(situation):
        raise ProvisionError(
            NAME,
            f"{', '.join(later)} on the host sets the engine's command line as well",
            hint="Remove its ExecStart lines; what they set can be given with --engine-opt.",
        )
    both = conflicts(flags(situation), daemon_json(situation.facts["daemon_json"]))
    if both:
        raise ProvisionError(
            NAME,
            f"{DAEMON_JSON_PATH} on the host sets {', '.join(both)}, and so does the machine",
            hint="Remove that from the file: the engine refuses an option given twice.",
        )


def daemon_json(text: str, step: str = NAME) -> Mapping[str, object]:
    """Return what daemon.json holds; nothing if there is none.

    Raises :class:`ProvisionError`, of a step, if it is no JSON object.
    """

    def fault(reason: str) -> ProvisionError:
        return ProvisionError(
            step,
            f"{DAEMON_JSON_PATH} on the host cannot be used: {reason}",
            hint="Correct or remove the file, then try again.",
        )

    return read_object(text.encode(), fault).values if text.strip() else {}


def _storage_driver(situation: Situation) -> str:
    """Return the driver to name; "" leaves the engine its own, in which a host has its images."""
    facts = situation.facts
    chosen = daemon_json(facts["daemon_json"])
    features = chosen.get("features")
    if "storage-driver" in chosen or (isinstance(features, dict) and features.get(_IMAGE_STORE)):
        return ""
    usual = "btrfs" if facts["docker_root"] == "btrfs" else situation.provisioner.storage_driver
    # the drop-in of a baked image has no command line
    if "tlsverify" in facts["drop_in"]:
        stays = "--storage-driver" not in facts["drop_in"]
    else:
        stays = facts["own_driver"] not in ("", usual)
    return "" if stays else usual


STEP = Step(
    NAME, look, actions, "Setting Docker configuration on the remote daemon...", always_says=True
)
AFTER_INSTALLATION = replace(
    STEP,
    name="engine configuration after installation",
    look=lambda request: "",
    actions=_after_installation,
    always_says=False,
)
