"""What the console of an instance shows (ECS, GetInstanceConsoleOutput)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecsmachine.aliyun.ecs import EcsClient

_ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|[@-_])")  # ECMA-48: colours, and where to write
_LINES = 15
_LONGEST_LINE = 200


def console_text(ecs: EcsClient, instance_id: str) -> str:
    """Return what an instance's console shows, or "" if it shows nothing; without colours.

    Source: GetInstanceConsoleOutput. Raises :class:`~ecsmachine.aliyun.errors.ApiError`.
    """
    answer = ecs.rpc.call(
        "GetInstanceConsoleOutput", {"RegionId": ecs.region, "InstanceId": instance_id}
    )
    try:
        output = base64.b64decode(answer.prose("ConsoleOutput"))
    except (binascii.Error, ValueError):
        return ""
    return re.sub(r"(?<!\r)\r+\n", "\n", _ESCAPE.sub("", output.decode(errors="replace")))


def console_end(ecs: EcsClient, instance_id: str) -> str:
    """Return the last lines that an instance's console shows, or "". As :func:`console_text`."""
    text = console_text(ecs, instance_id)
    lines = [line.strip()[:_LONGEST_LINE] for line in text.splitlines()]
    return "\n".join([line for line in lines if line][-_LINES:])
