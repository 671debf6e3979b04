"""Files that a user names: they are read to a bound, and devices not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecsmachine.cli.arguments.context import Session, configure
from ecsmachine.cli.commands.container_service.project import _read
from ecsmachine.documents.text import LONGEST_FILE
from ecsmachine.errors import MachineError
from tests.unit.cli.conftest import Program


@pytest.fixture(params=["long", "device", "none"])
def unfit(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """A file, and what is wrong with it."""
    if request.param == "device":
        return "/dev/zero", "it is not a plain file"
    file = tmp_path / "file"
    if request.param == "none":
        return str(file), "No such file"
    file.write_bytes(bytes(LONGEST_FILE + 1))
    return str(file), "it is longer than 4096 KiB"


def test_a_passphrase(unfit: tuple[str, str], program: Program) -> None:
    assert program("create", "-d", "none", "--url", "tcp://127.0.0.1:1", "n").code == 0
    result = program("export", "n", "--passphrase-file", unfit[0])
    assert result.code == 2
    assert f"Error: The passphrase file {unfit[0]} cannot be read: {unfit[1]}" in result.err


def test_a_body(unfit: tuple[str, str], program: Program) -> None:
    keys = {"ECS_ACCESS_KEY_ID": "test", "ECS_ACCESS_KEY_SECRET": "test"}
    keys["ECS_API_ENDPOINT"] = "http://127.0.0.1:1"
    result = program("cs", "POST", "/clusters", "--body", f"@{unfit[0]}", **keys)
    assert (result.code, result.err.startswith(f"Error: --body: {unfit[0]}: {unfit[1]}")) == (
        2,
        True,
    )


def test_a_template(unfit: tuple[str, str]) -> None:
    with pytest.raises(MachineError) as caught:
        _read(Path(unfit[0]))
    assert caught.value.message.startswith(f"{unfit[0]}: {unfit[1]}")


def test_an_empty_template(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text(" \n")
    with pytest.raises(MachineError) as caught:
        _read(tmp_path / "web.yml")
    assert caught.value.message.endswith("web.yml: it is empty")


@pytest.mark.parametrize("variable", ["MACHINE_STORAGE_PATH", "MACHINE_TLS_CA_CERT"])
def test_variables_may_begin_with_the_home_folder(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of variables, of systemd or containers, are read by no shell."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    session = Session({variable: "~/it", "MACHINE_STORAGE_PATH": "~/it"}, ["ecsmachine"])
    configure(session)
    assert Path(session.storage) == tmp_path / "it"
    assert set(session.certificate_paths.values()) <= {tmp_path / "it"}
