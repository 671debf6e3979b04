"""A role that is assumed with an OIDC token: of a CI job, or of a pod.

Source: AssumeRoleWithOIDC (STS), and the variables of Alibaba Cloud's SDKs. Whoever issues the
token renews its file, which is read for each temporary key.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from ecsmachine.aliyun.access_key import (
    NO_KEY,
    ApiAddress,
    CredentialProvider,
    Credentials,
    RenewedCredentials,
)
from ecsmachine.documents.rules import KEY
from ecsmachine.documents.text import Fault, read_file
from ecsmachine.errors import MachineError

_LONGEST_TOKEN = 16 << 10


@dataclass(frozen=True)
class TokenRole:
    """A role, the identity provider that it trusts, and the file with a token of the provider.

    ``duration_s`` is how long a temporary key is valid, in seconds.
    """

    role_arn: str
    provider_arn: str
    token_file: str
    session_name: str = ""
    duration_s: int = 3600


def role_credentials(
    reference: str, role: TokenRole, region: str, sts: ApiAddress, fault: Fault
) -> CredentialProvider:
    """Return the credentials of a role; ``fault`` makes the error for an unusable token."""
    session_name = role.session_name or f"ecsmachine-{int(time.time())}"

    def fetch() -> tuple[Credentials, float]:
        from ecsmachine.aliyun.sts import client_at

        return client_at(sts, region, NO_KEY).assume_role_with_oidc(
            role.role_arn,
            provider_arn=role.provider_arn,
            token=_token(role.token_file, fault),
            session_name=session_name,
            duration_s=role.duration_s,
        )

    return RenewedCredentials(reference, fetch)


def from_variables(environment: Mapping[str, str], sts: ApiAddress) -> CredentialProvider | None:
    """Return the credentials of the role that variables name, or None if they name none."""
    names = ("ROLE_ARN", "OIDC_PROVIDER_ARN", "OIDC_TOKEN_FILE")
    role, provider, file = (environment.get(f"ALIBABA_CLOUD_{name}", "") for name in names)
    if not (role and provider and file):
        return None
    session_name = environment.get("ALIBABA_CLOUD_ROLE_SESSION_NAME", "")
    region = environment.get("ALIBABA_CLOUD_STS_REGION", "")

    def fault(reason: str) -> MachineError:
        return MachineError(
            f"ALIBABA_CLOUD_OIDC_TOKEN_FILE ({file}) cannot be used: {reason}",
            hint="Let your CI write a new token, or set ECS_ACCESS_KEY_ID.",
        )

    return role_credentials(
        "environment", TokenRole(role, provider, file, session_name), region, sts, fault
    )


def _token(path: str, fault: Fault) -> str:
    try:
        content = read_file(path, fault, longest=_LONGEST_TOKEN)
    except FileNotFoundError:
        raise fault("there is no such file") from None
    token = content.decode(errors="replace").strip()
    if not KEY.fits(token):
        raise fault("it holds no token")
    return token
