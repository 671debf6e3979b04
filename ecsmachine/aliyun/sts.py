"""Security Token Service (version 2015-04-01): who am I, and taking on a role."""

from __future__ import annotations

from ecsmachine.aliyun.access_key import Credentials, temporary_key
from ecsmachine.aliyun.regional import RegionalClient
from ecsmachine.documents.rules import ID


class StsClient(RegionalClient):
    """STS in a region; its requests do not name it."""

    PRODUCT = "sts"
    VERSION = "2015-04-01"

    def account_id(self) -> str:
        """Return the id of the account that the credentials belong to (GetCallerIdentity)."""
        return self.rpc.call("GetCallerIdentity", {}).text("AccountId", ID)

    def assume_role(
        self, role_arn: str, *, session_name: str, duration_s: int, external_id: str = ""
    ) -> tuple[Credentials, float]:
        """Return a temporary key of a role, and when it expires (AssumeRole)."""
        answer = self.rpc.call(
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
