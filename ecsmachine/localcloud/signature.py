"""Signatures of requests, as the server checks them.

Source: Alibaba Cloud's "Request syntax and signature method V1 for RPC APIs" and "V3 request
structure and signature". Deliberately nothing here is shared with the client.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote


def percent_encode(text: str) -> str:
    """Encode as RFC 3986 does: only letters, digits and ``-_.~`` stay as they are."""
    return quote(text, safe="-_.~")


def rpc_string_to_sign(method: str, parameters: Mapping[str, str]) -> str:
    """Return what an RPC request is signed over: every parameter but ``Signature``."""
    pairs = sorted(
        (percent_encode(name), percent_encode(value))
        for name, value in parameters.items()
        if name != "Signature"
    )
    query = "&".join(f"{name}={value}" for name, value in pairs)
    return f"{method}&%2F&{percent_encode(query)}"


def rpc_signature(string_to_sign: str, secret: str) -> str:
    """Return the HMAC-SHA1 signature in base64; the key is the secret and an ampersand."""
    digest = hmac.new(f"{secret}&".encode(), string_to_sign.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def same(expected: str, given: str) -> bool:
    """Compare two signatures in a time that does not depend on where they differ."""
    return hmac.compare_digest(expected.encode(), given.encode())
