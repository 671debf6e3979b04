"""The engine's certificates, compared by their hashes."""

from __future__ import annotations

import hashlib
import re
import shlex

from ecsmachine.provision.base import HostCertificates, ProvisionRequest
from ecsmachine.provision.engine import (
    CA_PATH,
    CERTIFICATE_FILES,
    DROP_IN_PATH,
    SERVER_KEY_PATH,
    SERVER_PATH,
)
from ecsmachine.provision.facts import Facts
from ecsmachine.provision.step import Action, Run, Situation, Step, Upload


def look(request: ProvisionRequest) -> str:
    """Return the commands that show the certificates' hashes and permissions."""
    files = " ".join(CERTIFICATE_FILES)
    return f"""\
mark hashes; sha256sum {files} 2>/dev/null
mark modes; stat -c '%a %n' {files} 2>/dev/null
"""


def actions(situation: Situation) -> list[Action]:
    """Return what writes the certificates that differ."""
    certificates = situation.certificates
    wanted = (
        (CA_PATH, certificates.ca, 0o644),
        (SERVER_PATH, certificates.server, 0o644),
        (SERVER_KEY_PATH, certificates.server_key, 0o600),
    )
    hashes, modes = seen_hashes(situation.facts), seen_modes(situation.facts)
    uploads: list[Action] = [
        Upload(content, path, mode)
        for path, content, mode in wanted
        if hashes.get(path) != hashlib.sha256(content).hexdigest() or modes.get(path) != mode
    ]
    if uploads and not hashes:
        folders = f"/etc/docker {shlex.quote(DROP_IN_PATH.rpartition('/')[0])}"
        return [Run(f"mkdir -p {folders}"), *uploads]
    return uploads


def hashes_of(certificates: HostCertificates) -> dict[str, str]:
    """Return the SHA-256 of each certificate file as it shall be, by its path."""
    contents = (certificates.ca, certificates.server, certificates.server_key)
    return {
        path: hashlib.sha256(content).hexdigest()
        for path, content in zip(CERTIFICATE_FILES, contents, strict=True)
    }


def seen_hashes(facts: Facts) -> dict[str, str]:
    """Return the SHA-256 of each certificate file on the host, by its path."""
    pairs = (line.split(maxsplit=1) for line in facts["hashes"].splitlines())
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}


def seen_modes(facts: Facts) -> dict[str, int]:
    """Return the permission bits of each certificate file on the host, by its path."""
    lines = (re.fullmatch(r"([0-7]{1,4}) (.+)", line) for line in facts["modes"].splitlines())
    return {found[2]: int(found[1], 8) for found in lines if found}


STEP = Step(
    "certificates", look, actions, "Copying certs to the remote machine...", always_says=True
)
