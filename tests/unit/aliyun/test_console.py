"""What an instance's console shows, which the programs in it have written."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any

import pytest

from ecsmachine.aliyun.console import console_text


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        (b"\x1b[0;32mOK\x1b[0m\r\r\nb\rc\r\n", "OK\nb\rc\n"),
        (b"\r" * 500_000, "\r" * 500_000),  # read once, not again from each of them
    ],
    ids=["colours", "returns"],
)
def test_a_console(output: bytes, shown: str) -> None:
    content = base64.b64encode(output).decode()
    answer = SimpleNamespace(prose=lambda name: content)
    ecs: Any = SimpleNamespace(rpc=SimpleNamespace(call=lambda *_: answer), region="r")
    assert console_text(ecs, "i-1") == shown
