"""The engine's certificates, compared by their hashes, and by the clock of the host."""

from __future__ import annotations

import hashlib
import re
import time

from ecsmachine.provision.base import HostCertificates, ProvisionRequest
from ecsmachine.provision.engine import (
    CA_PATH,
    CERTIFICATE_FILES,
    SERVER_KEY_PATH,
    SERVER_PATH,
)
from ecsmachine.provision.errors import ProvisionError
from ecsmachine.provision.facts import Facts
from ecsmachine.provision.step import Action, Situation, Step, Upload

NAME = "certificates"
_SAID_FROM_S = 120
"""From which difference on the clocks are spoken of, in seconds."""


def look(request: ProvisionRequest) -> str:
    """Return the commands that show the certificates' hashes and permissions, and both clocks."""
    files = " ".join(CERTIFICATE_FILES)
    return f"""\
mark clocks; echo "$(date +%s) {time.time():.0f}"
mark hashes; sha256sum {files} 2>/dev/null
mark modes; stat -c '%a %n' {files} 2>/dev/null
"""


def actions(situation: Situation) -> list[Action]:
    """Return what writes the certificates that differ.

    Raises :class:`ProvisionError` if they are not valid by the clock of the host.
    """
    certificates = situation.certificates
    _check_clock(situation.facts, certificates)
    wanted = (
        (CA_PATH, certificates.ca, 0o644),
        (SERVER_PATH, certificates.server, 0o644),
        (SERVER_KEY_PATH, certificates.server_key, 0o600),
    )
    hashes, modes = seen_hashes(situation.facts), seen_modes(situation.facts)
    return [
        Upload(content, path, mode)
        for path, content, mode in wanted
        if hashes.get(path) != _hash(content) or modes.get(path) != mode
    ]


def hashes_of(certificates: HostCertificates) -> dict[str, str]:
    """Return the SHA-256 of each certificate file as it shall be, by its path."""
    contents = (certificates.ca, certificates.server, certificates.server_key)
    return {path: _hash(content) for path, content in zip(CERTIFICATE_FILES, contents, strict=True)}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def seen_hashes(facts: Facts) -> dict[str, str]:
    """Return the SHA-256 of each certificate file on the host, by its path."""
    pairs = (line.split(maxsplit=1) for line in facts["hashes"].splitlines())
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}


def seen_modes(facts: Facts) -> dict[str, int]:
    """Return the permission bits of each certificate file on the host, by its path."""
    lines = (re.fullmatch(r"([0-7]{1,4}) (.+)", line) for line in facts["modes"].splitlines())
    return {found[2]: int(found[1], 8) for found in lines if found}


def _check_clock(facts: Facts, certificates: HostCertificates) -> None:
    clocks = _clocks(facts)
    if clocks is None or certificates.valid is None:
        return
    begin, end = certificates.valid
    if begin <= clocks[0] <= end:
        return
    difference = _difference(facts)
    raise ProvisionError(
        NAME,
        f"the host's clock is {difference}, so the certificates are not valid there"
        if difference
        else "the certificates are not valid now, either here or on the host",
        hint="Correct the wrong clock, the host's or this computer's (for example with NTP), and "
        "try again.",
    )


def _clocks(facts: Facts) -> tuple[int, int] | None:
    """Return the host's clock and ours as of one moment, in seconds since the epoch."""
    found = re.fullmatch(r"([0-9]{1,12}) ([0-9]{1,12})", facts["clocks"].strip())
    return (int(found[1]), int(found[2])) if found else None


def _difference(facts: Facts) -> str:
    """Return by how much the host's clock differs from ours, in words; "" if it hardly does."""
    host, ours = _clocks(facts) or (0, 0)
    spent = abs(host - ours)
    if spent < _SAID_FROM_S:
        return ""
    for unit, seconds in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if spent >= 2 * seconds:
            side = "ahead of" if host > ours else "behind"
            return f"{spent // seconds} {unit} {side} this computer's"
    raise AssertionError("two minutes are said")


def _says(situation: Situation) -> str:
    difference = _difference(situation.facts)
    remark = f" (the clock of the host is {difference})" if difference else ""
    before = seen_hashes(situation.facts).get(CA_PATH)
    if situation.request.first_time and before not in (None, _hash(situation.certificates.ca)):
        remark += (
            " (it had those of another CA: whoever connected with them no longer can; "
            '"ecsmachine export" hands machines to others)'
        )
    return f"Copying certs to the remote machine...{remark}"


STEP = Step(NAME, look, actions, _says, always_says=True)
