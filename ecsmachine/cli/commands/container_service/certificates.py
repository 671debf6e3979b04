"""The certificates of a cluster on this computer: ~/.docker/aliyun/NAME/{ca,cert,key}.pem."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ecsmachine.errors import MachineError

if TYPE_CHECKING:
    from ecsmachine.aliyun.container_service import Certificates


def store(certificates: Certificates, folder: Path) -> None:
    """Write the three files, readable by their owner alone; the folder too.

    The key goes last: a folder with a key is complete. Raises :class:`MachineError`.
    """
    from ecsmachine.ssh.private_files import write_private

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        for name in ("ca", "cert", "key"):
            text = getattr(certificates, name)
            write_private(folder / f"{name}.pem", text.encode())
    except OSError as error:
        raise MachineError(
            f"{error.filename or folder}: {error.strerror}",
            hint="Check the rights of the folder ~/.docker/aliyun.",
        ) from None
