"""The program on Windows, and the tests' local cloud on this computer."""

from __future__ import annotations

import os
import subprocess
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.guest.conftest import Cloud, cannot_run
from tests.guest.machines import Machines, environment_of
from tests.guest.windows.wine import (
    CannotPrepareError,
    WindowsPython,
    windows_path,
    windows_python,
)

# what tells a program that it runs on another system than Windows
_NOT_THERE = ("SHELL", "TERM", "LANG", "LC_ALL", "HOME", "USER", "LOGNAME", "TMPDIR")


@pytest.fixture(scope="package")
def python() -> Iterator[WindowsPython]:
    """Windows' Python under Wine; where it cannot run its tests are skipped, in CI they fail.

    Wine's services end with its tests: once they kept a processor busy for the rest of a run.
    """
    try:
        with windows_python(print) as python:
            yield python
    except CannotPrepareError as error:
        cannot_run("tests of Windows", str(error))


@pytest.fixture(scope="module")
def program(python: WindowsPython, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What runs the program on Windows."""
    folder = tmp_path_factory.mktemp("program")
    return python.script(folder / "ecsmachine", "-m", "ecsmachine")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of the program on Windows, as it is called here."""
    return tmp_path_factory.mktemp("store of Windows") / "machines"


@pytest.fixture(scope="module")
def bare_machines(
    local_cloud: Cloud, python: WindowsPython, program: Path, store: Path
) -> Machines:
    """The program on Windows, with a store of its own, on the local cloud of the tests."""
    environment = environment_of(local_cloud.environment, store)
    return WindowsMachines({**on_windows(environment, store), **python.environment}, str(program))


class WindowsMachines(Machines):
    """The program on Windows, and what it leaves with."""

    def run(
        self,
        *arguments: str,
        check: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, and once more if Wine has ended it.

        Wine kills what takes two seconds to end, as it may on a busy computer: then the code
        counts that the program was leaving with. What ends any other way did not end by what the
        program does: once, in some thousand commands, one of Wine ended with 1 and without a word.
        """
        ended = []
        for _ in range(2):
            with TemporaryDirectory() as folder:
                left = Path(folder, "left")
                named = {"ECSMACHINE_TESTS_LEFT": windows_path(left)}
                done = super().run(
                    *arguments, check=False, environment={**(environment or {}), **named}
                )
                if left.exists():
                    done.returncode = int(left.read_text())
                    break
            ended.append(done)
        if ended:
            warnings.warn(f"Wine ended the program: {ended}", stacklevel=2)
        assert not check or done.returncode == 0, done
        return done


def on_windows(environment: dict[str, str], store: Path) -> dict[str, str]:
    """Return an environment without what is not there on Windows."""
    kept = {
        name: value
        for name, value in environment.items()
        if name not in _NOT_THERE and not name.startswith("XDG_")
    }
    return {**kept, "MACHINE_STORAGE_PATH": windows_path(store), "PATH": os.environ["PATH"]}
