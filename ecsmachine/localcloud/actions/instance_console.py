"""What instances write to their consoles."""

from __future__ import annotations

import base64

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.protocol.clock import timestamp


def get_instance_console_output(call: Call) -> Answer:
    """GetInstanceConsoleOutput: the last 64 KiB since the instance booted, in base64."""
    instance = call.required(call.state.instances, "InstanceId")
    output = call.lifecycle.guests.console_output(instance.id) if instance.made else b""
    if call.parameters.boolean("RemoveSymbols"):
        output = bytes(byte for byte in output if byte >= 0x20 or byte in b"\t\n\r")
    return {
        "InstanceId": instance.id,
        "ConsoleOutput": base64.b64encode(output).decode(),
        "LastUpdateTime": timestamp(),
    }
