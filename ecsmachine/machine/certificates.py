"""The certificates between a Docker client and its engines: CA, client and server.

As in Docker Machine: the CA and the client certificate are made at first use, a server
certificate per machine.
"""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ecsmachine.documents.pem import certificate_in, names_in, private_key_in
from ecsmachine.documents.text import read_file
from ecsmachine.drivers.base import Report
from ecsmachine.drivers.host_name import host_name_for
from ecsmachine.errors import MachineError
from ecsmachine.machine import files
from ecsmachine.machine.certificate_ends import SOON, has_ended
from ecsmachine.machine.issuing import Pair, Usage, issue, key_type_of, new_key
from ecsmachine.machine.model import AuthOptions
from ecsmachine.ssh.private_files import check_private
from ecsmachine.system.files import folder_exists, path_exists

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes


class _DamagedError(MachineError):
    """A certificate or a key cannot be used."""


def ensure_client_certificates(
    auth: AuthOptions, report: Report, *, key_type: str = "ecdsa", signing: bool = True
) -> None:
    """Make the CA and the client certificate where they are missing, or end within 30 days.

    A key without its certificate (a process died between the two) gets a new certificate, and so
    does the key of a CA that ends: what was signed with it goes on being trusted. A client
    certificate that is damaged, or without its key, is made anew; a CA is not.
    ``key_type`` is that of a new CA: ecdsa or rsa. ``signing`` is whether the CA's key is needed.
    Raises :class:`MachineError` for a CA that is damaged, or without its key where that is needed.
    """
    with _locked(auth, report):
        pairs = []
        if _needs_ca(auth):
            report(f"Creating CA: {auth.ca_cert_path}")
            pairs.append(_new_ca(auth, key_type))
        elif signing:
            _load_ca(auth)
        ca = pairs[0].certificate if pairs else load_certificate(auth.ca_cert_path)
        has_client = _has_client(auth, ca)
        if has_client and signing:
            _check_client_is_of(auth, ca)
        if not has_client:
            report(f"Creating client certificate: {auth.client_cert_path}")
            pairs.append(_new_client(auth, pairs[0] if pairs else _load_ca(auth)))
        _write(pairs)


def rotate_client_certificates(auth: AuthOptions, report: Report) -> None:
    """Make a new CA and a new client certificate in place of those that are there, be they damaged.

    What is not even a file is set aside.
    """
    with _locked(auth, report):
        key_type = ""
        with contextlib.suppress(MachineError):
            key_type = key_type_of(_load_key(auth.ca_key_path))
        for path in (
            *(auth.client_cert_path, auth.ca_cert_path),
            *(auth.client_key_path, auth.ca_key_path),
        ):
            if folder_exists(path):
                report(
                    f"{path} is a folder; it was moved aside: {files.set_aside(path, path.parent)}"
                )
        report(f"Creating CA: {auth.ca_cert_path}")
        ca = _self_signed(auth, new_key(key_type))
        report(f"Creating client certificate: {auth.client_cert_path}")
        _write([ca, _issued_to_client(auth, ca, new_key(key_type_of(ca.key)))])


def copy_client_certificates(auth: AuthOptions) -> None:
    """Copy the CA and client certificates into the machine's folder, for ``DOCKER_CERT_PATH``."""
    with _locked(auth, _no_report):
        _copy(auth)


def _copy(auth: AuthOptions) -> None:
    check_private(auth.client_key_path)
    files.make_private_directory(auth.machine_dir)
    for source, target, mode in (
        (auth.ca_cert_path, auth.machine_ca_path, 0o644),
        (auth.client_cert_path, auth.machine_cert_path, 0o644),
        (auth.client_key_path, auth.machine_key_path, 0o600),
    ):
        files.write_atomically(target, _read(source), mode=mode)


def equip(
    auth: AuthOptions,
    machine_name: str,
    addresses: Sequence[str],
    *,
    swarm_master: bool,
    anew: bool,
) -> bool:
    """Copy the client's certificates, and make the engine's unless it is there and covers.

    All are of one CA: no other process replaces it in between. ``anew`` makes the engine's in any
    case. Returns whether it was made.
    """
    with _locked(auth, _no_report):
        _copy(auth)
        if not anew and server_certificate_covers(auth, addresses):
            return False
        ca = _load_ca(auth)
    make_server_certificate(auth, machine_name, addresses, swarm_master=swarm_master, ca=ca)
    return True


