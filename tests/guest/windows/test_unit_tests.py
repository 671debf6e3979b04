"""The unit tests of what Windows has too, run by Windows' Python."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.guest.windows.conftest import on_windows
from tests.guest.windows.wine import CHECKOUT, WindowsPython, windows_path

pytestmark = pytest.mark.guest

FOLDERS = ("aliyun", "compose", "container_registry", "documents", "drivers")
"""Those of ``tests/unit`` that are run. What is left out, and why:

cli, http_client, machine and ssh (many of their tests need modes of files, FIFOs, shells, servers
of Unix, and are not sorted from the others yet), provision (its scripts are run by sh),
localcloud and localcloud_host (the local cloud needs Linux).
"""

NOT_ON_WINDOWS = {
    "aliyun/test_endpoints.py": "compares with Alibaba's own SDK, which is not installed there",
    "aliyun/test_roa_signature.py": "compares with Alibaba's own SDK",
    "aliyun/test_rpc_signature.py": "compares with Alibaba's own SDK",
    "documents/test_reading.py::test_files_that_are_none": "makes a FIFO, which Windows has not",
    "drivers/test_generic_and_none.py::test_the_key_is_copied_into_the_machines_folder": "modes",
    "drivers/test_host_name.py": "asks for names with a dot at their end",
    "drivers/test_plugins.py": "installs a driver with pip, which Python for embedding has not",
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_unit_tests(
    python: WindowsPython,
    folder: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    left_out = [
        f"--{'deselect' if '::' in name else 'ignore'}=tests/unit/{name}" for name in NOT_ON_WINDOWS
    ]
    done = subprocess.run(
        python.command(
            *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=short"),
            # ours is the installed wheel, not the checkout
            *("--import-mode=append", f"--basetemp={windows_path(tmp_path / 'there')}"),
            *(f"tests/unit/{folder}", *left_out),
        ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
        cwd=CHECKOUT,
        env={**on_windows(dict(os.environ), tmp_path), **python.environment},
    )
    assert done.returncode == 0, done.stdout
    record_property("unit tests on Windows", f"{folder}: {done.stdout.splitlines()[-1]}")
