"""What a machine is: a driver, an engine's options, and the certificates between them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ecsmachine.documents.fields import Fields
from ecsmachine.documents.paths import moved_path
from ecsmachine.drivers.base import Driver
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.machine.stored import (
    CONFIG_VERSION,
    ENGINE_FIELDS,
    SWARM_FIELDS,
    certificate_paths,
)
from ecsmachine.provision.base import AUTO, EngineOptions
from ecsmachine.ssh.host_keys import alias
from ecsmachine.ssh.target import Jump, SSHTarget
from ecsmachine.system.files import path_exists
from ecsmachine.system.names import why_no_folder

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-.]*")
_LONGEST_NAME = 200
"""A folder's name has 255 bytes at most, and files beside it have longer names than it."""


def validate_name(name: str) -> str:
    """Return ``name`` if Docker Machine would take it as a machine's name.

    Raises :class:`UsageError` otherwise.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f'Invalid hostname specified: "{name}". Allowed hostname chars are: 0-9a-zA-Z . -',
            hint="Begin with a letter or a digit, for example dev1.",
        )
    if len(name) > _LONGEST_NAME:
        raise UsageError(
            f'The name "{name[:20]}…" has {len(name)} characters',
            hint=f"Choose one of at most {_LONGEST_NAME} characters.",
        )
    why = why_no_folder(name)
    if why:
        raise UsageError(
            f'The name "{name}" cannot be used on this computer: {why}',
            hint="Choose another one, for example dev1.",
        )
    return name


@dataclass
class SwarmOptions:
    """Options of the classic Swarm, kept because ``config.json`` has them."""

    is_swarm: bool = False
    address: str = ""
    discovery: str = ""
    agent: bool = False
    master: bool = False
    host: str = "tcp://0.0.0.0:3376"
    image: str = "swarm:latest"
    strategy: str = "spread"
    heartbeat: int = 0
    overcommit: float = 0
    arbitrary_flags: list[str] = field(default_factory=list)
    arbitrary_join_flags: list[str] = field(default_factory=list)
    env: list[str] | None = None
    is_experimental: bool = False


@dataclass
class AuthOptions:
    """How a machine is got at: where its certificates are, and through which jump host.

    Every path is absolute.
    """

    cert_dir: Path
    ca_cert_path: Path
    ca_key_path: Path
    client_cert_path: Path
    client_key_path: Path
    machine_dir: Path
    server_cert_sans: list[str] = field(default_factory=list)
    jump: Jump | None = field(default=None, repr=False)

    @property
    def server_cert_path(self) -> Path:
        """The engine's certificate, in the machine's folder."""
        return self.machine_dir / "server.pem"

    @property
    def server_key_path(self) -> Path:
        """The engine's private key, in the machine's folder."""
        return self.machine_dir / "server-key.pem"

    @property
    def client_dir(self) -> Path:
        """The folder with the client's ``ca.pem``, ``cert.pem`` and ``key.pem``.

        Docker Machine copies none into the folder of a machine without a host (driver none).
        """
        own = (self.machine_ca_path, self.machine_cert_path, self.machine_key_path)
        is_bare = not any(path_exists(path) for path in own) and path_exists(
            self.cert_dir / "key.pem"
        )
        return self.cert_dir if is_bare else self.machine_dir

    @property
    def machine_ca_path(self) -> Path:
        """The machine's own copy of the CA certificate, which ``docker`` is pointed at."""
        return self.machine_dir / "ca.pem"

    @property
    def former_ca_path(self) -> Path:
        """The CA certificate that the engine still has where the machine's is a renewed one."""
        return self.machine_dir / "engine-ca.pem"

    @property
    def machine_cert_path(self) -> Path:
        """The machine's own copy of the client certificate."""
        return self.machine_dir / "cert.pem"

    @property
    def machine_key_path(self) -> Path:
        """The machine's own copy of the client key."""
        return self.machine_dir / "key.pem"


@dataclass
class Machine:
    """A machine of the store."""

    name: str
    driver: Driver
    auth: AuthOptions
    engine: EngineOptions = field(default_factory=EngineOptions)
    swarm: SwarmOptions = field(default_factory=SwarmOptions)

    @property
    def directory(self) -> Path:
        """The machine's folder in the store."""
        return self.auth.machine_dir

    @property
    def known_hosts_path(self) -> Path:
        """The file with the host key that was pinned at first contact."""
        return self.directory / "known_hosts"

    @property
    def ssh_url(self) -> str:
        """The URL by which the docker client reaches the engine over SSH."""
        return f"ssh://{alias(self.known_hosts_path)}"

    def without(self, what: str, *, hint: str | None = None) -> MachineError:
        """Return the error for what machines of its driver do not have, or cannot do."""
        return MachineError(
            f'Machine "{self.name}" {what}: its driver is {self.driver.name}', hint=hint
        )

    def ssh_target(self) -> SSHTarget:
        """Return where and as whom to log in, and through which jump host."""
        target = self.driver.ssh_target()
        return replace(target, jump=self.auth.jump) if self.auth.jump else target


