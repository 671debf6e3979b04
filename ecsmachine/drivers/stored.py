"""What ``config.json`` keeps of any driver, read and checked without loading the driver.

An every-day command needs no more of a machine than where its engine is; the driver itself is
loaded where the provider is to be asked.
"""

from __future__ import annotations

from ecsmachine.documents.rules import HOST, LINE, PATH, USER, address_of

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from typing import Any

    from ecsmachine.documents.fields import Fields
    from ecsmachine.documents.rules import Rule

ENGINE_PORT = 2376


def base_values(fields: Fields, address: Rule = HOST) -> dict[str, Any]:
    """Return the fields that every driver's object has, by the names of ``BaseFields``.

    ``address`` is what IPAddress must be. Where the key is and the store was, the text says.
    """
    return {
        "ip_address": fields.text("IPAddress", address),
        "ssh_user": fields.text("SSHUser", USER, "root"),
        "ssh_port": fields.port("SSHPort", 22),
        "ssh_key_path": fields.text("SSHKeyPath", PATH),
        "store_path": fields.text("StorePath", PATH),
        "swarm_master": fields.flag("SwarmMaster"),
        "swarm_host": fields.text("SwarmHost", LINE),
        "swarm_discovery": fields.text("SwarmDiscovery", LINE),
    }


def generic_values(fields: Fields) -> dict[str, Any]:
    """Return what the driver generic keeps beside: the engine's port, and the key's source."""
    return {
        "engine_port": fields.port("EnginePort", ENGINE_PORT),
        "source_key": fields.text("SSHKey", PATH),
    }


def engine_url(host: str, port: int = ENGINE_PORT) -> str:
    """Return the URL of the engine on a host; "" where the host is not known."""
    return f"tcp://{address_of(host, port)}" if host else ""


def stored_engine(driver: str, fields: Fields) -> tuple[str, str]:
    """Return address and URL of a machine's engine, after all that is kept of it was checked.

    Both are "" where there is none, and for a driver that has to be loaded for that. Raises the
    fault of ``fields``.
    """
    port = ENGINE_PORT
    if driver == "aliyunecs":
        from ecsmachine.drivers.aliyunecs.options.stored import values_of

        values_of(fields)
    elif driver == "generic":
        port = generic_values(fields)["engine_port"]
    else:
        return "", ""
    address: str = base_values(fields)["ip_address"]
    return address, engine_url(address, port)
