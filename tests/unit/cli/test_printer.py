"""What others wrote is made fit to be shown; what is told of work ends no work."""

from __future__ import annotations

import io
import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecsmachine.cli.display import printer
from ecsmachine.cli.display.cleaning import clean, one_line, without_passwords
from ecsmachine.cli.display.output import print_json, table
from ecsmachine.cli.display.shells import lines, option
from ecsmachine.cli.display.terminal import coloured, with_colour_codes
from ecsmachine.errors import MachineError


def test_every_character_that_a_terminal_obeys_is_written_as_json_writes_it() -> None:
    for character in map(chr, range(sys.maxunicode + 1)):
        obeyed = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        if obeyed and character not in "\n\t":
            assert clean(character) == json.dumps(character)[1:-1]
        else:
            assert clean(character) == character


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at https://me:pw@host/a?b:c@d.", "at https://me:***@host/a?b:c@d."),
        ("http://:p@w@h and ssh://me@h:22/", "http://:***@h and ssh://me@h:22/"),
        ("https://host:443?a:b@c me:pw@host", "https://host:443?a:b@c me:pw@host"),
    ],
)
def test_the_password_in_a_url_is_not_shown(text: str, shown: str) -> None:
    assert without_passwords({"a": [text, 1, None]}) == {"a": [shown, 1, None]}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, 杭州, é, 🐳, \xa0", "plain, 杭州, é, 🐳, \xa0"),
        ("\x1b]0;title\x07\x1b[2J\x9b31m\x7f", "\\u001b]0;title\\u0007\\u001b[2J\\u009b31m\\u007f"),
        ("exe.\u202egpj\u2066\ufeff\u200b", "exe.\\u202egpj\\u2066\\ufeff\\u200b"),
        ("one\r\ntwo\tthree\rfour", "one\ntwo\tthree\\rfour"),
        ("a\u2028b\u2029c\x85d", "a\\u2028b\\u2029c\\u0085d"),
        ("\ud800 \udcff \U000e0041", "\\ud800 \\udcff \\udb40\\udc41"),
    ],
)
def test_a_text_is_shown_and_not_obeyed(text: str, shown: str) -> None:
    assert clean(text) == shown
    assert clean(shown) == shown


@given(st.text(st.characters(codec=None)))
def test_one_line_is_one_line_in_one_column(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) < 2
    assert "\t" not in line
    assert clean(line) == line


# two halves of a pair that meet are one character in JSON
TEXTS = st.text(st.characters(codec=None, exclude_categories=["Cs"]))


@given(
    st.recursive(
        TEXTS | st.none() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    )
)
def test_json_stays_the_same_json(value: object) -> None:
    text = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", text)
        print_json(value)
    assert clean(text.getvalue()) == text.getvalue()
    assert json.loads(text.getvalue()) == value


def test_a_cell_begins_no_row_and_no_column() -> None:
    assert table([("A", "B"), ("x\ty", "1\nfake   2"), ("z", "\x1b[31m")]).split("\n") == [
        "A     B",
        "x y   1 fake   2",
        "z     \\u001b[31m",
    ]


def test_nobody_else_can_write_a_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    ours = coloured("a\x1b[1mb", "red", stream)
    assert with_colour_codes(ours, clean) == "\x1b[31ma\\u001b[1mb\x1b[0m"
    monkeypatch.setattr("sys.stderr", stream)
    printer.warn("\x1b[31mred;")
    assert stream.getvalue() == "\x1b[33mWarning:\x1b[0m \\u001b[31mred;\n"


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("closed")])
def test_telling_never_raises(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(io.StringIO):
        def write(self, text: str) -> int:
            raise error

        def flush(self) -> None:
            raise error

    monkeypatch.setattr("sys.stdout", Failing())
    monkeypatch.setattr("sys.stderr", Failing())
    printer.say("Creating...")
    printer.warn("a warning")
    printer.complain("details\nof an error")
    printer.complain_of("an error")


@pytest.mark.parametrize("shell", ["bash", "fish", "powershell", "cmd", "tcsh", "emacs"])
@pytest.mark.parametrize("character", ["\n", "\r", "\x1b", "\x9b", "\u202e", "\udcff"])
def test_a_shell_is_given_no_control_character(shell: str, character: str) -> None:
    for variables, command in (({"A": f"a{character}b"}, ["x"]), ({"A": "a"}, [f"x{character}"])):
        with pytest.raises(MachineError, match="A shell cannot be given"):
            lines(shell, variables, command)
    with pytest.raises(MachineError, match="A shell cannot be given"):
        option("--tlscacert", f"/a{character}b")


def test_an_option_for_eval_is_quoted() -> None:
    assert option("-H", 'tcp://h;touch "$x`') == '-H="tcp://h;touch \\"\\$x\\`"'
