"""The endpoint: an ASGI application over a state and its guests.

Use in a daemon::

    state = open_state(root, Settings(region=..., public_pool=..., vswitch_cidr=...))
    connections = Connections()
    app = create_app(state, guests, faults, connections, images=images_of({"debian_12"}))
    uvicorn.run(app, host="127.0.0.1", port=port, http=connections.protocol(), lifespan="on")
    state.close()

- ``guests`` is called from worker threads of the application, one call at a time for one
  instance, several for different instances. Whatever they raise is logged (logger
  ``ecsmachine.localcloud``) and ends as it does in ECS: an instance that cannot be made is
  released, one that cannot be started stays Stopped.
- When the server starts (ASGI lifespan), the state is put right by ``Lifecycle.recover``: what was
  removed is removed from the host, what was Pending, Starting or Stopping is finished, an
  instance that is Running without a guest in ``guests.running()`` is started again.
- While it serves, ``guests.running()`` is asked every ``watch_interval_s`` seconds: a Running
  instance whose guest is not in it twice in a row was powered off from inside and becomes
  Stopped. A guest that is on its way through a reboot therefore has to count as running.
- When the server stops, guests go on running: a daemon that wants them down stops them itself,
  and what was Running then is started again by the next daemon.
- ``GET /healthz`` answers 200 once the cloud can be used. ``GET /`` without ``Action`` answers as
  ECS does (400).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ecsmachine.localcloud.actions import ECS, PRODUCT_NAMES, PRODUCTS, SLB, idempotency
from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.instance_view import InstanceViews
from ecsmachine.localcloud.actions.unsupported import checked, of_the_action
from ecsmachine.localcloud.catalog.images import Image, all_images
from ecsmachine.localcloud.container_service import triggers
from ecsmachine.localcloud.container_service.cluster_work import ClusterWork
from ecsmachine.localcloud.container_service.nodes import GuestlessNodes
from ecsmachine.localcloud.container_service.provisioned_nodes import Nodes
from ecsmachine.localcloud.container_service.routes import (
    METHODS,
    ContainerServiceEndpoint,
    action_of,
    request_fields,
)
from ecsmachine.localcloud.faults.book import FaultBook
from ecsmachine.localcloud.faults.requests import ConnectionCutError, RequestFaults
from ecsmachine.localcloud.host.guests.base import Guests
from ecsmachine.localcloud.protocol import authentication, wire
from ecsmachine.localcloud.protocol.authentication import Nonces, SignedRequest
from ecsmachine.localcloud.protocol.errors import (
    ApiError,
    LocalCloudError,
    dry_run_passed,
    missing_parameter,
    unusable_database,
)
from ecsmachine.localcloud.protocol.identifiers import request_id as new_request_id
from ecsmachine.localcloud.protocol.official import check_required, official_actions
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.service.gate import Gate, host_name
from ecsmachine.localcloud.service.http_server import Connections
from ecsmachine.localcloud.service.own_pages import own_routes, ticket_route
from ecsmachine.localcloud.service.page.admission import Admission
from ecsmachine.localcloud.service.page.guests import GuestLooks
from ecsmachine.localcloud.service.page.routes import page_routes
from ecsmachine.localcloud.service.request_log import Exchange, RequestLog
from ecsmachine.localcloud.service.seed import Seed
from ecsmachine.localcloud.service.seeding import empty, plant
from ecsmachine.localcloud.service.view import CloudView
from ecsmachine.localcloud.state import FILE_NAME
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.work.lifecycle import Lifecycle
from ecsmachine.localcloud.work.supervisor import Pause, Supervisor, following

LOG = logging.getLogger("ecsmachine.localcloud")
SETTLE_TIMEOUT_S = 60.0
"""How long an answer waits at most for the work of its request."""
Respond = Callable[[Request], Awaitable[Response]]


def create_app(
    state: State,
    guests: Guests,
    faults: FaultBook,
    connections: Connections,
    *,
    images: Sequence[Image] | None = None,
    nodes: Callable[[Pause], Nodes] | None = None,
    watch_interval_s: float = 2.0,
    lenient: bool = False,
    settled: bool = False,
    names: Collection[str] = (),
    seed: Seed | None = None,
    page_token: str = "",
) -> Starlette:
    """Return the application; the module shows how to run it.

    ``faults`` holds the injected faults, and ``connections`` the open connections, which faults can
    cut. ``images`` are the images of DescribeImages and of instances (default: all); ``nodes``
    returns the object that creates nodes of clusters, given its pause function (default: nodes that
    run nothing); ``lenient`` ignores official parameters that are not implemented, instead of
    refusing them; ``settled`` answers a request when its work is done. ``names`` are host names and
    addresses that requests may be for besides loopback ones. ``page_token`` opens the page; ""
    means no page. ``seed`` is the content of a new cloud; if it is refused, the server does not
    start, and ``app.state.failure`` has the reason.
    """
    supervisor = Supervisor(state)
    endpoint = Endpoint(
        state,
        Lifecycle(state, guests, faults, supervisor, watch_interval_s=watch_interval_s),
        faults,
        connections,
        tuple(all_images() if images is None else images),
        lenient=lenient,
        settled=settled,
    )

    make_nodes = nodes or partial(GuestlessNodes, endpoint.carry_out_for_thread)
    work = ClusterWork(
        state,
        supervisor,
        endpoint.lifecycle.instances,
        make_nodes(supervisor.pause),
        endpoint.carry_out,
        endpoint.lifecycle.balancers,
    )
    container_service = ContainerServiceEndpoint(state, work, endpoint.images)
    log = endpoint.requests
    # With guests a cluster takes minutes, and clients do not wait so long.
    recorded = partial(_recorded, log=log, settled=settled and not guests.runs_scripts)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        endpoint.loop = asyncio.get_running_loop()
        supervisor.start()
        endpoint.lifecycle.recover()
        await work.recover()
        try:
            if seed is not None:
                await _planted(app, endpoint, seed)
            yield
        finally:
            await work.close()
            await supervisor.close()

    view = endpoint.view
    page: list[Route] = []
    if page_token:
        admission = Admission(page_token)
        looks = GuestLooks(state, guests, supervisor.threads("page", 4), work.containers)
        ids = [image.id for image in endpoint.images]
        page = [
            *page_routes(admission, state, view, log, faults, looks, connections, ids),
            ticket_route(state, admission.ticket),
        ]
    app = Starlette(
        routes=[
            *own_routes(state, log, faults, view, partial(endpoint.begin_anew, seed)),
            *page,
            Route(triggers.PATH, recorded(container_service.fire), methods=["GET", "POST"]),
            Route("/clusters{rest:path}", recorded(container_service.respond), methods=METHODS),
            Route("/images", recorded(container_service.respond), methods=METHODS),
            Route("/version", recorded(container_service.respond), methods=METHODS),
            # As an ASGI application it gets every method, to answer all of them in the API's form.
            Route("/{path:path}", endpoint),
        ],
        middleware=[Middleware(Gate, names=names)],
        lifespan=lifespan,
    )
    app.state.endpoint = endpoint
    app.state.failure = None
    return app


async def _planted(app: Starlette, endpoint: Endpoint, seed: Seed) -> None:
    try:
        await plant(seed, endpoint.state, endpoint.images, endpoint.ask)
    except LocalCloudError as error:
        app.state.failure = error
        raise


@dataclass(eq=False, repr=False)
class Endpoint:
    """Answers requests: reads them, checks them, hands them to their action, writes the answer."""

    state: State
    lifecycle: Lifecycle
    book: FaultBook
    connections: Connections
    images: tuple[Image, ...]
    lenient: bool
    settled: bool
    loop: asyncio.AbstractEventLoop | None = None

    def __post_init__(self) -> None:
        self._faults = RequestFaults(self.book)
        self.requests = RequestLog()
        self.view = CloudView(self.state, self.requests, self.book)
        self._views = InstanceViews()
        self._nonces = Nonces()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        response = await self.respond(Request(scope, receive))
        await response(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        """Answer one request; errors are answered as in ECS."""
        request_id, begun = new_request_id(), time.time()
        # Until the body is read, only the query says how to answer.
        form, root, status = _format(request.headers, request.query_params), "Error", 200
        parameters: Mapping[str, str] = dict(request.query_params)
        answer: Mapping[str, object] = {}
        cut = False
        try:
            signed = await _read(request)
            parameters = signed.parameters
            form = _format(signed.headers, parameters)
            with following() as work:
                try:
                    answer = {"RequestId": request_id, **await self._answer(signed)}
                finally:
                    if self.settled and not await work.ended(SETTLE_TIMEOUT_S):
                        LOG.warning("%s is answered before its work is done", parameters["Action"])
            # Before the answer, the firewall matches the security groups.
            await self.lifecycle.firewall.settle()
            root = f"{parameters['Action']}Response"
        except ApiError as error:
            status = error.status
            answer = wire.error_answer(error.code, error.message, request_id, _host(request))
        except ConnectionCutError:
            cut, status = True, 0
        except Exception as error:
            status, message = 500, "The request processing has failed due to some unknown error."
            if isinstance(error, sqlite3.Error):  # a full disk, and the like
                message = str(unusable_database(error, self.state.root / FILE_NAME))
                LOG.error("request %s failed: %s", request_id, message)
            else:
                LOG.exception("request %s failed", request_id)
            answer = wire.error_answer("InternalError", message, request_id, _host(request))
        content = b"" if cut else wire.encode(answer, form, root)
        version = parameters.get("Version", "")
        self.requests.add(
            _exchange(
                request,
                begun,
                product=PRODUCT_NAMES.get(version, ""),
                version=version,
                action=parameters.get("Action", ""),
                parameters=parameters,
                status=status,
                answer=content if form == "JSON" else answer,
                request_id=request_id,
                size=sum(map(len, parameters.values())) + len(content),
            )
        )
        if cut:
            await self.connections.cut(request.client)
            return Response()  # to nobody
        return Response(
            content,
            status_code=status,
            headers={"Content-Type": wire.CONTENT_TYPES[form], "x-acs-request-id": request_id},
        )

    async def _answer(self, request: SignedRequest) -> Answer:
        values = request.parameters
        for name in ("Version", "Action"):
            if not values.get(name):
                raise missing_parameter(name)
        product = PRODUCTS.get(values["Version"])
        if product is None:
            raise ApiError("InvalidVersion", "Specified parameter Version is not valid.")
        key_id = authentication.check(request, self.state.access_key, self._nonces)
        action = product.get(values["Action"])
        if action is None:
            raise _not_here(values["Version"], values["Action"])
        name = values["Action"]
        values = of_the_action(values["Version"], name, values)
        parameters = Parameters(values)
        fault_name = _name_for_faults(name, parameters)
        region = parameters.text("RegionId", self.state.region)
        struck = self._faults.strike(fault_name, region)
        await self._faults.before(fault_name, region, parameters, struck)
        call = self._call(
            name,
            parameters,
            values["Version"],
            host=request.headers.get("host", ""),
            caller=self.state.sessions.get(key_id),
        )
        check_required(values["Version"], name, values)
        with self._faults.answering(struck), self.state.transaction():
            answer = idempotency.answer_once(call, checked(action))
            if parameters.boolean("DryRun"):
                # Nothing of it stays: the transaction is taken back.
                raise dry_run_passed(name)
        return self._faults.after(name, answer, struck)

    def _call(self, action: str, parameters: Parameters, version: str = "", **sender: Any) -> Call:
        return Call(
            action=action,
            parameters=parameters,
            state=self.state,
            lifecycle=self.lifecycle,
            images=self.images,
            views=self._views,
            faults=self.book,
            version=version,
            lenient=self.lenient,
            **sender,
        )

    async def ask(self, action: str, values: Mapping[str, str]) -> Answer:
        """Carry out an action of ECS as for a request, but that nobody signed it and none is kept.

        Returns once it is settled. Raises :class:`ApiError`.
        """
        version = next(iter(PRODUCTS))
        check_required(version, action, values)
        with following() as work:
            with self.state.transaction():
                answer = checked(ECS[action])(self._call(action, Parameters(values), version))
            await work.ended(SETTLE_TIMEOUT_S)
        return answer

    async def begin_anew(self, seed: Seed | None) -> None:
        """Empty the cloud, and plant its seed; raises :class:`LocalCloudError`."""
        await empty(self.state, self.lifecycle, SETTLE_TIMEOUT_S)
        self.book.clear()
        if seed is not None:
            await plant(seed, self.state, self.images, self.ask)
        self.requests.clear()

    def carry_out(self, action: str, values: Mapping[str, str]) -> Answer:
        """Carry out an action of ECS or SLB as the cloud itself; raises :class:`ApiError`."""
        product = SLB if action in SLB and action not in ECS else ECS
        with self.state.transaction():
            return product[action](self._call(action, Parameters(values))) or {}

    def carry_out_for_thread(self, action: str, values: Mapping[str, str]) -> Answer:
        """Do the same on the event loop, for a worker thread that waits for it."""

        async def carried_out() -> Answer:
            return self.carry_out(action, values)

        if self.loop is None:
            raise RuntimeError("the server does not run")
        return asyncio.run_coroutine_threadsafe(carried_out(), self.loop).result()


def _exchange(request: Request, begun: float, **values: Any) -> Exchange:
    client = request.client
    return Exchange(
        begun=begun,
        client=f"{client.host}:{client.port}" if client else "",
        headers=request.headers,
        method=request.method,
        path=request.scope["path"],
        **values,
    )


def _recorded(respond: Respond, log: RequestLog, *, settled: bool) -> Respond:
    """Return an endpoint of Container Service whose requests are kept in the log."""

    async def recorded(request: Request) -> Response:
        begun = time.time()
        with following() as work:
            response = await respond(request)
            if settled:
                await work.ended(SETTLE_TIMEOUT_S)
        body = await request.body()
        given = request_fields(body, request.headers.get("content-type", ""))
        log.add(
            _exchange(
                request,
                begun,
                product="CS",
                version=request.headers.get("x-acs-version", ""),
                action=action_of(request.method, request.scope["path"]),
                parameters={**request.query_params, **given},
                status=response.status_code,
                answer=bytes(response.body),
                request_id=response.headers.get("x-acs-request-id", ""),
                size=len(body) + len(response.body),
            )
        )
        return response

    return recorded


def _no_such_action() -> ApiError:
    return ApiError(
        "InvalidAction.NotFound",
        "Specified api is not found, please check your url and method.",
        404,
    )


def _not_here(version: str, action: str) -> ApiError:
    if action not in official_actions(version):
        return _no_such_action()
    LOG.warning("%s is an action of %s that the local cloud does not have", action, version)
    return ApiError(
        "InvalidAction.NotFound",
        f"The local cloud does not have the action {action} of Alibaba Cloud. "
        "docs/emulator.md lists the actions that it has.",
        404,
    )


def _name_for_faults(action: str, parameters: Parameters) -> str:
    # Else who wants to strike a RunInstances would strike the check that came before it.
    return f"{action}/DryRun" if parameters.text("DryRun").lower() == "true" else action


async def _read(request: Request) -> SignedRequest:
    method = request.method.upper()
    if method not in ("GET", "POST"):
        raise ApiError("UnsupportedHTTPMethod", "This http method is not supported.", 403)
    if request.scope["path"] not in ("", "/"):
        raise _no_such_action()
    body = await request.body() if method == "POST" else b""
    headers = dict(request.headers)
    query = wire.parse_query(request.scope["query_string"].decode("latin-1"))
    form = wire.parse_body(body, headers.get("content-type", ""))
    parameters: dict[str, str] = {}
    for name, value in query + form:
        if parameters.setdefault(name, value) != value:
            raise ApiError("InvalidParameter", f"The parameter {name} has two values.")
    for name in ("Action", "Version"):
        # In the newer form of requests they are headers.
        if name not in parameters and f"x-acs-{name.lower()}" in headers:
            parameters[name] = headers[f"x-acs-{name.lower()}"]
    return SignedRequest(method, request.scope["path"], query, headers, body, parameters)


def _format(headers: Mapping[str, str], parameters: Mapping[str, str]) -> str:
    asked = parameters.get("Format", "")
    # A request signed in headers (like those of ROA products) names it there.
    if not asked and headers.get("authorization", "").startswith(("ACS3-", "acs ")):
        asked = "XML" if "xml" in headers.get("accept", "") else "JSON"
    return wire.answer_format(asked)


def _host(request: Request) -> str:
    return host_name(request.headers.get("host", "")) or "localhost"
