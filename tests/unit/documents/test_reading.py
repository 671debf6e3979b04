"""Documents from outside: a value of the declared type and rule, or one error with the field."""

from __future__ import annotations

import ipaddress
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ecsmachine.documents import rules
from ecsmachine.documents.fields import LARGEST, Fields, read_object, read_objects
from ecsmachine.documents.text import DEEPEST, parse_json, read_file
from ecsmachine.errors import MachineError

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["\0", "\n", "\x1b[2J", "..", "../x", "-o", "\ud800", "1e999", " ", "%s"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
RULES = [value for value in vars(rules).values() if isinstance(value, rules.Rule)]


def fault(reason: str) -> MachineError:
    return MachineError(f"The file is damaged: {reason}")


def reading(name: str) -> list[Any]:
    """Every way to read a value, as functions of the object that holds it."""
    return [
        *(lambda fields, rule=rule: fields.text(name, rule) for rule in RULES),
        *(lambda fields, rule=rule: fields.texts(name, rule=rule) for rule in RULES),
        lambda fields: fields.required(name),
        lambda fields: fields.optional(name),
        lambda fields: fields.choice(name, ("a", "b"), "a"),
        lambda fields: fields.number(name),
        lambda fields: fields.number(name, least=1, most=9),
        lambda fields: fields.port(name, 22),
        lambda fields: fields.decimal(name),
        lambda fields: fields.flag(name),
        lambda fields: fields.mapping(name),
        lambda fields: [each.text("x") for each in fields.objects(name)],
        lambda fields: [each.text("x") for each in fields.objects(name, "inner")],
        lambda fields: [each.text("x") for each in fields.objects_by_name(name).values()],
        lambda fields: fields.object(name).object("inner").text("x"),
    ]


def is_sound(value: Any) -> bool:
    """Whether a value that was read may be used: text without NUL, numbers of 64 bits."""
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= each <= "\udfff" for each in value)
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, int):
        return -LARGEST <= value <= LARGEST
    if isinstance(value, float):
        return 0 <= value < float("inf")
    items = [*value, *value.values()] if isinstance(value, dict) else value
    return all(is_sound(item) for item in items)


@given(
    st.binary()
    | st.text(st.characters(codec="utf-8")).map(str.encode)
    | JSON.map(json.dumps).map(str.encode)
)
@example(b"[" * 200_000)
@example(b'{"a":' * 200_000)
@example(b'{"a": 1e999}')
@example(b'{"a": -Infinity}')
@example(b'{"a": NaN}')
@example(b'{"a": ' + b"9" * 5_000 + b"}")
@example(b'{"a": "\\ud800"}')
@example(b"\xff\xfe{}")
def test_any_text_gives_a_value_or_one_error(content: bytes) -> None:
    try:
        value = parse_json(content, fault)
    except MachineError as error:
        assert error.message.startswith("The file is damaged: it ")
        assert "\n" not in error.message
        return
    # what is kept without being known can be written again
    assert json.loads(json.dumps(value, ensure_ascii=False).encode()) == value


@example(float("inf"), False)
@given(JSON, st.booleans())
def test_any_value_read_in_any_way_is_sound_or_one_error(value: Any, loose: bool) -> None:
    for read in reading("field"):
        fields = Fields({"field": value}, fault, "Outer", loose=loose)
        try:
            found = read(fields)
        except MachineError as error:
            assert error.message.startswith("The file is damaged: Outer.field")
            assert len(error.message) < 400
            assert not rules.has_controls(error.message)
        else:
            assert is_sound(found)


@given(st.dictionaries(st.text(), JSON))
def test_names_that_are_data_are_shown_and_not_obeyed(values: dict[str, Any]) -> None:
    fields = Fields({"auths": values}, fault)
    try:
        for each in fields.objects_by_name("auths").values():
            each.text("auth")
    except MachineError as error:
        assert not rules.has_controls(error.message)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"SSHPort": "x"}, 'Driver.SSHPort: "x" is not a port (1 to 65535)'),
        ({"SSHPort": 70000}, "Driver.SSHPort: 70000 is not a port (1 to 65535)"),
        ({"SSHPort": True}, "Driver.SSHPort: true is not a port (1 to 65535)"),
        ({"SSHPort": []}, "Driver.SSHPort: an array is not a port (1 to 65535)"),
        ({"SSHPort": 22.5}, "Driver.SSHPort: 22.5 is not a port (1 to 65535)"),
    ],
)
def test_an_error_names_the_document_and_the_field(values: dict[str, Any], message: str) -> None:
    with pytest.raises(MachineError) as caught:
        Fields({"Driver": values}, fault).object("Driver").port("SSHPort", 22)
    assert caught.value.message == f"The file is damaged: {message}"


