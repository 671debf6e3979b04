"""What the scripts of ``completion`` ask for at each press of TAB.

A script calls ``ecsmachine __complete WORD… CURRENT`` and is given a line for each suggestion:
the word, and after a tab what it means. What is suggested comes from the commands themselves, from
the machine store, and from the drivers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ecsmachine.cli.arguments.context import Session
from ecsmachine.cli.arguments.driver_options import driver_name_of
from ecsmachine.cli.arguments.every_command import commands_below, context_below
from ecsmachine.cli.arguments.parameters import choices_of, flags_of, takes_value
from ecsmachine.cli.display.cleaning import is_plain, one_line
from ecsmachine.cli.table import WITH_DRIVER
from ecsmachine.drivers import registry
from ecsmachine.drivers.base import State

_MACHINES = frozenset(("name", "names"))
"""Arguments for machines, if their help says so: clusters and volumes have names as well."""

_OF_A_MACHINE = frozenset(("from", "manager", "resume", "swarm-join"))
"""Options that take a machine."""

_ONE_NAME = frozenset(("config", "env"))
"""Commands that take names, to say that they take one alone."""

_COPYING = frozenset(("scp", "mount"))
"""Commands whose arguments are like ``machine:path``."""


_SHELLS = ("bash", "zsh", "sh", "fish", "powershell", "cmd", "tcsh", "emacs")
"""What ``env --shell`` may name."""


@dataclass(frozen=True)
class Suggestion:
    """A word that fits, and a few words about it."""

    word: str
    about: str = ""


def suggest(root: Any, session: Session, words: list[str], current: str) -> Iterator[Suggestion]:
    """Yield what ``current`` may become after ``words`` (without the program's name).

    ``root`` is the group of all commands. Raises nothing that a person would have to read: where
    nothing is known, nothing is suggested.
    """
    for suggestion in _candidates(root, session, words, current):
        if suggestion.word.startswith(current) and is_plain(suggestion.word):
            yield Suggestion(suggestion.word, one_line(suggestion.about))


def _candidates(
    root: Any, session: Session, words: list[str], current: str
) -> Iterable[Suggestion]:
    path, context, rest = _descend(root, session, words)
    default = getattr(context.command, "default_command", None)
    parameters = (default or context.command).get_params(context)
    options = {word: each for each in parameters for word in flags_of(each)}
    if rest and rest[-1] in options and takes_value(options[rest[-1]]):
        return _values(options[rest[-1]], path, session, words, current)
    if current.startswith("--") and "=" in current:
        flag, _, value = current.partition("=")
        if flag in options:
            values = _values(options[flag], path, session, words, value)
            return [Suggestion(f"{flag}={each.word}", each.about) for each in values]
        return []
    if current.startswith("-"):
        return _flags(parameters, short=current == "-")
    if path[-1] in ("help", "settings"):
        _, context, rest = _descend(root, session, rest)
        return [] if rest else _commands(context)
    commands = _commands(context)
    if commands and default is None:
        return commands
    given = _positional(rest, options)
    if _is_full(parameters, given) or (given and path[-1] in _ONE_NAME):
        return _flags(parameters, short=False)
    return [*commands, *_arguments(parameters, path, session, given)]


def _flags(parameters: Iterable[Any], *, short: bool) -> list[Suggestion]:
    """Return the options of a command, those of one letter too if ``short``."""
    return [
        Suggestion(word, _first_sentence(each))
        for each in parameters
        if not getattr(each, "hidden", False)
        for word in flags_of(each)
        if word.startswith("--") or short
    ]


def _is_full(parameters: Iterable[Any], given: list[str]) -> bool:
    """Whether a command takes no argument beyond those that are given."""
    arguments = [each for each in parameters if not flags_of(each)]
    return len(given) >= len(arguments) and not any(each.nargs == -1 for each in arguments)


def _commands(context: Any) -> list[Suggestion]:
    return [Suggestion(name, _short_help(context, name)) for name in commands_below(context)]


def _descend(root: Any, session: Session, words: list[str]) -> tuple[list[str], Any, list[str]]:
    """Return the path of the command that the words lead to, its context, and the words after it.

    Of a word that is no command of a group, that is the group.
    """
    path, rest = ["ecsmachine"], list(words)
    context = root.make_context("ecsmachine", [], resilient_parsing=True, obj=session)
    while hasattr(context.command, "get_command"):
        parameters = context.command.get_params(context)
        options = {word: each for each in parameters for word in flags_of(each)}
        position = 0
        while position < len(rest) and rest[position].startswith("-"):
            option = options.get(rest[position])
            position += 2 if option is not None and takes_value(option) else 1
        if position >= len(rest):
            break
        found = context_below(context, rest[position])
        if found is None:
            break
        path.append(rest[position])
        context, rest = found, rest[position + 1 :]
    return path, context, rest


def _arguments(
    parameters: Iterable[Any], path: list[str], session: Session, given: list[str]
) -> Iterable[Suggestion]:
    arguments = [each for each in parameters if not flags_of(each)]
    argument = arguments[min(len(given), len(arguments) - 1)]
    if path[-1] in _COPYING:
        return [Suggestion(f"{name}:") for name in session.store.names()]
    if path[-1] in ("create", "import"):
        return []
    is_machine = argument.name in _MACHINES and "machine" in (argument.help or "").lower()
    if is_machine and (path[-1] != "ssh" or not given):
        return [Suggestion(name) for name in session.store.names() if name not in given]
    return [Suggestion(choice) for choice in choices_of(argument)]


def _values(
    option: Any, path: list[str], session: Session, words: list[str], current: str
) -> list[Suggestion]:
    """Return what may stand after an option."""
    choices = choices_of(option)
    if choices:
        return [Suggestion(choice) for choice in choices]
    names = {word.removeprefix("--") for word in flags_of(option)}
    if path[-1] == "env" and "shell" in names:
        return [Suggestion(shell) for shell in _SHELLS]
    if path[-1] == "ls" and "filter" in names:
        return _filters(current)
    if "driver" in names:
        return [Suggestion(name) for name in registry.driver_names()]
    if names & _OF_A_MACHINE:
        return [Suggestion(name) for name in session.store.names()]
    if names & {"like"} or (len(path) == 1 and "profile" in names):
        kind = "sets" if "like" in names else "profiles"
        return [Suggestion(name) for name in session.settings.names(kind)]
    if path[-1] in WITH_DRIVER:
        driver = driver_name_of(["ecsmachine", *words], session.environment)
    elif path[1] == "cluster":
        driver = "aliyunecs"
    else:
        return []

    def of_driver(flag: str) -> str:
        return f"{driver}-{flag.removeprefix('--').removeprefix(f'{driver}-')}"

    given = {of_driver(flag): value for flag, value in pairwise(words) if flag.startswith("--")}
    return [
        Suggestion(value, about)
        for name in sorted(map(of_driver, names))
        for value, about in registry.suggest_values(driver, name, given, session.environment)
    ]


def _filters(current: str) -> list[Suggestion]:
    """Return the filters of ``ls``, or the values of one that is begun."""
    from ecsmachine.cli.display.filters import KEYS

    values = {"driver": registry.driver_names(), "state": [state.value for state in State]}
    key, equals, _ = current.partition("=")
    if equals:
        return [Suggestion(f"{key}={value}") for value in values.get(key, ()) if value]
    return [Suggestion(f"{key}=") for key in KEYS]


def _positional(words: list[str], options: dict[str, Any]) -> list[str]:
    """Return the arguments among the words: neither options nor their values."""
    given = []
    position = 0
    while position < len(words):
        word = words[position]
        if not word.startswith("-"):
            given.append(word)
        elif word in options and takes_value(options[word]):
            position += 1
        position += 1
    return given


def _first_sentence(parameter: Any) -> str:
    return str(getattr(parameter, "help", "") or "").split(" [", maxsplit=1)[0]


def _short_help(context: Any, name: str) -> str:
    help_of = getattr(context.command, "help_of", None)
    if help_of is not None:
        return str(help_of(name))
    return str(context.command.get_command(context, name).get_short_help_str(limit=80))
