"""Security Token Service (version 2015-04-01): who am I, and taking on a role."""

from __future__ import annotations

from ecsmachine.aliyun.access_key import (
    ApiAddress,
    CredentialProvider,
    Credentials,
    temporary_key,
)
from ecsmachine.aliyun.regional import RegionalClient
from ecsmachine.aliyun.rpc import Parameter
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
        return self._key(
            "AssumeRole",
            RoleArn=role_arn,
            RoleSessionName=session_name,
            DurationSeconds=duration_s,
            ExternalId=external_id,
        )

    def assume_role_with_oidc(
        self, role_arn: str, *, provider_arn: str, token: str, session_name: str, duration_s: int
    ) -> tuple[Credentials, float]:
        """Return the same for the owner of an OIDC token (AssumeRoleWithOIDC, not signed)."""
        return self._key(
            "AssumeRoleWithOIDC",
            RoleArn=role_arn,
            OIDCProviderArn=provider_arn,
            OIDCToken=token,
            RoleSessionName=session_name,
            DurationSeconds=duration_s,
        )

    def _key(self, action: str, **parameters: Parameter) -> tuple[Credentials, float]:
        answer = self.rpc.call(action, parameters, idempotent=True)
        return temporary_key(answer.object("Credentials"))


def client_at(address: ApiAddress, region: str, credentials: CredentialProvider) -> StsClient:
    """Return a client for an address, or for that of the region."""
    return StsClient(
        region or "cn-hangzhou",
        credentials,
        custom_endpoint=address.custom_endpoint,
        vpc_internal=address.vpc_internal,
    )
