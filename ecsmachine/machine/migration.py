"""Configurations that older releases of Docker Machine wrote, brought to ConfigVersion 3.

======= ============ ====================================================================
version written by   what differs from version 3
======= ============ ====================================================================
0       to 0.2       paths of certificates and options of the Swarm at the top, not nested
1       0.3, 0.4     ``StorePath`` at the top; ``AuthOptions.PrivateKeyPath``
2       0.5 betas    the driver does not know its store
======= ============ ====================================================================
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecsmachine.machine.model import CONFIG_VERSION

_INSTALL_URL = "https://get.docker.com"
_SWARM_DEFAULTS = {"Host": "tcp://0.0.0.0:3376", "Image": "swarm:latest", "Strategy": "spread"}
_FLAT_PATHS = (
    *("CaCertPath", "PrivateKeyPath", "ClientCertPath", "ClientKeyPath"),
    *("ServerCertPath", "ServerKeyPath", "StorePath"),
)
_FLAT_SWARM = {"SwarmHost": "Host", "SwarmMaster": "Master", "SwarmDiscovery": "Discovery"}


def migrate(config: dict[str, Any], name: str, directory: Path) -> dict[str, Any]:
    """Return the configuration of the machine in ``directory`` as version 3 has it.

    What is there is kept; ``config`` itself is not changed. Raises :class:`TypeError`,
    :class:`ValueError` or :class:`AttributeError` for one that is none.
    """
    version = config.get("ConfigVersion") or 0
    if version >= CONFIG_VERSION:
        return config
    host = dict(config.get("HostOptions") or {})
    auth = dict(host.get("AuthOptions") or {})
    swarm = dict(host.get("SwarmOptions") or {})
    engine = dict(host.get("EngineOptions") or {})
    driver = dict(config["Driver"])
    for key in _FLAT_PATHS:
        auth[key] = auth.get(key) or config.get(key) or ""
    for flat, nested in _FLAT_SWARM.items():
        swarm[nested] = swarm.get(nested) or config.get(flat) or driver.get(flat) or ""
    swarm["Master"] = bool(swarm["Master"])
    if version == 0:
        # the engine was always run with TLS, though the option did not say so yet
        engine["TlsVerify"] = True
    engine["InstallURL"] = engine.get("InstallURL") or _INSTALL_URL
    for key, value in _SWARM_DEFAULTS.items():
        swarm[key] = swarm.get(key) or value
    store = _recorded_store(auth, driver)
    auth["CaPrivateKeyPath"] = auth.get("CaPrivateKeyPath") or auth["PrivateKeyPath"]
    del auth["PrivateKeyPath"]
    if store is not None:
        auth["CertDir"] = auth.get("CertDir") or str(store / "certs")
        driver["StorePath"] = str(store)
    driver["MachineName"] = driver.get("MachineName") or name
    if not driver.get("SSHKeyPath") and (directory / "id_rsa").is_file():
        driver["SSHKeyPath"] = str(
            (store or directory.parent.parent) / "machines" / name / "id_rsa"
        )
    return {
        "ConfigVersion": CONFIG_VERSION,
        "Driver": driver,
        "DriverName": config["DriverName"],
        "HostOptions": {
            **host,
            "EngineOptions": engine,
            "SwarmOptions": swarm,
            "AuthOptions": auth,
        },
        "Name": config.get("Name") or name,
    }


def _recorded_store(auth: dict[str, Any], driver: dict[str, Any]) -> Path | None:
    """Return where the store was when the configuration was written, if it says so."""
    if driver.get("StorePath"):
        return Path(driver["StorePath"])
    if auth.get("StorePath"):
        path = Path(auth["StorePath"])
        # some releases wrote the machine's folder here, others the store
        return path.parent.parent if path.parent.name == "machines" else path
    if auth.get("CertDir"):
        return Path(auth["CertDir"]).parent
    if auth.get("CaCertPath"):
        path = Path(auth["CaCertPath"])
        return path.parent.parent if path.parent.name == "certs" else None
    return None
