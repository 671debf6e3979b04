"""STS: who is asking."""

from __future__ import annotations

from ecsmachine.localcloud.call import Answer, Call


def get_caller_identity(call: Call) -> Answer:
    """GetCallerIdentity: the account itself; the local cloud knows no RAM users."""
    account = call.state.account
    return {
        "AccountId": account.id,
        "Arn": f"acs:ram::{account.id}:root",
        "IdentityType": "Account",
        "PrincipalId": account.id,
        "UserId": account.id,
        "RoleId": "",
    }
