"""New certificates for machines: the engines' own, or with a new CA those of the whole store."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ecsmachine.drivers.base import Report, State
from ecsmachine.errors import MachineError
from ecsmachine.machine import certificates, engine_api, files, host, renewal
from ecsmachine.machine.address import refresh_address
from ecsmachine.machine.engine_look import EngineCertificateError
from ecsmachine.machine.model import AuthOptions, Machine, auth_options
from ecsmachine.machine.probe import NotRunningError
from ecsmachine.machine.provisioning import check_provisions
from ecsmachine.machine.store import Store
from ecsmachine.ssh import sharing
from ecsmachine.system.files import file_exists

_ANSWER_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Rotation:
    """The machines that a new CA concerns.

    ``reissued`` get certificates of it. ``told``: machines whose certificates are not ours to
    make, by name, with what to do about them.
    """

    reissued: Sequence[str]
    told: dict[str, str]


def regenerate_later(store: Store, name: str, report: Report) -> None:
    """Do as :func:`regenerate`; a machine that does not run is told that its turn comes later."""
    try:
        regenerate(store, name, report)
    except NotRunningError as error:
        line = f"{error.message}. {error.hint or ''}"
        if error.state is not State.NOT_FOUND:
            line = (
                f'{error.message}. "ecsmachine start {name}" or "ecsmachine regenerate-certs '
                f'{name}" gives it its new certificate.'
            )
        report(line)


def regenerate(store: Store, name: str, report: Report, *, among: Collection[str] = ()) -> None:
    """Make a new certificate for the machine's engine, and restart the engine with it.

    CA and client certificate are renewed where they are due, for all machines that have them;
    ``among`` names those whose engines are given them now.
    If the host cannot be given it, the certificates that the host has stay in the machine's
    folder, so that the engine can still be talked to.
    """
    with store.holding(name) as machine:
        if not machine.driver.provisions:
            _renew_client(store, machine, report)
            return
        renewal.renew_due(store, machine.auth, report, among=[name, *among])
        sharing.close(machine.known_hosts_path)
        refresh_address(machine)
        before = _read_contents(machine.auth)
        try:
            host.renew_certificates(machine, anew=True)
            host.make_docker_host(machine, report)
        except BaseException:
            _restore(machine, before)
            raise
        store.save(machine)


def _renew_client(store: Store, machine: Machine, report: Report) -> None:
    """Renew what is due for a machine whose engine is not ours."""
    before = _read_contents(machine.auth)
    renewal.renew_due(store, machine.auth, report, among=[machine.name], signing=False)
    certificates.copy_client_certificates(machine.auth)
    if _read_contents(machine.auth) == before:
        check_provisions(machine)
    report("This store does not manage the engine: ask whoever runs it for a new certificate.")


def plan_rotation(store: Store, names: Sequence[str]) -> Rotation:
    """Return whom a new CA concerns: all machines of the store that have the CA of the named.

    Without names that is the store's own CA.

    Raises :class:`MachineError` for a CA that is not the store's own.
    """
    chosen = [store.load(name) for name in names]
    for machine in chosen:
        if not machine.auth.ca_cert_path.is_relative_to(store.path / "certs"):
            raise MachineError(
                f'The CA of "{machine.name}" is not this store\'s own, and is not replaced: '
                f"{machine.auth.ca_cert_path}",
                hint="Renew it where it came from, then use regenerate-certs without "
                "--client-certs.",
            )
    concerned = {auth.ca_cert_path for auth in _auths(store, names)}
    reissued: list[str] = []
    told: dict[str, str] = {}
    for name, other in store.machines():
        if isinstance(other, MachineError):
            told[name] = f"it cannot be loaded ({other.message})"
        elif other.auth.ca_cert_path not in concerned:
            continue
        elif other.driver.provisions:
            reissued.append(name)
        else:
            told[name] = (
                "this store does not manage its engine: whoever runs it must give it a "
                "certificate from the new CA. Until then, the old client certificate stays in "
                f"{other.directory}"
            )
    return Rotation(reissued, told)


def rotate(store: Store, names: Sequence[str], report: Report) -> None:
    """Make a new CA and client certificate for the named machines' store, or the store's own.

    The folders of machines keep the old ones until :func:`regenerate` gives their hosts new ones.
    """
    seen = set()
    for auth in _auths(store, names):
        if auth.ca_cert_path not in seen:
            certificates.rotate_client_certificates(auth, report)
            seen.add(auth.ca_cert_path)


def _auths(store: Store, names: Sequence[str]) -> list[AuthOptions]:
    return [store.load(name).auth for name in names] or [auth_options(store.path, "")]


def _read_contents(auth: AuthOptions) -> dict[str, bytes]:
    """Return the certificates and keys in the machine's folder, by the names of the files."""
    paths = (
        *(auth.machine_ca_path, auth.machine_cert_path, auth.machine_key_path),
        *(auth.server_cert_path, auth.server_key_path),
    )
    return {path.name: path.read_bytes() for path in paths if file_exists(path)}


def _write_contents(auth: AuthOptions, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        mode = 0o600 if name.endswith("key.pem") else 0o644
        files.write_atomically(auth.machine_dir / name, content, mode=mode)


def _restore(machine: Machine, before: dict[str, bytes]) -> None:
    """Put the former certificates back, unless the engine has the new ones already."""
    after = _read_contents(machine.auth)
    _write_contents(machine.auth, before)
    try:
        engine_api.ask_version(machine.driver.url(), machine.auth, timeout_s=_ANSWER_TIMEOUT_S)
    except EngineCertificateError:
        _write_contents(machine.auth, after)
    except MachineError:
        pass  # it does not answer at all: what it was known by is the better guess
