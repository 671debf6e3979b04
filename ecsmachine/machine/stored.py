"""What the store holds of a machine, read and checked, and no more than a short answer needs.

The store itself reads a configuration by what is here; an every-day command asks
:func:`stored_machine` first, which loads no driver and none of what works on machines.
"""

from __future__ import annotations

import os
import re

from ecsmachine.documents.fields import Fields, read_object
from ecsmachine.documents.pem import end_text_in
from ecsmachine.documents.rules import ID, JUMP, PATH
from ecsmachine.documents.text import Fault, read_file
from ecsmachine.drivers.stored import stored_engine
from ecsmachine.errors import MachineError

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    _Read: TypeAlias = Callable[[Fields, str], Any]

CONFIG_VERSION = 3
"""The version of ``config.json`` that Docker Machine 0.16 writes and reads."""

SOON_S = 30 * 24 * 3600
"""How long before its end a certificate is spoken of, and due to be renewed, in seconds."""

_CONCEALED = r"(password|passphrase|secret|token|(access|secret|api)_?key|^rawdriver)$"
"""What the names of secrets in the configurations of Docker Machine's drivers end with.

``RawDriver``, of betas, is the driver's object in base64.
"""

ENGINE_FIELDS: tuple[tuple[str, str, _Read], ...] = (
    ("arbitrary_flags", "ArbitraryFlags", Fields.texts),
    ("dns", "Dns", Fields.texts),
    ("graph_dir", "GraphDir", Fields.text),
    ("env", "Env", Fields.texts),
    ("ipv6", "Ipv6", Fields.flag),
    ("insecure_registry", "InsecureRegistry", Fields.texts),
    ("labels", "Labels", Fields.texts),
    ("log_level", "LogLevel", Fields.text),
    ("storage_driver", "StorageDriver", Fields.text),
    ("selinux_enabled", "SelinuxEnabled", Fields.flag),
    ("tls_verify", "TlsVerify", Fields.flag),
    ("registry_mirror", "RegistryMirror", Fields.texts),
    ("install_url", "InstallURL", Fields.text),
    # not Docker Machine's, which passes over what it does not know
    ("registry_mirror", "Mirrors", Fields.texts),
    ("source", "Source", Fields.texts),
    ("source_key", "SourceKey", Fields.text),
    ("version", "Version", Fields.text),
)
"""The engine's options, their names in ``config.json``, and how each is read."""

SWARM_FIELDS: tuple[tuple[str, str, _Read], ...] = (
    ("is_swarm", "IsSwarm", Fields.flag),
    ("address", "Address", Fields.text),
    ("discovery", "Discovery", Fields.text),
    ("agent", "Agent", Fields.flag),
    ("master", "Master", Fields.flag),
    ("host", "Host", Fields.text),
    ("image", "Image", Fields.text),
    ("strategy", "Strategy", Fields.text),
    ("heartbeat", "Heartbeat", Fields.number),
    ("overcommit", "Overcommit", Fields.decimal),
    ("arbitrary_flags", "ArbitraryFlags", Fields.texts),
    ("arbitrary_join_flags", "ArbitraryJoinFlags", Fields.texts),
    ("env", "Env", Fields.texts),
    ("is_experimental", "IsExperimental", Fields.flag),
)
"""The classic Swarm's, likewise."""


class MachineNotFoundError(MachineError):
    """There is no machine of that name in the store."""

    def __init__(self, name: str):
        super().__init__(
            f'Docker machine "{name}" does not exist. Use "ecsmachine ls" to list machines. '
            'Use "ecsmachine create" to add a new one.'
        )
        self.machine = name


class AdoptionCutOffError(MachineError):
    """A machine cannot be used: its adoption did not come to its end."""

    def __init__(self, name: str):
        super().__init__(
            f'The adoption of machine "{name}" was interrupted',
            hint=f'Run "ecsmachine adopt {name}" again, or remove it with "ecsmachine rm {name}".',
        )


class UnrecordedError(MachineError):
    """A machine's folder has files, but neither configuration nor journal says what it is."""

    def __init__(self, name: str):
        super().__init__(
            f'Machine "{name}" has no config.json: what it has in a cloud is unknown',
            hint="Restore the file from a backup, or remove the machine's folder with "
            f'"ecsmachine rm -f {name}".',
        )


class StoredMachine:
    """A machine whose engine can be asked without more: all that is stored of it was checked.

    ``address`` and ``url`` are where the engine was last. Where the certificates are is called as
    in :class:`~ecsmachine.machine.model.AuthOptions`.
    """

    jump = None  # one behind a jump host is not read here

    def __init__(self, name: str, directory: str, driver_name: str, address: str, url: str):
        self.name = name
        self.driver_name = driver_name
        self.address = address
        self.url = url
        self.machine_dir = self.client_dir = directory
        self.server_cert_path = os.path.join(directory, "server.pem")


