"""Load balancer listeners: choice of a server, and health checks.

Source: the references of CreateLoadBalancerTCPListener and CreateLoadBalancerHTTPListener.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from ecsmachine.localcloud.catalog.listener_settings import SETTINGS, Value
from ecsmachine.localcloud.host.guests.base import Place
from ecsmachine.localcloud.state.addresses import eips_of
from ecsmachine.localcloud.state.balancers import Backend, Listener, LoadBalancer
from ecsmachine.localcloud.state.servers import address_of, instance_of
from ecsmachine.localcloud.state.state import State


@dataclass(frozen=True)
class Server:
    """A server of a listener: where connections for it go, and how many of them (0: none).

    ``here``: it is no guest, but listens on this machine.
    """

    instance_id: str
    address: str
    port: int
    weight: int
    here: bool = False


@dataclass(frozen=True)
class HealthCheck:
    """A health check; ``port`` 0 is the server's own port. Times in seconds.

    With a ``request`` (its head) the check uses HTTP, and the server is healthy if the first digit
    of the status is one of ``statuses``. Without one, it is healthy if it accepts a connection. For
    UDP the request is a datagram, and the answer begins with ``expected``.
    """

    port: int
    interval_s: int
    timeout_s: int
    rise: int
    fall: int
    request: bytes = b""
    statuses: str = ""
    expected: bytes = b""


@dataclass(frozen=True)
class Tls:
    """The certificate and key of an HTTPS listener, in PEM; ``policy`` is its TLSCipherPolicy."""

    certificate: str
    private_key: str = field(repr=False)
    policy: str


@dataclass(frozen=True)
class Carried:
    """The traffic of a running listener (tcp, udp, http or https), and its servers."""

    protocol: str
    scheduler: str
    servers: tuple[Server, ...]
    check: HealthCheck | None
    forwarded: tuple[tuple[str, str], ...] = ()
    """Headers added to a request; ``{client}`` and ``{port}`` are the client's address and port."""
    sticky: StickySession | None = None
    tls: Tls | None = None
    moved_to: int = 0
    """The port of the HTTPS listener that requests are redirected to; 0: they go to servers."""


def carried_by(
    state: State, led: Mapping[tuple[str, int], int] = MappingProxyType({})
) -> dict[Place, Carried]:
    """Return the running listeners.

    Traffic to a port of a balancer's servers in ``led`` goes to a port of 127.0.0.1 instead.
    """
    return {
        place_of(listener, address): _carried(state, balancer, listener, led)
        for balancer in state.load_balancers
        if balancer.status == "active"
        for address in (balancer.address, *(eip.address for eip in eips_of(state, balancer.id)))
        for listener in balancer.listeners
        if listener.status == "running"
        # without a certificate of ours there is nothing to answer with
        if listener.protocol != "https" or _tls(state, listener) is not None
    }


def place_of(listener: Listener, address: str) -> Place:
    """Return where a listener of a balancer with this address listens."""
    return "udp" if listener.protocol == "udp" else "tcp", address, listener.port


def backends_of(
    state: State, balancer: LoadBalancer, listener: Listener
) -> Iterator[tuple[Backend, int]]:
    """Yield the servers of a listener, each with the port of its health check."""
    group = state.server_groups.get(listener.server_group_id)
    for backend in balancer.backends if group is None else group.backends:
        yield backend, backend.port or listener.backend_port


def _carried(
    state: State,
    balancer: LoadBalancer,
    listener: Listener,
    led: Mapping[tuple[str, int], int],
) -> Carried:
    protocol = listener.protocol
    defaults = {item.name: item.default for item in SETTINGS[protocol]}
    settings = {**defaults, **listener.settings}
    servers = tuple(
        Server(backend.key, address_of(state, backend), port, backend.weight)
        for backend, port in backends_of(state, balancer, listener)
        if instance_of(state, backend) is not None and port
    )
    check = _check(settings, protocol) if settings["HealthCheck"] == "on" else None
    here = led.get((balancer.id, listener.backend_port))
    if here is not None:
        servers, check = (Server("", "127.0.0.1", here, 100, here=True),), None
    return Carried(
        protocol,
        str(settings["Scheduler"]),
        servers,
        check,
        tuple(_forwarded(settings, balancer, listener)) if protocol in ("http", "https") else (),
        _sticky(settings) if settings.get("StickySession") == "on" else None,
        _tls(state, listener) if protocol == "https" else None,
        int(settings["ForwardPort"]) if settings.get("ListenerForward") == "on" else 0,
    )


def _tls(state: State, listener: Listener) -> Tls | None:
    found = state.server_certificates.get(str(listener.settings.get("ServerCertificateId")))
    if found is None:
        return None
    policy = str(listener.settings.get("TLSCipherPolicy", ""))
    return Tls(found.certificate, found.private_key, policy)


def _sticky(settings: Mapping[str, Value]) -> StickySession:
    if settings["StickySessionType"] == "server":
        return StickySession(str(settings["Cookie"]).encode())
    return StickySession(seconds=int(settings["CookieTimeout"]))


