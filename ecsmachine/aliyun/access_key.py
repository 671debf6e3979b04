"""Access keys, and what gives them: one that stays, or temporary ones that are fetched anew."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ecsmachine.documents.fields import Fields
from ecsmachine.documents.rules import KEY

_RENEW_BEFORE_S = 300.0
"""How long before its end a temporary key is replaced, in seconds."""


@dataclass(frozen=True)
class Credentials:
    """An access key; with ``security_token`` it is a temporary one."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str = field(default="", repr=False)


@dataclass(frozen=True)
class FixedCredentials:
    """An access key that does not change; ``reference`` says where it is from, for the store."""

    reference: str
    credentials: Credentials

    def current(self) -> Credentials:
        """Return the key."""
        return self.credentials

    def renew(self) -> bool:
        """Return False: there is no other."""
        return False


NO_KEY = FixedCredentials("", Credentials("", ""))
"""For requests that are not signed."""


class RenewedCredentials:
    """Temporary access keys, each fetched when the one before is about to expire.

    ``fetch`` returns a key and when it expires, in seconds since the epoch.
    """

    def __init__(self, reference: str, fetch: Callable[[], tuple[Credentials, float]]):
        self.reference = reference
        self._fetch = fetch
        self._lock = threading.Lock()
        self._credentials: Credentials | None = None
        self._expires_at = 0.0

    def current(self) -> Credentials:
        """Return the key, fetching it if need be."""
        with self._lock:
            if self._credentials is None or time.time() > self._expires_at - _RENEW_BEFORE_S:
                self._credentials, self._expires_at = self._fetch()
            return self._credentials

    def renew(self) -> bool:
        """Forget the key, so that the next one is fetched: clocks may differ."""
        with self._lock:
            self._credentials = None
        return True


CredentialProvider = FixedCredentials | RenewedCredentials
"""What gives an access key that is valid now: a fresh one when the last is about to expire."""


def temporary_key(answer: Fields) -> tuple[Credentials, float]:
    """Return a temporary key, and when it ends, in seconds since the epoch.

    The metadata service and STS answer alike: AccessKeyId, AccessKeySecret, SecurityToken and
    Expiration.
    """
    credentials = Credentials(
        answer.required("AccessKeyId", KEY),
        answer.required("AccessKeySecret", KEY),
        answer.required("SecurityToken", KEY),
    )
    return credentials, answer.time("Expiration").timestamp()


@dataclass(frozen=True)
class ApiAddress:
    """Where the API is asked; "" and False for the public address of the region."""

    custom_endpoint: str = ""
    vpc_internal: bool = False


PUBLIC = ApiAddress()
