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
    from paramiko import ChannelException, PKey, SSHException, Transport
    from paramiko.agent import Agent
    from paramiko.auth_handler import AuthHandler
    from paramiko.channel import Channel
    from paramiko.common import (
        MSG_CHANNEL_DATA,
        MSG_CHANNEL_EXTENDED_DATA,
        MSG_CHANNEL_OPEN,
        MSG_CHANNEL_REQUEST,
        MSG_EXT_INFO,
        MSG_KEXINIT,
        MSG_SERVICE_REQUEST,
        MSG_USERAUTH_REQUEST,
        cMSG_USERAUTH_REQUEST,
    )
    from paramiko.message import Message
    from paramiko.packet import Packetizer
finally:
    if _invoke is None:
        del sys.modules["invoke"]

__all__ = [
    "MSG_CHANNEL_DATA",
    "MSG_CHANNEL_EXTENDED_DATA",
    "MSG_CHANNEL_OPEN",
    "MSG_CHANNEL_REQUEST",
    "MSG_EXT_INFO",
    "MSG_KEXINIT",
    "MSG_SERVICE_REQUEST",
    "MSG_USERAUTH_REQUEST",
    "Agent",
    "AuthHandler",
    "Channel",
    "ChannelException",
    "Message",
    "PKey",
    "Packetizer",
    "SSHException",
    "Transport",
    "cMSG_USERAUTH_REQUEST",
    "paramiko",
]
