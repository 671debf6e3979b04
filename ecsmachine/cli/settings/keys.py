"""What files of settings may say: keys, and what is refused in them."""

from __future__ import annotations

from os.path import isabs

from ecsmachine.suggestions import did_you_mean, instead_of

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

VARIABLES = {
    "storage-path": "MACHINE_STORAGE_PATH",
    "credentials": "ECSMACHINE_CREDENTIALS",
    "region": "ECS_REGION",
    "zone": "ECS_ZONE",
    "vpc-id": "ECS_VPC_ID",
    "vswitch-id": "ECS_VSWITCH_ID",
    "security-group": "ECS_SECURITY_GROUP",
    "resource-group-id": "ECS_RESOURCE_GROUP_ID",
    "api-endpoint": "ECS_API_ENDPOINT",
    "driver": "MACHINE_DRIVER",
    "ssh-jump": "ECSMACHINE_SSH_JUMP",
    "ssh-control-persist": "MACHINE_SSH_CONTROL_PERSIST",
    "native-ssh": "MACHINE_NATIVE_SSH",
    "tls-key-type": "MACHINE_TLS_KEY_TYPE",
    "tls-ca-cert": "MACHINE_TLS_CA_CERT",
    "tls-ca-key": "MACHINE_TLS_CA_KEY",
    "tls-client-cert": "MACHINE_TLS_CLIENT_CERT",
    "tls-client-key": "MACHINE_TLS_CLIENT_KEY",
}
"""The keys of a user's file, and of a profile, that say what a variable says; which."""

PATHS = frozenset(
    ("storage-path", "tls-ca-cert", "tls-ca-key", "tls-client-cert", "tls-client-key")
)
"""Keys whose values are paths: whole ones, or below ~/."""

_NO_TEXTS: dict[str, type] = {"native-ssh": bool, "ssh-control-persist": int}

ACCESS_KEYS = (
    *("ECS_PROFILE", "ECS_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALICLOUD_ACCESS_KEY"),
    *("ALIBABA_CLOUD_PROFILE", "ALICLOUD_PROFILE", "ALIBABA_CLOUD_ECS_METADATA"),
)
"""Variables that win over the key ``credentials``."""

OF_A_CLOUD = frozenset(
    ("zone", "vpc-id", "vswitch-id", "security-group", "resource-group-id", "credentials")
)
"""Keys that name something of a cloud, which a variable that leads to another cloud switches off.

That is ECS_API_ENDPOINT, as "local env" sets it."""

OF_A_PROJECT = frozenset(
    (
        *("region", "zone", "vpc-id", "vswitch-id", "resource-group-id", "instance-type"),
        *("architecture", "image-os", "description", "tag", "private-address-only"),
        *("system-disk-size", "system-disk-category", "disk-size", "disk-category", "disk-fs"),
        *("internet-max-bandwidth", "auto-release-time", "spot-strategy"),
        *("engine-label", "engine-version", "engine-storage-driver", "swarm-mode"),
        *("max-price", "auto-release", "no-provision"),
    )
)
"""The options of ``create``, without the driver's prefix, that a project's file may give.

Whoever wrote a file in a folder that somebody enters must not choose who is connected to, whose
rights are used, what is run, installed or trusted, or who may connect.
"""

NEVER = frozenset(("json", "quiet", "help", "all", "like", "orphans"))
"""Options that are for the command line alone."""

_SECRET_NAMES = ("secret", "password", "passphrase", "token", "access-key")
_SECRETS = r"\bLTAI[0-9A-Za-z]{12,}|://[^/@\s]+:[^/@\s]+@|-----BEGIN [A-Z ]*PRIVATE KEY"
_IN_SECRETS = ("LTAI", "@", "PRIVATE KEY")
"""What stands in each of them."""


class FaultError(Exception):
    """What is wrong with a key: where it stands, what it is, and what to do."""

    def __init__(self, path: tuple[str, ...], message: str, hint: str):
        super().__init__(message)
        self.path = path
        self.message = message
        self.hint = hint


def check(content: dict[str, Any], commands: Iterable[str], *, project: bool) -> None:
    """Look through what a file holds. Raises :class:`FaultError` for the first that is wrong.

    Which options a command has is looked at when it is called, or by ``settings``.
    """
    _check_no_secrets(content, ())
    for key, value in content.items():
        if key == "sets" or (key == "profiles" and not project):
            for name, inner in _table((key,), value).items():
                path = (key, name)
                if key == "sets":
                    _check_options(path, inner, project=project)
                else:
                    _check_keys(path, _table(path, inner), commands, own=())
        elif project:
            if key != "create":
                raise FaultError(
                    (key,),
                    f'"{key}" is not allowed in the file of a project',
                    "Only [create] and [sets.NAME] are. Put the rest into your own file: see "
                    '"ecsmachine settings".',
                )
            _check_options((key,), value, project=True)
    if not project:
        _check_keys((), content, commands, own=("profile", "profiles", "sets"))


