"""Contexts of the docker client: a machine under its name, for ``docker --context dev1 …``.

As the docker client keeps them (github.com/docker/cli, cli/context/store), below ``~/.docker`` or
``DOCKER_CONFIG``; HASH is the SHA-256 of the context's name::

    contexts/meta/HASH/meta.json
    contexts/tls/HASH/docker/    ca.pem cert.pem key.pem
    config.json                  currentContext
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecsmachine.documents.fields import Fields, read_object
from ecsmachine.documents.rules import URL
from ecsmachine.documents.text import read_file
from ecsmachine.errors import MachineError
from ecsmachine.machine import files
from ecsmachine.machine.model import Machine
from ecsmachine.system import os_errors
from ecsmachine.system.files import path_exists

_OURS = "EcsmachineStore"
"""The field of a context's metadata that says which store its machine is in."""

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.+-]+")
_RESERVED = "default"
_TLS_FILES = ("ca.pem", "cert.pem", "key.pem")


@dataclass(frozen=True)
class DockerConfig:
    """The docker client's folder."""

    path: Path

    @property
    def settings_path(self) -> Path:
        """The client's own settings."""
        return self.path / "config.json"

    def meta_path(self, name: str) -> Path:
        """Return the folder of a context's description."""
        return self.path / "contexts" / "meta" / _hash(name)

    def tls_path(self, name: str) -> Path:
        """Return the folder of a context's certificates."""
        return self.path / "contexts" / "tls" / _hash(name)


def docker_config(environment: Mapping[str, str], home: Path) -> DockerConfig:
    """Return where the docker client keeps its things."""
    given = environment.get("DOCKER_CONFIG")
    return DockerConfig(Path(given).absolute() if given else home / ".docker")


def context_name(machine_name: str) -> str:
    """Return the name of a machine's context.

    It is the machine's own, but for those that the docker client does not take.
    """
    taken = _NAME.fullmatch(machine_name) and machine_name != _RESERVED
    return machine_name if taken else f"machine-{machine_name}"


def write(docker: DockerConfig, machine: Machine, url: str, *, over_ssh: bool = False) -> str:
    """Make or refresh the context of a machine, and return its name.

    ``url`` is where the engine is: ``tcp://…``, or ``ssh://…`` with ``over_ssh``. Raises
    :class:`MachineError` if another context has the name.
    """
    name = context_name(machine.name)
    store = _store_of(machine)
    meta_path = docker.meta_path(name)
    if path_exists(meta_path) and _own_description(meta_path, store) is None:
        raise MachineError(
            f'Another docker context "{name}" exists, and was not changed',
            hint=f'Remove it with "docker context rm {name}", then try again.',
        )
    if over_ssh:
        shutil.rmtree(docker.tls_path(name), ignore_errors=True)
    else:
        _write_certificates(docker, name, machine)
    meta = {
        "Name": name,
        "Metadata": {"Description": f"Docker Machine {machine.name}", _OURS: store},
        "Endpoints": {"docker": {"Host": url, "SkipTLSVerify": False}},
    }
    # last: with it the context is there
    files.make_private_directory(docker.meta_path(name))
    files.write_json(docker.meta_path(name) / "meta.json", meta, mode=0o644)
    return name


def renew_certificates(docker: DockerConfig, machine: Machine) -> None:
    """Give the context of a machine its certificates again, if it has one over TLS."""
    known = endpoint(docker, machine)
    if known is not None and not known.startswith("ssh:"):
        _write_certificates(docker, context_name(machine.name), machine)


def _write_certificates(docker: DockerConfig, name: str, machine: Machine) -> None:
    folder = docker.tls_path(name) / "docker"
    files.make_private_directory(folder)
    for file in _TLS_FILES:
        files.write_atomically(folder / file, _certificate(machine, file))


def endpoint(docker: DockerConfig, machine: Machine) -> str | None:
    """Return the URL in the context of a machine, or None if it has no context of ours."""
    there = _own_description(docker.meta_path(context_name(machine.name)), _store_of(machine))
    if there is None:
        return None
    with contextlib.suppress(MachineError):
        return there.object("Endpoints").object("docker").optional("Host", URL)
    return None


def has_certificates(docker: DockerConfig, machine: Machine) -> bool:
    """Whether the context of a machine has the machine's certificates."""
    folder = docker.tls_path(context_name(machine.name)) / "docker"
    with contextlib.suppress(OSError):
        return all(
            (folder / file).read_bytes() == _certificate(machine, file) for file in _TLS_FILES
        )
    return False


def use(docker: DockerConfig, name: str | None) -> None:
    """Make a context the current one, or none; what else is in the client's settings is kept."""
    path = docker.settings_path
    settings = _settings(path)
    if name is None:
        settings.pop("currentContext", None)
    else:
        settings["currentContext"] = name
    mode = path.stat().st_mode & 0o777 if path_exists(path) else 0o600
    # a link to a file elsewhere stays one
    real = Path(os.path.realpath(path))
    real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = json.dumps(settings, indent="\t", ensure_ascii=False)
    files.write_atomically(real, content.encode(), mode=mode)


def remove(docker: DockerConfig, machine_name: str, store_path: Path) -> bool:
    """Remove the context of a machine of that store; return whether there was one.

    If it was the current one, none is afterwards.
    """
    name = context_name(machine_name)
    if _own_description(docker.meta_path(name), str(store_path)) is None:
        return False
    if _settings(docker.settings_path).get("currentContext") == name:
        use(docker, None)
    try:
        shutil.rmtree(docker.meta_path(name))
        shutil.rmtree(docker.tls_path(name), ignore_errors=True)
    except OSError as error:
        raise MachineError(
            f'The docker context "{name}" cannot be removed: {error.strerror}',
            hint=f'"docker context rm {name}" removes it.',
        ) from error
    return True


def _certificate(machine: Machine, file: str) -> bytes:
    path = machine.auth.client_dir / file
    try:
        return path.read_bytes()
    except OSError as error:
        raise MachineError(
            f"The client certificates of {machine.name} cannot be read: {path}: {error.strerror}",
            hint=os_errors.unread(error, path)
            or f'"ecsmachine regenerate-certs {machine.name}" makes them again.',
        ) from error


def _settings(path: Path) -> dict[str, Any]:
    """Return what the docker client's settings hold; nothing if there are none."""

    def fault(reason: str) -> MachineError:
        return MachineError(
            f"The docker client's settings cannot be read: {path}: {reason}",
            hint="Correct that file; it must hold a JSON object.",
        )

    try:
        return dict(read_object(read_file(path, fault), fault).values)
    except FileNotFoundError:
        return {}


def _own_description(meta_path: Path, store: str) -> Fields | None:
    """Return the description of a context that is of a machine of that store, else None."""
    with contextlib.suppress(MachineError, FileNotFoundError):
        there = read_object(read_file(meta_path / "meta.json", MachineError), MachineError)
        if there.object("Metadata").text(_OURS) == store:
            return there
    return None


def _store_of(machine: Machine) -> str:
    return str(machine.directory.parent.parent)


def _hash(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()
