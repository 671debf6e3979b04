"""The signature of Alibaba Cloud's RPC protocol: HMAC-SHA1 over the sorted parameters.

Source: "Request syntax and signature method V2 for RPC APIs" of Alibaba Cloud's documentation.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote


def string_to_sign(method: str, parameters: Mapping[str, str]) -> str:
    """Return what is signed: the method and every parameter, encoded twice."""
    query = "&".join(f"{_encode(key)}={_encode(parameters[key])}" for key in sorted(parameters))
    return f"{method}&{_encode('/')}&{_encode(query)}"


def sign(method: str, parameters: Mapping[str, str], secret: str) -> str:
    """Return the signature of a request, in Base64."""
    digest = hmac.new(
        f"{secret}&".encode(), string_to_sign(method, parameters).encode(), hashlib.sha1
    )
    return base64.b64encode(digest.digest()).decode()


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")
