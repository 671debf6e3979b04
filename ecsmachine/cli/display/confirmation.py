"""Asking on the terminal, before what cannot be undone and for secrets; and standard input."""

from __future__ import annotations

import sys

import typer

from ecsmachine.cli.display.printer import say
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.system.streams import is_terminal

_LONGEST_ANSWER = 1000


def confirmed(question: str, *, piped: bool = False) -> bool:
    """Ask on the terminal; anything but an answer that begins with y is a no.

    Raises :class:`UsageError` where there is none to ask at; with ``piped`` the answer may come
    from elsewhere, as Docker Machine takes it.
    """
    if not (piped or is_terminal(sys.stdin)):
        raise UsageError(
            f"{question} There is no terminal to ask on", hint="Confirm with -y (--yes)."
        )
    # a question that goes into a file or a pipe is not seen there
    unseen = sys.stderr.isatty() and not sys.stdout.isatty()
    say(f"{question} (y/n): ", sys.stderr if unseen else sys.stdout, end="")
    try:
        answer = sys.stdin.readline(_LONGEST_ANSWER)
    except Exception:  # a folder, what is open for writing alone, what does not wait
        answer = ""
    if not answer:
        say("")
        raise UsageError(
            "There is no answer: standard input has ended", hint="Confirm with -y (--yes)."
        )
    return answer.strip().lower().startswith("y")


def confirm(what: str, yes: bool) -> None:
    """Ask before something is destroyed, unless ``yes``; a no ends the command (exit code 1).

    Raises :class:`UsageError` where there is nobody to ask.
    """
    if yes:
        return
    say(what)
    if not confirmed("Are you sure?"):
        raise typer.Exit(1)


def secret(prompt: str, *, hint: str) -> str:
    """Ask for a secret, which is not shown.

    Raises :class:`UsageError` with the hint where there is no terminal to ask at.
    """
    import getpass

    if not is_terminal(sys.stdin):
        raise UsageError(
            f"{prompt.rstrip(': ')}: it was not given, and there is no terminal to ask on",
            hint=hint,
        )
    try:
        return getpass.getpass(prompt)
    except EOFError:
        return ""


def read_input(longest: int = 1 << 24) -> bytes:
    """Return what is on standard input.

    Raises :class:`MachineError` for more than ``longest`` bytes, and if it cannot be read.
    """
    try:
        content = sys.stdin.buffer.read(longest + 1)
    except OSError as error:
        raise MachineError(f"Standard input cannot be read: {error.strerror}") from error
    if len(content) > longest:
        raise MachineError(f"Standard input has more than {longest} bytes")
    return content
