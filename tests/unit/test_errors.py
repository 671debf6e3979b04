"""What an error tells: each thing once."""

from __future__ import annotations

import pytest

from ecsmachine.errors import MachineError


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
