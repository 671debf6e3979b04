"""Machines that exist: what they are now, by their options, and brought to other values of them.

Options are named as their flags, without dashes; those of the engine are among them. Values are in
the form of :func:`ecsmachine.drivers.registry.comparable`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ecsmachine.drivers import registry
from ecsmachine.drivers.base import (
    Driver,
    Report,
    State,
    driver_report,
)
from ecsmachine.drivers.changes import Changeable, HostWork, Observed
from ecsmachine.drivers.options import ChangeKind, OptionValue
from ecsmachine.errors import MachineError
from ecsmachine.machine import engine_config, files, host, operations
from ecsmachine.machine.engine_seen import engines_seen
from ecsmachine.machine.model import Machine
from ecsmachine.machine.probe import is_without_engine
from ecsmachine.machine.store import Store
from ecsmachine.ssh import sharing
from ecsmachine.system.files import path_exists

_MARK = "stopped-for-change"
"""The file in a machine's folder while it is stopped to be changed."""


def recorded(machine: Machine) -> dict[str, OptionValue]:
    """Return what the store says of a machine's options; nothing is asked for."""
    driver = machine.driver
    of_driver = driver.recorded() if isinstance(driver, Changeable) else {}
    return {**of_driver, **engine_config.recorded(machine.engine)}


def observe(machines: Sequence[Machine]) -> dict[str, Observed | MachineError | None]:
    """Return what each machine is now, by its name, or the error that keeps it from being known.

    None of a machine whose driver cannot tell. Machines of an account and region are asked for in
    few requests, however many they are; of those that run, the engines are asked, at once.
    """
    seen = registry.observe_many([machine.driver for machine in machines])
    found = {machine.name: each for machine, each in zip(machines, seen, strict=True)}
    running = [
        machine
        for machine in machines
        if isinstance(each := found[machine.name], Observed)
        and each.state is State.RUNNING
        and each.address == machine.driver.address()
    ]
    for name, options in engines_seen(running).items():
        each = found[name]
        if isinstance(each, Observed):
            found[name] = replace(each, values={**each.values, **options})
    return found


def how_to_change(machine: Machine, option: str, old: OptionValue, new: OptionValue) -> ChangeKind:
    """Return how a machine comes from one value of an option to another."""
    if option in engine_config.FIELDS:
        return ChangeKind.IN_PLACE if machine.driver.provisions else ChangeKind.AT_CREATE
    driver = machine.driver
    if not isinstance(driver, Changeable):
        return ChangeKind.NEW_MACHINE
    return driver.how_to_change(option, old, new)


def is_unfinished(machine: Machine) -> bool:
    """Whether a change of the machine was cut off while it was stopped for that.

    :func:`change_machine` goes on with it, and starts the machine again, whatever it is given.
    """
    return path_exists(machine.directory / _MARK)


@dataclass(frozen=True)
class _Changing:
    """A machine of a store that is changed."""

    store: Store
    machine: Machine
    report: Report

    def others(self) -> list[Driver]:
        """Return the drivers of the store's other machines; one that is damaged is left out."""
        found: list[Any] = [
            each for name, each in self.store.machines() if name != self.machine.name
        ]
        return [each.driver for each in found if isinstance(each, Machine)]

    def save(self) -> None:
        """Write down what the machine is now."""
        self.store.save(self.machine)


def change_machine(
    store: Store, name: str, changes: Mapping[str, OptionValue], report: Report
) -> None:
    """Bring a machine to other values of options, and write them down when it is done.

    All is checked before anything is changed; the machine is stopped, once, if one of the changes
    needs that, and started again whatever becomes of them. Given again it does what is left.
    Raises :class:`MachineError` for what is refused.
    """
    with store.holding(name) as machine:
        engine = {flag: value for flag, value in changes.items() if flag in engine_config.FIELDS}
        of_driver = {flag: value for flag, value in changes.items() if flag not in engine}
        stopping = _checked(machine, of_driver) if of_driver else {}
        changing = _Changing(store, machine, report)
        # what takes the place of something comes before that is taken away
        for option, value in sorted(of_driver.items(), key=lambda each: not each[1]):
            if option not in stopping:
                _change(changing, option, value)
        if stopping or is_unfinished(machine):
            _change_stopped(changing, stopping)
        if engine:
            engine_config.set_options(store, machine, engine, report)


def _checked(machine: Machine, changes: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
    """Let the driver check its changes, and return those for which the machine has to stop."""
    driver = _changeable(machine)
    for option, value in changes.items():
        driver.check_change(option, value)
    known = driver.recorded()
    stopping = {
        option: value
        for option, value in changes.items()
        if driver.how_to_change(option, known.get(option), value) is ChangeKind.WITH_RESTART
    }
    seen = driver.observed().values if stopping else {}
    # what is so already, and only not written down, needs no restart
    return {option: value for option, value in stopping.items() if seen.get(option) != value}


def _change(changing: _Changing, option: str, value: OptionValue) -> None:
    """Make one change, have the host follow, and write it down."""
    machine, report = changing.machine, changing.report
    journal, told = changing.store.journal(machine.name), driver_report(machine.name, report)
    driver, before = _changeable(machine), machine.driver.address()
    left = driver.change(option, value, journal, told, changing.others, changing.save)
    if machine.driver.address() != before:
        operations.report_new_address(changing.store, machine, before, report)
        left |= HostWork.PROVISION
    if left & (HostWork.GROW_SYSTEM_DISK | HostWork.GROW_DATA_DISK) and isinstance(value, int):
        from ecsmachine.provision.grow import DATA_MOUNT, SYSTEM_MOUNT, grow_file_system

        mount = SYSTEM_MOUNT if HostWork.GROW_SYSTEM_DISK in left else DATA_MOUNT
        with host.logged_in(machine) as connection:
            grow_file_system(connection, mount, value, report)
    if HostWork.PROVISION in left and machine.driver.provisions and not is_without_engine(machine):
        host.make_docker_host(machine, report)
    changing.save()
    if HostWork.MEMBER_PORTS in left and not is_without_engine(machine):
        from ecsmachine.machine.swarm.members import open_to_members

        open_to_members(changing.store, machine, report)


def _change_stopped(changing: _Changing, changes: Mapping[str, OptionValue]) -> None:
    """Stop a machine, change it, and start it again; one that was stopped stays so."""
    machine, report = changing.machine, changing.report
    mark = machine.directory / _MARK
    before = machine.driver.address()
    state = machine.driver.state()
    if changes and state in (State.RUNNING, State.STARTING, State.STOPPING):
        if state is not State.STOPPING:  # as after a change that was cut off, which has its mark
            files.write_atomically(mark, b"")
        report(f'Stopping "{machine.name}"...')
        sharing.close(machine.known_hosts_path, at_once=True)
        machine.driver.stop(driver_report(machine.name, report))
    try:
        for option, value in changes.items():
            _change(changing, option, value)
    finally:
        if path_exists(mark):
            operations.start_machine(
                changing.store, machine, report, machine.driver.state(), before
            )
            mark.unlink()


def _changeable(machine: Machine) -> Changeable:
    if not isinstance(machine.driver, Changeable):
        hint = "Make a new machine with the other values."
        raise machine.without("cannot be changed", hint=hint)
    return machine.driver
