"""Entries of machines in the user's own ``~/.ssh/config``: one line there includes them all.

An entry is the file ``ssh_config`` in the machine's folder, and so goes with the machine.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from ecsmachine.errors import MachineError
from ecsmachine.machine import files
from ecsmachine.machine.model import Machine
from ecsmachine.machine.store import Store
from ecsmachine.ssh.openssh import KnownHost, configuration
from ecsmachine.ssh.private_files import NotWrittenError
from ecsmachine.system.files import path_exists, read_bytes

_FILE = "ssh_config"


def entries(machines: Iterable[Machine]) -> str:
    """Return the entries of machines as ssh_config(5) has them."""
    return configuration(
        KnownHost(machine.ssh_target(), machine.known_hosts_path) for machine in machines
    )


def write_entry(machine: Machine) -> str | None:
    """Write the entry of a machine into its folder.

    Returns the line that the user's own configuration lacks to know it, and where it belongs; None
    if it is there.
    """
    files.write_atomically(machine.directory / _FILE, os.fsencode(entries([machine])))
    include = _include(machine.directory.parent)
    own = own_path()
    known = include in [line.strip() for line in _lines(own)]
    return None if known else f"Put this line at the top of {own}: {include}"


def refresh_entry(machine: Machine) -> None:
    """Bring the entry of a machine up to date, if it has one."""
    if path_exists(machine.directory / _FILE):
        write_entry(machine)


def remove_entry(machine: Machine) -> None:
    """Remove the entry of a machine."""
    (machine.directory / _FILE).unlink(missing_ok=True)


def include_entries(store: Store) -> None:
    """Put the line that includes the entries at the top of the user's configuration.

    What it had stays below it.
    """
    own, include = own_path(), _include(store.machines_path)
    lines = _lines(own)
    if include not in [line.strip() for line in lines]:
        _write(own, [f"{include}\n", *(["\n"] if lines else []), *lines])


def leave_out_entries(store: Store) -> None:
    """Take that line out of the user's configuration, once no machine has an entry."""
    own, include = own_path(), _include(store.machines_path)
    lines = _lines(own)
    if include not in [line.strip() for line in lines]:
        return
    if any(path_exists(store.directory(name) / _FILE) for name in store.names()):
        return
    kept = [line for line in lines if line.strip() != include]
    if lines[0].strip() == include and kept[:1] == ["\n"]:
        kept = kept[1:]
    _write(own, kept)


def own_path() -> Path:
    """Return where the user's own configuration is."""
    return Path.home() / ".ssh" / "config"


def _include(machines: Path) -> str:
    # a folder's own wildcards are none, what ssh would replace is any character, what ends a word
    # is quoted
    folder = re.sub(r"[\\%$]", "?", re.sub(r"[*?[]", r"[\g<0>]", machines.as_posix()))
    pattern = f"{folder}/*/{_FILE}"
    is_plain = re.fullmatch(r"[\w./:@+,=*?\[\]-]+", pattern)
    return f"Include {pattern}" if is_plain else f'Include "{pattern}"'


def _lines(own: Path) -> list[str]:
    try:
        return os.fsdecode(read_bytes(own)).splitlines(keepends=True)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise MachineError(f"{own} cannot be read: {error.strerror}") from error


def _write(own: Path, lines: list[str]) -> None:
    real = Path(os.path.realpath(own))  # a link to a file elsewhere stays one
    mode = real.stat().st_mode & 0o777 if path_exists(real) else 0o600
    try:
        if not path_exists(real.parent):
            files.make_private_directory(real.parent)
        files.write_atomically(real, os.fsencode("".join(lines)), mode=mode)
    except NotWrittenError as error:
        raise NotWrittenError(own, error.refusal).or_else(
            "add the output of the command without --install there yourself"
        ) from error
