"""Load balancers forward traffic: running listeners lead to healthy servers.

Without real guests nothing is forwarded; servers are healthy while their instances run.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from ecsmachine.localcloud.host.guests.base import BalancerNetwork, Guests, Place
from ecsmachine.localcloud.protocol.relays import MOST_HEAD_BYTES, join, moved, unavailable
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.work.balancing import (
    Carried,
    Choice,
    Health,
    HealthCheck,
    Server,
    Tls,
    carried_by,
    token_of_server,
)
from ecsmachine.localcloud.work.datagrams import Datagrams, answers
from ecsmachine.localcloud.work.supervisor import Supervisor, Threads, unchanged

LOG = logging.getLogger("ecsmachine.localcloud")

_CONNECT_TIMEOUT_S = 5.0
_HEAD_TIMEOUT_S = 60.0
_NOTHING = Carried("tcp", "wrr", (), None)
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class BalancerWork:
    """Keeps what listens as the state has it, from :meth:`recover` on."""

    def __init__(self, state: State, guests: Guests, supervisor: Supervisor) -> None:
        self._state = state
        self._supervisor = supervisor
        self._threads = supervisor.threads("balancers", 1)
        self._guests = guests
        self._network: BalancerNetwork | None = None
        self._listening: dict[Place, Listening] = {}
        self._due = False
        self._led: dict[tuple[str, int], int] = {}

    def lead(self, balancer_id: str, port: int, here: int | None) -> None:
        """Redirect traffic to a port of a balancer's servers to a port of 127.0.0.1; None: stop
        that."""
        if here is None:
            self._led.pop((balancer_id, port), None)
        else:
            self._led[balancer_id, port] = here
        if self._network is not None:
            self._changed()

    def recover(self) -> None:
        """Listen as the state has it, and from now on whenever that changes."""
        self._network = self._guests.balancer_network()
        if self._network is not None:
            state = self._state
            servers = (state.server_groups, state.instances, state.network_interfaces)
            tables = (state.load_balancers, *servers, state.eips, state.server_certificates)
            state.watch(tables, self._changed)
            self._changed()

    def is_well(self, place: Place, instance_id: str, port: int) -> bool | None:
        """Whether a server of the listener at a place is healthy; None without health checks."""
        listening = self._listening.get(place)
        return None if listening is None else listening.is_well(instance_id, port)

    def _changed(self) -> None:
        if not self._due:
            self._due = True
            self._supervisor.begin("balancers", "the load balancers", self._settle, unchanged)

    async def _settle(self) -> None:
        self._due = False
        assert self._network is not None  # noqa: S101  (recover looked)
        wanted = carried_by(self._state, self._led)
        for place, listening in list(self._listening.items()):
            # with another certificate it must listen again
            if place not in wanted or listening.tls != wanted[place].tls:
                self._listening.pop(place).close()
        if wanted or self._listening:
            await self._threads.run(self._network.set_listeners, list(wanted))
        for place, carried in wanted.items():
            if place not in self._listening:
                listening = Listening(self._network, self._threads, self._supervisor)
                await listening.open(place, carried.tls)
                self._listening[place] = listening
            self._listening[place].carry(carried)


class Listening:
    """A listener: forwards connections to its address and port to one of its servers."""

    def __init__(self, network: BalancerNetwork, threads: Threads, supervisor: Supervisor) -> None:
        self._network = network
        self._threads = threads
        self._supervisor = supervisor
        self._carried = _NOTHING
        self._choice = Choice()
        self._health: dict[Server, Health] = {}
        self._checks: asyncio.Task[None] | None = None
        self._server: asyncio.Server | Datagrams | None = None
        self._place: Place = ("tcp", "", 0)
        self.tls: Tls | None = None

    async def open(self, place: Place, tls: Tls | None = None) -> None:
        """Listen at an address and port. Raises ``OSError``."""
        self._place, self.tls = place, tls
        context = server_context(tls.certificate, tls.private_key, tls.policy) if tls else None
        listening = await self._threads.run(self._network.listen, place)
        if place[0] == "udp":
            loop = asyncio.get_running_loop()
            _, self._server = await loop.create_datagram_endpoint(
                lambda: Datagrams(self._connect_datagrams), sock=listening
            )
            return
        self._server = await asyncio.start_server(
            self._serve, sock=listening, limit=MOST_HEAD_BYTES, ssl=context
        )

    def close(self) -> None:
        """Listen no longer; connections that are open go on."""
        if self._server is not None:
            self._server.close()
        self._end_checks()

    def carry(self, carried: Carried) -> None:
        """Carry this from now on."""
        before, self._carried = self._carried, carried
        self._health = {server: self._health.get(server, Health()) for server in carried.servers}
        if before.check != carried.check:
            self._end_checks()
            if carried.check is not None:
                what = f"the health checks of {self._place[1]}:{self._place[2]}"
                self._checks = self._supervisor.repeat(what, carried.check.interval_s, self._check)

    def is_well(self, instance_id: str, port: int) -> bool | None:
        """Whether a server is healthy; None without health checks."""
        if self._carried.check is None:
            return None
        return any(
            health.well
            for server, health in self._health.items()
            if (server.instance_id, server.port) == (instance_id, port)
        )

    def _end_checks(self) -> None:
        if self._checks is not None:
            self._checks.cancel()
            self._checks = None

    async def _check(self) -> None:
        await asyncio.gather(*(self._check_one(server) for server in list(self._health)))

    async def _check_one(self, server: Server) -> None:
        check = self._carried.check
        if check is None:
            return
        answered = False
        with suppress(OSError, asyncio.TimeoutError):
            if self._place[0] == "udp":
                asked = await self._datagram_socket(server, check.port or server.port)
                with asked:
                    answered = await answers(asked, check.request, check.expected, check.timeout_s)
            else:
                answered = await asyncio.wait_for(self._answers(server, check), check.timeout_s)
        health = self._health.get(server)
        if health is not None:
            before = health.well
            health.note(answered, check)
            if health.well != before:
                state = "well" if health.well else "not well"
                LOG.info("server %s:%s of a listener is %s", server.address, server.port, state)

    async def _answers(self, server: Server, check: HealthCheck) -> bool:
        reader, writer = await self._connect(server, check.port or server.port)
        try:
            if not check.request:
                return True
            writer.write(check.request)
            words = (await reader.readline()).split()
            return len(words) > 1 and words[1][:1].decode("latin-1") in check.statuses
        finally:
            writer.close()

    async def _connect(self, server: Server, port: int) -> Streams:
        if server.here:
            return await asyncio.open_connection(server.address, port, limit=MOST_HEAD_BYTES)
        outgoing = await self._threads.run(self._network.outgoing, "tcp")
        outgoing.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(outgoing, (server.address, port))
        except BaseException:
            outgoing.close()
            raise
        return await asyncio.open_connection(sock=outgoing, limit=MOST_HEAD_BYTES)

    async def _datagram_socket(self, server: Server, port: int) -> socket.socket:
        outgoing = await self._threads.run(self._network.outgoing, "udp")
        outgoing.setblocking(False)
        try:
            outgoing.connect((server.address, port))
        except OSError:
            outgoing.close()
            raise
        return outgoing

    async def _connect_datagrams(self, client: str) -> socket.socket | None:
        server = self._choose(client, self._usable())
        if server is not None:
            with suppress(OSError):  # it can no longer be reached
                return await self._datagram_socket(server, server.port)
        return None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._carry_one(reader, writer)
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
            pass  # one of the two went away
        except asyncio.LimitOverrunError:
            pass  # no head of a request
        except Exception:
            LOG.exception("a connection of the listener at %s:%s failed", *self._place[1:])
        finally:
            writer.close()

    async def _carry_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carried = self._carried
        client, client_port = writer.get_extra_info("peername")[:2]
        head = token = b""
        over_http = carried.protocol in ("http", "https")
        if over_http:
            read = reader.readuntil(b"\r\n\r\n")
            head = await asyncio.wait_for(read, _HEAD_TIMEOUT_S)
            token = carried.sticky.token_of(head) if carried.sticky else b""
            if carried.moved_to:
                writer.write(moved(head, carried.moved_to))
                await writer.drain()
                return
            for name, value in carried.forwarded:
                line = f"{name}: {value.format(client=client, port=client_port)}\r\n"
                head = head[:-2] + line.encode() + b"\r\n"
        who = f"{client}:{client_port}" if carried.scheduler == "tch" else str(client)
        connected = await self._connect_one(who, token)
        if connected is None:
            if over_http:
                writer.write(unavailable("No server of the listener is healthy."))
                await writer.drain()
            return
        server, theirs = connected
        self._choice.open[server] = self._choice.open.get(server, 0) + 1
        try:
            theirs[1].write(head)
            its = token_of_server(server.address, server.port)
            sticky = carried.sticky
            changed = partial(sticky.with_token, token=its, asked=token) if sticky else None
            await join((reader, writer), theirs, changed)
        finally:
            self._choice.open[server] -= 1

    async def _connect_one(self, client: str, token: bytes) -> tuple[Server, Streams] | None:
        """Connect to a healthy server, or to another one if it is gone.

        The server of a sticky session's ``token`` comes first.
        """
        left = self._usable()
        while server := self._choose(client, left, token):
            with suppress(OSError, asyncio.TimeoutError):
                connect = self._connect(server, server.port)
                return server, await asyncio.wait_for(connect, _CONNECT_TIMEOUT_S)
            left.remove(server)
        return None

    def _usable(self) -> list[Server]:
        unchecked = self._carried.check is None
        return [s for s in self._carried.servers if unchecked or self._health[s].well]

    def _choose(self, client: str, left: Sequence[Server], token: bytes = b"") -> Server | None:
        for server in left if token else ():
            if server.weight > 0 and token_of_server(server.address, server.port) == token:
                return server
        return self._choice.choose(self._carried.scheduler, left, client)


_LEAST = {
    "tls_cipher_policy_1_1": ssl.TLSVersion.TLSv1_1,
    "tls_cipher_policy_1_2": ssl.TLSVersion.TLSv1_2,
    "tls_cipher_policy_1_2_strict": ssl.TLSVersion.TLSv1_2,
    "tls_cipher_policy_1_2_strict_with_1_3": ssl.TLSVersion.TLSv1_2,
}
"""The oldest version that a policy lets in; it is this machine's own that OpenSSL knows older."""


def server_context(certificate: str, private_key: str, policy: str = "") -> ssl.SSLContext:
    """Return the TLS context of a server with this certificate, its chain, and its key (PEM).

    Raises ``ssl.SSLError`` if they are invalid, or do not match.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # SLB takes old certificates: RSA of 1024 bits, signed with SHA-1.
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    if policy in _LEAST and context.minimum_version < _LEAST[policy]:
        context.minimum_version = _LEAST[policy]
    # Only files can be loaded: a private one, which is gone at once. A key with a passphrase
    # would be asked for at a terminal.
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(f"{certificate.strip()}\n{private_key.strip()}\n")
        file.flush()
        context.load_cert_chain(file.name, password=b"")
    return context
