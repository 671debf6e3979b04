"""Authentication of a request: access key, signature, clock and nonce."""

from __future__ import annotations

import hashlib
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ecsmachine.localcloud.protocol import clock, refusals
from ecsmachine.localcloud.protocol.errors import ApiError, invalid_parameter, missing_parameter
from ecsmachine.localcloud.protocol.secrecy import MASK, is_secret
from ecsmachine.localcloud.protocol.signature import (
    ACS3,
    acs3_canonical_request,
    acs3_signature,
    acs3_string_to_sign,
    rpc_signature,
    rpc_string_to_sign,
    same_secret,
)

CLOCK_TOLERANCE_S = 15 * 60
_LONGEST_NONCE = 256
_MANDATORY = ("AccessKeyId", "SignatureMethod", "SignatureVersion", "SignatureNonce")
_TIMESTAMPS = ("Timestamp", "TimeStamp")
"""Both spellings are sent: the API's references have used both."""
_MANDATORY_HEADERS = ("x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256")
_HIDDEN = "~~~"
"""Stands for a secret until the rest is encoded, which leaves it as it is."""
_FRACTION = re.compile(r"\.[0-9]{1,9}Z\Z")
_AUTHORIZATION = re.compile(
    rf"{ACS3}\s+Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-fA-F]+)"
)


@dataclass(frozen=True)
class SignedRequest:
    """A request as it came, with all that signatures are made over. Header names: lower case."""

    method: str
    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    parameters: Mapping[str, str] = field(repr=False)


class Nonces:
    """The nonces that were used; each is remembered for as long as its request could be valid."""

    def __init__(self) -> None:
        self._used: OrderedDict[tuple[str, str], float] = OrderedDict()

    def use(self, access_key_id: str, nonce: str) -> None:
        """Remember the nonce; raises ``SignatureNonceUsed`` if it was used before."""
        now = time.monotonic()
        while self._used and next(iter(self._used.values())) < now - 2 * CLOCK_TOLERANCE_S:
            self._used.popitem(last=False)
        if len(nonce) > _LONGEST_NONCE:
            raise invalid_parameter("SignatureNonce")
        if (access_key_id, nonce) in self._used:
            raise ApiError("SignatureNonceUsed", "Specified signature nonce was used already.")
        self._used[access_key_id, nonce] = now


@dataclass(frozen=True)
class AccessKey:
    """A key that requests may be signed with; a temporary one has a token and an end.

    ``expires`` is in seconds since 1970.
    """

    secret: str = field(repr=False)
    security_token: str = field(default="", repr=False)
    expires: float = math.inf


FindKey = Callable[[str], AccessKey | None]
"""Returns the key with an access key id."""


def check(request: SignedRequest, find_key: FindKey, nonces: Nonces) -> str:
    """Check a request signed in either form; return the id of the key that signed it.

    Raises :class:`ApiError`.
    """
    authorization = request.headers.get("authorization", "")
    if authorization.startswith("ACS3-"):
        return _check_acs3(request, find_key, nonces)
    return _check_rpc(request, find_key, nonces)


def _secret(key: AccessKey | None, security_token: str) -> str:
    if key is None:
        raise refusals.ACCESS_KEY()
    if key.security_token and not security_token:
        raise ApiError("MissingSecurityToken", "SecurityToken is mandatory for this action.")
    if not same_secret(key.security_token, security_token):
        raise refusals.SECURITY_TOKEN()
    if key.expires <= time.time():
        raise ApiError("InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")
    return key.secret


def _check_rpc(request: SignedRequest, find_key: FindKey, nonces: Nonces) -> str:
    parameters = request.parameters
    for name in _MANDATORY:
        if not parameters.get(name):
            raise missing_parameter(name)
    timestamp = next((parameters[name] for name in _TIMESTAMPS if parameters.get(name)), "")
    if not timestamp:
        raise missing_parameter("Timestamp")
    if parameters["SignatureMethod"].upper() != "HMAC-SHA1":
        raise invalid_parameter(
            "SignatureMethod", "Use HMAC-SHA1, or ACS3-HMAC-SHA256 in a header."
        )
    if parameters["SignatureVersion"] != "1.0":
        raise invalid_parameter("SignatureVersion")
    _check_clock(timestamp)
    key_id = parameters["AccessKeyId"]
    secret = _secret(find_key(key_id), parameters.get("SecurityToken", ""))
    # only now, as it is work: who sends this has a key
    if not parameters.get("Signature"):
        raise ApiError(
            "IncompleteSignature",
            "The request signature does not conform to Aliyun standards. "
            f"server string to sign is:{_shown_string_to_sign(request)}",
        )
    expected = rpc_signature(rpc_string_to_sign(request.method, parameters), secret)
    if not same_secret(expected, parameters["Signature"]):
        raise mismatch(_shown_string_to_sign(request))
    nonces.use(key_id, parameters["SignatureNonce"])
    return key_id


def _check_acs3(request: SignedRequest, find_key: FindKey, nonces: Nonces) -> str:
    headers = request.headers
    match = _AUTHORIZATION.fullmatch(headers["authorization"].strip())
    if match is None:
        raise ApiError(
            "IncompleteSignature",
            "The request signature does not conform to Aliyun standards: the form is "
            f"{ACS3} Credential=...,SignedHeaders=...,Signature=...",
        )
    for name in _MANDATORY_HEADERS:
        if not headers.get(name):
            raise missing_parameter(name)
    key_id, names, signature = match[1], match[2].split(";"), match[3]
    needed = {name for name in headers if name.startswith("x-acs-")} | {"host"}
    if any(name not in headers for name in names) or not needed <= set(names):
        raise ApiError(
            "IncompleteSignature",
            "The request signature does not conform to Aliyun standards: host and every x-acs- "
            "header has to be signed.",
        )
    _check_clock(headers["x-acs-date"])
    secret = _secret(find_key(key_id), headers.get("x-acs-security-token", ""))
    digest = hashlib.sha256(request.body).hexdigest()
    canonical_request = acs3_canonical_request(
        request.method, request.path, request.query, {name: headers[name] for name in names}, digest
    )
    string_to_sign = acs3_string_to_sign(canonical_request)
    expected = acs3_signature(string_to_sign, secret)
    if headers["x-acs-content-sha256"].lower() != digest or not same_secret(
        expected, signature.lower()
    ):
        raise mismatch(string_to_sign)
    nonces.use(key_id, headers["x-acs-signature-nonce"])
    return key_id


def _check_clock(timestamp: str) -> None:
    try:
        # JavaScript prints milliseconds, and its clients send them so.
        whole = _FRACTION.sub("Z", timestamp)
        if len(whole) != len("2024-05-01T08:00:00Z"):
            raise ValueError(timestamp)
        sent = clock.parse(whole)
    except ValueError as error:
        raise ApiError(
            "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted."
        ) from error
    if abs(time.time() - sent) > CLOCK_TOLERANCE_S:
        raise ApiError("InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")


def mismatch(string_to_sign: str, status: int = 400) -> ApiError:
    """Return the refusal of a signature that is not that of the string."""
    return ApiError(
        "SignatureDoesNotMatch",
        "Specified signature is not matched with our calculation. "
        f"server string to sign is:{string_to_sign}",
        status,
    )


def _shown_string_to_sign(request: SignedRequest) -> str:
    # The answer may end up in a log.
    shown = {
        name: _HIDDEN if is_secret(name) else value for name, value in request.parameters.items()
    }
    return rpc_string_to_sign(request.method, shown).replace(_HIDDEN, MASK)
