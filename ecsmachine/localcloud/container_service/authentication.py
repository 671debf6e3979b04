"""Checks of a ROA request: access key, signature, digest, clock and nonce."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timezone
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, unquote

from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.authentication import CLOCK_TOLERANCE_S, Nonces, mismatch
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.signature import (
    content_md5,
    roa_signature,
    roa_string_to_sign,
    same_secret,
)
from ecsmachine.localcloud.state.model import Account

VERSION = "2015-12-15"
_DATE = re.compile(r"\w{3}, \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d (GMT|UTC|[+-]\d{4})", re.ASCII)


@dataclass(frozen=True)
class RoaRequest:
    """A request as it came: ``target`` is path and query as sent; header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def path(self) -> str:
        """The path, decoded."""
        return unquote(self.target.partition("?")[0])

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters, decoded."""
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))


def check(request: RoaRequest, account: Account, nonces: Nonces) -> None:
    """Check a request; raises :class:`ApiError`: 403 for its sender, 400 for its form or time."""
    headers = request.headers
    scheme, _, credential = headers.get("authorization", "").partition(" ")
    key_id, colon, signature = credential.strip().partition(":")
    if scheme.lower() != "acs" or not colon:
        raise refusals.of("MissingAuthorization")
    if not headers.get("date"):
        raise ApiError("MissingParameter", "The header Date is required.")
    if headers.get("x-acs-version", VERSION) != VERSION:
        raise ApiError("InvalidVersion", f"The header x-acs-version must be {VERSION}.")
    if headers.get("x-acs-signature-method", "HMAC-SHA1").upper() != "HMAC-SHA1":
        raise ApiError("InvalidSignatureMethod", "Only HMAC-SHA1 signatures are supported.")
    _check_clock(headers["date"])
    if not same_secret(account.access_key_id, key_id):
        raise refusals.ACCESS_KEY(status=403)
    if headers.get("x-acs-security-token"):
        raise refusals.SECURITY_TOKEN(status=403)
    digest = headers.get("content-md5", "")
    if (digest or request.body) and digest != content_md5(request.body):
        raise refusals.of("InvalidContentMD5")
    texts = [
        roa_string_to_sign(request.method, headers, resource) for resource in _resources(request)
    ]
    if not any(
        same_secret(roa_signature(text, account.access_key_secret), signature) for text in texts
    ):
        raise mismatch(texts[0], 403)
    # The guide requires a nonce, but Alibaba Cloud's own SDK for Python sends none.
    if headers.get("x-acs-signature-nonce"):
        nonces.use(key_id, headers["x-acs-signature-nonce"])


def _resources(request: RoaRequest) -> list[str]:
    """Return the resource in the ways in which clients sign it: decoded, and as it was sent."""
    path, _, query = request.target.partition("?")
    found = []
    for decode in (unquote_plus, str):
        pairs = sorted(
            tuple(decode(part) for part in pair.split("=", 1)) for pair in query.split("&") if pair
        )
        text = "&".join("=".join(pair) for pair in pairs)
        found.append(f"{decode(path)}?{text}" if text else decode(path))
    return found


def unquote_plus(text: str) -> str:
    """Decode a part of an address, in which a plus is a blank."""
    return unquote(text.replace("+", " "))


def _check_clock(date: str) -> None:
    try:
        if not _DATE.fullmatch(date):
            raise ValueError(date)
        sent = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        raise ApiError(
            "InvalidTimeStamp.Format", "The header Date is not in RFC 1123 format."
        ) from None
    if sent.tzinfo is None:
        sent = sent.replace(tzinfo=timezone.utc)
    if abs(time.time() - sent.timestamp()) > CLOCK_TOLERANCE_S:
        raise ApiError("InvalidTimeStamp.Expired", "The header Date is more than 15 minutes off.")
