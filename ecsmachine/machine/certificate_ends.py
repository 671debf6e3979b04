"""Certificates that end soon: what is said of them, and what renews them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from ecsmachine.documents.pem import certificate_in, end_in
from ecsmachine.documents.text import read_file
from ecsmachine.errors import MachineError
from ecsmachine.machine.model import AuthOptions
from ecsmachine.machine.stored import SOON_S
from ecsmachine.system.files import path_exists

if TYPE_CHECKING:
    from cryptography import x509

SOON = timedelta(seconds=SOON_S)
"""How long before its end a certificate is spoken of, and due to be renewed."""


def expiring(auth: AuthOptions) -> list[str]:
    """Return a line for each certificate of a machine that ends within 30 days, or has ended.

    Looks at what the machine's folder holds: the CA, the CA that the engine has if that is a
    former one, the client's certificate and the engine's. One that is not there, or cannot be
    read, is none of this: connecting says so.
    """
    lines = []
    now = datetime.now(timezone.utc)
    for what, path, source in (
        ("CA", auth.machine_ca_path, auth.ca_cert_path),
        ("engine's copy of the CA", auth.former_ca_path, None),
        ("client's certificate", auth.machine_cert_path, auth.client_cert_path),
        ("engine's certificate", auth.server_cert_path, None),
    ):
        end = _end_or_none(path)
        if end is None or end - now > SOON:
            continue
        days = (end - now).days
        when = f"expires in {days} days" if end > now else "has expired"
        lines.append(f"The {what} {when} ({end:%Y-%m-%d}): {how_to_renew(auth, source)}")
    return lines


def how_to_renew(auth: AuthOptions, source: Path | None) -> str:
    """Return what gives a machine a new certificate in place of one that ends.

    ``source`` is the file that the machine's copy is of; None for the engine's own.
    """
    name = auth.machine_dir.name
    if not path_exists(auth.ca_key_path) and auth.ca_key_path.parent == auth.machine_dir:
        return (
            f'ask for a new export of the machine, or make it your own: "ecsmachine adopt {name}"'
        )
    if source is not None and source.parent != auth.cert_dir:
        end = _end_or_none(source)
        if end is None or end - datetime.now(timezone.utc) <= SOON:
            return (
                f'ask whoever made {source} to renew it; then "ecsmachine regenerate-certs '
                f'{name}" uses it'
            )
    return f'"ecsmachine regenerate-certs {name}" renews it'


def has_ended(certificate: x509.Certificate) -> bool:
    """Whether a certificate has expired, by this computer's clock."""
    return certificate.not_valid_after_utc <= datetime.now(timezone.utc)


def certificate_or_none(path: Path) -> x509.Certificate | None:
    """Return the certificate in a file; None if there is none that can be read."""
    try:
        return certificate_in(read_file(path, MachineError), MachineError)
    except (FileNotFoundError, MachineError):
        return None


def _end_or_none(path: Path) -> datetime | None:
    try:
        return end_in(read_file(path, MachineError), MachineError)
    except (FileNotFoundError, MachineError):
        return None
