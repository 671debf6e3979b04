"""The documents are true: their commands exist, the errors that they explain, and their links."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.cli.arguments.context import Session
from ecsmachine.cli.arguments.driver_options import driver_name_of
from ecsmachine.cli.tree import command_tree
from ecsmachine.drivers import registry
from ecsmachine.drivers.options import ChangeKind
from ecsmachine.localcloud.protocol.official import official_actions

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

DRIVERS = ("aliyunecs", "generic", "none")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def command_lines(text: str) -> Iterator[list[str]]:
    """Yield the words of each command line of ours, of blocks and of code in the text."""
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        if language in ("sh", "console", ""):
            for line in block.replace("\\\n", " ").splitlines():
                if language != "console" or line.startswith(("$ ", "# ")):
                    yield from _commands_in(line)
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    for code in re.findall(r"`([^`\n]+)`", prose):
        yield from _commands_in(code)


def _commands_in(line: str) -> Iterator[list[str]]:
    start = r"(?:^|[$#(;&|] ?|\"\$\()(?:\w+=\S* )*ecsmachine( [^|;&<>)#…]*)"
    for found in re.findall(start, line):
        try:
            words = shlex.split(found)
        except ValueError:
            continue  # a quotation that goes on after what was cut off
        if words and re.fullmatch(r"[a-z-]+", words[0]) and not words[0].startswith("--"):
            yield words


def check(words: list[str]) -> None:
    """Fail if the words name a command or an option that there is not."""
    if driver_name_of(words, {}) not in DRIVERS:
        return  # a driver that the reader writes
    session = Session({"HOME": "/nonexistent"}, ["ecsmachine", *words])
    command: Any = command_tree()
    context = command.make_context("ecsmachine", [], resilient_parsing=True, obj=session)
    for position, word in enumerate(words):
        if not hasattr(command, "list_commands"):
            known = {
                flag
                for parameter in command.get_params(context)
                for flag in (*parameter.opts, *parameter.secondary_opts)
            }
            if words[0] not in ("ssh", "cs"):  # what follows the name is of another program
                rest = words[position:]
                rest = rest[: rest.index("--")] if "--" in rest else rest
                given = [each.partition("=")[0] for each in rest if each.startswith("--")]
                assert not [each for each in given if each not in known], words
            return
        if word.startswith("-") or not re.fullmatch(r"[a-z-]+", word):
            return
        found = command.get_command(context, word)
        assert found is not None, f"{words}: there is no command {word}"
        command = found
        context = command.make_context(word, [], parent=context, resilient_parsing=True)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_the_commands_of_a_page_exist(page: Path) -> None:
    for words in command_lines(page.read_text()):
        check(words)


def test_command_lines_are_found() -> None:
    found = {named(page): len(list(command_lines(page.read_text()))) for page in PAGES}
    assert found["README.md"] > 15
    assert sum(found.values()) > 400


def test_a_wrong_command_is_found() -> None:
    for line in (
        "`ecsmachine lss`",
        "```sh\necsmachine create --dry x\n```",
        "`ecsmachine local u`",
    ):
        (words,) = command_lines(line)
        with pytest.raises(AssertionError):
            check(words)


def _texts(path: Path) -> Iterator[str]:
    """Yield the texts in a module; what is filled in of one is a NUL."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "\0" for part in node.values]
            yield "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@cache
def _said() -> str:
    """Every text in the package and the codes of the cloud, one after the other."""
    texts = [text for path in (ROOT / "ecsmachine").rglob("*.py") for text in _texts(path)]
    texts += [path.read_text() for path in (ROOT / "ecsmachine").rglob("*.txt")]
    return "\n".join(texts)


@pytest.mark.parametrize("page", ["docs/troubleshooting.md", "docs/zh/troubleshooting.md"])
def test_the_errors_that_are_explained_are_said(page: str) -> None:
    first_cells = re.findall(r"^\| (.*?) \|", (ROOT / page).read_text(), re.MULTILINE)
    errors = [code for cell in first_cells for code in re.findall(r"`([^`]+)`", cell)]
    assert len(errors) > 15
    for error in errors:
        for part in re.split(r"…|\"?NAME\"?", error):
            assert part.strip() in _said() or part.startswith(("docker ", "get.")), error


@pytest.mark.parametrize(
    ("product", "version"), [("ecs", "2014-05-26"), ("vpc", "2016-04-28"), ("slb", "2014-05-15")]
)
def test_the_policy_allows_what_is_asked_for(product: str, version: str) -> None:
    (policy,) = re.findall(
        r"```json\n(.*?)```", (ROOT / "docs" / "aliyunecs.md").read_text(), re.DOTALL
    )
    allowed = [
        each for statement in json.loads(policy)["Statement"] for each in statement["Action"]
    ]
    others = {"vpc.py", "slb.py", "sts.py"} - {f"{product}.py"}
    files = {f"{product}.py"} if product != "ecs" else {"*.py"}
    asked = {
        text
        for pattern in files
        for path in (ROOT / "ecsmachine" / "aliyun").glob(pattern)
        if path.name not in others
        for text in _texts(path)
        if text in official_actions(version)
    }
    assert len(asked) > 3
    for action in asked:
        assert any(fnmatch(f"{product}:{action}", each) for each in allowed), action
    for each in allowed:
        if each.startswith(f"{product}:"):
            assert any(fnmatch(f"{product}:{action}", each) for action in asked), each


def test_the_table_of_changes_is_that_of_the_options() -> None:
    page = (ROOT / "docs" / "aliyunecs.md").read_text()
    options = registry.options_of("aliyunecs")
    for kind in ChangeKind:
        (cell,) = re.findall(rf"^\| {kind.value} \| (.*) \|$", page, re.MULTILINE)
        named = set(re.findall(r"`([^`]+)`", cell))
        declared = {each.name for each in options if each.changes is kind}
        assert named == {name.removeprefix("aliyunecs-") for name in declared}, kind


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        file = page.parent / path if path else page
        assert file.exists(), target
        if anchor and file.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert anchor in {_anchor(heading) for heading in headings}, target


def _anchor(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")
