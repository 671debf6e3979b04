"""The faults of one cloud, on disk: added and removed by anyone, struck by its daemon.

They are in a file of their own in the cloud's folder, so that another process (the command
line, a test) can change them while the cloud is up, and they outlast it.
"""

from __future__ import annotations

import json
import logging
import os
import random
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ecsmachine.localcloud.faults.fault import Fault, check
from ecsmachine.localcloud.host.paths import CloudPaths
from ecsmachine.localcloud.protocol.errors import unusable_database
from ecsmachine.localcloud.state import records

LOG = logging.getLogger("ecsmachine.localcloud")


@dataclass(frozen=True)
class Entry:
    """A fault in the book. ``seen``: how often it could have struck; ``struck``: how often it did.

    ``instances``: for a fault of guests, which were seen, and whether it strikes them.
    """

    id: int
    fault: Fault
    seen: int = 0
    struck: int = 0
    instances: dict[str, bool] = field(default_factory=dict)

    def as_data(self) -> dict[str, Any]:
        """Return the fault as JSON data: its values and its counts."""
        plain = {name: value for name, value in asdict(self.fault).items() if value}
        return {"id": self.id, **plain, "struck": self.struck, "spent": self.spent}

    @property
    def spent(self) -> bool:
        """Whether it will not strike any more (other instances than it has struck already)."""
        done = sum(self.instances.values()) if self.fault.target == "instance" else self.struck
        return bool(self.fault.limit) and done >= self.fault.limit


class FaultBook:
    """The faults of the cloud in a folder. Its methods may be called from any thread.

    ``check_reach`` refuses a fault that can never strike.
    All raise :class:`LocalCloudError` if the file is unusable.
    """

    def __init__(self, root: Path, check_reach: Callable[[Fault], None] | None = None) -> None:
        self._check_reach = check_reach
        self._file = CloudPaths(root).faults_file
        self._lock = threading.RLock()
        self._entries: dict[int, Entry] = {}
        self._seen_version = -1
        self._changes = 0
        self._unreadable: set[int] = set()
        # Made before SQLite opens it, so that nobody else can ever read it.
        os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))
        self._connection = sqlite3.connect(
            self._file, isolation_level=None, check_same_thread=False
        )
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
            # A power cut loses only a count.
            self._connection.execute("PRAGMA synchronous=OFF")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS fault (id INTEGER PRIMARY KEY AUTOINCREMENT, "
                "body TEXT NOT NULL, seen INTEGER NOT NULL DEFAULT 0, "
                "struck INTEGER NOT NULL DEFAULT 0, instances TEXT NOT NULL DEFAULT '{}')"
            )
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise unusable_database(error, self._file) from error

    def close(self) -> None:
        """Close the file; the book is not used any more afterwards."""
        with self._lock:
            self._connection.close()

    def add(self, fault: Fault) -> int:
        """Add a fault and return its id; it strikes from now on. Raises ``FaultError``."""
        check(fault)
        if self._check_reach is not None:
            self._check_reach(fault)
        with self._lock:
            cursor = self._run("INSERT INTO fault (body) VALUES (?)", records.dump(fault))
            self._read()
            return int(cursor.lastrowid or 0)

    def remove(self, fault_id: int) -> bool:
        """Remove a fault; return whether there was one with this id."""
        with self._lock:
            cursor = self._run("DELETE FROM fault WHERE id=?", fault_id)
            self._read()
            return cursor.rowcount > 0

    def clear(self) -> int:
        """Remove all faults; return how many there were."""
        with self._lock:
            cursor = self._run("DELETE FROM fault")
            self._read()
            return cursor.rowcount

    def entries(self) -> list[Entry]:
        """Return the faults, oldest first."""
        with self._lock:
            self._refresh()
            return list(self._entries.values())

    @property
    def changes(self) -> int:
        """A number that is another one after faults were added or removed by anyone."""
        with self._lock:
            self._refresh()
            return self._changes

    def strike(self, could: Callable[[Fault], bool]) -> list[Entry]:
        """Count one request or download for each fault that ``could`` strike it.

        Returns those that do, oldest first.
        """
        with self._lock:
            self._refresh()
            return [
                entry
                for entry in [e for e in self._entries.values() if could(e.fault)]
                if self._strikes_next(entry)
            ]

    def meant(self, could: Callable[[Fault], bool]) -> list[Entry]:
        """Return the faults that ``could`` strike and are not spent; nothing is counted."""
        return [entry for entry in self.entries() if could(entry.fault) and not entry.spent]

    def strikes_instance(self, entry_id: int, instance_id: str) -> bool:
        """Return whether a fault of guests strikes this one: decided once for each instance."""
        with self._lock:
            self._refresh()
            entry = self._entries.get(entry_id)
            if entry is None:
                return False
            if instance_id in entry.instances:
                return entry.instances[instance_id]
            seen = entry.seen + 1
            strikes = _decide(entry.fault, seen, sum(entry.instances.values()))
            self._store(entry, seen, entry.struck, {**entry.instances, instance_id: strikes})
            return strikes

    def count(self, entry_id: int, more: int = 1) -> None:
        """Count that a fault has struck."""
        with self._lock:
            self._refresh()
            entry = self._entries.get(entry_id)
            if entry is not None and more:
                self._store(entry, entry.seen, entry.struck + more, entry.instances)

    def _strikes_next(self, entry: Entry) -> bool:
        seen = entry.seen + 1
        strikes = _decide(entry.fault, seen, entry.struck)
        self._store(entry, seen, entry.struck + strikes, entry.instances)
        return strikes

    def _store(self, entry: Entry, seen: int, struck: int, instances: dict[str, bool]) -> None:
        self._run(
            "UPDATE fault SET seen=?, struck=?, instances=? WHERE id=?",
            *(seen, struck, json.dumps(instances), entry.id),
        )
        self._entries[entry.id] = Entry(entry.id, entry.fault, seen, struck, instances)

    def _refresh(self) -> None:
        # It changes when another connection has written.
        (version,) = self._run("PRAGMA data_version").fetchone()
        if version != self._seen_version:
            self._seen_version = version
            self._read()

    def _read(self) -> None:
        before = set(self._entries)
        rows = self._run("SELECT id, body, seen, struck, instances FROM fault ORDER BY id")
        self._entries = {row[0]: entry for row in rows if (entry := self._entry(*row)) is not None}
        if before != set(self._entries):
            self._changes += 1

    def _run(self, statement: str, *values: object) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement, values)
        except sqlite3.DatabaseError as error:
            raise unusable_database(error, self._file) from error

    def _entry(
        self, fault_id: int, body: str, seen: int, struck: int, instances: str
    ) -> Entry | None:
        """Return a fault; None for one of another version, which strikes nobody here."""
        try:
            fault, known = records.load(Fault, body), records.load(dict[str, bool], instances)
        except records.RecordError as error:
            if fault_id not in self._unreadable:
                LOG.warning("%s: fault %d is ignored: %s", self._file, fault_id, error)
                self._unreadable.add(fault_id)
            return None
        return Entry(fault_id, fault, seen, struck, known)


def _decide(fault: Fault, number: int, struck: int) -> bool:
    """Return whether a fault that has ``struck`` so often strikes the ``number``-th time."""
    if number < fault.nth or (fault.limit and struck >= fault.limit):
        return False
    if fault.probability >= 1:
        return True
    # The number is part of the seed, so that a restart of the cloud changes nothing.
    return random.Random(f"{fault.seed}/{number}").random() < fault.probability  # noqa: S311
