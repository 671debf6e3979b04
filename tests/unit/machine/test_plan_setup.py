"""What a file wants to be copied is known by its contents, whatever the names of the files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ecsmachine.machine.plan.setup import _digest_of_copy, set_up
from ecsmachine.machine.plan.wanted import Setup
from ecsmachine.machine.store import Store
from tests.unit.cli.test_connect import add_host
from tests.unit.ssh.conftest import LoopbackServer


@pytest.mark.skipif(os.name == "nt", reason="its names are text")
def test_names_of_files_need_not_be_utf_8(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"caf\xe9")
    file.write_text("a")
    before = _digest_of_copy((tmp_path, "/srv"))
    assert _digest_of_copy((tmp_path, "/srv")) == before
    file.rename(tmp_path / os.fsdecode(b"caf\xe8"))
    assert _digest_of_copy((tmp_path, "/srv")) != before


@pytest.mark.skipif(os.name == "nt", reason="the host's paths are this machine's")
def test_a_changed_folder_goes_over_its_first_copy(
    store: Store, server: LoopbackServer, tmp_path: Path
) -> None:
    add_host(store, server)
    store.journal("dev1").begin(request={"DriverName": "told", "DriverOptions": {}})
    site, there = tmp_path / "site", tmp_path / "there"
    (site / "sub").mkdir(parents=True)
    (site / "sub" / "page").write_text("first")
    site.chmod(0o700)
    (there / "shared").mkdir(parents=True)
    (there / "shared").chmod(0o1777)
    copies = [
        (site, f"{there}/new/site"),
        (site, f"{there}/shared"),
        (site, f"{there}/below/"),
        (site / "sub" / "page", f"{there}/pages/"),
        (site / "sub" / "page", f"{there}/shared"),
    ]
    for text in ("first", "second"):
        (site / "sub" / "page").write_text(text)
        set_up(store, "dev1", Setup(tuple(copies)), lambda line: None)
        found = {str(file.relative_to(there)) for file in there.rglob("*") if file.is_file()}
        assert found == {
            *("new/site/sub/page", "shared/sub/page", "below/site/sub/page"),
            *("pages/page", "shared/page"),
        }
        assert {file.read_text() for file in there.rglob("page")} == {text}
    assert stat.S_IMODE((there / "shared").stat().st_mode) == 0o1777
    assert stat.S_IMODE((there / "new" / "site").stat().st_mode) == 0o700
