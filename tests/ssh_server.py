"""What the tests' SSH servers share: a command begins once its client knows that it will."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

import paramiko
from paramiko.common import MSG_CHANNEL_REQUEST


class Login(paramiko.ServerInterface):
    """Begins what serves a request after paramiko has said yes: it may end the channel."""

    _serving: threading.Thread | None = None

    def begin(self, serve: Callable[[paramiko.Channel], None], channel: paramiko.Channel) -> None:
        """Let ``serve`` have the channel, until it ends or the client is gone."""

        def until_it_is_gone() -> None:
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                serve(channel)

        self._serving = threading.Thread(target=until_it_is_gone, daemon=True)

    def answered(self) -> None:
        """Begin; the last request has its answer."""
        if self._serving is not None:
            self._serving.start()
            self._serving = None


class ServerTransport(paramiko.Transport):
    """A transport whose :class:`Login` is told of answers to requests."""

    def __init__(self, connection: socket.socket):
        super().__init__(connection)
        self._channel_handler_table = {
            **paramiko.Transport._channel_handler_table,  # type: ignore[attr-defined]
            MSG_CHANNEL_REQUEST: _handle_request,
        }


def _handle_request(channel: Any, message: paramiko.Message) -> None:
    channel._handle_request(message)
    login = channel.transport.server_object
    if isinstance(login, Login):  # and not the transport of a client
        login.answered()
