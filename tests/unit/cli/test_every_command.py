"""What holds for all commands: an example in the help, and JSON of what prints data."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from ecsmachine.cli.app import run
from ecsmachine.cli.arguments.context import Session
from ecsmachine.cli.arguments.parameters import flags_of, written_in_help
from ecsmachine.cli.tree import command_tree
from ecsmachine.errors import UsageError

PRINT_FOR_OTHERS = {"completion", "local run", "mount", "ssh"}
"""The commands whose output is another program's, or made for something that reads no JSON."""


def below(command: Any, context: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any, Any]]:
    yield " ".join(path), command, context
    for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
        child = command.get_command(context, name)
        inner = child.make_context(name, [], parent=context, resilient_parsing=True)
        yield from below(child, inner, (*path, name))


def every_command() -> Iterator[tuple[str, Any, Any]]:
    """Yield the words that call each command, the command, and a context of it."""
    root = command_tree()
    session = Session({"HOME": "/nonexistent"}, ["ecsmachine"])
    context = root.make_context("ecsmachine", [], resilient_parsing=True, obj=session)
    yield from below(root, context, ())


COMMANDS = {words: (command, context) for words, command, context in every_command()}
CALLABLE = {
    words: getattr(command, "default_command", command)
    for words, (command, _) in COMMANDS.items()
    if hasattr(command, "default_command") or not hasattr(command, "list_commands")
}


@pytest.mark.parametrize("words", sorted(CALLABLE))
def test_every_command_prints_json(words: str) -> None:
    parameters = CALLABLE[words].get_params(COMMANDS[words][1])
    flags = [flag for each in parameters for flag in flags_of(each)]
    assert ("--json" in flags) == (words not in PRINT_FOR_OTHERS)
    assert len({*flags}) == len(flags)


@pytest.mark.parametrize("words", sorted(CALLABLE))
@pytest.mark.parametrize("value", ["9" * 25, "-" + "9" * 25])
def test_no_number_is_too_large_for_what_takes_it(words: str, value: str) -> None:
    context = COMMANDS[words][1]
    for parameter in CALLABLE[words].get_params(context):
        annotation = parameter.type_descriptor.annotation
        if {int, float} & {annotation, *get_args(annotation)}:
            several = parameter.nargs == -1 or getattr(parameter, "multiple", False)
            with pytest.raises(UsageError, match="too large"):
                parameter.process_value(context, (value,) if several else value)


@pytest.mark.parametrize("words", sorted(CALLABLE))
def test_no_empty_word_is_the_working_folder(words: str) -> None:
    context = COMMANDS[words][1]
    for parameter in CALLABLE[words].get_params(context):
        annotation = parameter.type_descriptor.annotation
        if Path in {annotation, *get_args(annotation)} or parameter.metavar == "FILE":
            with pytest.raises(UsageError, match="it is empty"):
                parameter.process_value(context, "")


