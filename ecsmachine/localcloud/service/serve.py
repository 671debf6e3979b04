"""The daemon's process: the API, the install mirror and the guests of one cloud.

Started by :func:`~ecsmachine.localcloud.service.daemon.up`, which reads the outcome from a pipe:
one line of JSON, ``{}`` when the API answers, or ``message``, ``hint`` and ``details``.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ecsmachine.localcloud.catalog.images import USUAL, images_of
from ecsmachine.localcloud.faults.book import FaultBook
from ecsmachine.localcloud.faults.guests import download_faults
from ecsmachine.localcloud.host.address_plan import (
    AddressPlan,
    alone_in_choosing,
    choose,
    host_networks,
    plan_of,
)
from ecsmachine.localcloud.host.background import be_a_daemon
from ecsmachine.localcloud.host.guests.base import Guests
from ecsmachine.localcloud.host.guests.faults import DownloadFaults
from ecsmachine.localcloud.host.paths import CloudPaths
from ecsmachine.localcloud.host.processes import identify, why_not_listening
from ecsmachine.localcloud.host.settings import (
    KEY_VARIABLES,
    CloudSettings,
    Downloads,
    Order,
    Running,
    read_settings,
)
from ecsmachine.localcloud.protocol.errors import LocalCloudError, refused_by_system
from ecsmachine.localcloud.service.alone import serving_alone
from ecsmachine.localcloud.service.fault_reach import reach_of
from ecsmachine.localcloud.service.listening import listen_at, parse
from ecsmachine.localcloud.service.page.admission import new_token
from ecsmachine.localcloud.service.seed import Seed, read_seed
from ecsmachine.localcloud.state import records
from ecsmachine.localcloud.state.settings import NOBODYS_POOL, Settings, delays_of
from ecsmachine.localcloud.state.state import State, open_state
from ecsmachine.system import ports

if TYPE_CHECKING:
    from ecsmachine.localcloud.container_service.provisioned_nodes import Nodes
    from ecsmachine.localcloud.host.settings import GuestKind
    from ecsmachine.localcloud.work.supervisor import Pause

_log = logging.getLogger("ecsmachine.localcloud.service.daemon")


def main(arguments: list[str]) -> int:
    """Serve a cloud until SIGTERM; return the exit code.

    The arguments are the folder of the cloud, the :class:`Order` in JSON, and the descriptor of
    the pipe.
    """
    root, order_text, ready = arguments
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    be_a_daemon()

    def say(answer: dict[str, str | None]) -> None:
        with suppress(OSError):  # nobody waits for it any more
            os.write(int(ready), json.dumps(answer).encode() + b"\n")
            os.close(int(ready))

    try:
        order = records.load(Order, order_text)
        seed = None if order.seed is None else read_seed(order.seed)
        _serve(CloudPaths.of(Path(root)), order, seed, lambda: say({}))
    except Exception as error:
        told = error_of_start(error, Path(root))
        _log.error("%s", told.message, exc_info=told is not error)
        say({"message": told.message, "hint": told.hint, "details": told.details})
        return 1
    return 0


def error_of_start(error: Exception, root: Path) -> LocalCloudError:
    """Return what a user is told of an exception that ended the daemon of the cloud in a folder."""
    if isinstance(error, LocalCloudError):
        return error
    if isinstance(error, OSError):
        return refused_by_system(error, root)
    return LocalCloudError(
        f"The daemon failed: {type(error).__name__}: {error}",
        hint="This is a bug in ecsmachine: report it with the output of "
        f"ecsmachine local logs --root {root}",
    )


@dataclass(frozen=True)
class _Services:
    """The servers of a cloud with real guests: an install script, and a registry (HOST:PORT).

    ``source_key`` is the fingerprint of the key of the mirror's tree.
    """

    install_url: str | None = None
    registry: str | None = None
    source_key: str | None = None


def _serve(paths: CloudPaths, order: Order, seed: Seed | None, ready: Callable[[], None]) -> None:
    from ecsmachine.localcloud.service.http_server import Connections, HttpServer
    from ecsmachine.localcloud.service.server import create_app

    kind, serving, downloads = order.guests, order.serving, order.downloads
    # Not for the programs that are started from here.
    access_key = [os.environ.pop(name, "") for name in KEY_VARIABLES]
    with ExitStack() as stack:
        stack.enter_context(serving_alone(paths.root))
        kept = read_settings(paths.settings_file)
        others_wait = stack.enter_context(ExitStack())
        if kind == "nspawn":
            others_wait.enter_context(alone_in_choosing())
        plan = plan_of(kept.public) if kept is not None else _choose_plan(paths, kind)
        listening = _listen(order.port, kept.port if kept is not None else 0)
        stack.callback(listening.close)
        port = listening.getsockname()[1]
        sockets = [listening]
        where = parse(serving.listen) if serving.listen else None
        if where is not None and where.address != "127.0.0.1":
            if where.everywhere:
                listening.close()  # it would block the start
                sockets = []
            sockets.append(listen_at(where, port))
            stack.callback(sockets[-1].close)
        releases = (
            (USUAL,) if downloads is None else tuple(base.release for base in downloads.bases)
        )
        settings = CloudSettings(kind, port, str(plan.public), releases)
        records.write(paths.settings_file, settings)
        state = open_state(
            paths.root,
            Settings(
                public_pool=str(plan.public),
                vpc_cidr=str(plan.vpc),
                vswitch_cidr=str(plan.vswitch),
                reserved=(str(plan.host),),
                delays=delays_of(serving.delay),
                access_key_id=access_key[0],
                access_key_secret=access_key[1],
            ),
        )
        stack.callback(state.close)
        _check_cluster_ports(state)
        faults = FaultBook(paths.root, reach_of(paths.root, guests=kind != "none"))
        stack.callback(faults.close)
        services = _Services()
        if kind == "nspawn" and downloads is not None:
            guests, services = _real_guests(
                paths, plan, downloads, download_faults(faults, state), stack
            )
        else:
            from ecsmachine.localcloud.host.guests.none import NoGuests

            guests = NoGuests()
        others_wait.close()
        nodes = None
        if services.install_url is not None:
            nodes = partial(_real_nodes, state, settings, services)
        connections = Connections()
        page_token = "" if serving.no_page else new_token()
        application = create_app(
            state,
            guests,
            faults,
            connections,
            images=images_of(releases) if kind == "nspawn" else None,
            nodes=nodes,
            lenient=serving.lenient,
            settled=serving.settled,
            seed=seed,
            names=() if where is None else where.names,
            page_token=page_token,
        )

        def answering() -> None:
            running = _running(state, settings, services)
            if where is not None:
                running = replace(running, endpoint=f"http://{where.host()}:{port}")
            running = replace(running, serving=serving, page_token=page_token)
            records.write(paths.daemon_file, running)
            _log.info("serving on port %s", settings.port)
            ready()

        server = HttpServer(
            application,
            connections.protocol(),
            ready=answering,
            stopping=application.state.endpoint.view.close,
            explained=lambda: application.state.failure is not None,
        )
        server.run(sockets=sockets)
        if not server.started:
            raise application.state.failure or LocalCloudError("The API could not be started.")
        paths.daemon_file.unlink(missing_ok=True)
        _log.info("ended")


def _choose_plan(paths: CloudPaths, kind: GuestKind) -> AddressPlan:
    if kind == "none":
        return plan_of(NOBODYS_POOL)
    return choose(int(paths.id, 16), host_networks(without_link=paths.link))


def _real_guests(
    paths: CloudPaths,
    plan: AddressPlan,
    downloads: Downloads,
    faults: DownloadFaults,
    stack: ExitStack,
) -> tuple[Guests, _Services]:
    from ecsmachine.localcloud.host.control_groups import guest_groups
    from ecsmachine.localcloud.host.guests.nspawn import NspawnGuests
    from ecsmachine.localcloud.host.mirror import Mirror
    from ecsmachine.localcloud.host.network import REGISTRY_PORT, Network
    from ecsmachine.localcloud.host.openpgp import signing_key
    from ecsmachine.localcloud.registry.server import Registry

    network = Network(link=paths.link, router=paths.router, plan=plan)
    network.up()
    bases = downloads.bases
    key = signing_key(paths.mirror_key, "ecsmachine's local cloud") if downloads.docker_ce else None
    mirror = Mirror(
        {base.release: Path(base.packages) for base in bases},
        address=str(plan.gateway),
        namespace=paths.router,
        others={base.release: [Path(folder) for folder in base.others] for base in bases},
        docker_ce=None if downloads.docker_ce is None else Path(downloads.docker_ce),
        key=key,
        faults=faults,
    )
    mirror.start()
    stack.callback(mirror.stop)
    registry = Registry(
        Path(downloads.registry),
        paths.registry,
        address=f"{plan.gateway}:{REGISTRY_PORT}",
        namespace=paths.router,
    )
    registry.start()
    stack.callback(registry.stop)
    images = {base.release: Path(base.image) for base in bases}
    fingerprint = key.fingerprint if key is not None else None
    guests = NspawnGuests(
        paths,
        images,
        network,
        guest_groups(paths.group),
        source_key=fingerprint,
        registry=f"http://{registry.address}",
    )
    return guests, _Services(f"{mirror.url}/install.sh", registry.address, fingerprint)


def _real_nodes(state: State, settings: CloudSettings, services: _Services, pause: Pause) -> Nodes:
    from ecsmachine.localcloud.container_service.provisioned_nodes import ProvisionedNodes

    def address_of(instance_id: str) -> str:
        with state.lock:
            instance = state.instances.get(instance_id)
        return "" if instance is None else instance.private_ip

    return ProvisionedNodes(
        lambda: _running(state, settings, services).environment(), address_of, pause
    )


def _listen(port: int, usual: int) -> socket.socket:
    """Listen on the port that was asked for; or on the one it had before, or on any.

    It is not given another one than before: shells and machines know that one.
    """
    try:
        return _server(port or usual)
    except OSError as error:
        raise LocalCloudError(
            f"The API cannot listen on port {port or usual}: "
            f"{why_not_listening(error, port or usual)}",
            hint="Choose another port with --port"
            if port
            else "Stop that program. Or choose another port with --port, and run "
            '"ecsmachine local env" again (existing machines keep the old port)',
        ) from None


def _check_cluster_ports(state: State) -> None:
    """Raise :class:`LocalCloudError` if a port that a cluster had before is taken."""
    for cluster in state.clusters:
        for port in filter(None, (cluster.master_port, cluster.routing_port)):
            try:
                _server(port).close()
            except OSError as error:
                raise LocalCloudError(
                    f"The cluster {cluster.name} cannot listen on port {port}: "
                    f"{why_not_listening(error, port)}",
                    hint="Stop that program",
                ) from None


def _server(port: int) -> socket.socket:
    listening = ports.server(port)
    # inherited by every connection: else an answer's body waits 40 ms for its head to be
    # acknowledged, as asyncio sets this only on sockets of its own making
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _running(state: State, settings: CloudSettings, services: _Services) -> Running:
    me, plan = identify(os.getpid()), plan_of(settings.public)
    networks = () if settings.guests == "none" else (str(plan.public), str(plan.vpc))
    return Running(
        pid=os.getpid(),
        started=me.started if me is not None else "",
        endpoint=f"http://127.0.0.1:{settings.port}",
        guests=settings.guests,
        region=state.region,
        vpc_id=state.default_vpc_id,
        vswitch_id=state.default_vswitch_id,
        access_key_id=state.account.access_key_id,
        access_key_secret=state.account.access_key_secret,
        install_url=services.install_url,
        registry=services.registry,
        source_key=services.source_key,
        networks=("127.0.0.1", "localhost", *networks),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
