"""The life of certificates: renewed where they are due, for all machines that have them."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from ecsmachine.errors import MachineError
from ecsmachine.machine import (
    certificates,
    docker_context,
    engine_api,
    host,
    issuing,
    provisioning,
    regenerate,
)
from ecsmachine.machine.certificate_ends import expiring
from ecsmachine.machine.model import AuthOptions, Machine
from ecsmachine.machine.store import Store
from ecsmachine.provision import provision as provision_module
from ecsmachine.provision.base import ProvisionRequest
from ecsmachine.provision.provisioner import OperatingSystem
from ecsmachine.ssh import wait
from tests.unit.stand_ins import ToldDriver, add_machine, engine, refusing_url

# one day of it is over when they are made
NEAR = timedelta(days=12, hours=1)
PAST = timedelta(minutes=1)


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def quiet(line: str) -> None:
    pass


@contextmanager
def lifetime(of: timedelta) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(issuing, "_LIFETIME", of)
        yield


def make(store: Store, *names: str, life: timedelta) -> list[Machine]:
    """Make machines whose CA and client certificate have that life, and whose engines' are new."""
    machines = [add_machine(store, name, URL=refusing_url(), SSHPort=22) for name in names]
    with lifetime(life):
        certificates.rotate_client_certificates(machines[0].auth, quiet)
    for machine in machines:
        certificates.copy_client_certificates(machine.auth)
        certificates.make_server_certificate(machine.auth, machine.name, ["127.0.0.1"])
    return machines


