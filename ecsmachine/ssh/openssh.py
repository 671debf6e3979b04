"""OpenSSH's programs with our machines: their options, and configuration files for them.

The user's own SSH configuration stays out of it, as in Docker Machine, and host keys must be the
pinned ones.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ecsmachine.ssh import host_keys
from ecsmachine.ssh.target import SSHTarget


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

    Paths are quoted; a ``%`` in them is doubled, as it would begin a token.
    """
    # an unpinned host (made by Docker Machine) is pinned at this first contact
    strict = "yes" if host.pin_path.exists() else "accept-new"
    wanted = {
        "ConnectTimeout": "10",
        "HostKeyAlias": host.alias,
        "LogLevel": "ERROR",
        "PasswordAuthentication": "no",
        "ServerAliveInterval": "60",
        "StrictHostKeyChecking": strict,
        "UpdateHostKeys": "no",
        "UserKnownHostsFile": _quoted(host.pin_path),
    }
    if host.target.key_path:
        wanted["IdentitiesOnly"] = "yes"
        wanted["IdentityFile"] = _quoted(host.target.key_path)
    return wanted


def configuration(hosts: Iterable[KnownHost]) -> str:
    """Return the text of an SSH configuration that knows each host by its alias."""
    blocks = []
    for host in hosts:
        where = {
            "HostName": host.target.host,
            "Port": str(host.target.port),
            "User": host.target.user,
        }
        lines = [f"    {name} {value}" for name, value in {**where, **options(host)}.items()]
        blocks.append("\n".join([f"Host {host.alias}", *lines, ""]))
    return "\n".join(blocks)


@contextlib.contextmanager
def configuration_file(hosts: Iterable[KnownHost]) -> Iterator[Path]:
    """Give a configuration file, for ``-F``, that is there for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="ecsmachine-") as folder:
        path = Path(folder) / "ssh_config"
        path.write_text(configuration(hosts))
        yield path


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("%", "%%") + '"'
