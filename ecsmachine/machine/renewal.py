"""Renewing what all machines of a store share: the CA and the client certificate."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ecsmachine.drivers.base import Report
from ecsmachine.errors import MachineError
from ecsmachine.machine import certificates, docker_context, files
from ecsmachine.machine.certificate_ends import certificate_or_none, has_ended
from ecsmachine.machine.model import AuthOptions, Machine
from ecsmachine.machine.store import Store
from ecsmachine.system.files import path_exists

if TYPE_CHECKING:
    from cryptography import x509


def renew_due(
    store: Store,
    auth: AuthOptions,
    report: Report,
    *,
    among: Collection[str],
    key_type: str = "ecdsa",
    signing: bool = True,
) -> None:
    """Make CA and client certificate where they are missing or due, and hand them out.

    A CA keeps its key, so that the machines of the store work on: their folders and docker contexts
    get what is new at once, their engines the CA when it is their turn. ``among`` names the
    machines whose turn it is; the others are told of. ``key_type`` and ``signing``: as for
    :func:`~ecsmachine.machine.certificates.ensure_client_certificates`, which this raises as.
    """
    former_ca = certificate_or_none(auth.ca_cert_path)
    former_client = certificate_or_none(auth.client_cert_path)
    certificates.ensure_client_certificates(auth, report, key_type=key_type, signing=signing)
    ca = certificates.load_certificate(auth.ca_cert_path)
    client = certificates.load_certificate(auth.client_cert_path)
    if former_ca is None or (ca == former_ca and client == former_client):
        return
    others = []
    docker = docker_context.docker_config(store.environment, Path.home())
    for machine in _machines_of(store, auth, ca):
        is_ours = machine.name in among  # whose lock is held by who calls
        try:
            with nullcontext() if is_ours else store.lock(machine.name, wait_s=0.0):
                if store.exists(machine.name):
                    _hand_out(machine)
                    docker_context.renew_certificates(docker, machine)
            others += [] if is_ours else [machine]
        except MachineError as error:
            report(f"{machine.name}: {error.message}")
    if others:
        _report_others(others, former_ca if ca != former_ca else None, report)


def _machines_of(store: Store, auth: AuthOptions, ca: x509.Certificate) -> list[Machine]:
    """Return the machines that have this CA, or a former one of the same key, in their folders."""
    found = []
    for _, machine in store.machines():
        if isinstance(machine, Machine) and machine.auth.ca_cert_path == auth.ca_cert_path:
            own = certificate_or_none(machine.auth.machine_ca_path)
            if own is not None and own.public_key() == ca.public_key():
                found.append(machine)
    return found


def _hand_out(machine: Machine) -> None:
    """Give the machine's folder what is new, and write down which CA its engine still has."""
    auth = machine.auth
    has_engine = path_exists(auth.server_cert_path)
    if has_engine and not path_exists(auth.former_ca_path):
        former = auth.machine_ca_path.read_bytes()
        if former != auth.ca_cert_path.read_bytes():
            files.write_atomically(auth.former_ca_path, former, mode=0o644)
    certificates.copy_client_certificates(auth)


def _report_others(
    others: list[Machine], former_ca: x509.Certificate | None, report: Report
) -> None:
    """Say for which machines it matters, and what is left to do for them."""
    report(f"Also renewed for these machines: {', '.join(one.name for one in others)}")
    if former_ca is None:
        return
    end = former_ca.not_valid_after_utc
    ours = " ".join(one.name for one in others if one.driver.provisions)
    theirs = " ".join(one.name for one in others if not one.driver.provisions)
    until = f"They need it by {end:%Y-%m-%d}"
    if has_ended(former_ca):
        until = "Until then they refuse every client"
    if ours:
        report(f'To give their engines the CA, run "ecsmachine regenerate-certs {ours}". {until}')
    if theirs:
        report(f"Whoever runs the engines of {theirs} must give them the CA. {until}")
