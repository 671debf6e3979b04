"""What is read without typer's conversion is what typer would have made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
import typer.main

from ecsmachine.cli.arguments.conversion import value_of

WORDS = (
    *("7", "007", "-1", "-0", "0", "100", "101", "1_0", "+5", " 5", "5 ", "5.0", "1e3", "0x10", ""),
    *("٣", "²", "999999999", "9999999999", "true", "None", "a b", "\ud800", "\udcff", "a\0b"),
    *("file", "folder", "missing", "missing/file", "file/below", "dangling", ".", "-", "~", "//"),
)


def _command(
    text: str = "",
    texts: list[str] = typer.Option([]),  # noqa: B008
    number: int = 1,
    maybe: Annotated[int | None, typer.Option()] = None,
    bounded: Annotated[int, typer.Option(min=0, max=100)] = 1,
    path: Annotated[Path | None, typer.Option()] = None,
    file: Annotated[Path, typer.Option(dir_okay=False)] = Path("x"),
    folder: Annotated[Path, typer.Option(file_okay=False)] = Path("x"),
    there: Annotated[Path, typer.Option(exists=True)] = Path("x"),
    whole: Annotated[Path, typer.Option(resolve_path=True)] = Path("x"),
    share: float = 0.5,
) -> None:
    """Parameters of every type that commands have."""


def _app() -> typer.Typer:
    app = typer.Typer(add_completion=False)
    app.command()(_command)
    return app


def _parameters() -> dict[str, Any]:
    return {str(each.name): each for each in typer.main.get_command(_app()).params}


@pytest.mark.parametrize("name", [name for name in _parameters() if name != "texts"])
def test_a_word_is_read_as_typer_reads_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    parameter = _parameters()[name]
    context = typer.main.get_command(_app()).make_context("x", [], resilient_parsing=True)
    read = 0
    for word in WORDS:
        value = value_of(parameter, word)
        if value is not None:
            read += 1
            assert value == parameter.process_value(context, word), word
            assert type(value) is type(parameter.process_value(context, word)), word
    assert bool(read) == (name not in ("there", "whole", "share"))


def test_a_list_of_words_is_one() -> None:
    texts = _parameters()["texts"]
    assert value_of(texts, ("a", "b")) == ["a", "b"]
    assert value_of(texts, ()) is None
    assert value_of(texts, "a") is None
