"""Who one is at a registry: what ``docker login`` has stored in ~/.docker/config.json."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from ecsmachine.documents.fields import read_object
from ecsmachine.documents.text import read_file
from ecsmachine.errors import MachineError


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

    Logins that Docker keeps in a credential helper are not found. Raises :class:`MachineError` if
    the file cannot be read.
    """

    def fault(reason: str) -> MachineError:
        return MachineError(
            f"The docker client's settings cannot be read: {config}: {reason}",
            hint="Correct that file; it must hold a JSON object.",
        )

    try:
        auths = read_object(read_file(config, fault), fault).object("auths")
    except FileNotFoundError:
        return None
    host = urlsplit(url).netloc
    for place in auths.values:
        if place.partition("://")[2].partition("/")[0] == host or place == host:
            pair = auths.object(place).base64("auth").decode("utf-8", "replace")
            user, _, password = pair.partition(":")
            if user and password:
                return Login(user, password)
    return None
