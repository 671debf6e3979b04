"""Baking: an image of a machine that is made for it, or of a copy of one that is there.

The machine of a bake is one of the store until the image is whole. Its journal lists the image and
the snapshot as well, so that ``rm`` removes all of it, and the same bake goes on from there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from ecsmachine.drivers import registry
from ecsmachine.drivers.baking import BAKED, COPY, BakedImage, Baking, ImageRequest
from ecsmachine.drivers.base import (
    Report,
    Resource,
    State,
    driver_report,
)
from ecsmachine.drivers.tagged import INSTANCE
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.machine import create as creating
from ecsmachine.machine import files, host, removal
from ecsmachine.machine.create_request import CreateRequest, differences, recorded
from ecsmachine.machine.interruption import Interruption, WorkInterrupted
from ecsmachine.machine.journal import FileJournal
from ecsmachine.machine.model import Machine
from ecsmachine.machine.store import Store
from ecsmachine.polling import polls
from ecsmachine.provision.generalise import generalise, seal
from ecsmachine.provision.shell import PATH

_OFF_TIMEOUT_S = 180.0
"""How long a host may take to switch itself off, in seconds."""

_BEGUN_OFF_S = 20.0
"""How long a host that another process had begun to switch off is waited for, in seconds."""

_NOT_FOUND = 127
"""With what a shell leaves that does not find a program."""


@dataclass(frozen=True)
class BakeRequest:
    """An image that is asked for.

    It is made of a machine that ``create`` says, or of a copy of the machine ``source``.
    """

    machine: str
    family: str
    create: CreateRequest | None = None
    source: str = ""
    keep_on_failure: bool = False


def machine_name(name: str) -> str:
    """Return the name of the machine that is made for an image."""
    return f"bake-{name}"


def bake(
    store: Store, request: BakeRequest, report: Report, *, interruption: Interruption | None = None
) -> BakedImage:
    """Make an image, or go on making it; the machine that it is made of is removed.

    When a step fails, or the user interrupts, all that was made is removed again, unless
    ``keep_on_failure``. Raises :class:`~ecsmachine.errors.MachineError`, and :class:`UsageError` if
    something else was begun under that name.
    """
    interruption = interruption or Interruption()
    checkpoint = interruption.checking_at(store.checkpoint)
    watched = Store(store.path, store.environment, store.warn, checkpoint)
    watched.passphrases = store.passphrases
    with store.lock(f".{request.machine}"):
        made = _finished(watched, request, report)
        if made is not None:
            return made
        is_new = not store.exists(request.machine)
        try:
            _make_machine(watched, request, report, interruption)
            is_new = True
            image = _make_image(watched, request, report, interruption)
            _remove(watched, request.machine, report)
        except BaseException as error:
            interruption.shield()
            outcome = _after(watched, request, report, undo=is_new)
            if interruption.asked:
                raise WorkInterrupted(outcome) from error
            if outcome:
                creating.add_outcome(error, outcome)
            raise
    return image


def _after(store: Store, request: BakeRequest, report: Report, *, undo: bool) -> str:
    """Remove what a bake made that has failed; return what is left of it, in a sentence."""
    name = request.machine
    if not store.exists(name) or not store.journal(name).bake:
        return ""
    if "Image" in store.journal(name).bake:
        image_id = store.journal(name).bake["Image"]
        return f'The image {image_id} was made; "ecsmachine rm {name}" removes its machine.'
    kept = (
        f'The created resources are kept: "ecsmachine rm {name}" removes them, the same command '
        "continues."
    )
    if request.keep_on_failure or not undo:
        return kept
    report(f'Removing the created resources of "{name}"...')
    try:
        _remove(store, name, report)
    except MachineError as failure:
        return (
            f'Not everything could be removed: {failure.message}. "ecsmachine rm {name}" tries '
            "again."
        )
    return "The created resources were removed."


def _finished(store: Store, request: BakeRequest, report: Report) -> BakedImage | None:
    """Return the image of an earlier process that did not come to remove its machine."""
    name = request.machine
    if not store.exists(name):
        return None
    journal = store.journal(name)
    begun = journal.bake
    if not begun:
        raise MachineError(
            f'There is already a machine "{name}", which was not made by "bake"',
            hint="Choose another name for the image; --family sets the name of its family.",
        )
    if (begun.get("Family"), begun.get("From", "")) != (request.family, request.source):
        source = f" --from {begun['From']}" if "From" in begun else ""
        raise UsageError(
            f'"{name}" was started for an image of family {begun.get("Family")}{source}',
            hint=f'Give the same options to continue, or remove it with "ecsmachine rm {name}".',
        )
    if not journal.removing:
        return None
    _remove(store, name, report)
    if "Image" not in begun:
        return None
    return BakedImage(
        begun["Image"], begun["Name"], begun["Family"], begun["Engine"], begun["Region"]
    )


def _make_machine(
    store: Store, request: BakeRequest, report: Report, interruption: Interruption
) -> None:
    """Make the machine that the image is made of; one that is there already stays."""
    create = request.create or _copy(store, request, report)
    journal = store.journal(request.machine)
    if not journal.complete:
        creating.create(store, create, report, interruption=interruption)
        return
    differing = differences(journal.request, create)
    if differing:
        raise UsageError(
            f'"{request.machine}" was started with other options: {", ".join(differing)}',
            hint=f'Give the same options, or remove it with "ecsmachine rm {request.machine}".',
        )


def _copy(store: Store, request: BakeRequest, report: Report) -> CreateRequest:
    """Return what a copy of a machine is made with; an image of its disk is made for that."""
    source = store.load(request.source)
    driver = _baking(source)
    name = request.machine
    with store.lock(name):
        journal = store.journal(name)
        known = next(
            (each for each in journal.resources() if each.kind == "image" and _is(each, COPY)), None
        )
        if known is None or known.id is None:
            _flush(source, report)
            files.make_private_directory(store.directory(name))
            journal.begin(request=recorded(_copy_request(source, driver, request, journal, "")))
        image = ImageRequest(COPY, name, f"{name}-{journal.create_id[:8]}")
        image_id = driver.make_image(journal, image, driver_report(request.source, report))
        create = _copy_request(source, driver, request, journal, image_id)
        if not journal.complete:
            journal.begin(request=recorded(create))
    return create


def _copy_request(
    source: Machine, driver: Baking, request: BakeRequest, journal: FileJournal, image_id: str
) -> CreateRequest:
    defaults = {option.name: option.default for option in registry.options_of(source.driver.name)}
    group = f"{request.machine}-{journal.create_id[:8]}"
    return CreateRequest(
        name=request.machine,
        driver_name=source.driver.name,
        driver_values={**defaults, **driver.copy_options(image_id, group)},
        provision=False,
        ssh_jump=source.auth.jump.target.name if source.auth.jump else "",
        bake={"Family": request.family, "From": request.source},
        keep_on_failure=request.keep_on_failure,
    )


def _flush(source: Machine, report: Report) -> None:
    """Have a host that runs write to its disk what it has in memory.

    Raises :class:`MachineError` if it has no engine.
    """
    if source.driver.state() is not State.RUNNING:
        return
    try:
        with host.logged_in(source) as connection:
            done = connection.run(f'sync; PATH="{PATH}"; dockerd --version', timeout_s=120)
    except MachineError as error:
        report(
            f"The copy will lack data that {source.name} has not written to its disk: "
            f"{error.message}"
        )
        return
    if done.exit_status == _NOT_FOUND:
        raise MachineError(
            f'Machine "{source.name}" cannot be baked: no engine is installed on its host',
            hint=f'"ecsmachine provision {source.name}" installs it.',
        )


def _make_image(
    store: Store, request: BakeRequest, report: Report, interruption: Interruption
) -> BakedImage:
    """Generalise the host, and make an image of its disk that is no longer the machine's."""
    name = request.machine
    with store.holding(name) as machine:
        driver = _baking(machine)
        journal = store.journal(name)
        engine = _engine_of_sealed(store, machine, journal, report, interruption)
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        wanted = ImageRequest(
            BAKED,
            name,
            f"{request.family}-{stamp}-{journal.create_id[:4]}",
            family=request.family,
            engine=engine,
        )
        driver.make_image(journal, wanted, driver_report(name, report))
        image = driver.finish_image(journal)
        journal.hand_over(
            [each for each in journal.resources() if _is(each, BAKED)],
            Image=image.id,
            Name=image.name,
            Engine=image.engine,
            Region=image.region,
        )
    return image


