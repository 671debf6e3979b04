"""What answers tell of every resource of a kind: the table, and the views that have it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import ecsmachine.localcloud.actions
from ecsmachine.localcloud.protocol.fixed_fields import fixed

ACTIONS = Path(ecsmachine.localcloud.actions.__file__).parent
TABLE = ACTIONS.parent / "protocol" / "fixed_fields.txt"


def test_a_dot_leads_into_an_object() -> None:
    assert fixed("Eip")["BizType"] == ""
    assert fixed("Eip")["OperationLocks"] == {"LockReason": []}
    assert fixed("SystemImage")["DetectionOptions"] == {"Items": {"Item": []}, "Status": ""}


def test_a_kind_that_is_not_there() -> None:
    with pytest.raises(KeyError):
        fixed("Unicorn")


def test_every_kind_has_a_view_and_every_view_its_kind() -> None:
    lines = [line for line in TABLE.read_text().splitlines() if not line.startswith("#")]
    used = {
        name
        for file in ACTIONS.glob("*.py")
        for name in re.findall(r'(?:fixed\(|api_fields\(\w+, )"(\w+)"', file.read_text())
    }
    assert used == {line.split()[0] for line in lines}


def test_no_field_stands_twice_in_a_kind() -> None:
    seen = set()
    for line in TABLE.read_text().splitlines():
        kind, *names = line.partition(" = ")[0].split()
        for name in names:
            assert (kind, name) not in seen or kind == "#"
            seen.add((kind, name))
