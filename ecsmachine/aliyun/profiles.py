"""The profiles of the ``aliyun`` command: ``~/.aliyun/config.json``.

Source: the file that "aliyun configure" writes, and the modes of its release 3.4.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from ecsmachine.aliyun.access_key import (
    ApiAddress,
    CredentialProvider,
    Credentials,
    FixedCredentials,
    RenewedCredentials,
    temporary_key,
)
from ecsmachine.aliyun.errors import MissingCredentialsError
from ecsmachine.documents.fields import Fields, read_object
from ecsmachine.documents.rules import KEY, LINE, REGION, WEB_URL
from ecsmachine.documents.text import read_file
from ecsmachine.errors import MachineError
from ecsmachine.suggestions import instead_of
from ecsmachine.system.files import file_exists

MODES = (
    *("AK", "StsToken", "RamRoleArn", "ChainableRamRoleArn", "EcsRamRole"),
    *("RamRoleArnWithRoleName", "OIDC", "CloudSSO", "OAuth", "External", "CredentialsURI"),
)
"""The modes that are supported; the aliyun command also has BearerToken, Anonymous, RsaKeyPair."""

_URI_TIMEOUT_S = 10.0


def load(
    path: Path, name: str, sts: ApiAddress, environment: Mapping[str, str]
) -> CredentialProvider | None:
    """Return the credentials of a profile; of the current one if ``name`` is "".

    Roles are assumed at ``sts``. None if the profile is there but empty, as "aliyun configure"
    leaves it at first. Machines of one profile share its temporary key. Raises
    :class:`MachineError` if there is no such profile, or its mode is not supported.
    """
    version = (0, 0)
    with suppress(OSError):  # reading it says why
        there = path.stat()
        version = (there.st_mtime_ns, there.st_size)
    return _loaded(path, version, name, sts, tuple(sorted(environment.items())))


@lru_cache(maxsize=8)
def _loaded(
    path: Path,
    version: tuple[int, int],
    name: str,
    sts: ApiAddress,
    environment: tuple[tuple[str, str], ...],
) -> CredentialProvider | None:
    content = _read(path)
    profiles = _by_name(path, content)
    wanted = name or content.text("current") or "default"
    if wanted not in profiles:
        raise MissingCredentialsError(
            f'There is no profile "{wanted}" in {path}', hint=instead_of(wanted, profiles)
        )
    return _Profile(path, profiles, sts, dict(environment), wanted, profiles[wanted]).credentials()


def _by_name(path: Path, content: Fields) -> dict[str, Fields]:
    if not content.has("profiles"):
        raise MachineError(f"{path} holds no profiles", hint='Run "aliyun configure".')
    return {profile.text("name"): profile for profile in content.objects("profiles")}


@dataclass(frozen=True)
class _Profile:
    """A profile being read, among those of its file; ``seen`` have led to it."""

    path: Path
    profiles: Mapping[str, Fields]
    sts: ApiAddress
    environment: Mapping[str, str]
    name: str
    fields: Fields
    seen: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """What the store keeps of credentials that come from the profile."""
        return f"profile:{self.name}"

    def credentials(self) -> CredentialProvider | None:
        """Return the credentials of the profile, or None if it holds none."""
        mode = self.fields.text("mode") or "AK"
        known = next((each for each in MODES if each.lower() == mode.lower()), "")
        match known:
            case "AK" | "StsToken":
                return self._key(with_token=known == "StsToken")
            case "RamRoleArn":
                return self._assumed(self._key())
            case "EcsRamRole":
                return self._instance_role()
            case "RamRoleArnWithRoleName":
                return self._assumed(self._instance_role())
            case "ChainableRamRoleArn":
                return self._assumed(self._source())
            case "OIDC":
                return self._by_token()
            case "CloudSSO" | "OAuth":
                return RenewedCredentials(self.reference, self._from_login)
            case "External":
                return RenewedCredentials(self.reference, self._from_program)
            case "CredentialsURI":
                return RenewedCredentials(self.reference, self._from_uri)
        raise self._error(
            f"has the mode {mode}, which is not supported", f"Use {', '.join(MODES)}."
        )

    def _error(self, reason: str, hint: str = "") -> MachineError:
        return MachineError(
            f'The profile "{self.name}" in {self.path} {reason}',
            hint=hint or f'Correct it with "aliyun configure --profile {self.name}".',
        )

    def _key(self, *, with_token: bool = True) -> FixedCredentials | None:
        """Return the access key that the profile holds, if it holds one."""
        key_id = self.fields.text("access_key_id", KEY)
        secret = self.fields.text("access_key_secret", KEY)
        if not key_id or not secret:
            return None
        token = self.fields.text("sts_token", KEY) if with_token else ""
        return FixedCredentials(self.reference, Credentials(key_id, secret, token))

    def _instance_role(self) -> CredentialProvider:
        from ecsmachine.aliyun import metadata

        role = self.fields.text("ram_role_name")
        return metadata.role_credentials(role, reference=self.reference)

    def _source(self) -> CredentialProvider | None:
        """Return the credentials of the profile that a profile names as its source."""
        source = self.fields.text("source_profile")
        seen = (*self.seen, self.name)
        if source not in self.profiles or source in seen:
            raise self._error("has no usable source_profile")
        return replace(self, name=source, fields=self.profiles[source], seen=seen).credentials()

    def _assumed(self, base: CredentialProvider | None) -> CredentialProvider | None:
        """Return the credentials of the role that the profile names, assumed with ``base``."""
        if base is None:
            return None
        profile, role = self.fields, self._named("ram_role_arn")
        duration_s = profile.number("expired_seconds") or 3600
        session = profile.text("ram_session_name") or f"ecsmachine-{int(time.time())}"
        address, region = self._sts()

        def fetch() -> tuple[Credentials, float]:
            from ecsmachine.aliyun.sts import client_at

            return client_at(address, region, base).assume_role(
                role,
                session_name=session,
                duration_s=duration_s,
                external_id=profile.text("external_id"),
            )

        return RenewedCredentials(self.reference, fetch)

    def _by_token(self) -> CredentialProvider:
        """Return the credentials of the role that the profile names, assumed with an OIDC token."""
        from ecsmachine.aliyun import oidc

        role = oidc.TokenRole(
            self._named("ram_role_arn"),
            self._named("oidc_provider_arn"),
            self._named("oidc_token_file"),
            self.fields.text("ram_session_name"),
            self.fields.number("expired_seconds") or 3600,
        )
        address, region = self._sts()

        def fault(reason: str) -> MachineError:
            return self._error(
                f"has an oidc_token_file ({role.token_file}) that cannot be used: {reason}",
                "Let a new token be written into it.",
            )

        return oidc.role_credentials(self.reference, role, region, address, fault)

    def _named(self, field: str) -> str:
        """Return a text that the profile must have."""
        value = self.fields.text(field)
        if not value:
            raise self._error(f"names no {field}")
        return value

    def _sts(self) -> tuple[ApiAddress, str]:
        """Return where the role of the profile is assumed, and the region for it."""
        address = self.fields.text("sts_endpoint")
        if address and "://" not in address:
            address = f"https://{address}"
        return (
            replace(self.sts, custom_endpoint=self.sts.custom_endpoint or address),
            self.fields.text("sts_region", REGION) or self.fields.text("region_id", REGION),
        )

    def _from_login(self) -> tuple[Credentials, float]:
        """Return the temporary key that the aliyun command has stored after a login."""
        now = self
        if file_exists(self.path):  # not a pipe: another key may be stored there meanwhile
            there = _by_name(self.path, _read(self.path))
            now = replace(self, fields=there.get(self.name, self.fields))
        key, ends = now._key(), now.fields.number("sts_expiration")
        if key is None or ends <= time.time():
            raise self._error(
                "has no temporary key that is still valid",
                f'"aliyun sts GetCallerIdentity --profile {self.name}" gets one. If your login has '
                f'ended too, run "aliyun configure --profile {self.name}" first.',
            )
        return key.current(), float(ends)

    def _from_program(self) -> tuple[Credentials, float]:
        """Return what the program of a profile prints: the credentials of another profile."""
        self._check_outside()

        def fault(reason: str) -> MachineError:
            return self._error(f"has a process_command without a usable answer: {reason}")

        answer = read_object(self._printed(), fault, loose=True)
        values = {**self.fields.values, "mode": "", **answer.values}
        if not values["mode"] and answer.has("sts_token"):
            values["mode"] = "StsToken"
        if str(values["mode"]).lower() == "external":
            raise self._error("has a process_command that names another one")
        found = replace(self, fields=Fields(values, fault, loose=True)).credentials()
        if found is None:
            raise self._error("has a process_command that prints no credentials")
        return found.current(), math.inf

    def _printed(self) -> bytes:
        """Return what its program prints; it may ask at the terminal, and complain there."""
        import subprocess

        from ecsmachine.system.programs import arguments

        try:
            done = subprocess.run(
                arguments(self.fields.text("process_command")),
                stdout=subprocess.PIPE,
                env=dict(self.environment),
                check=False,
            )
        except (OSError, ValueError, IndexError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise self._error(f"has a process_command that cannot run: {reason}") from None
        if done.returncode:
            raise self._error(f"has a process_command that failed with status {done.returncode}")
        return done.stdout

    def _from_uri(self) -> tuple[Credentials, float]:
        """Return the temporary key that an address answers with."""
        self._check_outside()
        uri = self.fields.text("credentials_uri", WEB_URL) or self.environment.get(
            "ALIBABA_CLOUD_CREDENTIALS_URI", ""
        )
        if not WEB_URL.fits(uri):
            raise self._error("has no usable credentials_uri")
        import requests

        from ecsmachine.http_client.session import BoundedSession

        session = BoundedSession()
        try:
            answer = session.get(uri, timeout=_URI_TIMEOUT_S)
        except requests.RequestException:
            raise self._error("has a credentials_uri that does not answer") from None
        finally:
            session.close()
        fields = read_object(
            answer.content,
            lambda reason: self._error(f"has a credentials_uri without a usable answer: {reason}"),
        )
        code = fields.text("Code", LINE, "Success")
        if not answer.ok or code != "Success":
            raise self._error(f"has a credentials_uri that refuses: {answer.status_code} {code}")
        return temporary_key(fields)

    def _check_outside(self) -> None:
        """Raise if programs and addresses must not be asked for credentials."""
        variable = "ALIBABA_CLOUD_DISABLE_EXTERNAL_PROCESS"
        if self.environment.get(variable, "").lower() in ("1", "true"):
            raise self._error(
                "takes its credentials from a program or an address, which is disabled",
                f"Unset {variable}, or use another profile.",
            )


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
