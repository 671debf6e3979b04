"""The state of the local cloud: in memory for reading, in SQLite for storage.

The daemon opens it once, before it serves::

    state = open_state(root, Settings(region="cn-hangzhou", public_pool="198.18.7.0/24"))

The first ``open_state`` on a folder makes ``ROOT/cloud.sqlite`` (mode 0600) with an account, its
access key pair, a default VPC and a default VSwitch. Later calls read it: the region and the
addresses stay; of the settings only ``delays`` and an access key apply again.

A daemon or ``local env`` reads from it: ``state.account.access_key_id``,
``state.account.access_key_secret``, ``state.region``, ``state.default_vpc_id``,
``state.default_vswitch_id``, ``state.public_pool``, ``len(state.instances)``.

Every change is made in ``with state.transaction():``, which holds the lock, writes to SQLite in
one transaction, and rolls everything back (in memory too) when the block raises. Pass work that
must happen only after a commit (work on guests) to ``state.after_commit``.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import string
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ecsmachine.localcloud.catalog.regions import known_region
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.authentication import AccessKey
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.errors import unusable_database
from ecsmachine.localcloud.protocol.identifiers import default_resource_group, new_id
from ecsmachine.localcloud.state import FILE_NAME, records
from ecsmachine.localcloud.state.balancers import LoadBalancer, ServerCertificate, ServerGroup
from ecsmachine.localcloud.state.clusters import Cluster, Project, Trigger, Volume
from ecsmachine.localcloud.state.commands import Command, Invocation
from ecsmachine.localcloud.state.model import (
    Account,
    CustomImage,
    Disk,
    Eip,
    Instance,
    KeyPair,
    LaunchTemplate,
    NetworkInterface,
    Removal,
    RouteEntry,
    SecurityGroup,
    Session,
    Snapshot,
    TagSet,
    TokenUse,
    Vpc,
    VSwitch,
)
from ecsmachine.localcloud.state.settings import (
    Offer,
    Settings,
    StateError,
    access_key_of,
    check_settings,
)
from ecsmachine.localcloud.state.tables import ResourceTable, Table

SCHEMA_VERSION = 1


class State:
    """The resources, their tables, and the transaction that changes them. See the module."""

    def __init__(self, connection: sqlite3.Connection, root: Path, settings: Settings) -> None:
        self.root = root
        self.delays = settings.delays
        self._settings = settings
        self.lock = threading.RLock()
        self.instances = ResourceTable(
            Instance,
            self,
            refusals.INSTANCE_NOT_FOUND,
            "instance",
            is_visible=lambda instance: instance.visible_at <= time.time(),
        )
        self.network_interfaces = ResourceTable(
            NetworkInterface, self, refusals.INTERFACE_NOT_FOUND, "eni"
        )
        self.disks = ResourceTable(Disk, self, refusals.DISK_NOT_FOUND, "disk")
        self.custom_images = ResourceTable(CustomImage, self, refusals.IMAGE_NOT_FOUND, "image")
        self.launch_templates = ResourceTable(
            LaunchTemplate, self, refusals.LAUNCH_TEMPLATE_NOT_FOUND, "launchtemplate"
        )
        self.snapshots = ResourceTable(Snapshot, self, refusals.SNAPSHOT_NOT_FOUND, "snapshot")
        self.vpcs = ResourceTable(Vpc, self, refusals.VPC_NOT_FOUND, "vpc")
        self.vswitches = ResourceTable(VSwitch, self, refusals.VSWITCH_NOT_FOUND, "vswitch")
        self.route_entries = ResourceTable(RouteEntry, self, refusals.ROUTE_ENTRY_NOT_FOUND)
        self.security_groups = ResourceTable(
            SecurityGroup, self, refusals.SECURITY_GROUP_NOT_FOUND, "securitygroup"
        )
        self.key_pairs = ResourceTable(
            KeyPair, self, refusals.KEY_PAIR_NOT_FOUND, "keypair", key="key_id", named_by="name"
        )
        self.eips = ResourceTable(Eip, self, refusals.EIP_NOT_FOUND, "eip")
        self.load_balancers = ResourceTable(
            LoadBalancer, self, refusals.LOAD_BALANCER_NOT_FOUND, "loadbalancer"
        )
        self.server_groups = ResourceTable(
            ServerGroup, self, refusals.SERVER_GROUP_NOT_FOUND, "vservergroup"
        )
        self.server_certificates = ResourceTable(
            ServerCertificate, self, refusals.CERTIFICATE_NOT_FOUND, "certificate"
        )
        self.commands = ResourceTable(Command, self, refusals.COMMAND_NOT_FOUND, "command")
        self.invocations = ResourceTable(
            Invocation, self, refusals.INVOCATION_NOT_FOUND, "invocation"
        )
        self.tag_sets: Table[TagSet] = Table(TagSet, self)
        self.tokens: Table[TokenUse] = Table(TokenUse, self)
        self.sessions: Table[Session] = Table(Session, self)
        self.removals: Table[Removal] = Table(Removal, self)
        self.clusters: Table[Cluster] = Table(Cluster, self)
        self.projects: Table[Project] = Table(Project, self)
        self.volumes: Table[Volume] = Table(Volume, self)
        self.triggers: Table[Trigger] = Table(Trigger, self)
        self.offers: Table[Offer] = Table(Offer, self)
        self._tables: tuple[Table[Any], ...] = tuple(
            value for value in vars(self).values() if isinstance(value, Table)
        )
        self._connection = connection
        self._depth = 0
        self._undo: list[tuple[Table[Any], dict[str, Any]]] = []
        self._writes: dict[tuple[str, str], Any] = {}
        self._callbacks: list[Callable[[], None]] = []
        self._watches: list[tuple[frozenset[str], Callable[[], None]]] = []
        self._meta = self._open(settings)

    @property
    def region(self) -> str:
        """The home region: the one with the default VPC."""
        return self._meta["region"]

    @property
    def account(self) -> Account:
        """The account and its access key pair."""
        return Account(
            self._meta["account_id"], self._meta["access_key_id"], self._meta["access_key_secret"]
        )

    def access_key(self, key_id: str) -> AccessKey | None:
        """Return the account's own key or a temporary one, by its id."""
        if key_id == self.account.access_key_id:
            return AccessKey(self.account.access_key_secret)
        session = self.sessions.get(key_id)
        if session is None:
            return None
        return AccessKey(session.access_key_secret, session.security_token, session.expires)

    @property
    def public_pool(self) -> str:
        """The network that public addresses come from."""
        return self._meta["public_pool"]

    @property
    def reserved(self) -> frozenset[str]:
        """Addresses that no instance ever gets."""
        return frozenset(self._meta["reserved"].split())

    @property
    def offer(self) -> Offer:
        """Stock, prices and quotas: the seed's, or the usual ones."""
        return next(iter(self.offers), None) or Offer()

    @property
    def default_vpc_id(self) -> str:
        """The id of the home region's default VPC ("" once it was deleted)."""
        return next((v.id for v in self.vpcs if v.is_default and v.region == self.region), "")

    @property
    def default_vswitch_id(self) -> str:
        """The id of the default VPC's default VSwitch ("" once it was deleted)."""
        vpc_id = self.default_vpc_id
        return next((v.id for v in self.vswitches if v.is_default and v.vpc_id == vpc_id), "")

    def tagged_table(self, kind: str) -> ResourceTable[Any] | None:
        """Return the table of what TagResources calls ``kind`` (in lower case), or None."""
        return next(
            (
                table
                for table in self._tables
                if isinstance(table, ResourceTable) and table.tagged_as == kind
            ),
            None,
        )

    def forget_rest(self) -> None:
        """Remove everything except the default network and pending removals on the host.

        If there is no default network, create one. Only inside a transaction.
        """
        kept = {self.default_vpc_id, self.default_vswitch_id}
        for table in self._tables:
            if table is not self.removals:
                for key in table.rows().keys() - kept:
                    table.remove(key)
        if "" in kept:
            for key in kept - {""}:
                self.vpcs.remove(key)
            self._make_default_network(self._settings, self.account.id)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the lock; keep all changes of the block, or none. Blocks may be nested."""
        callbacks: list[Callable[[], None]] = []
        with self.lock:
            self._depth += 1
            try:
                yield
                if self._depth == 1:
                    changed = {kind for kind, _ in self._writes}
                    self._write()
                    callbacks, self._callbacks = self._callbacks, []
                    callbacks += [call for kinds, call in self._watches if kinds & changed]
            except BaseException:
                if self._depth == 1:
                    self._take_back()
                raise
            finally:
                self._depth -= 1
        for callback in callbacks:
            callback()

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once the running transaction is written, and not if it fails.

        Outside of a transaction it is called at once. It may be called from any thread.
        """
        with self.lock:
            if self._depth:
                self._callbacks.append(callback)
                return
        callback()

    def watch(self, tables: Iterable[Table[Any]], callback: Callable[[], None]) -> None:
        """Call ``callback`` after every transaction that changed one of the tables."""
        self._watches.append((frozenset(table.name for table in tables), callback))

    def close(self) -> None:
        """Close the database; the state is not used any more afterwards."""
        with self.lock:
            self._connection.close()

    def changed(self, table: Table[Any], key: str, new: Any) -> None:
        """Note a change of a table, to be written or taken back."""
        if self._depth == 0:
            raise RuntimeError("the state is changed outside a transaction")
        if all(table is not changed for changed, _ in self._undo):
            self._undo.append((table, table.rows()))
        self._writes[(table.name, key)] = new

    def _write(self, new_meta: Mapping[str, str] = MappingProxyType({})) -> None:
        if not self._writes:
            return
        cursor = self._connection.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        try:
            cursor.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", new_meta.items())
            for (kind, key), value in self._writes.items():
                if value is None:
                    cursor.execute("DELETE FROM resource WHERE kind=? AND id=?", (kind, key))
                else:
                    cursor.execute(
                        "INSERT INTO resource (kind, id, body) VALUES (?, ?, ?) "
                        "ON CONFLICT (kind, id) DO UPDATE SET body=excluded.body",
                        (kind, key, records.dump(value)),
                    )
            cursor.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                cursor.execute("ROLLBACK")
            raise
        self._writes.clear()
        self._undo.clear()

    def _take_back(self) -> None:
        for table, rows in self._undo:
            table.restore(rows)
        self._undo.clear()
        self._writes.clear()
        self._callbacks.clear()

    def _open(self, settings: Settings) -> dict[str, str]:
        meta = dict(self._connection.execute("SELECT name, value FROM meta").fetchall())
        if not meta:
            with self.transaction():
                meta = _new_meta(settings)
                self._make_default_network(settings, meta["account_id"])
                # One transaction for the settings and the network: half a cloud is never found.
                self._write(meta)
            return meta
        if settings.access_key_id:
            meta |= access_key_of(settings)
            self._connection.executemany(
                "UPDATE meta SET value=? WHERE name=?",
                [(value, name) for name, value in access_key_of(settings).items()],
            )
        for table in self._tables:
            rows = self._connection.execute(
                "SELECT id, body FROM resource WHERE kind=? ORDER BY position", (table.name,)
            )
            table.restore({key: self._read(table.kind, key, body) for key, body in rows})
        return meta

    def _read(self, kind: type[Any], key: str, body: str) -> Any:
        try:
            return records.load(kind, body)
        except records.RecordError as error:
            raise StateError(
                f"{self.root / FILE_NAME}: the {kind.__name__} {key} cannot be read: {error}",
                hint="Start over: ecsmachine local reset",
            ) from None

    def _make_default_network(self, settings: Settings, account_id: str) -> None:
        vpc = Vpc(
            id=new_id("vpc", settings.region),
            region=settings.region,
            name="",
            description="System created default VPC.",
            cidr=settings.vpc_cidr,
            created=timestamp(),
            vrouter_id=new_id("vrt", settings.region),
            route_table_id=new_id("vtb", settings.region),
            is_default=True,
            resource_group_id=default_resource_group(account_id),
        )
        self.vpcs.put(vpc)
        self.vswitches.put(
            VSwitch(
                id=new_id("vsw", settings.region),
                region=settings.region,
                zone=known_region(settings.region).zones[0].id,
                vpc_id=vpc.id,
                name="",
                description="System created default virtual switch.",
                cidr=settings.vswitch_cidr,
                created=timestamp(),
                is_default=True,
                resource_group_id=vpc.resource_group_id,
            )
        )


