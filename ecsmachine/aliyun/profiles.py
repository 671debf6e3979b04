"""The profiles of the ``aliyun`` command: ``~/.aliyun/config.json``.

Source: the file that "aliyun configure" writes; modes AK, StsToken, RamRoleArn,
ChainableRamRoleArn and EcsRamRole.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecsmachine.aliyun.access_key import (
    CredentialProvider,
    Credentials,
    FixedCredentials,
    RenewedCredentials,
    StsAddress,
)
from ecsmachine.aliyun.errors import MissingCredentialsError
from ecsmachine.errors import MachineError


def load(path: Path, name: str, sts: StsAddress) -> CredentialProvider | None:
    """Return the credentials of a profile; of the current one if ``name`` is "".

    Roles are assumed at ``sts``. None if the profile is there but empty, as "aliyun configure"
    leaves it at first. Raises :class:`MachineError` if there is no such profile, or its mode is
    not supported.
    """
    content = _read_json(path)
    profiles = content.get("profiles") if isinstance(content, dict) else None
    if not isinstance(profiles, list):
        raise MachineError(f"{path} holds no profiles", hint='Run "aliyun configure".')
    by_name = {profile.get("name"): profile for profile in profiles if isinstance(profile, dict)}
    wanted = name or str(content.get("current") or "default")
    if wanted not in by_name:
        known = ", ".join(str(each) for each in by_name)
        raise MissingCredentialsError(
            f'There is no profile "{wanted}" in {path}', hint=f"There is: {known}."
        )
    return _credentials(wanted, by_name, path, sts, seen=())


def _credentials(
    name: str,
    profiles: Mapping[Any, dict[str, Any]],
    path: Path,
    sts: StsAddress,
    *,
    seen: tuple[str, ...],
) -> CredentialProvider | None:
    profile = profiles[name]
    reference = f"profile:{name}"
    mode = profile.get("mode") or "AK"
    key_id = str(profile.get("access_key_id") or "")
    secret = str(profile.get("access_key_secret") or "")
    token = str(profile.get("sts_token") or "")
    if mode == "EcsRamRole":
        from ecsmachine.aliyun import metadata

        return metadata.role_credentials(
            str(profile.get("ram_role_name") or ""), reference=reference
        )
    if mode == "ChainableRamRoleArn":
        source = str(profile.get("source_profile") or "")
        if source not in profiles or source in (*seen, name):
            raise MachineError(
                f'The profile "{name}" in {path} has no usable source_profile',
                hint=f'Correct it with "aliyun configure --profile {name}".',
            )
        base = _credentials(source, profiles, path, sts, seen=(*seen, name))
        return None if base is None else _assumed(name, profile, base, path, sts)
    if mode not in ("AK", "StsToken", "RamRoleArn"):
        raise MachineError(
            f'The profile "{name}" in {path} is of mode {mode}, which is not supported',
            hint="Use AK, StsToken, RamRoleArn, ChainableRamRoleArn or EcsRamRole.",
        )
    if not key_id or not secret:
        return None
    fixed = FixedCredentials(reference, Credentials(key_id, secret, token if mode != "AK" else ""))
    if mode != "RamRoleArn":
        return fixed
    return _assumed(name, profile, fixed, path, sts)


def _assumed(
    name: str, profile: Mapping[str, Any], base: CredentialProvider, path: Path, sts: StsAddress
) -> CredentialProvider:
    """Return the credentials of the role that a profile names, assumed with ``base``."""
    from ecsmachine.aliyun.sts import StsClient

    role = str(profile.get("ram_role_arn") or "")
    if not role:
        raise MachineError(
            f'The profile "{name}" in {path} names no ram_role_arn',
            hint=f'Run "aliyun configure --profile {name}".',
        )
    region = str(profile.get("sts_region") or profile.get("region_id") or "cn-hangzhou")
    duration_s = _seconds(name, profile, path)
    session = str(profile.get("ram_session_name") or "") or f"ecsmachine-{int(time.time())}"

    def fetch() -> tuple[Credentials, float]:
        client = StsClient(
            region, base, custom_endpoint=sts.custom_endpoint, vpc_internal=sts.vpc_internal
        )
        return client.assume_role(
            role,
            session_name=session,
            duration_s=duration_s,
            external_id=str(profile.get("external_id") or ""),
        )

    return RenewedCredentials(f"profile:{name}", fetch)


def _seconds(name: str, profile: Mapping[str, Any], path: Path) -> int:
    given = profile.get("expired_seconds") or 3600
    try:
        return int(given)
    except (TypeError, ValueError):
        raise MachineError(
            f'The profile "{name}" in {path} has no number as its expired_seconds: {given}',
            hint="Correct it, for example to 3600.",
        ) from None


def _read_json(path: Path) -> Any:
    """Return what a JSON file holds, with its errors as one line."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingCredentialsError(
            f"There is no {path}", hint='Run "aliyun configure", or set ECS_ACCESS_KEY_ID.'
        ) from None
    except OSError as error:
        raise MachineError(
            f"{path} cannot be read: {error.strerror}",
            hint="Make it readable, or set ECS_ACCESS_KEY_ID and ECS_ACCESS_KEY_SECRET.",
        ) from None
    except ValueError:
        raise MachineError(
            f"{path} is not JSON", hint='Correct it, or run "aliyun configure".'
        ) from None
