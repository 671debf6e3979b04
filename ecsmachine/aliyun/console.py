"""What an instance's console shows (GetInstanceConsoleOutput of ECS)."""

from __future__ import annotations

import base64
import binascii
import re

from ecsmachine.aliyun.ecs import EcsClient

_ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|[@-_])")  # ECMA-48: colours, and where to write
_LINES = 15
_LONGEST_LINE = 200


def console_end(ecs: EcsClient, instance_id: str) -> str:
    """Return the last lines that an instance's console shows, or "" if it shows none.

    Raises :class:`~ecsmachine.aliyun.errors.ApiError`.
    """
    answer = ecs.rpc.call(
        "GetInstanceConsoleOutput", {"RegionId": ecs.region, "InstanceId": instance_id}
    )
    try:
        output = base64.b64decode(answer.prose("ConsoleOutput"))
    except (binascii.Error, ValueError):
        return ""
    text = _ESCAPE.sub("", output.decode(errors="replace"))
    lines = [line.strip()[:_LONGEST_LINE] for line in text.splitlines()]
    return "\n".join([line for line in lines if line][-_LINES:])