def is_secret(name: str) -> bool:
    """Whether the value of an option is for nobody to see."""
    return any(word in name for word in _SECRET_NAMES)


def _check_keys(
    path: tuple[str, ...],
    content: dict[str, Any],
    commands: Iterable[str],
    own: tuple[str, ...],
) -> None:
    for key, value in content.items():
        here = (*path, key)
        if key in VARIABLES or (key == "profile" and key in own):
            _check_value(here, key, value)
        elif key in own:
            continue
        elif key in commands:
            _check_options(here, value, project=False)
        else:
            known = {*own, *(commands if isinstance(value, dict) else VARIABLES)}
            raise FaultError(here, f'"{key}" is not known', instead_of(key, sorted(known)))


def _check_value(path: tuple[str, ...], key: str, value: Any) -> None:
    kind = _NO_TEXTS.get(key, str)
    if value == "":
        raise FaultError(path, f'"{key}" is empty', "Give it a value, or leave it out.")
    if type(value) is not kind:
        what = {bool: "true or false", int: "a whole number", str: "a text in quotes"}[kind]
        raise FaultError(path, f'"{key}" is not {what}', "Correct it.")
    text = str(value)
    if key in PATHS and not (text.startswith("~/") or isabs(text)):
        raise FaultError(
            path, f'"{key}" is not an absolute path: "{text}"', "Begin it with / or ~/."
        )
    if key == "credentials":
        from ecsmachine.documents.rules import CREDENTIAL_SOURCE

        if not CREDENTIAL_SOURCE.fits(text):
            raise FaultError(
                path,
                f'"{key}" names no source of credentials: "{text}"',
                'Use "profile:NAME" (of the aliyun command), "ram-role:NAME", or "ram-role".',
            )


def _check_options(path: tuple[str, ...], value: Any, *, project: bool) -> None:
    """Look at the options of a command, and of those below it."""
    for key, inner in _table(path, value).items():
        here = (*path, key)
        if key in NEVER:
            raise FaultError(
                here, f"--{key} can only be given on the command line", "Leave it out."
            )
        if project and key.removeprefix("aliyunecs-") not in OF_A_PROJECT:
            meant = did_you_mean(key, OF_A_PROJECT)
            raise FaultError(
                here,
                f'"{key}" is not allowed in the file of a project',
                f"{meant} Otherwise, give it on the command line, or in your own file."
                if meant
                else "Give it on the command line, or in your own file.",
            )
        if isinstance(inner, dict):
            if path[0] == "sets" or path[-1] == "create":  # below which there are no commands
                raise FaultError(
                    here,
                    f'"{key}" is a table, and no option of "create"',
                    f"Write options into [{'.'.join(path)}].",
                )
            _check_options(here, inner, project=project)
        elif not isinstance(inner, (str, bool, int, float)) and not (
            isinstance(inner, list) and all(type(each) in (str, int, float) for each in inner)
        ):
            raise FaultError(
                here,
                f'"{key}" is none of: a text, a number, true or false, a list of texts or numbers',
                "Correct it.",
            )


def _check_no_secrets(value: Any, path: tuple[str, ...]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            here = (*path, key)
            if not isinstance(inner, dict) and is_secret(key):
                raise FaultError(
                    here, f'"{key}" is a secret, and does not belong in a settings file', _BELONGS
                )
            _check_no_secrets(inner, here)
    elif isinstance(value, list):
        for each in value:
            _check_no_secrets(each, path)
    elif isinstance(value, str) and holds_secret(value):
        raise FaultError(path, f'The value of "{path[-1]}" holds a secret', _BELONGS)


def holds_secret(text: str) -> bool:
    """Whether an access key, a password in a URL or a private key stands in a text."""
    if not any(part in text for part in _IN_SECRETS):
        return False
    import re  # takes longer to load than a short command takes

    return re.search(_SECRETS, text) is not None


_BELONGS = (
    'Access keys belong in ~/.aliyun/config.json ("aliyun configure --profile NAME", then '
    'credentials = "profile:NAME" here), other secrets in variables.'
)


def _table(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FaultError(path, f'"{path[-1]}" is not a table', f"Write [{'.'.join(path)}].")
    return value
