"""Sockets that are files."""

from __future__ import annotations

import sys

if sys.platform == "win32":

    def is_served(path: str, timeout_s: float) -> bool:
        """Whether a program is behind a socket; none of OpenSSH's is on Windows."""
        return False

else:

    def is_served(path: str, timeout_s: float) -> bool:
        """Whether a program is behind a socket."""
        import _socket  # socket takes longer to load than a command takes there

        stream = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            stream.settimeout(timeout_s)
            stream.connect(path)
        except OSError:
            return False
        finally:
            stream.close()
        return True
