"""The install mirror: HTTP inside the cloud's own network, for install.sh and packages."""

from __future__ import annotations

import io
import logging
import os
import select
import shutil
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import BinaryIO

from ecsmachine.localcloud.catalog.images import SUITES
from ecsmachine.localcloud.host.apt_repository import AptRepository
from ecsmachine.localcloud.host.docker_ce import COMPONENT, POOL, SUITE, TREE
from ecsmachine.localcloud.host.guests.faults import DownloadFault, DownloadFaults
from ecsmachine.localcloud.host.network import MIRROR_PORT, NamespaceSockets
from ecsmachine.localcloud.host.openpgp import SigningKey
from ecsmachine.localcloud.host.packages import Package, read_manifest
from ecsmachine.localcloud.host.processes import why_not_listening
from ecsmachine.localcloud.host.programs import run
from ecsmachine.localcloud.protocol.errors import LocalCloudError

_log = logging.getLogger(__name__)


def install_script(url: str, packages: Mapping[str, list[Package]], architecture: str) -> str:
    """Return install.sh for a mirror at ``url`` with packages for some releases of Debian."""
    text = resources.files(__package__).joinpath("install.sh").read_text(encoding="utf-8")
    values = {
        "@URL@": url,
        "@PACKAGES@": "\n".join(
            f"{SUITES[release]} {package.sha256}  {package.file}"
            for release, listed in packages.items()
            for package in listed
        ),
        "@ARCHITECTURE@": architecture,
    }
    for name, value in values.items():
        text = text.replace(name, value)
    return text


class Mirror:
    """Serves folders of packages, by release, inside the router's network namespace.

    ``folders`` have the engine's, which install.sh installs; ``others`` are in the apt repository
    of their release beside these. ``docker_ce`` are the packages of the tree that Alibaba Cloud's
    mirror has, which ``key`` signs.
    Nothing of it is seen on the host's other interfaces: the socket is in the namespace.
    """

    def __init__(
        self,
        folders: Mapping[str, Path],
        *,
        address: str,
        namespace: Path,
        others: Mapping[str, Sequence[Path]] | None = None,
        docker_ce: Path | None = None,
        key: SigningKey | None = None,
        faults: DownloadFaults = lambda *_: None,
    ):
        packages = {release: read_manifest(folder) for release, folder in folders.items()}
        self.url = f"http://{address}"
        architecture = run(["dpkg", "--print-architecture"]).strip()
        script = install_script(self.url, packages, architecture).encode()
        offered = {
            release: [folder, *(others or {}).get(release, ())]
            for release, folder in folders.items()
        }
        files = {
            f"/{package.file}": folder / package.file
            for listed in offered.values()
            for folder in listed
            for package in read_manifest(folder)
        }
        repositories = [
            AptRepository(SUITES[release], architecture, listed)
            for release, listed in offered.items()
        ]
        if docker_ce is not None:
            pool = f"{TREE}/{POOL}/{architecture}"
            files |= {
                f"{pool}/{package.file}": docker_ce / package.file
                for package in read_manifest(docker_ce)
            }
            repositories.append(
                AptRepository(
                    SUITE,
                    architecture,
                    [docker_ce],
                    component=COMPONENT,
                    tree=TREE,
                    pool=f"{POOL}/{architecture}",
                    key=key,
                )
            )
        self._server = _Server(_listen(namespace, address), script, files, repositories, faults)
        self._thread = threading.Thread(target=self._serve, name="mirror", daemon=True)

    def start(self) -> None:
        """Serve in the background until :meth:`stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving, and let go of the namespace."""
        self._server.stopping.set()
        with suppress(OSError):
            self._server.socket.shutdown(socket.SHUT_RDWR)  # wakes what waits for a connection
        self._thread.join()
        self._server.server_close()

    def _serve(self) -> None:
        # not serve_forever: it wakes up again and again to see whether it has to end
        while not self._server.stopping.is_set():
            self._server.handle_request()


def _listen(namespace: Path, address: str) -> socket.socket:
    """Return a socket that listens inside a network namespace."""
    try:
        with closing(NamespaceSockets(namespace)) as sockets:
            return sockets.listen(address, MIRROR_PORT)
    except OSError as error:
        why = why_not_listening(error, MIRROR_PORT, namespace=namespace)
        raise LocalCloudError(f"The install mirror cannot listen on {address}: {why}") from None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(
        self,
        listening: socket.socket,
        script: bytes,
        files: dict[str, Path],
        repositories: Sequence[AptRepository],
        faults: DownloadFaults,
    ):
        super().__init__(listening.getsockname(), _Request, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.script = script
        self.files = files
        self.repositories = repositories
        self.faults = faults
        self.stopping = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """Write to the daemon's log that a client went away, or what else there was."""
        _log.info("mirror: %s: %s", client_address, sys.exc_info()[1])


class _Request(BaseHTTPRequestHandler):
    server: _Server
    server_version = "ecsmachine-mirror"
    sys_version = ""
    timeout = 60

    def do_GET(self) -> None:
        """Send a package, an index of them, or install.sh."""
        self._send(with_body=True)

    def do_HEAD(self) -> None:
        """Send what GET sends first."""
        self._send(with_body=False)

    def _send(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        struck = self.server.faults(self.client_address[0], path, with_body)
        if struck is not None and struck.not_found:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        if path in ("/install.sh", "/"):
            self._send_made("text/x-shellscript", self.server.script, struck, with_body)
            return
        index = self._index(path)
        if index is not None:
            kind = "application/gzip" if path.endswith(".gz") else "text/plain"
            self._send_made(kind, index, struck, with_body)
            return
        try:
            stream = self.server.files[path].open("rb")
        except (KeyError, OSError):  # somebody may have removed the cache
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with stream:
            size = os.fstat(stream.fileno()).st_size
            self._begin("application/vnd.debian.binary-package", size)
            if struck is None and with_body:
                self.wfile.flush()
                self.connection.sendfile(stream)
            else:
                self._copy(stream, size, struck, with_body)

    def _index(self, path: str) -> bytes | None:
        try:
            found = (repository.index(path) for repository in self.server.repositories)
            return next((index for index in found if index is not None), None)
        except (OSError, LocalCloudError) as error:  # as with the packages
            _log.warning("mirror: no index of packages: %s", error)
            return None

    def _send_made(
        self, kind: str, data: bytes, struck: DownloadFault | None, with_body: bool
    ) -> None:
        self._begin(kind, len(data))
        self._copy(io.BytesIO(data), len(data), struck, with_body)

    def _copy(
        self, stream: BinaryIO, size: int, struck: DownloadFault | None, with_body: bool
    ) -> None:
        if struck is not None and with_body:
            self.wfile.write(stream.read(size // 2))
            self._hang(struck)
        if with_body:
            shutil.copyfileobj(stream, self.wfile, 1 << 18)

    def _hang(self, struck: DownloadFault) -> None:
        """Wait until the fault is removed, the client is gone, or the mirror stops."""
        waiting = select.poll()  # which also supports descriptors above 1023
        waiting.register(self.connection, select.POLLIN)
        while struck.lasts():
            if waiting.poll(200) or self.server.stopping.is_set():
                raise ConnectionAbortedError("the download hung, and was given up")

    def _begin(self, kind: str, size: int) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(size))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Write to the daemon's log."""
        _log.info("mirror: %s %s", self.client_address[0], format % args)
