"""An image as a registry holds it: blobs, named by their digests, and a manifest."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecsmachine.localcloud.host.packages import sha256_of

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


@dataclass(frozen=True)
class Blob:
    """A file, with its media type, its digest (``sha256:…``) and its size in bytes."""

    media_type: str
    digest: str
    size: int
    file: Path

    @property
    def descriptor(self) -> dict[str, Any]:
        """How a manifest names it."""
        return {"mediaType": self.media_type, "size": self.size, "digest": self.digest}


@dataclass(frozen=True)
class ImageContent:
    """An image that can be pushed: its manifest, and the blobs that the manifest names."""

    manifest: bytes
    media_type: str
    blobs: tuple[Blob, ...]


def architecture() -> str:
    """Return the architecture of this machine, as images name it."""
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def blob_of(file: Path, media_type: str) -> Blob:
    """Return a file as a blob."""
    return Blob(media_type, f"sha256:{sha256_of(file)}", file.stat().st_size, file)


def docker_image(config: Blob, layers: list[Blob]) -> ImageContent:
    """Return the image of a configuration and its layers, lowest first (schema 2)."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": config.descriptor,
        "layers": [layer.descriptor for layer in layers],
    }
    return ImageContent(json.dumps(manifest, indent=3).encode(), DOCKER_MANIFEST, (config, *layers))