def _check(settings: Mapping[str, Value], protocol: str) -> HealthCheck:
    # HTTP listeners have the time limit under another name than those of TCP and UDP
    timeout = settings.get("HealthCheckConnectTimeout", settings.get("HealthCheckTimeout", 5))
    check = HealthCheck(
        port=int(settings["HealthCheckConnectPort"]),
        interval_s=int(settings["HealthCheckInterval"]),
        timeout_s=int(timeout),
        rise=int(settings["HealthyThreshold"]),
        fall=int(settings["UnhealthyThreshold"]),
    )
    if protocol == "udp":
        asked, expected = str(settings["HealthCheckReq"]), str(settings["HealthCheckExp"])
        return replace(check, request=asked.encode(), expected=expected.encode())
    over_http = settings.get("HealthCheckType", "http") == "http"
    host = str(settings["HealthCheckDomain"]) or "localhost"
    path = str(settings["HealthCheckURI"]) or "/"
    method = str(settings["HealthCheckMethod"]).upper()
    return replace(
        check,
        request=f"{method} {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode() if over_http else b"",
        statuses="".join(
            code.removeprefix("http_")[0]
            for code in str(settings["HealthCheckHttpCode"]).split(",")
            if code.startswith("http_")
        ),
    )


def _forwarded(
    settings: Mapping[str, Value], balancer: LoadBalancer, listener: Listener
) -> Iterator[tuple[str, str]]:
    for setting, header, value in (
        ("XForwardedFor", "X-Forwarded-For", "{client}"),
        ("XForwardedFor_ClientSrcPort", "X-Forwarded-Client-srcport", "{port}"),
        ("XForwardedFor_proto", "X-Forwarded-Proto", listener.protocol),
        ("XForwardedFor_SLBID", "SLB-ID", balancer.id),
        ("XForwardedFor_SLBIP", "SLB-IP", balancer.address),
        ("XForwardedFor_SLBPORT", "X-Forwarded-Port", str(listener.port)),
    ):
        if settings[setting] == "on":
            yield header, value


@dataclass
class Choice:
    """Chooses servers one after the other, as a listener's scheduler has it."""

    _turns: dict[Server, int] = field(default_factory=dict)
    open: dict[Server, int] = field(default_factory=dict)
    """How many connections each server has now."""

    def choose(self, scheduler: str, servers: Sequence[Server], client: str) -> Server | None:
        """Return the server for a connection of ``client`` (address, or address and port)."""
        usable = [server for server in servers if server.weight > 0]
        if not usable:
            return None
        if scheduler in ("sch", "tch", "qch"):
            digest = hashlib.sha256(client.encode()).digest()
            return usable[int.from_bytes(digest[:4], "big") % len(usable)]
        if scheduler == "wlc":
            return min(usable, key=lambda server: self.open.get(server, 0) / server.weight)
        weights = {server: 1 if scheduler == "rr" else server.weight for server in usable}
        # each gains its weight, and who has most pays for all: turns are spread evenly
        turns = {server: self._turns.get(server, 0) + weights[server] for server in usable}
        chosen = max(usable, key=lambda server: turns[server])
        turns[chosen] -= sum(weights.values())
        self._turns = turns
        return chosen


@dataclass
class Health:
    """The health of a server: it changes after several equal answers in a row.

    An unknown server is not healthy yet; the first answer makes it healthy.
    """

    well: bool = False
    known: bool = False
    _against: int = 0

    def note(self, answered: bool, check: HealthCheck) -> None:
        """Note one more answer, or that there was none."""
        if not self.known:
            self.well, self.known = answered, True
        elif answered == self.well:
            self._against = 0
        else:
            self._against += 1
            if self._against >= (check.rise if answered else check.fall):
                self.well, self._against = answered, 0


INSERTED = b"SERVERID"
"""The name of the cookie that a load balancer sets itself."""


@dataclass(frozen=True)
class StickySession:
    """Sticky sessions of a listener.

    Without ``cookie`` it sets its own, for ``seconds``; with the name of a cookie of the servers it
    overwrites the value of that.
    """

    cookie: bytes = b""
    seconds: int = 0

    def token_of(self, head: bytes) -> bytes:
        """Return the server token in the head of a request, if any."""
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() != b"cookie":
                continue
            for pair in value.split(b";"):
                key, _, content = pair.strip().partition(b"=")
                if key == (self.cookie or INSERTED):
                    return content
        return b""

    def with_token(self, head: bytes, token: bytes, asked: bytes) -> bytes:
        """Return the head of an answer with the server's token; ``asked`` is the request's."""
        if not self.cookie:
            if token == asked:
                return head
            said = b"Set-Cookie: %b=%b; Path=/; Max-Age=%d\r\n\r\n"
            return head[:-2] + said % (INSERTED, token, self.seconds)
        theirs = rb"(?im)^(set-cookie:[ \t]*%b=)[^;\r\n]*" % re.escape(self.cookie)
        return re.sub(theirs, lambda match: match[1] + token, head)


def token_of_server(address: str, port: int) -> bytes:
    """Return what cookies say of a server."""
    return hashlib.sha256(f"{address}:{port}".encode()).hexdigest()[:32].encode()
