"""Steps at the engine: our certificates, its port, the certificate that it shows, its API."""

from __future__ import annotations

from ecsmachine.errors import MachineError
from ecsmachine.machine import certificate_ends, engine_api, engine_look, engine_refusal
from ecsmachine.machine.doctor import cloud, host, network
from ecsmachine.machine.doctor.examination import Step, Warned
from ecsmachine.machine.doctor.subject import Subject
from ecsmachine.machine.probe import is_without_engine

CERTIFICATES, PORT = "certificates here", "engine's port"
SERVED, API = "engine's certificate", "engine"

_ANSWER_S = 8.0


def certificates(subject: Subject) -> str | Warned:
    """See that our CA and client certificate are there, private, and valid."""
    auth = subject.machine.auth
    if is_without_engine(subject.machine):
        raise MachineError(
            "the machine was never provisioned",
            hint=f'"ecsmachine provision {subject.name}" makes them, and installs the engine.',
        )
    engine_look.check_files(auth)
    engine_look.tls_context(auth)
    fault = engine_refusal.own_fault(auth)
    if fault is not None:
        raise MachineError(fault.reason, hint=fault.hint)
    ending = certificate_ends.expiring(auth)
    if ending:
        return Warned("; ".join(line.partition(": ")[0] for line in ending), ending[0])
    return "valid"


def port(subject: Subject) -> str:
    """See that something takes connections at the engine's port."""
    return host.reached(subject, *_where(subject))


def served(subject: Subject) -> str:
    """See that the certificate that is shown there is the machine's, and fits."""
    auth = subject.machine.auth
    where, at = _where(subject)
    shown = engine_refusal.served_certificate(where, at, auth, timeout_s=_ANSWER_S)
    if shown is None:
        raise MachineError(
            f"what answers at {where}:{at} shows no certificate",
            hint=f'"ecsmachine provision {subject.name}" configures the engine again.'
            if subject.machine.driver.provisions
            else None,
        )
    fault = engine_refusal.served_fault(where, auth, shown)
    if fault is not None:
        raise MachineError(fault.reason, hint=fault.hint)
    return f"valid until {shown.not_valid_after_utc:%Y-%m-%d}"


def api(subject: Subject) -> str:
    """Ask the engine for its version."""
    machine = subject.machine
    version = engine_api.ask_version(machine.driver.url(), machine.auth, timeout_s=_ANSWER_S)
    return f"version {version}"


def _where(subject: Subject) -> tuple[str, int]:
    url = subject.machine.driver.url()
    found = engine_look.host_of(url)
    if not found:
        raise MachineError(f'"{url}" is not an engine URL' if url else "it has no address")
    return found, engine_look.port_of(url)


_RUNS = (cloud.INSTANCE, network.JUMP, network.ENGINE_RULES, host.SERVICE)

STEPS: tuple[Step[Subject], ...] = (
    Step(CERTIFICATES, certificates),
    Step(PORT, port, needs=_RUNS),
    Step(SERVED, served, needs=(*_RUNS, CERTIFICATES, PORT)),
    Step(API, api, needs=(*_RUNS, CERTIFICATES, PORT, SERVED)),
)
