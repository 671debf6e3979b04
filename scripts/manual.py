"""Writes what is said of each command from its --help: docs/man/*.1 and docs/commands/*.md.

So is the schema of ecsmachine.yaml, from the options: docs/ecsmachine.schema.json.

``python scripts/manual.py`` writes; ``--check`` says which files are not as they would be written.
Of a page in docs/commands only the part up to the mark is written; what follows it is by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecsmachine import __version__
from ecsmachine.cli.arguments.context import Session
from ecsmachine.cli.display.json_text import as_text
from ecsmachine.cli.machines_file.schema import schema
from ecsmachine.cli.tree import command_tree
from ecsmachine.drivers import registry

ROOT = Path(__file__).parents[1]
MARK = "<!-- Up to here this page is written by scripts/manual.py from --help. -->"


@dataclass
class Page:
    """What is known of a command: how it is called, and what its help says."""

    path: tuple[str, ...]
    usage: str
    paragraphs: list[str]
    examples: list[str]
    arguments: list[tuple[str, str]]
    options: list[tuple[str, str]]
    commands: list[tuple[str, str]] = field(default_factory=list)
    more_options: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The command's name in full, with blanks."""
        return " ".join(self.path)

    @property
    def title(self) -> str:
        """The first sentence of the help."""
        text = " ".join(self.paragraphs[0].split()) if self.paragraphs else self.name
        return text.split(". ")[0].rstrip(".")


def pages() -> Iterator[Page]:
    """Yield the page of every command, the program's own first."""
    root, context = _root("aliyunecs")
    yield from _pages(root, context, ("ecsmachine",))


def _root(driver: str) -> tuple[Any, Any]:
    """Return the group of all commands, and a context in which a driver is named."""
    words = ["ecsmachine", "create", "-d", driver]
    session = Session({"HOME": "/nonexistent"}, words)
    root = command_tree()
    return root, root.make_context("ecsmachine", [], resilient_parsing=True, obj=session)


def _pages(command: Any, context: Any, path: tuple[str, ...]) -> Iterator[Page]:
    page = _page(command, context, path)
    children = []
    if hasattr(command, "list_commands"):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            below = child.make_context(name, [], parent=context, resilient_parsing=True)
            children.append((child, below, (*path, name)))
            page.commands.append((name, _page(child, below, (*path, name)).title))
    yield page
    for child, below, child_path in children:
        yield from _pages(child, below, child_path)


def _page(command: Any, context: Any, path: tuple[str, ...]) -> Page:
    paragraphs, examples = _paragraphs(command.help or "")
    records: dict[bool, list[tuple[str, str]]] = {True: [], False: []}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            is_option = any(word.startswith("-") for word in parameter.opts)
            records[is_option].append((record[0], re.sub(r"  +", " ", record[1])))
    return Page(
        path,
        " ".join((*path, *command.collect_usage_pieces(context))),
        paragraphs,
        examples,
        records[False],
        records[True],
    )


def _paragraphs(text: str) -> tuple[list[str], list[str]]:
    paragraphs: list[str] = []
    examples: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text.replace("\b", "").strip()):
        lines = [line.rstrip() for line in paragraph.splitlines()]
        first = lines[0].strip()
        if first.startswith("Example:"):
            examples.append(first.removeprefix("Example:").strip())
            examples += [line.strip() for line in lines[1:]]
        elif first == "Examples:":
            examples += [line.strip() for line in lines[1:]]
        elif first:
            paragraphs.append("\n".join(lines))
    return paragraphs, examples


