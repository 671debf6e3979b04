"""The ``ecsmachine`` program."""

from __future__ import annotations

import atexit
import gc
import os
import sys


def main() -> None:
    """Run the command line and leave with its exit code; nothing runs outside of the handler."""
    code = 1

    def leave() -> None:
        """End without taking apart what was imported, which is as much work as a short command."""
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):  # there is none, if it could not begin
                pass
        if code == 130:
            _end_as_interrupted(code)
        os._exit(code)

    atexit.register(leave)  # the first is called last, when threads and all others have ended
    try:
        code = _run()
    except BaseException as error:  # an installation that is broken, an interrupt while it loads
        interrupted = isinstance(error, KeyboardInterrupt)
        text = " ".join(f"{type(error).__name__}: {error}".split())
        line = "Error: Interrupted" if interrupted else f"Error: ecsmachine cannot start: {text}"
        try:
            os.write(2, line.encode("unicode_escape") + b"\n")
        except OSError:
            pass
        code = _interrupted() if interrupted else 1
    if "typer" not in sys.modules:
        leave()  # a short command has neither threads nor functions for the end
    sys.exit(code)


def _run() -> int:
    _open_missing_descriptors()
    gc.set_threshold(100_000)  # what is imported stays, and is not looked through again and again
    from ecsmachine.cli.display import docker_machine, streams
    from ecsmachine.system import files, folders

    folders.name_home(os.environ)
    files.spare_ourselves_the_umask()
    streams.take_over()
    from ecsmachine.cli.app import run

    called = os.path.basename(sys.argv[0]).removesuffix(".exe")
    name = called if called == docker_machine.NAME else "ecsmachine"
    return run(sys.argv[1:], os.environ, name=name)


def _interrupted() -> int:
    from ecsmachine.errors import INTERRUPTED

    return INTERRUPTED


def _end_as_interrupted(code: int) -> None:
    """End as Ctrl-C ends a program, if that was pressed."""
    from ecsmachine.errors import Interrupted
    from ecsmachine.system import signals

    if isinstance(code, Interrupted):
        signals.end_as_interrupted()


def _open_missing_descriptors() -> None:
    """Open standard input, output and error on /dev/null if they are closed.

    Otherwise the next file or socket would become one of them, and what is printed go there.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free: this one


if __name__ == "__main__":
    main()