def _engine_of_sealed(
    store: Store,
    machine: Machine,
    journal: FileJournal,
    report: Report,
    interruption: Interruption,
) -> str:
    """Generalise the host and let it switch itself off; return the version of its engine."""
    instance = journal.find(INSTANCE)
    if instance is None or instance.id is None:
        raise MachineError(
            f'Machine "{machine.name}" no longer has an instance',
            hint=f'Remove it with "ecsmachine rm {machine.name}", and bake again.',
        )
    engine = instance.details.get("sealed", "")
    if engine and _is_off(machine, _BEGUN_OFF_S):
        return engine
    report("Generalising the host...")
    try:
        with host.logged_in(machine, interruption=interruption) as connection:
            watched = host.WatchedConnection(connection, store.checkpoint)
            # what is copied may hold containers that every boot shall start
            engine = generalise(watched, on_demand="From" not in journal.bake)
            instance.details["sealed"] = engine
            journal.made(instance, instance.id)
            seal(watched)
    except MachineError:
        if "sealed" not in instance.details or not _is_off(machine, _BEGUN_OFF_S):
            raise
    if not _is_off(machine, _OFF_TIMEOUT_S):
        raise MachineError(
            f'The host of "{machine.name}" does not shut down',
            hint="Check the instance's console.",
        )
    return engine


def _is_off(machine: Machine, timeout_s: float) -> bool:
    return any(machine.driver.state() is State.STOPPED for _ in polls(timeout_s))


def _is(resource: Resource, role: str) -> bool:
    return resource.details.get("role") == role


def _baking(machine: Machine) -> Baking:
    driver = machine.driver
    if not isinstance(driver, Baking):
        raise UsageError(
            f'Machine "{machine.name}" cannot be baked: its driver is {driver.name}',
            hint="Only aliyunecs machines can.",
        )
    return driver


def _remove(store: Store, name: str, report: Report) -> None:
    """Remove all that the journal of a bake's machine lists, and the machine's folder."""
    with store.lock(name):
        journal = store.journal(name)
        driver = removal.driver_for_removal(store, name, journal, report)
        journal.begin_removal()
        driver.remove(journal, driver_report(name, report))
        store.remove(name)
