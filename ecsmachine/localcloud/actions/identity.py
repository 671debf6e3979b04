"""STS: who is asking, and temporary keys of roles."""

from __future__ import annotations

import re
import secrets
import string
import time
import zlib

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.wire import parse_json
from ecsmachine.localcloud.state.model import Session

LEAST_DURATION_S = 900
MOST_DURATION_S = 12 * 3600
KEPT_AFTER_EXPIRY_S = 24 * 3600
"""How long an expired temporary key is reported as expired; after that it is unknown."""
MOST_POLICY_LENGTH = 2048
_ROLE_ARN = re.compile(r"acs:ram::([0-9]{1,24}):role/([A-Za-z0-9.\-]{1,64})")
_SESSION_NAME = re.compile(r"[A-Za-z0-9.@\-_]{2,64}")
_LETTERS = string.ascii_letters + string.digits


def get_caller_identity(call: Call) -> Answer:
    """GetCallerIdentity: the account itself, or the role of a temporary key."""
    account, session = call.state.account, call.caller
    if session is None:
        return {
            "AccountId": account.id,
            "Arn": f"acs:ram::{account.id}:root",
            "IdentityType": "Account",
            "PrincipalId": account.id,
            "UserId": account.id,
            "RoleId": "",
        }
    return {
        "AccountId": account.id,
        "Arn": _session_arn(account.id, session),
        "IdentityType": "AssumedRoleUser",
        "PrincipalId": f"{session.role_id}:{session.name}",
        "UserId": "",
        "RoleId": session.role_id,
    }


def assume_role(call: Call) -> Answer:
    """AssumeRole: a temporary key, for 15 minutes to 12 hours.

    The local cloud has no RAM: each role of the account is there, and may do everything.
    """
    parameters = call.parameters
    arn = _ROLE_ARN.fullmatch(parameters.require("RoleArn"))
    if arn is None:
        raise ApiError("InvalidParameter.RoleArn", "The parameter RoleArn is wrongly formed.")
    name = parameters.require("RoleSessionName")
    if not _SESSION_NAME.fullmatch(name):
        raise refusals.of("InvalidParameter.RoleSessionName")
    duration_s = parameters.integer(
        "DurationSeconds",
        3600,
        least=LEAST_DURATION_S,
        most=MOST_DURATION_S,
        error=refusals.of("InvalidParameter.DurationSeconds"),
    )
    _check_policy(parameters.text("Policy"))
    account = call.state.account
    if arn[1] != account.id:
        raise ApiError("EntityNotExist.Role", f"The role not exists: {arn[0]}.", 404)
    now = time.time()
    for old in list(call.state.sessions):
        if old.expires < now - KEPT_AFTER_EXPIRY_S:
            call.state.sessions.remove(old.id)
    session = call.state.sessions.put(
        Session(
            id=f"STS.{_random(25)}",
            access_key_secret=_random(44),
            security_token=f"CAIS{_random(508)}",
            expires=now + duration_s,
            role_id=_role_id(account.id, arn[2]),
            role_name=arn[2],
            name=name,
        )
    )
    return {
        "AssumedRoleUser": {
            "Arn": _session_arn(account.id, session),
            "AssumedRoleId": f"{session.role_id}:{session.name}",
        },
        "Credentials": {
            "AccessKeyId": session.id,
            "AccessKeySecret": session.access_key_secret,
            "SecurityToken": session.security_token,
            "Expiration": timestamp(session.expires),
        },
        "SourceIdentity": parameters.text("SourceIdentity"),
    }


def _check_policy(text: str) -> None:
    if len(text) > MOST_POLICY_LENGTH:
        raise ApiError(
            "InvalidParameter.PolicySize",
            f"The size of Policy must be smaller than {MOST_POLICY_LENGTH} bytes.",
        )
    try:
        policy = parse_json(text or "{}")
    except ValueError:
        policy = None
    if not isinstance(policy, dict):
        raise refusals.of("InvalidParameter.PolicyGrammar")


def _session_arn(account_id: str, session: Session) -> str:
    return f"acs:ram::{account_id}:role/{session.role_name}/{session.name}"


def _role_id(account_id: str, role: str) -> str:
    # Nothing is kept of roles: the id follows from the name.
    return f"3{zlib.crc32(f'{account_id}/{role}'.encode()):017d}"


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
