"""What ``create`` was asked for, and what the journal keeps of it for a resume."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecsmachine.drivers import registry
from ecsmachine.drivers.options import Option, OptionValue, in_words
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.machine.engine_config import FIELDS as ENGINE_FIELDS
from ecsmachine.machine.model import SwarmOptions
from ecsmachine.machine.store import Store
from ecsmachine.machine.stored import AdoptionCutOffError
from ecsmachine.provision.base import EngineOptions
from ecsmachine.system.files import path_exists


@dataclass(frozen=True)
class CreateRequest:
    """What ``create`` was asked for.

    ``driver_values`` are the driver's options by name. ``certificate_paths`` override fields of
    :class:`~ecsmachine.machine.model.AuthOptions`. ``provision`` is whether the engine is
    installed. ``swarm_role`` is ``manager`` or ``worker`` in Docker's Swarm mode, of the swarm
    that the machine ``swarm_join`` manages; "" for none. ``ssh_jump`` is the host through which the
    machine is reached, as ``USER@HOST[:PORT]``. ``bake`` is there where an image is made of it:
    its Family, and From which machine it is a copy; a copy reaches nothing by itself. ``file`` is
    the path of the file that names the machine, and ``given`` the options that it gives; "" where
    it is not of a file.
    """

    name: str
    driver_name: str
    driver_values: Mapping[str, OptionValue]
    engine: EngineOptions = field(default_factory=EngineOptions)
    swarm: SwarmOptions = field(default_factory=SwarmOptions)
    tls_sans: list[str] = field(default_factory=list)
    certificate_paths: dict[str, Path] = field(default_factory=dict)
    keep_on_failure: bool = False
    key_type: str = "ecdsa"
    provision: bool = True
    swarm_role: str = ""
    swarm_join: str = ""
    ssh_jump: str = ""
    bake: Mapping[str, str] = field(default_factory=dict)
    file: str = ""
    given: tuple[str, ...] = ()


def recorded(request: CreateRequest) -> dict[str, Any]:
    """Return what the journal keeps: the driver and its options, of secret ones their names."""
    options = registry.options_of(request.driver_name)
    values = request.driver_values
    return {
        "DriverName": request.driver_name,
        "DriverOptions": {
            option.name: values[option.name]
            for option in options
            if option.name in values and not _is_unwritten(option)
        },
        "SecretOptions": [
            option.name for option in options if option.secret and values.get(option.name)
        ],
        "Provision": request.provision,
        "SwarmRole": request.swarm_role,
        "SwarmJoin": request.swarm_join,
        **({"SSHJump": request.ssh_jump} if request.ssh_jump else {}),
        **({"Bake": dict(request.bake)} if request.bake else {}),
        **({"File": request.file, "Given": list(request.given)} if request.file else {}),
    }


def alike(request: CreateRequest) -> tuple[object, ...]:
    """Return a key that is the same for requests which one look at the cloud can check."""
    values = {name: str(value) for name, value in request.driver_values.items()}
    engine = (request.engine.install_url, tuple(request.engine.source))
    return (request.driver_name, tuple(sorted(values.items())), request.ssh_jump, engine)


def differences(record: Mapping[str, Any], request: CreateRequest) -> list[str]:
    """Return a line for each of the driver's options that is another than what was recorded."""
    if record["DriverName"] != request.driver_name:
        return [f"--driver {record['DriverName']} (now {request.driver_name})"]
    now = recorded(request)["DriverOptions"]
    return [
        f"--{name} {in_words(value)} (now {in_words(now[name])})"
        for name, value in record["DriverOptions"].items()
        if name in now and (value or None) != (now[name] or None)
    ]


def engine_differences(there: EngineOptions, wanted: EngineOptions) -> list[str]:
    """Return a line for each of the engine's options that is asked for and is another there.

    Its mirrors are left out: without a word of them, there are those that its host names.
    """
    return [
        f"--{flag} {in_words(getattr(there, name))} (now {in_words(getattr(wanted, name))})"
        for flag, name in ENGINE_FIELDS.items()
        if name != "registry_mirror"
        and getattr(wanted, name)
        and getattr(wanted, name) != getattr(there, name)
    ]


def unwritten_options(options: Iterable[Option]) -> list[Option]:
    """Return the options that are never written down, and so are given again for a resume."""
    return [option for option in options if _is_unwritten(option)]


def begun_with(store: Store, name: str) -> Mapping[str, Any]:
    """Return what is recorded of the create of a half-made machine.

    Raises :class:`MachineError` if there is no such machine, it is whole, or nothing is recorded.
    """
    if not store.exists(name):
        raise MachineError(
            f'There is no half-made machine "{name}"', hint='"ecsmachine ls" lists all machines.'
        )
    journal = store.journal(name)
    if journal.adopting:
        raise AdoptionCutOffError(name)
    if journal.complete:
        raise MachineError(
            f'Machine "{name}" is complete: there is nothing to continue',
            hint=f'"ecsmachine provision {name}" provisions it again.',
        )
    if not journal.request or not path_exists(store.directory(name) / "config.json"):
        raise MachineError(
            f'The options that machine "{name}" was started with are unknown',
            hint=f'Give them again with "ecsmachine create {name}".',
        )
    return journal.request


def resumed(
    store: Store, name: str, unwritten: Mapping[str, OptionValue], **changes: Any
) -> CreateRequest:
    """Return the request that a half-made machine was begun with.

    ``unwritten`` has the values of :func:`unwritten_options`; ``changes`` are fields of the
    request. Raises :class:`MachineError` as :func:`begun_with` does, and :class:`UsageError` if
    a secret is missing.
    """
    record = begun_with(store, name)
    for option in registry.options_of(record["DriverName"]):
        if option.name in record["SecretOptions"] and not (
            option.credential or unwritten.get(option.name)
        ):
            where = f" (or set {option.env})" if option.env else ""
            raise UsageError(
                f'Machine "{name}" was started with --{option.name}, which is not stored',
                hint=f"Give it again{where}.",
            )
    machine = store.load(name)
    defaults = {option.name: option.default for option in registry.options_of(record["DriverName"])}
    values: dict[str, Any] = {
        "driver_name": record["DriverName"],
        "driver_values": {**defaults, **record["DriverOptions"], **unwritten},
        "engine": machine.engine,
        "swarm": machine.swarm,
        "tls_sans": machine.auth.server_cert_sans,
        "certificate_paths": {
            "ca_cert_path": machine.auth.ca_cert_path,
            "ca_key_path": machine.auth.ca_key_path,
            "client_cert_path": machine.auth.client_cert_path,
            "client_key_path": machine.auth.client_key_path,
        },
        "provision": record["Provision"],
        "swarm_role": record.get("SwarmRole", ""),
        "swarm_join": record.get("SwarmJoin", ""),
        "ssh_jump": record.get("SSHJump", ""),
        "bake": record.get("Bake", {}),
        "file": record.get("File", ""),
        "given": tuple(record.get("Given", ())),
    }
    return CreateRequest(name=name, **{**values, **changes})


def _is_unwritten(option: Option) -> bool:
    return option.secret or option.credential
