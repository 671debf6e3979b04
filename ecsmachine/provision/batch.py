"""Several things done on a host by one script, which goes there over standard input."""

from __future__ import annotations

import base64
import re
import secrets
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ecsmachine.errors import MachineError
from ecsmachine.provision.base import HostConnection
from ecsmachine.provision.errors import ProvisionError, output_of, reason_in
from ecsmachine.provision.shell import as_root, command_failed, root_shell, sudo_hint
from ecsmachine.provision.step import Action, Situation, Upload
from ecsmachine.ssh.command_result import CommandResult
from ecsmachine.ssh.connection import SSHError

_UPLOAD_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Part:
    """An action of a step."""

    step: str
    action: Action


def run(host: HostConnection, situation: Situation, parts: Iterable[Part]) -> list[CommandResult]:
    """Do one thing after the other on the host, and return how each has ended.

    The first that leaves with another status than 0 is the last; what it means is its own
    matter. So is a connection that is lost: the script ends with the part that is under way.
    Raises :class:`ProvisionError` with the step's name.
    """
    wanted = list(parts)
    if not wanted:
        return []
    mark = f"ecsmachine-{secrets.token_hex(8)}"
    try:
        result = host.run(
            "sh -s",
            stdin=script(wanted, user=host.user, mark=mark).encode(),
            timeout_s=sum(_timeout_s(part.action) for part in wanted),
        )
    except MachineError as error:
        raise _cut_off(wanted, error, mark) from error
    ended, rest = split(result, mark)
    for position, part in enumerate(wanted):
        if position not in ended:
            raise command_failed(part.step, host.user, rest)
        _judge(host, situation, part, ended[position])
    return [ended[position] for position in range(len(wanted))]


def script(parts: Iterable[Part], *, user: str, mark: str) -> str:
    """Return the ``sh`` script. After each part both outputs have a line: mark, position, status.

    A shell that is given but a part of it runs nothing. Neither scripts nor the contents of files
    are in a command line, which every user of the host can read: ``printf`` is the shell's own.
    """
    lines = [
        "{",
        "ended() {",
        f"    printf '\\n{mark} %d %d\\n' $1 $2 && printf '\\n{mark} %d %d\\n' $1 $2 >&2 || exit 1",
        '    [ "$2" -eq 0 ] || exit 0',
        "}",
    ]
    for position, part in enumerate(parts):
        lines += [_command(part.action, user, mark), f"ended {position} $?"]
    return "\n".join((*lines, "exit 0", "}", ""))


def split(result: CommandResult, mark: str) -> tuple[dict[int, CommandResult], CommandResult]:
    """Return how each part has ended, by its position, and what was printed after the last.

    Of an output whose beginning is not kept, a part has what there is; a part that was followed
    by others has ended well.
    """
    outputs, output = _pieces(result.stdout, mark)
    errors, error = _pieces(result.stderr, mark)
    statuses = {position: status for position, (status, _) in {**errors, **outputs}.items()}
    ended = {
        position: CommandResult(
            statuses.get(position, 0),
            outputs.get(position, (0, ""))[1],
            errors.get(position, (0, ""))[1],
        )
        for position in range(max(statuses, default=-1) + 1)
    }
    return ended, CommandResult(result.exit_status, output, error)


def _pieces(text: str, mark: str) -> tuple[Mapping[int, tuple[int, str]], str]:
    found: dict[int, tuple[int, str]] = {}
    begin = 0
    for match in re.finditer(rf"(?:\A|\n){mark} ([0-9]{{1,4}}) ([0-9]{{1,3}})\n", text):
        found[int(match[1])] = (int(match[2]), text[begin : match.start()])
        begin = match.end()
    return found, text[begin:]


def _command(action: Action, user: str, mark: str) -> str:
    if isinstance(action, Upload):
        content = base64.b64encode(action.content).decode()
        return f"printf %s {content} | {as_root(write_script(action.path, action.mode), user)}"
    shell = "sh" if action.as_user else root_shell(user)
    return f"{shell} -s <<'{mark}'\n{{\n{action.script}\n}} </dev/null\n{mark}"


def write_script(path: str, mode: int) -> str:
    """Return the ``sh`` script that writes a file: its content, in Base64, is what it is given.

    The file is never readable more widely than ``mode``, and moved into its place when it is
    whole.
    """
    folder, _, name = path.rpartition("/")
    quoted = shlex.quote(folder)
    return f"""\
set -e
[ -d {quoted} ] || mkdir -p {quoted}
umask 077
trap 'exit 1' HUP INT TERM
trap '[ ! -e "$new" ] || rm -f "$new"' EXIT
new=$(mktemp {shlex.quote(f"{folder}/.{name}.XXXXXX")})
base64 -d > "$new"
chmod {mode:04o} "$new"
mv -fT "$new" {shlex.quote(path)}
"""


def _timeout_s(action: Action) -> float:
    return _UPLOAD_TIMEOUT_S if isinstance(action, Upload) else action.timeout_s


def _judge(host: HostConnection, situation: Situation, part: Part, result: CommandResult) -> None:
    """Raise :class:`ProvisionError` if a part has not ended well."""
    action = part.action
    if isinstance(action, Upload):
        if result.exit_status:
            raise ProvisionError(
                part.step,
                f"cannot write {action.path}: {reason_in(result)}",
                hint=sudo_hint(host.user, result),
                details=output_of(result),
            )
    elif result.exit_status and action.explain is not None:
        raise action.explain(host, situation, result)
    elif result.exit_status:
        raise command_failed(part.step, host.user, result)
    elif action.check is not None:
        wrong = action.check(host, situation, result)
        if wrong is not None:
            raise wrong


def _cut_off(parts: list[Part], error: MachineError, mark: str) -> ProvisionError:
    """Return the error of the step that was under way when the time was up, or the host lost."""
    ended: Mapping[int, CommandResult] = {}
    details = error.details
    if isinstance(error, SSHError) and error.printed is not None:
        ended, rest = split(error.printed, mark)
        details = output_of(rest) or None
    step = parts[min(len(ended), len(parts) - 1)].step
    return ProvisionError(step, error.message, hint=error.hint, details=details)
