"""Where the access key comes from: flags, variables, the aliyun command's profiles, a RAM role.

The order is: flags; ``ECS_*`` variables; ``ALIBABA_CLOUD_*`` variables, with a key or with an OIDC
token; what ``ECSMACHINE_CREDENTIALS`` refers to; a profile of the ``aliyun`` command
(``~/.aliyun/config.json``); the RAM role of the ECS instance that this runs on. What is kept of it
in a store is a reference (``environment``, ``profile:NAME``, …).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ecsmachine.aliyun.access_key import (
    PUBLIC,
    ApiAddress,
    CredentialProvider,
    Credentials,
    FixedCredentials,
)
from ecsmachine.aliyun.errors import MissingCredentialsError
from ecsmachine.documents.rules import CREDENTIAL_SOURCE, KEY
from ecsmachine.errors import UsageError
from ecsmachine.system.files import path_exists

_CONFIGURE = 'run "aliyun configure"'
_DMI_VENDOR = Path("/sys/class/dmi/id/sys_vendor")


@dataclass(frozen=True)
class CredentialFlags:
    """What the command line says about credentials.

    ``named`` are its options for id and secret, ``command`` is the one that names others for good.
    ``reference`` says where the key is from: :data:`STORED` if a machine's configuration keeps it.
    """

    access_key_id: str = ""
    access_key_secret: str = field(default="", repr=False)
    security_token: str = field(default="", repr=False)
    profile: str = ""
    named: tuple[str, str] | None = None
    command: str = ""
    reference: str = "flags"


STORED = "config.json"
"""The reference of a key that a machine's configuration keeps."""


def resolve(
    flags: CredentialFlags,
    environment: Mapping[str, str],
    *,
    reference: str = "",
    sts: ApiAddress = PUBLIC,
    warn: Callable[[str], None] = lambda line: None,
) -> CredentialProvider:
    """Return the first credentials that are there, in the order of this module.

    ``reference`` is where those of a machine that exists came from: it goes before the profiles
    and the RAM role. Where it leads nowhere any more, ``warn`` is told what is taken in its
    place. Raises :class:`MissingCredentialsError`, or :class:`UsageError` for an id without its
    secret.
    """
    command = f'"{flags.command}"' if flags.command else ""
    id_option, secret_option = flags.named or ("the access key id", "the access key secret")
    found = _pair(
        flags.reference,
        (flags.access_key_id, id_option),
        (flags.access_key_secret, secret_option),
        flags.security_token,
    )
    if found:
        return found
    if flags.profile:
        return _profile(flags.profile, environment, sts)
    found = _from_variables("ECS", environment)
    if found:
        return found
    lost = ""
    if reference.startswith("profile:"):
        try:
            return _profile(reference.removeprefix("profile:"), environment, sts)
        except MissingCredentialsError as error:
            lost = error.message
    elif reference.startswith("ram-role"):
        if _may_have_role(environment):
            return _instance_role(reference.partition(":")[2], environment)
        lost = "This computer is not an ECS instance with a RAM role"
    found = (
        _from_variables("ALIBABA_CLOUD", environment)
        or _from_variables("ALICLOUD", environment)
        or _from_token(environment, sts)
    )
    if found is None:
        if reference == "environment":
            lost = "The credentials are no longer in the environment (ECS_ACCESS_KEY_ID)"
        found = _referred_to(environment, sts) or _current_profile(environment, sts)
    if found is None and _may_have_role(environment):
        found = _instance_role(environment.get("ALIBABA_CLOUD_ECS_METADATA", ""), environment)
    if found is None:
        raise MissingCredentialsError(
            lost or "No Alibaba Cloud credentials were found",
            hint="Set ECS_ACCESS_KEY_ID and ECS_ACCESS_KEY_SECRET, "
            + (f"give {id_option} and {secret_option}, " if flags.named and not lost else "")
            + f"or {f'choose others with {command}' if lost and command else _CONFIGURE}.",
        )
    if lost:
        taken = f"{lost}: using those of {source_name(found.reference)}"
        warn(f"{taken}. {command} makes that permanent." if command else taken)
    return found


def provider_of(
    reference: str, environment: Mapping[str, str], *, sts: ApiAddress = PUBLIC
) -> CredentialProvider:
    """Return the credentials that a reference names, and no others.

    References are ``environment``, ``profile:NAME``, ``ram-role`` and ``ram-role:NAME``. Raises
    :class:`MissingCredentialsError` if they are not there.
    """
    if reference.startswith("profile:"):
        return _profile(reference.removeprefix("profile:"), environment, sts)
    if reference.partition(":")[0] == "ram-role":
        return _instance_role(reference.partition(":")[2], environment)
    for prefix in ("ECS", "ALIBABA_CLOUD", "ALICLOUD"):
        found = _from_variables(prefix, environment)
        if found:
            return found
    found = _from_token(environment, sts)
    if found:
        return found
    raise MissingCredentialsError(
        "There are no credentials in the environment",
        hint="Set ECS_ACCESS_KEY_ID and ECS_ACCESS_KEY_SECRET.",
    )


