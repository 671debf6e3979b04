"""The image that every local cloud's registry has from the start: busybox, made of Debian's."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

from ecsmachine.localcloud.host.programs import run
from ecsmachine.localcloud.registry.content import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    ImageContent,
    architecture,
    blob_of,
    docker_image,
)

NAME = "library/busybox"
_QUICKLY = 1  # a fifth of a second at each first start: the network that it crosses is this host

_FOLDERS = {"bin": 0o755, "etc": 0o755, "home": 0o755, "root": 0o700, "tmp": 0o1777, "var": 0o755}
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}


def busybox_image(program: Path, work: Path) -> ImageContent:
    """Return an image of a static busybox, with a link for each of its applets.

    The same program always gives the same image. ``work`` is where its blobs are put.
    """
    layer = _layer(program.read_bytes(), run([str(program), "--list"]).split())
    config = {
        "architecture": architecture(),
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Cmd": ["sh"],
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "busybox-static"}],
    }
    (work / "config").write_text(json.dumps(config))
    (work / "layer").write_bytes(gzip.compress(layer, _QUICKLY, mtime=0))
    return docker_image(
        blob_of(work / "config", DOCKER_CONFIG), [blob_of(work / "layer", DOCKER_LAYER)]
    )


def _layer(program: bytes, applets: list[str]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, mode in _FOLDERS.items():
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            archive.addfile(folder)
        files = {"bin/busybox": (program, 0o755)}
        files |= {name: (text.encode(), 0o644) for name, text in _FILES.items()}
        for name, (content, mode) in files.items():
            file = tarfile.TarInfo(name)
            file.size, file.mode = len(content), mode
            archive.addfile(file, io.BytesIO(content))
        for applet in sorted(applets):
            if applet != "busybox":
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.LNKTYPE, "bin/busybox"
                link.mode = 0o755  # which an engine gives to the file that it leads to
                archive.addfile(link)
    return written.getvalue()
