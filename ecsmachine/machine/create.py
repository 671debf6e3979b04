"""Making a machine: check, write down, make, provision; and undo what was made if that fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from ecsmachine.drivers.base import CreatePlan, OptionValue, Planning, Report
from ecsmachine.errors import MachineError, PreCreateCheckError
from ecsmachine.machine import certificates, host, install_url
from ecsmachine.machine.driver_report import driver_report
from ecsmachine.machine.journal import FileJournal
from ecsmachine.machine.model import Machine, SwarmOptions, auth_options, validate_name
from ecsmachine.machine.store import Store
from ecsmachine.provision.base import EngineOptions
from ecsmachine.provision.engine import validate_engine_options


@dataclass(frozen=True)
class CreateRequest:
    """What ``create`` was asked for.

    ``driver_values`` are the driver's options by name. ``certificate_paths`` override fields of
    :class:`~ecsmachine.machine.model.AuthOptions`.
    """

    name: str
    driver_name: str
    driver_values: Mapping[str, OptionValue]
    engine: EngineOptions = field(default_factory=EngineOptions)
    swarm: SwarmOptions = field(default_factory=SwarmOptions)
    tls_sans: list[str] = field(default_factory=list)
    certificate_paths: dict[str, Path] = field(default_factory=dict)
    keep_on_failure: bool = False
    key_type: str = "ecdsa"


def create(store: Store, request: CreateRequest, report: Report) -> Machine:
    """Make a machine, or go on with one whose create stopped half way.

    When a step fails, or the user interrupts, everything that this create made is removed
    again, unless ``keep_on_failure``. What could not be removed stays in the journal, for
    ``rm``. Raises :class:`~ecsmachine.errors.MachineError`.
    """
    validate_name(request.name)
    install_url.validate_install_url(request.engine.install_url)
    validate_engine_options(request.engine)
    with store.lock(request.name):
        journal = store.journal(request.name)
        if store.exists(request.name):
            _check_unfinished(store, request.name, journal)
        machine = Machine(
            name=request.name,
            driver=store.new_driver(request.driver_name, request.name, request.driver_values),
            auth=auth_options(
                store.path,
                request.name,
                given=request.certificate_paths,
                server_cert_sans=request.tls_sans,
            ),
            engine=request.engine,
            swarm=request.swarm,
        )
        certificates.ensure_client_certificates(machine.auth, report, key_type=request.key_type)
        report("Running pre-create checks...")
        _check(machine, report)
        store.save(machine)
        journal.begin()
        try:
            _make(store, machine, journal, report)
        except BaseException as error:
            if request.keep_on_failure:
                _explain_kept(error, machine.name)
            else:
                _undo(store, machine, journal, report)
            raise
    return machine


def plan(store: Store, request: CreateRequest, report: Report) -> CreatePlan | None:
    """Run every check of a create and return what it would make; make and write nothing.

    None if the driver makes nothing. Raises :class:`~ecsmachine.errors.MachineError` as
    :func:`create` does.
    """
    validate_name(request.name)
    install_url.validate_install_url(request.engine.install_url)
    validate_engine_options(request.engine)
    if store.exists(request.name):
        _check_unfinished(store, request.name, store.journal(request.name))
    machine = Machine(
        name=request.name,
        driver=store.new_driver(
            request.driver_name, request.name, request.driver_values, to_be_made=False
        ),
        auth=auth_options(store.path, request.name, given=request.certificate_paths),
        engine=request.engine,
    )
    report("Running pre-create checks...")
    _check(machine, report)
    return machine.driver.plan() if isinstance(machine.driver, Planning) else None


def _check_unfinished(store: Store, name: str, journal: FileJournal) -> None:
    """Raise :class:`MachineError` unless the machine in the store is a half-made one of ours."""
    begun = (store.directory(name) / "journal.json").exists()
    if journal.complete or (not begun and (store.directory(name) / "config.json").exists()):
        raise MachineError(
            f'Docker machine "{name}" already exists',
            hint=f'Choose another name, or remove it with "ecsmachine rm {name}".',
        )


def _check(machine: Machine, report: Report) -> None:
    """Run the driver's checks and, beside them, the look at the install URL."""
    failures: list[PreCreateCheckError] = []

    def look_at_install_url() -> None:
        try:
            install_url.check_install_url(machine.engine.install_url)
        except PreCreateCheckError as error:
            failures.append(error)

    if not machine.driver.provisions:
        machine.driver.pre_create_check(driver_report(machine.name, report))
        return
    look = Thread(target=look_at_install_url, daemon=True)
    look.start()
    machine.driver.pre_create_check(driver_report(machine.name, report))
    look.join()
    if failures:
        raise failures[0]


def _make(store: Store, machine: Machine, journal: FileJournal, report: Report) -> None:
    report("Creating machine...")
    if machine.driver.provisions:
        Thread(target=_import_provisioning, daemon=True).start()
    machine.driver.create(journal, driver_report(machine.name, report), lambda: store.save(machine))
    store.save(machine)
    if machine.driver.provisions:
        host.make_docker_host(machine, report)
        store.save(machine)
    else:
        # the engine is someone else's, but docker is pointed at this folder all the same
        certificates.copy_client_certificates(machine.auth)
    journal.finish()


def _import_provisioning() -> None:
    """Import what provisioning needs while the cloud is at work: it takes a third of a second."""
    import paramiko  # noqa: F401

    import ecsmachine.provision.provision  # noqa: F401


def _undo(store: Store, machine: Machine, journal: FileJournal, report: Report) -> None:
    report(f'Removing what was made for "{machine.name}"...')
    try:
        machine.driver.remove(journal, driver_report(machine.name, report))
        store.remove(machine.name)
    except MachineError as failure:
        report(
            f'Not everything could be removed: {failure.message}. "ecsmachine rm {machine.name}" '
            "tries again."
        )
    else:
        report(f'Nothing is left of "{machine.name}".')


def _explain_kept(error: BaseException, name: str) -> None:
    if isinstance(error, MachineError):
        kept = f'What was made is kept: "ecsmachine rm {name}" removes it.'
        error.hint = f"{error.hint} {kept}" if error.hint else kept
