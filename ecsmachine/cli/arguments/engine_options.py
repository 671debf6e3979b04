"""The options of ``create`` for the engine, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ecsmachine.drivers.options import Alternative, Option

if TYPE_CHECKING:
    from ecsmachine.provision.base import EngineOptions

ENGINE = (
    Option(
        "engine-source",
        "Where Docker's packages come from: auto, mirror (Alibaba Cloud's), docker, or a "
        "mirror's URL (repeatable: if one fails, the next is tried) [default: auto]",
        env="ENGINE_SOURCE",
        kind="list",
        group="Engine",
        everyday=True,
    ),
    Option(
        "engine-version",
        "The engine's version, in full or in part: 27.5 [default: the newest]",
        default="",
        everyday=True,
    ),
    Option(
        "engine-source-key",
        "Fingerprint of the key that signs the packages, if it is not Docker's key",
        env="ENGINE_SOURCE_KEY",
        default="",
    ),
    Option(
        "engine-install-url",
        "Install the engine with the script at this URL; wins over --engine-source",
        env="MACHINE_DOCKER_INSTALL_URL",
        default="",
        alternatives=(
            Alternative("engine-source", both="wins"),
            Alternative("engine-version", why="the install script chooses the version itself"),
        ),
    ),
    Option("engine-opt", "An engine flag, as flag=value (repeatable)", kind="list", pairs=True),
    Option("engine-insecure-registry", "A registry to use without TLS (repeatable)", kind="list"),
    Option(
        "engine-registry-mirror",
        "A registry mirror (repeatable), or auto: the mirrors that the host's image names "
        "[default: auto]",
        env="ENGINE_REGISTRY_MIRROR",
        kind="list",
        everyday=True,
    ),
    Option("engine-label", "An engine label, as key=value (repeatable)", kind="list", pairs=True),
    Option("engine-storage-driver", "The engine's storage driver", default=""),
    Option(
        "engine-env",
        "An environment variable of the engine, as NAME=value (repeatable)",
        kind="list",
        pairs=True,
    ),
    Option(
        "tls-san",
        "An additional name or address for the engine's certificate (repeatable)",
        kind="list",
    ),
)


def engine_options(values: Mapping[str, Any]) -> EngineOptions:
    """Return the engine's options out of the values of all."""
    from ecsmachine.provision.base import AUTO, DEFAULT_INSTALL_URL, EngineOptions
    from ecsmachine.provision.engine_source import LATEST

    script, version = values["engine-install-url"], values["engine-version"]
    return EngineOptions(
        arbitrary_flags=values["engine-opt"] or [],
        env=values["engine-env"] or [],
        insecure_registry=values["engine-insecure-registry"] or [],
        labels=values["engine-label"] or [],
        registry_mirror=list(values["engine-registry-mirror"] or [AUTO]),
        storage_driver=values["engine-storage-driver"],
        install_url=script or DEFAULT_INSTALL_URL,
        source=[] if script else list(values["engine-source"] or [AUTO]),
        source_key="" if script else values["engine-source-key"],
        version="" if version == LATEST else version,
    )
