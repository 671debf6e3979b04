"""What is said to be missing is said in words that work for the way a copy was installed."""

from __future__ import annotations

import json
import shlex
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import ecsmachine
from ecsmachine.localcloud.host import installation

METADATA = """Metadata-Version: 2.4
Name: ecsmachine
Version: 1.0
Requires-Dist: rich>=13.7
Requires-Dist: mypy>=1; extra == 'dev'
Requires-Dist: pyyaml>=6; extra == 'local'
Requires-Dist: starlette>=0.37 ; extra == "local"
"""
NAMES = "'pyyaml>=6' 'starlette>=0.37'"
PIP = f"{shlex.quote(sys.executable)} -m pip install"


@pytest.fixture(autouse=True)
def of_this_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let nothing but what a test sets be known."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.setattr(installation, "find_spec", lambda _: True)


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, origin: Any) -> None:
    """Let this copy be installed so, as an installer writes it down."""
    info = folder / "ecsmachine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA)
    if origin is not None:
        (info / "direct_url.json").write_text(json.dumps(origin))
    distribution = metadata.PathDistribution(info)
    monkeypatch.setattr(metadata, "distribution", lambda _: distribution)
    (folder / "ecsmachine").mkdir()
    monkeypatch.setattr(ecsmachine, "__file__", str(folder / "ecsmachine" / "__init__.py"))


def test_from_a_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    checkout = tmp_path / "my checkout"
    checkout.mkdir()
    origin = {"url": checkout.as_uri(), "dir_info": {"editable": True}}
    install(monkeypatch, tmp_path, origin)
    assert installation.install_command() == f"{PIP} -e '{checkout}[local]'"


def test_from_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch, tmp_path, {"url": tmp_path.as_uri(), "dir_info": {}})
    assert installation.install_command() == f"{PIP} '{tmp_path}[local]'"


def test_from_a_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wheel = tmp_path / "ecsmachine-1.0-py3-none-any.whl"
    wheel.touch()
    install(monkeypatch, tmp_path, {"url": wheel.as_uri(), "archive_info": {}})
    assert installation.install_command() == f"{PIP} '{wheel}[local]'"
    wheel.unlink()  # it was downloaded, and is gone
    assert installation.install_command() == f"{PIP} {NAMES}"


def test_from_a_repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    vcs = {"vcs": "git", "commit_id": "abc"}
    install(monkeypatch, tmp_path, {"url": "https://example.com/e.git", "vcs_info": vcs})
    wanted = "'ecsmachine[local] @ git+https://example.com/e.git@abc'"
    assert installation.install_command() == f"{PIP} {wanted}"


def test_from_an_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = "https://example.com/ecsmachine-1.0-py3-none-any.whl"
    install(monkeypatch, tmp_path, {"url": url, "archive_info": {}})
    assert installation.install_command() == f"{PIP} 'ecsmachine[local] @ {url}'"


@pytest.mark.parametrize("origin", [None, [], {"url": 1}])
def test_where_nothing_is_known_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, origin: Any
) -> None:
    install(monkeypatch, tmp_path, origin)
    assert installation.install_command() == f"{PIP} {NAMES}"


def test_not_installed_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: str) -> None:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "distribution", none)
    checkout = Path(ecsmachine.__file__).resolve().parents[1]
    assert installation.install_command() == f"{PIP} -e {shlex.quote(f'{checkout}[local]')}"


def test_of_another_copy_nothing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = ecsmachine.__file__
    install(monkeypatch, tmp_path, None)
    monkeypatch.setattr(ecsmachine, "__file__", before)
    assert "[local]" in installation.install_command()


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("pipx_metadata.json", f"pipx inject venv {NAMES}"),
        ("uv-receipt.toml", f"uv pip install --python {shlex.quote(sys.executable)} {NAMES}"),
    ],
)
def test_by_tools_that_have_environments_of_their_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str, command: str
) -> None:
    install(monkeypatch, tmp_path, None)
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / file).touch()
    assert installation.install_command() == command


def test_without_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch, tmp_path, None)
    monkeypatch.setattr(installation, "find_spec", lambda _: None)
    assert installation.install_command().startswith("uv pip install --python ")


def test_the_requirements_that_are_known_without_metadata_are_those_of_the_project() -> None:
    text = (Path(ecsmachine.__file__).resolve().parents[1] / "pyproject.toml").read_text()
    declared = text.partition("local = [")[2].partition("]")[0]
    assert [line.strip(' ",') for line in declared.split()] == list(installation._REQUIREMENTS)
