"""Who sent a request, and when: access key, signature, clock and nonce."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping

from ecsmachine.localcloud import clock
from ecsmachine.localcloud.errors import ApiError, invalid_parameter, missing_parameter
from ecsmachine.localcloud.model import Account
from ecsmachine.localcloud.signature import (
    percent_encode,
    rpc_signature,
    rpc_string_to_sign,
    same,
)

CLOCK_TOLERANCE_S = 15 * 60
_MANDATORY = (
    "AccessKeyId",
    "Signature",
    "SignatureMethod",
    "SignatureVersion",
    "SignatureNonce",
    "Timestamp",
)


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


def check_rpc(method: str, parameters: Mapping[str, str], account: Account, nonces: Nonces) -> None:
    """Check a request signed as signature version 1.0; raises :class:`ApiError`."""
    for name in _MANDATORY:
        if not parameters.get(name):
            if name == "Signature" and "SignatureNonce" in parameters:
                raise ApiError(
                    "IncompleteSignature",
                    "The request signature does not conform to Aliyun standards. "
                    "server string to sign is:" + rpc_string_to_sign(method, parameters),
                )
            raise missing_parameter(name)
    if parameters["SignatureMethod"].upper() != "HMAC-SHA1":
        raise invalid_parameter("SignatureMethod")
    if parameters["SignatureVersion"] != "1.0":
        raise invalid_parameter("SignatureVersion")
    check_clock(parameters["Timestamp"])
    key_id = parameters["AccessKeyId"]
    check_access_key(key_id, account)
    string_to_sign = rpc_string_to_sign(method, parameters)
    expected = rpc_signature(string_to_sign, account.access_key_secret)
    if not same(expected, parameters["Signature"]):
        raise ApiError(
            "SignatureDoesNotMatch",
            "Specified signature is not matched with our calculation. "
            f"server string to sign is:{_without_secrets(string_to_sign, parameters)}",
        )
    nonces.use(key_id, parameters["SignatureNonce"])


def check_clock(timestamp: str) -> None:
    """Check the time of a request against this machine's clock."""
    try:
        sent = clock.parse(timestamp)
    except ValueError as error:
        raise ApiError(
            "InvalidTimeStamp.Format",
            "Specified time stamp or date value is not well formatted.",
        ) from error
    if abs(time.time() - sent) > CLOCK_TOLERANCE_S:
        raise ApiError("InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")


def check_access_key(key_id: str, account: Account) -> None:
    """Check that the access key is the account's."""
    if not same(account.access_key_id, key_id):
        raise ApiError("InvalidAccessKeyId.NotFound", "Specified access key is not found.", 404)


def _without_secrets(string_to_sign: str, parameters: Mapping[str, str]) -> str:
    # The answer may end in somebody's log.
    for name, value in parameters.items():
        if value and name.rpartition(".")[2] in ("Password", "UserData"):
            encoded = percent_encode(percent_encode(value))
            string_to_sign = string_to_sign.replace(encoded, "***")
    return string_to_sign
