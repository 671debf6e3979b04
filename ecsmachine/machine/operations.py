"""What can be done to machines that exist, one function an operation."""

from __future__ import annotations

from ecsmachine.drivers.base import Report, State, driver_report
from ecsmachine.drivers.capabilities import Expiring, Priced
from ecsmachine.machine import host
from ecsmachine.machine.model import Machine
from ecsmachine.machine.probe import is_without_engine
from ecsmachine.machine.store import Store
from ecsmachine.ssh import sharing


def start(store: Store, name: str, report: Report) -> None:
    """Start a machine and wait until its engine answers; a running one is left as it is."""
    with store.holding(name) as machine:
        before = machine.driver.address()
        start_machine(store, machine, report, machine.driver.state(), before)


def stop(store: Store, name: str, report: Report) -> None:
    """Stop a machine in an orderly way; a stopped one is left as it is."""
    _halt(store, name, report, at_once=False)


def stop_without_charge(store: Store, name: str, report: Report) -> None:
    """Stop a machine so that it itself costs nothing until it is started.

    Raises :class:`MachineError` if its driver cannot, or if it is stopped and still charged.
    """
    with store.holding(name) as machine:
        if not isinstance(machine.driver, Priced):
            raise machine.without("is not charged for", hint="Leave --no-charge out.")
        report(f'Stopping "{name}"...')
        try:
            machine.driver.stop_without_charge(driver_report(name, report))
        finally:
            store.save(machine)
        report(f'Machine "{name}" is stopped, and not charged.')


def expire(store: Store, name: str, report: Report, *, when: str) -> None:
    """Set when the provider releases a machine; "" is never.

    Raises :class:`UsageError` for a text that is no time, and :class:`MachineError` if the driver
    cannot.
    """
    with store.holding(name) as machine:
        if not isinstance(machine.driver, Expiring):
            raise machine.without("cannot expire")
        until = machine.driver.expire(when)
        store.save(machine)
    report(f"{name} will be released at {until}" if until else f"{name} has no release time")


def kill(store: Store, name: str, report: Report) -> None:
    """Stop a machine at once, as by pulling the plug; a stopped one is left as it is."""
    _halt(store, name, report, at_once=True)


def restart(store: Store, name: str, report: Report) -> None:
    """Restart a machine and wait until its engine answers; a stopped one is started."""
    with store.holding(name) as machine:
        report(f'Restarting "{name}"...')
        state = machine.driver.state()
        if state is not State.RUNNING:
            start_machine(store, machine, report, state, machine.driver.address())
            return
        sharing.close(machine.known_hosts_path, at_once=True)
        machine.driver.restart(driver_report(name, report))
        store.save(machine)
        _wait_until_back(store, machine, report)
        report(f'Machine "{name}" was restarted.')


def start_machine(
    store: Store, machine: Machine, report: Report, state: State, before: str
) -> None:
    """Start a machine that is in a state now, and had an address before it was asked for that."""
    name = machine.name
    report(f'Starting "{name}"...')
    if state is State.RUNNING:
        report(f'Machine "{name}" is already running.')
        report_new_address(store, machine, before, report)
        if machine.driver.provisions and not host.has_fitting_certificate(machine):
            _wait_until_back(store, machine, report)
        return
    machine.driver.start(driver_report(name, report))
    store.save(machine)
    report(f'Machine "{name}" was started.')
    report_new_address(store, machine, before, report)
    _wait_until_back(store, machine, report)


def report_new_address(store: Store, machine: Machine, before: str, report: Report) -> None:
    """Say that the address is another one than before, if it is, and write it down."""
    now = machine.driver.address()
    if now == before:
        return
    store.save(machine)
    sharing.close(machine.known_hosts_path, at_once=True)
    if not now:
        report(f'"{machine.name}" has no address any more (it was {before}).')
        return
    report(
        f'The address of "{machine.name}" is now {now} '
        f'(it was {before or "unknown"}). Run "ecsmachine env {machine.name}" again.'
    )


def _wait_until_back(store: Store, machine: Machine, report: Report) -> None:
    """Wait for the engine after a boot; renew its certificate if the address is a new one.

    Nothing is waited for of a machine without an address: somebody has taken it.
    """
    if not machine.driver.provisions or not machine.driver.address():
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


def _halt(store: Store, name: str, report: Report, *, at_once: bool) -> None:
    with store.holding(name) as machine:
        report(f'{"Killing" if at_once else "Stopping"} "{name}"...')
        if machine.driver.state() is State.STOPPED:
            report(f'Machine "{name}" is already stopped.')
            return
        sharing.close(machine.known_hosts_path, at_once=True)
        halt = machine.driver.kill if at_once else machine.driver.stop
        halt(driver_report(name, report))
        store.save(machine)
        report(f'Machine "{name}" was {"killed" if at_once else "stopped"}.')
