"""Security Token Service (version 2015-04-01): who am I, and taking on a role."""

from __future__ import annotations

from collections.abc import Callable

from ecsmachine.aliyun.access_key import CredentialProvider, Credentials, temporary_key
from ecsmachine.aliyun.endpoints import endpoint
from ecsmachine.aliyun.errors import NEUTRAL, Wording
from ecsmachine.aliyun.rpc import RpcClient
from ecsmachine.documents.rules import ID


class StsClient:
    """STS in a region."""

    def __init__(
        self,
        region: str,
        credentials: CredentialProvider,
        *,
        custom_endpoint: str = "",
        vpc_internal: bool = False,
        wording: Wording = NEUTRAL,
        checkpoint: Callable[[str], None] = lambda point: None,
    ):
        self._rpc = RpcClient(
            endpoint("sts", region, custom=custom_endpoint, vpc_internal=vpc_internal),
            "2015-04-01",
            credentials,
            wording=wording,
            checkpoint=checkpoint,
        )

    def account_id(self) -> str:
        """Return the id of the account that the credentials belong to (GetCallerIdentity)."""
        return self._rpc.call("GetCallerIdentity", {}).text("AccountId", ID)

    def assume_role(
        self, role_arn: str, *, session_name: str, duration_s: int, external_id: str = ""
    ) -> tuple[Credentials, float]:
        """Return a temporary key of a role, and when it expires (AssumeRole)."""
        answer = self._rpc.call(
            "AssumeRole",
            {
                "RoleArn": role_arn,
                "RoleSessionName": session_name,
                "DurationSeconds": duration_s,
                "ExternalId": external_id,
            },
            idempotent=True,
        )
        return temporary_key(answer.object("Credentials"))