def source_name(reference: str) -> str:
    """Return a reference as a person says it."""
    kind, _, name = reference.partition(":")
    if kind == "profile":
        return f'the profile "{name}"'
    if kind == "ram-role":
        return f"the RAM role {name} of this instance" if name else "this instance's RAM role"
    names = {
        "environment": "the environment",
        "flags": "the command line",
        STORED: "the keys in config.json",
    }
    return names.get(kind, reference)


def _current_profile(environment: Mapping[str, str], sts: ApiAddress) -> CredentialProvider | None:
    named = environment.get("ALIBABA_CLOUD_PROFILE") or environment.get("ALICLOUD_PROFILE") or ""
    path = _profiles_path(environment)
    if not named and not path_exists(path):
        return None
    from ecsmachine.aliyun import profiles

    return profiles.load(path, named, sts, environment)


def _referred_to(environment: Mapping[str, str], sts: ApiAddress) -> CredentialProvider | None:
    reference = environment.get("ECSMACHINE_CREDENTIALS", "")
    others = ("ALIBABA_CLOUD_PROFILE", "ALICLOUD_PROFILE", "ALIBABA_CLOUD_ECS_METADATA")
    if not reference or any(environment.get(name) for name in others):
        return None
    if not CREDENTIAL_SOURCE.fits(reference):
        raise UsageError(
            f'ECSMACHINE_CREDENTIALS names no source of credentials: "{reference}"',
            hint="Use profile:NAME, ram-role:NAME, or ram-role.",
        )
    return provider_of(reference, environment, sts=sts)


def _from_variables(prefix: str, environment: Mapping[str, str]) -> CredentialProvider | None:
    key_id, secret = f"{prefix}_ACCESS_KEY_ID", f"{prefix}_ACCESS_KEY_SECRET"
    if prefix == "ALICLOUD":
        key_id, secret = "ALICLOUD_ACCESS_KEY", "ALICLOUD_SECRET_KEY"
    return _pair(
        "environment",
        (environment.get(key_id, ""), key_id),
        (environment.get(secret, ""), secret),
        environment.get(f"{prefix}_SECURITY_TOKEN", ""),
    )


def _from_token(environment: Mapping[str, str], sts: ApiAddress) -> CredentialProvider | None:
    if not environment.get("ALIBABA_CLOUD_OIDC_TOKEN_FILE"):
        return None
    from ecsmachine.aliyun import oidc

    return oidc.from_variables(environment, sts)


def _pair(
    reference: str, key_id: tuple[str, str], secret: tuple[str, str], token: str
) -> CredentialProvider | None:
    """Return the credentials of an id and a secret, each with the name of its source."""
    values = [key_id[0].strip(), secret[0].strip()]
    if not any(values):
        return None
    for value, (_, name), (_, other) in zip(
        values, (key_id, secret), (secret, key_id), strict=True
    ):
        if not value:
            raise UsageError(f"{other} is given, but not {name}", hint="Give both, or neither.")
        if not KEY.fits(value):
            raise UsageError(
                f"The value of {name} is not an access key: it has characters that access keys "
                "cannot have",
                hint="Copy it again from https://ram.console.aliyun.com.",
            )
    token = token.strip()
    if token and not KEY.fits(token):
        raise UsageError(
            f"The security token of {key_id[1]} has characters that tokens cannot have",
            hint="Get a new one: a token is valid for some hours only.",
        )
    return FixedCredentials(reference, Credentials(values[0], values[1], token))


def _profile(name: str, environment: Mapping[str, str], sts: ApiAddress) -> CredentialProvider:
    from ecsmachine.aliyun import profiles

    path = _profiles_path(environment)
    found = profiles.load(path, name, sts, environment)
    if found is None:
        raise MissingCredentialsError(
            f'The profile "{name}" in {path} holds no credentials',
            hint=f'Run "aliyun configure --profile {name}".',
        )
    return found


def _profiles_path(environment: Mapping[str, str]) -> Path:
    given = environment.get("ALIBABA_CLOUD_CONFIG_FILE")
    if given:
        return Path(given)
    home = environment.get("HOME") or environment.get("USERPROFILE") or "/nonexistent"
    return Path(home) / ".aliyun" / "config.json"


def _instance_role(role: str, environment: Mapping[str, str]) -> CredentialProvider:
    from ecsmachine.aliyun import metadata

    if environment.get("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "").lower() == "true":
        raise MissingCredentialsError(
            "Asking for the instance's RAM role is disabled",
            hint="Unset ALIBABA_CLOUD_ECS_METADATA_DISABLED, or set ECS_ACCESS_KEY_ID.",
        )
    return metadata.role_credentials(role)


def _may_have_role(environment: Mapping[str, str]) -> bool:
    """Whether this computer is an ECS instance, or is said to be one with a role."""
    if environment.get("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "").lower() == "true":
        return False
    if environment.get("ALIBABA_CLOUD_ECS_METADATA"):
        return True
    try:
        return "Alibaba" in _DMI_VENDOR.read_text()
    except (OSError, ValueError):
        return False
