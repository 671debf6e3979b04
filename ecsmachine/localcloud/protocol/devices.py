"""Names of disk devices as the API gives them: /dev/xvda to /dev/xvdz."""

from __future__ import annotations

import re
import string
from collections.abc import Container

from ecsmachine.localcloud.protocol import refusals

_DEVICE = re.compile(r"/dev/x?vd[b-z]")


def valid_device(device: str) -> bool:
    """Return whether a data disk can be attached under this name."""
    return _DEVICE.fullmatch(device) is not None


def free_device(taken: Container[str]) -> str:
    """Return the first free name for a data disk; raises ``InstanceDiskNumber.LimitExceed``."""
    for letter in string.ascii_lowercase[1:]:
        device = f"/dev/xvd{letter}"
        if device not in taken:
            return device
    raise refusals.QUOTA_OF_DISKS_OF_INSTANCE()
