"""The machine store on disk, in Docker Machine's layout.

::

    STORE/certs/            ca.pem ca-key.pem cert.pem key.pem
    STORE/machines/NAME/    config.json journal.json known_hosts id_rsa … server.pem …
    STORE/.locks/NAME       locks between processes
    STORE/.abandoned/       journals of machines that were dropped while the cloud refused
    STORE/jump_known_hosts  host keys of jump hosts that were new
    STORE/.store-id         names this store in the tags of what it makes
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ecsmachine.documents.fields import Fields, read_object
from ecsmachine.documents.rules import ID, JUMP, PATH
from ecsmachine.documents.text import read_file
from ecsmachine.drivers import registry
from ecsmachine.drivers.base import (
    Checkpoint,
    Driver,
    DriverContext,
    Report,
    no_checkpoint,
)
from ecsmachine.drivers.base_fields import config_fault
from ecsmachine.drivers.options import OptionValue
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.machine import files, migration, stored
from ecsmachine.machine.journal import FileJournal
from ecsmachine.machine.model import (
    AuthOptions,
    Machine,
    SwarmOptions,
    auth_options_from_config,
    to_config,
    with_unknown_fields,
)
from ecsmachine.machine.names import is_machine, is_there, names_in
from ecsmachine.machine.stored import (
    CONFIG_VERSION,
    ENGINE_FIELDS,
    SWARM_FIELDS,
    AdoptionCutOffError,
    MachineNotFoundError,
    UnrecordedError,
    given,
    is_component,
    without_secrets,
)
from ecsmachine.provision.base import EngineOptions
from ecsmachine.ssh.target import Jump
from ecsmachine.system.files import file_exists, folder_exists, move, sync_folder

_SHARED_LOCK_S = 120.0
"""How long another create may take to make what machines share, in seconds."""


class Store:
    """The machines below one folder.

    ``environment`` is the process's environment; drivers take their credentials from it. ``warn``
    is told what drivers have to say to the user. ``checkpoint`` is told of every change of a
    journal and every request of a driver.
    """

    def __init__(
        self,
        path: Path,
        environment: Mapping[str, str],
        warn: Report = lambda line: None,
        checkpoint: Checkpoint = no_checkpoint,
    ):
        self.path = path
        self.machines_path = path / "machines"
        """The folder that holds a folder for every machine."""
        self.abandoned_path = path / ".abandoned"
        """The folder of the journals of machines that were dropped."""
        self.environment = environment
        self.warn = warn
        self.checkpoint = checkpoint
        self.passphrases: dict[Path, str] = {}
        self._jumps: dict[str, Jump] = {}
        self._shared_locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def directory(self, name: str) -> Path:
        """Return the folder of a machine, whether it exists or not; "" is of none in particular.

        Raises :class:`MachineNotFoundError` for a name that would lead elsewhere.
        """
        if name:
            _check_inside(name)
        return self.machines_path / name

    def names(self) -> list[str]:
        """Return the names of all machines, in natural order (``web2`` before ``web10``)."""
        return names_in(self.machines_path)

    def exists(self, name: str) -> bool:
        """Whether there is a machine of that name, be it whole or damaged."""
        return is_component(name) and is_machine(self.directory(name))

    def is_taken(self, name: str) -> bool:
        """Whether anything is in the place of a machine's folder, be it no more than a file."""
        return is_component(name) and is_there(self.directory(name))

    def check_place(self, name: str) -> None:
        """Raise :class:`MachineError` if what is in the place of a machine's folder is none."""
        directory = self.directory(name)
        if self.is_taken(name) and not folder_exists(directory):
            raise MachineError(
                f"{directory} is not a folder, so not a machine",
                hint=f'"ecsmachine rm -f {name}" moves it aside.',
            )

    def store_id(self) -> str:
        """Return the name of this store in the tags of cloud resources; made at first use."""
        known = self._known_id()
        if known:
            return known
        with self.lock(".store-id"):
            if not self._known_id():
                path = self.path / ".store-id"
                files.write_atomically(path, f"{os.urandom(6).hex()}\n".encode())
            return self._known_id()

    @contextlib.contextmanager
    def lock(self, name: str, *, wait_s: float = 10.0) -> Iterator[None]:
        """Hold the lock of a machine for the length of a ``with`` block.

        What a process that died left of the machine's folder, on its way in or out or with nothing
        begun in it, is removed, and what it was writing there; so is what is left of others, whose
        keys may be in it.
        Raises :class:`MachineError` if another process holds it for longer than ``wait_s``, and
        :class:`MachineNotFoundError` for what cannot be a name.
        """
        with self._locked(
            name, what=f'Machine "{name}"', wait_s=wait_s, needed=lambda: self.is_taken(name)
        ):
            import shutil

            for remnant in self.machines_path.glob(f".*.{'[0-9a-f]' * 8}"):
                of = remnant.name[1:-9]
                with contextlib.suppress(MachineError), self._at_once(of, held=name):
                    shutil.rmtree(remnant, ignore_errors=True)
            if is_component(name):  # and not the lock of something else
                files.remove_unfinished(self.directory(name))
                if not self.exists(name):
                    shutil.rmtree(self.directory(name), ignore_errors=True)
            yield

    def _at_once(self, name: str, *, held: str) -> contextlib.AbstractContextManager[None]:
        """Hold the lock of a machine, unless it is ``held``.

        Raises :class:`MachineError` if it is not free at this moment, or nobody can tell.
        """
        if name == held:
            return contextlib.nullcontext()

        def unsure(line: str) -> None:
            raise MachineError(line)

        return files.locked(
            self._lock_path(name),
            what=name,
            wait_s=0,
            warn=unsure,
            needed=lambda: self.is_taken(name),
        )

    @contextlib.contextmanager
    def holding(self, name: str) -> Iterator[Machine]:
        """Hold the lock of a machine, and give the machine as it is then.

        Raises as :meth:`lock` and :meth:`load` do.
        """
        with self.lock(name):
            yield self.load(name)

    def temporary_directory(self, name: str) -> Path:
        """Return a folder for a machine on its way in or out, which no command takes for one."""
        return self.machines_path / f".{name}.{os.urandom(4).hex()}"

    @contextlib.contextmanager
    def shared_lock(self, what: str, *, file: str = "", stays: bool = True) -> Iterator[None]:
        """Keep other creates out while something is made that machines of this store share.

        Threads of this process wait in line; processes are kept out by a ``file``, which ``stays``
        and has the name of ``what`` it is about unless given.
        """
        file = f".{re.sub('[^A-Za-z0-9.-]', '_', file or what)}"
        kept_out = self._locked(file, what=what, wait_s=_SHARED_LOCK_S, needed=lambda: stays)
        with self._shared_locks[what], kept_out:
            yield

    @contextlib.contextmanager
    def new_instance(self, instance_id: object) -> Iterator[str]:
        """Keep others out while an instance of the cloud becomes a machine.

        Gives the name of the machine that it is already, or "".
        """
        if not instance_id:
            yield ""
            return

        def has_it(name: str) -> bool:
            try:
                return bool(self.config(name)["Driver"].get("InstanceId") == instance_id)
            except MachineError:  # what cannot be read says of no instance
                return False

        with self.shared_lock(f"instance {instance_id}"[:64], stays=False):
            yield next(filter(has_it, self.names()), "")

    @contextlib.contextmanager
    def _locked(
        self, file: str, *, what: str, wait_s: float, needed: Callable[[], bool] = lambda: True
    ) -> Iterator[None]:
        """Hold a lock file of the store; what is in its place, and is none, is set aside."""
        path = self._lock_path(file)
        for part, is_right in ((path.parent, Path.is_dir), (path, _is_lock_file)):
            if os.path.lexists(part) and not is_right(part):
                self.warn(f"{part} cannot be a lock, and was moved aside: {self.set_aside(part)}")
        with files.locked(path, what=what, wait_s=wait_s, warn=self.warn, needed=needed):
            yield

    def _lock_path(self, file: str) -> Path:
        """Return the path of a lock file. Raises as :meth:`directory` does."""
        _check_inside(file)
        return self.path / ".locks" / file

    def new_driver(
        self,
        driver_name: str,
        name: str,
        values: Mapping[str, OptionValue],
        *,
        to_be_made: bool = True,
        checkpoint: Checkpoint | None = None,
        jump: Jump | None = None,
        isolated: bool = False,
    ) -> Driver:
        """Return the driver of a new machine; nothing is written if it is not ``to_be_made``.

        ``checkpoint`` is told of its requests in place of the store's own.
        """
        if to_be_made:
            self.store_id()
        context = replace(
            self.context(name),
            checkpoint=checkpoint or self.checkpoint,
            jump=jump,
            isolated=isolated,
        )
        return registry.new(driver_name, context, values)

    def config(self, name: str) -> dict[str, Any]:
        """Return what ``config.json`` of a machine holds, as version 3 has it.

        Raises :class:`MachineNotFoundError`, or :class:`MachineError` if it is damaged.
        """
        if not self.exists(name):
            raise MachineNotFoundError(name)
        fault = config_fault(name, self.directory(name))
        try:
            content = read_file(self.directory(name) / "config.json", fault)
        except FileNotFoundError:
            raise self._without_config(name) from None
        config = stored.config_in(content, name, fault)
        migrated = migration.migrate(config, name, self.directory(name))
        stored.check_objects(Fields(migrated, fault))
        return migrated

    def _without_config(self, name: str) -> MachineError:
        """Return the error for a machine whose ``config.json`` is not there, by its journal."""
        journal = self.journal(name)
        if journal.adopting:
            return AdoptionCutOffError(name)
        if journal.complete:
            return MachineError(
                f'Machine "{name}" has no config.json',
                hint="Restore the file from a backup, or remove the machine, by its journal, with "
                f'"ecsmachine rm {name}".',
            )
        if not journal.exists:
            return UnrecordedError(name)
        return MachineError(
            f'Machine "{name}" has no config.json: its create was interrupted at the start',
            hint=f'Use "ecsmachine rm {name}", then create it again.',
        )

    def load(self, name: str) -> Machine:
        """Return the machine of that name.

        Raises :class:`MachineNotFoundError`, or :class:`MachineError` if it is damaged.
        """
        fields = Fields(self.config(name), config_fault(name, self.directory(name)))
        host, driver = fields.object("HostOptions"), fields.object("Driver")
        auth = self._auth(name, fields)
        context = replace(self.context(name), jump=auth.jump)
        try:
            loaded = registry.load(fields.required("DriverName", ID), context, driver.values)
        except UsageError as error:  # it was not used wrongly now, but written by another program
            raise MachineError(f'Machine "{name}": {error.message}', hint=error.hint) from error
        return Machine(
            name=name,
            driver=loaded,
            auth=auth,
            # what is absent or null keeps its default
            engine=EngineOptions(**given(host.object("EngineOptions"), ENGINE_FIELDS)),
            swarm=SwarmOptions(**given(host.object("SwarmOptions"), SWARM_FIELDS)),
        )

    def auth(self, name: str) -> AuthOptions:
        """Return where a machine's certificates are. Raises as :meth:`load` does."""
        fields = Fields(self.config(name), config_fault(name, self.directory(name)))
        return self._auth(name, fields)

    def _auth(self, name: str, fields: Fields) -> AuthOptions:
        host = fields.object("HostOptions")
        auth = auth_options_from_config(
            host.object("AuthOptions"),
            self.path,
            fields.object("Driver").text("StorePath", PATH, str(self.path)),
            name,
        )
        return replace(auth, jump=self.jump(host.text("SSHJump", JUMP)))

    def jump(self, text: str) -> Jump | None:
        """Return the jump host that ``USER@HOST[:PORT]`` names, the same for all machines of it.

        None for "". Raises :class:`UsageError` for another text.
        """
        if not text:
            return None
        from ecsmachine.ssh.jump import JumpHost, target_of

        if text not in self._jumps:
            self._jumps[text] = JumpHost(target_of(text), self.path / "jump_known_hosts")
        return self._jumps[text]

    def save(self, machine: Machine) -> None:
        """Write the machine's ``config.json``, making its folder if need be.

        Fields of other programs stay in it. One of an older version is kept beside it, as
        ``config.json.bak``.
        """
        with self.saving(machine):
            pass

    @contextlib.contextmanager
    def saving(self, machine: Machine) -> Iterator[None]:
        """Save the machine as :meth:`save` does once the block has come to its end.

        What cannot be written is found out before the block is begun.
        """
        files.make_private_directory(machine.directory)
        path = machine.directory / "config.json"
        _keep_older_version(path)
        config = to_config(machine)
        with contextlib.suppress(MachineError):  # what cannot be read is replaced
            config = with_unknown_fields(config, self.config(machine.name))
        with files.prepared(path, files.as_json(config)):
            yield

    def journal(self, name: str) -> FileJournal:
        """Return the journal of a machine; an empty one if it has none."""
        return FileJournal(self.directory(name) / "journal.json", self.checkpoint)

    def remove(self, name: str) -> None:
        """Remove the folder of a machine, all at once for whoever looks on.

        Of one that is a link elsewhere, the link alone is removed.
        """
        directory = self.directory(name)
        doomed = self.temporary_directory(name)
        try:
            move(directory, doomed)
            sync_folder(directory.parent)
            files.remove_tree(doomed)
        except FileNotFoundError:
            return
        except OSError as error:
            raise files.not_writable(directory, error) from error

    def make_room(self, name: str) -> None:
        """Remove what a machine's folder has beside configuration and journal."""
        for path in self.directory(name).glob("*"):
            if path.name not in ("config.json", "journal.json"):
                with contextlib.suppress(OSError):
                    files.remove_tree(path)

    def set_aside(self, path: Path) -> Path:
        """Move what cannot be read, or is not what it must be, below ``.abandoned``.

        Returns where it is then.
        """
        there = self.abandoned_path
        if os.path.lexists(there) and not folder_exists(there):
            files.set_aside(there, self.path)
        return files.set_aside(path, there)

    def set_aside_unreadable(self, name: str) -> list[Path]:
        """Set aside what cannot be read of a machine, and return where it is then."""
        directory = self.directory(name)
        if not folder_exists(directory):
            return [self.set_aside(directory)] if self.is_taken(name) else []
        kept = []
        for read, file in ((self.journal, "journal.json"), (self.config, "config.json")):
            try:
                read(name)
            except MachineError:
                if os.path.lexists(directory / file):
                    kept.append(self.set_aside(directory / file))
        return kept

    def abandon(self, name: str) -> Path | None:
        """Keep the journal of a machine that is dropped with cloud resources still there.

        Beside what the journal holds, ``Machine``, ``DriverName`` and ``Driver`` say whose it is,
        so that ``sweep`` can look in the right account. Returns where it is kept, or None if the
        journal lists nothing.
        """
        journal = self.journal(name)
        if not journal.resources():
            return None
        content = {**journal.content(), "Machine": name}
        with contextlib.suppress(MachineError):
            config = without_secrets(self.config(name))
            content.update(DriverName=config.get("DriverName"), Driver=config["Driver"])
        kept = self.abandoned_path / f"{name}-{os.urandom(4).hex()}.json"
        files.make_private_directory(kept.parent)
        files.write_json(kept, content)
        return kept

    def machines(self) -> Iterator[tuple[str, Machine | MachineError]]:
        """Yield every machine by name; in place of one that cannot be loaded, the error."""
        for name in self.names():
            try:
                yield name, self.load(name)
            except MachineError as error:
                yield name, error

    def context(self, name: str) -> DriverContext:
        """Return what the driver of a machine is told; ``name`` need not be in the store."""
        return DriverContext(
            machine_name=name,
            store_path=self.path,
            directory=self.directory(name),
            store_id=self._known_id(),
            environment=self.environment,
            warn=self.warn,
            passphrases=self.passphrases,
            shared_lock=self.shared_lock,
            checkpoint=self.checkpoint,
        )

    def _known_id(self) -> str:
        """Return the name of this store, or "" if it has none yet.

        Raises :class:`MachineError` if it cannot be read: what the store made would look foreign.
        """
        path = self.path / ".store-id"

        def fault(reason: str) -> MachineError:
            return MachineError(
                f"The id of this store cannot be read: {path}: {reason}",
                hint="Restore the file: the tags of this store's resources hold the id.",
            )

        return stored.store_id(path, fault)


def _check_inside(name: str) -> None:
    """Raise :class:`MachineNotFoundError` for a name that leads out of its folder, or to it."""
    if not is_component(name.removeprefix(".")):
        raise MachineNotFoundError(name)


def _is_lock_file(path: Path) -> bool:
    return file_exists(path) and not path.is_symlink()


def _keep_older_version(path: Path) -> None:
    """Copy a configuration that an older Docker Machine wrote, before it is replaced."""
    with contextlib.suppress(MachineError, FileNotFoundError):
        content = read_file(path, MachineError)
        if read_object(content, MachineError).number("ConfigVersion") < CONFIG_VERSION:
            files.write_atomically(path.with_name(f"{path.name}.bak"), content)
