"""A machine in one file, encrypted with a passphrase: from one person's store to another's.

The file is a line that names the format, a line of JSON with the parameters of the key
derivation, and a tar archive under AES-256-GCM; both lines are authenticated with it. The
archive holds files of known names alone: what a machine's folder has, without the CA's key.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecsmachine.documents.fields import Fields, read_object
from ecsmachine.drivers import registry
from ecsmachine.drivers.base_fields import DamagedConfigError
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.machine import files
from ecsmachine.machine.journal import FileJournal
from ecsmachine.machine.model import AuthOptions, auth_to_config, validate_name
from ecsmachine.machine.store import Store
from ecsmachine.machine.stored import AdoptionCutOffError, MachineNotFoundError, without_secrets
from ecsmachine.ssh import host_keys
from ecsmachine.system.files import file_exists, move, sync_folder

SHORTEST_PASSPHRASE = 8
"""How many characters a passphrase has at least."""

LONGEST_FILE = 4 << 20
"""How long an exported machine may be, in bytes; a real one has about 30,000."""

_MAGIC = b"ecsmachine-export 1\n"
_ENTRIES = {
    "config.json": 0o600,
    "journal.json": 0o600,
    "known_hosts": 0o600,
    "id_rsa": 0o600,
    "id_rsa.pub": 0o600,
    "ca.pem": 0o644,
    "cert.pem": 0o644,
    "key.pem": 0o600,
    "server.pem": 0o644,
    "server-key.pem": 0o600,
}
"""The files of a machine that travel, and the permissions that they get."""

_CLIENT = {"ca.pem", "cert.pem", "key.pem"}
"""Those without which nobody gets at the engine."""

_LONGEST_ENTRY = 256 << 10
_SCRYPT = {"n": 1 << 17, "r": 8, "p": 1}
_MOST_SCRYPT = {"n": 1 << 18, "r": 16, "p": 4}
"""More is not worked on: a file must not be able to use up the memory."""

_UNREADABLE = "This is not a machine that ecsmachine exported"
_UNUSABLE = "The file holds a machine that cannot be used"
_DISTRUST = "Nothing was imported. Do not trust its source."


def export_machine(store: Store, name: str, passphrase: str) -> bytes:
    """Return a machine with its keys, encrypted.

    Secrets of the cloud account that Docker Machine left in the configuration stay behind, and so
    does the CA's key. Raises :class:`MachineError`; :class:`UsageError` for a passphrase that is
    too short.
    """
    check_passphrase(passphrase)
    if not store.exists(name):
        raise MachineNotFoundError(name)
    with store.holding(name) as machine:
        journal = store.journal(name)
        if journal.adopting:
            raise AdoptionCutOffError(name)
        if journal.exists and not journal.complete:
            raise MachineError(
                f'Machine "{name}" is incomplete: its create was interrupted',
                hint=f'Finish it with "ecsmachine create --resume {name}" first.',
            )
        paths = {
            entry: (machine.auth.client_dir if entry in _CLIENT else machine.directory) / entry
            for entry in _ENTRIES
        }
        contents = {entry: path.read_bytes() for entry, path in paths.items() if file_exists(path)}
        contents["config.json"] = json.dumps(without_secrets(store.config(name))).encode()
        if "id_rsa" not in contents:
            key_path = None
            with contextlib.suppress(MachineError):  # no login is known, or no address
                key_path = machine.ssh_target().key_path
            if key_path is not None and file_exists(key_path):
                contents["id_rsa"] = key_path.read_bytes()
    missing = _CLIENT - set(contents)
    if missing:
        raise MachineError(
            f'Machine "{name}" has no {", ".join(sorted(missing))} in {machine.directory}',
            hint="Its create did not finish.",
        )
    return _encrypted(_archive(contents), passphrase)


def import_machine(store: Store, content: bytes, passphrase: str, *, name: str = "") -> str:
    """Put an exported machine into the store, as ``name`` if given, and return its name.

    It uses the certificates that came with it, from its own folder; the store's CA is not
    touched. Raises :class:`MachineError`, and nothing is written then.
    """
    entries = _entries(_decrypted(content, passphrase))
    config = _checked_config(entries)
    name = validate_name(name or config.text("Name"))
    instance = config.object("Driver").values.get("InstanceId")
    with store.lock(name), store.new_instance(instance) as there:
        store.check_place(name)
        if there not in ("", name):
            raise MachineError(
                f'Instance {instance} is already the machine "{there}" of this store',
                hint="Import it into another store, with --storage-path: if one of two machines "
                "is removed, the instance is gone for both.",
            )
        if store.exists(name):
            raise MachineError(
                f'Docker machine "{name}" already exists',
                hint="It is the same instance: there is nothing to import."
                if there
                else "Import it under another name with --name.",
            )
        directory = store.directory(name)
        entries["config.json"] = json.dumps(
            _relocated(config, store.path, directory, name, "id_rsa" in entries), indent=4
        ).encode()
        if "known_hosts" in entries:
            entries["known_hosts"] = _renamed_pin(entries["known_hosts"], directory)
        files.make_private_directory(store.machines_path)
        arriving = store.temporary_directory(name)
        try:
            files.make_private_directory(arriving)
            for entry, data in entries.items():
                files.write_atomically(arriving / entry, data, mode=_ENTRIES[entry])
            FileJournal(arriving / "journal.json")
            move(arriving, directory)
            sync_folder(store.machines_path)
        except BaseException:
            shutil.rmtree(arriving, ignore_errors=True)
            raise
        try:
            store.load(name)
        except BaseException as error:
            store.remove(name)
            if isinstance(error, DamagedConfigError):
                raise MachineError(
                    f"{_UNUSABLE}: config.json: {error.reason}", hint=_DISTRUST
                ) from error
            raise
    return name


def others_of_the_same_ca(store: Store, name: str) -> list[str]:
    """Return the other machines whose engines accept the client certificate of that one."""
    own = _read(store.directory(name) / "ca.pem")
    return [
        other
        for other in store.names()
        if other != name and own and _read(store.directory(other) / "ca.pem") == own
    ]


def check_passphrase(passphrase: str) -> None:
    """Raise :class:`UsageError` for a passphrase that is too short to protect anything."""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise UsageError(
            f"The passphrase is too short: it has fewer than {SHORTEST_PASSPHRASE} characters",
            hint="Choose a longer one: whoever has it and the file is root on the machine.",
        )


def _archive(contents: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = _ENTRIES[name]
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _entries(archive: bytes) -> dict[str, bytes]:
    """Return the files of an archive: plain files of known names and sizes, or none at all."""
    entries: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as opened:
            for entry in opened:
                if entry.name not in _ENTRIES or not entry.isreg() or entry.name in entries:
                    raise MachineError(
                        f"The file holds an entry that does not belong there: {entry.name[:100]!r}",
                        hint=_DISTRUST,
                    )
                if entry.size > _LONGEST_ENTRY:
                    raise _unreadable(f"{entry.name} is too long: {entry.size} bytes")
                stream = opened.extractfile(entry)
                entries[entry.name] = stream.read() if stream else b""
    except (tarfile.TarError, OSError, ValueError, EOFError) as error:
        raise _unreadable(str(error)) from error
    return entries


def _checked_config(entries: Mapping[str, bytes]) -> Fields:
    if not {"config.json", *_CLIENT} <= set(entries):
        raise _unreadable("something is missing")
    config = read_object(
        entries["config.json"], lambda reason: _unreadable(f"config.json: {reason}")
    )
    if not config.has("Driver") or config.text("DriverName") not in registry.driver_names():
        raise _unreadable("config.json: its driver is not installed")
    return config


def _relocated(
    config: Fields, store_path: Path, directory: Path, name: str, has_key: bool
) -> dict[str, Any]:
    """Return a configuration whose every path is in the machine's folder of this store."""
    driver = {
        **config.object("Driver").values,
        "MachineName": name,
        "StorePath": str(store_path),
        "SSHKeyPath": str(directory / "id_rsa") if has_key else "",
    }
    # where its sender's credentials and keys were is of no use here
    for path in ("SSHPrivateKeyPath", "SSHKey", "CredentialSource"):
        if path in driver:
            driver[path] = ""
    host = config.object("HostOptions")
    auth = AuthOptions(
        cert_dir=directory,
        ca_cert_path=directory / "ca.pem",
        ca_key_path=directory / "ca-key.pem",
        client_cert_path=directory / "cert.pem",
        client_key_path=directory / "key.pem",
        machine_dir=directory,
        server_cert_sans=host.object("AuthOptions").texts("ServerCertSANs"),
    )
    return {
        **config.values,
        "Driver": driver,
        "HostOptions": {**host.values, "AuthOptions": auth_to_config(auth)},
        "Name": name,
    }