@pytest.fixture
def provisioned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let told machines have hosts that can be provisioned; the names of those that were."""
    done: list[str] = []

    @contextmanager
    def wait_for_ssh(*arguments: object, **options: object) -> Iterator[Any]:
        class Host:
            def close(self) -> None:
                pass

        yield Host()

    def provision(
        connection: object, request: ProvisionRequest, report: object
    ) -> provision_module.ProvisionResult:
        request.certificates()
        done.append(request.hostname)
        return provision_module.ProvisionResult(OperatingSystem("debian"), request.engine)

    monkeypatch.setattr(ToldDriver, "provisions", True)
    monkeypatch.setattr(ToldDriver, "ssh_target", lambda self: None, raising=True)  # nobody logs in
    monkeypatch.setattr(wait, "wait_for_ssh", wait_for_ssh)
    monkeypatch.setattr(provision_module, "provision", provision)
    monkeypatch.setattr(host, "wait_for_engine", lambda *arguments, **options: None)
    return done


@pytest.mark.parametrize("life", [NEAR, PAST], ids=["near its end", "expired"])
@pytest.mark.parametrize("work", [regenerate.regenerate, provisioning.provision])
def test_what_is_due_is_renewed_and_the_others_are_told_of(
    work: Any, life: timedelta, store: Store, provisioned: list[str]
) -> None:
    dev1, dev2 = make(store, "dev1", "dev2", life=life)
    key = dev1.auth.ca_key_path.read_bytes()
    assert len(expiring(dev1.auth)) == 2
    said: list[str] = []
    work(store, "dev1", said.append)
    assert provisioned == ["dev1"]
    assert expiring(dev1.auth) == []
    assert dev1.auth.ca_key_path.read_bytes() == key
    assert "Also renewed for these machines: dev2" in said
    (line,) = [line for line in said if line.startswith("To give their engines the CA")]
    assert '"ecsmachine regenerate-certs dev2"' in line
    assert ("refuse every client" in line) == (life is PAST)
    # dev2 has what is new, and its engine's part is still to be done
    assert dev2.auth.machine_ca_path.read_bytes() == dev1.auth.ca_cert_path.read_bytes()
    (left,) = expiring(dev2.auth)
    assert left.startswith("The engine's copy of the CA ")
    assert 'regenerate-certs dev2"' in left
    regenerate.regenerate(store, "dev2", quiet)
    assert expiring(dev2.auth) == []


def test_machines_whose_turn_it_is_as_well_are_not_told_of(
    store: Store, provisioned: list[str]
) -> None:
    make(store, "dev1", "dev2", life=NEAR)
    said: list[str] = []
    regenerate.regenerate(store, "dev1", said.append, among=["dev1", "dev2"])
    assert not [line for line in said if "dev2" in line]


def test_another_machine_works_on_under_the_renewed_ca(
    store: Store, provisioned: list[str]
) -> None:
    _, dev2 = make(store, "dev1", "dev2", life=NEAR)
    with engine(dev2.auth) as url:  # it has read the former CA
        regenerate.regenerate(store, "dev1", quiet)
        assert dev2.auth.former_ca_path.exists()
        assert engine_api.ask_version(url, dev2.auth, timeout_s=20)


def test_a_machine_of_a_former_key_keeps_its_ca(store: Store, provisioned: list[str]) -> None:
    dev1, dev2 = make(store, "dev1", "dev2", life=NEAR)
    certificates.rotate_client_certificates(dev1.auth, quiet)
    former = dev2.auth.machine_ca_path.read_bytes()
    with lifetime(NEAR):
        certificates.rotate_client_certificates(dev1.auth, quiet)
    certificates.copy_client_certificates(dev1.auth)
    regenerate.regenerate(store, "dev1", quiet)
    assert dev2.auth.machine_ca_path.read_bytes() == former


def test_a_store_of_a_valid_ca_renews_the_client_alone(
    store: Store, provisioned: list[str]
) -> None:
    dev1, dev2 = make(store, "dev1", "dev2", life=timedelta(days=1080))
    with lifetime(PAST):
        pair = certificates._issued_to_client(
            dev1.auth,
            certificates._load_ca(dev1.auth),
            certificates._load_key(dev1.auth.client_key_path),
        )
        certificates._write([pair])
    certificates.copy_client_certificates(dev2.auth)
    ca = dev1.auth.ca_cert_path.read_bytes()
    said: list[str] = []
    regenerate.regenerate(store, "dev1", said.append)
    assert dev1.auth.ca_cert_path.read_bytes() == ca
    assert "Also renewed for these machines: dev2" in said
    assert not [line for line in said if "engines" in line]
    assert expiring(dev2.auth) == []


def test_what_a_wrong_clock_has_made_is_made_again(store: Store, provisioned: list[str]) -> None:
    with pytest.MonkeyPatch.context() as later:
        later.setattr(issuing, "_BACKDATED", timedelta(days=-2))
        (dev1,) = make(store, "dev1", life=timedelta(days=1080))
    provisioning.provision(store, "dev1", quiet)
    begin, end = certificates.validity(dev1.auth)
    assert begin < load(dev1.auth.ca_cert_path).not_valid_after_utc.timestamp() <= end
    assert load(dev1.auth.server_cert_path).not_valid_before_utc.timestamp() <= begin


def test_an_engine_of_somebody_else_gets_a_client_certificate(store: Store) -> None:
    (fixed,) = make(store, "fixed", life=PAST)
    fixed.auth.server_cert_path.unlink()
    said: list[str] = []
    regenerate.regenerate(store, "fixed", said.append)
    assert "does not manage the engine" in said[-1]
    assert expiring(fixed.auth) == []
    with pytest.raises(MachineError, match="only an engine's URL"):
        regenerate.regenerate(store, "fixed", quiet)


def test_what_mends_is_advised(store: Store, tmp_path: Path) -> None:
    (dev1,) = make(store, "dev1", life=PAST)
    brought = replace(dev1.auth, ca_cert_path=tmp_path / "theirs.pem")
    shutil.copy(dev1.auth.ca_cert_path, brought.ca_cert_path)
    line = expiring(brought)[0]
    assert f"ask whoever made {brought.ca_cert_path} to renew it" in line
    imported = replace(
        dev1.auth, ca_cert_path=dev1.auth.machine_ca_path, ca_key_path=dev1.directory / "ca-key.pem"
    )
    assert "new export" in expiring(imported)[0]
    assert '"ecsmachine adopt dev1"' in expiring(imported)[0]


@pytest.mark.parametrize("identifier", [None, b"\x07" * 20], ids=["none", "of another form"])
def test_a_ca_of_another_program_is_renewed_as_it_named_its_key(
    identifier: bytes | None, store: Store
) -> None:
    """What was signed with it names its key by that identifier (RFC 5280, 4.2.1.1)."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    auth = add_machine(store, "dev1").auth
    now = datetime.now(timezone.utc)
    key = certificates._load_key(auth.ca_key_path)
    subject = load(auth.ca_cert_path).subject
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=9))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if identifier:
        builder = builder.add_extension(x509.SubjectKeyIdentifier(identifier), critical=False)
    former = builder.sign(key, hashes.SHA256())
    auth.ca_cert_path.write_bytes(former.public_bytes(serialization.Encoding.PEM))
    certificates.make_server_certificate(auth, "dev1", ["127.0.0.1"])
    auth.client_cert_path.unlink()
    certificates.ensure_client_certificates(auth, quiet)
    assert load(auth.ca_cert_path) != former
    for certificate in (auth.server_cert_path, auth.client_cert_path):
        subprocess.run(
            ["openssl", "verify", "-CAfile", auth.ca_cert_path, certificate],
            check=True,
            capture_output=True,
        )


