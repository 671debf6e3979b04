"""Waiting for a host that boots: seen, not slept for."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from ecsmachine.ssh.connection import AuthenticationError, Connection, SSHError, connect
from ecsmachine.ssh.target import SSHTarget


class NeverAnsweredError(SSHError):
    """The time in which a host might answer is up."""


def wait_for_ssh(
    target: SSHTarget,
    pin_path: Path,
    *,
    timeout_s: float = 180.0,
    login_timeout_s: float = 60.0,
    login_pause_s: float = 0.0,
    before_each: Callable[[], None] = lambda: None,
) -> Connection:
    """Return a connection once the host answers and lets us in.

    A refused login is tried again for ``login_timeout_s`` seconds after the first refusal: the
    host may answer before its first boot has installed the key. ``login_pause_s`` is the least
    time between two such tries: a host may shut out who is refused often (fail2ban). When the
    time is up, raises the last refusal or :class:`NeverAnsweredError`; and at once what waiting
    cannot mend (a changed host key, an unusable key file).
    ``before_each`` is called before each try; what it raises ends the wait.
    """
    deadline = time.monotonic() + timeout_s
    refused_since: float | None = None
    pause_s = 0.05
    while True:
        before_each()
        now = time.monotonic()
        try:
            # a host that is not up yet swallows packets: short tries see it come up sooner
            return connect(
                target,
                pin_path,
                timeout_s=max(1.0, min(5.0, deadline - now)),
                handshake_timeout_s=max(1.0, min(15.0, deadline - now)),
            )
        except AuthenticationError:
            refused_since = refused_since or time.monotonic()
            pause_s = max(pause_s, login_pause_s)
            if time.monotonic() - refused_since + pause_s >= login_timeout_s:
                raise
        except SSHError as error:
            if time.monotonic() + pause_s >= deadline:
                raise NeverAnsweredError(
                    f"Too many retries waiting for SSH to be available: {error.message}",
                    hint=f"Check the host's console, and whether a firewall or security group "
                    f"keeps port {target.port} closed.",
                ) from error
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.3, max(1.0, login_pause_s))
