"""Passphrases of the login keys that options name: asked once, before anything is done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ecsmachine.cli.arguments.context import Session
from ecsmachine.cli.display.confirmation import secret
from ecsmachine.drivers import registry
from ecsmachine.errors import MachineError
from ecsmachine.system.folders import with_home

if TYPE_CHECKING:
    from ecsmachine.machine.create_request import CreateRequest

_TRIES = 3
"""As often as OpenSSH asks."""


def ask_for_passphrases(this: Session, request: CreateRequest) -> None:
    """Ask for the passphrases of the keys that a machine's driver options name."""
    for option in registry.options_of(request.driver_name):
        path = request.driver_values.get(option.name)
        if option.private_key and isinstance(path, str) and path:
            ask_for_passphrase(this, Path(path))


def ask_for_passphrase(this: Session, path: Path) -> None:
    """Ask for the passphrase of a key if it has one, unless the SSH agent holds the key.

    What else is wrong with a key is told when it is used. Raises
    :class:`~ecsmachine.errors.UsageError` where there is no terminal to ask at, and
    :class:`~ecsmachine.ssh.private_files.KeyFileError` for a third wrong passphrase.
    """
    from ecsmachine.ssh import private_keys

    path = Path(with_home(path)).absolute()
    if path in this.store.passphrases:
        return
    try:
        found = private_keys.load(path)
    except MachineError:
        return
    if found.key is not None or private_keys.is_held_by_agent(found):
        return
    for left in reversed(range(_TRIES)):
        given = secret(
            f"Passphrase of the key {path}: ", hint=private_keys.passphrase_needed(path).hint or ""
        )
        try:
            private_keys.load(path, given)
        except MachineError:
            if not left:
                raise
        else:
            this.store.passphrases[path] = given
            this.warn(
                "The copy of the key in the machine's folder has no passphrase. To keep the "
                f"passphrase, add the key to the SSH agent (ssh-add {path})"
            )
            return
