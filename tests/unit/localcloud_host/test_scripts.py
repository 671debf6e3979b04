"""The shell scripts that go into guests or run beside them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import ecsmachine.localcloud
from ecsmachine.localcloud.host import image

ROOT = Path(ecsmachine.localcloud.__file__).parent
SCRIPTS = sorted(
    path
    for path in ROOT.rglob("*")
    if path.is_file() and path.suffix != ".pyc" and path.read_bytes().startswith(b"#!/bin/sh")
)


def test_there_are_scripts() -> None:
    assert {"supervise.sh", "install.sh", "data-disks"} <= {path.name for path in SCRIPTS}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_sound_shell(script: Path) -> None:
    subprocess.run(["sh", "-n", str(script)], check=True)


def test_the_image_is_named_by_its_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = image.recipe_hash("bookworm")
    assert image.recipe_hash("bookworm") == before
    assert image.recipe_hash("trixie") != before
    for part in ("_MASKED", "_MASKED_GENERATORS", "_ON_DEMAND", "_UP_TO_DATE"):
        with monkeypatch.context() as changed:
            changed.setattr(image, part, ())
            assert image.recipe_hash("bookworm") != before


def test_every_unit_is_enabled_and_every_script_can_run() -> None:
    files = {name: mode for name, mode, _ in image._own_files()}
    units = {Path(name).stem for name in files if name.endswith(".service")}
    assert units == set(image._WANTED_BY)
    own = {Path(name): mode for name, mode in files.items() if "/ecs-guest/" in name}
    assert {mode for path, mode in own.items() if not path.suffix} == {0o755}
