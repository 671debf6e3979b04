"""Groups of commands, and what their commands are handed in place of options."""

from __future__ import annotations

import functools
import inspect
from collections import ChainMap
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import typer

from ecsmachine.cli.arguments.every_command import Group


def command_group(text: str, cls: type[Group] = Group, **settings: Any) -> typer.Typer:
    """Return an empty group of commands, whose help is ``text``."""
    return typer.Typer(help=text, cls=cls, no_args_is_help=True, rich_markup_mode=None, **settings)


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
            hints |= inspect.get_annotations(each, eval_str=True)

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
