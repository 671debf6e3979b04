"""The processes of a guest, as the host sees them: waited for, found, and asked to end."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from ecsmachine.localcloud.host.control_groups import GuestGroups
from ecsmachine.localcloud.host.guests import console, scripts
from ecsmachine.localcloud.host.guests.base import GuestError
from ecsmachine.localcloud.host.guests.boot_script import POWER_OFF
from ecsmachine.localcloud.host.guests.guest_folder import GuestFolder
from ecsmachine.localcloud.host.processes import ids_by_namespace

_BOOT_TIMEOUT_S = 30.0
_SHUTDOWN_TIMEOUT_S = 30.0
_ENTRANCE_TIMEOUT_S = 5.0


def init_pid(groups: GuestGroups, instance_id: str) -> int | None:
    """Return the id, on the host, of the guest's process 1."""
    for pid in groups.processes(instance_id):
        ids = ids_by_namespace(pid)
        # Two deep: a container's process 1 is one deeper.
        if len(ids) == 2 and ids[1] == 1:
            return pid
    return None


def entrance(groups: GuestGroups, guest: GuestFolder) -> int | None:
    """Return the guest's process 1 once its root is the guest's, and not the host's."""
    init = init_pid(groups, guest.instance_id)
    root = guest.path / "root"
    return init if init is not None and scripts.is_inside(init, root) else None


def entered_guest(groups: GuestGroups, guest: GuestFolder) -> int | None:
    """Return the same for a guest that runs, once its boot has come so far; None if it never does.

    A fault may keep a guest from booting for good.
    """
    deadline = time.monotonic() + _ENTRANCE_TIMEOUT_S
    while groups.processes(guest.instance_id) and time.monotonic() < deadline:
        if (init := entrance(groups, guest)) is not None:
            return init
        time.sleep(0.02)
    return None


def wait_for_init(groups: GuestGroups, guest: GuestFolder) -> None:
    """Return once its systemd runs. Raises :class:`GuestError` if it does not in time."""
    deadline = time.monotonic() + _BOOT_TIMEOUT_S
    seen = False
    while init_pid(groups, guest.instance_id) is None:
        alive = bool(groups.processes(guest.instance_id))
        seen = seen or alive
        late = time.monotonic() > deadline
        # The supervisor enters its group a moment after it was started.
        if late or (seen and not alive):
            what = "takes too long to" if late else "did not"
            end = console.last_lines(guest.console)
            raise GuestError(f"The guest of {guest.instance_id} {what} boot:\n{end}")
        time.sleep(0.02)


def shut_down(groups: GuestGroups, guest: GuestFolder) -> None:
    """Ask the guest to power off, and wait for that as long as it may take."""
    guest.stop_file.touch()
    deadline = time.monotonic() + _SHUTDOWN_TIMEOUT_S
    asked = 0.0
    while groups.processes(guest.instance_id) and time.monotonic() < deadline:
        # Asked again now and then: early in its boot a guest does not listen yet.
        if time.monotonic() - asked > 1.0:
            asked = time.monotonic()
            init = init_pid(groups, guest.instance_id)
            if init is not None:
                with suppress(ProcessLookupError):
                    os.kill(init, POWER_OFF)
        time.sleep(0.03)
