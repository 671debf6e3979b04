"""Steps at the host: its port of SSH, its key, the login, its disks, and the engine's service."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from ecsmachine.documents.rules import address_of
from ecsmachine.documents.text import parse_json
from ecsmachine.drivers.capabilities import ConsoleOutput
from ecsmachine.errors import MachineError
from ecsmachine.machine.doctor import cloud, network
from ecsmachine.machine.doctor.examination import Step, Warned
from ecsmachine.machine.doctor.subject import Subject
from ecsmachine.provision.engine import DAEMON_JSON_PATH
from ecsmachine.ssh import host_keys
from ecsmachine.ssh.command_result import ending
from ecsmachine.ssh.connection import AuthenticationError, connect, shown_host_key
from ecsmachine.ssh.stream import open_stream
from ecsmachine.system.files import path_exists

SSH_PORT, HOST_KEY, LOGIN = "SSH port", "host key", "login"
DISK, SERVICE = "disk space", "engine's service"

_CONNECT_S = 5.0
_HANDSHAKE_S = 20.0
_LEAST_KIB = 64 << 10
_LEAST_INODES = 1000
_NEARLY_FULL = 0.9
_JOURNAL_LINES = 12
_LONGEST_LINE = 200
_FAILURE = re.compile(
    r"(?!docker\.service|Failed to start docker)(.*\b(error|fatal|failed|unable)\b)"
)


def ssh_port(subject: Subject) -> str:
    """See that something takes connections at the port of SSH."""
    target = subject.machine.ssh_target()
    return reached(subject, target.host, target.port)


def reached(subject: Subject, host: str, port: int) -> str:
    """Connect to a port of the machine. Raises :class:`MachineError` where nothing answers."""
    jump = subject.machine.auth.jump
    try:
        open_stream(host, port, jump=jump, timeout_s=_CONNECT_S).close()
    except OSError as error:
        hint = "Check for a firewall on the way there, and on the host."
        if isinstance(subject.machine.driver, ConsoleOutput):
            hint = f'"ecsmachine logs --console {subject.name}" shows the console.'
        reason = error.strerror or str(error) or "no answer in time"
        where = address_of(host, port)
        raise MachineError(f"{where} does not answer: {reason}", hint=hint) from error
    return f"{address_of(host, port)} answers"


def host_key(subject: Subject) -> str | Warned:
    """Compare the key that the host shows with the one that is pinned."""
    target, pin_path = subject.machine.ssh_target(), subject.machine.known_hosts_path
    known = host_keys.pinned(pin_path)
    shown = shown_host_key(target, pin_path, timeout_s=_CONNECT_S)
    if known is None:
        return Warned("none is pinned yet: the first login pins the one that is shown then")
    host_keys.PinnedKey(pin_path).check(target.host, shown)
    return f"{known[0]} {host_keys.fingerprint(known[1])}"


def login(subject: Subject) -> str:
    """Log in, for the steps at the host."""
    target = subject.machine.ssh_target()
    try:
        subject.connection = connect(
            target,
            subject.machine.known_hosts_path,
            timeout_s=_CONNECT_S,
            handshake_timeout_s=_HANDSHAKE_S,
        )
    except AuthenticationError as error:
        key = target.key_path
        public = key.with_name(f"{key.name}.pub") if key else None
        if public is not None and path_exists(public):
            error.hint = (
                f"Add the key in {public} to ~/.ssh/authorized_keys of {target.user} on the host, "
                "by its console (in the ECS console: Connect, Workbench or VNC)."
            )
        raise
    return f"as {target.user}"


@dataclass(frozen=True)
class _Usage:
    """How much of a file system there is and is free, in KiB or inodes."""

    mount: str
    total: int
    free: int


def disk(subject: Subject) -> str | Warned:
    """See that there is room on the disks, for files and for their names."""
    space, inodes = (_usages(subject.facts[name]) for name in ("space", "inodes"))
    prune = f"ecsmachine ssh {subject.name} {subject.sudo}docker system prune"
    look = f"ecsmachine ssh {subject.name} {subject.sudo}du -xh --max-depth=2"
    hints = dict.fromkeys([usage.mount for usage in (*space, *inodes)], "")
    hints = {mount: f"To see what uses it: {look} {shlex.quote(mount)}" for mount in hints}
    for usages in (space[-1:], inodes[-1:]):  # those that have the engine's folder
        hints |= {usage.mount: f'"{prune}" removes what no container uses.' for usage in usages}
    for usage, least, what in (
        *((usage, _LEAST_KIB, "space") for usage in space),
        *((usage, _LEAST_INODES, "inodes") for usage in inodes),
    ):
        if usage.free < min(least, usage.total // 20):
            left = f"{usage.free >> 10} MiB" if what == "space" else f"{usage.free} inodes"
            raise MachineError(f"{usage.mount} is full: {left} left", hint=hints[usage.mount])
    for usage in (*space, *inodes):
        if usage.free < usage.total * (1 - _NEARLY_FULL):
            return Warned(
                f"{usage.mount} is nearly full: {_percent(usage)} % used", hints[usage.mount]
            )
    return ", ".join(f"{usage.mount} {_percent(usage)} % used" for usage in space) or "not known"


def service(subject: Subject) -> str:
    """See that the engine's service runs; if not, why."""
    unit, name = subject.facts.unit, subject.name
    state = unit.get("ActiveState", "")
    if state == "active" or (not state and subject.facts["process"]):
        return "active" if state else "runs"
    starts = f'"ecsmachine provision {name}" '
    if unit.get("LoadState") == "not-found" or not unit:
        raise MachineError("there is no engine on the host", hint=f"{starts}installs it.")
    journal = [line[:_LONGEST_LINE] for line in subject.facts["journal"].splitlines()]
    told = f"docker.service is {state} ({unit.get('SubState', '')})"
    details = "\n".join(journal[-_JOURNAL_LINES:]) or None
    if state not in ("failed", "activating"):
        raise MachineError(told, hint=f"{starts}starts it.", details=details)
    said = next((line for line in reversed(journal) if _FAILURE.match(line)), "")
    hint = f"{starts}configures and starts it."
    if DAEMON_JSON_PATH in said or not _is_json(subject.facts["daemon_json"]):
        said = said if DAEMON_JSON_PATH in said else f"{DAEMON_JSON_PATH} is not JSON"
        aside = f"{subject.sudo}mv {DAEMON_JSON_PATH} {DAEMON_JSON_PATH}.broken"
        hint = f'"ecsmachine ssh {name} {aside}" moves it aside. Then {starts}starts the engine.'
    raise MachineError(
        f"{told}: {ending(said, lines=1)}" if said else told, hint=hint, details=details
    )


