"""What a file wants to be done on a host: files copied there, and commands run, once each.

What has been done is written into the machine's journal, as digests; what has another one is done
again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ecsmachine.drivers.base import Report, driver_report
from ecsmachine.errors import MachineError
from ecsmachine.machine.plan.wanted import Setup
from ecsmachine.machine.store import Store
from ecsmachine.system.files import file_exists, folder_exists

_BLOCK = 1 << 20
_SHOWN = 60
"""How many characters of a command are shown."""


def left_to_do(setup: Setup, done: Sequence[str]) -> Setup:
    """Return what of a setup is not done, by the digests of what is."""
    return Setup(
        tuple(copy for copy in setup.copies if _digest_of_copy(copy) not in done),
        tuple(command for command in setup.commands if _digest("run", command) not in done),
    )


def set_up(store: Store, name: str, wanted: Setup, report: Report) -> None:
    """Copy to a machine's host what is not there yet, and run what has not been run.

    Each is written down when it is done. Raises :class:`MachineError` for the first that fails.
    """
    from ecsmachine.machine import host
    from ecsmachine.machine.address import login, refresh_address

    report = driver_report(name, report)
    with store.holding(name) as machine:
        done = list(store.journal(name).request.get("Setup", ()))
        todo = left_to_do(wanted, done)
        refresh_address(machine)
        with host.logged_in(machine) as connection:
            if todo.copies:
                from ecsmachine.ssh.file_copy import Place, copy

                there = login(machine, "")
            for source, path in todo.copies:
                report(f"Copying {source.name} to {path}...")
                digest = _digest_of_copy((source, path))
                store.checkpoint("before ssh copy")
                called = source.resolve().name if source.name == ".." else source.name
                target = Place(f"{path}{called}" if path.endswith("/") else path, there)
                copy(Place(str(source)), target, recursive=folder_exists(source), repeated=True)
                store.checkpoint("after ssh copy")
                done.append(digest)
                _write_down(store, name, wanted, done)
            for command in todo.commands:
                report(f"Running {_short(command)}...")
                store.checkpoint("before ssh run")
                result = connection.run(command, login_shell=True)
                store.checkpoint("after ssh run")
                if result.exit_status:
                    raise MachineError(
                        f'A command of "{name}" exited with {result.exit_status}: '
                        f"{_short(command)}",
                        hint='Correct it; the next "ecsmachine apply" runs it again.',
                        details=result.stdout + result.stderr,
                    )
                done.append(_digest("run", command))
                _write_down(store, name, wanted, done)


def _write_down(store: Store, name: str, wanted: Setup, done: Sequence[str]) -> None:
    """Write down what is done of what is wanted now: what was wanted once is of no use."""
    known = [
        *map(_digest_of_copy, wanted.copies),
        *(_digest("run", command) for command in wanted.commands),
    ]
    store.journal(name).note(Setup=[each for each in known if each in done])


def _digest_of_copy(copy: tuple[Path, str]) -> str:
    source, there = copy
    digest = hashlib.sha256(there.encode())
    for path in _files(source):
        name = os.fsencode(path.relative_to(source))
        digest.update(b"\0%s\0%o\0" % (name, path.stat().st_mode))
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    return f"copy:{digest.hexdigest()[:32]}"


def _files(source: Path) -> Iterator[Path]:
    if not folder_exists(source):
        yield source
        return
    for folder, folders, names in os.walk(source):
        folders.sort()
        yield from (Path(folder, name) for name in sorted(names) if file_exists(Path(folder, name)))


def _digest(kind: str, text: str) -> str:
    return f"{kind}:{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _short(command: str) -> str:
    line = command.strip().splitlines()[0] if command.strip() else ""
    return line if len(line) <= _SHOWN and line == command.strip() else f"{line[:_SHOWN]}…"
