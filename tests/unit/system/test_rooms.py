"""Linux, macOS and Windows: one room knows which it is, and all else can be imported on each."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ecsmachine
from ecsmachine.system.names import why_no_folder, why_not_on_windows
from tests.unit.test_imports import imports, trees

ROOM = Path("system")
HOST = Path("localcloud", "host")
"""The part of the local cloud that makes guests of what Linux has."""

OF_ONE_SYSTEM = {
    *("fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"),
    *("ctypes", "msvcrt", "nt", "winreg", "_winapi"),
}
ASKED = {
    *("sys.platform", "os.name", "os.uname", "sys.getwindowsversion", "platform.system"),
    *("os.kill", "os.killpg", "os.fork", "os.geteuid", "os.getuid", "os.umask", "os.fchmod"),
    *("os.chown", "os.statvfs", "os.posix_spawn", "os.posix_spawnp", "os.startfile"),
    *("os.O_CLOEXEC", "os.O_NOFOLLOW", "os.O_NONBLOCK", "os.O_DIRECTORY", "os.O_BINARY"),
    *("signal.SIGHUP", "signal.SIGTERM", "signal.SIGKILL", "signal.SIGWINCH", "signal.SIGBREAK"),
    *("socket.AF_UNIX", "select.poll", "select.epoll"),
}


def test_one_room_knows_the_system() -> None:
    for path, tree in trees().items():
        if path.is_relative_to(ROOM) or path.is_relative_to(HOST):
            continue
        assert not {name.split(".")[0] for name in imports()[path]} & OF_ONE_SYSTEM, path
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert f"{node.value.id}.{node.attr}" not in ASKED, f"{path}:{node.lineno}"


TRAVERSED = Path("localcloud", "host", "image.py")
"""It asks a file of the package, which may be in an archive, and not one of the system."""


def test_what_cannot_be_looked_at_is_never_taken_for_missing() -> None:
    """Since Python 3.14 pathlib says no for a folder that may not be read, and for a bad disk."""
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                asked = node.func.attr in ("exists", "is_dir", "is_file") and not node.args
                of_an_entry = bool(node.keywords)  # os.DirEntry
                assert not asked or of_an_entry or path == TRAVERSED, f"{path}:{node.lineno}"


LACKING = {
    "darwin": {
        "os": (
            *("epoll_create", "eventfd", "memfd_create", "pidfd_open", "posix_fadvise"),
            *("posix_fallocate", "sched_setaffinity", "sched_getaffinity", "setns", "unshare"),
            *("splice", "copy_file_range", "getrandom", "setresuid", "setresgid", "O_TMPFILE"),
            *("O_PATH", "getxattr", "setxattr"),
        ),
        "signal": ("SIGRTMIN", "SIGRTMAX", "SIGPOLL", "SIGPWR", "SIGSTKFLT", "sigtimedwait"),
        "socket": ("AF_NETLINK", "AF_PACKET", "SOCK_CLOEXEC", "SOCK_NONBLOCK", "SO_PEERCRED"),
        "select": ("epoll", "EPOLLIN", "EPOLLOUT"),
    },
    "win32": {
        "os": (
            *("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_DIRECTORY", "fork", "geteuid", "getuid"),
            *("getgid", "getegid", "fchmod", "fchown", "chown", "lchown", "killpg", "setsid"),
            *("getpgid", "statvfs", "posix_spawn", "posix_spawnp", "pread", "pwrite", "uname"),
            *("mkfifo", "mknod", "openpty", "getgroups", "getloadavg", "sysconf", "WNOHANG"),
            *("POSIX_SPAWN_OPEN", "posix_fallocate", "memfd_create", "sched_getaffinity", "nice"),
        ),
        "signal": (
            *("SIGHUP", "SIGKILL", "SIGALRM", "SIGCHLD", "SIGPIPE", "SIGUSR1", "SIGUSR2"),
            *("SIGWINCH", "SIGQUIT", "SIGXFSZ", "SIGRTMIN", "alarm", "setitimer", "pause"),
            *("pthread_sigmask", "sigwait"),
        ),
        "socket": ("AF_UNIX", "AF_NETLINK", "AF_PACKET", "SCM_RIGHTS", "SO_PEERCRED"),
        "select": ("poll", "epoll", "POLLIN", "EPOLLIN", "PIPE_BUF"),
    },
}
NOT_THERE = {
    "darwin": ("ossaudiodev", "spwd", "_winapi", "msvcrt", "winreg"),
    "win32": (
        *("fcntl", "grp", "posix", "pty", "pwd", "resource", "spwd", "syslog", "termios", "tty"),
    ),
}
LEFT_OUT = {
    "darwin": (),
    # it needs Linux, or macOS for its API alone; the commands say so before they import it
    "win32": ("ecsmachine.localcloud",),
}


@pytest.mark.parametrize("system", LACKING)
def test_all_modules_can_be_imported_as_on(system: str) -> None:
    """With what ``os``, ``signal``, ``socket`` and ``select`` have there, and no more modules."""
    given = repr((system, LACKING[system], NOT_THERE[system], LEFT_OUT[system]))
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, given],
        env={**os.environ, "PYTHONPATH": str(Path(ecsmachine.__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 200


# libraries and the standard library are as they are here: what is looked at is our own code
IMPORT_ALL = """
import ast, builtins, importlib, os, pkgutil, select, signal, socket, sys

system, lacking, refused, left_out = ast.literal_eval(sys.argv[1])
import ecsmachine
def ours():
    for found in pkgutil.walk_packages(ecsmachine.__path__, "ecsmachine."):
        if not found.name.startswith(left_out):
            yield found.name
before = builtins.__import__
class Seen:
    '''A module of the standard library as one of ours sees it.'''
    def __init__(self, module, lacking):
        self.__dict__.update({k: v for k, v in vars(module).items() if k not in lacking})
seen = {name: Seen(sys.modules[name], gone) for name, gone in lacking.items()}
seen["sys"] = Seen(sys, ())
seen["sys"].platform = system
def imports(name, globals=None, locals=None, fromlist=(), level=0):
    if str((globals or {}).get("__name__", "")).startswith("ecsmachine"):
        if name in refused:
            raise ModuleNotFoundError("No module named " + repr(name))
        if name in seen:
            return seen[name]
    return before(name, globals, locals, fromlist, level)
builtins.__import__ = imports
names = list(ours())
for name in names:
    importlib.import_module(name)
print(len(names))
"""


@pytest.mark.parametrize(
    "name",
    [
        *("con", "CON", "aux", "nul.txt", "Prn.a.b", "com1", "lpt9.log", "COM²", "conin$"),
        *("dev1.", "dev1 ", "a:b", "a/b", "a\\b", "..\\evil", "a*", 'a"', "a\tb"),
    ],
)
def test_names_that_windows_has_not(name: str) -> None:
    assert why_not_on_windows(name)
    assert why_no_folder(name) is None


@pytest.mark.parametrize(
    "name", ["dev1", "console", "com", "com10", "aux1", "my.con", "nul-1", "é"]
)
def test_names_that_windows_has(name: str) -> None:
    assert why_not_on_windows(name) is None
