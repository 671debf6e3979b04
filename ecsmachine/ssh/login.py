"""Logging in on a connection: which keys are tried, in which order, as OpenSSH has it."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from ecsmachine.errors import MachineError
from ecsmachine.ssh import private_keys
from ecsmachine.ssh.agent import AgentKey, agent_key, agent_keys
from ecsmachine.ssh.library import AuthHandler, Message, common, paramiko
from ecsmachine.ssh.target import SSHTarget
from ecsmachine.ssh.transport import BoundedTransport

_PK_OK = 60
_OWN_KEYS = ("id_rsa", "id_ecdsa", "id_ed25519")


class LoginEndedError(Exception):
    """The host ended the connection before a login was accepted; says what it said.

    ``refused`` is how many ways of logging in it had refused by then.
    """

    def __init__(self, reason: str, refused: int):
        super().__init__(reason)
        self.refused = refused


def login_key(target: SSHTarget) -> paramiko.PKey | None:
    """Return the key that a target names: of its file, or of the agent if that is locked.

    Raises :class:`~ecsmachine.ssh.private_files.KeyFileError`.
    """
    if target.key_path is None:
        return None
    found = private_keys.load(target.key_path)
    if found.key is not None:
        return found.key
    held = agent_key(found.public) if found.public else None
    if held is None:
        raise private_keys.passphrase_needed(target.key_path)
    return held


def log_in(transport: BoundedTransport, target: SSHTarget, key: paramiko.PKey | None) -> None:
    """Log in with the key, then the password; with neither, with what ssh tries unasked.

    Raises ``paramiko.AuthenticationException`` if the host accepts none of it, and
    :class:`LoginEndedError`.
    """
    refused = 0
    try:
        for offered in _offered(target, key):
            try:
                # the agent may ask for a touch or a confirmation: only for what the host takes
                if not isinstance(offered, AgentKey) or _would_accept(transport, target, offered):
                    transport.auth_publickey(target.user, offered)
                    if transport.is_authenticated():
                        return
            except paramiko.BadAuthenticationType:
                break  # no key at all
            except paramiko.AuthenticationException:
                if not transport.is_active():
                    raise
            refused += 1
        if target.password is not None:
            transport.auth_password(target.user, target.password)
            if transport.is_authenticated():
                return
    except (paramiko.SSHException, EOFError, OSError) as error:
        # other errors of SSH are what we did not like of the host
        ours = not isinstance(error, (paramiko.AuthenticationException, EOFError, OSError))
        if transport.is_active() or (ours and not transport.farewell):
            raise
        raise LoginEndedError(transport.farewell, refused) from error
    raise paramiko.AuthenticationException("the host accepts none of these")


def _offered(target: SSHTarget, key: paramiko.PKey | None) -> Iterator[paramiko.PKey]:
    if key is not None:
        yield key
    elif target.password is None:
        yield from agent_keys()
        yield from _own_keys()


def _own_keys() -> Iterator[paramiko.PKey]:
    """Yield the user's keys that ssh tries unasked; those with a passphrase are the agent's."""
    for name in _OWN_KEYS:
        path = Path.home() / ".ssh" / name
        try:
            key = private_keys.load_unlocked(path)
        except MachineError:
            continue
        certificate = path.with_name(f"{name}-cert.pub")
        with contextlib.suppress(Exception):  # as for keys
            certified = copy.copy(key)
            certified.load_certificate(str(certificate))
            yield certified
        yield key


def _would_accept(transport: BoundedTransport, target: SSHTarget, key: AgentKey) -> bool:
    """Ask the host whether a key fits, without a signature (RFC 4252, 7)."""
    query: Any = _Query(transport)
    try:
        query.algorithm = query._finalize_pubkey_algorithm(key.name)
    except paramiko.SSHException:
        return False  # none that both sides have
    transport.auth_handler = query
    done = threading.Event()
    query.auth_publickey(target.user, key, done)
    try:
        query.wait_for_response(done)
    except paramiko.AuthenticationException:
        if not query.accepted:
            raise
    return bool(query.accepted)


class _Query(AuthHandler):
    """Asks about a key in place of logging in with it."""

    algorithm = ""
    accepted = False

    @property
    def _handler_table(self) -> dict[int, Any]:
        return {**super()._handler_table, _PK_OK: self._parse_pk_ok}  # type: ignore[misc]

    def _parse_service_accept(self, m: Message) -> None:
        this = cast("Any", self)
        request = Message()
        request.add_byte(common.cMSG_USERAUTH_REQUEST)
        request.add_string(this.username)
        request.add_string("ssh-connection")
        request.add_string("publickey")
        request.add_boolean(False)
        request.add_string(self.algorithm)
        request.add_string(this.private_key.asbytes())
        this.transport._send_message(request)

    def _parse_pk_ok(self, m: Message) -> None:
        self.accepted = True
        if self.auth_event is not None:
            self.auth_event.set()
