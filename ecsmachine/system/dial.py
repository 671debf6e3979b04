"""Connects to ``HOST PORT`` for the ssh program, which is handed the socket (ProxyUseFdpass).

The socket sends at once what it is given (TCP_NODELAY). That of ssh's own waits with each small
packet of a login until the one before is acknowledged, for which hosts take their time (40 ms).

This is run as a program by itself, from ssh's ProxyCommand, and imports nothing that takes long.
"""

import _socket  # socket takes longer to load than a host takes to answer
import sys

_TIMEOUT_S = 10.0


def _dial(host: str, port: str) -> _socket.socket:
    """Return a socket to the first address that answers. Raises :class:`OSError`."""
    failure = OSError()
    for family, kind, protocol, _, where in _socket.getaddrinfo(host, port, 0, _socket.SOCK_STREAM):
        stream = _socket.socket(family, kind, protocol)
        try:
            stream.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            stream.settimeout(_TIMEOUT_S)
            stream.connect(where)
            stream.settimeout(None)
            return stream
        except OSError as error:
            failure = error
            stream.close()
    raise failure


def main(host: str, port: str, letters: str) -> None:
    """Hand the socket on by standard output, and to a socket at the path ``letters``.

    That one is told in ssh's words why there is none, where there is none.
    """
    if sys.platform == "win32":
        raise NotImplementedError("Windows' OpenSSH is handed no sockets")
    said, rights = "", []
    try:
        stream = _dial(host, port)
        number = stream.fileno().to_bytes(4, sys.byteorder)
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, number)]
        _socket.socket(fileno=1).sendmsg([b"\0"], rights)
    except _socket.gaierror as error:
        said = f"ssh: Could not resolve hostname {host}: {error.strerror}\r\n"
    except OSError as error:
        reason = error.strerror or "Connection timed out"
        said = f"ssh: connect to host {host} port {port}: {reason}\r\n"
    box = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
    box.sendmsg([said.encode()], rights, 0, letters)


if __name__ == "__main__":
    main(*sys.argv[1:])
