"""The fields that every driver's object in ``config.json`` has (Docker Machine's BaseDriver)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecsmachine.documents.fields import Fields
from ecsmachine.documents.paths import moved_path
from ecsmachine.documents.rules import HOST, Rule
from ecsmachine.documents.text import Fault
from ecsmachine.drivers.base import DriverContext
from ecsmachine.drivers.stored import base_values
from ecsmachine.errors import MachineError


@dataclass
class BaseFields:
    """Name, address and login of a machine, as every driver stores them."""

    machine_name: str
    store_path: Path
    ip_address: str = ""
    ssh_user: str = "root"
    ssh_port: int = 22
    ssh_key_path: Path | None = None
    swarm_master: bool = False
    swarm_host: str = ""
    swarm_discovery: str = ""

    def to_config(self) -> dict[str, Any]:
        """Return the fields under Docker Machine's names."""
        return {
            "IPAddress": self.ip_address,
            "MachineName": self.machine_name,
            "SSHUser": self.ssh_user,
            "SSHPort": self.ssh_port,
            "SSHKeyPath": str(self.ssh_key_path or ""),
            "StorePath": str(self.store_path),
            "SwarmMaster": self.swarm_master,
            "SwarmHost": self.swarm_host,
            "SwarmDiscovery": self.swarm_discovery,
        }


class DamagedConfigError(MachineError):
    """A machine's ``config.json`` cannot be used; ``reason`` begins with the field."""

    def __init__(self, name: str, directory: Path, reason: str):
        super().__init__(
            f'The configuration of machine "{name}" cannot be read: '
            f"{directory / 'config.json'}: {reason}",
            hint=f'Restore the file, or remove the machine with "ecsmachine rm -f {name}".',
        )
        self.reason = reason


def config_fault(name: str, directory: Path) -> Fault:
    """Return what makes the error for a machine's ``config.json``, in its folder."""
    return lambda reason: DamagedConfigError(name, directory, reason)


def fields_of(context: DriverContext, config: Mapping[str, Any]) -> Fields:
    """Return the ``Driver`` object of a machine's configuration, to be read by type."""
    return Fields(config, config_fault(context.machine_name, context.directory), "Driver")


def from_config(
    context: DriverContext, config: Mapping[str, Any], address: Rule = HOST
) -> BaseFields:
    """Read the fields; what is absent keeps its default. ``address`` is what IPAddress must be.

    A key path below the store's former place is taken to be below its present one, so that a
    store can be moved. Raises :class:`~ecsmachine.errors.MachineError`, which names the field.
    """
    values = base_values(fields_of(context, config), address)
    recorded, former = values.pop("ssh_key_path"), values.pop("store_path")
    return BaseFields(
        machine_name=context.machine_name,
        store_path=context.store_path,
        ssh_key_path=moved_path(recorded, former or str(context.store_path), context.store_path)
        if recorded
        else None,
        **values,
    )
