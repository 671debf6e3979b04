"""An answer over HTTP that is complete in time, or none: also one that drips in byte by byte."""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

_USUAL_TIMEOUT_S = 60.0


class TimedResponse(http.client.HTTPResponse):
    """A response whose socket's timeout is that of the whole answer, its body included.

    It is for ``response_class`` of a connection of :mod:`http.client`. The time begins when the
    request has been sent. What comes too late is a ``TimeoutError``.
    """

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any):
        super().__init__(sock, *arguments, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_TimedReader(sock))


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket):
        self._sock = sock
        self._stream = sock.makefile("rb", buffering=0)
        self._timeout_s = sock.gettimeout()
        self._deadline = time.monotonic() + (self._timeout_s or _USUAL_TIMEOUT_S)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("no answer in time")
        try:
            self._sock.settimeout(left_s)
            return self._stream.readinto(buffer)
        finally:
            self._sock.settimeout(self._timeout_s)

    def close(self) -> None:
        self._stream.close()
        super().close()