def make_server_certificate(
    auth: AuthOptions,
    machine_name: str,
    addresses: Iterable[str],
    *,
    swarm_master: bool = False,
    ca: Pair | None = None,
) -> None:
    """Make the engine's certificate and key in the machine's folder.

    It names the ``--tls-san`` values, every address, the machine (as its host is called) and
    ``localhost``.
    """
    own_name = host_name_for(machine_name)
    names = list(
        dict.fromkeys([*auth.server_cert_sans, *filter(None, addresses), "localhost", own_name])
    )
    ca = ca or _load_ca(auth)
    key = new_key(key_type_of(ca.key))
    certificate = issue(
        organization=f"{_user_name()}.{machine_name}",
        key=key,
        ca=ca,
        usage=Usage(exchange_keys=True, server=True, client=swarm_master),
        names=names,
    )
    _write([Pair(auth.server_cert_path, auth.server_key_path, certificate, key)])


def server_certificate_covers(auth: AuthOptions, addresses: Iterable[str]) -> bool:
    """Whether the server certificate is there, valid now, of our CA, and names ``addresses``.

    Raises :class:`MachineError` if others can read its key.
    """
    check_private(auth.server_key_path)
    try:
        certificate = load_certificate(auth.server_cert_path)
        ca = load_certificate(auth.ca_cert_path)
    except MachineError:  # whatever is wrong with it, it does not cover the addresses
        return False
    now = datetime.now(timezone.utc)
    wanted = set(filter(None, [*auth.server_cert_sans, *addresses]))
    return (
        path_exists(auth.server_key_path)
        and is_issued_by(certificate, ca)
        and certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc
        and wanted <= names_in(certificate)
    )


def validity(auth: AuthOptions) -> tuple[float, float]:
    """Return from when until when all certificates in the machine's folder are valid.

    In seconds since the epoch. Raises :class:`MachineError` for one that cannot be read.
    """
    paths = (auth.machine_ca_path, auth.machine_cert_path, auth.server_cert_path)
    found = [load_certificate(path) for path in paths]
    return (
        max(each.not_valid_before_utc.timestamp() for each in found),
        min(each.not_valid_after_utc.timestamp() for each in found),
    )


def _is_due(certificate: x509.Certificate) -> bool:
    """Whether a certificate ends soon, or was made by a clock that was ahead."""
    now = datetime.now(timezone.utc)
    return certificate.not_valid_after_utc - now <= SOON or certificate.not_valid_before_utc > now


def _locked(auth: AuthOptions, report: Report) -> contextlib.AbstractContextManager[None]:
    what = f"The folder of certificates {auth.cert_dir}"
    files.remove_unfinished(auth.cert_dir)
    return files.locked(auth.cert_dir / ".lock", what=what, wait_s=30, warn=report)


def _no_report(line: str) -> None:
    """Say nothing: whoever made the certificates has told of a file system without locks."""


def _needs_ca(auth: AuthOptions) -> bool:
    """Whether the CA is to be made. One that was brought (``--tls-ca-cert``) is not touched."""
    path = auth.ca_cert_path
    if not path_exists(path):
        return True
    ca = load_certificate(path)
    if path.parent == auth.cert_dir:
        return _is_due(ca)
    _check_brought("certificate authority", path, ca)
    return False


def _has_client(auth: AuthOptions, ca: x509.Certificate) -> bool:
    """Whether there is a client certificate with its key, of the CA, that does not end soon.

    One that was brought (``--tls-client-cert``) is not touched: raises :class:`MachineError` if it
    is damaged or has expired.
    """
    path = auth.client_cert_path
    brought = path.parent != auth.cert_dir
    try:
        pair = _load_pair(path, auth.client_key_path)
    except _DamagedError:
        if brought and path_exists(path):
            raise
        return False
    if brought:
        _check_brought("client certificate", path, pair.certificate)
        return True
    # a CA that was brought may have a chain
    is_chained = auth.ca_cert_path.parent != auth.cert_dir or is_issued_by(pair.certificate, ca)
    return is_chained and not _is_due(pair.certificate)


def _check_brought(what: str, path: Path, certificate: x509.Certificate) -> None:
    """Raise :class:`MachineError` if a certificate that was brought has expired."""
    if has_ended(certificate):
        raise MachineError(
            f"The {what} {path} has expired", hint="Ask whoever made it to renew it."
        )


def _check_client_is_of(auth: AuthOptions, ca: x509.Certificate) -> None:
    """Raise :class:`MachineError` if engines that trust a CA that was brought, and nothing else,
    would not let the client in: that would come out when a host has its new certificates.

    A client certificate with a chain is left to the engine.
    """
    from cryptography.x509 import load_pem_x509_certificates

    if auth.ca_cert_path.parent == auth.cert_dir:
        return
    trusted = [ca]
    try:
        client = load_pem_x509_certificates(_read(auth.client_cert_path))
        if path_exists(auth.ca_cert_path):
            trusted += load_pem_x509_certificates(_read(auth.ca_cert_path))
    except ValueError:  # something in the chain that we do not read; engines may
        return
    if len(client) == 1 and not any(is_issued_by(client[0], each) for each in trusted):
        raise MachineError(
            f"The client certificate {auth.client_cert_path} comes from another CA than "
            f"{auth.ca_cert_path}: engines would not let it in",
            hint="Name one of that CA with --tls-client-cert and --tls-client-key, or use another "
            "store (--storage-path).",
        )


