"""Images in files: docker-save and OCI layouts are read, damaged ones refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.registry.archive import read_archive
from ecsmachine.localcloud.registry.busybox import busybox_image
from ecsmachine.localcloud.registry.content import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from ecsmachine.localcloud.registry.push import parse_reference

LAYER = b"a layer" * 1000
HERE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def archive(file: Path, members: Mapping[str, bytes]) -> Path:
    with tarfile.open(file, "w") as out:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return file


def saved(
    layer: bytes = LAYER, diff_id: str = "", tags: tuple[str, ...] = ("web:1",)
) -> dict[str, bytes]:
    config = {"os": "linux", "rootfs": {"diff_ids": [diff_id or sha256(LAYER)]}}
    entry = {"Config": "c.json", "RepoTags": list(tags), "Layers": ["l/layer.tar"]}
    return {
        "manifest.json": json.dumps([entry]).encode(),
        "c.json": json.dumps(config).encode(),
        "l/layer.tar": layer,
    }


def layout(platforms: tuple[str, ...] = (HERE,), nested: bool = False) -> dict[str, bytes]:
    files: dict[str, bytes] = {}

    def blob(data: bytes, kind: str, **more: Any) -> dict[str, Any]:
        files[f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"] = data
        return {"mediaType": kind, "digest": sha256(data), "size": len(data), **more}

    manifests = []
    for name in platforms:
        config = blob(json.dumps({"architecture": name}).encode(), "application/config")
        layer = blob(gzip.compress(LAYER, mtime=0), "application/layer")
        manifest = {"schemaVersion": 2, "config": config, "layers": [layer]}
        data = json.dumps(manifest).encode()
        manifests.append(blob(data, OCI_MANIFEST, platform={"architecture": name}))
    if nested:
        manifests = [blob(json.dumps({"manifests": manifests}).encode(), OCI_INDEX)]
    files["index.json"] = json.dumps({"manifests": manifests}).encode()
    files["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
    return files


@pytest.mark.parametrize("layer", [LAYER, gzip.compress(LAYER)], ids=["plain", "compressed"])
def test_docker_save(tmp_path: Path, layer: bytes) -> None:
    (tmp_path / "work").mkdir()
    image = read_archive(archive(tmp_path / "a.tar", saved(layer)), tmp_path / "work")
    manifest = json.loads(image.manifest)
    assert image.media_type == manifest["mediaType"] == DOCKER_MANIFEST
    config, pushed = image.blobs
    assert config.digest == manifest["config"]["digest"] == sha256(saved()["c.json"])
    assert pushed.digest == manifest["layers"][0]["digest"] == sha256(pushed.file.read_bytes())
    assert gzip.decompress(pushed.file.read_bytes()) == LAYER


def test_the_same_layer_is_the_same_blob(tmp_path: Path) -> None:
    digests = set()
    for number in range(2):
        work = tmp_path / str(number)
        work.mkdir()
        digests.add(read_archive(archive(work / "a.tar", saved()), work).blobs[1].digest)
    assert len(digests) == 1


@pytest.mark.parametrize("nested", [False, True])
def test_oci_layouts_give_the_image_of_this_machine(tmp_path: Path, nested: bool) -> None:
    file = archive(tmp_path / "a.tar", layout(("other", HERE), nested))
    image = read_archive(file, tmp_path)
    assert image.media_type == OCI_MANIFEST
    assert json.loads(image.blobs[0].file.read_bytes()) == {"architecture": HERE}
    assert sha256(image.manifest) in {
        sha256(data) for data in layout(("other", HERE), nested).values()
    }


def test_one_of_several_images_is_named(tmp_path: Path) -> None:
    members = saved()
    (first,) = json.loads(members["manifest.json"])
    members["other.json"] = members["c.json"].replace(b"linux", b"other")
    second = {**first, "Config": "other.json", "RepoTags": ["db:1"]}
    members["manifest.json"] = json.dumps([first, second]).encode()
    file = archive(tmp_path / "a.tar", members)
    with pytest.raises(LocalCloudError, match=r"holds 2 images: web:1; db:1"):
        read_archive(file, tmp_path)
    image = read_archive(file, tmp_path, "db:1")
    assert b"other" in image.blobs[0].file.read_bytes()


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"x": b""}, "neither manifest.json nor index.json"),
        ({**saved(), "manifest.json": b"{"}, "manifest.json is not JSON"),
        ({**saved(), "manifest.json": b"[{}]"}, "names no configuration"),
        (saved(layer=b"another layer"), "does not match its digest"),
        ({k: v for k, v in saved().items() if "layer" not in k}, "l/layer.tar is missing"),
        (layout(("other",)), f"no image for {HERE}, only for: other"),
        ({**layout(), "index.json": b'{"manifests": []}'}, "names no image"),
        ({k: v for k, v in layout().items() if "blobs" not in k}, "blobs/sha256/"),
        (
            {k: (v if "blobs" not in k else v + b" ") for k, v in layout().items()},
            "a blob is not sha256:",
        ),
    ],
)
def test_damaged_files_are_refused_in_one_line(
    tmp_path: Path, members: dict[str, bytes], said: str
) -> None:
    with pytest.raises(LocalCloudError) as caught:
        read_archive(archive(tmp_path / "a.tar", members), tmp_path)
    assert said in caught.value.message
    assert "\n" not in caught.value.message


def test_other_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.tar"
    file.write_bytes(b"not a tar file")
    with pytest.raises(LocalCloudError, match="not a tar file"):
        read_archive(file, tmp_path)
    whole = archive(tmp_path / "b.tar", saved(b"x" * 100_000)).read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LocalCloudError):
        read_archive(file, tmp_path)
    with pytest.raises(LocalCloudError, match="No such file"):
        read_archive(tmp_path / "none.tar", tmp_path)


def test_busybox_has_a_link_for_each_applet_and_is_always_the_same(tmp_path: Path) -> None:
    program = tmp_path / "busybox"
    program.write_text("#!/bin/sh\necho sh; echo ls; echo busybox\n")
    program.chmod(0o755)
    manifests = []
    for number in range(2):
        work = tmp_path / str(number)
        work.mkdir()
        image = busybox_image(program, work)
        manifests.append(image.manifest)
    assert manifests[0] == manifests[1]
    config, layer = image.blobs
    plain = gzip.decompress(layer.file.read_bytes())
    assert json.loads(config.file.read_text())["rootfs"]["diff_ids"] == [sha256(plain)]
    with tarfile.open(fileobj=io.BytesIO(plain)) as content:
        links = [m for m in content if m.islnk()]
        assert [m.name for m in links] == ["bin/ls", "bin/sh"]
        # an engine gives a link's mode to the file that it leads to
        assert {m.mode for m in links} == {content.getmember("bin/busybox").mode} == {0o755}


@pytest.mark.parametrize(
    ("text", "name", "tag"),
    [
        ("busybox", "library/busybox", "latest"),
        ("web:1.0", "library/web", "1.0"),
        ("demo/web:1", "demo/web", "1"),
        ("198.18.0.1:5000/demo/web", "demo/web", "latest"),
        ("docker.io/library/nginx:1", "library/nginx", "1"),
    ],
)
def test_names_of_images(text: str, name: str, tag: str) -> None:
    assert parse_reference(text) == (name, tag)


@pytest.mark.parametrize("text", ["", "Web", "a b", "../etc", "web:a b", ":1"])
def test_names_that_are_none(text: str) -> None:
    with pytest.raises(LocalCloudError, match="not the name of an image"):
        parse_reference(text)
