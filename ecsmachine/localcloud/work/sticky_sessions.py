"""Sticky sessions of HTTP listeners: a cookie leads a client back to the server that it had.

Source: the reference of CreateLoadBalancerHTTPListener (StickySessionType).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

INSERTED = b"SERVERID"
"""The name of the cookie that a load balancer makes of its own."""


@dataclass(frozen=True)
class StickySession:
    """How a listener keeps a client at its server.

    Without a ``cookie`` it sets one of its own, for ``seconds``; with the name of one that servers
    set it writes its own value over theirs.
    """

    cookie: bytes = b""
    seconds: int = 0

    def token_of(self, head: bytes) -> bytes:
        """Return what the head of a request says of the server that it is to go to, if anything."""
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() != b"cookie":
                continue
            for pair in value.split(b";"):
                key, _, content = pair.strip().partition(b"=")
                if key == (self.cookie or INSERTED):
                    return content
        return b""

    def with_token(self, head: bytes, token: bytes, asked: bytes) -> bytes:
        """Return the head of an answer with the server's token; ``asked`` is the request's."""
        if not self.cookie:
            if token == asked:
                return head
            said = b"Set-Cookie: %b=%b; Path=/; Max-Age=%d\r\n\r\n"
            return head[:-2] + said % (INSERTED, token, self.seconds)
        theirs = rb"(?im)^(set-cookie:[ \t]*%b=)[^;\r\n]*" % re.escape(self.cookie)
        return re.sub(theirs, lambda match: match[1] + token, head)


def token_of_server(address: str, port: int) -> bytes:
    """Return what cookies say of a server."""
    return hashlib.sha256(f"{address}:{port}".encode()).hexdigest()[:32].encode()
