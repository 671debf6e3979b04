"""The program, loaded once: each run is a fork of a process that has imported all of it.

Its imports take several times as long as most commands work. How it starts is tested where it is
started as a user does, by its script or by ``python -m ecsmachine``.

``python -m tests.loaded_program DESCRIPTOR LISTENER`` is that process; it ends when the socket
closes that the first is of. What it runs is asked for there, or by whoever connects to the other.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import resource
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NoReturn

_LIBRARIES = ("requests", "tenacity", "ecsmachine.http_client.session")
"""What is imported within functions alone."""

_one_at_a_time = threading.Lock()
_loaded: list[tuple[socket.socket, subprocess.Popen[bytes]]] = []

_STARTER = """#!{python} -IS
# a loaded program is asked for a run, which is told of the signals that this process gets
import os, sys
import _signal, _socket
from _json import encode_basestring_ascii as text

connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
connection.connect("\\0{address}")
streams = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
connection.sendmsg([b"."], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
words = ",".join(map(text, sys.argv[1:]))
environment = ",".join(f"{{text(name)}}:{{text(value)}}" for name, value in os.environ.items())
asked = f"[[{{words}}],{{{{{{environment}}}}}},{{text(os.getcwd())}},{{text(sys.argv[0])}},null]"
connection.sendall(asked.encode() + b"\\n")


def tell(number, frame):
    try:
        os.kill(process, number)
    except OSError:  # it has ended
        pass


lines = b""
while lines.count(b"\\n") < 2:
    data = connection.recv(100)
    if not data:
        sys.exit("the loaded program is gone")
    if b"\\n" not in lines and b"\\n" in lines + data:
        process = int((lines + data).partition(b"\\n")[0])
        for number in (_signal.SIGHUP, _signal.SIGINT, _signal.SIGTERM):
            _signal.signal(number, tell)
        for number in range(3):
            os.close(number)
    lines += data
code = int(lines.split()[1])
if code < 0:
    _signal.signal(-code, _signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""


class Process:
    """A run of the program, in a session of its own and without input.

    ``module`` is what is run, as by ``python -m``. What it says is in two files, or in one if they
    are ``merged``; or it has the ``streams`` of a caller, who closes them: standard input, output
    and error. ``memory`` is the address space that it may have, in bytes.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path | None = None,
        module: str = "ecsmachine",
        merged: bool = False,
        memory: int | None = None,
        streams: tuple[int, int, int] | None = None,
    ):
        self._arguments = [*arguments]
        self._output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._errors = self._output if merged else tempfile.TemporaryFile()  # noqa: SIM115
        self._socket, theirs = socket.socketpair()
        self._told = self._socket.makefile("r")
        with theirs, Path(os.devnull).open() as nothing:
            own = (nothing.fileno(), self._output.fileno(), self._errors.fileno())
            socket.send_fds(_control(), [b"."], [*(streams or own), theirs.fileno()])
        request = [self._arguments, {**environment}, str(folder or Path.cwd()), module, memory]
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        self._pid = int(self._told.readline())
        self._is_running = True

    def wait(self, timeout_s: float) -> subprocess.CompletedProcess[bytes]:
        """Return what became of it. Raises ``subprocess.TimeoutExpired`` after killing it."""
        with contextlib.ExitStack() as at_end:
            for each in (self._output, self._errors, self._told, self._socket):
                at_end.callback(each.close)
            ends = select.poll()
            ends.register(self._socket, select.POLLIN)
            in_time = bool(ends.poll(timeout_s * 1000))
            if not in_time:
                self.kill()
            code = int(self._told.readline())
            self._is_running = False
            output = _content(self._output)
            errors = _content(self._errors) if self._errors is not self._output else b""
        if not in_time:
            raise subprocess.TimeoutExpired(self._arguments, timeout_s, output, errors)
        return subprocess.CompletedProcess(self._arguments, code, output, errors)

    def kill(self) -> None:
        """End it as kill -9 does, with all that it started."""
        if self._is_running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)


def write_starter(path: Path) -> None:
    """Write a program that is ``ecsmachine`` for a shell: each run of it is a fork as well."""
    _control()
    path.write_text(_STARTER.format(python=sys.executable, address=_address()))
    path.chmod(0o755)


def _address() -> str:
    """Return the name, which is no file, where the process that is loaded can be asked."""
    return f"ecsmachine of tests {os.getpid()}"


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _control() -> socket.socket:
    """Return the socket of the process that is loaded: the only one that this process has."""
    with _one_at_a_time:
        if not _loaded:
            ours, theirs = socket.socketpair()
            with theirs, socket.socket(socket.AF_UNIX) as listener:
                listener.bind(f"\0{_address()}")
                listener.listen()
                descriptors = [theirs.fileno(), listener.fileno()]
                process = subprocess.Popen(
                    [sys.executable, "-m", "tests.loaded_program", *map(str, descriptors)],
                    pass_fds=descriptors,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    cwd=Path(__file__).parents[1],
                    start_new_session=True,
                )
            _loaded.append((ours, process))
        return _loaded[0][0]


def _serve(control: socket.socket, listener: socket.socket) -> list[int] | None:
    """Fork for each request. Return its descriptors in the process that is forked; None at the end.

    ``control`` brings standard input, output and error, and the socket that is told the number of
    the process, and what it has left with; who connects to ``listener`` is told so there.
    """
    ended, wakes = socket.socketpair()
    for each in (ended, wakes):
        each.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes.fileno())
    running: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([control, listener, ended], [], [])
        if ended in ready:
            ended.recv(4096)
            for process in [*running]:
                found, status = os.waitpid(process, os.WNOHANG)
                if found:
                    with running.pop(process) as told, contextlib.suppress(BrokenPipeError):
                        told.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        asked = []
        if control in ready:
            data, descriptors, _, _ = socket.recv_fds(control, 1, 4)
            if not data:
                return None
            asked.append(descriptors)
        if listener in ready:
            connection, _ = listener.accept()
            _, descriptors, _, _ = socket.recv_fds(connection, 1, 3)
            asked.append([*descriptors, connection.detach()])
        for descriptors in asked:
            process = os.fork()
            if not process:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for each in (control, listener, ended, wakes, *running.values()):
                    each.close()
                return descriptors
            for descriptor in descriptors[:3]:
                os.close(descriptor)
            running[process] = socket.socket(fileno=descriptors[3])
            with contextlib.suppress(BrokenPipeError):
                running[process].sendall(f"{process}\n".encode())


def _run(descriptors: list[int]) -> NoReturn:
    """Become the program, in this process."""
    os.setsid()
    with socket.socket(fileno=descriptors[3]) as asked, asked.makefile("r") as lines:
        arguments, environment, folder, module, memory = json.loads(lines.readline())
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if memory is not None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    sys.argv[1:] = arguments
    code: object = 0
    try:
        if Path(module).is_absolute():  # a script's name, as it is installed
            sys.argv[0] = module
            module = "ecsmachine.__main__"
            importlib.import_module(module).main()
        else:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    finalize_interpreter()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def finalize_interpreter() -> None:
    """Do what the interpreter does at its end, but for taking apart what was imported."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()


def main() -> None:
    """Load the program, and run it as often as asked."""
    import ecsmachine

    for found in pkgutil.walk_packages(ecsmachine.__path__, "ecsmachine."):
        if not found.name.startswith("ecsmachine.localcloud") and not found.name.endswith("_"):
            importlib.import_module(found.name)
    for name in _LIBRARIES:
        importlib.import_module(name)
    gc.freeze()
    control, listener = (socket.socket(fileno=int(number)) for number in sys.argv[1:])
    with control, listener:
        descriptors = _serve(control, listener)
    if descriptors is not None:
        _run(descriptors)


if __name__ == "__main__":
    main()
