"""What Wine does to programs is not taken for what the program does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guest.windows.conftest import WindowsMachines

_ENDED_BY_WINE_AT_FIRST = r"""#!/bin/sh
[ "$1" = always ] && exit 1
[ -e "$0.ran" ] || { touch "$0.ran"; exit 1; }
echo 3 > "$(printf %s "${ECSMACHINE_TESTS_LEFT#Z:}" | tr '\\' /)"
kill -9 $$
"""


def test_what_wine_ends_is_run_once_more(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(_ENDED_BY_WINE_AT_FIRST)
    program.chmod(0o755)
    machines = WindowsMachines({"PATH": "/usr/bin:/bin"}, str(program))
    with pytest.warns(UserWarning, match="Wine ended the program"):
        assert machines.run("ls", check=False).returncode == 3
    with pytest.warns(UserWarning), pytest.raises(AssertionError):
        machines.run("always")
