"""What ``env`` prints: the lines that set and unset variables in each shell.

The formats are Docker Machine's. Values are quoted, so that a path with a quote, a dollar sign
or a backslash arrives as it is; what no shell can be given is refused.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping

from ecsmachine.cli.display.cleaning import clean
from ecsmachine.errors import MachineError
from ecsmachine.system.shells import calling


class Shell:
    """How one shell is written.

    ``set_line`` and ``unset_line`` are format strings over ``name`` and the quoted ``value``;
    ``evaluate`` is one over ``command``: what a person types to have the lines carried out.
    """

    def __init__(
        self,
        set_line: str,
        unset_line: str,
        quote: Callable[[str], str],
        comment: str,
        evaluate: str,
    ):
        self.set_line = set_line
        self.unset_line = unset_line
        self.quote = quote
        self.comment = comment
        self.evaluate = evaluate


def detect(environment: Mapping[str, str]) -> str | None:
    """Return the name of the user's shell: by ``SHELL``, else by who called; None if unknown."""
    path = environment.get("SHELL", "").replace(os.sep, "/").removesuffix(".exe")
    return path.rstrip("/").rpartition("/")[2] if path else calling()


def lines(
    shell_name: str,
    variables: Mapping[str, str] | Mapping[str, str | None] | Iterable[str],
    command: Iterable[str],
) -> list[str]:
    """Return the lines that set ``variables``, or unset them if they are only names, or None.

    A shell that is not known is taken to be like ``sh``. ``command`` is the command line that
    asked for the lines; the last two lines are comments that say how to evaluate it.

    Raises :class:`MachineError` for a control character: it would end a line, or be changed where
    it is printed.
    """
    shell = _SHELLS.get(_ALIASES.get(shell_name, shell_name), _SH)
    values = variables if isinstance(variables, Mapping) else dict.fromkeys(variables)
    said = [
        shell.unset_line.format(name=name)
        if value is None
        else shell.set_line.format(name=name, value=shell.quote(value))
        for name, value in values.items()
    ]
    evaluate = shell.evaluate.format(command=_command_line(shell, command))
    printed = [
        *said,
        f"{shell.comment} Run this command to configure your shell: ",
        f"{shell.comment} {evaluate}",
    ]
    return list(map(_checked, printed))


def option(name: str, value: str) -> str:
    """Return an option of the docker client with a value in quotes, for ``eval`` in ``sh``.

    Raises as :func:`lines` does.
    """
    return _checked(f'{name}="{_SH.quote(value)}"')


def _checked(line: str) -> str:
    if clean(line) != line or "\n" in line:
        raise MachineError(
            f"A shell cannot be given the control character in: {line}",
            hint="Use --json, or a path and a name without it.",
        )
    return line


def _command_line(shell: Shell, command: Iterable[str]) -> str:
    if shell is _EMACS:
        return _backslashed('\\"')(shlex.join(command))
    if shell in (_CMD, _POWERSHELL):
        return " ".join(f'"{word}"' if re.search(r"\s", word) else word for word in command)
    return shlex.join(command)


def _backslashed(special: str) -> Callable[[str], str]:
    """Return what puts a backslash before each of the ``special`` characters."""
    return lambda text: re.sub(f"[{re.escape(special)}]", lambda match: "\\" + match.group(), text)


def _backquoted(text: str) -> str:
    # PowerShell takes typographic quotes for quotes
    return re.sub(r'[`"$“”„]', lambda match: "`" + match.group(), text)


def _tcsh_quoted(text: str) -> str:
    """Leave the double quotes for what they do not protect: tcsh knows no escape inside them."""
    return re.sub(r'[`"$]+', lambda match: f"\"'{match.group()}'\"", text)


_SH = Shell(
    set_line='export {name}="{value}"',
    unset_line="unset {name}",
    quote=_backslashed('\\"$`'),
    comment="#",
    evaluate="eval $({command})",
)
_FISH = Shell(
    set_line='set -gx {name} "{value}";',
    unset_line="set -e {name};",
    quote=_backslashed('\\"$'),
    comment="#",
    evaluate="eval ({command})",
)
_POWERSHELL = Shell(
    set_line='$Env:{name} = "{value}"',
    unset_line="Remove-Item Env:\\\\{name}",
    quote=_backquoted,
    comment="#",
    evaluate="& {command} | Invoke-Expression",
)
_CMD = Shell(
    set_line="SET {name}={value}",
    unset_line="SET {name}=",
    # FOR /f, which carries these lines out, takes a value as it is
    quote=str,
    comment="REM",
    evaluate="\t@FOR /f \"tokens=*\" %i IN ('{command}') DO @%i",
)
_TCSH = Shell(
    set_line='setenv {name} "{value}";',
    unset_line="unsetenv {name};",
    quote=_tcsh_quoted,
    comment=":",
    evaluate="eval `{command}`",
)
_EMACS = Shell(
    set_line='(setenv "{name}" "{value}")',
    unset_line='(setenv "{name}" nil)',
    quote=_backslashed('\\"'),
    comment=";;",
    evaluate='(with-temp-buffer (shell-command "{command}" (current-buffer)) (eval-buffer))',
)
_SHELLS = {"fish": _FISH, "powershell": _POWERSHELL, "cmd": _CMD, "tcsh": _TCSH, "emacs": _EMACS}
_ALIASES = {"csh": "tcsh", "pwsh": "powershell"}
