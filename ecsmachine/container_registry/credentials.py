"""Who one is at a registry: what ``docker login`` has stored in ~/.docker/config.json."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Login:
    """A user and a password, or a token in its place."""

    user: str
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        """The value of an Authorization header."""
        pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return f"Basic {pair}"


def stored_login(config: Path, url: str) -> Login | None:
    """Return the login for a registry that Docker's configuration holds in clear, if any.

    Logins that Docker keeps in a credential helper are not found.
    """
    try:
        auths = json.loads(config.read_text(encoding="utf-8")).get("auths", {})
    except (OSError, ValueError, AttributeError):
        return None
    host = urlsplit(url).netloc
    for place, entry in auths.items() if isinstance(auths, dict) else ():
        if place.partition("://")[2].partition("/")[0] == host or place == host:
            try:
                user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
            except (KeyError, TypeError, ValueError):
                continue
            if user and password:
                return Login(user, password)
    return None
