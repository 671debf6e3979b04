"""Who sent a request, and when: access key, signature, clock and nonce."""

from __future__ import annotations

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ecsmachine.localcloud import clock
from ecsmachine.localcloud.errors import ApiError, invalid_parameter, missing_parameter
from ecsmachine.localcloud.model import Account
from ecsmachine.localcloud.signature import (
    ACS3,
    acs3_canonical_request,
    acs3_signature,
    acs3_string_to_sign,
    percent_encode,
    rpc_signature,
    rpc_string_to_sign,
    same,
)

CLOCK_TOLERANCE_S = 15 * 60
_MANDATORY = (
    "AccessKeyId",
    "SignatureMethod",
    "SignatureVersion",
    "SignatureNonce",
    "Timestamp",
)
_MANDATORY_HEADERS = ("x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256")
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

    def __init__(self, lifetime_s: float = 2 * CLOCK_TOLERANCE_S) -> None:
        self._lifetime_s = lifetime_s
        self._used: OrderedDict[tuple[str, str], float] = OrderedDict()

    def use(self, access_key_id: str, nonce: str) -> None:
        """Remember the nonce; raises ``SignatureNonceUsed`` if it was used before."""
        now = time.monotonic()
        while self._used and next(iter(self._used.values())) < now - self._lifetime_s:
            self._used.popitem(last=False)
        if (access_key_id, nonce) in self._used:
            raise ApiError("SignatureNonceUsed", "Specified signature nonce was used already.")
        self._used[access_key_id, nonce] = now


def check(request: SignedRequest, account: Account, nonces: Nonces) -> None:
    """Check a request signed in either form; raises :class:`ApiError`."""
    if request.headers.get("authorization", "").startswith("ACS3-"):
        _check_acs3(request, account, nonces)
    else:
        _check_rpc(request, account, nonces)


def _check_rpc(request: SignedRequest, account: Account, nonces: Nonces) -> None:
    parameters = request.parameters
    for name in _MANDATORY:
        if not parameters.get(name):
            raise missing_parameter(name)
    string_to_sign = rpc_string_to_sign(request.method, parameters)
    shown = _without_secrets(string_to_sign, parameters)
    if not parameters.get("Signature"):
        raise ApiError(
            "IncompleteSignature",
            "The request signature does not conform to Aliyun standards. "
            f"server string to sign is:{shown}",
        )
    if parameters["SignatureMethod"].upper() != "HMAC-SHA1":
        raise invalid_parameter("SignatureMethod")
    if parameters["SignatureVersion"] != "1.0":
        raise invalid_parameter("SignatureVersion")
    _check_clock(parameters["Timestamp"])
    key_id = parameters["AccessKeyId"]
    _check_access_key(key_id, parameters.get("SecurityToken", ""), account)
    expected = rpc_signature(string_to_sign, account.access_key_secret)
    if not same(expected, parameters["Signature"]):
        raise _mismatch(shown)
    nonces.use(key_id, parameters["SignatureNonce"])


def _check_acs3(request: SignedRequest, account: Account, nonces: Nonces) -> None:
    headers = request.headers
    match = _AUTHORIZATION.fullmatch(headers["authorization"].strip())
    if match is None:
        raise ApiError(
            "IncompleteSignature", "The request signature does not conform to Aliyun standards."
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
    _check_access_key(key_id, headers.get("x-acs-security-token", ""), account)
    canonical_request = acs3_canonical_request(
        request.method,
        request.path,
        request.query,
        {name: headers[name] for name in names},
        hashlib.sha256(request.body).hexdigest(),
    )
    string_to_sign = acs3_string_to_sign(canonical_request)
    # The header is signed, and so a hash that is not the body's makes another signature too.
    expected = acs3_signature(string_to_sign, account.access_key_secret)
    if not same(expected, signature.lower()):
        raise _mismatch(string_to_sign)
    nonces.use(key_id, headers["x-acs-signature-nonce"])


def _check_clock(timestamp: str) -> None:
    try:
        sent = clock.parse(timestamp)
    except ValueError as error:
        raise ApiError(
            "InvalidTimeStamp.Format",
            "Specified time stamp or date value is not well formatted.",
        ) from error
    if abs(time.time() - sent) > CLOCK_TOLERANCE_S:
        raise ApiError("InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")


def _check_access_key(key_id: str, security_token: str, account: Account) -> None:
    if not same(account.access_key_id, key_id):
        raise ApiError("InvalidAccessKeyId.NotFound", "Specified access key is not found.", 404)
    if security_token:
        raise ApiError(
            "InvalidSecurityToken.MismatchWithAccessKey",
            "Specified SecurityToken mismatch with the AccessKey.",
        )


def _mismatch(string_to_sign: str) -> ApiError:
    return ApiError(
        "SignatureDoesNotMatch",
        "Specified signature is not matched with our calculation. "
        f"server string to sign is:{string_to_sign}",
    )


def _without_secrets(string_to_sign: str, parameters: Mapping[str, str]) -> str:
    # The answer may end in somebody's log.
    for name, value in parameters.items():
        if value and name.rpartition(".")[2] in ("Password", "UserData"):
            encoded = percent_encode(percent_encode(value))
            string_to_sign = string_to_sign.replace(encoded, "***")
    return string_to_sign