def to_config(machine: Machine) -> dict[str, Any]:
    """Return the machine as the object that ``config.json`` holds (ConfigVersion 3)."""
    engine, swarm, auth = machine.engine, machine.swarm, machine.auth
    return {
        "ConfigVersion": CONFIG_VERSION,
        "Driver": machine.driver.config(),
        "DriverName": machine.driver.name,
        "HostOptions": {
            "Driver": "",
            "Memory": 0,
            "Disk": 0,
            "EngineOptions": {
                **{json_name: getattr(engine, name) for name, json_name, _ in ENGINE_FIELDS},
                # Docker Machine gives them to the engine, which takes URLs alone
                "RegistryMirror": [each for each in engine.registry_mirror if each != AUTO],
            },
            "SwarmOptions": {
                json_name: getattr(swarm, name) for name, json_name, _ in SWARM_FIELDS
            },
            "AuthOptions": auth_to_config(auth),
            **({"SSHJump": auth.jump.target.name} if auth.jump else {}),
        },
        "Name": machine.name,
    }


def auth_to_config(auth: AuthOptions) -> dict[str, Any]:
    """Return the paths as ``HostOptions.AuthOptions`` of ``config.json`` has them."""
    return {
        "CertDir": str(auth.cert_dir),
        "CaCertPath": str(auth.ca_cert_path),
        "CaPrivateKeyPath": str(auth.ca_key_path),
        "CaCertRemotePath": "",
        "ServerCertPath": str(auth.server_cert_path),
        "ServerKeyPath": str(auth.server_key_path),
        "ClientKeyPath": str(auth.client_key_path),
        "ServerCertRemotePath": "",
        "ServerKeyRemotePath": "",
        "ClientCertPath": str(auth.client_cert_path),
        "ServerCertSANs": auth.server_cert_sans,
        "StorePath": str(auth.machine_dir),
    }


def with_unknown_fields(config: dict[str, Any], former: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with those fields of its former one that are not known here.

    Other programs (Docker Machine's forks) keep more than we do. The driver's object is its
    driver's affair.
    """
    kept = {**former, **config}
    host = former.get("HostOptions") or {}
    kept["HostOptions"] = {**host, **config["HostOptions"]}
    for name in ("EngineOptions", "SwarmOptions", "AuthOptions"):
        options = host.get(name) or {}
        kept["HostOptions"][name] = {**options, **config["HostOptions"][name]}
    # the driver's object once more, as it was before, with its secrets
    kept.pop("RawDriver", None)
    return kept


def auth_options(
    store_path: Path,
    name: str,
    *,
    given: dict[str, Path] | None = None,
    server_cert_sans: list[str] | None = None,
    jump: Jump | None = None,
) -> AuthOptions:
    """Return the certificate paths of a machine in the store at ``store_path``.

    ``given`` overrides ``ca_cert_path``, ``ca_key_path``, ``client_cert_path`` and
    ``client_key_path`` (``--tls-ca-cert`` and its siblings).
    """
    certs = store_path / "certs"
    paths = {
        "ca_cert_path": certs / "ca.pem",
        "ca_key_path": certs / "ca-key.pem",
        "client_cert_path": certs / "cert.pem",
        "client_key_path": certs / "key.pem",
        **(given or {}),
    }
    return AuthOptions(
        cert_dir=certs,
        machine_dir=store_path / "machines" / name,
        server_cert_sans=list(server_cert_sans or []),
        jump=jump,
        **paths,
    )


def auth_options_from_config(
    fields: Fields, store_path: Path, recorded_store: str, name: str
) -> AuthOptions:
    """Read ``HostOptions.AuthOptions``.

    Paths below ``recorded_store`` (where the store was when it was written) are taken to be
    below ``store_path`` now, so that a store can be moved.
    """
    paths = certificate_paths(fields)
    sans = paths.pop("server_cert_sans")
    moved = {
        each: moved_path(path, recorded_store, store_path) for each, path in paths.items() if path
    }
    return auth_options(store_path, name, given=moved, server_cert_sans=sans)
