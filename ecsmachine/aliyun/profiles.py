"""The profiles of the ``aliyun`` command: ``~/.aliyun/config.json``.

Source: the file that "aliyun configure" writes; modes AK, StsToken, RamRoleArn,
ChainableRamRoleArn and EcsRamRole.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from ecsmachine.aliyun.access_key import (
    CredentialProvider,
    Credentials,
    FixedCredentials,
    RenewedCredentials,
    StsAddress,
)
from ecsmachine.aliyun.errors import MissingCredentialsError
from ecsmachine.documents.fields import Fields, read_object
from ecsmachine.documents.rules import KEY, REGION
from ecsmachine.documents.text import read_file
from ecsmachine.errors import MachineError
from ecsmachine.suggestions import instead_of


def load(path: Path, name: str, sts: StsAddress) -> CredentialProvider | None:
    """Return the credentials of a profile; of the current one if ``name`` is "".

    Roles are assumed at ``sts``. None if the profile is there but empty, as "aliyun configure"
    leaves it at first. Raises :class:`MachineError` if there is no such profile, or its mode is
    not supported.
    """
    content = _read(path)
    if not content.has("profiles"):
        raise MachineError(f"{path} holds no profiles", hint='Run "aliyun configure".')
    by_name = {profile.text("name"): profile for profile in content.objects("profiles")}
    wanted = name or content.text("current") or "default"
    if wanted not in by_name:
        raise MissingCredentialsError(
            f'There is no profile "{wanted}" in {path}', hint=instead_of(wanted, by_name)
        )
    return _credentials(wanted, by_name, path, sts, seen=())


def _credentials(
    name: str, profiles: Mapping[str, Fields], path: Path, sts: StsAddress, *, seen: tuple[str, ...]
) -> CredentialProvider | None:
    profile = profiles[name]
    reference = f"profile:{name}"
    mode = profile.text("mode", default="AK")
    key_id = profile.text("access_key_id", KEY)
    secret = profile.text("access_key_secret", KEY)
    token = profile.text("sts_token", KEY)
    if mode == "EcsRamRole":
        from ecsmachine.aliyun import metadata

        return metadata.role_credentials(profile.text("ram_role_name"), reference=reference)
    if mode == "ChainableRamRoleArn":
        source = profile.text("source_profile")
        if source not in profiles or source in (*seen, name):
            raise MachineError(
                f'The profile "{name}" in {path} has no usable source_profile',
                hint=f'Correct it with "aliyun configure --profile {name}".',
            )
        base = _credentials(source, profiles, path, sts, seen=(*seen, name))
        return None if base is None else _assumed(name, profile, base, path, sts)
    if mode not in ("AK", "StsToken", "RamRoleArn"):
        raise MachineError(
            f'The profile "{name}" in {path} has the mode {mode}, which is not supported',
            hint="Use AK, StsToken, RamRoleArn, ChainableRamRoleArn or EcsRamRole.",
        )
    if not key_id or not secret:
        return None
    fixed = FixedCredentials(reference, Credentials(key_id, secret, token if mode != "AK" else ""))
    if mode != "RamRoleArn":
        return fixed
    return _assumed(name, profile, fixed, path, sts)


def _assumed(
    name: str, profile: Fields, base: CredentialProvider, path: Path, sts: StsAddress
) -> CredentialProvider:
    """Return the credentials of the role that a profile names, assumed with ``base``."""
    from ecsmachine.aliyun.sts import StsClient

    role = profile.text("ram_role_arn")
    if not role:
        raise MachineError(
            f'The profile "{name}" in {path} names no ram_role_arn',
            hint=f'Run "aliyun configure --profile {name}".',
        )
    region = (
        profile.text("sts_region", REGION) or profile.text("region_id", REGION) or "cn-hangzhou"
    )
    duration_s = profile.number("expired_seconds") or 3600
    session = profile.text("ram_session_name") or f"ecsmachine-{int(time.time())}"

    def fetch() -> tuple[Credentials, float]:
        client = StsClient(
            region, base, custom_endpoint=sts.custom_endpoint, vpc_internal=sts.vpc_internal
        )
        return client.assume_role(
            role,
            session_name=session,
            duration_s=duration_s,
            external_id=profile.text("external_id"),
        )

    return RenewedCredentials(f"profile:{name}", fetch)


def _read(path: Path) -> Fields:
    """Return what the file holds, with its errors as one line."""

    def fault(reason: str) -> MachineError:
        return MachineError(
            f"{path} cannot be used: {reason}",
            hint='Correct it, run "aliyun configure", or set ECS_ACCESS_KEY_ID and '
            "ECS_ACCESS_KEY_SECRET.",
        )

    try:
        # the aliyun command's releases, and people, write numbers as texts too
        return read_object(read_file(path, fault, pipes=True), fault, loose=True)
    except FileNotFoundError:
        raise MissingCredentialsError(
            f"There is no {path}", hint='Run "aliyun configure", or set ECS_ACCESS_KEY_ID.'
        ) from None
