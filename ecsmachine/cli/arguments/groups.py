"""Groups of commands, and what their commands are handed in place of options."""

from __future__ import annotations

import functools
import inspect
from collections import ChainMap
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any, get_type_hints

import typer
import typer.core

from ecsmachine.suggestions import did_you_mean

AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON; with --json=lines, one line per event")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation")]
MachineName = Annotated[
    str, typer.Argument(metavar="NAME", help='Name of a machine; "default" if none is given')
]
MachineNames = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME", help='Names of machines; "default" if none is given'),
]


class _Group(typer.core.TyperGroup):
    """A group that says which of its commands may be meant by a word that is none."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            refuse_command(ctx, args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)


def refuse_command(ctx: Any, word: str, known: Iterable[str]) -> None:
    """Raise the error of usage for a word that is no command of a group."""
    ctx.fail(f"'{word}' is not a command of {ctx.command_path}. {did_you_mean(word, known)}")


def command_group(text: str) -> typer.Typer:
    """Return an empty group of commands, whose help is ``text``."""
    return typer.Typer(
        help=text,
        no_args_is_help=True,
        cls=_Group,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["--help", "-h"]},
    )


def inject(
    *makers: Callable[..., Any], within: Callable[[], AbstractContextManager[None]] = nullcontext
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Turn a function whose first parameters are a client and the like into one that makes them.

    It has the function's other options and, after them, those of ``makers``, which make the first
    parameters of them. Those of the first maker come last. All of it is done ``within`` a context.
    """

    def wrap(function: Callable[..., None]) -> Callable[..., None]:
        own = dict(list(inspect.signature(function).parameters.items())[len(makers) :])
        needed = [inspect.signature(maker).parameters for maker in makers]
        hints: dict[str, Any] = {}
        for each in (*makers, function):
            hints |= get_type_hints(each, include_extras=True)

        @functools.wraps(function)
        def call(**given: Any) -> None:
            with within():
                made = [
                    maker(**{name: given[name] for name in names})
                    for maker, names in zip(makers, needed, strict=True)
                ]
                function(*made, **{name: given[name] for name in own})

        parameters = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name])
            for name, parameter in ChainMap(*map(dict, (needed[0], *needed[:0:-1], own))).items()
        ]
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        call.__annotations__ = {parameter.name: hints[parameter.name] for parameter in parameters}
        return call

    return wrap
