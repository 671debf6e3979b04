"""Faults of guests and of the mirror: which of the book's strike whom."""

from __future__ import annotations

import logging
from typing import Literal

from ecsmachine.localcloud.faults.book import Entry, FaultBook
from ecsmachine.localcloud.faults.fault import Fault, FaultKind
from ecsmachine.localcloud.host.guests.faults import (
    DownloadFault,
    DownloadFaults,
    GuestFaults,
    SshDrop,
)
from ecsmachine.localcloud.state.model import Instance
from ecsmachine.localcloud.state.state import State

LOG = logging.getLogger("ecsmachine.localcloud")
Moment = Literal["make", "start", "run"]
_KINDS: dict[Moment, tuple[FaultKind, ...]] = {
    "make": ("disk-full",),
    "start": ("never-boots", "ssh-late", "ssh-drops"),
    "run": ("ssh-drops",),
}


def guest_faults(book: FaultBook, instance: Instance, moment: Moment) -> GuestFaults:
    """Return the faults of a guest that is created or started now, or that runs.

    Creations and starts are counted, and each dropped connection.
    """
    struck = []
    for entry in book.entries():
        fault = entry.fault
        if fault.kind not in _KINDS[moment]:
            continue
        if not fault.matches_instance(instance.id, instance.name):
            continue
        if moment == "run" and fault.limit and instance.id not in entry.instances:
            continue  # the next instance is one that starts
        if book.strikes_instance(entry.id, instance.id):
            struck.append(entry)
            if moment != "run":
                LOG.info("fault %d (%s) strikes instance %s", entry.id, fault.kind, instance.id)
            if fault.kind != "ssh-drops":
                book.count(entry.id)
    by_kind = {kind: [e.fault for e in struck if e.fault.kind == kind] for kind in _KINDS[moment]}
    return GuestFaults(
        never_boots=bool(by_kind.get("never-boots")),
        ssh_late_s=max((fault.seconds for fault in by_kind.get("ssh-late", ())), default=0.0),
        ssh_drops=tuple(
            SshDrop(e.id, e.fault.seconds, e.fault.bytes, e.fault.connection)
            for e in struck
            if e.fault.kind == "ssh-drops"
        ),
        free_mib=min((fault.free_mib for fault in by_kind.get("disk-full", ())), default=None),
    )


def download_faults(book: FaultBook, state: State) -> DownloadFaults:
    """Return what strikes the downloads from one cloud's mirror."""

    def strike(address: str, path: str, whole: bool) -> DownloadFault | None:
        with state.lock:
            found = [(i.id, i.name) for i in state.instances if i.private_ip == address]
        instance_id, name = found[0] if found else ("", "")  # the host is no instance

        def could(fault: Fault) -> bool:
            return (
                fault.target == "download"
                and (whole or fault.kind != "mirror-hangs")
                and fault.matches_path(path)
                and fault.matches_instance(instance_id, name)
            )

        struck = next(iter(book.strike(could)), None)
        if struck is None:
            return None
        return DownloadFault(struck.fault.kind == "mirror-404", lambda: is_there(struck))

    def is_there(entry: Entry) -> bool:
        return any(each.id == entry.id for each in book.entries())

    return strike
