"""ClientTokens: the same request with the same token is carried out once."""

from __future__ import annotations

import hashlib
import hmac
import json
import time

from ecsmachine.localcloud.actions.call import Action, Answer, Call
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.errors import invalid_parameter
from ecsmachine.localcloud.state.model import TokenUse

LIFETIME_S = 24 * 3600
_NEVER_KEPT = frozenset(("AssumeRole", "CreateKeyPair"))
"""Actions whose answer holds a secret."""
_NOT_THE_REQUEST = frozenset(
    (
        *("AccessKeyId", "ClientToken", "Format", "SecurityToken", "Signature"),
        *("SignatureMethod", "SignatureNonce", "SignatureVersion", "SignatureType", "TimeStamp"),
        "Timestamp",
    )
)


def answer_once(call: Call, action: Action) -> Answer:
    """Carry the action out, or repeat its answer if its ClientToken was used for the same.

    Raises ``IdempotentParameterMismatch`` when the token came with another request before.
    Refused requests leave no trace, so that they can be repeated with their token.
    """
    token = call.parameters.text("ClientToken")
    reads = call.action.startswith(("Describe", "List", "Get"))
    if not token or reads or call.action in _NEVER_KEPT:
        return action(call) or {}
    if len(token) > 64 or not token.isascii():
        raise invalid_parameter("ClientToken")
    now = time.time()
    # Each region keeps the tokens of its own requests.
    key = f"{call.region_id or ''}/{call.action}/{token}"
    fingerprint = _fingerprint(call)
    used = call.state.tokens.get(key)
    if used is not None and used.used_at > now - LIFETIME_S:
        if used.fingerprint != fingerprint:
            raise refusals.of("IdempotentParameterMismatch")
        answer: Answer = json.loads(used.answer)
        return answer
    # they are in the order of their use: all others stay unseen
    while (old := next(iter(call.state.tokens), None)) and old.used_at <= now - LIFETIME_S:
        call.state.tokens.remove(old.id)
    answer = action(call) or {}
    call.state.tokens.remove(key)
    call.state.tokens.put(TokenUse(key, fingerprint, json.dumps(answer), now))
    return answer


def _fingerprint(call: Call) -> str:
    # Keyed, so that nobody can guess a password in the request from the stored value.
    request = {
        name: value
        for name, value in sorted(call.parameters.values.items())
        if name not in _NOT_THE_REQUEST
    }
    secret = call.state.account.access_key_secret.encode()
    return hmac.new(secret, json.dumps(request).encode(), hashlib.sha256).hexdigest()
