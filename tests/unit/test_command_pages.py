"""Every page of a command has examples, and something runs them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests import command_pages


def test_every_page_has_examples_that_some_test_runs() -> None:
    run = [
        *command_pages.ALONE,
        *command_pages.WITHOUT_GUESTS,
        *command_pages.OF_FILES,
        *("create", "local"),
        *command_pages.WITH_MACHINES,
    ]
    assert sorted(run) == command_pages.page_names()
    for page in command_pages.page_names():
        commands = [example.command for example in command_pages.examples_of(page)]
        assert any(re.search(rf"ecsmachine (-s \S+ )?{page}\b", each) for each in commands), page


@pytest.mark.parametrize("page", command_pages.ALONE)
def test_the_examples_run(page: str, tmp_path: Path) -> None:
    command_pages.check_both_ways(page, os.environ, tmp_path)


def test_the_examples_of_settings_run(tmp_path: Path) -> None:
    text = (command_pages.COMMANDS.parent / "settings.md").read_text()
    examples = command_pages.examples_in(text)
    assert len(examples) > 5
    command_pages.check_examples("settings", examples, os.environ, tmp_path)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        (["dev1   tcp://203.0.113.7:2376"], ["dev1 tcp://198.18.3.250:2376"]),
        (["made in 3.2 s"], ["made in 12 s"]),
        (["i-bp1vde2m99aht1ow5i5i", "…"], ["i-bp1aaaaaaaaaaaaaaaaa", "a", "b"]),
        (["a", "…", "d"], ["a", "d"]),
        (["Folder: …"], ["Folder: /tmp/x"]),
    ],
)
def test_what_differs_from_run_to_run_may_differ(shown: list[str], printed: list[str]) -> None:
    assert command_pages.fits(shown, printed)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        (["dev1   Running"], ["dev1   Stopped"]),
        (["203.0.113.7"], ["localhost"]),
        (["one"], ["one", "two"]),
        (["one", "two"], ["one"]),
        (["a", "…", "d"], ["a", "b"]),
    ],
)
def test_all_else_may_not(shown: list[str], printed: list[str]) -> None:
    assert not command_pages.fits(shown, printed)


def test_a_fingerprint_may_end_like_a_duration() -> None:
    shown = ["ok  host key  ssh-ed25519 SHA256:2+BeFTM7vDO2xPAAudeZO9MUTBW4SeOe33/xkOqDuY8"]
    printed = ["ok  host key  ssh-ed25519 SHA256:CWSH1F9nQf5LGGOQaKx9omMmZCvv5BuZJy3WrV2Z+6s"]
    assert command_pages.fits(shown, printed)
