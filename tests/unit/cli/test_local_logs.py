"""``ecsmachine local logs``: files that grow, are replaced and are removed while they are shown."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ecsmachine.cli.commands import local_logs


def test_a_console_is_followed_over_a_start_and_until_its_guest_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    console = tmp_path / "guest" / "console.log"
    console.parent.mkdir()
    console.write_text("one\ntwo\n")

    def append() -> None:
        with console.open("a") as file:
            file.write("three\n")

    def begin_anew() -> None:
        append()
        console.unlink()

    steps: list[Callable[[], object]] = [
        append,
        begin_anew,
        lambda: console.write_text("four\n"),
        lambda: shutil.rmtree(console.parent),
    ]
    monkeypatch.setattr(time, "sleep", lambda _: steps.pop(0)())
    local_logs._show_file(console, follow=True, lines=1)
    assert capsys.readouterr().out.split() == ["two", "three", "three", "four"]
    assert not steps
