from __future__ import annotations

from pathlib import Path

from ecsmachine.localcloud.host.guests.console import (
    ENDED,
    last_lines,
    legible,
    note_end,
    take_death,
)


def test_the_last_lines_are_those_with_something_in_them(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    assert last_lines(log) == ""
    log.write_bytes(b"".join(b"\x1b[32mline %d\x1b[0m\r\n\r\n" % number for number in range(30)))
    assert last_lines(log).splitlines() == [f"    line {number}" for number in range(18, 30)]
    log.write_bytes(b"\x1b]0;title\x07\r2026-01-01 INFO forged\n")
    assert last_lines(log).splitlines() == ["    ]0;title", "    2026-01-01 INFO forged"]
    assert legible("\x1b[0;32mOK\x1b[0m\r\n") == "OK\n"
    assert legible("a\r\r\nb\rc\r\n") == "a\nb\rc\n"
    returns = "\r" * 500_000
    assert legible(returns) == returns  # read once, not again from each of them


def test_a_death_is_told_once_with_its_status(tmp_path: Path) -> None:
    assert take_death(tmp_path, 0) == ""  # it never ran
    (tmp_path / "console.log").write_text("Failed to allocate manager object\n")
    (tmp_path / ENDED).write_text("255\n")
    assert take_death(tmp_path, 0) == (
        "its first process exited with status 255; its console ends with:\n"
        "    Failed to allocate manager object"
    )
    assert take_death(tmp_path, 0) == ""


def test_what_left_no_status_was_killed(tmp_path: Path) -> None:
    (tmp_path / "console.log").write_text("")
    told = take_death(tmp_path, 3)
    assert told.startswith("it was killed, it ran out of memory (3 processes were killed);")


def test_what_was_stopped_or_switched_itself_off_has_not_died(tmp_path: Path) -> None:
    (tmp_path / "console.log").write_text("")
    note_end(tmp_path)
    assert take_death(tmp_path, 0) == ""
