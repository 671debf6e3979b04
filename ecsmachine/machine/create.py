"""Making a machine: check, write down, make, provision; and undo what was made if that fails."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from dataclasses import fields
from threading import Thread

from ecsmachine.documents.rules import HOST
from ecsmachine.drivers.base import (
    Checkpoint,
    Driver,
    Report,
    driver_report,
)
from ecsmachine.drivers.capabilities import (
    CreatePlan,
    ManyAtOnce,
    Planning,
    Replacing,
    Resuming,
)
from ecsmachine.errors import MachineError, PreCreateCheckError, UsageError
from ecsmachine.machine import (
    certificates,
    engine_config,
    files,
    host,
    install_url,
    removal,
    renewal,
)
from ecsmachine.machine.create_request import CreateRequest, differences, recorded
from ecsmachine.machine.interruption import Interruption, WorkInterrupted
from ecsmachine.machine.journal import FileJournal
from ecsmachine.machine.model import Machine, auth_options, validate_name
from ecsmachine.machine.store import Store
from ecsmachine.machine.stored import AdoptionCutOffError
from ecsmachine.machine.watch import EndedError
from ecsmachine.provision.engine import validate_engine_options
from ecsmachine.system.files import path_exists


class MachineExistsError(MachineError):
    """There is a machine of that name, and it is whole."""

    def __init__(self, name: str):
        super().__init__(
            f'Docker machine "{name}" already exists',
            hint=f'Choose another name, or remove it with "ecsmachine rm {name}".',
        )


MAKING = "Creating machine..."
"""What is reported when nothing is left to check."""


def create(
    store: Store,
    request: CreateRequest,
    report: Report,
    *,
    interruption: Interruption | None = None,
    checked: Driver | None = None,
) -> Machine:
    """Make a machine, or go on with one whose create stopped half way.

    When a step fails, or the user interrupts, everything that this create made is removed
    again, unless ``keep_on_failure``. What could not be removed stays in the journal, for
    ``rm``. ``interruption`` ends the create from another thread. ``checked`` is the driver of
    another new machine of the same options, whose checks have passed.

    Raises :class:`~ecsmachine.errors.MachineError`, :class:`MachineExistsError` among them, and
    :class:`UsageError` for other options than those that a half-made machine was begun with.
    """
    validate(request)
    interruption = interruption or Interruption()
    checkpoint = interruption.checking_at(store.checkpoint)

    def say(line: str) -> None:
        interruption.check()
        report(line)

    with store.lock(request.name):
        store.check_place(request.name)
        journal = store.journal(request.name)
        if store.exists(request.name):
            _check_unfinished(store, request.name, journal)
        if journal.removing:
            _finish_removal(store, request.name, journal, say)
            journal = store.journal(request.name)
        machine = new_machine(store, request, checkpoint)
        if machine.auth.jump and not machine.driver.provisions:
            say(f"The driver {request.driver_name} has no login: --ssh-jump has no effect")
            machine.auth.jump = None
        _check_role(machine.driver, request)
        _check_and_resume(store, machine, journal, request, say)
        renewal.renew_due(
            store,
            machine.auth,
            say,
            among=[machine.name],
            key_type=request.key_type,
            signing=machine.driver.provisions,
        )
        if not (
            checked
            and isinstance(machine.driver, ManyAtOnce)
            and machine.driver.take_checks(checked)
        ):
            say("Running pre-create checks...")
            check(machine, say, installs=request.provision)
        _check_swarm(store, request)
        try:
            files.make_private_directory(machine.directory)
            journal.begin(request=recorded(request))
            store.save(machine)
            _make(store, machine, journal, request, say, checkpoint, interruption)
        except BaseException as error:
            interruption.shield()
            if isinstance(error, EndedError) and not request.keep_on_failure:
                error.hint = None  # what is removed cannot be started
            if request.keep_on_failure:
                outcome = (
                    f'The created resources are kept: "ecsmachine rm {machine.name}" removes them.'
                )
                report(
                    f'The created resources of "{machine.name}" are kept: "ecsmachine rm '
                    f'{machine.name}" removes them, "ecsmachine create --resume {machine.name}" '
                    "continues."
                )
            else:
                if request.swarm_role:
                    from ecsmachine.machine.swarm.leave import leave_for_good

                    leave_for_good(store, machine, report)
                outcome = undo(store, machine, journal, report)
            if interruption.asked:
                raise WorkInterrupted(outcome if store.exists(machine.name) else "") from error
            add_outcome(error, outcome)
            raise
    return machine


def new_machine(
    store: Store, request: CreateRequest, checkpoint: Checkpoint, *, to_be_made: bool = True
) -> Machine:
    """Return the machine that is asked for, of which nothing is there yet.

    ``checkpoint`` is told of its driver's requests. Nothing is written if it is not ``to_be_made``.
    """
    jump = store.jump(request.ssh_jump)
    return Machine(
        name=request.name,
        driver=store.new_driver(
            request.driver_name,
            request.name,
            request.driver_values,
            to_be_made=to_be_made,
            checkpoint=checkpoint,
            jump=jump,
            isolated="From" in request.bake,
        ),
        auth=auth_options(
            store.path,
            request.name,
            given=request.certificate_paths,
            server_cert_sans=request.tls_sans,
            jump=jump,
        ),
        engine=request.engine,
        swarm=request.swarm,
    )


def validate(request: CreateRequest) -> None:
    """Raise :class:`UsageError` for values that are wrong whatever the cloud says."""
    validate_name(request.name)
    install_url.validate_install_url(request.engine.install_url)
    validate_engine_options(request.engine)
    for name in request.tls_sans:
        if not (name.isascii() and HOST.fits(name.removeprefix("*."))):
            raise UsageError(
                f'--tls-san: "{name}" cannot be in a certificate',
                hint="Give an address or a host name, each with a --tls-san of its own.",
            )
    _validate_swarm(request)


def _validate_swarm(request: CreateRequest) -> None:
    role, manager = request.swarm_role, request.swarm_join
    if role not in ("", "manager", "worker"):
        raise UsageError(
            f'A machine joins a swarm as manager or worker, not as "{role}" (--swarm-mode)',
            hint="Give --swarm-mode manager, or --swarm-mode worker.",
        )
    if manager and not role:
        raise UsageError("--swarm-join needs a role", hint="Add --swarm-mode manager or worker.")
    if role == "worker" and not manager:
        raise UsageError(
            "A worker needs a swarm to join", hint="Name a manager of the swarm with --swarm-join."
        )
    if role and not request.provision:
        raise UsageError(
            "--swarm-mode needs an engine, and --no-provision installs none",
            hint=f'Use "ecsmachine swarm join" after "ecsmachine provision {request.name}".',
        )


def plan(
    store: Store, request: CreateRequest, report: Report, *, going: Collection[str] | None = None
) -> CreatePlan | None:
    """Run every check of a create and return what it would make; make and write nothing.

    None if the driver makes nothing. With ``going`` a machine of that name may be there: it goes
    before, and so do those others, or else what they have that only one can have. Raises
    :class:`~ecsmachine.errors.MachineError` as :func:`create` does.
    """
    validate(request)
    store.check_place(request.name)
    if store.exists(request.name) and going is None:
        _check_unfinished(store, request.name, store.journal(request.name))
    machine = new_machine(store, request, store.checkpoint, to_be_made=False)
    _check_role(machine.driver, request)
    if going is not None and isinstance(machine.driver, Replacing):
        for name in filter(store.exists, {request.name, *going}):
            with contextlib.suppress(MachineError):  # a damaged one has nothing that is known of
                machine.driver.replace(store.config(name)["Driver"])
    report("Running pre-create checks...")
    check(machine, report, installs=request.provision)
    if going is None:  # whose swarm may be one that is yet to be made
        _check_swarm(store, request)
    return machine.driver.plan() if isinstance(machine.driver, Planning) else None


def _check_role(driver: Driver, request: CreateRequest) -> None:
    if request.swarm_role and not driver.provisions:
        raise UsageError(
            f"--swarm-mode cannot be used with the driver {request.driver_name}",
            hint=f'Use "ecsmachine swarm join" when "{request.name}" exists.',
        )


def _check_swarm(store: Store, request: CreateRequest) -> None:
    """Raise :class:`PreCreateCheckError` unless the machine to join manages a swarm, or may."""
    if request.swarm_join:
        from ecsmachine.machine.swarm.members import check_manager

        try:
            check_manager(store.load(request.swarm_join))
        except MachineError as error:
            raise PreCreateCheckError(error.message, hint=error.hint) from error


def _check_unfinished(store: Store, name: str, journal: FileJournal) -> None:
    """Raise :class:`MachineError` unless the machine in the store is a half-made one of ours."""
    if journal.adopting:
        raise AdoptionCutOffError(name)
    if journal.complete or not journal.exists:
        raise MachineExistsError(name)


def _check_and_resume(
    store: Store, machine: Machine, journal: FileJournal, request: CreateRequest, report: Report
) -> None:
    """Take up what an earlier create of the machine left, if one did.

    Raises :class:`UsageError` if that was asked for something else: what it made would be lost.
    """
    name = machine.name
    differing = differences(journal.request, request) if journal.request else []
    if differing:
        raise UsageError(
            f'Machine "{name}" was started with other options: {", ".join(differing)}',
            hint=f'"ecsmachine create --resume {name}" continues with those, "ecsmachine rm '
            f'{name}" removes what exists.',
        )
    if not path_exists(store.directory(name) / "config.json"):
        return
    report(f'Continuing "{name}" where its create stopped...')
    if isinstance(machine.driver, Resuming):
        machine.driver.resume(store.config(name)["Driver"])
    earlier = store.load(name)
    flags = {field: flag for flag, field in engine_config.FIELDS.items()}
    changed = [
        f"--{flags.get(field.name) or 'engine-' + field.name.replace('_', '-')}"
        for field in fields(machine.engine)
        if (getattr(earlier.engine, field.name) or None)
        != (getattr(machine.engine, field.name) or None)
    ]
    if earlier.auth.server_cert_sans != machine.auth.server_cert_sans:
        changed.append("--tls-san")
    if changed:
        report(
            "These options have changed since the first time, and are used as they are now: "
            f"{', '.join(changed)}"
        )


def check(machine: Machine, report: Report, *, installs: bool) -> None:
    """Run the driver's checks and, beside them, the look at the install URL if an engine is due.

    Says what the host will be called where that is not the machine's name.
    """
    failures: list[PreCreateCheckError] = []

    def look_at_install_url() -> None:
        try:
            if installs and not machine.engine.source:
                install_url.check_install_url(machine.engine.install_url)
        except PreCreateCheckError as error:
            failures.append(error)

    if not machine.driver.provisions:
        machine.driver.pre_create_check(driver_report(machine.name, report))
        return
    host_name = host.host_name_of(machine)
    if host_name != machine.name:
        report(f'The host will be called "{host_name}"')
    look = Thread(target=look_at_install_url, daemon=True)
    look.start()
    if machine.auth.jump:
        report(f"Logging in to the jump host {machine.auth.jump.target.name}...")
        try:
            machine.auth.jump.check()
        except MachineError as error:
            raise PreCreateCheckError(error.message, hint=error.hint) from error
    machine.driver.pre_create_check(driver_report(machine.name, report))
    look.join()
    if failures:
        raise failures[0]


def _make(
    store: Store,
    machine: Machine,
    journal: FileJournal,
    request: CreateRequest,
    report: Report,
    checkpoint: Checkpoint,
    interruption: Interruption,
) -> None:
    report(MAKING)
    provisions = machine.driver.provisions and request.provision
    if provisions:
        Thread(target=_import_provisioning, daemon=True).start()
    machine.driver.create(journal, driver_report(machine.name, report), lambda: store.save(machine))
    store.save(machine)
    if provisions:
        host.make_docker_host(
            machine,
            report,
            checkpoint=checkpoint,
            interruption=interruption,
            first_time=True,
        )
        store.save(machine)
        if request.swarm_role:
            from ecsmachine.machine.swarm.join import join_or_begin

            interruption.check()
            join_or_begin(
                store, machine, report, role=request.swarm_role, manager_name=request.swarm_join
            )
    else:
        # the engine is someone else's or comes later, but docker is pointed at this folder
        certificates.copy_client_certificates(machine.auth)
    interruption.check()
    journal.finish()


def _finish_removal(store: Store, name: str, journal: FileJournal, report: Report) -> None:
    """Remove the rest of what an earlier create made and had begun to remove."""
    report(f'Removing what is left of "{name}"...')
    driver = removal.driver_for_removal(store, name, journal, report)
    try:
        driver.remove(journal, driver_report(name, report))
    except MachineError as error:
        add_outcome(error, f'"ecsmachine rm {name}" tries again.')
        raise
    store.remove(name)


def _import_provisioning() -> None:
    """Import what provisioning needs while the cloud is at work: it takes a third of a second."""
    import ecsmachine.provision.provision
    import ecsmachine.ssh.library  # noqa: F401


def undo(store: Store, machine: Machine, journal: FileJournal, report: Report) -> str:
    """Remove all that was made for a machine; return what came of that, in a sentence.

    The store's ``warn`` is told why something stays, which may cost money.
    """
    report(f'Removing the created resources of "{machine.name}"...')
    try:
        journal.begin_removal()
        machine.driver.remove(journal, driver_report(machine.name, report))
        store.remove(machine.name)
    except MachineError as failure:
        store.warn(
            f'Not everything could be removed: {failure.message}. "ecsmachine rm {machine.name}" '
            "tries again."
        )
        return f'Not everything could be removed: "ecsmachine rm {machine.name}" tries again.'
    report(f'Nothing is left of "{machine.name}".')
    return "The created resources were removed."


def add_outcome(error: BaseException, outcome: str) -> None:
    """Let the error say what became of what was made."""
    if isinstance(error, MachineError):
        error.hint = f"{error.hint} {outcome}" if error.hint else outcome