def test_docker_contexts_get_what_is_renewed(
    tmp_path: Path, store: Store, provisioned: list[str]
) -> None:
    store.environment = {"DOCKER_CONFIG": str(tmp_path / "docker")}
    docker = docker_context.docker_config(store.environment, tmp_path)
    _, dev2, dev3 = make(store, "dev1", "dev2", "dev3", life=NEAR)
    docker_context.write(docker, dev2, "tcp://127.0.0.1:2376")
    docker_context.write(docker, dev3, "ssh://root@127.0.0.1", over_ssh=True)
    provisioning.provision(store, "dev1", quiet)
    given = docker.tls_path("dev2") / "docker" / "cert.pem"
    assert given.read_bytes() == dev2.auth.client_cert_path.read_bytes()
    assert not docker.tls_path("dev3").exists()
    assert not docker.tls_path("dev1").exists()


def test_a_machine_that_is_worked_on_is_left_to_that(store: Store, provisioned: list[str]) -> None:
    _, dev2 = make(store, "dev1", "dev2", life=NEAR)
    before = dev2.auth.machine_ca_path.read_bytes()
    said: list[str] = []
    with store.lock("dev2"):
        provisioning.provision(store, "dev1", said.append)
    assert dev2.auth.machine_ca_path.read_bytes() == before
    assert any(line.startswith("dev2: ") for line in said)
    assert "regenerate-certs dev2" in expiring(dev2.auth)[0]


def test_a_ca_that_another_process_replaces_meanwhile_is_not_mixed_with_the_former(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store", {})
    (dev1,) = make(store, "dev1", life=timedelta(days=1080))
    dev1.auth.server_cert_path.unlink()
    covers = certificates.server_certificate_covers
    other = threading.Thread(
        target=certificates.rotate_client_certificates, args=(dev1.auth, quiet)
    )

    def covers_while_the_other_works(auth: AuthOptions, addresses: Sequence[str]) -> bool:
        other.start()
        other.join(0.5)
        return covers(auth, addresses)

    monkeypatch.setattr(certificates, "server_certificate_covers", covers_while_the_other_works)
    assert host.renew_certificates(dev1)
    other.join()
    ca, server = load(dev1.auth.machine_ca_path), load(dev1.auth.server_cert_path)
    assert certificates.is_issued_by(server, ca)
    assert certificates.is_issued_by(load(dev1.auth.machine_cert_path), ca)
    assert load(dev1.auth.ca_cert_path) != ca  # that one's turn came afterwards
