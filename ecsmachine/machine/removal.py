"""Removing machines: what create made in the cloud, then their folders; many of them together.

Of many, each first loses what it has alone; then what they share is removed once for all. A folder
goes last: whatever ends the work, a machine that is left can be removed.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from ecsmachine.drivers import registry
from ecsmachine.drivers.base import Driver, Report, driver_report
from ecsmachine.drivers.capabilities import RemovedTogether
from ecsmachine.errors import MachineError, of_anything
from ecsmachine.machine.journal import FileJournal
from ecsmachine.machine.probe import is_without_engine
from ecsmachine.machine.store import Store
from ecsmachine.machine.stored import MachineNotFoundError, UnrecordedError
from ecsmachine.ssh import sharing
from ecsmachine.system.files import folder_exists, path_exists


class Removal:
    """Machines of a store that are removed by one command.

    With ``force`` the folder is dropped even if the cloud refuses, or the configuration cannot
    be read; a journal that lists what may still be there is then kept, and so is what cannot be
    read: the store's ``warn`` is told. One that another process has removed meanwhile is then no
    error.

    :meth:`finish` removes a machine. Of several, :meth:`begin` has come to its end for each before.
    """

    def __init__(self, store: Store, *, force: bool = False):
        self._store = store
        self._force = force
        self._guard = threading.Lock()
        self._joined: list[Driver] = []
        self._begun: dict[str, str] = {}
        self._dropped: set[str] = set()

    def begin(self, name: str, report: Report) -> None:
        """Remove what a machine has alone in the cloud, together with that of others.

        Raises :class:`MachineError` if that fails; the machine can be removed again then.
        """
        if self._store.is_taken(name):
            self._work_on(name, self._remove_own, report)

    def finish(self, name: str, report: Report) -> None:
        """Remove the rest of a machine; all of it if that was not begun.

        Raises :class:`MachineError`, :class:`MachineNotFoundError` among them.
        """
        if name not in self._dropped:
            if not (self._force or name in self._begun or self._store.is_taken(name)):
                raise MachineNotFoundError(name)
            self._work_on(name, self._remove_rest, report, last=True)
        report(f"Successfully removed {name}")

    def _work_on(
        self, name: str, work: Callable[[str, Report], None], report: Report, *, last: bool = False
    ) -> None:
        """Do a part of the work; after the last one, or one that fails, the folder may go."""
        store = self._store
        with store.lock(name):
            directory = store.directory(name)
            sharing.close(directory / "known_hosts", at_once=True)
            if self._force:
                with contextlib.suppress(OSError):
                    if folder_exists(directory):
                        directory.chmod(0o700)
            try:
                store.check_place(name)
                work(name, report)
            except Exception as error:  # a driver, or a damaged file, may raise what it likes
                if not self._force or isinstance(error, _MadeAnewError):
                    raise
                store.warn(f'Error removing host "{name}": {of_anything(error).message}')
                try:
                    self._keep_trace(name)
                except MachineError:
                    store.make_room(name)  # the disk may be full
                    self._keep_trace(name)
                self._dropped.add(name)
                last = True
            if last:
                if directory.is_symlink():
                    report(f"{directory} was a link: {directory.readlink()} stays")
                store.remove(name)

    def _remove_own(self, name: str, report: Report) -> None:
        store = self._store
        journal = store.journal(name)
        if not journal.resources() or not path_exists(store.directory(name) / "config.json"):
            return
        _leave_swarm(store, name, report)
        self._begun[name] = journal.create_id
        driver = driver_for_removal(store, name, journal, report)
        if self._join(driver) and isinstance(driver, RemovedTogether):
            with _begun_removal(journal):
                driver.remove_own(journal, driver_report(name, report))

    def _remove_rest(self, name: str, report: Report) -> None:
        store = self._store
        journal = store.journal(name)
        begun = self._begun.get(name)
        if begun and store.exists(name) and journal.create_id != begun:
            raise _MadeAnewError(
                f'"{name}" is a different machine now: it was created again in the meantime',
                hint=f'"ecsmachine rm {name}" removes that one.',
            )
        if not path_exists(store.directory(name) / "config.json"):
            if store.exists(name) and not journal.exists:
                raise UnrecordedError(name)
            if not journal.resources():
                return
            if journal.adopting:
                # nothing in the cloud was made for it, nor is it this store's by its tags
                report(f'The adoption of "{name}" was interrupted: its cloud resources stay')
                return
        if journal.resources() and not begun:
            _leave_swarm(store, name, report)
        driver = driver_for_removal(store, name, journal, report)
        if begun:
            self._join(driver)
        with _begun_removal(journal):
            driver.remove(journal, driver_report(name, report))

    def _join(self, driver: Driver) -> bool:
        """Let a driver ask the cloud together with others, if it is one that can."""
        if not isinstance(driver, RemovedTogether):
            return False
        with self._guard:
            if not any(driver.join_removal(other) for other in self._joined):
                self._joined.append(driver)
        return True

    def _keep_trace(self, name: str) -> None:
        """Keep what tells of a machine that is dropped, and warn whoever reads no progress."""
        for kept in self._store.set_aside_unreadable(name):
            self._store.warn(
                f"The unreadable files are kept: {kept}. The machine's cloud resources may still "
                'exist, and cost money: "ecsmachine sweep" finds those with its tags'
            )
        journal = self._store.abandon(name)
        if journal is not None:
            self._store.warn(
                f'{journal} lists resources that may still exist, and cost money: "ecsmachine '
                'sweep" removes them'
            )


@contextlib.contextmanager
def _begun_removal(journal: FileJournal) -> Iterator[None]:
    """Write down that what the journal lists is removed; one that is refused was not begun.

    A machine of which nothing has gone is whole: nobody makes it anew for a key that was wrong.
    """
    listed, begun_before = journal.resources(), journal.removing
    journal.begin_removal()
    try:
        yield
    except MachineError as error:
        if error.is_refusal and not begun_before and journal.resources() == listed:
            journal.end_removal()
        raise


class _MadeAnewError(MachineError):
    """The machine of that name is another one than that whose removal was begun."""


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
