"""The shell that called the program, where its variable does not tell."""

from __future__ import annotations

import sys

_SHELLS = {"powershell": "powershell", "pwsh": "powershell", "cmd": "cmd", "bash": "bash"}
_SHELLS |= {"sh": "bash", "zsh": "zsh", "fish": "fish", "tcsh": "tcsh", "nu": "nu"}


def first_shell(programs: list[str]) -> str | None:
    """Return the first shell among the programs that led here, the nearest first; None of none."""
    for program in programs:
        name = program.lower().removesuffix(".exe")
        if name in _SHELLS:
            return _SHELLS[name]
    return None


def calling() -> str | None:
    """Return the shell that called this program, where its variable does not tell; None of none.

    Windows' shells set none. Other programs may be in between.
    """
    if sys.platform == "win32":
        return first_shell(_ancestors())
    return None


if sys.platform == "win32":

    def _ancestors() -> list[str]:
        """Return the names of the programs that led here, the nearest first."""
        import ctypes
        import os
        from ctypes import wintypes

        class Entry(ctypes.Structure):
            _fields_ = (
                ("size", wintypes.DWORD),
                ("usage", wintypes.DWORD),
                ("process", wintypes.DWORD),
                ("heap", ctypes.c_void_p),
                ("module", wintypes.DWORD),
                ("threads", wintypes.DWORD),
                ("parent", wintypes.DWORD),
                ("priority", wintypes.LONG),
                ("flags", wintypes.DWORD),
                ("name", wintypes.WCHAR * 260),
            )

        kernel = ctypes.WinDLL("kernel32")
        kernel.CreateToolhelp32Snapshot.restype = ctypes.c_void_p
        for function in (kernel.Process32FirstW, kernel.Process32NextW):
            function.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
        kernel.CloseHandle.argtypes = (ctypes.c_void_p,)
        entry = Entry()
        entry.size = ctypes.sizeof(Entry)
        snapshot = kernel.CreateToolhelp32Snapshot(0x2, 0)
        found: dict[int, tuple[int, str]] = {}
        there = kernel.Process32FirstW(snapshot, ctypes.byref(entry))
        while there:
            found[entry.process] = (entry.parent, entry.name)
            there = kernel.Process32NextW(snapshot, ctypes.byref(entry))
        kernel.CloseHandle(snapshot)
        names: list[str] = []
        process = os.getpid()
        while process in found and len(names) < len(found):  # ids are used again: no endless ring
            process, name = found[process]
            names.append(name)
        return names[1:]
