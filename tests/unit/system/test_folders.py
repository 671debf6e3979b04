"""The home folder of whoever runs us, where no variable names it."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys

import pytest

from ecsmachine.system.folders import name_home

HOME = pwd.getpwuid(os.getuid()).pw_dir


@pytest.mark.parametrize("given", [{}, {"HOME": ""}])
def test_without_home_it_is_what_the_system_says(given: dict[str, str]) -> None:
    environment = dict(given)
    name_home(environment)
    assert environment == {"HOME": HOME}


def test_what_home_says_counts() -> None:
    environment = {"HOME": "/somewhere"}
    name_home(environment)
    assert environment == {"HOME": "/somewhere"}


def test_a_user_whom_the_system_does_not_know_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)
    environment: dict[str, str] = {}
    name_home(environment)
    assert environment == {}


def test_settings_and_store_are_in_the_same_home_without_the_variable() -> None:
    """As systemd starts a service of root."""
    without = {
        name: value
        for name, value in os.environ.items()
        if name not in ("HOME", "XDG_CONFIG_HOME", "ECSMACHINE_CONFIG", "MACHINE_STORAGE_PATH")
    }
    done = subprocess.run(
        [sys.executable, "-m", "ecsmachine", "settings"],
        env=without,
        capture_output=True,
        text=True,
        timeout=60,
        cwd="/",
    )
    named = f"{HOME}/.config/ecsmachine/config.toml"
    assert done.returncode == 0 and named in done.stdout + done.stderr
