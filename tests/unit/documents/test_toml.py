"""TOML: what a text holds, and in which line its keys stand."""

from __future__ import annotations

import sys

import pytest

from ecsmachine.documents.toml import lines_of, parse_toml, plain
from ecsmachine.errors import MachineError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TEXT = b'''\xef\xbb\xbf# a comment

one = 1
list = [   # begins here
  "a",

  "b",
]
long = """
[not.a.table]
one = 2
"""
a.b = true   # a dotted key

[table]

two = "2"
[table.inner]
"quoted key" = 3
inline = {x = 1, y = [2]}
'''


def test_the_line_of_each_key() -> None:
    assert lines_of(TEXT) == {
        ("one",): 3,
        ("list",): 4,
        ("long",): 9,
        ("a",): 13,
        ("a", "b"): 13,
        ("table",): 15,
        ("table", "two"): 17,
        ("table", "inner"): 18,
        ("table", "inner", "quoted key"): 19,
        ("table", "inner", "inline"): 20,
        ("table", "inner", "inline", "x"): 20,
        ("table", "inner", "inline", "y"): 20,
    }


def test_a_value_of_many_lines_is_not_parsed_without_end() -> None:
    """With each line that may be its last it is parsed anew."""
    assert lines_of(b"a = [\n" + b'"x",\n' * 3000 + b"]\nb = 1\n") == {("a",): 1, ("b",): 3003}
    assert lines_of(b"z = 1\na = [\n" + b"[]\n,\n" * 1500 + b"]\nb = 1\n") == {("z",): 1}


def test_what_it_holds() -> None:
    held = parse_toml(TEXT, MachineError)
    assert held["table"]["inner"]["inline"] == {"x": 1, "y": [2]}
    dots = f"# {'.' * 99}\na = '{'.' * 99}'  # {'. ' * 99}\n"
    assert parse_toml(dots.encode(), MachineError) == {"a": "." * 99}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a = ", "it is not TOML: "),
        (b"[a]\nb = 1\nb = 2", "it is not TOML: "),
        (b"a = '\xff'", "it is not UTF-8: byte 5"),
        (b"a = " + b"[" * 100_000, "it is nested too deeply"),
        (b"a." * 100_000 + b"b = 1", "it is nested too deeply"),
        (b'["a" . ' + b"'b' . " * 100_000 + b'""]', "it is nested too deeply"),
        (b"a = {" + b"b.c={" * 40 + b"}" * 41, "it is nested too deeply"),
    ],
)
def test_what_is_none_is_the_fault(text: bytes, said: str) -> None:
    with pytest.raises(MachineError) as error:
        parse_toml(text, MachineError)
    assert error.value.message.startswith(said)


PLAIN = """# comment: # "again"
region = "cn-shanghai" # ]
native-ssh=true

[a.b]
c = ['x "', "# y'", "",]
[a]
d = 20
[a.e]
f = []
"""


def test_a_plain_text_is_read_as_the_library_reads_it() -> None:
    assert plain(PLAIN.replace("\n", "\r\n")) == tomllib.loads(PLAIN)


def test_no_text_is_read_in_another_way_than_by_the_library() -> None:
    others = ["", *"\n\r\t\"'#[]=,.\\ 01_-at{}", '""', "[]", " =", "\x00", "\u3000", "é"]
    texts = {
        PLAIN[:place] + other + PLAIN[place + taken :]
        for place in range(len(PLAIN) + 1)
        for other in others
        for taken in (0, 1)
    }
    lines = PLAIN.splitlines(keepends=True)
    texts |= {"".join([*lines[:at], again, *lines[at:]]) for at in range(12) for again in lines}
    plainly = [(text, found) for text in texts if (found := plain(text)) is not None]
    assert len(plainly) > len(texts) / 4
    for text, found in plainly:
        assert repr(found) == repr(tomllib.loads(text)), text