def _is_json(text: str) -> bool:
    """Whether a configuration of the engine can be read; none is as good as an empty one."""
    try:
        return not text.strip() or bool(parse_json(text.encode(), MachineError) or True)
    except MachineError:
        return False


def _usages(text: str) -> list[_Usage]:
    """Read what df(1) prints with -P; each file system once, those without a size left out."""
    found: dict[str, _Usage] = {}
    for line in text.splitlines():
        words = line.split(maxsplit=5)
        numbers = [word.isdecimal() and len(word) < 18 for word in words[1:4]]
        if len(words) == 6 and all(numbers) and 0 <= int(words[3]) <= int(words[1]) > 0:
            found[words[5]] = _Usage(words[5][:60], int(words[1]), int(words[3]))
    return list(found.values())


def _percent(usage: _Usage) -> int:
    return round(100 * (usage.total - usage.free) / usage.total)


def _logs_in(subject: Subject) -> bool:
    return subject.machine.driver.provisions


_UP = (cloud.INSTANCE, network.JUMP, network.SSH_RULES)

STEPS: tuple[Step[Subject], ...] = (
    Step(SSH_PORT, ssh_port, needs=_UP, applies=_logs_in),
    Step(HOST_KEY, host_key, needs=(*_UP, SSH_PORT), applies=_logs_in),
    Step(LOGIN, login, needs=(*_UP, SSH_PORT, HOST_KEY), applies=_logs_in),
)
_LOGGED_IN = (*_UP, SSH_PORT, HOST_KEY, LOGIN)
STEPS += (
    Step(DISK, disk, needs=_LOGGED_IN, applies=_logs_in),
    Step(SERVICE, service, needs=_LOGGED_IN, applies=_logs_in),
)
