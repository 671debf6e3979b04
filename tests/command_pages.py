"""The examples of docs/commands: what a page says is run, and what it shows is compared.

The part of a page under "In practice" is written by hand. Its examples are fenced as ``console``:
a command after ``$ `` (its further lines after ``> ``), and what it prints. All of a page run in
one bash, in an empty folder that is HOME too, which pages call /home/me. What differs from run to
run (addresses, ids, times, versions) may be anything of its kind; ``…`` is any text within a
line, and a line of it alone is any number of lines.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecsmachine.cli.everyday import plain

COMMANDS = Path(__file__).parents[1] / "docs" / "commands"
HEADING = "## In practice"

ALONE = ("completion", "settings")
"""Pages that need nothing but the program."""

WITHOUT_GUESTS = ("cluster", "project", "service", "trigger", "volume", "cs")
"""Pages that need a cloud; all but the first a cluster ``shop`` with a project ``website`` too."""

OF_FILES = ("plan", "apply", "destroy")
"""Pages that need a cloud without guests, and no machine."""

EVERYDAY = tuple(plain.COMMANDS)
"""Pages of commands that are read in two ways."""

WITH_MACHINES = (
    *("prompt", "ssh-config", "forward", "doctor", "logs"),
    *("ls", "active", "ip", "url", "status", "version", "inspect", "env", "ssh", "scp", "mount"),
    *("context", "credentials", "config", "provision", "regenerate-certs", "upgrade", "trust"),
    *("stop", "start", "restart", "kill", "expire", "wait", "swarm", "rm", "sweep"),
    *("export", "import", "image", "bake", "adopt"),
)
"""Pages that need the machines ``dev1`` and ``dev2``, which the page of ``create`` makes.

Each leaves them as they were, but for the last one.
"""

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NOT_THERE = ("PYTHONUNBUFFERED", "ECSMACHINE_CONFIG", "DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
"""Variables of the tests that the examples do not have."""

_ANY = "…"
_END = "\x1e"
_KINDS = (  # what may have anything in it comes first
    (re.compile(r"SHA256:[A-Za-z0-9+/=]+"), "<fingerprint>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "<place>"),
    (re.compile(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b"), "<address>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (
        re.compile(r"\b\d+(\.\d+)? ?(ms|µs|s|m|min|h|days?|hours?|minutes?)\b"),
        "<duration>",
    ),
    (re.compile(r"sha256:[0-9a-f]+"), "<digest>"),
    (re.compile(r"\b(i|sg|vpc|vsw|d|eip|lb|img|m|s)-[0-9a-z]{8,}\b"), "<id>"),
    (re.compile(r"\b\d+(\.\d+)? (kB|MB|GB)"), "<size>"),
    (re.compile(r"\b[0-9a-z]{25}\b"), "<id>"),
    (re.compile(r"\b[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\b"), "<id>"),
    (re.compile(r"\bc?[0-9a-f]{8,}(-[0-9a-f]{4}){0,3}(-[0-9a-f]{12})?\b"), "<id>"),
    (re.compile(r"\bv?\d+\.\d+\.\d+[+~\w.-]*"), "<version>"),
    (re.compile(r"[ \t]+"), " "),
)


@dataclass(frozen=True)
class Example:
    """A command of a page, and the lines that it shows."""

    command: str
    shown: list[str] = field(default_factory=list)


def page_names() -> list[str]:
    """Return the commands that have a page."""
    return sorted(path.stem for path in COMMANDS.glob("*.md"))


def examples_of(page: str) -> list[Example]:
    """Return the examples of a page of a command that are run."""
    return examples_in((COMMANDS / f"{page}.md").read_text().partition(HEADING)[2])


def examples_in(text: str) -> list[Example]:
    """Return the examples of a text that are run."""
    examples: list[Example] = []
    for block in _BLOCK.findall(text):
        for line in block.splitlines():
            if line.startswith("$ "):
                examples.append(Example(line[2:]))
            elif line.startswith("> ") and not examples[-1].shown:
                examples[-1] = Example(f"{examples[-1].command}\n{line[2:]}")
            else:
                examples[-1].shown.append(line)
    return examples


def printed_by(
    examples: Sequence[Example], environment: Mapping[str, str], home: Path
) -> list[tuple[int, str]]:
    """Run commands in ``home``; return the exit code and the output of each.

    The program is a fork of one that is loaded.
    """
    script = "exec 2>&1\n" + "".join(
        f"{example.command}\nprintf '{_END}%d{_END}' $?\n" for example in examples
    )
    from tests.loaded_program import write_starter  # which Windows cannot import

    with tempfile.TemporaryDirectory() as folder:
        write_starter(Path(folder, "ecsmachine"))
        done = subprocess.run(
            ["bash", "-c", script],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=280,
            cwd=home,
            env={
                **{name: value for name, value in environment.items() if name not in _NOT_THERE},
                "HOME": str(home),
                "PATH": f"{folder}:{Path(sys.executable).parent}:{environment['PATH']}",
            },
        )
    parts = done.stdout.replace(str(home), "/home/me").split(_END)
    return [(int(code), text) for text, code in zip(parts[::2], parts[1::2], strict=False)]


def check(page: str, environment: Mapping[str, str], home: Path) -> None:
    """Run the examples of a page. Fails where one prints something else than the page shows.

    A command may fail only if the page shows its error.
    """
    check_examples(page, examples_of(page), environment, home)


def check_both_ways(page: str, environment: Mapping[str, str], home: Path) -> None:
    """Do what :func:`check` does, where the table of plain forms reads the commands; then by typer.

    Fails where one prints something else the other way, but for what differs from run to run.
    """
    examples = examples_of(page)
    plainly = check_examples(page, examples, environment, home)
    # a variable that may change how a command runs leaves it to typer, even where it says no
    by_typer = printed_by(examples, {**environment, "MACHINE_NATIVE_SSH": "false"}, home)
    for example, *ways in zip(examples, plainly, by_typer, strict=True):
        one, other = ([code, *map(_plain, text.splitlines())] for code, text in ways)
        assert one == other, f"{page}.md: $ {example.command}"


def check_examples(
    page: str,
    examples: Sequence[Example],
    environment: Mapping[str, str],
    home: Path,
) -> list[tuple[int, str]]:
    """Run examples of any page, as :func:`check` does; return the exit code and output of each."""
    results = printed_by(examples, environment, home)
    for example, (code, text) in zip(examples, results, strict=True):
        told = f"{page}.md: $ {example.command}\n{text}"
        fails = any(line.startswith("Error: ") for line in example.shown)
        assert (code != 0) == fails, f"{told}left with {code}"
        assert fits(example.shown, text.splitlines()), told
    return results


def fits(shown: list[str], printed: list[str]) -> bool:
    """Whether the lines of a page fit those that were printed."""
    pattern = "".join(
        "(?:.*\n)*" if line.strip() == _ANY else f"{_pattern_of(line)}\n" for line in shown
    )
    return re.fullmatch(pattern, "".join(f"{_plain(line)}\n" for line in printed)) is not None


def _pattern_of(line: str) -> str:
    return ".*".join(re.escape(part) for part in _plain(line).split(_ANY))


def _plain(line: str) -> str:
    """Return a line in which all that differs from run to run is named by its kind."""
    for kind, name in _KINDS:
        line = kind.sub(name, line)
    return line.rstrip()
