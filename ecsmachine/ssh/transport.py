"""paramiko's transport, with bounds on what a host can make it read, keep and count.

paramiko reads packets of any size, keeps what comes beyond a channel's window, and counts as far
as a packet says.
"""

from __future__ import annotations

import socket
from typing import Any, cast

from ecsmachine.ssh.library import Channel, Message, Packetizer, common, paramiko

_LARGEST_PACKET = 256 * 1024
"""As in OpenSSH (PACKET_MAX_SIZE)."""

_LONGEST_GREETING = 64 * 1024
"""The lines before the key exchange (RFC 4253, 4.2), in bytes."""

_MOST_EXTENSIONS = 64
_LONGEST_FAREWELL = 200
_SPARE = 64 * 1024


_CONNECTING_TURNS = 2
"""The connection, and the greeting."""

_KEX_METHOD = range(30, 50)  # RFC 4250, 4.1.2
_ANSWERED = frozenset(
    (
        common.MSG_SERVICE_REQUEST,
        common.MSG_KEXINIT,
        *_KEX_METHOD,
        common.MSG_USERAUTH_REQUEST,
        common.MSG_CHANNEL_OPEN,
        common.MSG_CHANNEL_REQUEST,
        common.MSG_CHANNEL_DATA,
    )
)
"""What is sent to be answered; no answer is waited for to a window that is opened, or an end."""


class BoundedPacketizer(Packetizer):
    """Reads packets, but none that is larger than a packet can be.

    ``turns`` is how often something came from the host after something was asked of it.
    """

    turns = _CONNECTING_TURNS
    _greeted = 0
    _asked = False

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """Read so many bytes. Raises ``SSHException`` for more than a packet can have."""
        if n > _LARGEST_PACKET:
            raise paramiko.SSHException("the host sends a packet that is too large")
        return super().read_all(n, check_rekey)

    def read_message(self) -> tuple[int, Message]:
        """Read a packet. Raises ``SSHException`` for one that counts more than it has."""
        kind, message = super().read_message()
        if self._asked:
            self._asked = False
            self.turns += 1
        if kind == common.MSG_EXT_INFO:
            count = Message(message.asbytes()).get_int()
            if count > _MOST_EXTENSIONS:
                raise paramiko.SSHException("the host names too many extensions")
        return kind, message

    def send_message(self, data: Message) -> None:
        """Send a packet, and count the turn that it begins."""
        if data.asbytes()[0] in _ANSWERED:
            self._asked = True
        super().send_message(data)

    def _read_timeout(self, timeout: float) -> bytes:
        found: bytes = super()._read_timeout(timeout)  # type: ignore[misc]
        self._greeted += len(found)
        if self._greeted > _LONGEST_GREETING:
            raise paramiko.SSHException("the host's greeting does not end")
        return found


class BoundedTransport(paramiko.Transport):
    """A transport that ends when its host sends more than a channel's window allows.

    ``farewell`` is why the host ended it, in its words, or "".
    """

    farewell = ""

    def __init__(self, sock: socket.socket):
        super().__init__(sock, packetizer_class=BoundedPacketizer)
        self._channel_handler_table = {
            **paramiko.Transport._channel_handler_table,  # type: ignore[attr-defined]
            common.MSG_CHANNEL_DATA: _within_window(Channel._feed),  # type: ignore[attr-defined]
            common.MSG_CHANNEL_EXTENDED_DATA: _within_window(
                Channel._feed_extended  # type: ignore[attr-defined]
            ),
        }

    @property
    def turns(self) -> int:
        """How often the host's answer was waited for."""
        return cast("BoundedPacketizer", self.packetizer).turns

    def _parse_disconnect(self, m: Message) -> None:
        m.get_int()
        self.farewell = " ".join(
            m.get_binary()[:_LONGEST_FAREWELL].decode(errors="replace").split()
        )


def _within_window(feed: Any) -> Any:
    def checked(channel: Channel, message: Message) -> None:
        feed(channel, message)
        kept = [cast("Any", channel).in_buffer, cast("Any", channel).in_stderr_buffer]
        if sum(map(len, kept)) > cast("Any", channel).in_window_size + _SPARE:
            raise paramiko.SSHException("the host sends more than it may")

    return checked
