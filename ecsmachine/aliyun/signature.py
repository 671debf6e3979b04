"""The signatures of Alibaba Cloud's two protocols: RPC and ROA, both with HMAC-SHA1.

Sources: "Request syntax and signature method V2 for RPC APIs" and "Request syntax and signature
method V2 for ROA APIs" of Alibaba Cloud's documentation; the latter also in chapter 2 of the
Container Service developer guide.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import quote

_PLAIN = re.compile(r"[A-Za-z0-9\-_.~]*")
"""What is encoded as it is, as most of a request."""


def signed_form(method: str, parameters: Mapping[str, str], secret: str) -> bytes:
    """Return the parameters of a request and its signature as a form, which is its body."""
    form = _form(parameters)
    signature = _hmac(f"{secret}&", string_to_sign(method, form))
    return f"{form}&Signature={_encode(signature)}".encode()


def unsigned_form(parameters: Mapping[str, str]) -> bytes:
    """Return the parameters of a request that needs no signature as a form."""
    return _form(parameters).encode()


def roa_string_to_sign(
    method: str,
    headers: Mapping[str, str],
    path: str,
    query: Mapping[str, str | None] | None = None,
) -> str:
    """Return what a ROA request is signed over.

    Of the headers, Accept, Content-MD5, Content-Type, Date and all that begin with ``x-acs-``
    count; one that is missing leaves an empty line. Values of the query are signed as they are,
    not encoded; one that is None stands without "=".
    """
    named = {name.lower(): value for name, value in headers.items()}
    lines = [method.upper()]
    lines += [named.get(name, "") for name in ("accept", "content-md5", "content-type", "date")]
    lines += [
        f"{name}:{_on_one_line(named[name])}" for name in sorted(named) if name.startswith("x-acs-")
    ]
    parameters = "&".join(
        key if value is None else f"{key}={value}" for key, value in sorted((query or {}).items())
    )
    lines.append(f"{path}?{parameters}" if parameters else path)
    return "\n".join(lines)


def roa_sign(text: str, secret: str) -> str:
    """Return the signature of a ROA string to sign: Base64 of the digest's 20 bytes."""
    return _hmac(secret, text)


def content_md5(body: bytes) -> str:
    """Return the Content-MD5 of a body: Base64 of the digest's 16 bytes."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def string_to_sign(method: str, form: str) -> str:
    """Return what is signed: the method and the form of all parameters, encoded once more."""
    # nothing else in it has to be encoded once more
    again = form.replace("%", "%25").replace("=", "%3D").replace("&", "%26")
    return f"{method}&%2F&{again}"


def _form(parameters: Mapping[str, str]) -> str:
    return "&".join(f"{_encode(key)}={_encode(parameters[key])}" for key in sorted(parameters))


def _hmac(key: str, text: str) -> str:
    digest = hmac.new(key.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def _on_one_line(value: str) -> str:
    return re.sub(r"[\t\n\r\f]", " ", value).strip()


def _encode(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else quote(text, safe="-_.~")
