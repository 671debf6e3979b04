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

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from ecsmachine.documents.fields import Fields
from ecsmachine.documents.paths import recorded_path
from ecsmachine.documents.rules import ID, PATH
from ecsmachine.machine.stored import CONFIG_VERSION
from ecsmachine.system.files import file_exists

_INSTALL_URL = "https://get.docker.com"
_SWARM_DEFAULTS = {"Host": "tcp://0.0.0.0:3376", "Image": "swarm:latest", "Strategy": "spread"}
_FLAT_PATHS = (
    *("CaCertPath", "PrivateKeyPath", "ClientCertPath", "ClientKeyPath"),
    *("ServerCertPath", "ServerKeyPath", "StorePath"),
)


def migrate(config: Fields, name: str, directory: Path) -> dict[str, Any]:
    """Return the configuration of the machine in ``directory`` as version 3 has it.

    What is there is kept; ``config`` itself is not changed. Raises
    :class:`~ecsmachine.errors.MachineError` for one that is none.
    """
    version = config.number("ConfigVersion")
    if version >= CONFIG_VERSION:
        return dict(config.values)
    host, found = config.object("HostOptions"), config.object("Driver")
    auth, swarm, engine = (
        host.object(part) for part in ("AuthOptions", "SwarmOptions", "EngineOptions")
    )
    paths = {key: auth.text(key, PATH) or config.text(key, PATH) for key in _FLAT_PATHS}
    store = _recorded_store(paths, auth.text("CertDir", PATH), found.text("StorePath", PATH))
    private_key = paths.pop("PrivateKeyPath")
    kept = {key: value for key, value in auth.values.items() if key != "PrivateKeyPath"}
    new_auth = {
        **kept,
        **paths,
        "CaPrivateKeyPath": auth.text("CaPrivateKeyPath", PATH) or private_key,
    }
    new_swarm = {
        **swarm.values,
        **{key: swarm.text(key) or value for key, value in _SWARM_DEFAULTS.items()},
        "Host": swarm.text("Host")
        or config.text("SwarmHost")
        or found.text("SwarmHost")
        or _SWARM_DEFAULTS["Host"],
        "Master": swarm.flag("Master") or config.flag("SwarmMaster") or found.flag("SwarmMaster"),
        "Discovery": swarm.text("Discovery")
        or config.text("SwarmDiscovery")
        or found.text("SwarmDiscovery"),
    }
    new_engine = {**engine.values, "InstallURL": engine.text("InstallURL") or _INSTALL_URL}
    if version == 0:
        # the engine was always run with TLS, though the option did not say so yet
        new_engine["TlsVerify"] = True
    driver = {**found.values, "MachineName": found.text("MachineName") or name}
    if store is not None:
        new_auth["CertDir"] = auth.text("CertDir", PATH) or str(store / "certs")
        driver["StorePath"] = str(store)
    if not found.text("SSHKeyPath", PATH) and file_exists(directory / "id_rsa"):
        driver["SSHKeyPath"] = str(
            (store or directory.parent.parent) / "machines" / name / "id_rsa"
        )
    return {
        "ConfigVersion": CONFIG_VERSION,
        "Driver": driver,
        "DriverName": config.required("DriverName", ID),
        "HostOptions": {
            **host.values,
            "EngineOptions": new_engine,
            "SwarmOptions": new_swarm,
            "AuthOptions": new_auth,
        },
        "Name": config.text("Name") or name,
    }


def _recorded_store(paths: Mapping[str, str], cert_dir: str, of_driver: str) -> PurePath | None:
    """Return where the store was when the configuration was written, if it says so."""
    if of_driver:
        return recorded_path(of_driver)
    if paths["StorePath"]:
        path = recorded_path(paths["StorePath"])
        # some releases wrote the machine's folder here, others the store
        return path.parent.parent if path.parent.name == "machines" else path
    if cert_dir:
        return recorded_path(cert_dir).parent
    if paths["CaCertPath"]:
        path = recorded_path(paths["CaCertPath"])
        return path.parent.parent if path.parent.name == "certs" else None
    return None
