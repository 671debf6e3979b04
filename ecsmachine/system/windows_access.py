"""Who may get at files on Windows: access control lists, over the system's own library.

What is made here lets its owner alone in, and inherits nothing of the folder that it is in.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import ctypes
    import os
    from collections.abc import Iterator
    from contextlib import contextmanager
    from ctypes import wintypes

    _TRUSTED = {"S-1-5-18", "S-1-5-32-544", "S-1-3-4"}
    """The system, administrators (who may do all, as root may) and the owner's own rights."""

    _TOKEN_QUERY, _TOKEN_USER = 0x8, 1
    _FILE_OBJECT, _DACL = 1, 0x4
    _INHERIT_ONLY, _ALLOWED = 0x8, (0, 5, 9, 11)
    _HARMLESS = 0x20000 | 0x100000 | 0x80 | 0x8
    """To read the list itself, to wait, to read attributes: nothing of the content."""
    _READING = 0x80000000 | 0x20000000 | 0x1 | 0x20
    """To read, and to run a file or pass through a folder."""
    _GENERIC_WRITE, _CREATE_NEW, _SHARE = 0x40000000, 1, 0x7
    _READ_AND_DELETE, _OPEN_EXISTING = 0x80000000 | 0x10000, 3
    _INVALID = ctypes.c_void_p(-1).value

    class _Attributes(ctypes.Structure):
        _fields_ = (
            ("length", wintypes.DWORD),
            ("descriptor", ctypes.c_void_p),
            ("inherit", wintypes.BOOL),
        )

    def is_in_use(path: str) -> bool:
        """Whether another program has a file open, and lets nobody read or move it meanwhile."""
        handle = _create()(path, _READ_AND_DELETE, _SHARE, None, _OPEN_EXISTING, 0x80, None)
        if handle == _INVALID:
            return ctypes.get_last_error() in (32, 33)
        _library("kernel32").CloseHandle(ctypes.c_void_p(handle))
        return False

    def create_file(path: str) -> int:
        """Make a file for the user alone, open to be written; return its descriptor.

        Raises :class:`OSError`, among others if it is there.
        """
        import msvcrt

        with _for_the_user_alone("") as attributes:
            handle = _create()(
                path, _GENERIC_WRITE, _SHARE, ctypes.byref(attributes), _CREATE_NEW, 0x80, None
            )
            if handle == _INVALID:
                raise _error(path)
        return msvcrt.open_osfhandle(handle, os.O_WRONLY | os.O_BINARY | os.O_NOINHERIT)

    def _create() -> ctypes._NamedFuncPointer:
        create = _library("kernel32").CreateFileW
        create.restype = ctypes.c_void_p
        create.argtypes = (
            *(wintypes.LPCWSTR, wintypes.DWORD, wintypes.DWORD, ctypes.c_void_p),
            *(wintypes.DWORD, wintypes.DWORD, ctypes.c_void_p),
        )
        return create

    def create_folder(path: str) -> None:
        """Make a folder for the user alone, as is what will be made in it.

        Raises :class:`OSError`, among others if it is there.
        """
        with _for_the_user_alone("OICI") as attributes:
            create = _library("kernel32").CreateDirectoryW
            create.argtypes = (wintypes.LPCWSTR, ctypes.c_void_p)
            if not create(path, ctypes.byref(attributes)):
                raise _error(path)

    def others(path: str, *, reading: bool = True) -> list[str]:
        """Return who else than the user may change a file, or read it if ``reading``: names, SIDs.

        None at all if the list cannot be read; everyone, if there is no list.
        """
        security = _library("advapi32")
        entries, descriptor = ctypes.c_void_p(), ctypes.c_void_p()
        read = security.GetNamedSecurityInfoW
        read.argtypes = (wintypes.LPCWSTR, *[ctypes.c_int] * 2, *[ctypes.c_void_p] * 5)
        if read(
            *(path, _FILE_OBJECT, _DACL, None, None),
            *(ctypes.byref(entries), None, ctypes.byref(descriptor)),
        ):
            return []
        try:
            if not entries.value:
                return ["everyone"]
            own = _user_sid()
            passed = _HARMLESS | (0 if reading else _READING)
            found = dict.fromkeys(_allowed(security, entries, passed))
            return [_name(security, sid) for sid in found if sid not in _TRUSTED | {own}]
        finally:
            _free(descriptor)

    def _allowed(security: ctypes.WinDLL, entries: ctypes.c_void_p, passed: int) -> Iterator[str]:
        """Yield whom a list lets do more than what is ``passed`` over, as SIDs."""
        get = security.GetAce
        get.argtypes = (ctypes.c_void_p, wintypes.DWORD, ctypes.c_void_p)
        entry, number = ctypes.c_void_p(), 0
        while get(entries, number, ctypes.byref(entry)):
            number += 1
            place = entry.value or 0
            kind, flags = ctypes.string_at(place, 2)
            mask = int.from_bytes(ctypes.string_at(place + 4, 4), "little")
            if kind in _ALLOWED and not flags & _INHERIT_ONLY and mask & ~passed:
                # those that are for objects have two identifiers before whom they are for
                yield _text_of(place + 8 + (36 if kind in (5, 11) else 0))

    def _text_of(sid: int) -> str:
        text = wintypes.LPWSTR()
        convert = _library("advapi32").ConvertSidToStringSidW
        convert.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
        if not convert(sid, ctypes.byref(text)):
            raise _error()
        try:
            return text.value or ""
        finally:
            _free(ctypes.cast(text, ctypes.c_void_p))

    def _name(security: ctypes.WinDLL, sid: str) -> str:
        """Return the name of whom a SID is for, or the SID."""
        binary = ctypes.c_void_p()
        convert = security.ConvertStringSidToSidW
        convert.argtypes = (wintypes.LPCWSTR, ctypes.c_void_p)
        if not convert(sid, ctypes.byref(binary)):
            return sid
        try:
            name, domain = ctypes.create_unicode_buffer(257), ctypes.create_unicode_buffer(257)
            sizes = [wintypes.DWORD(257), wintypes.DWORD(257)]
            use = wintypes.DWORD()
            look = security.LookupAccountSidW
            look.argtypes = (wintypes.LPCWSTR, *[ctypes.c_void_p] * 6)
            known = look(
                *(None, binary, name, ctypes.byref(sizes[0])),
                *(domain, ctypes.byref(sizes[1]), ctypes.byref(use)),
            )
            return name.value if known and name.value else sid
        finally:
            _free(binary)

    def _user_sid() -> str:
        """Return the SID of the user whose process this is."""
        kernel, security = _library("kernel32"), _library("advapi32")
        kernel.GetCurrentProcess.restype = ctypes.c_void_p
        kernel.CloseHandle.argtypes = (ctypes.c_void_p,)
        opening, asking = security.OpenProcessToken, security.GetTokenInformation
        opening.argtypes = (ctypes.c_void_p, wintypes.DWORD, ctypes.c_void_p)
        asking.argtypes = (
            *(ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD, ctypes.c_void_p),
        )
        token, size = ctypes.c_void_p(), wintypes.DWORD()
        if not opening(kernel.GetCurrentProcess(), _TOKEN_QUERY, ctypes.byref(token)):
            raise _error()
        try:
            found = ctypes.create_string_buffer(1024)
            if not asking(token, _TOKEN_USER, found, len(found), ctypes.byref(size)):
                raise _error()
            return _text_of(ctypes.c_void_p.from_buffer(found).value or 0)
        finally:
            kernel.CloseHandle(token)

    @contextmanager
    def _for_the_user_alone(inherited: str) -> Iterator[_Attributes]:
        """Give the attributes of what the user alone may get at; freed after the block."""
        descriptor = ctypes.c_void_p()
        convert = _library("advapi32").ConvertStringSecurityDescriptorToSecurityDescriptorW
        convert.argtypes = (wintypes.LPCWSTR, wintypes.DWORD, ctypes.c_void_p, ctypes.c_void_p)
        if not convert(f"D:P(A;{inherited};FA;;;{_user_sid()})", 1, ctypes.byref(descriptor), None):
            raise _error()
        try:
            yield _Attributes(ctypes.sizeof(_Attributes), descriptor, False)
        finally:
            _free(descriptor)

    def _free(memory: ctypes.c_void_p) -> None:
        free = _library("kernel32").LocalFree
        free.argtypes, free.restype = (ctypes.c_void_p,), ctypes.c_void_p
        free(memory)

    def _library(name: str) -> ctypes.WinDLL:
        return ctypes.WinDLL(name, use_last_error=True)

    def _error(path: str | None = None) -> OSError:
        code = ctypes.get_last_error()
        return OSError(None, ctypes.FormatError(code), path, code)
