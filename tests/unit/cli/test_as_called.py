"""Commands that a text names have the options that say which store, cloud or file is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecsmachine.cli.arguments.context import Session
from tests.unit.cli.conftest import Program


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('See "ecsmachine ls".', "See \"ecsmachine -s '/a b' ls\"."),
        ("Run: ecsmachine rm -f dev1", "Run: ecsmachine -s '/a b' rm -f dev1"),
        (
            "Anew: ecsmachine local down && ecsmachine local up",
            "Anew: ecsmachine -s '/a b' local down --root /r && "
            "ecsmachine -s '/a b' local up --root /r",
        ),
        (
            "See: ecsmachine local fault ls",
            "See: ecsmachine -s '/a b' local fault ls --root /r",
        ),
        (
            'eval "$(ecsmachine local env)"',
            "eval \"$(ecsmachine -s '/a b' local env --root /r)\"",
        ),
        (
            "It is: ecsmachine local down --root X",
            "It is: ecsmachine -s '/a b' local down --root X",
        ),
        ('"ecsmachine apply" does it', "\"ecsmachine -s '/a b' apply -f f.yaml\" does it"),
        (
            '"ecsmachine cluster ls" or "ecsmachine cluster certs shop"',
            "\"ecsmachine -s '/a b' cluster ls --region r\" or "
            "\"ecsmachine -s '/a b' cluster certs --region r shop\"",
        ),
        ('"ecsmachine image ls"', "\"ecsmachine -s '/a b' image ls\""),
        ("the ecsmachine that is here", "the ecsmachine that is here"),
    ],
)
def test_options_that_were_typed_are_in_the_commands_to_run_next(text: str, expected: str) -> None:
    this = Session({}, ["ecsmachine"])
    assert this.as_called(text) == text
    this.repeated = {"": ["-s", "/a b"], "file": ["-f", "f.yaml"]}
    this.repeat("local", root=Path("/r"))
    this.repeat("cluster", region="r", endpoint="")
    assert this.as_called(text) == expected
    this.program = ["docker-machine"]  # whose sentences programs compare
    assert "-s '/a b'" not in this.as_called(text)
    assert this.as_called(text, hint=True) == expected.replace("ecsmachine -s", "docker-machine -s")


def test_hints_name_the_store_and_the_cloud_that_were_given(
    program: Program, tmp_path: Path
) -> None:
    root, store = tmp_path / "no cloud", tmp_path / "other"
    for command in ("open", "env", "logs"):
        done = program("local", command, "--root", str(root))
        assert f"ecsmachine local up --root '{root}'" in done.err, command
    done = program("-s", str(store), "status", "dev1")
    assert f'"ecsmachine -s {store} ls"' in done.err
