"""A terminal that passes every key on, and standard input that can be waited for."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

if sys.platform == "win32":
    import socket
    import threading

    _CHUNK = 65536
    _PROCESSED, _LINE, _ECHO, _AS_SEQUENCES = 0x1, 0x2, 0x4, 0x200
    _KEYS = 4096

    class Typing:
        """Standard input as a socket: no other kind of file can be waited for on Windows."""

        def __init__(self, descriptor: int):
            self._here, there = socket.socketpair()
            # it may be in a read at the end of the program
            threading.Thread(target=_pass_on, args=(descriptor, there), daemon=True).start()

        def fileno(self) -> int:
            """Return what can be waited for."""
            return self._here.fileno()

        def read(self, most: int) -> bytes:
            """Return what there is, waiting for it; nothing at its end."""
            try:
                return self._here.recv(most)
            except OSError:
                return b""

    def _pass_on(descriptor: int, there: socket.socket) -> None:
        try:
            read = _key_reader() if os.isatty(descriptor) else lambda: os.read(descriptor, _CHUNK)
            while content := read():
                there.sendall(content)
        except OSError:
            pass
        finally:
            there.close()

    def _key_reader() -> Callable[[], bytes]:
        """Return what reads the keys of the console, in UTF-8; nothing at their end."""
        import codecs
        import ctypes

        kernel = ctypes.WinDLL("kernel32")
        kernel.GetStdHandle.restype = ctypes.c_void_p
        kernel.ReadConsoleW.argtypes = (
            *(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p),
        )
        console = kernel.GetStdHandle(-10)
        decoder = codecs.getincrementaldecoder("utf-16-le")("replace")
        buffer, count = ctypes.create_unicode_buffer(_KEYS), ctypes.c_uint()

        def read() -> bytes:
            text = ""
            while not text:
                if not kernel.ReadConsoleW(console, buffer, _KEYS, ctypes.byref(count), None):
                    return b""
                text = decoder.decode(ctypes.string_at(buffer, count.value * 2))
            return text.encode(errors="replace")

        return read

    @contextmanager
    def raw(resized: Callable[[], None]) -> Iterator[None]:
        """Have the terminal pass every key on for a block; ``resized`` is called at a new size."""
        import ctypes

        kernel = ctypes.windll.kernel32
        before, console = ctypes.c_uint(), kernel.GetStdHandle(-10)
        known = kernel.GetConsoleMode(console, ctypes.byref(before))
        over = threading.Event()
        watch = threading.Thread(target=_watch_size, args=(resized, over), daemon=True)
        try:
            if known:
                passing = before.value & ~(_PROCESSED | _LINE | _ECHO) | _AS_SEQUENCES
                kernel.SetConsoleMode(console, passing)
            watch.start()
            yield
        finally:
            over.set()
            if known:
                kernel.SetConsoleMode(console, before.value)

    def _watch_size(resized: Callable[[], None], over: threading.Event) -> None:
        import shutil

        size = shutil.get_terminal_size()
        while not over.wait(0.3):
            if size != shutil.get_terminal_size():
                size = shutil.get_terminal_size()
                resized()

else:

    class Typing:
        """Standard input, which can be waited for."""

        def __init__(self, descriptor: int):
            self._descriptor = descriptor

        def fileno(self) -> int:
            """Return what can be waited for."""
            return self._descriptor

        def read(self, most: int) -> bytes:
            """Return what there is, waiting for it; nothing at its end."""
            return os.read(self._descriptor, most)

    @contextmanager
    def raw(resized: Callable[[], None]) -> Iterator[None]:
        """Have the terminal pass every key on for a block; ``resized`` is called at a new size."""
        import signal
        import termios
        import tty

        terminal = sys.stdin.fileno()
        settings = termios.tcgetattr(terminal)
        before = signal.signal(signal.SIGWINCH, lambda _signal, _frame: resized())
        try:
            tty.setraw(terminal, termios.TCSADRAIN)  # what was typed already is kept
            yield
        finally:
            termios.tcsetattr(terminal, termios.TCSADRAIN, settings)
            signal.signal(signal.SIGWINCH, before)