def open_state(root: Path, settings: Settings | None = None) -> State:
    """Open the state in ``root``, or make it there.

    The folder is made (0700) if it is missing. Raises :class:`StateError` when the settings are
    wrong or the file was written by a newer version.
    """
    settings = settings or Settings()
    check_settings(settings)
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = root / FILE_NAME
    # Made before SQLite opens it, so that nobody else can ever read it.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _make_tables(connection, path)
        return State(connection, root, settings)
    except sqlite3.DatabaseError as error:
        connection.close()
        told = unusable_database(error, path)
        raise StateError(told.message, hint=told.hint) from error
    except BaseException:
        connection.close()
        raise


def _make_tables(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA secure_delete=ON")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise StateError(f"{path} was written by a newer version (format {version})")
    if version == 0:
        connection.executescript(
            f"""
            BEGIN IMMEDIATE;
            CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
            CREATE TABLE resource (
                position INTEGER PRIMARY KEY AUTOINCREMENT,
                kind TEXT NOT NULL,
                id TEXT NOT NULL,
                body TEXT NOT NULL,
                UNIQUE (kind, id)
            );
            PRAGMA user_version = {SCHEMA_VERSION};
            COMMIT;
            """
        )


def _new_meta(settings: Settings) -> dict[str, str]:
    return {
        "region": settings.region,
        "public_pool": settings.public_pool,
        "reserved": " ".join(settings.reserved),
        "account_id": "1" + "".join(secrets.choice(string.digits) for _ in range(15)),
        **access_key_of(settings),
        "created": timestamp(),
    }
