"""Chosen columns of ``ls``, their order, and tables on a terminal that is narrower; ``prompt``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ecsmachine.cli.display import terminal
from ecsmachine.cli.display.output import table
from ecsmachine.cli.everyday.columns import COLUMNS, columns_of
from ecsmachine.machine.model import Machine
from ecsmachine.machine.store import Store
from tests.unit.cli.conftest import Program
from tests.unit.cli.test_everyday import _loaded
from tests.unit.stand_ins import add_machine


@pytest.fixture
def three(store: Store) -> None:
    add_machine(store, "a", State="Stopped", InstanceType="ecs.g7.large", Zone="cn-hangzhou-k")
    add_machine(store, "b", State="Paused", InstanceType="ecs.c7.large", Region="cn-hangzhou")
    add_machine(store, "c", State="Stopped")


@pytest.mark.usefixtures("three")
def test_chosen_columns_in_a_chosen_order(program: Program) -> None:
    assert program("ls", "-o", "name,TYPE,Zone,state", "--sort", "type").lines == [
        "NAME   TYPE           ZONE            STATE",
        "b      ecs.c7.large   -               Paused",
        "a      ecs.g7.large   cn-hangzhou-k   Stopped",
        "c      -              -               Stopped",
    ]
    wide = program("ls", "-o", "wide").lines
    assert wide[0].split() == columns_of("wide")
    assert [row["Name"] for row in json.loads(program("ls", "--json", "--sort", "type").out)] == [
        *("b", "a", "c")
    ]
    assert program("ls", "--filter", "name=c", "-o", "NAME").lines == ["NAME", "c"]


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("words", [["-o", "wide"], ["--json"], ["--sort", "type"], []])
def test_each_machine_is_read_once(
    words: list[str], program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    load = Store.load

    def counted(self: Store, name: str) -> Machine:
        read.append(name)
        return load(self, name)

    monkeypatch.setattr(Store, "load", counted)
    assert program("ls", *words).code == 0
    assert read == ["a", "b", "c"]


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    "words", [["-o", "name,nope"], ["--sort", "nope"], ["-q", "-o", "wide"], ["-f", "x", "-o", "a"]]
)
def test_what_is_no_column_is_refused(words: list[str], program: Program) -> None:
    result = program("ls", *words)
    assert (result.code, result.out) == (2, "")
    if "nope" in words[1]:
        assert ", ".join(COLUMNS) in result.err


@contextmanager
def columns(number: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setattr("ecsmachine.cli.display.output.screen_width", lambda: number)
        yield


def test_a_table_is_cut_and_wide_characters_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("NAME", "TEXT"), ("\u673a\u5668", "x"), ("a", "\u673a\u5668\u673a\u5668")]
    assert table(rows).splitlines() == [
        "NAME   TEXT",
        "\u673a\u5668   x",
        "a      \u673a\u5668\u673a\u5668",
    ]
    for number in range(1, 16):
        with columns(number, monkeypatch):
            lines = table(rows).splitlines()
        assert all(terminal.cell_width(line) <= number for line in lines), lines
    with columns(9, monkeypatch):
        assert table(rows).splitlines()[0] == "NAME   T\u2026"


def test_a_line_that_is_cut_keeps_its_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "has_colours", lambda stream: True)
    line = f"a {terminal.coloured('Running', 'green')} b"
    cut = terminal.cut(line, 6)
    assert terminal.with_colour_codes(cut) == "a \x1b[32mRun\u2026\x1b[0m"
    assert terminal.cut(line, 11) == line


def test_the_prompt_is_the_machine_that_the_variables_name(
    program: Program, store: Store, running: Machine
) -> None:
    url = running.driver.url()
    assert program("prompt").out == ""
    assert program("prompt", DOCKER_HOST=url, DOCKER_MACHINE_NAME="dev1").out == "dev1\n"
    assert program("prompt", DOCKER_HOST=url, DOCKER_MACHINE_NAME="gone").out == ""
    assert json.loads(program("prompt", "--json").out) == {"Name": None}
    told = program("prompt", "--json", DOCKER_HOST=url, DOCKER_MACHINE_NAME="dev1").out
    assert json.loads(told) == {"Name": "dev1"}


def test_the_prompt_loads_little_more_than_the_version(store: Store) -> None:
    version = _loaded(["version"], store.path)
    more = _loaded(["prompt"], store.path) - version
    assert len(more) < 10, more
