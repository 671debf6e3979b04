"""Configurations without the secrets that Docker Machine's drivers keep in them."""

from __future__ import annotations

import re
from typing import Any

_SECRET = re.compile(
    r"(password|passphrase|secret|token|(access|secret|api)_?key|^rawdriver)$", re.IGNORECASE
)
"""What the names of secrets in the configurations of Docker Machine's drivers end with.

``RawDriver``, of betas, is the driver's object in base64.
"""


def without_secrets(config: Any) -> Any:
    """Return a copy of a configuration in which the texts of secrets are empty."""
    if isinstance(config, list):
        return [without_secrets(entry) for entry in config]
    if not isinstance(config, dict):
        return config
    return {
        key: ""
        if value and isinstance(value, str) and _SECRET.search(key)
        else without_secrets(value)
        for key, value in config.items()
    }
