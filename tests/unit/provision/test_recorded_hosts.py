"""What the steps make of real hosts: what guests with Debian 11, 12 and 13 showed when looked at.

Recorded of each: ``fresh``, ``with-engine`` (the packages installed by hand) and ``provisioned``.
"""

from __future__ import annotations

from typing import Any

import pytest

from ecsmachine.provision.base import DataDisk, EngineOptions
from ecsmachine.provision.engine import CERTIFICATE_FILES
from ecsmachine.provision.facts import Facts, parse
from ecsmachine.provision.provision import provision
from ecsmachine.provision.steps import STEPS, start
from ecsmachine.provision.steps.certificates import seen_hashes
from ecsmachine.provision.steps.configuration import needs_socket, unit_text
from ecsmachine.ssh.command_result import CommandResult
from tests.unit.provision.recorded import HOSTS, RecordedHost, request, situation

DEBIAN = ["debian-11", "debian-12", "debian-13"]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ ecsmachine test"
WANTED: dict[str, Any] = {
    "provider": "test",
    "data_disk": DataDisk(20, "ext4"),
    "authorized_key": KEY,
    "engine": EngineOptions(labels=["a=b"], env=["A=b c"]),
}


def recorded(name: str, state: str) -> Facts:
    return parse((HOSTS / name / state).read_text())


@pytest.mark.parametrize("name", DEBIAN)
def test_a_fresh_host_gets_all_that_it_lacks(name: str) -> None:
    command_line = "dockerd\n-H\ntcp://0.0.0.0:2376"
    host = RecordedHost(
        recorded(name, "fresh").sections,
        answers={"systemctl restart": CommandResult(1, command_line, "")},
    )
    # the recording does not change: after the install there is still no engine to start
    with pytest.raises(Exception, match="engine start"):
        provision(host, request(**WANTED), lambda line: None)
    sent = "\n".join(host.commands)
    for expected in ("hostname dev1", "mkfs.ext4", KEY, "get.docker.com"):
        assert expected in sent
    assert set(CERTIFICATE_FILES) < set(host.files)


@pytest.mark.parametrize("name", DEBIAN)
def test_an_engine_that_was_installed_by_hand_is_configured_and_restarted(name: str) -> None:
    facts = recorded(name, "with-engine")
    assert facts.engine_running
    assert needs_socket(facts)
    known = situation(name, facts.sections, **WANTED)
    acting = [step.name for step in STEPS if step.actions(known)]
    assert "engine installation" not in acting
    assert {"engine configuration", "engine start"} <= set(acting)


@pytest.mark.parametrize("name", DEBIAN)
def test_a_provisioned_host_is_left_as_it_is(name: str) -> None:
    facts = recorded(name, "provisioned")
    known = situation(name, facts.sections, **WANTED)
    assert start.runs_as_wanted(known, seen_hashes(facts))
    # our certificates are other ones than those of the recording: that alone differs
    acting = [step.name for step in STEPS if step.actions(known)]
    assert acting == [
        "certificates",
        "engine configuration",
        "engine start",
    ]


@pytest.mark.parametrize("name", DEBIAN)
@pytest.mark.parametrize(
    "options",
    [
        EngineOptions(labels=["a=c"], env=["A=b c"]),
        EngineOptions(labels=["a=b"], env=["A=b d"]),
        EngineOptions(labels=["a=b"]),
        EngineOptions(labels=["a=b"], env=["A=b c"], log_level="debug"),
    ],
)
def test_other_options_than_the_engine_runs_with_are_noticed(
    name: str, options: EngineOptions
) -> None:
    facts = recorded(name, "provisioned")
    known = situation(name, facts.sections, **{**WANTED, "engine": options})
    hashes = seen_hashes(facts)
    assert facts["drop_in"].strip() != unit_text(known, hashes).strip()
    assert not start.runs_as_wanted(known, hashes)


def test_certificates_that_were_renewed_are_noticed() -> None:
    facts = recorded("debian-12", "provisioned")
    known = situation("debian-12", facts.sections, **WANTED)
    renewed = {path: digest[::-1] for path, digest in seen_hashes(facts).items()}
    assert not start.runs_as_wanted(known, renewed)
