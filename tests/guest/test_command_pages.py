"""The examples in the pages of commands, on two real machines that they share."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import command_pages
from tests.guest.conftest import Cloud
from tests.guest.machines import Machines, environment_of

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def home(
    local_cloud: Cloud, docker: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machines]:
    """A home folder whose store has the machines of the page of ``create``."""
    folder = tmp_path_factory.mktemp("home")
    programs = tmp_path_factory.mktemp("programs")
    (programs / "docker").symlink_to(docker)
    store = folder / ".docker" / "machine"
    environment = environment_of(local_cloud.environment, store)
    environment["PATH"] += f":{programs}"
    environment["ECSMACHINE_LOCAL_ROOT"] = str(local_cloud.root)
    machines = Machines({**environment, "HOME": str(folder)})
    try:
        command_pages.check("create", environment, folder)
        yield machines
    finally:
        if shutil.which("fusermount3"):
            subprocess.run(["fusermount3", "-uq", str(folder / "shared")], check=False)
        for place in (store, folder / "laptop"):
            there = machines.run("-s", str(place), "ls", "-q").stdout.split()
            if there:
                machines.run("-s", str(place), "rm", "-y", *there, check=False)


@pytest.mark.parametrize("page", command_pages.WITH_MACHINES)
def test_the_examples_run(page: str, home: Machines) -> None:
    if page == "mount" and not (shutil.which("sshfs") and Path("/dev/fuse").exists()):
        pytest.skip("no sshfs program, or no /dev/fuse")
    folder = Path(home.environment["HOME"])
    everyday = page in command_pages.EVERYDAY
    check = command_pages.check_both_ways if everyday else command_pages.check
    check(page, home.environment, folder)


def test_the_chinese_quick_start(machines: Machines, tmp_path: Path) -> None:
    page = command_pages.COMMANDS.parent / "zh" / "quick-start.md"
    environment = {**machines.environment, "HOME": str(tmp_path)}
    command_pages.check_examples(
        "quick-start", command_pages.examples_in(page.read_text()), environment, tmp_path
    )
