"""paramiko, which is imported here and nowhere else.

It imports invoke, for ``Match exec`` in files that are not read with it; and that takes longer
than all the rest of paramiko. Without invoke it works as well.
"""

from __future__ import annotations

import sys

_invoke = sys.modules.get("invoke")
if _invoke is None:
    sys.modules["invoke"] = None  # type: ignore[assignment]
try:
    import paramiko
    from paramiko import ChannelException, PKey, SSHException, Transport, common
    from paramiko.agent import Agent
    from paramiko.auth_handler import AuthHandler
    from paramiko.channel import Channel
    from paramiko.message import Message
    from paramiko.packet import Packetizer
finally:
    if _invoke is None:
        del sys.modules["invoke"]

__all__ = [
    "Agent",
    "AuthHandler",
    "Channel",
    "ChannelException",
    "Message",
    "PKey",
    "Packetizer",
    "SSHException",
    "Transport",
    "common",
    "paramiko",
]
