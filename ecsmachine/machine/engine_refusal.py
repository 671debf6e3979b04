"""Why TLS between us and an engine fails: clock, address, CA, an end, or not our engine at all."""

from __future__ import annotations

import ssl
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ecsmachine.documents.pem import certificate_in, names_in
from ecsmachine.errors import MachineError
from ecsmachine.machine.certificate_ends import certificate_or_none, has_ended, how_to_renew
from ecsmachine.machine.certificates import is_issued_by
from ecsmachine.machine.model import AuthOptions
from ecsmachine.ssh.stream import open_stream
from ecsmachine.system.files import path_exists

if TYPE_CHECKING:
    from cryptography import x509

_LONGEST_LOOK_S = 5.0


class Refusal(NamedTuple):
    """What is wrong, to follow a colon, and what to do about it."""

    reason: str
    hint: str | None


def explain(
    host: str, port: int, auth: AuthOptions, error: ssl.SSLError, *, timeout_s: float
) -> Refusal:
    """Return why TLS with the engine at ``host`` failed.

    Looks at the machine's certificates and, with another connection, at the one that the engine
    shows.
    """
    own = own_fault(auth)
    if own is not None:
        return own
    if isinstance(error, ssl.SSLCertVerificationError):
        served = served_certificate(host, port, auth, timeout_s=min(timeout_s, _LONGEST_LOOK_S))
        fault = None if served is None else served_fault(host, auth, served)
        return fault or Refusal(error.verify_message, None)
    return _of_alert(auth, error.reason or str(error))


def own_fault(auth: AuthOptions) -> Refusal | None:
    """Return what is wrong with the machine's own CA or client certificate, if something is."""
    ca = certificate_or_none(auth.machine_ca_path)
    client = certificate_or_none(auth.machine_cert_path)
    for what, certificate, source in (
        ("CA of the machine", ca, auth.ca_cert_path),
        ("client certificate", client, auth.client_cert_path),
    ):
        if certificate is None:
            continue
        if has_ended(certificate):
            end = certificate.not_valid_after_utc
            return Refusal(
                f"the {what} has expired ({end:%Y-%m-%d})", _sentence(how_to_renew(auth, source))
            )
        if _is_of_later(certificate):
            return _clock_here(what, certificate, auth)
    if ca is not None and client is not None and not _is_chained(client, ca, auth):
        return Refusal(
            "the client certificate was not issued by the machine's CA",
            _sentence(how_to_renew(auth, auth.client_cert_path)),
        )
    return None


def served_certificate(
    host: str, port: int, auth: AuthOptions, *, timeout_s: float
) -> x509.Certificate | None:
    """Return the certificate that answers at a port, whatever it is; None if none can be had."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # it is looked at, and nothing is said to who shows it
    try:
        context.load_cert_chain(auth.machine_cert_path, auth.machine_key_path)
        with (
            open_stream(host, port, jump=auth.jump, timeout_s=timeout_s) as stream,
            context.wrap_socket(stream, server_hostname=host) as tls,
        ):
            shown = tls.getpeercert(binary_form=True)
        return certificate_in(ssl.DER_cert_to_PEM_cert(shown or b"").encode(), MachineError)
    except (OSError, ValueError, MachineError):
        return None


def served_fault(host: str, auth: AuthOptions, served: x509.Certificate) -> Refusal | None:
    """Return what is wrong with the certificate that an engine shows, if something is."""
    name = auth.machine_dir.name
    provision = f'"ecsmachine provision {name}" gives the engine the machine\'s certificate again.'
    ca = certificate_or_none(auth.machine_ca_path)
    if ca is None:
        return None
    given = certificate_or_none(auth.server_cert_path)
    is_given = given is not None and given == served
    if not is_issued_by(served, ca) and not is_given:
        return Refusal(
            "the engine's certificate comes from another CA: it was replaced on the host, or "
            "another host has the address",
            provision if given else "Give its engine a certificate from the machine's CA.",
        )
    if has_ended(served):
        end = served.not_valid_after_utc
        renew = _sentence(how_to_renew(auth, None)) if is_given else provision
        return Refusal(f"the engine's certificate has expired ({end:%Y-%m-%d})", renew)
    if _is_of_later(served):
        return _clock_here("engine's certificate", served, auth)
    if host not in names_in(served):
        renew = f'"ecsmachine start {name}" renews it.' if is_given else provision
        if given is None:
            renew = "Give its engine a certificate for this address."
        return Refusal(f"the certificate of the engine does not name the address {host}", renew)
    return None


def _of_alert(auth: AuthOptions, said: str) -> Refusal:
    name = auth.machine_dir.name
    ours = path_exists(auth.server_cert_path)
    provision = f'"ecsmachine provision {name}" '
    former = certificate_or_none(auth.former_ca_path)
    if "ALERT" not in said:
        return Refusal(
            f"what answers there is not the machine's engine: it speaks no TLS ({said})",
            f"{provision}configures the engine again, if that host is the machine."
            if ours
            else None,
        )
    if former is not None and has_ended(former):
        return Refusal(
            "the engine has an old copy of the CA, which expired "
            f"({former.not_valid_after_utc:%Y-%m-%d})",
            _sentence(how_to_renew(auth, None)),
        )
    if "CERTIFICATE_EXPIRED" in said:
        return Refusal(
            "the client certificate is valid by this computer's clock, but not by the host's",
            f'{provision}prints how far the two clocks differ; "ecsmachine ssh {name} date" shows '
            "it."
            if ours
            else "Compare the clock of the host with this computer's.",
        )
    if "UNKNOWN_CA" in said:
        return Refusal(
            "the engine has another CA, and rejects the client certificate",
            f"{provision}restores the machine's CA there." if ours else "Give it the machine's CA.",
        )
    if "CERTIFICATE" in said:
        return Refusal(
            "the engine rejects the client certificate: it has another CA, or its host's clock "
            "is wrong",
            f"{provision}compares the clocks, and restores the machine's CA there."
            if ours
            else "Compare the clocks, and give the engine the machine's CA.",
        )
    return Refusal(f"the engine ends the TLS handshake ({said})", None)


def _clock_here(what: str, certificate: x509.Certificate, auth: AuthOptions) -> Refusal:
    now, begin = datetime.now(timezone.utc), certificate.not_valid_before_utc
    return Refusal(
        f"the {what} is not yet valid: it begins at {begin:%Y-%m-%d %H:%M} UTC, but this "
        f"computer's clock says {now:%Y-%m-%d %H:%M}",
        "Set this computer's clock (for example with NTP). If it is right, the certificate was "
        f'made with a wrong clock: "ecsmachine regenerate-certs {auth.machine_dir.name}".',
    )


def _is_of_later(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_before_utc > datetime.now(timezone.utc)


def _is_chained(client: x509.Certificate, ca: x509.Certificate, auth: AuthOptions) -> bool:
    """Whether the CA has issued the client certificate; one that was brought may have a chain."""
    brought = _is_brought(auth.ca_cert_path, auth) or _is_brought(auth.client_cert_path, auth)
    return brought or is_issued_by(client, ca)


def _is_brought(path: Path, auth: AuthOptions) -> bool:
    return path.parent not in (auth.cert_dir, auth.machine_dir)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
