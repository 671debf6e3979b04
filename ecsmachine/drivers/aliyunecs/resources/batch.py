"""What machines that are made by one command have in common: made, or found, for all of them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecsmachine.aliyun.ecs_values import Permission, SecurityGroup
    from ecsmachine.ssh.keys import KeyPair


@dataclass(frozen=True)
class FoundGroup:
    """A security group that is there, and its inbound rules."""

    group: SecurityGroup
    permissions: tuple[Permission, ...]


class Batch:
    """Machines that are made by one command, be it one or many.

    ``one_key`` is whether they have one login key, and one key pair in ECS. ``imported`` is the
    name of that key pair once it is there, ``group`` their security group. Safe to use from several
    threads.
    """

    def __init__(self, *, one_key: bool = False):
        self.one_key = one_key
        self.imported = ""
        self.importing = threading.Lock()
        self.group: FoundGroup | None = None
        self._key: KeyPair | None = None
        self._guard = threading.Lock()

    def new_key_pair(self, comment: str) -> KeyPair:
        """Return a new login key; that of all of them, if they have one."""
        from ecsmachine.ssh.keys import new_key_pair

        if not self.one_key:
            return new_key_pair(comment)
        with self._guard:
            if self._key is None:
                self._key = new_key_pair("ecsmachine")
            return self._key
