"""Provisioning machines that exist: again, or to a newer engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ecsmachine.drivers.base import (
    Report,
    State,
    UnsupportedOperationError,
    driver_report,
)
from ecsmachine.errors import MachineError
from ecsmachine.machine import host, renewal
from ecsmachine.machine.address import refresh_address, state_or_none
from ecsmachine.machine.model import Machine
from ecsmachine.machine.store import Store
from ecsmachine.provision.base import EngineOptions
from ecsmachine.system.files import path_exists


def provision(
    store: Store, name: str, report: Report, *, engine: EngineOptions | None = None
) -> None:
    """Provision a machine again with its stored options; what is as it shall be is left alone.

    ``engine`` are the options of one that has no engine yet. This is also how a machine whose
    engine was broken, or whose address has changed, is mended.
    """
    with store.holding(name) as machine:
        check_provisions(machine)
        machine.engine = engine or machine.engine
        refresh_address(machine)
        if path_exists(machine.auth.ca_key_path):
            renewal.renew_due(store, machine.auth, report, among=[name])
        with _naming_the_next_command("provision", name):
            host.make_docker_host(machine, report)
        store.save(machine)


def upgrade(store: Store, name: str, report: Report, *, version: str | None = None) -> None:
    """Upgrade the engine of a machine to the newest that its host's packages offer.

    ``version`` is how the version begins that it shall have from now on, "" for the newest; None
    keeps to what it was created with. A machine that is stopped is started first.
    """
    from ecsmachine.provision.upgrade import upgrade_engine

    with store.holding(name) as machine:
        check_provisions(machine)
        wanted = machine.engine.version if version is None else version
        if state_or_none(machine) is State.STOPPED:
            report(f'Starting "{name}"...')
            machine.driver.start(driver_report(name, report))
            store.save(machine)
        refresh_address(machine)
        report("Waiting for SSH to be available...")
        with host.logged_in(machine) as connection:
            report("Detecting the provisioner...")
            with _naming_the_next_command("upgrade", name):
                old, new = upgrade_engine(connection, report, version=wanted)
        machine.engine.version = wanted
        if host.renew_certificates(machine):
            host.make_docker_host(machine, report)
        store.save(machine)
        host.wait_for_engine(machine)
        if old == new:
            newest = f"newest {wanted}" if wanted else "newest"
            report(f'The engine of "{name}" is the {newest} that its host offers: {new}')
        else:
            report(f'The engine of "{name}" is now {new} (it was {old})')


def check_provisions(machine: Machine) -> None:
    """Raise :class:`UnsupportedOperationError` for a machine whose host is not ours to change."""
    if not machine.driver.provisions:
        raise UnsupportedOperationError(
            f'Machine "{machine.name}" is only an engine\'s URL: its host cannot be provisioned',
            hint="Ask whoever runs the engine.",
        )


@contextmanager
def _naming_the_next_command(command: str, name: str) -> Iterator[None]:
    """Let an error that does not say what to do say how to look, and how to try again."""
    try:
        yield
    except MachineError as error:
        error.hint = error.hint or (
            f'"ecsmachine ssh {name}" lets you look, "ecsmachine {command} {name}" tries again.'
        )
        raise
