"""Standard streams: written to, whatever is behind them, and in which encoding."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Stream(Protocol):
        """A standard stream."""

        def isatty(self) -> bool:
            """Whether it is a device that characters come from, one after the other."""

        def fileno(self) -> int:
            """Return its descriptor."""


def is_terminal(stream: Stream) -> bool:
    """Whether somebody is there to be asked; Windows' NUL, too, says that it is a terminal."""
    if sys.platform != "win32" or not stream.isatty():
        return stream.isatty()
    import ctypes
    import msvcrt

    handle, mode = msvcrt.get_osfhandle(stream.fileno()), ctypes.c_uint()
    kernel = ctypes.windll.kernel32
    return bool(kernel.GetConsoleMode(ctypes.c_void_p(handle), ctypes.byref(mode)))


def writer(descriptor: int) -> Callable[[memoryview], int]:
    """Return what writes some bytes, waits where that takes time, and returns how many.

    It raises :class:`OSError`. A console of Windows is written to as Unicode, in UTF-8.
    """
    if sys.platform == "win32":
        if not os.isatty(descriptor):
            return lambda content: os.write(descriptor, content)
        import codecs

        console = open(descriptor, "wb", buffering=0, closefd=False)  # noqa: SIM115
        decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a character may come in parts

        def write_to_console(content: memoryview) -> int:
            rest = decoder.decode(content).encode()
            while rest:
                rest = rest[console.write(rest) or 0 :]
            return len(content)

        return write_to_console

    def write(content: memoryview) -> int:
        while True:
            try:
                return os.write(descriptor, content)
            except BlockingIOError:  # somebody made the pipe one that does not wait
                import select

                select.select([], [descriptor], [])

    return write


def has_lost_its_reader(descriptor: int) -> bool:
    """Whether nobody reads any more what is written to a pipe.

    Windows does not say so before it is written to.
    """
    if sys.platform == "win32":
        return False
    import select

    poll = select.poll()
    poll.register(descriptor, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def encoding(descriptor: int, usual: str) -> str:
    """Return in which encoding texts are read that are written to a descriptor.

    On Windows PowerShell and ``FOR /f`` read those of a pipe in the console's code page, which need
    not be the one that is ``usual`` for files. PYTHONUTF8 and PYTHONIOENCODING say otherwise.
    """
    if sys.platform != "win32":
        return usual
    if os.isatty(descriptor):
        return "utf-8"
    if sys.flags.utf8_mode or "PYTHONIOENCODING" in os.environ:
        return usual
    import codecs
    import ctypes

    page = ctypes.windll.kernel32.GetConsoleOutputCP()  # 0 without a console
    try:
        return codecs.lookup(f"cp{page}").name if page else "utf-8"
    except LookupError:
        return usual


def show_colours() -> None:
    """Have Windows' console read the sequences that colour and move, which it may not at first."""
    if sys.platform != "win32" or not (os.isatty(1) or os.isatty(2)):
        return
    import ctypes

    kernel = ctypes.windll.kernel32
    for number in (-11, -12):  # standard output and error
        handle, mode = kernel.GetStdHandle(number), ctypes.c_uint()
        if kernel.GetConsoleMode(handle, ctypes.byref(mode)):
            kernel.SetConsoleMode(handle, mode.value | 0x4)


class KeptFromOthers:
    """Keeps output that is read by a program from those that are begun in a block.

    They might write into it, and keep it open for long after we have ended. A terminal is theirs.
    """

    def __enter__(self) -> None:
        self._kept: dict[int, int] = {}
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            if not os.isatty(stream):
                self._kept[stream] = os.dup(stream)
                os.dup2(nowhere, stream)
        os.close(nowhere)

    def __exit__(self, *_error: object) -> None:
        for stream, kept in self._kept.items():
            os.dup2(kept, stream)
            os.close(kept)