def _renamed_pin(content: bytes, directory: Path) -> bytes:
    """Return the pinned host key under the name that it has in this store."""
    key = host_keys.parse(content)
    if key is None:
        raise _unreadable("its host key cannot be read")
    return host_keys.line_of(directory / "known_hosts", key)


def _encrypted(archive: bytes, passphrase: str) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    salt, nonce = os.urandom(16), os.urandom(12)
    parameters = {
        "kdf": "scrypt",
        **_SCRYPT,
        "salt": base64.b64encode(salt).decode(),
        "cipher": "AES-256-GCM",
        "nonce": base64.b64encode(nonce).decode(),
    }
    head = _MAGIC + json.dumps(parameters).encode() + b"\n"
    key = _key(passphrase, salt, _SCRYPT)
    return head + AESGCM(key).encrypt(nonce, archive, head)


def check_exported(content: bytes) -> None:
    """Raise :class:`MachineError` unless a file begins as :func:`export_machine` writes it."""
    if len(content) > LONGEST_FILE:
        raise _unreadable(f"it is longer than {LONGEST_FILE >> 20} MiB")
    if not content.startswith(_MAGIC):
        if content.startswith(b"ecsmachine-export "):
            raise MachineError(
                "A newer ecsmachine exported the machine", hint="Upgrade ecsmachine."
            )
        raise _unreadable()


