"""Repacks Debian packages without compression, so that unpacking is faster.

The formats are those of deb(5) and ar(5). The content of a package stays the same, byte for byte.
"""

from __future__ import annotations

import gzip
import lzma
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from ecsmachine.localcloud.protocol.errors import LocalCloudError

_MAGIC = b"!<arch>\n"
_HEADER_BYTES = 60
_SIZE = slice(48, 58)
_END = b"`\n"


def repack(source: Path, target: Path) -> None:
    """Write a package whose members are not compressed; one with another compression is copied.

    Raises :class:`LocalCloudError` if ``source`` is no package.
    """
    try:
        with source.open("rb") as package, target.open("wb") as output:
            if package.read(len(_MAGIC)) != _MAGIC:
                raise LocalCloudError(f"{source.name} is not a Debian package.")
            output.write(_MAGIC)
            while header := package.read(_HEADER_BYTES):
                if len(header) != _HEADER_BYTES or not header.endswith(_END):
                    raise LocalCloudError(f"{source.name} is not a whole Debian package.")
                begin, size = package.tell(), int(header[_SIZE])
                _copy_member(package, header, size, output)
                package.seek(begin + size + size % 2)
    except (lzma.LZMAError, EOFError, ValueError, gzip.BadGzipFile) as error:
        raise LocalCloudError(f"{source.name} cannot be unpacked: {error}") from None


def _copy_member(package: BinaryIO, header: bytes, size: int, output: BinaryIO) -> None:
    name = header[:16].rstrip().removesuffix(b"/")
    with _plain(name, package, size) as (plain_name, content):
        place = output.tell()
        output.write(plain_name.ljust(16) + header[16:])
        shutil.copyfileobj(content, output, 1 << 20)
        end = output.tell()
        written = end - place - _HEADER_BYTES
        output.seek(place + _SIZE.start)
        output.write(str(written).encode().ljust(_SIZE.stop - _SIZE.start))
        output.seek(end)
        if written % 2:
            output.write(b"\n")


@contextmanager
def _plain(name: bytes, package: BinaryIO, size: int) -> Iterator[tuple[bytes, BinaryIO]]:
    """Yield the name that a member has when it is not compressed, and its content then."""
    part = cast("BinaryIO", _Part(package, size))
    if name.endswith(b".tar.xz"):
        with lzma.open(part) as content:
            yield name.removesuffix(b".xz"), cast("BinaryIO", content)
    elif name.endswith(b".tar.gz"):
        with gzip.open(part) as content:
            yield name.removesuffix(b".gz"), cast("BinaryIO", content)
    else:
        yield name, part


class _Part:
    """So many bytes of a file, from where it is on."""

    def __init__(self, file: BinaryIO, size: int):
        self._file = file
        self._left = size

    def read(self, size: int = -1) -> bytes:
        """Read what there is of the part."""
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._file.read(wanted)
        self._left -= len(data)
        return data