def man_page(page: Page) -> str:
    """Return a page in the man macros (man(7))."""
    name = "-".join(page.path)
    lines = [
        f'.TH "{name.upper()}" "1" "" "ecsmachine {__version__}" "ecsmachine"',
        ".SH NAME",
        f"{_roff(name)} \\- {_roff(page.title)}",
        ".SH SYNOPSIS",
        f".B {_roff(page.usage)}",
        ".SH DESCRIPTION",
    ]
    for paragraph in page.paragraphs:
        lines += [".PP", *_man_lines(paragraph)]
    for title, rows in (
        ("ARGUMENTS", page.arguments),
        ("COMMANDS", page.commands),
        ("OPTIONS", page.options),
        *(
            (f"OPTIONS OF THE DRIVER {name.upper()}", rows)
            for name, rows in page.more_options.items()
        ),
    ):
        if rows:
            lines.append(f".SH {title}")
        for word, meaning in rows:
            lines += [".TP", f".B {_roff(word)}", _roff(meaning)]
    if page.examples:
        lines += [".SH EXAMPLES", ".nf", *(_roff(each) for each in page.examples), ".fi"]
    others = ["ecsmachine"] if len(page.path) > 1 else []
    others += [f"{name}-{child}" for child, _ in page.commands]
    if others:
        lines += [".SH SEE ALSO", ", ".join(f"\\fB{_roff(other)}\\fR(1)" for other in others)]
    return "\n".join(lines) + "\n"


def markdown(group: list[Page]) -> str:
    """Return the written part of the page of a command and of those below it."""
    parts = [f"# {group[0].name}"]
    for page in group:
        if page is not group[0]:
            parts.append(f"## {page.name}")
        parts += [_text(paragraph) for paragraph in page.paragraphs]
        parts.append(f"```\n{page.usage}\n```")
        for title, rows in (
            ("argument", page.arguments),
            ("option", page.options),
            *((f"option of the driver `{name}`", rows) for name, rows in page.more_options.items()),
        ):
            if rows:
                parts.append(_table(title, rows))
        if page.examples:
            parts.append("```sh\n" + "\n".join(page.examples) + "\n```")
    return "\n\n".join((*parts, MARK)) + "\n"


def _text(paragraph: str) -> str:
    lines = paragraph.splitlines()
    if any(line.startswith("  ") for line in lines):
        return "```text\n" + "\n".join(lines) + "\n```"
    return "\n".join(lines)


def _table(title: str, rows: list[tuple[str, str]]) -> str:
    body = [f"| `{_cell(word)}` | {_cell(meaning)} |" for word, meaning in rows]
    return "\n".join((f"| {title} | meaning |", "|---|---|", *body))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _man_lines(paragraph: str) -> list[str]:
    lines = paragraph.splitlines()
    if any(line.startswith("  ") for line in lines):
        return [".nf", *(_roff(line) for line in lines), ".fi"]
    return [_roff(line) for line in lines]


def _roff(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def files() -> dict[Path, str]:
    """Return every file as it should be."""
    every = list(pages())
    _tell_drivers_apart(next(page for page in every if page.path[1:] == ("create",)))
    wanted = {ROOT / "docs" / "man" / f"{'-'.join(page.path)}.1": man_page(page) for page in every}
    for page in every:
        if len(page.path) == 2:
            group = [other for other in every if other.path[:2] == page.path]
            path = ROOT / "docs" / "commands" / f"{page.path[1]}.md"
            by_hand = path.read_text().partition(MARK)[2] if path.exists() else ""
            wanted[path] = markdown(group).rstrip("\n") + (by_hand or "\n")
    wanted[ROOT / "docs" / "ecsmachine.schema.json"] = as_text(schema()) + "\n"
    return wanted


def _tell_drivers_apart(create: Page) -> None:
    """Give each driver's options a table of their own."""
    by_driver = {}
    for driver in registry.driver_names():
        root, context = _root(driver)
        command = root.get_command(context, "create")
        below = command.make_context("create", [], parent=context, resilient_parsing=True)
        by_driver[driver] = _page(command, below, create.path).options
    shared = set.intersection(*({word for word, _ in rows} for rows in by_driver.values()))
    create.options = [row for row in create.options if row[0] in shared]
    create.more_options = {
        driver: [row for row in rows if row[0] not in shared] for driver, rows in by_driver.items()
    }


def main(arguments: list[str]) -> int:
    """Write the files, or with ``--check`` say which differ."""
    wanted = files()
    present = {*(ROOT / "docs" / "man").glob("*.1"), *(ROOT / "docs" / "commands").glob("*.md")}
    stale = sorted(present - set(wanted))
    wrong = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        for path in (*wrong, *stale):
            print(f"{path.relative_to(ROOT)} is not as --help has it: run python scripts/manual.py")
        return 1 if wrong or stale else 0
    for path in wrong:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path])
    for path in stale:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
