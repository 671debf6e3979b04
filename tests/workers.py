"""Workers of pytest-xdist that are forks of one process, which has imported all tests.

``python -m tests.workers SOCKET`` leaves that process behind; it ends with the one that asked for
it. ``--tx "5*popen//python=python -m tests.workers SOCKET"`` makes pytest-xdist use it.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
from pathlib import Path

from tests.loaded_program import finalize_interpreter


def _serve(listening: socket.socket, for_process: int) -> socket.socket | None:
    """Fork for each connection, and return it in the fork; None once nobody needs workers."""
    listening.settimeout(1)
    while Path(f"/proc/{for_process}").exists():
        try:
            asked, _ = listening.accept()
        except TimeoutError:
            continue
        if not os.fork():
            return asked
        asked.close()
    return None


def _work(asked: socket.socket) -> None:
    """Do as a Python that pytest-xdist has started, with its input and output."""
    _, descriptors, _, _ = socket.recv_fds(asked, 1, 3)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.argv = ["-c"]
    sys.stdin = os.fdopen(0, closefd=False)
    exec(eval(sys.stdin.readline()), {"__name__": "__main__"})
    finalize_interpreter()
    os._exit(0)


def _load(path: str) -> None:
    """Leave a process behind that imports all tests, and waits for those who need workers."""
    for_process = os.getppid()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        if os.fork():
            return
        import pytest

        pytest.main(["--collect-only", "-qq"])
        gc.freeze()
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGCHLD)}
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        asked = _serve(listening, for_process)
    if asked:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        _work(asked)


def _join(path: str) -> None:
    """Give a worker this process's input and output, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker gets it too
    with socket.socket(socket.AF_UNIX) as worker:
        worker.connect(path)
        socket.send_fds(worker, [b"."], [0, 1, 2])
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1):  # what is left of them is the worker's
            os.dup2(nothing, number)
        with contextlib.suppress(ConnectionResetError):
            worker.recv(1)


if __name__ == "__main__":
    _join(sys.argv[1]) if sys.argv[2:] else _load(sys.argv[1])
