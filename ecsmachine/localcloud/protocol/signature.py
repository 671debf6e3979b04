"""Signatures of requests, as the server checks them.

Source: Alibaba Cloud's "Request syntax and signature method V1 for RPC APIs" and "Request syntax
and signature method V3". Deliberately nothing here is shared with the client.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

ACS3 = "ACS3-HMAC-SHA256"
_UNRESERVED = re.compile(r"[A-Za-z0-9\-_.~]*")
_BREAKS = re.compile(r"[\t\n\r\f]")


def percent_encode(text: str) -> str:
    """Encode as RFC 3986 does: only letters, digits and ``-_.~`` stay as they are."""
    return text if _UNRESERVED.fullmatch(text) else quote(text, safe="-_.~")


def rpc_string_to_sign(method: str, parameters: Mapping[str, str]) -> str:
    """Return the string to sign of an RPC request (V1): every parameter but ``Signature``."""
    signed = {name: value for name, value in parameters.items() if name != "Signature"}
    query = canonical_query(signed.items())
    # Nothing else in it has to be encoded again.
    again = query.replace("%", "%25").replace("=", "%3D").replace("&", "%26")
    return f"{method}&%2F&{again}"


def rpc_signature(string_to_sign: str, secret: str) -> str:
    """Return the HMAC-SHA1 signature in base64; the key is the secret and an ampersand."""
    digest = hmac.new(f"{secret}&".encode(), string_to_sign.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def canonical_query(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the parameters encoded and sorted."""
    encoded = sorted((percent_encode(name), percent_encode(value)) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def acs3_canonical_request(
    method: str,
    path: str,
    query: Iterable[tuple[str, str]],
    headers: Mapping[str, str],
    payload_hash: str,
) -> str:
    """Return the string to sign of a V3 request; ``headers`` are the signed ones, lower case."""
    names = sorted(headers)
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    parts = (method, path or "/", canonical_query(query), lines, ";".join(names), payload_hash)
    return "\n".join(parts)


def acs3_string_to_sign(canonical_request: str) -> str:
    """Return the string that the V3 signature is made of."""
    return f"{ACS3}\n{hashlib.sha256(canonical_request.encode()).hexdigest()}"


def acs3_signature(string_to_sign: str, secret: str) -> str:
    """Return the HMAC-SHA256 signature in hexadecimal; the key is only the secret."""
    return hmac.new(secret.encode(), string_to_sign.encode(), hashlib.sha256).hexdigest()


def same_secret(expected: str, given: str) -> bool:
    """Compare two signatures, keys or tokens, in a time that tells nothing of them."""
    return hmac.compare_digest(expected.encode(), given.encode())


def roa_string_to_sign(method: str, headers: Mapping[str, str], resource: str) -> str:
    """Return the string to sign of a ROA request; ``headers`` have lower-case names.

    Source: "Request syntax and signature method V2 for ROA APIs".
    """
    fixed = [headers.get(name, "") for name in ("accept", "content-md5", "content-type", "date")]
    own = "".join(
        f"{name}:{_BREAKS.sub(' ', headers[name]).strip()}\n"
        for name in sorted(headers)
        if name.startswith("x-acs-")
    )
    return "\n".join([method, *fixed, own + resource])


def roa_signature(string_to_sign: str, secret: str) -> str:
    """Return the HMAC-SHA1 signature in base64; the key is only the secret."""
    digest = hmac.new(secret.encode(), string_to_sign.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def content_md5(body: bytes) -> str:
    """Return the digest of a body as Content-MD5 has it (RFC 1864)."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
