"""Images in a tar file: as ``docker save`` writes it, or with the OCI image layout inside."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.registry.content import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Blob,
    ImageContent,
    architecture,
    blob_of,
    docker_image,
)

_BLOCK = 1 << 20
_MOST_JSON_BYTES = 4 << 20


def read_archive(file: Path, work: Path, tag: str = "") -> ImageContent:
    """Return the image in a tar file; its blobs are put into the folder ``work``.

    Of several images in the file, ``tag`` (NAME:TAG) says which. Raises
    :class:`LocalCloudError` for a file that holds no image, or a damaged one.
    """
    try:
        with tarfile.open(file) as archive:
            members = {_plain(member.name): member for member in archive if member.name}
            reader = _Reader(file, archive, members, work)
            if "manifest.json" in members:
                return reader.docker_save(tag)
            if "index.json" in members:
                return reader.oci_layout(tag)
    except tarfile.ReadError:
        raise LocalCloudError(f"{file} is not a tar file, or it is truncated.") from None
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise LocalCloudError(f"{file} cannot be read: {error}") from None
    except OSError as error:
        raise LocalCloudError(f"{file}: {error.strerror or error}") from None
    raise LocalCloudError(
        f"{file} holds no image: it has neither manifest.json nor index.json.",
        hint='Create one with "docker save", or in the OCI image layout',
    )


@dataclass(eq=False, repr=False)
class _Reader:
    file: Path
    archive: tarfile.TarFile
    members: Mapping[str, tarfile.TarInfo]
    work: Path

    def docker_save(self, tag: str) -> ImageContent:
        entries = self._json("manifest.json")
        if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
            raise self._damaged("manifest.json is no list of images")
        entry = self._one(entries, tag)
        config_name, layer_names = entry.get("Config"), entry.get("Layers")
        if not isinstance(config_name, str) or not isinstance(layer_names, list):
            raise self._damaged("manifest.json names no configuration or no layers")
        config = self._json(config_name)
        diff_ids = config.get("rootfs", {}).get("diff_ids") if isinstance(config, dict) else None
        if not isinstance(diff_ids, list) or len(diff_ids) != len(layer_names):
            raise self._damaged("the configuration does not fit the layers")
        layers = [
            self._compressed(str(name), str(diff_id), number)
            for number, (name, diff_id) in enumerate(zip(layer_names, diff_ids, strict=True))
        ]
        return docker_image(self._copied(config_name, DOCKER_CONFIG), layers)

    def oci_layout(self, tag: str) -> ImageContent:
        index = self._json("index.json")
        manifests = index.get("manifests") if isinstance(index, dict) else None
        if not isinstance(manifests, list) or not manifests:
            raise self._damaged("index.json names no image")
        wanted = [m for m in manifests if _annotated(m) in (tag, tag.partition(":")[2])]
        if not wanted and len(manifests) > 1 and not any(_platform(m) for m in manifests):
            raise self._several([_annotated(m) for m in manifests])
        manifest, media_type = self._manifest(self._for_this_machine(wanted or manifests))
        described = [manifest.get("config"), *manifest.get("layers", [])]
        if not all(isinstance(item, dict) and "digest" in item for item in described):
            raise self._damaged("a manifest names no configuration or no layers")
        blobs = tuple(self._checked(item) for item in described)
        return ImageContent(self._manifest_bytes, media_type, blobs)

    def _manifest(self, descriptor: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        """Return the manifest that a descriptor leads to, through indexes if need be."""
        for _ in range(4):
            blob = self._checked(descriptor)
            self._manifest_bytes = blob.file.read_bytes()
            manifest = json.loads(self._manifest_bytes)
            kind = str(descriptor.get("mediaType") or manifest.get("mediaType") or OCI_MANIFEST)
            if kind in (OCI_MANIFEST, DOCKER_MANIFEST):
                return manifest, kind
            if kind not in (OCI_INDEX, DOCKER_LIST):
                break
            descriptor = self._for_this_machine(manifest.get("manifests") or [])
        raise self._damaged("the index points to no image manifest")

    def _for_this_machine(self, manifests: list[Any]) -> Mapping[str, Any]:
        machine = architecture()
        fitting = [m for m in manifests if _platform(m) in ("", machine)]
        if not fitting:
            found = ", ".join(sorted({_platform(m) for m in manifests})) or "none"
            raise LocalCloudError(f"{self.file} has no image for {machine}, only for: {found}.")
        chosen = fitting[0]
        if not isinstance(chosen, Mapping) or "digest" not in chosen:
            raise self._damaged("an index has an entry without a digest")
        return chosen

    def _one(self, entries: list[dict[str, Any]], tag: str) -> dict[str, Any]:
        named = [entry for entry in entries if tag in (entry.get("RepoTags") or [])]
        if len(named or entries) != 1:
            raise self._several([", ".join(e.get("RepoTags") or ["untagged"]) for e in entries])
        return (named or entries)[0]

    def _compressed(self, name: str, diff_id: str, number: int) -> Blob:
        """Return a layer as a compressed blob; it must be the one that the image names."""
        target = self.work / f"layer-{number}"
        digest = hashlib.sha256()
        with self._open(name) as source:
            head = source.read(2)
        with self._open(name) as source:
            if head == b"\x1f\x8b":
                with target.open("wb") as out:
                    shutil.copyfileobj(source, out, _BLOCK)
                with gzip.open(target) as plain:
                    while block := plain.read(_BLOCK):
                        digest.update(block)
            else:
                # No name and no time in it: the same layer is the same blob.
                with (
                    target.open("wb") as out,
                    gzip.GzipFile("", "wb", 6, out, mtime=0) as compressed,
                ):
                    while block := source.read(_BLOCK):
                        digest.update(block)
                        compressed.write(block)
        if f"sha256:{digest.hexdigest()}" != diff_id:
            raise self._damaged(f"the content of layer {name} does not match its digest")
        return blob_of(target, DOCKER_LAYER)

    def _checked(self, descriptor: Mapping[str, Any]) -> Blob:
        algorithm, _, value = str(descriptor["digest"]).partition(":")
        blob = self._copied(f"blobs/{algorithm}/{value}", str(descriptor.get("mediaType") or ""))
        if blob.digest != descriptor["digest"]:
            raise self._damaged(f"a blob is not {descriptor['digest']}")
        return blob

    def _copied(self, name: str, media_type: str) -> Blob:
        target = self.work / hashlib.sha256(name.encode()).hexdigest()
        with self._open(name) as source, target.open("wb") as out:
            shutil.copyfileobj(source, out, _BLOCK)
        return blob_of(target, media_type)

    def _json(self, name: str) -> Any:
        with self._open(name) as source:
            try:
                return json.loads(source.read(_MOST_JSON_BYTES))
            except ValueError:
                raise self._damaged(f"{name} is not JSON") from None

    def _open(self, name: str) -> IO[bytes]:
        member = self.members.get(_plain(name))
        try:
            stream = None if member is None else self.archive.extractfile(member)
        except KeyError:  # a link that leads nowhere
            stream = None
        if stream is None:
            raise self._damaged(f"{name} is missing")
        return stream

    def _several(self, names: list[str]) -> LocalCloudError:
        return LocalCloudError(
            f"{self.file} holds {len(names)} images: {'; '.join(names)}.",
            hint="Name one of them, or save only one",
        )

    def _damaged(self, why: str) -> LocalCloudError:
        return LocalCloudError(f"{self.file} holds an incomplete image: {why}.")


def _plain(name: str) -> str:
    return name.removeprefix("./").rstrip("/")


def _annotated(descriptor: Any) -> str:
    annotations = descriptor.get("annotations") if isinstance(descriptor, Mapping) else None
    name = (annotations or {}).get("org.opencontainers.image.ref.name")
    return str(name or "untagged")


def _platform(descriptor: Any) -> str:
    found = descriptor.get("platform") if isinstance(descriptor, Mapping) else None
    return str((found or {}).get("architecture") or "")
