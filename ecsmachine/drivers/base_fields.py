"""The fields that every driver's object in ``config.json`` has (Docker Machine's BaseDriver)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecsmachine.drivers.base import DriverContext


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


def from_config(context: DriverContext, config: Mapping[str, Any]) -> BaseFields:
    """Read the fields; what is absent keeps its default.

    A key path below the store's former place is taken to be below its present one, so that a
    store can be moved.
    """
    key_path = Path(config["SSHKeyPath"]) if config.get("SSHKeyPath") else None
    former = Path(config.get("StorePath") or context.store_path)
    if key_path is not None and key_path.is_relative_to(former):
        key_path = context.store_path / key_path.relative_to(former)
    return BaseFields(
        machine_name=context.machine_name,
        store_path=context.store_path,
        ip_address=config.get("IPAddress") or "",
        ssh_user=config.get("SSHUser") or "root",
        ssh_port=int(config.get("SSHPort") or 22),
        ssh_key_path=key_path,
        swarm_master=bool(config.get("SwarmMaster")),
        swarm_host=config.get("SwarmHost") or "",
        swarm_discovery=config.get("SwarmDiscovery") or "",
    )
