"""What a file wants to be copied is known by its contents, whatever the names of the files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ecsmachine.machine.plan.setup import _digest_of_copy


@pytest.mark.skipif(os.name == "nt", reason="its names are text")
def test_names_of_files_need_not_be_utf_8(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"caf\xe9")
    file.write_text("a")
    before = _digest_of_copy((tmp_path, "/srv"))
    assert _digest_of_copy((tmp_path, "/srv")) == before
    file.rename(tmp_path / os.fsdecode(b"caf\xe8"))
    assert _digest_of_copy((tmp_path, "/srv")) != before
