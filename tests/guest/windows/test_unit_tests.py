"""The unit tests of what Windows has too, run by Windows' Python.

Wine takes long to begin a process and to find a file: what is run is what can tell most of Windows.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.guest.windows.conftest import on_windows
from tests.guest.windows.wine import CHECKOUT, WindowsPython, windows_path

pytestmark = pytest.mark.guest

UNIT_TESTS = CHECKOUT / "tests" / "unit"

RUN = {
    "drivers and documents": (
        *("aliyun", "compose", "container_registry", "documents", "drivers"),
        # what is computed for a host here: its paths have no backslashes
        "provision/test_configuration.py",
        "provision/test_configured.py",
        "provision/test_detect.py",
        "provision/test_engine.py",
        "provision/test_errors.py",
        "provision/test_recorded_hosts.py",
    ),
    "files and the store": (
        *("system/test_files.py", "system/test_windows_errors.py", "machine/test_files.py"),
        "machine/test_journal.py",
        "machine/test_store.py",
        "machine/test_transfer.py",
        "machine/test_certificates.py::test_keys_are_the_owners_alone",
        "machine/test_certificates.py::test_what_is_valid_stays",
        "machine/test_certificates.py::test_a_ca_as_docker_machine_made_it",
        "machine/test_certificates.py::test_a_ca_without_its_key_is_found_before_anything_is_made",
    ),
    "connections and commands": (
        *("http_client", "ssh/test_connection.py::test_a_changed_host_key_stops_everything"),
        *("ssh/test_forwarding.py", "ssh/test_openssh.py", "ssh/test_route.py"),
        *("cli/test_completion.py", "cli/test_docker_context.py", "cli/test_names.py"),
        *("cli/test_settings.py", "cli/test_shells.py"),
    ),
}
"""What of ``tests/unit`` is run, each part by one process. What is not, and why:

localcloud, localcloud_host: the local cloud needs Linux. system/test_rooms.py reads our source code
and says what Linux can import; the documents' tests in tests/unit itself read documents. Scripts
for hosts are run by sh (provision, the others), and so are the commands of the stand-in hosts (ssh,
the others; cli/test_copy, test_connect, test_trust, test_logs, test_login_keys): the main job has a
real host. cli/test_ssh_config asks an ssh program. Pseudo-terminals and signals: cli/test_terminal,
test_app, test_wait, test_watch. machine/test_stored.py makes thousands of files, for what JSON may
hold. The others of machine and cli take minutes and tell nothing of Windows; those of machine
passed there but for modes.
"""

NOT_ON_WINDOWS = {
    "aliyun/test_endpoints.py": "compares with Alibaba's own SDK, which is not installed there",
    "aliyun/test_roa_signature.py": "compares with Alibaba's own SDK",
    "aliyun/test_rpc_signature.py": "compares with Alibaba's own SDK",
    "cli/test_completion.py::test_what_the_cloud_said_is_kept_for_a_day": "~/.cache is of Unix",
    "cli/test_settings.py::test_a_file_that_is_none": "a link to nothing and a FIFO",
    "cli/test_settings.py::test_a_folder_that_is_gone_and_one_that_is_closed": "modes",
    "cli/test_settings.py::test_every_day_commands_are_the_same_both_ways": "a minute of parsing",
    "cli/test_settings.py::test_where_the_file_is": "asks a shell",
    "cli/test_settings.py::test_without_a_file_one_look_is_taken": "replaces os.stat, as on Unix",
    "cli/test_settings.py::test_what_others_can_write_is_not_used": "modes",
    "documents/test_pem.py::test_changed_bytes_of_a_login_key_are_one_error": "slow, and the same",
    "documents/test_reading.py::test_files_that_are_none": "makes a FIFO, which Windows has not",
    "drivers/test_generic_and_none.py::test_the_key_is_copied_into_the_machines_folder": "modes",
    "drivers/test_host_name.py": "asks for names with a dot at their end",
    "drivers/test_plugins.py": "installs a driver with pip, which Python for embedding has not",
    "machine/test_files.py::test_a_folder_that_is_there_stays_as_it_is": "modes",
    "machine/test_files.py::test_a_link_that_leads_nowhere_is_told_of": "a link to nothing",
    "machine/test_files.py::test_a_lock_whose_file_its_holder_removed_is_taken_anew": "as on Unix",
    "machine/test_files.py::test_modes_are_as_asked_for_whatever_the_umask": "modes",
    "ssh/test_openssh.py::test_configurations_of_programs_that_were_killed_do_not_stay": (
        "the folder is of Unix"
    ),
}
"""What of that which is run is of no use there, by the beginning of its name."""


@pytest.mark.timeout(900)  # one part is two minutes, and five beside much other work
@pytest.mark.parametrize("part", RUN)
def test_unit_tests(
    python: WindowsPython,
    part: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    left_out = [
        f"--{'deselect' if '::' in name else 'ignore'}=tests/unit/{name}" for name in NOT_ON_WINDOWS
    ]
    done = subprocess.run(
        python.command(
            *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=short"),
            "--capture=sys",  # to look at files of what is printed costs much under Wine
            # ours is the installed wheel, not the checkout
            *("--import-mode=append", f"--basetemp={windows_path(tmp_path / 'there')}"),
            *(f"tests/unit/{name}" for name in RUN[part]),
            *left_out,
        ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=880,
        cwd=CHECKOUT,
        env={**on_windows(dict(os.environ), tmp_path), **python.environment},
    )
    assert done.returncode == 0, done.stdout
    record_property("unit tests on Windows", f"{part}: {done.stdout.splitlines()[-1]}")


def test_what_is_left_out_is_there() -> None:
    for name in NOT_ON_WINDOWS:
        file, _, test = name.partition("::")
        text = (UNIT_TESTS / file).read_text(encoding="utf-8")
        assert f"def {test}(" in text or not test, name