def stored_machine(store: str, name: str) -> StoredMachine | None:
    """Return what the store at a path holds of a machine, for asking its engine.

    None where that takes more than is read here, and for whatever is wrong with it: an older
    version, a jump host, a classic Swarm's master, another driver. The store says what it is.
    """
    fields = _stored_config(store, name)
    if fields is None or "//" in store or "/./" in store or store.endswith(("/", "/.")):
        return None  # paths are printed as they are written most simply
    try:
        store_id(os.path.join(store, ".store-id"), MachineError)
        host = fields.object("HostOptions")
        given(host.object("EngineOptions"), ENGINE_FIELDS)
        swarm = given(host.object("SwarmOptions"), SWARM_FIELDS)
        certificate_paths(host.object("AuthOptions"))
        driver = fields.required("DriverName", ID)
        address, url = stored_engine(driver, fields.object("Driver"))
        if host.text("SSHJump", JUMP) or swarm.get("master") or swarm.get("discovery"):
            return None
    except MachineError:
        return None
    directory = os.path.join(store, "machines", name)
    return StoredMachine(name, directory, driver, address, url) if url else None


def stored_config(store: str, name: str) -> dict[str, Any] | None:
    """Return what ``config.json`` of a machine holds; None for what the store is to be asked."""
    fields = _stored_config(store, name)
    return None if fields is None else dict(fields.values)


def _stored_config(store: str, name: str) -> Fields | None:
    if not is_component(name):
        return None
    try:
        config = config_in(
            read_file(os.path.join(store, "machines", name, "config.json"), MachineError),
            name,
            MachineError,
        )
        if config.number("ConfigVersion") != CONFIG_VERSION:
            return None
        check_objects(config)
    except (MachineError, OSError):
        return None
    return config


def config_in(content: bytes, name: str, fault: Fault) -> Fields:
    """Return the configuration of a machine that a text holds, of any version that is known."""
    config = read_object(content, fault)
    if not config.has("Driver"):
        raise fault("it holds no Driver object")
    version = config.number("ConfigVersion")
    if version > CONFIG_VERSION:
        raise MachineError(
            f'config version of machine "{name}" is from the future: {version}, '
            f"this ecsmachine knows {CONFIG_VERSION}",
            hint="Upgrade ecsmachine.",
        )
    return config


def check_objects(config: Fields) -> None:
    """Raise the fault of a configuration that lacks the form of version 3."""
    config.object("Driver")
    for part in ("EngineOptions", "SwarmOptions", "AuthOptions"):
        config.object("HostOptions").object(part)


def given(fields: Fields, known: tuple[tuple[str, str, _Read], ...]) -> dict[str, Any]:
    """Return those of the ``known`` values that are there and not null, by our names."""
    return {
        name: read(fields, json_name) for name, json_name, read in known if fields.has(json_name)
    }


def certificate_paths(fields: Fields) -> dict[str, Any]:
    """Return the paths that ``AuthOptions`` names, as texts, and the engine's further names."""
    return {
        "ca_cert_path": fields.text("CaCertPath", PATH),
        "ca_key_path": fields.text("CaPrivateKeyPath", PATH),
        "client_cert_path": fields.text("ClientCertPath", PATH),
        "client_key_path": fields.text("ClientKeyPath", PATH),
        "server_cert_sans": fields.texts("ServerCertSANs"),
    }


def store_id(path: str | os.PathLike[str], fault: Fault) -> str:
    """Return the name of a store that a file holds, or "" if there is no file."""
    try:
        text = read_file(path, fault, longest=1024).decode("utf-8", "replace").strip()
    except FileNotFoundError:
        return ""
    if not ID.fits(text):
        raise fault(f"what it holds is not {ID.what}")
    return text


def is_component(name: str) -> bool:
    """Whether a word can be the name of a folder that is not hidden."""
    return name[:1] not in ("", ".") and os.path.basename(name) == name


def without_secrets(config: Any) -> Any:
    """Return a copy of a configuration in which the texts of secrets are empty."""
    if isinstance(config, list):
        return [without_secrets(entry) for entry in config]
    if not isinstance(config, dict):
        return config
    return {
        key: ""
        if value and isinstance(value, str) and re.search(_CONCEALED, key, re.IGNORECASE)
        else without_secrets(value)
        for key, value in config.items()
    }


def certificates_last(store: str, name: str) -> bool:
    """Whether nothing is to be said of the ends of a machine's certificates.

    Those that are not there, or cannot be read, are none of this.
    """
    import time

    soon = time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + SOON_S))
    for file in ("ca.pem", "engine-ca.pem", "cert.pem", "server.pem"):
        try:
            content = read_file(os.path.join(store, "machines", name, file), MachineError)
            if end_text_in(content, MachineError) <= soon:
                return False
        except (MachineError, FileNotFoundError):
            continue
    return True