def test_a_secret_is_in_no_error() -> None:
    fields = Fields({"Password": "s3cret\n", "List": ["s3cret\n"]}, fault)
    for read in (
        lambda: fields.text("Password", rules.SECRET),
        lambda: fields.texts("List", rule=rules.SECRET),
    ):
        with pytest.raises(MachineError) as caught:
            read()
        assert "s3cret" not in caught.value.message


def test_the_place_of_a_field_in_an_array() -> None:
    fields = read_object(b'{"Instances": {"Instance": [{}, {"Id": 7}]}}', fault)
    with pytest.raises(MachineError, match=r"Instances\.Instance\[1\]\.Id: 7 is not an id"):
        [each.text("Id", rules.ID) for each in fields.objects("Instances", "Instance")]
    with pytest.raises(MachineError, match=r"\[1\]: 7 is not an object"):
        read_objects(b"[{}, 7]", fault)


def test_absent_null_and_empty_values_have_the_default() -> None:
    for values in ({}, {"a": None}, {"a": ""}):
        fields = Fields(values, fault, loose=True)
        assert fields.text("a", rules.HOST, "x") == "x"
        assert fields.number("a", 5) == 5
        assert fields.port("a", 22) == 22
        assert fields.decimal("a", 1.5) == 1.5
        assert fields.flag("a", True) is True
        assert fields.choice("a", ("ext4", "xfs"), "xfs") == "xfs"
        assert fields.optional("a") is None
    assert Fields({}, fault).texts("a", "b") == []
    assert Fields({"a": {"b": None}}, fault).objects("a", "b") == []
    assert Fields({}, fault).mapping("a") == {}


def test_a_cloud_may_write_numbers_as_texts_and_a_file_may_not() -> None:
    values = {"Size": "40", "On": "true", "Price": "0.25"}
    answer = Fields(values, fault, loose=True)
    assert (answer.number("Size"), answer.flag("On"), answer.decimal("Price")) == (40, True, 0.25)
    for read in (Fields.number, Fields.flag, Fields.decimal):
        with pytest.raises(MachineError):
            for name in values:
                read(Fields(values, fault), name)


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (
            rules.HOST,
            [
                *("192.0.2.7", "2001:db8::1", "fe80::1%eth0", "host", "host.example.", "a_b.c"),
                *("münchen.example", "xn--mnchen-3ya.example", "1host"),
            ],
            [
                *("198.18.205.2\n    ProxyCommand touch /tmp/x", "-oProxyCommand=x", "a b", "a/b"),
                *(
                    "fe80::1%\nx",
                    "fe80::1%eth0 x",
                    "192.0.2.7%eth0",
                    "[::1]",
                    "h:22",
                    "u@h",
                    "a..b",
                ),
                *("x" * 64, "a" * 300, "%h", "h\0", "h\u2028", "é" * 64, "\ud800", "a-.b", "."),
            ],
        ),
        (
            rules.HOST_PORT,
            ["192.0.2.7", "192.0.2.7:2377", "[2001:db8::1]:2377", "[::1]", "host:1", "::1"],
            [
                "host:",
                "host:0",
                "host:65536",
                "host:-1",
                "[host]:1",
                "[::1",
                "[::1]x",
                "h:1\n",
                ":1",
            ],
        ),
        (
            rules.USER,
            ["root", "ecs-user", "a.b", "user@example.org", "CORP\\me", "_x", "vm$", "józef"],
            [
                *(
                    "-oProxyCommand=x",
                    "root\nMatch exec x",
                    "a b",
                    "a:b",
                    "a/b",
                    "$(x)",
                    "`x`",
                    '"',
                ),
                *("", "%u", "a;b", "\t"),
            ],
        ),
        (
            rules.ID,
            ["i-bp1", "ubuntu_22_04_x64_20G.vhd", "ecs.g6.large", "1234"],
            ["../x", "..", "/x", "a/b", "-x", "a b", "a\n", "", ".x", "é"],
        ),
        (
            rules.REGION,
            ["cn-hangzhou", "cn-hangzhou-h"],
            ["x@evil.example/", "cn.evil", "-x", "x-", "a/b", "a#", "a" * 64],
        ),
        (
            rules.URL,
            ["tcp://192.0.2.7:2376", "https://[2001:db8::1]:1", "http://u:p@host/x?y=z"],
            [
                *(
                    "tcp://",
                    "x",
                    "tcp://h:0",
                    "tcp://h:70000",
                    "tcp://h\n:1",
                    "http://[::1",
                    "http://a b",
                ),
                *("http://h/`x`", "tcp://-h:1", "tcp://h:x"),
            ],
        ),
        (rules.WEB_URL, ["http://127.0.0.1:7400", "https://x.example"], ["ftp://x", "tcp://x:1"]),
        (rules.KEY, ["eyJ.x-_~+/="], ["a b", "a\r\nX: y", "é", ""]),
        (rules.LINE, ["é 日本 'x'"], ["a\tb", "a\x85b", "\x1b[0m", "\x7f", "a\u2029"]),
    ],
)
def test_rules(rule: rules.Rule, good: list[str], bad: list[str]) -> None:
    assert [text for text in good if not rule.fits(text)] == []
    assert [text for text in bad if rule.fits(text)] == []