def _decrypted(content: bytes, passphrase: str) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    check_exported(content)
    line, newline, sealed = content[len(_MAGIC) :].partition(b"\n")
    head = read_object(line, lambda reason: _unreadable(f"its header is damaged: {reason}"))
    costs = {name: head.number(name, least=1, most=_MOST_SCRYPT[name]) for name in _SCRYPT}
    salt, nonce = head.base64("salt"), head.base64("nonce")
    fits = (
        (head.text("kdf"), head.text("cipher")) == ("scrypt", "AES-256-GCM")
        and all(costs.values())
        and costs["n"] > 1
        and costs["n"] & (costs["n"] - 1) == 0
        and (len(salt), len(nonce)) == (16, 12)
    )
    if not fits or not newline:
        raise _unreadable("its header is damaged")
    try:
        return AESGCM(_key(passphrase, salt, costs)).decrypt(nonce, sealed, _MAGIC + line + newline)
    except InvalidTag:
        raise MachineError(
            "The passphrase is wrong, or the file is damaged",
            hint="Ask whoever exported the machine.",
        ) from None


def _key(passphrase: str, salt: bytes, costs: Mapping[str, int]) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    derivation = Scrypt(salt=salt, length=32, n=costs["n"], r=costs["r"], p=costs["p"])
    return derivation.derive(passphrase.encode())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _unreadable(why: str = "") -> MachineError:
    return MachineError(
        f"{_UNREADABLE}: {why}" if why else _UNREADABLE,
        hint='"ecsmachine export NAME" makes such a file.',
    )
