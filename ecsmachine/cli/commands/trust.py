"""The command that pins a host key anew."""

from __future__ import annotations

import typer

from ecsmachine.cli.arguments.context import one_machine_name, session
from ecsmachine.cli.arguments.options import MachineName, Yes
from ecsmachine.cli.display.confirmation import confirmed
from ecsmachine.cli.display.printer import say
from ecsmachine.cli.display.progress import about
from ecsmachine.documents.rules import address_of


def trust(
    ctx: typer.Context,
    name: MachineName = None,
    yes: Yes = False,
) -> None:
    """Pin the host key that a machine shows now, and forget the old one.

    Example: ecsmachine trust dev1
    """
    from ecsmachine.ssh import host_keys, sharing
    from ecsmachine.ssh.connection import shown_host_key

    this = session(ctx)
    machine = this.store.load(one_machine_name(this, None if name is None else [name]))
    with this.store.lock(machine.name):
        target, pin_path = machine.ssh_target(), machine.known_hosts_path
        known = host_keys.pinned(pin_path)
        key = shown_host_key(target, pin_path)
        kind, text = key.get_name(), key.get_base64()
        is_pinned = known == (kind, text)
        if not is_pinned:
            if known:
                say(f"Pinned: {known[0]} {host_keys.fingerprint(known[1])}")
            shown_by = address_of(target.host, target.port)
            say(f"Shown:  {kind} {host_keys.fingerprint(text)}, by {shown_by}")
            if not (yes or confirmed("Is that the host's own key?")):
                return
            host_keys.pin(pin_path, key)
            sharing.close(pin_path)  # what the former key let in is not used again
        with about(machine.name):
            say(f'The host key of "{machine.name}" is {"already" if is_pinned else "now"} pinned.')