@pytest.mark.parametrize("words", sorted(CALLABLE))
def test_a_home_folder_that_the_shell_left_is_put_in(
    words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--storage-path=~/store`` made a folder called ~ in whatever folder it was given."""
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USERPROFILE", "/home/me")
    context = COMMANDS[words][1]
    for parameter in CALLABLE[words].get_params(context):
        annotation = parameter.type_descriptor.annotation
        if Path in {annotation, *get_args(annotation)} and parameter.callback is None:
            given = parameter.process_value(context, "~/it")
            assert Path(given) == Path("/home/me/it")
            assert "nobody-here" in str(parameter.process_value(context, "~nobody-here/it"))


@pytest.mark.parametrize("words", sorted(set(CALLABLE) - {"local run", "local up", "scp"}))
def test_no_word_that_is_no_name_leads_to_a_file_or_out_of_the_store(
    words: str, tmp_path: Path
) -> None:
    """A name is a part of paths in the store: as root, "swarm leave /dev/null" removed that."""
    kept, store = tmp_path / "kept", tmp_path / "outside/store"
    kept.write_bytes(b"as it was")
    store.mkdir(parents=True)
    before = [path.lstat().st_ino for path in (kept, store)]
    environment = {"HOME": str(tmp_path), "MACHINE_STORAGE_PATH": str(store)}
    number = sum(not flags_of(each) for each in CALLABLE[words].get_params(COMMANDS[words][1]))
    for name in (str(kept), "..", "../../../kept", ""):
        run([*words.split(), *[name] * number], environment)
    assert [path.lstat().st_ino for path in (kept, store)] == before
    assert kept.read_bytes() == b"as it was"
    assert {path.name for path in tmp_path.rglob("*")} & {"abandoned", ".abandoned"} == set()
    assert [path.name for path in store.parent.iterdir()] == ["store"]


def examples(words: str) -> list[str]:
    text = (COMMANDS[words][0].help or "").replace("\b", "")
    found = re.findall(r"^\s*Example: (.*)$", text, re.MULTILINE)
    several = re.search(r"^\s*Examples:\n((?:\s+\S.*\n?)+)", text, re.MULTILINE)
    return found + (several[1].strip().splitlines() if several else [])


@pytest.mark.parametrize("words", sorted(COMMANDS))
def test_every_help_has_an_example_that_the_command_line_takes(words: str) -> None:
    calls = [
        call
        for example in examples(words)
        for part in re.split(r"&&|\$\(|`", example)
        for call in re.findall(r"\becsmachine (.*)", part)
    ]
    assert any(call.startswith(words) for call in calls), f"{words}: {examples(words)}"
    for call in calls:
        arguments = shlex.split(re.sub(r"\)[^)]*$| < \S+$", "", call))
        command = called(arguments)  # raises for what the command does not have
        before = insides(command)
        assert called(arguments) is command
        assert insides(command) == before, "the next run of this process is of this command too"


def test_the_flags_of_help_have_the_same_order_in_every_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command, context = COMMANDS["status"]
    names = [f"--help-{number}" for number in range(20)]
    monkeypatch.setattr(context, "help_option_names", names)
    assert command.get_help_option_names(context) == names


@pytest.mark.parametrize("words", sorted(CALLABLE))
def test_usage_names_arguments_as_the_list_of_them_does(words: str) -> None:
    command, context = CALLABLE[words], COMMANDS[words][1]
    listed = [written_in_help(each) for each in command.get_params(context) if not flags_of(each)]
    _, *used = command.collect_usage_pieces(context)
    bare = re.compile(r"[][{}.]")
    assert [bare.sub("", each) for each in used] == [bare.sub("", each) for each in listed]


def called(arguments: list[str]) -> Any:
    """Return the command that words call, which has read what follows them."""
    session = Session({"HOME": "/nonexistent"}, ["ecsmachine", *arguments])
    command, context = command_tree(), None
    while hasattr(command, "list_commands"):
        context = command.make_context(
            "ecsmachine", [], parent=context, resilient_parsing=True, obj=session
        )
        found = command.get_command(context, arguments[0])
        if found is None:
            command = command.default_command
        else:
            command, arguments = found, arguments[1:]
    command.make_context("example", arguments, parent=context)
    return command


def insides(command: Any) -> list[dict[str, Any]]:
    """Return what a command and each of its parameters hold."""
    return [
        {
            name: value.copy() if isinstance(value, (list, dict)) else value
            for name, value in vars(each).items()
        }
        for each in (command, *command.params)
    ]


def flags_after(*arguments: str) -> set[str]:
    return {flag for each in called([*arguments]).params for flag in flags_of(each)}


@pytest.mark.parametrize("command", ["create", "bake"])
def test_each_driver_has_the_flags_of_its_own(command: str) -> None:
    ours = flags_after(command, "-d", "aliyunecs", "dev1")
    assert "--aliyunecs-region" in ours
    theirs = flags_after(command, "-d", "generic", "dev1")
    assert "--generic-ip-address" in theirs
    assert "--aliyunecs-region" not in theirs
    assert flags_after(command, "dev1") == ours


def test_the_help_of_a_run_is_that_of_the_run_before(capfd: pytest.CaptureFixture[str]) -> None:
    def shown(name: str) -> str:
        assert run(["ls", "--help"], {"HOME": "/nonexistent"}, name=name) == 0
        return capfd.readouterr().out

    ours, theirs = shown("ecsmachine"), shown("docker-machine")
    assert ours != theirs
    assert (shown("ecsmachine"), shown("docker-machine")) == (ours, theirs)
