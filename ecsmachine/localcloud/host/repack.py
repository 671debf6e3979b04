"""Repacks Debian packages so that it takes little CPU to fetch and to unpack them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

from ecsmachine.localcloud.host.programs import ProgramError, run
from ecsmachine.localcloud.protocol.errors import LocalCloudError

Compression = Literal["zstd", "none"]


def repack(source: Path, target: Path, compression: Compression) -> None:
    """Write a package with another compression; what is in it stays the same.

    Raises :class:`LocalCloudError` if ``source`` is no package.
    """
    # Beyond its first level zstd takes much longer for hardly smaller files.
    how = ["-Znone"] if compression == "none" else ["-Zzstd", "-z1"]
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        tree = f"{work}/tree"
        try:
            run(["dpkg-deb", "--raw-extract", str(source), tree], timeout_s=600)
            run(["dpkg-deb", "--nocheck", *how, "--build", tree, str(target)], timeout_s=600)
        except ProgramError as error:
            raise LocalCloudError(
                f"{source.name} cannot be repacked: {error.message}",
                hint=error.hint,
                details=error.details,
            ) from error
