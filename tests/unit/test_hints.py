"""Whoever called the program wrongly is told what to do."""

from __future__ import annotations

import ast
import shlex
from typing import Any

from ecsmachine.cli.arguments.context import Session
from ecsmachine.cli.tree import command_tree
from tests.advice import PACKAGE, advice, commands_in

SAID_BY_THE_LINE = {"cli/display/go_template_syntax.py"}
"""Files whose errors say where in the text something is wrong: that is what to correct."""


def test_every_usage_error_has_a_hint() -> None:
    without = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "UsageError"
        and not any(keyword.arg == "hint" for keyword in node.keywords)
        and str(path.relative_to(PACKAGE)) not in SAID_BY_THE_LINE
    ]
    assert without == []


def test_every_command_that_a_text_names_can_be_typed() -> None:
    session = Session({}, ["ecsmachine"])
    program = command_tree()
    context = program.make_context("ecsmachine", [], obj=session, resilient_parsing=True)
    wrong = [
        f"{text}: {reason}"
        for text in advice()
        for command in commands_in(text.text)
        if (reason := why_it_cannot_be_typed(command, context))
    ]
    assert wrong == []


def why_it_cannot_be_typed(line: str, context: Any) -> str:
    """Return what is wrong with the names of commands and flags in a line; "" if nothing is."""
    words = shlex.split(line)
    command = context.command
    while hasattr(command, "list_commands") and words and not words[0].startswith("-"):
        known = command.get_command(context, words[0])
        if known is None:
            return f"no command {words[0]}"
        context = known.make_context(words.pop(0), [], parent=context, resilient_parsing=True)
        command = known
    flags = {flag for parameter in command.params for flag in parameter.opts}
    flags |= set(context.help_option_names)
    given = {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"}
    # a command that is run on a host has flags of its own
    return "" if command.name == "ssh" or given <= flags else f"no {given - flags}"