def test_nesting_is_bounded() -> None:
    def nested(levels: int) -> bytes:
        return b"[" * levels + b"]" * levels

    parse_json(nested(DEEPEST), fault)
    with pytest.raises(MachineError, match="nested too deeply"):
        parse_json(nested(DEEPEST + 2), fault)


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with pytest.raises(FileNotFoundError):
        read_file(path, fault)
    path.mkdir()
    with pytest.raises(MachineError, match="Is a directory"):
        read_file(path, fault)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MachineError, match="not a plain file"):
        read_file(tmp_path / "pipe", fault)
    with pytest.raises(MachineError, match="not a plain file"):
        read_file(Path("/dev/zero"), fault)
    for damaged in (tmp_path / "x" / "y" / "z" / ("n" * 300), tmp_path / "a\0b"):
        with pytest.raises((MachineError, FileNotFoundError)):
            read_file(damaged, fault)
    (tmp_path / "long").write_bytes(b"x" * 2049)
    with pytest.raises(MachineError, match="longer than 2 KiB"):
        read_file(tmp_path / "long", fault, longest=2048)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(MachineError):
        read_file(tmp_path / "loop", fault)
    (tmp_path / "mark").write_bytes(b'\xef\xbb\xbf{"a": 1}')  # as editors on Windows begin a file
    assert read_object(read_file(tmp_path / "mark", fault), fault).number("a") == 1


@given(st.lists(st.sampled_from([*"0123456789", "25", "01", ".", ":", "a", "٣", " "])))
@example(list("1.2.3.4"))
@example(list("1.2.3.04"))
def test_an_address_is_what_the_standard_library_takes_for_one(parts: list[str]) -> None:
    text = "".join(parts)
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        assert not rules.is_address(text)
    else:
        assert rules.is_address(text)
        assert rules.is_ipv4(text) == (address.version == 4)


@given(
    st.lists(
        st.sampled_from(
            ["http", "tcp", "://", "//", "a", "A", ".", "-", ":", "80", "0", "65536", "/", "@", "?"]
        ),
        max_size=8,
    )
)
@example(["tcp", "://", "a", ":", "80"])
@example(["tcp", "://", "a"])
def test_the_parts_of_a_url_are_those_of_the_standard_library(parts: list[str]) -> None:
    text = "".join(parts)
    try:
        split = urlsplit(text)
        found = (split.scheme, split.hostname or "", split.port)
    except ValueError:
        assert not rules.is_url(text)
    else:
        assert rules.url_parts(text) == found
