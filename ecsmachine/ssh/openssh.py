"""OpenSSH's programs with our machines: their options, and configuration files for them.

The user's own SSH configuration stays out of it, as in Docker Machine, and host keys must be the
pinned ones. Nothing leaves this module that OpenSSH could read as more than the one value it is:
a line break would begin another option, a hyphen an option of the program.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ecsmachine.documents.rules import HOST, USER, Rule, has_controls
from ecsmachine.errors import MachineError
from ecsmachine.ssh import host_keys, kept
from ecsmachine.ssh.private_files import NotWrittenError
from ecsmachine.ssh.target import Jump, SSHTarget
from ecsmachine.system.files import path_exists
from ecsmachine.system.programs import executable

_PREFIX = "ecsmachine-"
_LONGEST_NEEDED_S = 86400.0  # programs read a configuration when they begin


@dataclass(frozen=True)
class KnownHost:
    """A login, and the file in which the key of its host is pinned."""

    target: SSHTarget
    pin_path: Path

    @property
    def alias(self) -> str:
        """The name by which OpenSSH's programs know the host."""
        return host_keys.alias(self.pin_path)


def options(host: KnownHost) -> dict[str, str]:
    """Return OpenSSH's options for a host, as ssh_config(5) has them; not where it is, and whose.

    Paths are quoted; a ``%`` in them is doubled, as it would begin a token. Raises
    :class:`MachineError` for a value that cannot be written.
    """
    # an unpinned host (made by Docker Machine) is pinned at this first contact
    strict = "yes" if path_exists(host.pin_path) else "accept-new"
    wanted = {
        "ConnectTimeout": "10",
        "HostKeyAlias": _checked("HostKeyAlias", host.alias, _ALIAS),
        "LogLevel": "ERROR",
        "PasswordAuthentication": "no",
        "ServerAliveInterval": "60",
        "StrictHostKeyChecking": strict,
        "UpdateHostKeys": "no",
        "UserKnownHostsFile": _quoted("UserKnownHostsFile", host.pin_path),
    }
    if host.target.key_path:
        wanted["IdentitiesOnly"] = "yes"
        wanted["IdentityFile"] = _quoted("IdentityFile", host.target.key_path)
    return wanted


def words(host: KnownHost) -> list[str]:
    """Return the words of ``ssh`` that log in to a host which is reached directly.

    Raises :class:`MachineError` for a value that cannot be written.
    """
    given = [executable("ssh"), "-F", "/dev/null", "-p", str(host.target.port)]
    for name, value in sorted(options(host).items()):
        given += ["-o", f"{name}={value}"]
    return [*given, login(host)]


def login(host: KnownHost) -> str:
    """Return a login as OpenSSH's programs take it, ``USER@HOST``.

    Raises :class:`MachineError` for one that they would take for something else.
    """
    where, user = _host_and_user(host.target)
    return f"{user}@{where}"


def configuration(
    hosts: Iterable[KnownHost], own: Mapping[str, Mapping[str, str]] | None = None
) -> str:
    """Return the text of an SSH configuration that knows each host by its alias.

    ``own`` are further options of hosts, by their alias. Raises :class:`MachineError` for a value
    that cannot be written.
    """
    blocks = []
    for host in hosts:
        wanted = {**options(host), **(own or {}).get(host.alias, {})}
        if host.target.jump:
            wanted["ProxyJump"] = f"{wanted['HostKeyAlias']}-jump"
            blocks.append(_jump_block(wanted["ProxyJump"], host.target.jump))
        blocks.append(_block(host.alias, host.target, wanted))
    return "\n".join(blocks)


def _jump_block(alias: str, jump: Jump) -> str:
    """Return how a jump host is logged in to: with the user's own keys and known hosts."""
    files = (_quoted("UserKnownHostsFile", path) for path in jump.known_hosts)
    wanted = {
        "ConnectTimeout": "10",
        "LogLevel": "ERROR",
        "PasswordAuthentication": "no",
        "ServerAliveInterval": "60",
        "StrictHostKeyChecking": "accept-new",
        "UpdateHostKeys": "no",
        "UserKnownHostsFile": " ".join(files),
    }
    return _block(alias, jump.target, wanted)


def _block(alias: str, target: SSHTarget, wanted: Mapping[str, str]) -> str:
    address, user = _host_and_user(target)
    where = {
        # the interface in an IPv6 address is no token
        "HostName": address.replace("%", "%%"),
        "Port": f"{target.port:d}",
        "User": user,
    }
    lines = [f"    {name} {value}" for name, value in {**where, **wanted}.items()]
    return "\n".join([f"Host {alias}", *lines, ""])


@contextlib.contextmanager
def configuration_file(
    hosts: Iterable[KnownHost], own: Mapping[str, Mapping[str, str]] | None = None
) -> Iterator[Path]:
    """Give a configuration file, for ``-F``, that is there for the length of the block.

    What a process that was killed outright left behind is removed when it is a day old.
    """
    base = kept.folder(make=True)
    for left in Path(base).glob(f"{_PREFIX}*") if base else ():
        with contextlib.suppress(OSError):
            if left.stat().st_mtime < time.time() - _LONGEST_NEEDED_S:
                shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=base) as folder:
        path = Path(folder) / "ssh_config"
        content = os.fsencode(configuration(hosts, own))
        try:
            path.write_bytes(content)
        except OSError as error:
            raise NotWrittenError(path, error) from error
        yield path


def _host_and_user(target: SSHTarget) -> tuple[str, str]:
    return _checked("HostName", target.host, HOST), _checked("User", target.user, USER)


def _quoted(name: str, path: Path) -> str:
    value = _checked(
        name,
        path.as_posix(),
        _QUOTABLE,
        hint="Move the store or the key to another path, or do without the ssh program: "
        "ecsmachine --native-ssh",
    )
    return '"' + value.replace("%", "%%") + '"'


def _checked(
    name: str,
    value: str,
    rule: Rule,
    hint: str = 'It comes from the configuration of the machine: see "ecsmachine inspect".',
) -> str:
    """Return the value of an option. Raises :class:`MachineError` if it breaks the rule."""
    if not rule.fits(value):
        raise MachineError(
            f"OpenSSH cannot be given {value!r} as {name}: it is not {rule.what}", hint=hint
        )
    return value


_ALIAS = Rule(
    "a name without spaces, quotes and wildcards",
    lambda text: not has_controls(text) and not set(text) & set(" \"'`#%*?!,:@/\\"),
    300,
)
_ESCAPES = ('"', "${", "\\\\", "\\'")
"""What cannot be written so that every release reads it: the old ones do not know ``\\``."""

_QUOTABLE = Rule(
    f"a path without {' '.join(_ESCAPES)} and control characters, which does not end in \\",
    lambda text: (
        not (has_controls(text) or any(part in text for part in _ESCAPES) or text.endswith("\\"))
    ),
    4096,
)
