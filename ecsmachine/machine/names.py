"""The names of the machines in a store, and nothing else: ``ls -q`` must start fast."""

from __future__ import annotations

from pathlib import Path

from ecsmachine.errors import MachineError


def names_in(machines_path: Path) -> list[str]:
    """Return the names of all machines, in natural order (``web2`` before ``web10``).

    A machine is a folder below ``machines_path``, be it whole or damaged. Raises
    :class:`MachineError` if the folder cannot be read.
    """
    try:
        entries = list(machines_path.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise MachineError(
            f"The machine store cannot be read: {machines_path}: {error.strerror}",
            hint="Choose another folder with --storage-path or MACHINE_STORAGE_PATH.",
        ) from error
    names = [entry.name for entry in entries if entry.name[0] != "." and entry.is_dir()]
    return sorted(names, key=natural_key)


def natural_key(name: str) -> list[tuple[int, str]]:
    """Return a sort key in which numbers count as numbers, and case does not."""
    parts: list[tuple[int, str]] = []
    digits = ""
    for character in name.lower() + "\0":
        if character.isdecimal():
            digits += character
            continue
        if digits:
            parts.append((int(digits), ""))
            digits = ""
        parts.append((1 << 62, character))
    return parts
