"""The engine's options of a machine that exists: changed here and on its host, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ecsmachine.drivers.base import Report
from ecsmachine.drivers.options import OptionValue
from ecsmachine.errors import UsageError
from ecsmachine.machine import host
from ecsmachine.machine.address import refresh_address
from ecsmachine.machine.model import Machine
from ecsmachine.machine.probe import is_without_engine
from ecsmachine.machine.provisioning import check_provisions
from ecsmachine.machine.store import Store
from ecsmachine.provision.base import EngineOptions
from ecsmachine.provision.engine import validate_engine_options
from ecsmachine.suggestions import instead_of

FLAGS = {
    "engine-opt": "arbitrary_flags",
    "engine-env": "env",
    "engine-label": "labels",
    "engine-insecure-registry": "insecure_registry",
    "engine-registry-mirror": "registry_mirror",
}
"""The flags with lists of values, and the fields of the engine's options that they set."""

STORAGE_DRIVER = "engine-storage-driver"

FIELDS = {**FLAGS, STORAGE_DRIVER: "storage_driver"}
"""All flags of the engine that can be changed, and their fields."""

_KEYED = frozenset(("engine-opt", "engine-env", "engine-label"))
"""Those whose values are like key=value: a new value of a key replaces the former ones."""


@dataclass(frozen=True)
class EngineChange:
    """What to change: values by flag (without dashes), and a storage driver.

    ``removed`` holds keys for the flags with ``key=value``, else values. ``storage_driver`` is
    None where it stays; "" goes back to the default.
    """

    added: dict[str, Sequence[str]]
    removed: dict[str, Sequence[str]]
    storage_driver: str | None


def changed(options: EngineOptions, change: EngineChange) -> EngineOptions:
    """Return the options after a change; those given stay as they are.

    Raises :class:`UsageError` for what cannot be, or cannot be removed as it is not there.
    """
    fields: dict[str, list[str]] = {}
    for flag, field in FLAGS.items():
        values: list[str] = list(getattr(options, field))
        values = _without(flag, values, change.removed.get(flag, ()))
        fields[field] = _with(flag, values, change.added.get(flag, ()))
    driver = options.storage_driver if change.storage_driver is None else change.storage_driver
    wanted = replace(options, storage_driver=driver, **fields)  # type: ignore[arg-type]
    validate_engine_options(wanted)
    return wanted


def recorded(options: EngineOptions) -> dict[str, OptionValue]:
    """Return the options that can be changed, by flag; lists are sorted."""
    values = {flag: getattr(options, field) for flag, field in FIELDS.items()}
    return {
        flag: sorted(set(value)) if isinstance(value, list) else value
        for flag, value in values.items()
    }


def set_options(
    store: Store, machine: Machine, values: Mapping[str, OptionValue], report: Report
) -> None:
    """Give the engine these values, by flag, in the place of those that it had; the lock is held.

    One that is not there yet has them when it is installed. Raises as :func:`change_engine` does.
    """
    check_provisions(machine)
    wanted = {
        FIELDS[flag]: list(value) if isinstance(value, list) else value or ""
        for flag, value in values.items()
    }
    options = replace(machine.engine, **wanted)  # type: ignore[arg-type]
    validate_engine_options(options)
    if is_without_engine(machine):
        machine.engine = options
        store.save(machine)
    else:
        _apply(store, machine, options, report)


def change_engine(store: Store, name: str, change: EngineChange, report: Report) -> bool:
    """Change the engine's options on the host and in the store; return whether the host changed.

    The engine is restarted if need be. If it does not come back its former options are put back,
    and the store keeps them: :class:`~ecsmachine.provision.errors.ProvisionError`.
    """
    with store.holding(name) as machine:
        check_provisions(machine)
        return _apply(store, machine, changed(machine.engine, change), report)


def _apply(store: Store, machine: Machine, options: EngineOptions, report: Report) -> bool:
    from ecsmachine.provision.reconfigure import reconfigure

    machine.engine = options
    refresh_address(machine)
    with host.logged_in(machine) as connection, store.saving(machine):
        done = reconfigure(connection, host.provision_request(machine, report), report)
    if done:
        report("Checking connection to Docker...")
        host.wait_for_engine(machine)
    return done


def option_lines(machine: Machine) -> list[str]:
    """Return the options as flags of ``create``, a line each, in a fixed order."""
    engine = machine.engine
    lines = [
        f"--{flag} {value}" for flag, field in FLAGS.items() for value in getattr(engine, field)
    ]
    if engine.storage_driver:
        lines.append(f"--engine-storage-driver {engine.storage_driver}")
    if not engine.source:
        return [*lines, f"--engine-install-url {engine.install_url}"]
    lines += [f"--engine-source {source}" for source in engine.source]
    if engine.source_key:
        lines.append(f"--engine-source-key {engine.source_key}")
    return [*lines, *([f"--engine-version {engine.version}"] if engine.version else [])]


def _with(flag: str, values: list[str], added: Sequence[str]) -> list[str]:
    if flag in _KEYED:
        replaced = {_key(value) for value in added}
        return [*(value for value in values if _key(value) not in replaced), *added]
    return list(dict.fromkeys([*values, *added]))


def _without(flag: str, values: list[str], removed: Iterable[str]) -> list[str]:
    for unwanted in removed:
        kept = [
            value
            for value in values
            if value != unwanted and not (flag in _KEYED and _key(value) == unwanted)
        ]
        if kept == values:
            raise UsageError(
                f'--{flag}: the engine has no "{unwanted}"',
                hint=instead_of(unwanted, values) or "It has none.",
            )
        values = kept
    return values


def _key(value: str) -> str:
    return value.partition("=")[0]
