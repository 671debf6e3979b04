"""A DLL without code, whose functions are those of other DLLs (the PE format's forwarders).

Wine 8 has no ``bcryptprimitives.dll``, whose one function every wheel made by Rust needs since
Rust 1.78. Source of the layout: Microsoft's "PE Format", ``.edata``.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

_SECTION_AT, _FILE_UNIT, _PAGE = 0x1000, 0x200, 0x1000


def forwarding_dll(name: str, forwards: Mapping[str, str]) -> bytes:
    """Return a 64-bit DLL that exports functions as ``DLL.function`` of another one."""
    exports = _exports(name, forwards)
    size = -(-len(exports) // _FILE_UNIT) * _FILE_UNIT
    header = b"MZ" + bytes(58) + struct.pack("<I", 64)
    header += b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x2022)
    header += struct.pack("<HBBIIIII", 0x20B, 0, 0, 0, size, 0, 0, _SECTION_AT)
    header += struct.pack("<QII", 0x180000000, _PAGE, _FILE_UNIT)
    header += struct.pack("<6H4I2H", 6, 0, 0, 0, 6, 0, 0, 2 * _PAGE, _FILE_UNIT, 0, 3, 0)
    header += struct.pack("<4Q2I", 0x100000, 0x1000, 0x100000, 0x1000, 0, 16)
    header += struct.pack("<II", _SECTION_AT, len(exports)) + bytes(8 * 15)
    header += struct.pack("<8s4I", b".edata", len(exports), _SECTION_AT, size, _FILE_UNIT)
    header += struct.pack("<2I2HI", 0, 0, 0, 0, 0x40000040)
    return header.ljust(_FILE_UNIT, b"\0") + exports.ljust(size, b"\0")


def _exports(name: str, forwards: Mapping[str, str]) -> bytes:
    """Return the export directory: its tables of addresses, names and ordinals, and the names."""
    functions = sorted(forwards)
    count = len(functions)
    addresses_at = _SECTION_AT + 40
    names_at, ordinals_at = addresses_at + 4 * count, addresses_at + 8 * count
    texts, text_at = b"", []
    for text in (name, *functions, *(forwards[function] for function in functions)):
        text_at.append(addresses_at + 10 * count + len(texts))
        texts += text.encode() + b"\0"
    directory = struct.pack("<2I2H", 0, 0, 0, 0)
    directory += struct.pack("<4I", text_at[0], 1, count, count)
    directory += struct.pack("<3I", addresses_at, names_at, ordinals_at)
    tables = struct.pack(f"<{count}I", *text_at[1 + count :])
    tables += struct.pack(f"<{count}I", *text_at[1 : 1 + count])
    tables += struct.pack(f"<{count}H", *range(count))
    return directory + tables + texts
