"""The keys of the user's SSH agent, whatever they are: what they sign is between it and the host.

Source: draft-miller-ssh-agent, over paramiko's connection to the agent.
"""

from __future__ import annotations

import contextlib
from typing import Any, cast

from ecsmachine.ssh.library import Agent, Message, paramiko

_REQUEST_IDENTITIES, _IDENTITIES_ANSWER = b"\x0b", 12
_SIGN_REQUEST, _SIGN_RESPONSE = b"\x0d", 14
_SIGNATURE_FLAGS = {"rsa-sha2-256": 2, "rsa-sha2-512": 4}
_MOST_KEYS = 2048


class AgentKey(paramiko.PKey):
    """A key that the agent holds; also one of a kind that paramiko does not know."""

    def __init__(self, agent: _Agent, blob: bytes):
        self.public_blob = None
        self._agent = agent
        self._blob = blob
        self.name = Message(blob).get_binary().decode("ascii", "replace")

    def asbytes(self) -> bytes:
        """Return the public key (or certificate) as it goes to the host."""
        return self._blob

    def get_name(self) -> str:
        """Return the type of the key."""
        return self.name

    @property
    def _fields(self) -> tuple[object, ...]:
        return (self.name, self._blob)

    def sign_ssh_data(self, data: bytes, algorithm: str | None = None) -> Message:
        """Return the agent's signature; an empty one, which no host takes, if it gives none."""
        flags = _SIGNATURE_FLAGS.get((algorithm or "").partition("-cert-")[0], 0)
        return Message(self._agent.signature(self._blob, data, flags))


class _Agent(Agent):
    """The agent that ``SSH_AUTH_SOCK`` names."""

    def _connect(self, conn: Any) -> None:
        self._conn = conn
        kind, answer = self._send_message(_REQUEST_IDENTITIES)  # type: ignore[attr-defined]
        if kind != _IDENTITIES_ANSWER:
            return
        found = []
        for _ in range(min(answer.get_int(), _MOST_KEYS)):
            found.append(AgentKey(self, answer.get_binary()))
            answer.get_binary()  # the comment
        self._keys: tuple[AgentKey, ...] = tuple(found)

    def signature(self, blob: bytes, data: bytes, flags: int) -> bytes:
        """Return a signature as it goes to the host, or nothing where the agent refuses."""
        request = Message()
        request.add_byte(_SIGN_REQUEST)
        request.add_string(blob)
        request.add_string(data)
        request.add_int(flags)
        with contextlib.suppress(Exception):  # it may be gone, or say anything
            kind, answer = self._send_message(request)  # type: ignore[attr-defined]
            if kind == _SIGN_RESPONSE:
                return bytes(answer.get_binary())
        return b""


def agent_keys() -> list[AgentKey]:
    """Return the agent's keys in its order; none where there is no agent that answers."""
    try:
        return list(cast("tuple[AgentKey, ...]", _Agent().get_keys()))
    except Exception:  # an agent is another program, and may say anything
        return []


def agent_key(public: str) -> AgentKey | None:
    """Return the agent's key of that type and base64 text, if it has it."""
    kind, _, text = public.partition(" ")
    fitting = (key for key in agent_keys() if (key.name, key.get_base64()) == (kind, text))
    return next(fitting, None)
