"""Which values of requests and answers are secret, and how they are shown where others may read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"
# By the end of a name: UserData and scripts often hold passwords. "key" and "token", in small
# letters, are of Container Service; those of ECS with such an end (Tag.1.Key, ClientToken) are not.
_SECRET = re.compile(
    r".*(?i:password|passwd|secret|privatekey(?:body)?|(?:security|bearer|oidc)token|signature"
    r"|user_?data|commandcontent)|(?!public_key)(?:[a-z_]*_)?(?:key|token)|triggerUrl"
)
_IN_ADDRESSES = re.compile(r"(?i)([?&;](?:secret|token|triggerurl|signature|password)=)[^&;\s]*")
_SCRIPT_ACTIONS = ("RunCommand", "InvokeCommand")


def is_secret(name: str) -> bool:
    """Return whether a parameter (``LaunchTemplateData.UserData``) or field holds a secret."""
    words = [word for word in name.split(".") if not word.isdecimal()]
    last = words[-1] if words else ""
    return _SECRET.fullmatch(last) is not None


def masked(value: Any, name: str = "") -> Any:
    """Return a value (mappings and lists in all their depth) with ``***`` for each secret."""
    if isinstance(value, Mapping):
        return {key: masked(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item, name) for item in value]
    if value in (None, "", True, False) or not is_secret(name):
        return _IN_ADDRESSES.sub(rf"\1{MASK}", value) if isinstance(value, str) else value
    return MASK


def masked_parameters(action: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request's parameters with ``***`` for each secret."""
    shown: dict[str, Any] = masked(parameters)
    if action in _SCRIPT_ACTIONS and shown.get("Parameters"):
        shown["Parameters"] = MASK  # what a script is called with
    return shown