def is_issued_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    """Whether a CA's key has signed a certificate, in the CA's name."""
    try:
        certificate.verify_directly_issued_by(ca)
    except Exception:  # there is no class of what the library raises
        return False
    return True


def _new_ca(auth: AuthOptions, key_type: str) -> Pair:
    if not path_exists(auth.ca_cert_path):
        return _self_signed(auth, _key_or_new(auth.ca_key_path, key_type))
    # it ends: what it signed names it as the issuer, and its key is known to hosts
    there = _load_ca(auth)
    return _self_signed(auth, there.key, there.certificate)


def _self_signed(
    auth: AuthOptions, key: CertificateIssuerPrivateKeyTypes, former: x509.Certificate | None = None
) -> Pair:
    certificate = issue(
        organization=_user_name(),
        former=former,
        key=key,
        ca=None,
        usage=Usage(exchange_keys=True, sign_certificates=True),
    )
    return Pair(auth.ca_cert_path, auth.ca_key_path, certificate, key)


def _new_client(auth: AuthOptions, ca: Pair) -> Pair:
    return _issued_to_client(auth, ca, _key_or_new(auth.client_key_path, key_type_of(ca.key)))


def _issued_to_client(auth: AuthOptions, ca: Pair, key: CertificateIssuerPrivateKeyTypes) -> Pair:
    certificate = issue(
        organization=f"{_user_name()}.<bootstrap>", key=key, ca=ca, usage=Usage(client=True)
    )
    return Pair(auth.client_cert_path, auth.client_key_path, certificate, key)


def _key_or_new(path: Path, key_type: str) -> CertificateIssuerPrivateKeyTypes:
    """Return the key that is there, unless it is damaged, or a new one."""
    try:
        return _load_key(path)
    except _DamagedError:
        return new_key(key_type)


def _load_ca(auth: AuthOptions) -> Pair:
    if not path_exists(auth.ca_key_path) and auth.ca_key_path.parent == auth.machine_dir:
        name = auth.machine_dir.name
        raise MachineError(
            f'The certificate of "{name}" cannot be renewed: the machine was imported without the '
            "key of its CA",
            hint="Renew it where it was exported and import it again, or make the machine your "
            f"own: ecsmachine adopt {name}",
        )
    return _load_pair(auth.ca_cert_path, auth.ca_key_path)


def _load_pair(certificate_path: Path, key_path: Path) -> Pair:
    certificate, key = load_certificate(certificate_path), _load_key(key_path)
    if certificate.public_key() != key.public_key():
        raise _damaged(key_path, f"it is not the key of {certificate_path}")
    return Pair(certificate_path, key_path, certificate, key)


def load_certificate(path: Path) -> x509.Certificate:
    """Return the certificate in a file. Raises :class:`MachineError`."""
    return certificate_in(_read(path), partial(_damaged, path))


def _load_key(path: Path) -> CertificateIssuerPrivateKeyTypes:
    content = _read(path)
    check_private(path)
    return private_key_in(content, partial(_damaged, path))


def _write(pairs: Sequence[Pair]) -> None:
    """Write pairs, all of them or none.

    A certificate whose key is replaced goes before, and comes back last: a process that dies in
    between leaves keys alone, to which :func:`ensure_client_certificates` makes certificates.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    with contextlib.ExitStack() as stack:  # what was prepared last is put into its place first
        for pair in pairs:
            files.make_private_directory(pair.certificate_path.parent)
            content = pair.certificate.public_bytes(Encoding.PEM)
            stack.enter_context(files.prepared(pair.certificate_path, content, mode=0o644))
        for pair in pairs:
            files.make_private_directory(pair.key_path.parent)
            key = pair.key.private_bytes(
                Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
            )
            stack.enter_context(files.prepared(pair.key_path, key))
            there = None
            with contextlib.suppress(_DamagedError):
                there = _read(pair.key_path)
            if there != key:
                stack.callback(pair.certificate_path.unlink, missing_ok=True)


def _read(path: Path) -> bytes:
    try:
        return read_file(path, partial(_damaged, path))
    except FileNotFoundError as error:
        raise _damaged(path, "it is not there") from error


def _damaged(path: Path, why: str) -> _DamagedError:
    return _DamagedError(
        f"{path} cannot be used: {why}",
        hint="Restore it from a backup; the store's own files are made again by \"ecsmachine "
        'regenerate-certs --client-certs".',
    )


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
