"""What an error tells: each thing once."""

from __future__ import annotations

import errno

import pytest

from ecsmachine.errors import FaultError, MachineError, RefusedError, of_anything


@pytest.mark.parametrize(
    ("message", "details", "shown"),
    [
        ("upgrade: there is no docker 99", "there is no docker 99\n", ""),
        ("upgrade: no docker 99", "Reading lists\nupgrade: no docker 99\n", "Reading lists"),
        ("it ended: 1", "1", "1"),
        ("it ended", None, ""),
        ("it ended", "  why\n\n  else\n", "  why\n\n  else"),
    ],
)
def test_a_reason_is_told_once(message: str, details: str | None, shown: str) -> None:
    assert MachineError(message, details=details).shown_details == shown


@pytest.mark.parametrize(
    ("raised", "kind", "message", "hint"),
    [
        (KeyError("x"), FaultError, "KeyError: 'x'", "a bug in ecsmachine"),
        (OSError(errno.ENOSPC, "No space", "/x"), RefusedError, "/x: No space", "Make room"),
        (OSError("odd"), RefusedError, "OSError: odd", ""),
        (ImportError("no typer"), RefusedError, "ImportError: no typer", ""),
        (MemoryError(), RefusedError, "Not enough memory", "End programs"),
        (RuntimeError("can't start new thread"), RefusedError, "No more threads", "(ulimit -u)"),
    ],
)
def test_whatever_is_raised_is_an_error_for_a_person(
    raised: Exception, kind: type[MachineError], message: str, hint: str
) -> None:
    told = of_anything(raised)
    assert type(told) is kind
    assert message in told.message
    assert hint in (told.hint or "")
    assert told.__cause__ is raised
    assert of_anything(told) is told
