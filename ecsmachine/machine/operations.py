"""What can be done to machines that exist, one function an operation."""

from __future__ import annotations

import contextlib

from ecsmachine.drivers import registry
from ecsmachine.drivers.base import Driver, Report, State, driver_report
from ecsmachine.errors import MachineError
from ecsmachine.machine import host
from ecsmachine.machine.journal import FileJournal
from ecsmachine.machine.model import Machine, MachineNotFoundError
from ecsmachine.machine.probe import is_without_engine
from ecsmachine.machine.store import Store
from ecsmachine.ssh import sharing


def start(store: Store, name: str, report: Report) -> None:
    """Start a machine and wait until its engine answers; a running one is left as it is."""
    with store.lock(name):
        machine = store.load(name)
        before = machine.driver.address()
        _start(store, machine, report, machine.driver.state(), before)


def stop(store: Store, name: str, report: Report) -> None:
    """Stop a machine in an orderly way; a stopped one is left as it is."""
    with store.lock(name):
        machine = store.load(name)
        report(f'Stopping "{name}"...')
        if _is_stopped(machine, report):
            return
        sharing.close(machine.known_hosts_path, at_once=True)
        machine.driver.stop(driver_report(name, report))
        store.save(machine)
        report(f'Machine "{name}" was stopped.')


def kill(store: Store, name: str, report: Report) -> None:
    """Stop a machine at once, as by pulling the plug; a stopped one is left as it is."""
    with store.lock(name):
        machine = store.load(name)
        report(f'Killing "{name}"...')
        if _is_stopped(machine, report):
            return
        sharing.close(machine.known_hosts_path, at_once=True)
        machine.driver.kill(driver_report(name, report))
        store.save(machine)
        report(f'Machine "{name}" was killed.')


def restart(store: Store, name: str, report: Report) -> None:
    """Restart a machine and wait until its engine answers; a stopped one is started."""
    with store.lock(name):
        machine = store.load(name)
        report(f'Restarting "{name}"...')
        state = machine.driver.state()
        if state is not State.RUNNING:
            _start(store, machine, report, state, machine.driver.address())
            return
        sharing.close(machine.known_hosts_path, at_once=True)
        machine.driver.restart(driver_report(name, report))
        store.save(machine)
        _wait_until_back(store, machine, report)
        report(f'Machine "{name}" was restarted.')


def remove(store: Store, name: str, report: Report, *, force: bool = False) -> None:
    """Remove a machine: all that create made in the cloud, then its folder.

    With ``force`` the folder is dropped even if the cloud refuses, or the configuration cannot
    be read; a journal that lists what may still be there is then kept, and so is what cannot be
    read. One that another process has removed meanwhile is no error then.
    """
    if not store.is_taken(name) and not force:
        raise MachineNotFoundError(name)
    with store.lock(name):
        directory = store.directory(name)
        sharing.close(directory / "known_hosts", at_once=True)
        if force:
            with contextlib.suppress(OSError):
                if directory.is_dir():
                    directory.chmod(0o700)
        try:
            store.check_place(name)
            _remove_from_cloud(store, name, report)
        except Exception as error:  # a driver, or a damaged file, may raise what it likes
            if not force:
                raise
            report(f'Error removing host "{name}": {error}')
            try:
                _keep_trace(store, name, report)
            except MachineError:
                store.make_room(name)  # the disk may be full
                _keep_trace(store, name, report)
        if directory.is_symlink():
            report(f"{directory} was a link: {directory.readlink()} stays")
        store.remove(name)
    report(f"Successfully removed {name}")


def _keep_trace(store: Store, name: str, report: Report) -> None:
    """Keep what tells of a machine that is dropped, and say where."""
    for kept in store.set_aside_unreadable(name):
        report(
            f"What cannot be read is kept: {kept}. What the machine had in the cloud may still be "
            'there, and cost: "ecsmachine sweep" finds what has its tags'
        )
    journal = store.abandon(name)
    if journal is not None:
        report(
            f"What may still be there, and cost, is listed in {journal}: "
            '"ecsmachine sweep" removes it'
        )


def _start(store: Store, machine: Machine, report: Report, state: State, before: str) -> None:
    """Start a machine that is in a state now, and had an address before it was asked for that."""
    name = machine.name
    report(f'Starting "{name}"...')
    if state is State.RUNNING:
        report(f'Machine "{name}" is already running.')
        _report_new_address(store, machine, before, report)
        if machine.driver.provisions and not host.has_fitting_certificate(machine):
            _wait_until_back(store, machine, report)
        return
    machine.driver.start(driver_report(name, report))
    store.save(machine)
    report(f'Machine "{name}" was started.')
    _report_new_address(store, machine, before, report)
    _wait_until_back(store, machine, report)


def _report_new_address(store: Store, machine: Machine, before: str, report: Report) -> None:
    """Say that the address is another one than before, if it is, and write it down."""
    if machine.driver.address() == before:
        return
    store.save(machine)
    sharing.close(machine.known_hosts_path, at_once=True)
    report(
        f'The address of "{machine.name}" is now {machine.driver.address()} '
        f'(it was {before or "unknown"}). Run "ecsmachine env {machine.name}" again.'
    )


def _wait_until_back(store: Store, machine: Machine, report: Report) -> None:
    """Wait for the engine after a boot; renew its certificate if the address is a new one."""
    if not machine.driver.provisions:
        return
    if is_without_engine(machine):
        report(f'There is no engine yet: "ecsmachine provision {machine.name}" installs it.')
        return
    if host.renew_certificates(machine):
        report("The address, or the CA, has changed: renewing the certificate...")
        host.make_docker_host(machine, report)
        store.save(machine)
        return
    report("Waiting for Docker to answer...")
    host.wait_for_engine(machine)


def _is_stopped(machine: Machine, report: Report) -> bool:
    if machine.driver.state() is State.STOPPED:
        report(f'Machine "{machine.name}" is already stopped.')
        return True
    return False


def _remove_from_cloud(store: Store, name: str, report: Report) -> None:
    journal = store.journal(name)
    if not (store.directory(name) / "config.json").exists():
        if not journal.resources():
            return
        if journal.adopting:
            # nothing in the cloud was made for it, nor is it this store's by its tags for certain
            report(f'The adoption of "{name}" was cut off: what it has in the cloud stays there')
            return
    if journal.resources():
        _leave_swarm(store, name, report)
    driver = driver_for_removal(store, name, journal, report)
    journal.begin_removal()
    driver.remove(journal, driver_report(name, report))


def _leave_swarm(store: Store, name: str, report: Report) -> None:
    """Let a machine of ours, which goes for good, leave its swarm first."""
    try:
        machine = store.load(name)
    except MachineError:
        return
    if not machine.driver.provisions or is_without_engine(machine) or not machine.driver.url():
        return
    from ecsmachine.machine.swarm.leave import leave_for_good

    leave_for_good(store, machine, report)


def driver_for_removal(store: Store, name: str, journal: FileJournal, report: Report) -> Driver:
    """Return the driver of the machine; without its configuration, as its create was asked for."""
    try:
        return store.load(name).driver
    except MachineError as error:
        request = journal.request
        if not request:
            raise
        report(f"{error.message}; removing what the journal lists")
        values = {
            option.name: option.default for option in registry.options_of(request["DriverName"])
        }
        return store.new_driver(request["DriverName"], name, {**values, **request["DriverOptions"]})
