"""Certificates that will soon be worth nothing, while there is time to renew them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from ecsmachine.documents.text import read_file
from ecsmachine.errors import MachineError
from ecsmachine.machine.model import AuthOptions

SOON = timedelta(days=30)
"""How long before its end a certificate is spoken of."""


def expiring(auth: AuthOptions) -> list[str]:
    """Return a line for each certificate of a machine that ends within 30 days, or has ended.

    Looks at what the machine's folder holds: the CA, the client's and the engine's. One that is
    not there, or cannot be read, is none of this: connecting says so.
    """
    from cryptography import x509

    lines = []
    now = datetime.now(timezone.utc)
    for what, path in (
        ("CA", auth.machine_ca_path),
        ("client's certificate", auth.machine_cert_path),
        ("engine's certificate", auth.server_cert_path),
    ):
        try:
            end = x509.load_pem_x509_certificate(read_file(path, MachineError)).not_valid_after_utc
        except (FileNotFoundError, MachineError, ValueError):
            continue
        if end - now > SOON:
            continue
        days = (end - now).days
        when = f"expires in {days} days" if end > now else "has expired"
        lines.append(
            f"The {what} {when} ({end:%Y-%m-%d}): "
            f'"ecsmachine regenerate-certs {auth.machine_dir.name}" renews it'
        )
    return lines
